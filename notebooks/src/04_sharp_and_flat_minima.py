# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#       jupytext_version: 1.19.6
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 4 · Are flat minima good?

# %% canyon-and-basin
from course_utils.plotting import show
from lessons.lesson_4 import draw

show(*draw.canyon_and_basin(curvatures=(2, 50), shift=0.25))

# %% [markdown]
# A basin and a canyon, equally deep.
# The solid curve is the loss on the examples a network was trained on.
# The dashed one is the loss on new examples, and the story takes it to be the same curve, moved a little to the side: nobody notices in the basin, it hurts in the canyon.
# Large batches, the story goes on, end in canyons and small batches in basins, and that is why small batches do better on new examples ([generalisation](teaching/glossary.md#curvature)).
# It has been told since 1997, in Hung-yi Lee's lecture too; here it is measured.
#
# After this lesson you can
#
# 1. say which step of the story is arithmetic, which was measured, and which is a picture only;
# 2. predict whether a noisy walker can stay in a minimum, from its curvature, the batch size and the learning rate;
# 3. make any minimum of a ReLU network sharp without changing one of its predictions.
#
# | Reading time | Before it | It follows |
# |---|---|---|
# | 25 minutes, and 15 for the exercises | lessons 1 to [3](03_small_and_large_batches.ipynb) | the part on canyons and basins in Hung-yi Lee, Machine Learning 2021, "Batch and Momentum" |

# %%
import numpy as np
import pandas as pd
import torch

from course_utils.checks import check, hint, reply, solution
from course_utils.claims import verdict
from course_utils.results import by_seed, interval, read_results

# %%
device = "cpu"  # or "cuda", "mps"
full = False  # True: all of MNIST, 55,000 digits to train on (12 MB once)
lr = 1 / 4  # learning rate η of the one network that is trained on this page

# %% [markdown]
# ## 4.1 Does the canyon pay more?
#
# Near its lowest point a smooth loss is a parabola, ½λw².
# The number λ is its **curvature**: 2 in the basin above, 50 in the canyon.
# Move the curve by δ, and at the old lowest point it has risen by ½λδ².
# For the same δ the canyon pays 25 times as much as the basin.
# That is arithmetic.
#
# But what moves the curve?
# New examples are another *sample*, and where a loss has its minimum depends on the sample.
# Take one weight w and 20 examples (x, y), where y is noise that doesn't depend on x, so that the best weight is 0.
# The loss is half the squared error, ½(wx − y)², and its curvature is the mean of x².
# With x about 1 in size we get a basin, λ = 1; with x about 5 a canyon, λ = 25.
# We draw 2,000 training sets, find the minimum of each by least squares, and ask what this weight costs on all examples there are: ½λw² more than the best one.
#
# **Guess.** The canyon bends 25 times as much as the basin. How many times as much does it pay, on average?

# %%
guess_canyon = None  # times as much as the basin; a number, or None to skip


# %%
def fit_samples(size, num_sets=2000, num_examples=20):
    """Return the fitted weights (num_sets,) for inputs of this size."""
    rng = np.random.default_rng(0)
    x = size * rng.standard_normal((num_sets, num_examples))
    y = rng.standard_normal((num_sets, num_examples))
    return (x * y).sum(1) / (x**2).sum(1)


# %% samples tags=["reveal"]
fitted = {"basin": (1, fit_samples(size=1)), "canyon": (25, fit_samples(size=5))}
costs = {name: np.mean(curvature * w**2 / 2) for name, (curvature, w) in fitted.items()}
show(*draw.samples(fitted, costs))
reply(guess_canyon, costs["canyon"] / costs["basin"], "times as much")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# Not a penny more.
# Each dot is the minimum of one training set (300 are drawn; the same random numbers serve both).
# In the canyon they lie five times closer together, because a steep wall holds a minimum where it is; and five times closer on a curve that bends 25 times as much costs the same.
# (A least-squares fit to n examples has a variance of 1/(nλ) where the noise has 1, so it costs about 1/(2n), whatever λ is.)
#
# So "the canyon pays more" is true of a shift that does not know the curvature, such as rounding the weights, and untrue of the one that sampling makes.
# And networks?
# On six training sets, full-batch networks four times as sharp as those of B = 16 pay a quarter more on new digits, and at a larger η some five times as sharp pay no more at all ([page 4b](deeper/4b_keskar_repeated.ipynb)).
#
# </details>
#
# ## 4.2 Who can stay in a canyon?
#
# The next step: a small batch has a noisy gradient, noise throws it out of a narrow canyon, and only a basin holds it.
# A large batch follows its gradient into the canyon and stays.
#
# Two wells of equal depth, the canyon at −1 with λ = 50 and the basin at 1 with λ = 2.
# A thousand walkers start at the bottom of the canyon and descend; each gradient carries noise of standard deviation 20/√B, as the mean of B examples would.
#
# **Guess.** At η = 0.01, after 2,000 updates: up to which power of two as B do more than half of them stand outside the canyon?

# %%
guess_border = None  # B, examples per update; a number from 1 to 256, or None to skip


# %% walk
def two_wells(w):
    return np.minimum(25 * (w + 1) ** 2, (w - 1) ** 2)


def share_outside(lr, batch_size, start=-1.0, num_walkers=1000, num_steps=2000):
    """Return the share of the walkers that are not in the canyon at the end."""
    rng, w = np.random.default_rng(0), np.full(num_walkers, start)
    for _ in range(num_steps):
        gradient = np.where(w < -2 / 3, 50 * (w + 1), 2 * (w - 1))
        noise = 20 / np.sqrt(batch_size) * rng.standard_normal(num_walkers)
        w = w - lr * (gradient + noise)
    return np.mean(w > -2 / 3)


# %% walkers tags=["reveal"]
batch_sizes = [1, 2, 4, 8, 16, 32, 64, 128, 256]
outside = {
    rate: [share_outside(rate, size) for size in batch_sizes] for rate in (0.01, 0.02, 0.03)
}
show(*draw.walkers(two_wells, batch_sizes, outside, guess=guess_border))
leavers = [s for s, share in zip(batch_sizes, outside[0.01], strict=True) if share > 0.5]
reply(guess_border, leavers[-1], "examples")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# At η = 0.01 three quarters of the walkers with B = 4 stand outside at the end, and three in a hundred of those with B = 8.
#
# </details>
#
# So the mechanism works, in one dimension.
# A larger η moves the border to larger batches: within a well the walkers spread with a variance of ηs²/(Bλ(2 − ηλ)), where s²/B is the variance of the noise.
# B and η enter together.
# And look at the last factor: at ηλ = 2 the spread becomes infinite, even for a batch with hardly any noise.

# %% no-noise
for rate in (0.039, 0.041):
    share = share_outside(rate, np.inf, start=-1.01)  # no noise, 0.01 beside the bottom
    print(f"η = {rate}: {share:.0%} leave a canyon with 2/λ = 0.04")

# %% [markdown]
# Above **η = 2/λ** a step overshoots by more than the walker was off, and no noise is needed.
# A learning rate forbids all minima sharper than 2/η, the **edge of stability**, to every batch size; lesson 5 derives it.
# [Page 4c](deeper/4c_where_training_stays.ipynb) watches a network climb to that border, and changes the batch size half-way: the small batch does leave the large one's sharp place.
#
# **4B · Noise near the border.**
# Take the formula for the spread above; s stays as it is.
# In the canyon, λ = 50, η is raised from 0.02 to 0.035.
# How many times as large must B be for the walkers to spread as widely as before? (1 line, or by hand)
# Run the cell with your answer; take away the # in front of `hint` or `solution` to read it.

# %%
times_larger = ...
check("4B", times_larger)
# hint("4B")
# solution("4B")

# %% [markdown]
# ## 4.3 Do large batches end in canyons?
#
# A network has not one curvature but as many as it has weights.
# They are the [eigenvalues](teaching/glossary.md#curvature) of its **Hessian**, the matrix of second derivatives; the largest, **λ_max**, belongs to the direction in which the loss bends most.
# ([Page 4a](deeper/4a_measuring_curvature.ipynb) computes it by hand, and shows five ways to get it wrong.)
#
# λ_max falls with the loss, for every batch size, since the surer a network is of its answers, the flatter its loss.
# So two batch sizes are compared **at the same training loss**.
# Recorded: lesson 3's network (784-128-10) on 4,000 digits, four batch sizes, four learning rates, five seeds; constant η, plain SGD; measured where the full training loss first lies below 0.2, 0.05 and 0.01.
#
# **Guess.** At a loss of 0.05 and η = 1/4: how many times as large is λ_max for the full batch (B = 4,000) as for B = 16?

# %%
guess_ratio = None  # λ_max of the full batch over that of B = 16, or None to skip


# %%
def ratio(above, below):
    """Return above/below, paired over seeds: mean of the logarithms, and its 95 % interval."""
    mean, half, _ = interval(np.log(above / below))
    return np.exp([mean, mean - half, mean + half])


# %% equal-loss tags=["reveal"]
rows = read_results("sharpness_digits")
recorded = by_seed(rows, "largest_eigenvalue", "level", "lr", "batch_size")
show(*draw.equal_loss(recorded))
at_loss = recorded[0.05]
reply(guess_ratio, ratio(at_loss[1 / 4][4000], at_loss[1 / 4][16])[0], "times as large")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# On the left, the story is confirmed: at one η, and at every loss, the larger batch stands at the sharper point.
# At 0.05 the full batch is 1.6 times as sharp as B = 16 at η = 1/16, and 5.6 times at η = 1/2.
#
# In the right-hand panel a larger η flattens as well.
# For B = 16 and 64 **η/B**, the size of the noise, explains much of λ_max, not all: where they have the same η/B they differ by 16 and 32 %.
# The full batch at η = 1/2 is only 8 % sharper (2 to 14 %) than B = 16 at η = 1/16.
#
# </details>
#
# So the claim has a condition, and fails if either half is missing.
# (In Keskar's own network, `f1`, the large batch reached a much smaller loss, and a λ_max some eighty times *smaller*; [page 4b](deeper/4b_keskar_repeated.ipynb).)

# %% large-batches-are-sharper tags=["reveal"]
same_rate = [
    ratio(at_loss[rate][4000], at_loss[rate][16]) for rate in (1 / 16, 1 / 8, 1 / 4, 1 / 2)
]
f1 = by_seed(
    read_results("keskar_f1", num_train=60_000), "largest_eigenvalue", "batch_size"
)
verdict(
    "C42",
    *(low > 1.3 for _, low, _ in same_rate),
    without=(
        ratio(at_loss[1 / 2][4000], at_loss[1 / 16][16])[2] < 1.2,  # another η for each
        ratio(f1[6000], f1[256])[2] < 0.1,  # another loss for each
    ),
)

# %% [markdown]
# ## 4.4 Sharp, and yet the same network
#
# Is sharpness a property of what a network has learnt?
# A ReLU passes positive numbers and stops negative ones, so relu(a·x) = a·relu(x) for every a > 0.
# Multiply the first layer by a and divide the last one by a: what comes out is the same, for every digit (Dinh et al. 2017).
#
# **4A · Sharp, without changing one prediction.**
# Make a flat minimum sharp: the same answers to all digits, and λ_max at least 20 times as large.
# `twin` is a copy of a network like ours, `Sequential(Flatten, Linear, ReLU, Linear)`, so the layers with weights are `twin[1]` and `twin[3]`.
# The check makes the copy and calls your function under `torch.no_grad()` (3 lines in place of the dots).


# %% sharpen
def sharpen(twin):
    """Change twin[1].weight, twin[1].bias and twin[3].weight in place."""
    ...


check("4A", sharpen)
# hint("4A")
# solution("4A")

# %% [markdown]
# Such a family: one network (784-32-10), trained for four epochs with B = 16, and its twins for six factors a.
# On the left a cut through the loss along one random direction, on the right what the network says of the digit it is least sure of.
# In the middle three measures of sharpness, each over its value at a = 1.
# *Keskar's* is the largest rise of the loss in a small box around the weights.
# *Scaled λ_max* measures every step against the size of the weight that it moves.

# %%
from course_utils.curvature import flat_weights, keskar_sharpness, top_eigenvalue
from course_utils.data import load_mnist
from course_utils.explore import explore
from course_utils.models import mlp
from course_utils.training import train
from lessons.lesson_4.networks import rescale_layers

# %%
train_set, valid_set, test_set = (s.to(device) for s in load_mnist(full=full))
digits = train_set[:500]  # enough for the measures on this page
network = mlp((784, 32, 10), seed=0).to(device)
training = {"batch_size": 16, "lr": lr, "num_epochs": 4, "eval_steps": []}
_ = train(network, train_set, generator=torch.Generator().manual_seed(0), **training)

# %% twins tags=["nbval-ignore-output"]
factors = [0.2, 0.5, 1, 2, 5, 10]
twins = {a: rescale_layers(network, a) for a in factors}


def scaled_eigenvalue(model):
    return top_eigenvalue(model, digits, scale=flat_weights(model).abs())


measures = {
    "λ_max": [top_eigenvalue(twin, digits) for twin in twins.values()],
    "Keskar": [keskar_sharpness(twin, digits).sharpness for twin in twins.values()],
    "scaled λ_max": [scaled_eigenvalue(twin) for twin in twins.values()],
}

# %%
from course_utils.curvature import loss_along

# %% rescaling tags=["nbval-ignore-output"]
alphas = np.linspace(-1, 1, 41)
w = flat_weights(network)
direction = torch.randn(len(w), generator=torch.Generator().manual_seed(1)).to(w)
direction *= w.norm() / direction.norm()  # as long as the weights
cuts = [
    loss_along(t, digits, flat_weights(t), direction, alphas).loss for t in twins.values()
]
with torch.no_grad():
    unsure = network(test_set.images).softmax(1).amax(1).argmin()
    answers = [t(test_set.images)[unsure].softmax(0).cpu() for t in twins.values()]
explore(*draw.rescaling(factors, alphas, cuts, measures, answers))

# %% [markdown]
# From a = 1 to 10 λ_max grows more than twentyfold, and no prediction changes.
# Keskar's measure first falls and then rises: by it the network is flattest near a = 5.
# The scaled λ_max alone notices that nothing has happened.
#
# **Sharpness belongs to the weights, not to the function.**
# If flatness is to mean anything for new digits, it can't be λ_max alone; the scale of the weights must be taken out first.
#
# ## 4.5 Are the flat ones good?
#
# One question is left: among networks that *training* found, at one training loss, do the flat ones do better on new digits?
# Recorded, at a training loss of 0.05: four batch sizes at four learning rates, five seeds each, tested on 1,000 digits that no training has seen.
# We hold its accuracy against λ_max, scaled λ_max, and η/B, which was known before training began.
# A rank correlation of −1 says: flatter is better, without exception; beside it is its 95 % interval.


# %%
def rank_correlation(frame, column):
    """Return Spearman's correlation with the accuracy over the settings, and its 95 % interval."""
    means = frame.groupby(["batch_size", "lr"])[[column, "unseen"]].mean()
    r, n = means.rank().corr().iloc[0, 1], len(means)
    reach = 1.96 * np.sqrt((1 + r**2 / 2) / (n - 3))  # Bonett and Wright 2000
    return r, np.tanh(np.arctanh(r) - reach), np.tanh(np.arctanh(r) + reach)


def with_unseen(frame):
    unseen = (frame["valid_accuracy"] + frame["test_accuracy"]) / 2
    return frame.assign(unseen=unseen, noise=frame["lr"] / frame["batch_size"])


# %% flat-and-good
ends = with_unseen(read_results("scale_free_sharpness", optimizer="sgd", status="ok"))
labels = {
    "largest_eigenvalue": "λ_max",
    "scaled_eigenvalue": "scaled λ_max",
    "noise": "η/B",
}
orders = {
    column: (label, rank_correlation(ends, column)) for column, label in labels.items()
}
show(*draw.flat_and_good(ends, orders))

# %% [markdown]
# Flatter is better in these runs: λ_max puts the settings in the order of their accuracy with few mistakes (the flattest is not the best), and so does the scaled λ_max, which no rescaling fools.
# But η/B, which is no property of the network, does it nearly as well.
# A large η and a small B make a network flat, and they make it good, and nothing here says that they do the one *by* the other.
# Nor does it hold at all times, or by every measure that is free of scale:

# %% other-orders
sam = read_results("sam_digits", wrong=0.0, batch_size=32, moment=0.05)
sam = by_seed(sam, "test_accuracy", "rho")
flatter = interval(sam[0.4] - sam[0.0])
early = with_unseen(read_results("sharpness_digits", level=0.2, status="ok"))
others = {
    "λ_max, at a loss of 0.2": rank_correlation(early, "largest_eigenvalue"),
    "adaptive sharpness, radius 0.1": rank_correlation(ends, "rise_0_1"),
}
pd.DataFrame(others, index=["rank correlation", "from", "to"]).T.round(2)

# %% [markdown]
# At a loss of 0.2 these runs show no order.
# And by the *adaptive sharpness*, the largest rise within a small ball (steps measured against the size of each weight, too), the *sharper* networks are the better ones: [page 4a](deeper/4a_measuring_curvature.ipynb) shows how the radius of the ball decides what one finds.

# %% flat-is-good
with torch.no_grad():
    same = [twins[a](test_set.images).argmax(1) for a in (1, 10)]
growth = {name: values[-1] / values[factors.index(1)] for name, values in measures.items()}
verdict(
    "C39",
    orders["largest_eigenvalue"][1][2] < -0.5,  # λ_max orders our runs,
    orders["noise"][1][1] > 0.5,  # but so does what was known before,
    all(low > -0.5 for _, low, _ in others.values()),  # and not always, nor by any measure;
    flatter.mean > flatter.half_width,  # also at one η and B, by training for it;
    torch.equal(*same) and growth["λ_max"] > 10,  # and one function can be either
    abs(growth["scaled λ_max"] - 1) < 0.01,
)

# %% [markdown]
# What would tell more: flatness changed on purpose, with η and B left alone.
# On 1,000 digits that did bring something ([4d](deeper/4d_looking_for_flat_places.ipynb)); elsewhere the studies disagree.
# As the lecture says, it needs research (C44).
#
# ## Summary
#
# - At one η and one training loss, larger batches end at sharper points; with another η, or at another loss, they needn't.
# - Noise drives walkers out of a canyon below some batch size; a learning rate above 2/λ does it without noise.
# - A canyon pays more if the shift has nothing to do with its curvature. The shift that sampling makes is smaller where the curve bends more.
# - Any minimum of a ReLU network can be made sharp without changing one prediction.
# - At a low loss flat networks tested better in our runs, by curvature; so says η/B, nearly as well, and one measure says the reverse.
#
# **Are flat minima good?** Here the flat ones did test better, late in training, even at one η and B; but flatness can be had or lost without touching a single answer, and nobody has shown that it is the reason.
#
# Going on: [4a](deeper/4a_measuring_curvature.ipynb), measuring curvature · [4b](deeper/4b_keskar_repeated.ipynb), Keskar's experiment repeated, and who is better in testing · [4c](deeper/4c_where_training_stays.ipynb), saddles, and where training can stay · [4d](deeper/4d_looking_for_flat_places.ipynb), looking for flat places.
#
# Before: [3 · small and large batches](03_small_and_large_batches.ipynb). Next: [5 · momentum](05_momentum.ipynb). Terms: [glossary](teaching/glossary.md).
#
# ## References
#
# - Hung-yi Lee, "Batch and Momentum", Machine Learning 2021, National Taiwan University: claims C31, C33 to C44 and C67 to C71.
# - S. Hochreiter, J. Schmidhuber, "Flat minima", Neural Computation 9(1), 1997, and N. Keskar et al., [arXiv 1609.04836](https://arxiv.org/abs/1609.04836): where the story comes from.
# - L. Dinh et al., [arXiv 1703.04933](https://arxiv.org/abs/1703.04933): the rescaling. J. Kwon et al., [arXiv 2102.11600](https://arxiv.org/abs/2102.11600): steps measured against the size of the weights.
# - S. Jastrzębski et al., [arXiv 1711.04623](https://arxiv.org/abs/1711.04623), S. Smith, Q. Le, [arXiv 1710.06451](https://arxiv.org/abs/1710.06451): η/B as the measure of the noise.
