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
# # 1 · What is a batch, and why shuffle?
#
# After this lesson you can
#
# 1. say what *batch*, *full batch*, *epoch* and *update* mean, and count them for any data set, batch size and loader setting;
# 2. predict how noisy the gradient of a batch is, from a formula that you have seen hold exactly, and say when that noise stops a run short of the minimum;
# 3. train a network on handwritten digits with an update that you wrote yourself, and shuffle for a reason.
#
# | Run time | Before it | It follows |
# |---|---|---|
# | about 15 seconds on two cores, without GPU or network | Python; what a gradient, a covariance matrix and an eigenvalue are | the first third of Hung-yi Lee's lecture "Batch and Momentum" (2021) |
#
# Claims of the lecture carry a number, C01 to C72; where one is put to the test, a line in this form says how it went: `C05 holds: …`.
# [All verdicts on one page](claims.md).

# %%
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import torch
import torch.nn.functional as F
from ipywidgets import Dropdown, IntSlider, SelectionSlider

from course_utils.checks import check, hint, solution
from course_utils.claims import verdict
from course_utils.data import load_mnist
from course_utils.models import mlp
from course_utils.plotting import (
    batch_axis,
    batch_color,
    mark_guess,
    mean_interval,
    plot_band,
    plot_surface,
    show,
)
from course_utils.training import evaluate, minibatches, train
from course_utils.explore import explore
from lessons.lesson_1 import draw

# %% [markdown]
# Everything you may want to change stands in one cell.

# %%
device = "cpu"  # or "cuda", "mps"
full = False  # True: all of MNIST, 55,000 digits to train on (12 MB once, some minutes)
num_examples = 20  # N, the lecture's small data set
lr = 0.1  # learning rate η of the small problem
num_seeds = 5  # runs behind each mean on the digits, at least 2

# %% [markdown]
# ## 1.1 Twenty examples, cut into batches
#
# The lecture draws twenty examples and asks: before the weights change once, how many of them do we look at?
# We take twenty points near a line, so that the whole problem fits into one picture.
# The model has two weights, a slope and an intercept, and the loss of an example is half its squared error.

# %%
rng = np.random.default_rng(0)
x = rng.uniform(0, 2, num_examples)
noise = rng.normal(0, 0.5, num_examples)
features = np.stack([x, np.ones(num_examples)], axis=1)  # (N, 2)
targets = features @ [1.0, 0.5] + noise  # (N,)


def gradient(w, batch):
    """Return the gradient (2,) at `w` (2,) of the mean loss over the examples in `batch`."""
    error = features[batch] @ w - targets[batch]
    return error @ features[batch] / len(batch)


# %% [markdown]
# Now the loop that this whole course is about.
# Put the examples into a random order, cut the order into **batches** of B examples, and let each batch change the weights once: that is one **update**.
# When every batch has been used, one **epoch** is over.

# %% shown-1
batch_size = 8
w = np.array([-1.0, 2.0])
order = rng.permutation(num_examples)
for first in range(0, num_examples, batch_size):
    batch = order[first : first + batch_size]
    w = w - lr * gradient(w, batch)
    print(f"update {first // batch_size + 1} looks at {len(batch)} examples: {batch + 1}")


# %% [markdown]
# Twenty examples in batches of eight: two whole batches and a short one of four.
# We come back to the short one in section 1.5, because it is not as harmless as it looks.
#
# > **Words, fixed once.** A *batch* (also *mini-batch*; the lecture and its exercise class use both for the same thing, C02) is the set of examples that one update looks at; each update uses the gradient of one batch and not of all data (C01).
# > The *full batch* is all N examples at once, which the lecture also calls "no batch" (C06).
# > An *update*, or *step*, is one change of the weights.
# > An *epoch* is one pass over the data.
# > Beware of older books on optimisation: there "batch gradient descent" means the full batch, and "stochastic" means B = 1.
#
# **Predict.** How many updates does one epoch have at B = 20, and how many at B = 1?


# %% shown-2
def updates_in_one_epoch(batch_size):
    return len(range(0, num_examples, batch_size))


counts = {size: updates_in_one_epoch(size) for size in (1, 2, 4, 8, num_examples)}
print(counts)

# %% c05
verdict("C05", counts[num_examples] == 1, counts[1] == 20)

# %% [markdown]
# ## 1.2 One update against twenty
#
# In one epoch the full batch changes the weights once, and B = 1 changes them twenty times, for the same number of examples looked at.
# Here is what these updates do.
# The function below is the loop from above, for several epochs, with every visited point kept.

# %%
start = np.array([-0.9, 0.4])


def descend(batch_size, lr, seed, num_epochs=8):
    """Return the points (1 + number of updates, 2) that mini-batch gradient descent visits."""
    rng = np.random.default_rng(seed)
    w, path = start, [start]
    for _ in range(num_epochs):
        order = rng.permutation(num_examples)
        for first in range(0, num_examples, batch_size):
            w = w - lr * gradient(w, order[first : first + batch_size])
            path.append(w)
    return np.array(path)


# %%
everything = np.arange(num_examples)
hessian = features.T @ features / num_examples  # (2, 2), the same at every w
minimum = np.linalg.solve(hessian, features.T @ targets / num_examples)


def loss(slope, intercept):
    """Return the mean loss over all examples, for arrays of slopes and intercepts of one shape."""
    error = np.multiply.outer(slope, x) + np.expand_dims(intercept, -1) - targets
    return (error**2).mean(-1) / 2


# %% [markdown]
# **Predict.** After one epoch, which of the two is closer to the minimum?
# Does either of them go uphill on its way?

# %% shown-4 tags=["hide-input"]
area = {"xlim": (-1.2, 2.6), "ylim": (-0.9, 2.9)}
fig, axes = plt.subplots(1, 2, figsize=(9.6, 4.4), sharey=True)
for ax, size in zip(axes, (num_examples, 1), strict=True):
    path = descend(size, lr, seed=1, num_epochs=1)
    plot_surface(ax, loss, minimum, **area)
    ax.plot(*path.T, "o-", color=batch_color(size), markersize=4, linewidth=1.4)
    ax.plot(*start, "o", color=batch_color(size), markerfacecolor="white", markersize=9)
    ax.annotate("start", start, xytext=(-2, -18), textcoords="offset points")
    ax.annotate("minimum", minimum, xytext=(9, 4), textcoords="offset points")
    ax.set(
        title=f"B = {size}: {len(path) - 1} update{'s' if len(path) > 2 else ''}",
        xlabel="slope",
    )
axes[0].set_ylabel("intercept")
show(
    fig,
    alt=f"Two maps of the loss over slope and intercept, one epoch each. B = {num_examples}: one straight step "
    f"downhill. B = 1: {num_examples} crooked steps that end much closer to the minimum.",
)

# %% shown-5
for size in (num_examples, 1):
    path = descend(size, lr, seed=1, num_epochs=1)
    above = loss(*path[-1]) - loss(*minimum)
    print(f"B = {size:2}, updates: {len(path) - 1:2}, loss above its minimum: {above:.3f}")


# %% [markdown]
# Same epoch, same learning rate, same twenty examples; the twenty crooked updates got further than the single straight one, at this η; with the sliders below you will find one at which they do not.
# The lecture likens the full batch to a skill in a game that is strong but takes long to cool down, and B = 1 to a weak one that is ready at once (C08).
# It takes the picture back itself when it comes to hardware: a GPU looks at twenty examples at the same time, and the long cool-down is no longer long.
# That is lesson 2.
#
# How crooked is crooked?
# An update is *uphill* if it makes the loss over all examples larger.
# We count them over eight epochs.


# %% shown-6
def uphill_share(batch_size):
    """Return the fraction of updates, over 20 seeds, that made the loss over all larger."""
    paths = [descend(batch_size, lr, seed) for seed in range(20)]
    changes = [np.diff(loss(path[:, 0], path[:, 1])) for path in paths]
    return np.mean(np.array(changes) > 0)


uphill = {size: uphill_share(size) for size in (1, 2, 4, 10, num_examples)}
print({size: f"{share:.0%}" for size, share in uphill.items()})

# %% [markdown]
# With the full batch no update goes uphill; the smaller the batch, the more do.
# But "the full batch is steady" is a statement about *noise*, not about the step size.
# Let λ_max be the largest eigenvalue of the loss's Hessian (the matrix of its second derivatives): the curvature in the steepest direction.
# Along that direction a full-batch step multiplies the distance from the minimum by 1 − η·λ_max.
#
# **Predict.** What happens once η exceeds 2/λ_max?

# %% shown-7
largest = np.linalg.eigvalsh(hessian)[-1]
print(
    f"λ_max = {largest:.3f}: full-batch steps should be stable up to η = {2 / largest:.3f}"
)
end = {}
for factor in (1.9, 2.1):
    path = descend(num_examples, factor / largest, seed=1, num_epochs=40)
    end[factor] = loss(*path[-1])
    print(
        f"η = {factor}/λ_max: loss {loss(*start):.2f} at the start, {end[factor]:.2f} after 40 updates"
    )

# %% shown-8
verdict(
    "C09",
    uphill[num_examples] == 0,
    uphill[1] > 0.2,
    end[1.9] < loss(*start),
    end[2.1] > loss(*start),
)

# %% [markdown]
# Beyond 2/λ_max the distance changes sign and grows at every step: the full batch has no noise and is anything but stable.
#
# Now move things yourself.
# First the picture as it stands, then the same picture with sliders: take B from 1 to 20 and watch the path become smooth; raise η until the full batch leaves the map; change the seed and see which parts of a path are luck.


# %% tags=["hide-input"]
def paths_figure():
    return draw.paths(
        loss,
        descend,
        minimum=minimum,
        names=("slope", "intercept"),
        num_examples=num_examples,
        num_epochs=8,
        **area,
    )


fig, update = paths_figure()
show(fig, alt=update(batch_size=2, lr=0.2, seed=1))

# %%
rates = [0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 1.0]
fig, update = paths_figure()
_ = explore(
    fig,
    update,
    batch_size=SelectionSlider(
        options=[1, 2, 4, 5, 10, 20], value=2, description="batch size B"
    ),
    lr=SelectionSlider(options=rates, value=0.2, description="learning rate η"),
    seed=IntSlider(min=0, max=20, value=1, description="seed"),
)

# %% [markdown]
# ## 1.3 Shuffling
#
# The lecture says: put the examples into a new random order before *every* epoch, so that the batches are new ones each time.
# That is common practice, and what PyTorch's `DataLoader(shuffle=True)` does.
# But there are four ways to feed examples, and in code they differ by one line.


# %%
def epoch_order(scheme, epoch, seed=0):
    """Return the examples (N,) that an epoch uses, in order, counted from 0."""
    if scheme == "fixed order":
        return np.arange(num_examples)
    if scheme == "shuffled once":
        return np.random.default_rng(seed).permutation(num_examples)
    if scheme == "reshuffled every epoch":
        return np.random.default_rng([seed, epoch]).permutation(num_examples)
    if scheme == "with replacement":
        return np.random.default_rng([seed, epoch]).integers(0, num_examples, num_examples)
    raise ValueError(f"no scheme called {scheme!r}")


schemes = ["fixed order", "shuffled once", "reshuffled every epoch", "with replacement"]

# %% [markdown]
# **Predict.** Under which of the four does an epoch leave some examples out and use others twice?
#
# Below, a row is an epoch, a block is a batch, and a number is an example; example 1 is outlined, so that you can follow it from batch to batch.

# %% shown-9 tags=["hide-input"]
fig, update = draw.batches(epoch_order, num_examples=num_examples)
show(fig, alt=update(batch_size=4, scheme="reshuffled every epoch", seed=0))

# %%
fig, update = draw.batches(epoch_order, num_examples=num_examples)
_ = explore(
    fig,
    update,
    batch_size=SelectionSlider(
        options=[1, 2, 4, 5, 8, 10, 20], value=4, description="batch size B"
    ),
    scheme=Dropdown(options=schemes, value="reshuffled every epoch", description="order"),
    seed=IntSlider(min=0, max=20, value=0, description="seed"),
)

# %% [markdown]
# The claim says that an epoch is over when every batch has been seen once, so that every example was used.
# We count instead of believing.

# %% shown-10
for scheme in schemes:
    different = [len(set(epoch_order(scheme, epoch).tolist())) for epoch in range(3)]
    print(f"{scheme:24} different examples used in epochs 1, 2, 3: {different}")

# %% c03
complete = all(
    sorted(epoch_order(s, epoch)) == list(everything)
    for s in schemes[:3]
    for epoch in range(50)
)
drawn = [len(set(epoch_order("with replacement", epoch).tolist())) for epoch in range(50)]
verdict("C03", complete, min(drawn) < num_examples)

# %% [markdown]
# Drawing with replacement leaves out about a share (1 − 1/N)ᴺ ≈ 1/e of the examples, seven of twenty; "epoch" is then only a name for N draws.
#
# What reshuffling changes is the company an example keeps.


# %% shown-12
def batch_with_example_1(scheme, epoch, batch_size=4):
    order = epoch_order(scheme, epoch).tolist()
    first = order.index(0) // batch_size * batch_size
    return sorted(i + 1 for i in order[first : first + batch_size])


for scheme in schemes[:3]:
    print(f"{scheme:24}", *(batch_with_example_1(scheme, epoch) for epoch in range(3)))

# %% shown-13
loader = torch.utils.data.DataLoader(range(num_examples), batch_size=4, shuffle=True)
loader_epochs = [{frozenset(batch.tolist()) for batch in loader} for _ in range(2)]
verdict(
    "C04",
    batch_with_example_1("reshuffled every epoch", 0)
    != batch_with_example_1("reshuffled every epoch", 1),
    batch_with_example_1("shuffled once", 0) == batch_with_example_1("shuffled once", 1),
    loader_epochs[0] != loader_epochs[1],
)

# %% [markdown]
# Does it matter which of the four you take?
# For the first few updates hardly.
# It shows near the minimum (section 1.4), and on data that lie sorted (section 1.7).
# First we need to know what a batch gradient is, statistically.
#
# ## 1.4 How noisy is the gradient of a batch?
#
# Write gᵢ for the gradient of example i, G for the mean over all N examples, and Σ for the covariance of the gᵢ, a matrix that sums (gᵢ − G)(gᵢ − G)ᵀ / N.
# The gradient of a batch, g_B, is the mean of B of the gᵢ.
# Take one batch by itself, at fixed weights, its B examples drawn *without* replacement, as in every shuffled epoch.
# Then
#
# $$\mathbb{E}\,g_B = G, \qquad \operatorname{Cov} g_B = \frac{\Sigma}{B}\cdot\frac{N-B}{N-1}.$$
#
# The first factor is the familiar one over B; the second, the *finite-population correction*, says that a batch which holds nearly everything can hardly be wrong, and that the full batch is never wrong.
# (Two batches of *one* epoch are not independent: what the first has used, the second lacks. That will matter below.)
#
# With twenty examples there is no need to sample: there are only so many batches, and we can go through *all* of them.

# %% shown-14
w = start
per_example = np.array([gradient(w, [i]) for i in range(num_examples)])  # (N, 2)
G = per_example.mean(0)
Sigma = (per_example - G).T @ (per_example - G) / num_examples

for size in (1, 2, 3, num_examples - 1, num_examples):
    batches = np.array(list(combinations(range(num_examples), size)))
    batch_gradients = per_example[batches].mean(axis=1)
    bias = batch_gradients.mean(0) - G
    covariance = (batch_gradients - G).T @ (batch_gradients - G) / len(batches)
    formula = Sigma / size * (num_examples - size) / (num_examples - 1)
    agree = max(abs(bias).max(), abs(covariance - formula).max()) < 1e-12
    print(
        f"B = {size:2}: {len(batches):5,} batches, trace {np.trace(covariance):.4f}, exact: {agree}"
    )

# %% [markdown]
# No approximation: over all possible batches, mean and covariance agree with the formula to within 10⁻¹².
#
# **Predict.** Now a real network with 12,730 weights, at its random start, on 1,000 digits.
# To halve the noise of its batch gradient, by how much must the batch grow?
# The gradient of a single digit lies about 9 away from G, and G itself is 1.3 long: at which batch size is the noise as long as G?

# %%
guess_batch = None  # your guess: that batch size, 1 to 1000; None skips it

# %% [markdown]
# `torch.func` gives the gradient of each example; then we draw 300 batches of each size and see how far, in root mean square, their gradients lie from G.

# %%
train_set, valid_set, test_set = (split.to(device) for split in load_mnist(full=full))
digits = train_set[:1000]
model = mlp((784, 16, 10), seed=0).to(device)
weights = {name: value.detach() for name, value in model.named_parameters()}


def example_loss(weights, image, label):
    logits = torch.func.functional_call(model, weights, image[None])
    return F.cross_entropy(logits, label[None])


per_example_gradients = torch.func.vmap(torch.func.grad(example_loss), in_dims=(None, 0, 0))
grads = per_example_gradients(weights, digits.images, digits.labels)
grads = torch.cat([g.flatten(1) for g in grads.values()], dim=1)  # (1000, 12730)

# %%
N = len(grads)
G = grads.mean(0)
trace = (grads - G).square().sum().item() / N  # tr Σ
generator = torch.Generator().manual_seed(0)
batch_sizes = [1, 4, 16, 64, 256, 512, 900]
measured = []
for size in batch_sizes:
    picks = torch.rand(300, N, generator=generator).argsort(1)[:, :size].to(device)
    shares = torch.zeros(300, N, device=device)  # a row a batch
    shares.scatter_(1, picks, 1 / size)
    measured.append((shares @ grads - G).square().sum(1).mean().sqrt().item())

# %% shown-15 tags=["hide-input"]
curve = np.concatenate([np.geomspace(1, 900, 100), np.linspace(900, 999.9, 100)])
fig, ax = plt.subplots()
ax.plot(curve, np.sqrt(trace / curve), color="#888888", linestyle="--")
ax.plot(curve, np.sqrt(trace / curve * (N - curve) / (N - 1)), color="#222222")
for size, distance in zip(batch_sizes, measured, strict=True):
    ax.plot(size, distance, "o", color=batch_color(size), markersize=8)
ax.annotate(
    "without replacement: the formula",
    (560, 0.24),
    xytext=(-14, -4),
    textcoords="offset points",
    ha="right",
)
ax.annotate("with replacement: 1/√B", (175, 0.8), color="#555555")
length = G.norm().item()
ax.axhline(length, color="#D55E00", linewidth=1.2)
ax.annotate(
    "length of G itself",
    (1, length),
    xytext=(0, 5),
    textcoords="offset points",
    color="#A84600",
)
ax.annotate("dots: 300 batches each", (1, 0.6))
ax.set(
    yscale="log",
    ylim=(0.05, 15),
    title="Four times the batch, half the noise, while B is small",
)
ax.set_ylabel("distance of $g_B$ from $G$, root mean square")
batch_axis(ax, batch_sizes)
said = mark_guess(ax, guess_batch, low=1, high=1000, axis="x")
show(
    fig,
    alt="Distance of the batch gradient from the full gradient against batch size, both logarithmic: seven measured "
    "points on a line of slope minus one half, bending down where the batch nears all 1,000 digits. They cross the length of G between 16 and 64."
    + said,
)

# %%
formula = [np.sqrt(trace / size * (N - size) / (N - 1)) for size in batch_sizes]
print(
    "largest gap between points and formula:",
    f"{max(abs(np.array(measured) / formula - 1)):.1%}",
)
print(f"length of G: {length:.2f}; noise at B = 1: {np.sqrt(trace):.2f}")

# %% [markdown]
# The same law, for 12,730 weights as for two.
# Four times the batch halves the noise, as long as B is far below N: a batch of 64 costs 64 times the work of a single example and is 8 times as accurate.
# Whether that is a good bargain is the question of lesson 3.
#
# ### The floor
#
# A constant learning rate and noisy steps do not go together all the way: near the minimum G is tiny, the noise is not, and the weights jitter.
# For small η, sampled with replacement, the loss stays on average above its minimum by about
#
# $$\frac{\eta\,\operatorname{tr}\Sigma}{4B}$$
#
# with Σ taken at the minimum.
# (Each step adds covariance η²Σ/B to the weights; curvature H takes away a share 2ηH of what is there; where the two balance, the covariance C has tr(HC) = η·tr(Σ)/(2B), and the excess loss is half of that.)
#
# **Predict.** Halve η: by how much does the floor fall when you draw with replacement, and when you reshuffle?
# At η = 0.01 and with replacement, B = 1 ends 0.00066 above the minimum: where does it end if it reshuffles every epoch?

# %%
guess_floor = None  # your guess: reshuffled, at η = 0.01, 1e-5 to 0.03; None skips it

# %% [markdown]
# We run 50 copies at B = 1 side by side, long enough to forget their start, and average the excess loss at the ends of the last 200 epochs.


# %%
def floor(scheme, lr, batch_size=1, targets=targets, num_epochs=400, copies=50):
    """Return each copy's excess loss (copies,), mean over the ends of its last epochs."""
    rng = np.random.default_rng(0)
    best = np.linalg.solve(hessian, features.T @ targets / num_examples)
    w = np.tile(best + 0.1, (copies, 1))
    order = rng.random((copies, num_examples)).argsort(1)  # a row a copy
    total = np.zeros(copies)
    for epoch in range(num_epochs):
        if scheme == "reshuffled every epoch":
            order = rng.random((copies, num_examples)).argsort(1)
        if scheme == "with replacement":
            order = rng.integers(0, num_examples, (copies, num_examples))
        for first in range(0, num_examples, batch_size):
            batch = order[:, first : first + batch_size]  # (copies, B)
            error = (features[batch] * w[:, None]).sum(2) - targets[batch]
            w = w - lr * (error[..., None] * features[batch]).mean(1)
        if epoch >= num_epochs // 2:
            total += ((w - best) @ hessian * (w - best)).sum(1) / 2
    return total / (num_epochs - num_epochs // 2)


learning_rates = [0.01, 0.02, 0.05, 0.1, 0.2]
floors = {
    scheme: np.array([floor(scheme, rate) for rate in learning_rates]).T  # (copies, rates)
    for scheme in schemes[1:]
}

# %%
at_minimum = np.array([gradient(minimum, [i]) for i in range(num_examples)])
trace_at_minimum = (at_minimum**2).sum() / num_examples  # G = 0 there

# %% shown-16 tags=["hide-input"]
scheme_styles = {
    "with replacement": {"color": "C0", "marker": "o"},
    "shuffled once": {"color": "C4", "marker": "^"},
    "reshuffled every epoch": {"color": "C1", "marker": "s"},
    "sorted by class": {"color": "C6", "marker": "D"},
}
fig, ax = plt.subplots(figsize=(6.4, 4.2))
ax.plot(
    learning_rates,
    [rate * trace_at_minimum / 4 for rate in learning_rates],
    color="#888888",
    linestyle="--",
)
for scheme in schemes[1:]:
    plot_band(ax, learning_rates, floors[scheme], label=scheme, **scheme_styles[scheme])
ax.annotate("dashed: η·tr(Σ)/(4B)", (0.01, 0.0017), color="#555555")
ax.set(
    xscale="log",
    yscale="log",
    xlabel="learning rate η",
    ylabel="excess loss at the end of an epoch",
)
ax.set(title="B = 1: reshuffling lowers the floor, if η is small (50 copies)")
ax.set_xticks(learning_rates, [str(rate) for rate in learning_rates])
ax.set_yticks([1e-5, 1e-4, 1e-3, 1e-2], ["0.00001", "0.0001", "0.001", "0.01"])
ax.minorticks_off()
ax.legend(loc="lower right")
said = mark_guess(ax, guess_floor, low=1e-5, high=0.03)
show(
    fig,
    alt="Excess loss against learning rate, both logarithmic, B = 1. Sampling with replacement follows the formula's line of slope one. "
    "Reshuffling every epoch lies far below it at small rates and joins it at the largest; shuffling once lies between at small rates. Bands are 95 % intervals over 50 copies."
    + said,
)


# %% shown-17
def mean_floor(scheme, rate):
    return floors[scheme][:, learning_rates.index(rate)].mean()


for scheme in schemes[1:]:
    fall = mean_floor(scheme, 0.02) / mean_floor(scheme, 0.01)
    print(f"{scheme:24} η from 0.02 to 0.01: the floor falls {fall:.1f} times")
for rate in (0.02, 0.2):
    with_replacement = mean_floor("with replacement", rate)
    formula = rate * trace_at_minimum / 4
    gain = with_replacement / mean_floor("reshuffled every epoch", rate)
    print(
        f"η = {rate}: {with_replacement / formula:.1f} times the formula, {gain:.0f} times reshuffled"
    )

# %% [markdown]
# The formula has B in it, so we try other B.
# And it has Σ at the minimum in it: put all points exactly on one line, and every gᵢ vanishes there.

# %% shown-18
for size in (1, 4, 10):
    ratio = floor("with replacement", 0.05, size).mean() / (
        0.05 * trace_at_minimum / (4 * size)
    )
    print(f"η = 0.05, B = {size:2}: {ratio:.1f} times the formula")
clean_targets = features @ [1.0, 0.5]
fitted = floor("with replacement", 0.1, targets=clean_targets).mean()
print("points exactly on a line: floor below 1e-20:", fitted < 1e-20)

# %% shown-19
noisy_floor = mean_floor("with replacement", 0.1)
verdict(
    "C07", uphill[1] > 0.2, uphill[num_examples] == 0, noisy_floor > 1e-3, fitted < 1e-20
)

# %% [markdown]
# B = 1 is noisy on the way, always.
# Whether it stays so near the minimum is another question: only where examples disagree about the minimum does the noise stop a run short of it.
# When every example can be fitted at once, a small enough constant learning rate converges.
#
# The way in which you sample matters too.
# With replacement the floor falls like η, shuffled once like η², reshuffled like η³: by the end of a shuffled epoch the errors nearly cancel, since each example came exactly once and the weights hardly moved meanwhile.
# That is true at the *ends* of epochs, which is what we measured and where one usually stops; in the middle of an epoch the gain is smaller.
# At large η it is gone.
#
# ## 1.5 Counting, and three traps
#
# An epoch has ⌈N/B⌉ updates, or ⌊N/B⌋ if the short last batch is dropped.
#
# **Predict.** 60,000 digits: how many updates an epoch at B = 1, at B = 1,000, and at B = 256 with and without the last batch?

# %% shown-20
generator = torch.Generator().manual_seed(0)
for size in (1, 256, 1000, 60_000):
    updates = len(minibatches(60_000, size, generator=generator))
    whole = len(minibatches(60_000, size, generator=generator, drop_last=True))
    print(f"B = {size:6,}: {updates:6,} updates an epoch, {whole:6,} with drop_last")

# %% shown-21
verdict(
    "C19",
    len(minibatches(60_000, 1, generator=generator)) == 60_000,
    len(minibatches(60_000, 1000, generator=generator)) == 60,
)

# %% [markdown]
# **Trap 1: the batch that never comes.**
# With `drop_last=True` and a batch larger than the data, PyTorch's loader gives no batch at all.
# The loop below runs five epochs, raises nothing, and trains nothing.

# %%
loader = torch.utils.data.DataLoader(range(20), batch_size=32, shuffle=True, drop_last=True)
updates = sum(1 for epoch in range(5) for batch in loader)
print(f"{updates} updates in 5 epochs")

# %% [markdown]
# The course's own `minibatches` refuses.

# %%
try:
    minibatches(20, 32, generator=generator)
except ValueError as error:
    print(error)


# %% [markdown]
# **Trap 2: the short batch counts double.**
# Twenty examples in batches of eight: an example in the short batch of four has the weight 1/4 in its update, the others 1/8.
# Who sits there?


# %% shown-22
def weight_an_epoch(scheme, batch_size=8, num_epochs=1000):
    """Return the weight (N,) that each example gets in an epoch, mean over epochs."""
    weight = np.zeros(num_examples)
    for epoch in range(num_epochs):
        order = epoch_order(scheme, epoch)
        for first in range(0, num_examples, batch_size):
            batch = order[first : first + batch_size]
            weight[batch] += 1 / len(batch) / num_epochs
    return weight


for scheme in ("fixed order", "reshuffled every epoch"):
    weight = weight_an_epoch(scheme)
    print(f"{scheme:24} smallest weight {weight.min():.3f}, largest {weight.max():.3f}")

# %% [markdown]
# In a fixed order it is always the same four, and they count double for ever; with reshuffling it is another four every epoch, and in the long run nobody is favoured.
#
# **Trap 3: the mean of batch means is not the mean.**
# The same thing happens when a loss is averaged over batches for the record.

# %% shown-23
example_losses = (features @ start - targets) ** 2 / 2
parts = np.split(example_losses, range(8, num_examples, 8))
means, lengths = [part.mean() for part in parts], [len(part) for part in parts]
print(f"mean over examples                 {example_losses.mean():.4f}")
print(f"mean of the batch means            {np.mean(means):.4f}")
print(f"batch means weighted by their size {np.average(means, weights=lengths):.4f}")


# %% [markdown]
# `evaluate` in this course weights by example, so the number it gives does not depend on the batch size it was computed with.
#
# ## 1.6 The first real run: digits
#
# Everything is in place: the same loop, with a network in place of the line, and PyTorch's `backward` in place of our gradient.
# These are all the lines that change the weights.


# %% train-by-hand
def train_by_hand(model, train_set, batch_size, lr, num_epochs, generator):
    for _ in range(num_epochs):
        for batch in minibatches(len(train_set), batch_size, generator=generator):
            loss = F.cross_entropy(model(train_set.images[batch]), train_set.labels[batch])
            model.zero_grad()
            loss.backward()
            with torch.no_grad():
                for w in model.parameters():
                    w -= lr * w.grad


# %% [markdown]
# **Predict.** 4,000 digits, a network with one hidden layer of 128 units, two epochs at B = 20: which share of new digits will it read correctly?

# %% shown-25 tags=["nbval-ignore-output"]
model = mlp((784, 128, 10), seed=0).to(device)
loss_before, accuracy_before = evaluate(model, valid_set)
generator = torch.Generator().manual_seed(0)
train_by_hand(model, train_set, batch_size=20, lr=0.1, num_epochs=2, generator=generator)
loss_after, accuracy_after = evaluate(model, valid_set)
print(f"on digits not trained on: loss {loss_before:.2f} → {loss_after:.2f}")
print(f"                          accuracy {accuracy_before:.0%} → {accuracy_after:.0%}")

# %% [markdown]
# From now on the course writes `train(…)` for this loop: the same updates in the same order, with a record of what was reached after each epoch.
# The same, to the last bit:

# %% tags=["nbval-ignore-output"]
twin = mlp((784, 128, 10), seed=0).to(device)
history = train(
    twin,
    train_set,
    batch_size=20,
    lr=0.1,
    num_epochs=2,
    valid=valid_set,
    generator=torch.Generator().manual_seed(0),
)

# %%
pairs = zip(model.parameters(), twin.parameters(), strict=True)
print("weights equal:", all(torch.equal(a, b) for a, b in pairs))

# %% tags=["nbval-ignore-output"]
for epoch, value in zip(history.epochs, history.valid_accuracy, strict=True):
    print(f"after {epoch:.0f} epochs: {value:.0%}")

# %% [markdown]
# ## 1.7 Where shuffling bites
#
# Data often lie on disk sorted: all zeros, then all ones.
# We train with B = 20 on digits sorted by class, and in the three shuffled ways of section 1.3, three epochs each.
#
# **Predict.** Guess the validation accuracy without shuffling.

# %%
guess_sorted = None  # your guess: sorted, after three epochs, in %, 0 to 100; None skips it


# %%
def digit_order(scheme, epoch, seed):
    n = len(train_set)
    if scheme == "sorted by class":
        return train_set.labels.cpu().argsort()
    draw = seed if scheme == "shuffled once" else 1000 * seed + epoch
    generator = torch.Generator().manual_seed(draw)
    if scheme == "with replacement":
        return torch.randint(n, (n,), generator=generator)
    return torch.randperm(n, generator=generator)


def train_in_order(model, order, batch_size=20, lr=0.1):
    for batch in order.to(device).split(batch_size):
        model.zero_grad()
        F.cross_entropy(model(train_set.images[batch]), train_set.labels[batch]).backward()
        with torch.no_grad():
            for w in model.parameters():
                w -= lr * w.grad


def accuracy_by_epoch(scheme, seed, num_epochs=3):
    model = mlp((784, 128, 10), seed=seed).to(device)
    reached = [evaluate(model, valid_set)[1]]
    for epoch in range(num_epochs):
        train_in_order(model, digit_order(scheme, epoch, seed))
        reached.append(evaluate(model, valid_set)[1])
    return reached


digit_schemes = [
    "sorted by class",
    "shuffled once",
    "reshuffled every epoch",
    "with replacement",
]
runs = {
    scheme: np.array([accuracy_by_epoch(scheme, seed) for seed in range(num_seeds)])
    for scheme in digit_schemes
}

# %% shown-26 tags=["hide-input"]
fig, ax = plt.subplots()
for scheme in digit_schemes:
    plot_band(ax, np.arange(4), 100 * runs[scheme], label=scheme, **scheme_styles[scheme])
ax.set(xlabel="epochs", ylim=(0, 100), xticks=range(4))
ax.set_ylabel(f"validation accuracy (%), {num_seeds} seeds, 95 % bands")
ax.set_title("Sorted data: the network forgets what it saw first")
ax.legend(loc="center right", bbox_to_anchor=(1, 0.6))
said = mark_guess(ax, guess_sorted, low=0, high=100)
show(
    fig,
    alt="Validation accuracy over three epochs, means and 95 % bands of the seeds. The three shuffled ways lie on top of each other, "
    "high from the first epoch on; data sorted by class stay far below." + said,
)

# %% tags=["nbval-ignore-output"]
for scheme in digit_schemes:
    mean, half_width = mean_interval(runs[scheme][:, -1])
    print(f"{scheme:24} {mean:.1%} ± {half_width:.1%} after 3 epochs ({num_seeds} seeds)")

# %%
worst_shuffled = min(runs[scheme][:, -1].min() for scheme in digit_schemes[1:])
print(
    "sorted below half of the worst shuffled run:",
    runs["sorted by class"].max() < worst_shuffled / 2,
)

# %% [markdown]
# In sorted order the last batches of an epoch hold nothing but nines.
# What does the network answer after such an epoch?

# %% tags=["nbval-ignore-output"]
model = mlp((784, 128, 10), seed=0).to(device)
train_in_order(model, digit_order("sorted by class", epoch=0, seed=0))
answered = (model(valid_set.images).argmax(1) == 9).float().mean().item()
really = (valid_set.labels == 9).float().mean().item()
print(f"answers that say nine: {answered:.0%}; digits that are nines: {really:.0%}")

# %% [markdown]
# It has learnt the last thing it was told.
# The three ways that mix the classes cannot be told apart with these seeds and 500 validation digits.
# Shuffle, always; whether once or every epoch did not show here, and section 1.4 says where it does.

# %% [markdown]
# ## Summary
#
# - A batch is what one update looks at. An epoch has ⌈N/B⌉ updates: one for the full batch, N for B = 1.
# - The gradient of one batch is right on average, with covariance Σ/B·(N−B)/(N−1) without replacement: four times the batch, half the noise, while B is far below N.
# - At a constant learning rate the noise leaves the loss about η·tr(Σ)/(4B) above its minimum; less at the ends of epochs if you shuffle and η is small; not at all if every example can be fitted.
# - "The full batch is stable" holds below η = 2/λ_max and not above it.
# - Shuffle. Count your updates. Look at what your loader does with the last batch.
#
# ## Exercises
#
# Put your answer in place of the three dots and run the cell: a line says whether it is right.
# Take away the `#` in front of `hint` or `solution` to read it.

# %% [markdown]
# **1A · Ten epochs.** 60,000 digits, B = 128, and the loader keeps every digit (`drop_last=False`).
# How often do the weights change in ten epochs? (by hand, or 1 line)

# %%
updates_in_ten_epochs = ...
check("1A", updates_in_ten_epochs)
# hint("1A")
# solution("1A")

# %% [markdown]
# **1B · A fair short batch.** Trap 2 gave the examples of a short batch too much weight.
# Mend it with the learning rate: return a rate for each update of one epoch, `lr` for the whole batches, so that all `n` examples count the same. (2 to 4 lines)


# %%
def fair_rates(n, batch_size, lr):
    """Return the learning rates of an epoch's updates, in order, as a list."""
    ...


check("1B", fair_rates)
# hint("1B")
# solution("1B")

# %% [markdown]
# **1C · Quiet enough.** The gradient of a single example lies `noise` away from G, in root mean square over all `n` examples.
# Return the batch size, with its fraction, at which the gradient of a batch lies `wanted` away, if the batch is drawn without replacement. (1 line, after some algebra)
# Then try it on the digits: `batch_for(np.sqrt(trace), N, length)` is where the two lines of the figure in section 1.4 cross.


# %%
def batch_for(noise, n, wanted):
    """Return the batch size, a float, whose noise is `wanted`."""
    ...


check("1C", batch_for)
# hint("1C")
# solution("1C")

# %% [markdown]
# **1D · A loader that puts back.** Write `minibatches` for the fourth scheme of section 1.3: `n` draws an epoch, each of them one out of all `n` examples, cut into batches, the last one short if it must be. (about 2 lines)
# How many of 1,000 examples does one epoch never use?


# %%
def minibatches_with_replacement(n, batch_size, generator):
    """Return one epoch's batches of example numbers, 0 to n - 1, drawn from `generator`."""
    ...


check("1D", minibatches_with_replacement)
# hint("1D")
# solution("1D")

# %% [markdown]
# **1E · The floor, at any η.** One weight w, the loss h·w²/2, and an update that sees the gradient h·w + ε.
# The noise ε is drawn anew for every update, with mean 0 and variance σ²/B.
# Return how far the loss lies above its minimum in the long run, on average; `np.inf` where there is no long run. (about 4 lines)


# %%
def floor_in_a_bowl(lr, curvature, variance, batch_size):
    """Return the mean excess loss; `curvature` is h, `variance` is σ²."""
    ...


check("1E", floor_in_a_bowl)
# hint("1E")
# solution("1E")

# %% [markdown]
# ### Further
#
# - Change `num_examples` to 21 in the settings and run the lesson again. Which lines of section 1.1 change, and why does the list of update counts in section 1.5 not?
# - With your loader of 1D, draw a histogram of how often each of 1,000 examples is used in one epoch. Which distribution should it follow? (about 3 lines)
# - Run `train_by_hand` at B = 1,500, where the last batch of an epoch holds 1,000 digits, with and without your rates of 1B. Does the validation accuracy change by more than the spread of five seeds? (about 6 lines)
# - Open: sort the digits by how dark they are instead of by class. Predict, then measure. Can you find an order that hurts more than sorting by class?

# %% [markdown]
# ## References
#
# - Hung-yi Lee, "Batch and Momentum", Machine Learning 2021, National Taiwan University: the lecture whose claims C01 to C09 and C19 are tested here.
# - L. Bottou, F. Curtis, J. Nocedal, "Optimization Methods for Large-Scale Machine Learning", [arXiv 1606.04838](https://arxiv.org/abs/1606.04838): the noise of batch gradients, and why a constant learning rate stops short of the minimum.
# - P. Goyal et al., "Accurate, Large Minibatch SGD", [arXiv 1706.02677](https://arxiv.org/abs/1706.02677): traps of counting, averaging and shuffling in practice.
# - K. Mishchenko, A. Khaled, P. Richtárik, "Random Reshuffling: Simple Analysis with Vast Improvements", [arXiv 2006.05988](https://arxiv.org/abs/2006.05988): the theory of reshuffling against drawing with replacement.
# - K. He et al., "Delving Deep into Rectifiers", [arXiv 1502.01852](https://arxiv.org/abs/1502.01852): the random start of the network.
