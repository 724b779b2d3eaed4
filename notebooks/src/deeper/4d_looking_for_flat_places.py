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
# # 4d · Does it help to look for flat places?
#
# This page belongs to [lesson 4](../04_sharp_and_flat_minima.ipynb).
# There, the flatter networks tested better, but η and B had made them flat, and may have made them good in another way.
# Here η and B stay as they are, and training itself looks for flat places: *sharpness-aware minimisation*, SAM (Foret et al. 2021).
#
# About 10 minutes to read, 10 seconds to run.

# %%
import pandas as pd
import torch
import torch.nn.functional as F

from course_utils.checks import reply
from course_utils.curvature import top_eigenvalue
from course_utils.data import load_mnist
from course_utils.models import mlp
from course_utils.plotting import show
from course_utils.results import by_seed, interval, read_results
from course_utils.training import evaluate, minibatches
from lessons.lesson_4 import draw

# %% [markdown]
# ## One line more
#
# An ordinary step goes down the gradient at w.
# SAM first climbs: a way of length ρ straight uphill, as far as the batch can see it, to w + ρ·g/|g|.
# It takes the gradient *there*, comes back, and goes down that one:
#
# $$w \leftarrow w - \eta\,\nabla L_B\!\left(w + \rho\,\frac{g}{|g|}\right), \qquad g = \nabla L_B(w)$$
#
# For small ρ the gradient up there is g + ρ·Hg/|g|, and Hg/|g| is the gradient of |g|: so SAM goes down the loss *and its steepness*, $L_B + \rho\,|\nabla L_B|$.
# (Noise does something like it by itself: small batches behave as if the squared length of their gradients were added to the loss, page [3c](3c_what_is_left_of_large_is_worse.ipynb).)
# A step costs two gradients in place of one.


# %% sam-step
def sam_step(model, images, labels, rho, lr=1 / 4):
    """Take one step with the gradient at w + ρ·g/|g|, in place."""
    weights = list(model.parameters())
    g = torch.autograd.grad(F.cross_entropy(model(images), labels), weights)
    length = torch.sqrt(sum(part.pow(2).sum() for part in g))
    uphill = [rho * part / length for part in g]
    with torch.no_grad():
        for w, up in zip(weights, uphill, strict=True):
            w += up
    there = torch.autograd.grad(F.cross_entropy(model(images), labels), weights)
    with torch.no_grad():
        for w, up, g_there in zip(weights, uphill, there, strict=True):
            w -= up + lr * g_there


# %% [markdown]
# Once, live: 1,000 digits, B = 32, stopped where the training loss first lies below 0.05.

# %% live tags=["nbval-ignore-output"]
train_set, _, _ = load_mnist()
digits = train_set[:1000]


def train_below(rho, level=0.05):
    """Return updates and λ_max where the training loss, looked at every 10 updates, is below `level`."""
    model, step = mlp((784, 64, 10), seed=0), 0
    generator = torch.Generator().manual_seed(0)
    while True:
        for batch in minibatches(len(digits), 32, generator=generator):
            if step % 10 == 0 and evaluate(model, digits)[0] < level:
                return f"{step}", f"{top_eigenvalue(model, digits):.2f}"
            sam_step(model, digits.images[batch], digits.labels[batch], rho)
            step += 1


pd.DataFrame(
    [train_below(rho) for rho in (0.0, 0.1, 0.4)],
    index=pd.Index([0, 0.1, 0.4], name="ρ"),
    columns=["updates", "λ_max"],
)

# %% [markdown]
# Flat it is.
#
# ## Flatter, and better?
#
# Recorded ([the script](../experiments/sam_digits.py)): five draws of 1,000 digits to train on, each tested on the 4,000 others; the network 784-64-10, plain SGD, η = 1/4 everywhere; B = 32 and the full batch.
# All are compared at one training loss, 0.05.
# (A ρ is left out where a run of the five did not come down to it in 1,000 updates.)
#
# **Guess.** With B = 32, how many points does ρ = 0.4 gain on unseen digits?

# %%
guess_gain = None  # points, below 0 if it loses some; or None to skip

# %% looked-for tags=["reveal"]
clean = read_results("sam_digits", wrong=0.0)
at_loss = clean[clean["moment"] == 0.05]
keys = ("batch_size", "rho")
bends = by_seed(at_loss, "largest_eigenvalue", *keys).dropna(axis=1)
accuracy = 100 * by_seed(at_loss, "test_accuracy", *keys).dropna(axis=1)
gains = accuracy.sub(accuracy.xs(0.0, axis=1, level="rho"), axis=1, level="batch_size")
show(*draw.looked_for(bends, gains, guess=guess_gain))
reply(guess_gain, gains[32, 0.4].mean(), "points")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# One and a half points (means of five draws, 95 % intervals), with B = 32 (1.5 ± 0.7) as with the full batch (1.6 ± 0.6), and λ_max is divided by six and by four.
# The larger ρ, the flatter and the better, as long as the run gets there: ρ = 0.8 is too much for B = 32, where one seed of five read 31 % of the unseen digits after 1,000 updates.
#
# </details>
#
# Is it the flatness, or the second gradient that SAM pays for?
# The control gets the same number of gradients, without climbing: twice the updates.

# %% control tags=["reveal"]
by_moment = 100 * by_seed(clean, "test_accuracy", *keys, "moment")
rivals = {
    "ρ = 0.1, 1,000 updates": (0.1, 1000),
    "ρ = 0.4, 1,000 updates": (0.4, 1000),
    "ρ = 0, 2,000 updates": (0.0, 2000),
}


def ahead(size, rho, moment):
    """Return the points ahead of ρ = 0 after 1,000 updates."""
    return interval(by_moment[size, rho, moment] - by_moment[size, 0.0, 1000])


more = {
    f"B = {size:,}": [f"{ahead(size, *rival):.2f}" for rival in rivals.values()]
    for size in (32, 1000)
}
pd.DataFrame(more, index=pd.Index(rivals, name="points ahead of ρ = 0, 1,000 updates"))

# %% [markdown]
# More of the same buys nothing; every training digit was read correctly long before.
#
# ## One order for all?
#
# Put all settings in the order of their λ_max, whatever made them flat, B or ρ:

# %% one-order tags=["reveal"]
order = pd.DataFrame({"λ_max": bends.mean(), "accuracy (%)": accuracy.mean()})
order = order.sort_values("λ_max", ascending=False)
order = order.rename(index="{:,}".format, level="batch_size")
order.rename_axis(["B", "ρ"]).round(2).T

# %% [markdown]
# The accuracy goes up from column to column, without one exception: the full batch at ρ = 0.1 is about as flat as B = 32 without SAM, and about as good.
# (Neighbours differ by less than their intervals; it is the order of the whole that tells.)
# So λ_max is more here than a sign of η/B: it was moved with η and B at rest, and the accuracy went along.
#
# Only late, though, as in the lesson, where labels are right.
# At a loss of 0.5 no ρ is ahead of 0 by more than its interval, and the full batch at ρ = 0.1 is *behind*, by 1.2 ± 0.9 points.
#
# ## With wrong labels
#
# One training label in five replaced by another digit, and tested on right ones:

# %% wrong-labels
noisy = read_results("sam_digits", wrong=0.2, moment=1000)
tested = 100 * by_seed(noisy, "test_accuracy", *keys)
fitted = 100 * by_seed(noisy, "train_accuracy", *keys)
lines = {
    (f"{size:,}", rho): {
        "labels fitted (%)": f"{interval(fitted[size, rho]):.1f}",
        "accuracy, unseen (%)": f"{interval(tested[size, rho]):.1f}",
        "ahead of ρ = 0 (points)": f"{interval(tested[size, rho] - tested[size, 0.0]):.1f}",
    }
    for size, rho in tested
}
pd.DataFrame(lines).T.rename_axis(["B", "ρ"])

# %% [markdown]
# The gain is larger than with right labels, about six points for both batch sizes at ρ = 0.4, and twice the updates without SAM bring none (the full batch loses 0.7 ± 0.2 points).
# With B = 32 much of it may be that SAM has not yet learned the wrong labels.
# With the full batch it is not: 98.9 % of the labels are fitted, the wrong ones included, and at equal loss, at 0.5 or at 0.2, it is ahead by as much (6.5 ± 1.2 and 6.0 ± 0.8).
#
# ## So are flat minima good?
#
# For this network, on 1,000 digits, at one low loss: yes, those that were looked for are better.
# Three things stand between that and "because they are flat".
#
# - **SAM moves more than λ_max.** It goes down the length of the gradient, and anything that comes with it changes too. Baek et al. (2024) take its gain with wrong labels apart, and find that it comes from how SAM holds back the hidden activations and the last layer, during training, and not from the flatness of a minimum; Wen, Li and Ma (2023) show networks whose flattest minima can be useless on new data, and among them some for which SAM finds a good one all the same.
# - **λ_max is not a property of the function** (lesson 4.4). Multiply a layer of the best network here and divide the next one, and it is the sharpest of all.
# - **Elsewhere it fails.** Kaur, Cohen and Lipton (2022) lower λ_max by SAM at large batches, without a gain in testing; Andriushchenko et al. (2023) find no good order among modern networks.
#
# **Further.** Open: is there a ρ for B = 32 with which the *scaled* λ_max of the lesson stays as it was at ρ = 0, and the accuracy doesn't?
#
# ## References
#
# - P. Foret et al., [arXiv 2010.01412](https://arxiv.org/abs/2010.01412): SAM. M. Andriushchenko, N. Flammarion, [arXiv 2206.06232](https://arxiv.org/abs/2206.06232): why the usual explanation of it is incomplete.
# - C. Baek, Z. Kolter, A. Raghunathan, [arXiv 2405.03676](https://arxiv.org/abs/2405.03676): wrong labels. K. Wen, Z. Li, T. Ma, [arXiv 2307.11007](https://arxiv.org/abs/2307.11007): flatness is not all that SAM finds.
# - S. Kaur, J. Cohen, Z. Lipton, [arXiv 2206.10654](https://arxiv.org/abs/2206.10654); M. Andriushchenko et al., [arXiv 2302.07011](https://arxiv.org/abs/2302.07011): where it fails.
#
# Back to [lesson 4](../04_sharp_and_flat_minima.ipynb); [4b](4b_keskar_repeated.ipynb) has what is open, [4c](4c_where_training_stays.ipynb) asks where training stays.
