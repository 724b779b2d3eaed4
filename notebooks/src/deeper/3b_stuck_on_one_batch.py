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
# # 3b · Stuck on one batch, not on the next?
#
# This page belongs to lesson [3 · Small or large batches?](../03_small_and_large_batches.ipynb).
# There the full batch ended far behind, and the lecture offers a mechanism.
# A full batch walks on one loss surface; where the gradient is zero it stops, at a local minimum or a saddle.
# A small batch walks on another surface at every update: stuck on one, it need not be stuck on the next.
#
# Three questions: had the full batch stopped anywhere, does the mechanism exist, and what does it need to be of use?
# About 12 minutes to read, 5 seconds to run.

# %%
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from IPython.display import display

from course_utils.checks import reply
from course_utils.claims import verdict
from course_utils.data import load_mnist
from course_utils.models import mlp
from course_utils.plotting import show
from course_utils.results import at_step, interval, read_results
from course_utils.training import train
from lessons.lesson_3 import draw

# %% [markdown]
# ## 3b.1 Had the full batch stopped?
#
# In the lecture's experiment the full batch makes ten updates, at η = 1/16.
# If it ends where the gradient is zero, the gradient must have shrunk to almost nothing on the way.
#
# **Guess.** How long is the gradient after the ten updates, in percent of its length before the first?

# %%
guess_length = None  # % of the length at the start; a number, or None to skip

# %% gradient-length
train_set = load_mnist()[0]


def gradient_length(model):
    """Return the length of the gradient of the mean loss over all training digits."""
    loss = F.cross_entropy(model(train_set.images), train_set.labels)
    grads = torch.autograd.grad(loss, list(model.parameters()))
    return torch.cat([g.flatten() for g in grads]).norm().item()


def lengths(seed):
    """Return the gradient's length before and after the ten updates of the full batch."""
    model = mlp((784, 128, 10), seed=seed)
    before = gradient_length(model)
    settings = {
        "batch_size": len(train_set),
        "lr": 1 / 16,
        "num_steps": 10,
        "eval_steps": [],
    }
    train(model, train_set, generator=torch.Generator().manual_seed(seed), **settings)
    return before, gradient_length(model)


# %% stopped tags=["reveal", "nbval-ignore-output"]
table = pd.DataFrame([lengths(seed) for seed in range(5)], columns=["before", "after"])
left = interval(100 * table["after"] / table["before"])
display(table.round(2).rename_axis("seed").T)
reply(guess_length, left.mean, "%")
print(f"Over five seeds, {left:.0f} % of the length is left.")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# It had not stopped at anything: two thirds of the slope are left.
# The budget was over, that is all.
#
# </details>

# %% [markdown]
# Nor is η = 1/16 a special case.
# From the recording, the training loss of the full batch after its ten updates and after a hundred, at every rate that trains:

# %% going-on
full = read_results(
    "batch_size_digits", batch_size=4000, lr=[2.0**j for j in range(-10, 1)]
)
at_10, at_100 = (at_step(full, "train_loss", steps, "lr") for steps in (10, 100))
losses = pd.DataFrame({"loss at 10": at_10.mean(), "loss at 100": at_100.mean()}).round(2)
losses["least fall of any run"] = [f"{x:.0%}" for x in 1 - (at_100 / at_10).max()]
losses.rename(draw.rate_name).rename_axis("η").T

# %% [markdown]
# Every run at every rate goes on falling.
#
# ## 3b.2 What a saddle does, and what the Hessian says
#
# Would a saddle have held it?
# Take the smallest network there is, two weights in a row, that is to learn the number 1: the loss is (1 − w₁w₂)².
# At w = (0, 0) its gradient is zero, and yet it is no minimum.
# The gradient alone cannot tell; the *Hessian*, the matrix of second derivatives, can.

# %% hessian
hessian = np.array([[0.0, -2.0], [-2.0, 0.0]])  # of (1 − w₁w₂)² at (0, 0)
curvatures, directions = np.linalg.eigh(hessian)
down = 0.1 * directions[:, 0]  # a short step along the direction of negative curvature
before, after = 1.0, (1 - down[0] * down[1]) ** 2
print(
    f"Curvatures {curvatures}; along {down.round(2)} the loss goes from {before} to {after:.4f}."
)

# %% [markdown]
# One direction bends down, and a short step along it leaves the saddle: whoever looks at the Hessian is not stuck.
# On the line w₁ = −w₂, the *ridge*, the loss falls to both sides, and along it down to the saddle.
# That look at the Hessian is dear (lesson [4](../04_sharp_and_flat_minima.ipynb) has the ways to take it), and mostly not needed, as three walks down to the saddle show.


# %% saddle
def descend_to_saddle(start, noise=0.0, lr=0.1, num_steps=200):
    """Return the losses (1 + num_steps,) on the way from `start`."""
    rng, w, losses = np.random.default_rng(0), np.array(start), []
    for _ in range(num_steps + 1):
        losses.append((1 - w[0] * w[1]) ** 2)
        gradient = -2 * (1 - w[0] * w[1]) * w[::-1]
        w = w - lr * (gradient + noise * rng.standard_normal(2))
    return np.array(losses)


walks = {
    "exactly on the ridge": descend_to_saddle((0.5, -0.5)),
    "a millionth beside it": descend_to_saddle((0.5, -0.499999)),
    "on it, with noise of a millionth": descend_to_saddle((0.5, -0.5), noise=1e-6),
}
show(*draw.saddle_walks(walks))

# %% [markdown]
# Only the walk that starts *exactly* on the ridge ends at the saddle, to the last digit.
# Any deviation grows by a factor 1 + η|λ| at every update, and the walk leaves, after a while that is longer the smaller the deviation and the curvature.
# That is a theorem: for a loss with continuous second derivatives, whose curvature nowhere exceeds L, gradient descent with η < 1/L almost never ends at a saddle that has a direction of negative curvature (J. Lee et al. 2016; "almost never": from a set of starts of measure zero).
# Our network, with its kinks from ReLU, does not meet the premise, but the reason is the same.
# How long it takes is another matter: Du et al. 2017 construct losses on which it takes exponentially long.

# %% c29 tags=["reveal"]
verdict(
    "C29",
    left.mean - 3 * left.half_width > 40,
    (at_100 / at_10).max().max() < 0.96,
    walks["a millionth beside it"][-1] < 1e-6 < walks["exactly on the ridge"][-1],
)

# %% [markdown]
# ## 3b.3 Two batches, two surfaces
#
# The mechanism itself is real, and one weight is enough to see it.
# Predict y from x by sin(w·x), from 20 examples that were made with w = 2 and some noise, cut into two halves of ten.
# (The draw was looked for: in most of them no place is so clearly a valley for one half and a slope for the other.)

# %%
rng = np.random.default_rng(31)
x = rng.uniform(-3, 3, 20)
y = np.sin(2 * x) + 0.3 * rng.standard_normal(20)
everything, halves = np.arange(20), np.split(np.arange(20), 2)


def loss_of(w, part, y):
    """Return the mean squared error at each w over the examples `part`."""
    # [..., None]: every w meets every example
    return ((np.sin(np.asarray(w)[..., None] * x[part]) - y[part]) ** 2).mean(-1)


def slope_of(w, part, y):
    """Return the derivative of `loss_of` by w."""
    angle = np.asarray(w)[..., None] * x[part]
    return (2 * (np.sin(angle) - y[part]) * np.cos(angle) * x[part]).mean(-1)


def roll(w, part, y, lr=0.02, num_steps=2000):
    """Return where gradient descent on one batch ends."""
    for _ in range(num_steps):
        w = w - lr * slope_of(w, part, y)
    return w


# %% two-surfaces
stuck = roll(3.6, halves[0], y)
wide = np.linspace(-0.5, 5.6, 600)
parts = {"L₁, first half": halves[0], "L₂, second half": halves[1], "both": everything}
surfaces = {name: loss_of(wide, part, y) for name, part in parts.items()}
show(*draw.two_surfaces(wide, surfaces, stuck))
print(
    f"At w = {stuck:.2f} the slope of L₁ is 0, that of L₂ {slope_of(stuck, halves[1], y):.2f}; "
    f"on L₂ alone one would roll on to w = {roll(stuck, halves[1], y):.2f}."
)

# %% [markdown]
# ## 3b.4 Batches that take turns
#
# In training the batches take turns, and no batch has the weight for itself.
# We send 201 walkers from w = 0 … 5 and see how many are in the good valley, near w = 2, after 2,000 updates.
# Of those who start far from it, with all 20 examples at once, none gets there.
#
# **Guess.** How many of the 201 end there when the *two halves* take turns, compared with all data at once?
# Many more, as the picture of L₁ and L₂ promises, or as many?

# %%
guess_turns = None  # "many more" or "as many", or None to skip


# %% walk
def walk(w, next_batch, lr, y, num_steps=2000):
    """Return where every walker has gone."""
    rng = np.random.default_rng(0)
    for step in range(num_steps):
        w = w - lr * slope_of(w, next_batch(rng, step, len(w)), y)
    return w


batches = {
    "all 20": lambda rng, step, n: everything,
    "two fixed halves in turn": lambda rng, step, n: halves[step % 2],
    "10, drawn anew": lambda rng, step, n: rng.permutation(20)[:10],
    "1 for each walker": lambda rng, step, n: rng.integers(20, size=(n, 1)),
}

# %% walkers tags=["reveal"]
good = roll(2.0, everything, y)
starts, near = np.linspace(0, 5, 201), np.linspace(good - 0.1, good + 0.1, 201)
shares = {
    (lr, name): [(abs(walk(w, pick, lr, y) - good) < 0.5).mean() for w in (starts, near)]
    for lr in (0.02, 0.1, 0.3)
    for name, pick in batches.items()
}
gained = shares[0.02, "two fixed halves in turn"][0] - shares[0.02, "all 20"][0]
columns = ["end in the good valley", "stay, of those who start in it"]
display(
    pd.DataFrame(shares, index=columns).T.map("{:.0%}".format).rename_axis(["η", "batches"])
)
reply(guess_turns, "many more" if gained > 0.05 else "as many")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# Three things to read off.
#
# *Ten examples are not enough noise.*
# Where all 20 together have a valley, two halves in turn stay in it, because the two slopes cancel over two updates; and ten drawn anew do no better.
# The picture of L₁ and L₂ promises more than it keeps.
#
# *Single examples do escape,* with the right step: at η = 0.1 a good part of the bad starts is rescued.
# So noise does help training here, in a landscape with bad valleys.
#
# *The noise that rescues also ejects.*
# With single examples at η = 0.3 hardly anybody ends in the good valley, not even those who started in it.
#
# </details>
#
# ## 3b.5 Where all examples agree
#
# There is a case in which the batches don't differ in the one place that matters.
# Make the data without noise, so that w = 2 fits every example; then the slope of *each* example is zero there.

# %% agree
y_clean = np.sin(2 * x)
each = [abs(slope_of(2.0, [i], y_clean)) for i in range(20)]
single = batches["1 for each walker"]
ends = {
    name: walk(w, single, 0.3, y_clean) for name, w in (("0 … 5", starts), ("near 2", near))
}
arrived = {name: f"{(abs(w - 2) < 0.5).mean():.0%}" for name, w in ends.items()}
print(f"The largest slope of a single example at w = 2 is {max(each):.1g}.")
pd.DataFrame({"end at w = 2, B = 1, η = 0.3": arrived}).rename_axis("starts")

# %% [markdown]
# The same step that threw nearly everybody out of the noisy valley (of those who started in it, 4 % stayed) now brings nearly everybody in, and brings back who strays: in the perfect minimum there is no noise, everywhere else there is plenty.
# Whoever is stuck *there* on one batch is stuck on all of them, so the claim needs its condition.
# Networks that fit all their training examples are nearer to this second case than to the first; it is also where lesson 3 saw noise lower the training loss.
# (It can go wrong altogether: Ziyin et al. 2021 construct losses on which SGD with a large constant rate runs *into* a local maximum.)

# %% c30
verdict(
    "C30",
    abs(slope_of(stuck, halves[0], y)) < 1e-6,
    abs(slope_of(stuck, halves[1], y)) > 0.1,
    without=max(each) < 1e-12,
)

# %% [markdown]
# ## What it comes to
#
# The mechanism exists, needs single examples rather than tens, and cuts both ways.
# It is not why the full batch did worse in the lecture's experiment, since that one never stopped.
#
# ← [lesson 3](../03_small_and_large_batches.ipynb) · other deeper pages: [3a](3a_where_larger_batches_stop_paying.ipynb), [3c](3c_what_is_left_of_large_is_worse.ipynb)
#
# ### References
#
# - Hung-yi Lee, "Batch and Momentum", Machine Learning 2021, National Taiwan University: claims C29, C30.
# - J. Lee, M. Simchowitz, M. Jordan, B. Recht, "Gradient descent converges to minimizers", [arXiv 1602.04915](https://arxiv.org/abs/1602.04915); S. Du et al., [arXiv 1705.10412](https://arxiv.org/abs/1705.10412): saddles, and the time they take.
# - L. Ziyin et al., "SGD with a constant large learning rate can converge to local maxima", [arXiv 2107.11774](https://arxiv.org/abs/2107.11774): what noise can do.
