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
# # 1a · How noisy is the gradient of a batch?
#
# A deeper page of [lesson 1](../01_batches_and_epochs.ipynb).
# It shows the exact law behind "four times the batch, half the noise", finds the step beyond which even the full batch is not stable, and measures how far above its minimum the noise leaves the loss.
# It needs a covariance matrix, an eigenvalue, and 15 minutes; it runs in about 10 seconds.

# %%
from itertools import combinations

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from course_utils.checks import check, hint, reply, solution
from course_utils.claims import verdict
from course_utils.data import load_mnist
from course_utils.models import mlp
from course_utils.plotting import show
from course_utils.results import interval
from lessons.lesson_1 import draw, points
from lessons.lesson_1.points import descend, features, gradient, loss, minimum, targets

device = "cpu"  # or "cuda", "mps"
num_examples = len(targets)  # N = 20

# %% [markdown]
# ## 1a.1 All batches of twenty examples
#
# Write gᵢ for the gradient of example i, G for the mean over all N examples, and Σ for the covariance of the gᵢ, the matrix (1/N) Σᵢ (gᵢ − G)(gᵢ − G)ᵀ.
# The gradient of a batch, g_B, is the mean of B of the gᵢ.
# Take one batch by itself, at fixed weights, its B examples drawn *without* replacement, as in every shuffled epoch.
# Then
#
# $$\mathbb{E}\,g_B = G, \qquad \operatorname{Cov} g_B = \frac{\Sigma}{B}\cdot\frac{N-B}{N-1}.$$
#
# The first factor is the familiar one over B.
# The second is the *finite-population correction*: a batch that holds nearly everything can hardly be wrong, and the full batch is never wrong.
#
# With the lesson's twenty points there is no need to sample: we can go through *all* batches.

# %%
per_example = np.array([gradient(points.start, [i]) for i in range(num_examples)])  # (N, 2)
mean_gradient = per_example.mean(0)
covariance = np.cov(per_example.T, bias=True)


def all_batches(size):
    """Return how many batches of `size` there are, and their spread, once the formulas hold."""
    batches = np.array(list(combinations(range(num_examples), size)))
    grads = per_example[batches].mean(axis=1)  # (number of batches, 2)
    away = grads - mean_gradient
    seen = away.T @ away / len(away)
    formula = covariance / size * (num_examples - size) / (num_examples - 1)
    np.testing.assert_allclose(grads.mean(0), mean_gradient, rtol=0, atol=1e-12)
    np.testing.assert_allclose(seen, formula, rtol=0, atol=1e-12)
    return f"{len(batches):,}", f"{np.sqrt(np.trace(seen)):.2f}"


# %% all-batches
pd.DataFrame(
    {f"B = {size}": all_batches(size) for size in (1, 2, 3, 4, 19, 20)},
    index=["batches", "spread, √(tr Cov)"],
)

# %% [markdown]
# The trace, tr, is the sum of the diagonal: here the mean square distance from G.
# Its root is the spread that the lesson's arrows show: 2.60 at the start for B = 1, and with B = 4 less than half of that.
# No approximation: over all possible batches, mean and covariance agree with the formulas to within 10⁻¹², or the cell would have stopped.
# (Two batches of *one* epoch are not independent: what the first has used, the second lacks. That matters in section 1a.4.)
#
# ## 1a.2 A network
#
# Now a network with 12,730 weights, at its random start, on 1,000 digits.
# `torch.func` gives the gradient of each digit.

# %%
digits = load_mnist()[0][:1000].to(device)
model = mlp((784, 16, 10), seed=0).to(device)
weights = {name: value.detach() for name, value in model.named_parameters()}


def example_loss(weights, image, label):
    logits = torch.func.functional_call(model, weights, image[None])
    return F.cross_entropy(logits, label[None])


parts = torch.func.vmap(torch.func.grad(example_loss), in_dims=(None, 0, 0))(
    weights, digits.images, digits.labels
)
grads = torch.cat([part.flatten(1) for part in parts.values()], dim=1)  # (1000, 12730)

# %%
N = len(grads)
G = grads.mean(0)
trace = (grads - G).square().sum().item() / N  # tr Σ
length = G.norm().item()
print(
    f"A single digit's gradient lies {trace**0.5:.1f} away from G; G is {length:.1f} long."
)

# %% [markdown]
# **Predict.** At which batch size is the noise as long as G itself?

# %%
guess_batch = None  # examples, from 1 to 1,000, or None to skip

# %% [markdown]
# We draw 300 batches of each size and see how far, in root mean square, their gradients lie from G.


# %%
def distance(size, generator, num_batches=300):
    """Return the root mean square distance from G of the gradients of random batches."""
    picks = torch.rand(num_batches, N, generator=generator).argsort(1)[:, :size].to(device)
    shares = torch.zeros(num_batches, N, device=device)  # a row a batch
    shares.scatter_(1, picks, 1 / size)
    return (shares @ grads - G).square().sum(1).mean().sqrt().item()


# %% noise tags=["reveal"]
batch_sizes = [1, 4, 16, 64, 256, 512, 900]
generator = torch.Generator().manual_seed(0)
measured = [distance(size, generator) for size in batch_sizes]
show(*draw.noise(batch_sizes, measured, trace, length, N, guess=guess_batch))
sizes = np.arange(1, N + 1)
law = np.sqrt(trace / sizes * (N - sizes) / (N - 1))  # section 1a.1, for every B
reply(guess_batch, sizes[abs(law - length).argmin()], "examples")

# %% noise-gap
gap = max(abs(np.array(measured) / law[np.array(batch_sizes) - 1] - 1))
print(f"Largest gap between points and formula: {gap:.1%}.")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# The same law, for 12,730 weights as for two.
# Below a batch of 43 the noise is longer than the gradient itself, and training works nevertheless.
# Four times the batch halves the noise as long as B is far below N: a batch of 64 costs 64 times the work of a single example, and is 8 times as accurate.
# Whether that is a good bargain is the question of [lesson 3](../03_small_and_large_batches.ipynb).
#
# </details>
#
# ## 1a.3 Is the full batch stable?
#
# The lecture says that an update of the full batch is stable, and one of B = 1 is not (C09).
# It means the noise. But a step can also be too long.
# Let λ_max be the largest eigenvalue of the loss's Hessian, the matrix of its second derivatives: the curvature in the steepest direction.
# Along that direction an update of the full batch multiplies the distance from the minimum by 1 − η·λ_max.
#
# - Below η = 1/λ_max the factor is positive, and the distance shrinks from one side: a steady path.
# - Between 1/λ_max and 2/λ_max it is negative: the path crosses the valley at every update, and still arrives. This is why the lesson's C07 needs a small η, one below 1/λ_max.
# - Beyond 2/λ_max it is below −1: the distance grows at every update.
#
# For B = 1 the Hessian of a single example takes the place of the mean, and the largest of these is larger still.

# %%
hessian = features.T @ features / num_examples  # (2, 2), the same at every w
largest = np.linalg.eigvalsh(hessian)[-1]  # λ_max


def loss_at_the_end(batch_size, factor):
    """Return the loss after 40 epochs at η = factor/λ_max, median over 20 shuffles."""
    lr = factor / largest
    ends = [descend(batch_size, lr, seed, num_epochs=40)[-1] for seed in range(20)]
    return np.median([loss(*w) for w in ends])


def written(value):
    return f"{value:,.2f}" if value < 1e6 else "over a million"


# %% border
factors = (0.2, 1.9, 2.1)
end = {(B, f): loss_at_the_end(B, f) for B in (20, 1) for f in factors}
pd.DataFrame(
    {
        f"loss after 40 epochs, B = {B}": [written(end[B, f]) for f in factors]
        for B in (20, 1)
    },
    index=[f"η = {f}/λ_max = {f / largest:.3f}" for f in factors],
)

# %% claim-on-stability
at_start = loss(*points.start)
verdict(
    "C09",
    end[20, 1.9] < at_start / 10,
    end[1, 1.9] > 10 * at_start,
    without=end[20, 2.1] > 10 * at_start,
)

# %% [markdown]
# The loss is 2.85 at the start.
# Just below the border the full batch arrives where B = 1 has long run away; just above it the full batch, without any noise, is anything but stable.
# Networks trained with the full batch live near this border for most of their training (Cohen et al. 2021); [lesson 4](../04_sharp_and_flat_minima.ipynb) comes back to λ_max.
#
# ## 1a.4 The floor
#
# With a constant η, noisy steps never quite arrive: near the minimum G is tiny, the noise is not, and the weights jitter.
# For small η, drawn *with* replacement, the loss stays on average above its minimum by about
#
# $$\frac{\eta\,\operatorname{tr}\Sigma}{4B}$$
#
# with Σ taken at the minimum.
# The reason: each step adds covariance η²Σ/B to the weights, and curvature H takes away a share 2ηH of what is there.
# Where the two balance, the covariance C of the weights has tr(HC) = η·tr(Σ)/(2B), and the excess loss is half of that.
#
# Shuffled data need not obey it: within an epoch each example comes exactly once, so that errors may cancel.
# We compare three ways to draw an epoch, with 50 copies of the run side by side, all learning rates at once, long enough to forget the start.

# %%
copies = 50


def order_of_epoch(scheme, epoch, order, rng):
    """Return the examples (copies, N) in the order that each copy uses them."""
    if scheme == "with replacement":
        return rng.integers(0, num_examples, (copies, num_examples))
    if scheme == "shuffled once" and epoch > 0:
        return order
    return rng.random((copies, num_examples)).argsort(axis=1)


# %%
def after_epoch(w, order, lr, batch_size, targets):
    """Return the weights (rates, copies, 2) after one epoch in `order` (copies, N)."""
    for batch in np.split(order, range(batch_size, num_examples, batch_size), axis=1):
        x = features[batch]  # (copies, B, 2)
        error = np.einsum("cbk,rck->rcb", x, w) - targets[batch]  # (rates, copies, B)
        grads = np.einsum("rcb,cbk->rck", error, x) / batch.shape[1]  # (rates, copies, 2)
        w = w - lr * grads
    return w


# %%
def floor(scheme, rates, batch_size=1, targets=targets, num_epochs=400):
    """Return the excess loss (rates, copies), mean over the ends of the last half of the epochs."""
    rng = np.random.default_rng(0)
    lr = np.reshape(rates, (-1, 1, 1))
    best = np.linalg.solve(hessian, features.T @ targets / num_examples)
    w = np.full((len(lr), copies, 2), best + 0.1)
    order, excess = None, []
    for epoch in range(num_epochs):
        order = order_of_epoch(scheme, epoch, order, rng)
        w = after_epoch(w, order, lr, batch_size, targets)
        excess.append(((w - best) @ hessian * (w - best)).sum(axis=-1) / 2)
    return np.mean(excess[num_epochs // 2 :], axis=0)


# %% [markdown]
# **Predict.** With replacement, at η = 0.01, B = 1 ends 660 millionths above the minimum.
# Where does it end if it reshuffles every epoch?

# %%
guess_floor = None  # excess loss in millionths, from 1 to 30,000, or None to skip

# %% floors tags=["reveal"]
learning_rates = [0.01, 0.02, 0.05, 0.1, 0.2]
schemes = ("with replacement", "shuffled once", "reshuffled every epoch")
floors = {scheme: floor(scheme, learning_rates).T for scheme in schemes}
at_minimum = np.array([gradient(minimum, [i]) for i in range(num_examples)])
trace_at_minimum = (at_minimum**2).sum() / num_examples  # tr Σ; G = 0 there
show(*draw.floors(learning_rates, floors, trace_at_minimum, guess=guess_floor))
reply(guess_floor, round(1e6 * floors["reshuffled every epoch"][:, 0].mean()), "millionths")

# %% floor-table tags=["reveal"]
means = pd.DataFrame({scheme: floors[scheme].mean(0) for scheme in schemes}, learning_rates)
over_formula = means.div(np.array(learning_rates) * trace_at_minimum / 4, axis=0)
pd.DataFrame(
    {
        "floor at η = 0.02 over that at 0.01": means.loc[0.02] / means.loc[0.01],
        "floor over the formula, η = 0.02": over_formula.loc[0.02],
        "the same, η = 0.2": over_formula.loc[0.2],
    }
).map("{:.2f}".format)

# %% [markdown]
# <details><summary>After your guess</summary>
#
# With replacement the floor falls like η, as the formula says; shuffled once, like η²; reshuffled, like η³.
# By the end of a shuffled epoch the errors nearly cancel, since each example came exactly once and the weights hardly moved meanwhile (Mishchenko et al. 2020 have the theory).
# That is true at the *ends* of epochs, which is what we measured and where one usually stops; in the middle of an epoch the gain is smaller.
# At large η it is gone.
# So this is where the way of shuffling shows, which the digits of lesson 1 hid.
#
# </details>
#
# Two checks of the formula: other B, and points that lie exactly on one line, where Σ = 0 at the minimum.


# %% other-batches
def floor_over_formula(batch_size, lr=0.05):
    formula = lr * trace_at_minimum / (4 * batch_size)
    seen = interval(floor("with replacement", lr, batch_size)[0] / formula)  # over copies
    return f"{seen.mean:.2f} ± {seen.half_width:.2f}"


on_one_line = floor("with replacement", 0.1, targets=points.clean).mean()
print(f"Points on one line, B = 1, η = 0.1: floor at most {max(on_one_line, 1e-20):.0e}.")
pd.DataFrame(
    {f"B = {size}": floor_over_formula(size) for size in (1, 4, 10)},
    index=["floor over the formula, η = 0.05"],
)

# %% [markdown]
# The floor falls like 1/B. It lies a little above the formula, which keeps only the first order in η: the excess shrinks with η, as the table above shows.
#
# B = 1 is noisy on the way, always.
# Near the minimum only examples that disagree keep it from arriving; where one setting of the weights fits all, a small enough constant η converges.
# A network that can fit all its training digits is in the second case as far as its *training* loss goes.
#
# ## Exercises
#
# **1C · Quiet enough.** The gradient of a single example lies `noise` away from G, in root mean square over all `n` examples.
# Return the batch size, with its fraction, at which the gradient of a batch lies `wanted` away, if the batch is drawn without replacement. (1 line, after some algebra)
# Then try it on the digits: `batch_for(np.sqrt(trace), N, length)` is where the two lines of the figure in section 1a.2 cross.


# %%
def batch_for(noise, n, wanted):
    """Return the batch size, a float, whose noise is `wanted`."""
    ...


check("1C", batch_for)
# hint("1C")
# solution("1C")

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
# ## References
#
# - Hung-yi Lee, "Batch and Momentum", Machine Learning 2021, National Taiwan University: the claims.
# - L. Bottou, F. Curtis, J. Nocedal, "Optimization Methods for Large-Scale Machine Learning", [arXiv 1606.04838](https://arxiv.org/abs/1606.04838): the noise of batch gradients, and why a constant learning rate stops short of the minimum.
# - K. Mishchenko, A. Khaled, P. Richtárik, "Random Reshuffling: Simple Analysis with Vast Improvements", [arXiv 2006.05988](https://arxiv.org/abs/2006.05988): the theory of reshuffling against drawing with replacement.
# - J. Cohen et al., "Gradient Descent on Neural Networks Typically Occurs at the Edge of Stability", [arXiv 2103.00065](https://arxiv.org/abs/2103.00065).
#
# Back to [lesson 1](../01_batches_and_epochs.ipynb) · the other deeper page: [1b · What is in an epoch?](1b_what_is_in_an_epoch.ipynb)
