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
# # 1b · What is in an epoch? Four orders, three traps
#
# A deeper page of [lesson 1](../01_batches_and_epochs.ipynb).
# It shows what each way of ordering the data does to an epoch, three ways in which loaders and averages miscount, and that the course's `train` is the loop of the lesson, to the last bit.
# 10 minutes to read, about 10 seconds to run.

# %%
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F

from course_utils.checks import check, hint, solution
from course_utils.claims import verdict
from course_utils.data import load_mnist
from course_utils.explore import explore
from course_utils.models import mlp
from course_utils.results import interval
from course_utils.training import evaluate, minibatches, train
from lessons.lesson_1 import draw
from lessons.lesson_1.points import features, start, targets

# %%
device = "cpu"  # or "cuda", "mps"
num_examples = len(targets)  # N = 20
num_seeds = 5  # runs behind each mean

# %% [markdown]
# ## 1b.1 Four orders
#
# The lecture says: put the examples into a new random order before *every* epoch, so that the batches are new ones each time.
# That is what PyTorch's `DataLoader(shuffle=True)` does.
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


# %% [markdown]
# Below, a row is an epoch, a block is a batch, and a number is an example (the higher, the darker); example 1 is outlined, so that you can follow it from batch to batch.

# %% batches
explore(*draw.batches(epoch_order))

# %% [markdown]
# An epoch is over, says the lecture, when every batch has been seen once, so that every example was used (C03).
# And reshuffling changes the company that an example keeps (C04).
# We count instead of believing.


# %%
def different(scheme, epoch):
    return len(set(epoch_order(scheme, epoch).tolist()))


def companions(scheme, epoch, batch_size=4):
    """Return the batch that holds example 1, counted from 1 and sorted."""
    order = epoch_order(scheme, epoch).tolist()
    first = order.index(0) // batch_size * batch_size
    return sorted(i + 1 for i in order[first : first + batch_size])


# %% companions
schemes = ["fixed order", "shuffled once", "reshuffled every epoch", "with replacement"]
table = pd.DataFrame(index=schemes)
table["different examples in epochs 1, 2, 3"] = [
    ", ".join(str(different(scheme, epoch)) for epoch in range(3)) for scheme in schemes
]
table["batch of example 1 in epochs 1, 2, 3 (B = 4)"] = [
    "; ".join(str(companions(scheme, epoch)) for epoch in range(3))
    for scheme in schemes[:3]
] + ["(may come twice, or never)"]
table

# %% [markdown]
# Drawing with replacement leaves out about a share (1 − 1/N)ᴺ ≈ 1/e of the examples, seven of twenty; "epoch" is then only a name for N draws.

# %% claims-on-epochs
used = {scheme: [different(scheme, epoch) for epoch in range(50)] for scheme in schemes}
complete = all(min(used[scheme]) == num_examples for scheme in schemes[:3])
drops = torch.utils.data.DataLoader(range(20), batch_size=8, shuffle=True, drop_last=True)
left_out = max(used["with replacement"]) < num_examples
verdict("C03", complete, without=(left_out, sum(len(batch) for batch in drops) == 16))

loader = torch.utils.data.DataLoader(range(num_examples), batch_size=4, shuffle=True)
loaded = [{frozenset(batch.tolist()) for batch in loader} for _ in range(2)]
company = {
    scheme: [companions(scheme, epoch) for epoch in (0, 1)] for scheme in schemes[:3]
}
reshuffled, once = company["reshuffled every epoch"], company["shuffled once"]
verdict("C04", loaded[0] != loaded[1], reshuffled[0] != reshuffled[1], once[0] == once[1])

# %% [markdown]
# Does it matter which of the three random ways you take?
# On the digits of lesson 1, with five seeds each:


# %%
train_set, valid_set, _ = (split.to(device) for split in load_mnist())


def digit_order(scheme, epoch, seed):
    n = len(train_set)
    number = seed if scheme == "shuffled once" else 1000 * seed + epoch
    generator = torch.Generator().manual_seed(number)
    if scheme == "with replacement":
        return torch.randint(n, (n,), generator=generator)
    return torch.randperm(n, generator=generator)


# %%
def one_epoch(model, order, batch_size=20, lr=0.1):
    """Train `model` on the digits in `order`: the inner loop of the lesson."""
    for batch in order.to(device).split(batch_size):
        model.zero_grad()
        F.cross_entropy(model(train_set.images[batch]), train_set.labels[batch]).backward()
        with torch.no_grad():
            for w in model.parameters():
                w -= lr * w.grad


def accuracy(scheme, seed, num_epochs=2):
    """Return the validation accuracy after training in the order of `scheme`."""
    model = mlp((784, 128, 10), seed=seed).to(device)
    for epoch in range(num_epochs):
        one_epoch(model, digit_order(scheme, epoch, seed))
    return evaluate(model, valid_set)[1]


# %%
reached = pd.DataFrame(
    {
        scheme: [accuracy(scheme, seed) for seed in range(num_seeds)]
        for scheme in schemes[1:]
    }
)

# %% three-orders tags=["nbval-ignore-output"]
table_of_orders = (
    (100 * reached.mean()).map("{:.1f} %".format).to_frame("validation accuracy")
)
for scheme in schemes[2:]:
    gain = interval(100 * (reached[scheme] - reached["shuffled once"]))
    text = f"{gain.mean:+.1f} ± {gain.half_width:.1f} points"
    table_of_orders.loc[scheme, "against shuffled once, paired"] = text
table_of_orders.fillna("")

# %% [markdown]
# No difference can be seen between the three, where we looked: two epochs at B = 20 and η = 0.1, 500 validation digits, five seeds, 95 % intervals.
# (Data sorted by class are another matter: lesson 1, section 1.5.)
# Near a minimum and at small η the three do differ: [1a](1a_how_noisy_is_a_batch.ipynb) measures it, on the loss at the ends of epochs.
#
# ## 1b.2 Three traps of counting
#
# **Trap 1: the batch that never comes.**
# An epoch has ⌈N/B⌉ updates, or ⌊N/B⌋, rounded down, if the short last batch is dropped.
# With `drop_last=True` and a batch larger than the data, PyTorch's loader gives no batch at all.
# The loop below runs five epochs, raises nothing, and trains nothing.

# %%
no_batches = torch.utils.data.DataLoader(
    range(20), batch_size=32, shuffle=True, drop_last=True
)
print(f"{sum(1 for epoch in range(5) for batch in no_batches)} updates in 5 epochs")

# %% [markdown]
# The course's own `minibatches` refuses.

# %%
try:
    minibatches(20, 32, generator=torch.Generator())
except ValueError as error:
    print(error)

# %% [markdown]
# And dropping costs whole updates: 60,000 digits at B = 256 make 235 updates an epoch, and 234 with `drop_last`, which leaves 96 digits out, other ones each time if you reshuffle.


# %% drop-last
def updates(batch_size, drop_last):
    generator = torch.Generator().manual_seed(0)
    return len(minibatches(60_000, batch_size, generator=generator, drop_last=drop_last))


pd.DataFrame(
    {f"B = {B:,}": [f"{updates(B, d):,}" for d in (False, True)] for B in (1, 256, 1000)},
    index=["updates an epoch, short batch kept", "dropped"],
)

# %% [markdown]
# **Trap 2: the short batch counts double.**
# Twenty examples in batches of eight: an example in the short batch of four has the weight 1/4 in its update, the others 1/8.
# Who sits there?


# %%
def weight_an_epoch(scheme, batch_size=8, num_epochs=1000):
    """Return the weight (N,) that each example gets in an epoch, mean over epochs."""
    weight = np.zeros(num_examples)
    for epoch in range(num_epochs):
        order = epoch_order(scheme, epoch)
        for batch in np.split(order, range(batch_size, num_examples, batch_size)):
            weight[batch] += 1 / len(batch) / num_epochs
    return weight


# %% short-batch
weights = {scheme: weight_an_epoch(scheme) for scheme in schemes[0:3:2]}
pd.DataFrame(
    {scheme: [f"{w.min():.3f}", f"{w.max():.3f}"] for scheme, w in weights.items()},
    index=["smallest weight of an example", "largest"],
)

# %% [markdown]
# In a fixed order it is always the same four, and they count double for ever; with reshuffling it is another four every epoch, and in the long run nobody is favoured.
# Exercise 1B of the lesson mends it with the learning rate.
#
# **Trap 3: the mean of batch means is not the mean.**
# The same thing happens when a loss is averaged over batches for the record.

# %% mean-of-means
example_losses = (features @ start - targets) ** 2 / 2
parts = np.split(example_losses, range(8, num_examples, 8))
means, lengths = [part.mean() for part in parts], [len(part) for part in parts]
pd.Series(
    {
        "mean over examples": example_losses.mean(),
        "mean of the batch means": np.mean(means),
        "batch means weighted by their size": np.average(means, weights=lengths),
    }
).map("{:.4f}".format).to_frame("loss")

# %% [markdown]
# `evaluate` in this course weights by example, so the number it gives does not depend on the batch size it was computed with.
#
# ## 1b.3 `train` is the loop of the lesson
#
# From lesson 2 on the course writes `train(…)` in place of the loop.
# It makes the same updates in the same order, and keeps a record of what was reached.
# We train twins, one with each, for two epochs.


# %%
def trained_by_the_loop():
    model = mlp((784, 128, 10), seed=0).to(device)
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):
        one_epoch(model, torch.randperm(len(train_set), generator=generator))
    return model


def trained_by_train():
    model = mlp((784, 128, 10), seed=0).to(device)
    generator = torch.Generator().manual_seed(0)
    train(model, train_set, batch_size=20, lr=0.1, num_epochs=2, generator=generator)
    return model


# %% twins tags=["nbval-ignore-output"]
twins = (trained_by_the_loop(), trained_by_train())

# %%
pairs = list(zip(*(twin.parameters() for twin in twins), strict=True))
equal = sum(torch.equal(a, b) for a, b in pairs)
print(f"{equal} of {len(pairs)} weight tensors are equal to the last bit.")

# %% [markdown]
# ## Exercise
#
# **1D · A loader that puts back.** Write `minibatches` for the fourth order of section 1b.1: `n` draws an epoch, each of them one out of all `n` examples, cut into batches, the last one short if it must be. (about 2 lines)
# How many of 1,000 examples does one epoch never use?


# %%
def minibatches_with_replacement(n, batch_size, generator):
    """Return one epoch's batches of example numbers, 0 to n - 1, drawn from `generator`."""
    ...


check("1D", minibatches_with_replacement)
# hint("1D")
# solution("1D")

# %% [markdown]
# **Further.** With your loader, draw a histogram of how often each of 1,000 examples is used in one epoch.
# Which distribution should it follow? (about 3 lines)
#
# Train with `one_epoch` at B = 1,500, where the last batch of an epoch holds 1,000 digits, with and without the rates of exercise 1B.
# Does the validation accuracy change by more than the spread of five seeds? (about 6 lines)
#
# ## References
#
# - Hung-yi Lee, "Batch and Momentum", Machine Learning 2021, National Taiwan University: the claims.
# - P. Goyal et al., "Accurate, Large Minibatch SGD", [arXiv 1706.02677](https://arxiv.org/abs/1706.02677): traps of counting, averaging and shuffling in practice.
#
# Back to [lesson 1](../01_batches_and_epochs.ipynb) · the other deeper page: [1a · How noisy is the gradient of a batch?](1a_how_noisy_is_a_batch.ipynb)
