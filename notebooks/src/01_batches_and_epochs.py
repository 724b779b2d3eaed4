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
# A model is to learn from twenty examples.
# How many of them should it look at before it changes its weights: all twenty (the squares), or only one (the dots)?
# Run the cell, then slide the batch size from 1 to 20.

# %% paths
from course_utils.explore import explore
from lessons.lesson_1 import draw

explore(*draw.paths())

# %% [markdown]
# Left is a map: each place stands for one setting of the model's two weights, and the darker it is, the worse the model.
# Each mark is one change of the weights.
# Right is how bad the model still is, by how often it has used each example; both runs have used each of them four times.
# Which batch size gets down fastest, and what happens at η = 0.8? (η says how far one update goes.)
# Change the seed: which parts of a path are luck?
#
# After it you can
#
# 1. say what *batch*, *epoch* and *update* mean, and count them;
# 2. explain why a small batch gets far in one epoch, and why its path is crooked;
# 3. train a network on handwritten digits with an update that you wrote yourself, and shuffle for a reason.
#
# | It takes | You need before | It follows |
# |---|---|---|
# | 25 minutes to read, about 10 seconds to run | Python with NumPy; what a derivative is | the first third of Hung-yi Lee's lecture "Batch and Momentum" (Machine Learning 2021, National Taiwan University) |
#
# The lecture's claims carry a number, such as C05.
# Where one is put to the test, a box says what became of it; [one page has them all](claims.md).
# Words in *italics* are explained where they first occur; the [glossary](teaching/glossary.md) has them all, in English and Chinese.

# %% [markdown]
# What you may want to change stands in one cell.

# %% settings
device = "cpu"  # or "cuda", "mps"
full = False  # True: all of MNIST, 55,000 digits to train on (12 MB once, some minutes)
lr = 0.1  # learning rate η of the small problem
num_seeds = 5  # runs behind each mean on the digits, at least 2

# %%
import math

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from course_utils.checks import check, hint, reply, solution
from course_utils.claims import verdict
from course_utils.data import load_mnist
from course_utils.models import mlp
from course_utils.plotting import show
from course_utils.training import evaluate
from lessons.lesson_1.points import clean, descend, features, loss, minimum, start, targets

# %% [markdown]
# ## 1.1 Twenty examples, cut into batches
#
# Each example is a point: a number x, and a value y to predict from it.
# The model is a straight line, so it has two *weights* w: a slope and an intercept.
# The *loss* of an example is half its squared error; the error is how far the line passes above or below the point.
#
# To learn, we need to know which way to change w.
# The [*gradient*](teaching/glossary.md) says so: it is the vector of the loss's two derivatives, and it points uphill, where the loss grows fastest.
# We go the other way.
# In the code, `features` has a row (x, 1) for each example, so that `features @ w` is the height of the line at each x.

# %% gradient
num_examples = len(targets)  # N = 20


def gradient(w, batch):
    """Return the gradient (2,) of the mean loss over the examples numbered in `batch`."""
    error = features[batch] @ w - targets[batch]
    return error @ features[batch] / len(batch)


# %% [markdown]
# Now the loop that this whole course is about.
# Put the examples into a random order, cut the order into [*batches*](teaching/glossary.md) of B examples, and let each batch change the weights once: one *update*.
# How far an update goes is set by the *learning rate* η (`lr`).
# When every batch has been used, one *epoch* is over.

# %% loop
batch_size = 8
w = start
order = np.random.default_rng(1).permutation(num_examples)
for first in range(0, num_examples, batch_size):
    batch = order[first : first + batch_size]
    w = w - lr * gradient(w, batch)
    print(f"update {first // batch_size + 1} looks at {len(batch)} examples: {batch + 1}")

# %% [markdown]
# Here are these updates; `descend` is the loop above for any number of epochs, and keeps each w on its way.

# %% three-updates
show(*draw.updates(np.split(order, [8, 16]), descend(8, lr, seed=1, num_epochs=1)))

# %% [markdown]
# Each update sees only the filled points, and moves the line towards *them*.
# Twenty examples make two whole batches of eight, and a short one of four.
# (The short one is not as harmless as it looks: exercise 1B.)
#
# > **Words, fixed once.** A *batch* (or *mini-batch*: the lecture uses both for the same thing, C02) is the set of examples that one update looks at; its gradient stands in for that of all data (C01).
# > The *full batch* is all N examples at once, which the lecture also calls "no batch" (C06).
# > An *update*, or *step*, is one change of the weights.
# > An *epoch* is one pass over the data.
# > Beware of older books: there "batch gradient descent" means the full batch, and "stochastic" means B = 1.
#
# **Predict.** How many updates does one epoch have at B = 3?

# %%
guess_updates = None  # updates in an epoch of 20 examples at B = 3, or None to skip


# %% counts tags=["reveal"]
def updates_in_one_epoch(num_examples, batch_size):
    return len(range(0, num_examples, batch_size))


reply(guess_updates, updates_in_one_epoch(20, 3), "updates")
cases = [(20, 1), (20, 3), (20, 8), (20, 20), (60_000, 1), (60_000, 256), (60_000, 1000)]
counts = {case: updates_in_one_epoch(*case) for case in cases}
table = pd.Series(counts).map("{:,}".format).rename_axis(["examples N", "batch size B"])
table.to_frame("updates an epoch")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# Seven: six batches of three, and a short one of two.
# An epoch has ⌈N/B⌉ updates, N/B rounded up: one for the full batch, N for B = 1.
# MNIST, which we meet below, has 60,000 digits.
#
# </details>
#
# Each condition in a `verdict` is a check that must be true; `without=`, further down, must be true where the claim's condition is missing.

# %% claims-on-counting tags=["reveal"]
verdict("C05", counts[20, 20] == 1, counts[20, 1] == 20)
verdict("C19", counts[60_000, 1] == 60_000, counts[60_000, 1000] == 60)

# %% [markdown]
# Whoever compares batch sizes *at equal epochs* compares different numbers of updates.
# How loaders in practice miscount, and what it costs, is on a deeper page: [1b, What is in an epoch?](deeper/1b_what_is_in_an_epoch.ipynb)
#
# ## 1.2 One update against twenty
#
# One epoch of the full batch is one update, one of B = 1 is twenty; both look at the same twenty examples.

# %% one-epoch
show(*draw.one_epoch({size: descend(size, lr, seed=1, num_epochs=1) for size in (20, 1)}))

# %% [markdown]
# Twenty crooked steps got further than a single straight one, at this η; section 1.3 shows where that ends.
# The lecture likens the full batch to a mighty blow in a computer game that takes long to recharge, and B = 1 to a weak one that is ready at once (C08).
# It takes the picture back itself: a GPU looks at twenty examples at the same time, and then the mighty blow recharges as fast as the weak one.
# [Lesson 2](02_gpu_batch_timing.ipynb) measures that.
#
# We call an update *uphill* if it makes the loss over all twenty examples larger, and say that it *turns back* if it points more than 90° away from the update before.


# %% measures
def uphill(path):
    return np.mean(np.diff(loss(*path.T)) > 0)


def turns_back(path):
    moves = np.diff(path, axis=0)
    dot_products = (moves[1:] * moves[:-1]).sum(axis=1)  # of each move with the one before
    return np.mean(dot_products < 0)  # negative: more than 90° apart


def share(measure, batch_size, lr=lr):
    """Return the share of all updates of 8 epochs, mean over 20 shuffles."""
    return np.mean([measure(descend(batch_size, lr, seed)) for seed in range(20)])


# %% [markdown]
# **Predict.** Of all updates at B = 1, over eight epochs, how many per cent go uphill?

# %%
guess_uphill = None  # % of the updates at B = 1, 0 to 100, or None to skip

# %% crooked tags=["reveal"]
sizes = (1, 2, 4, 10, 20)
went_up = {size: share(uphill, size) for size in sizes}
turned = {size: share(turns_back, size) for size in sizes}
show(*draw.crooked(went_up, turned, guess=guess_uphill))
reply(guess_uphill, round(100 * went_up[1]), "%")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# Nearly half of them, 47 %.
# And yet the run gets down: its few early updates do most of the work, and the many late ones go to and fro around the minimum.
# The larger the batch, the straighter the path; the full batch never goes uphill and never turns back, at this η.
#
# </details>
#
# ## 1.3 Each example pulls its own way
#
# Why does a single example mislead, and why doesn't it matter at first?
# Stand at one place and ask each of many batches where it wants to go.


# %% pulls
def pulls(w, batch_size):
    """Return the gradients (20, 2) that twenty shuffled batches give at the same `w`."""
    rng = np.random.default_rng(0)
    orders = [rng.permutation(num_examples) for _ in range(batch_size)]
    return np.array([gradient(w, batch) for batch in np.reshape(orders, (-1, batch_size))])


# %% arrows
clouds = {
    "at the start, B = 1": (pulls(start, 1), 1),
    "at the minimum, B = 1": (pulls(minimum, 1), 1),
    "at the minimum, B = 4": (pulls(minimum, 4), 4),
}
show(*draw.arrows(clouds))

# %% [markdown]
# Each arrow is minus a gradient; a step is η times it.
#
# *At the start* the twenty arrows agree on where downhill is.
# Their mean (orange) is the arrow of the full batch.
# A single one may be far too long or too short, but it is right on average, and twenty small steps get further than one.
#
# *At the minimum* the arrows cancel: their mean is zero, that is what makes it a minimum.
# But no single example is content, since no line passes through all points.
# So B = 1 keeps moving where there is nowhere to go, and about half of its moves around there are uphill.
# This is the [*noise*](teaching/glossary.md) of the batch gradient.
#
# *With B = 4* each arrow is the mean of four, and four that disagree partly cancel: the arrows are about half as long.
# (The *spread* on the figure is their root mean square distance from the mean.)
# Four times the batch, half the noise; here a little less than half, since four of twenty are a fifth of all.
# Page [1a, How noisy is the gradient of a batch?](deeper/1a_how_noisy_is_a_batch.ipynb) has the exact law, also for a network, and shows how high above the minimum the noise leaves the loss, the *floor* of the run.
#
# All of this is for η = 0.1.
# A small batch bears less η than a large one, because some examples are steeper than their mean.


# %% larger-steps
def loss_left(batch_size, lr, num_epochs=4):
    """Return the loss above its minimum after 4 epochs, median over 20 shuffles."""
    ends = [descend(batch_size, lr, seed, num_epochs)[-1] for seed in range(20)]
    return np.median([loss(*w) for w in ends]) - loss(*minimum)


pd.DataFrame(
    {
        f"η = {rate}": [f"{loss_left(size, rate):.3g}" for size in (1, 20)]
        for rate in (0.1, 0.6, 0.8)
    },
    index=["loss left after 4 epochs, B = 1", "B = 20"],
)

# %% [markdown]
# It was 2.79 at the start.
# At η = 0.1 the small batch is far ahead; at 0.6 it is behind; and at 0.8 it flies off, while the full batch still arrives.
#
# But the full batch too is steady only while η is small: at 0.8 it crosses the valley at every update.
# And if one line fits all points, every arrow vanishes at the minimum, so that at η = 0.1 even B = 1 settles down.
# We check both before we judge the claim.

# %% steady
path = descend(1, lr, seed=1, num_epochs=400, targets=clean)
settled = loss(*path[-1], targets=clean)
full_batch_at_0_8 = share(turns_back, 20, lr=0.8)
print(f"Full batch at η = 0.8: {full_batch_at_0_8:.0%} of the updates turn back.")
print(f"Points on one line: B = 1 ends at a loss of at most {max(settled, 1e-20):.0e}.")

# %% claim-on-paths
verdict(
    "C07",
    turned[1] > 0.3,
    turned[20] == 0,
    settled < 1e-20,
    without=full_batch_at_0_8 > 0.9,
)

# %% [markdown]
# Where the border lies, and why the full batch even runs away at η = 1, is on page [1a](deeper/1a_how_noisy_is_a_batch.ipynb).
#
# ## 1.4 The same loop, on digits
#
# Now the same loop with real data: pictures of 28 × 28 pixels, and a network in place of the line.
# It has 784 inputs, one layer of 128 units, and ten outputs, one for each digit; 101,770 weights instead of two.
# PyTorch's `backward` computes the gradient, and `cross_entropy` is the usual loss for classes.

# %% digits
train_set, valid_set, _ = (split.to(device) for split in load_mnist(full=full))


# %% train-by-hand
def train_by_hand(model, data, batch_size, lr, num_epochs, generator, shuffle=True):
    n = len(data)
    for _ in range(num_epochs):
        order = torch.randperm(n, generator=generator) if shuffle else torch.arange(n)
        for batch in order.split(batch_size):
            loss = F.cross_entropy(model(data.images[batch]), data.labels[batch])
            model.zero_grad()  # forget the old gradient
            loss.backward()
            with torch.no_grad():  # the update is no part of the model
                for w in model.parameters():
                    w -= lr * w.grad


# %% [markdown]
# We train on 4,000 digits for two epochs at B = 20, η = 0.1, and let the network read 500 digits that it has not seen (the *validation* digits).

# %% first-run tags=["nbval-ignore-output"]
network = mlp((784, 128, 10), seed=0).to(device)
before = evaluate(network, valid_set)
train_by_hand(network, train_set, 20, 0.1, 2, torch.Generator().manual_seed(0))
after = evaluate(network, valid_set)
pd.DataFrame(
    {
        "validation loss": [f"{before[0]:.2f}", f"{after[0]:.2f}"],
        "read correctly": [f"{before[1]:.0%}", f"{after[1]:.0%}"],
    },
    index=["before", "after 2 epochs, 400 updates"],
)

# %% [markdown]
# From guessing to nine in ten.
# From now on the course writes `train(…)` for this loop; page [1b](deeper/1b_what_is_in_an_epoch.ipynb) shows that the two agree to the last bit.
#
# ## 1.5 Why shuffle?
#
# The lecture says to [*shuffle*](teaching/glossary.md) anew before every epoch (C04), and most people do.
# But data often lie on disk sorted: first all zeros, then all ones, and so on.
#
# **Predict.** The same network sees the same digits for three epochs at B = 20, sorted by class and never shuffled.
# How many per cent of the validation digits does it read correctly?

# %%
guess_sorted = None  # % read correctly after three epochs, 0 to 100, or None to skip

# %% in-order
sorted_set = train_set[train_set.labels.argsort(stable=True)]


def accuracies(data, shuffle, seed, num_epochs=3):
    """Return the validation accuracy at the start and after each epoch."""
    model = mlp((784, 128, 10), seed=seed).to(device)
    generator = torch.Generator().manual_seed(seed)
    reached = [evaluate(model, valid_set)[1]]
    for _ in range(num_epochs):
        train_by_hand(model, data, 20, 0.1, 1, generator, shuffle)
        reached.append(evaluate(model, valid_set)[1])
    return reached


# %% sorted tags=["reveal", "nbval-ignore-output"]
runs = {
    "sorted by class": [accuracies(sorted_set, False, seed) for seed in range(num_seeds)],
    "reshuffled every epoch": [accuracies(train_set, True, s) for s in range(num_seeds)],
}
show(*draw.learning(runs, guess=guess_sorted))
reply(guess_sorted, round(100 * np.mean(runs["sorted by class"], axis=0)[-1]), "%")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# One in five, and after the first epoch one in ten: no better than guessing.
# The two runs differ in nothing but the order.
# In sorted order an epoch ends with 400 nines in a row, and each of its last twenty updates says "nine" to the network.
# What does it answer then?
#
# </details>


# %% nines tags=["reveal", "nbval-ignore-output"]
def answers_after_one_sorted_epoch():
    model = mlp((784, 128, 10), seed=0).to(device)
    train_by_hand(model, sorted_set, 20, 0.1, 1, generator=None, shuffle=False)
    return model(valid_set.images).argmax(1)


said = answers_after_one_sorted_epoch().bincount(minlength=10)
truth = valid_set.labels.bincount(minlength=10)
pd.DataFrame({"digits that are": truth.tolist(), "answers that say": said.tolist()}).T

# %% [markdown]
# <details><summary>After your guess</summary>
#
# "Nine", to every digit: it has learnt the last thing that it was told.
# An update follows its batch alone; so a batch has to be a fair sample of *all* examples, and a random order makes it one.
# Shuffle once, anew before every epoch, or draw each example *with replacement*? On these digits no difference can be seen, and [1b](deeper/1b_what_is_in_an_epoch.ipynb) shows it; near a minimum and at small η there is one, and [1a](deeper/1a_how_noisy_is_a_batch.ipynb) measures it.
#
# </details>
#
# ## Summary
#
# - A batch is what one update looks at. An epoch has ⌈N/B⌉ updates: one for the full batch, N for B = 1.
# - Far from the minimum the examples agree, so that, while η is small, many noisy updates get further than one exact update. Near it they disagree, and small batches jitter.
# - Four times the batch, half the noise, as long as the batch is a small part of all examples.
# - A sorted epoch teaches the last class only.
#
# **So:** a batch is the set of examples that stands in for all of them in one update, and we shuffle so that it can.
#
# ## Exercises
#
# Put your answer in place of the three dots and run the cell: a line says whether it is right.
# Take away the `#` in front of `hint` or `solution` to read it.
#
# **1A · Ten epochs.** 60,000 digits, B = 128, and no digit is left out.
# How often do the weights change in ten epochs? (by hand, or 1 line)

# %%
updates_in_ten_epochs = ...
check("1A", updates_in_ten_epochs)
# hint("1A")
# solution("1A")

# %% [markdown]
# **1B · A fair short batch.** An update takes the mean over its batch.
# In a batch of eight an example has the weight 1/8, in the short batch of four 1/4: there it counts double.
# Mend this with the learning rate: return a rate for each update of one epoch, `lr` for the whole batches, so that all `n` examples count the same. (2 to 4 lines)


# %%
def fair_rates(n, batch_size, lr):
    """Return the learning rates of an epoch's updates, in order, as a list."""
    ...


check("1B", fair_rates)
# hint("1B")
# solution("1B")

# %% [markdown]
# **Open.** Sort the digits by how dark they are, `train_set.images.mean((1, 2, 3)).argsort()`, instead of by class.
# Predict, then measure with `accuracies`. Can you find an order that hurts more than sorting by class?
#
# ## Deeper, and further
#
# - [1a · How noisy is the gradient of a batch?](deeper/1a_how_noisy_is_a_batch.ipynb): the covariance, exactly; a network; when the full batch runs away; the floor.
# - [1b · What is in an epoch?](deeper/1b_what_is_in_an_epoch.ipynb): four orders, three traps of counting, `train`.
# - Next: [2 · How long does a batch take?](02_gpu_batch_timing.ipynb)
#
# The lecture: Hung-yi Lee, "Batch and Momentum", Machine Learning 2021, National Taiwan University; claims C01 to C09 and C19 are tested in this lesson and its deeper pages.
# The course's other lecture, Sebastian Raschka, "Learning with momentum", STAT453 L12.3 (2021), comes in lesson 5.
# For reading on: L. Bottou, F. Curtis, J. Nocedal, "Optimization Methods for Large-Scale Machine Learning", [arXiv 1606.04838](https://arxiv.org/abs/1606.04838), section 3.
