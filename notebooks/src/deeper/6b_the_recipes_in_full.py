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
# # 6b · Which recipe for a large batch is worth its name?
#
# This page belongs to lesson [6 · Why would anybody want a large batch?](../06_large_batches_on_purpose.ipynb).
# It has the fight of 6.3 twice, on digits and on pictures, with every recipe that the lecture's papers and their critics name, and with the number of trials behind each number.
# Then it asks of 6.4 what the lesson leaves open: is it the outer *momentum* that helps, or only a longer outer step?
#
# About 20 minutes to read, 15 seconds to run; all but the first section is drawn from recordings.

# %%
import copy

import numpy as np
import pandas as pd
import torch
from IPython.display import display

from course_utils.checks import check, hint, reply, solution
from course_utils.data import load_mnist
from course_utils.models import mlp
from course_utils.plotting import show
from course_utils.results import by_seed, interval, read_results
from course_utils.training import evaluate
from lessons.lesson_6 import draw
from lessons.lesson_6.recipes import average, epochs, go
from lessons.lesson_6.recorded import fight, talking

train_set, _, test_set = load_mnist()

# %% [markdown]
# ## 6b.1 Recipes with phases
#
# Lesson 6 has the recipes that change the *step*: momentum, LARS, LAMB. Others change the *plan*.
#
# | recipe | what it does | what it costs |
# |---|---|---|
# | trained longer (Hoffer et al. 2017) | the large batch for more epochs, so that it gets its updates | examples, so time |
# | growing batch (Smith et al. 2018) | small batches first, larger ones where one would lower the rate | few workers can help at first |
# | SWAP (Gupta et al. 2020) | a large batch first, then workers apart, each with small batches; at the end the mean of their weights | nothing is shared in the second phase but the mean |
# | post-local SGD (Lin et al. 2020) | a large batch first, then workers that average their weights after every few updates | less talking |
#
# The last two take the mean of *networks*, not of gradients. Is the mean of two networks a network at all?
# Here are four workers of SWAP: twelve epochs together at B = 1,024, then two epochs each at B = 64.
# The second team takes steps four times as long when apart, the third has four starts.
# (`go` is the loop of lesson 1 with the named optimiser; `epochs` makes its batches.)


# %% swap
def together(seed):
    """Return a network after twelve epochs of large batches, and the order of its digits."""
    model, order = (
        mlp((784, 64, 64, 64, 10), seed=seed),
        torch.Generator().manual_seed(seed),
    )
    go(model, train_set, epochs(12, 1024, train_set, order), "momentum", 1 / 16)
    return model, order


def apart(model, order, lr):
    """Return a copy of a network after two more epochs of small batches."""
    end = copy.deepcopy(model)
    go(end, train_set, epochs(2, 64, train_set, order), "SGD", lr)
    return end


starts = [together(seed) for seed in range(4)]
teams = {
    "one start, η = 1/16": [apart(*starts[0], 1 / 16) for _ in range(4)],
    "one start, η = 1/4": [apart(*starts[0], 1 / 4) for _ in range(4)],
    "four starts, η = 1/16": [apart(*start, 1 / 16) for start in starts],
}

# %% [markdown]
# **Guess.** Four networks from *four* starts, trained in the same way, read about nine in ten of the test digits each. How many does the network read whose weights are the mean of theirs?

# %%
guess_strangers = None  # per cent of 500 test digits; a number, or None to skip


# %% strangers tags=["reveal", "nbval-ignore-output"]
def read(model):
    """Return how many of the test digits a network reads, in per cent."""
    return 100 * evaluate(model, test_set)[1]


reads = {name: [*map(read, team), read(average(team))] for name, team in teams.items()}
columns = [*(f"worker {k}" for k in range(1, 5)), "mean of their weights"]
table = pd.DataFrame(reads, index=pd.Index(columns, name="test digits read (%)")).T
display(table.map("{:.1f}".format))
reply(guess_strangers, table.iloc[-1, -1], "%")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# The mean of strangers hardly reads at all: a hidden unit of one network has nothing to do with the unit of that number in another.
# Workers that have come a part of the way together are near enough to each other: the mean of their weights reads about as well as they do.
# But only if they then stay near. With steps four times as long each of them still reads, and their mean reads worse than any of them.
# So both recipes *need* their first phase, and short steps after it.
#
# </details>
#
# ## 6b.2 Two fights
#
# | | digits | pictures |
# |---|---|---|
# | training examples | 4,000 embedded digits | the first 5,000 of CIFAR-10 |
# | network | 784-64-64-64-10 | two convolutions and one dense layer, 26,346 weights |
# | chosen by | 500 validation digits | 5,000 validation pictures |
# | reported on | MNIST's 10,000 test digits | 5,000 test pictures |
# | small batch, updates in 20 epochs | B = 64: 1,260 | B = 64: 1,580 |
# | large batch, updates in 20 epochs | B = 1,024: 80 | B = 1,250: 80 |
#
# Every recipe has **six settings** (rates in powers of two; SWAP and post-local SGD pairs of rates, one for each phase), each run with two seeds. The one with the best mean validation accuracy is reported, with five seeds.
# On the pictures, where a run takes many times as long, the growing batch and the two recipes with phases were not tried. "Tiny" is B = 16.
# The two rules have no setting of their own: they take the small batch's tuned rate.
# Rates are constant but for warm-up, over the first quarter of the updates; LARS has a trust coefficient of 0.02; no weight decay, no augmentation.
# The rates to try were placed by single runs with another seed, so that the best is not the first or the last of the six (SWAP and post-local SGD had theirs at an edge; with four settings more, ten in all, it is at an edge again, the shortest steps).
#
# **Guess.** Which of these comes out first on the pictures: `"momentum"`, `"LARS"`, `"LAMB"`, `"Adam"`, `"momentum, 4 × longer"`?

# %%
guess_best = None  # one of the five texts; or None to skip

# %% chosen
both = {data: fight(data) for data in ("digits", "CIFAR-10")}
tests = {data: f.test for data, f in both.items()}
ahead = {data: t.sub(t["small batch, momentum"], axis=0) for data, t in tests.items()}

# %% fights tags=["reveal"]
near = {data: gap.loc[:, gap.min() > -15] for data, gap in ahead.items()}
show(*draw.fights(near, guess=guess_best))
five = ["momentum", "LARS", "LAMB", "Adam", "momentum, 4 × longer"]
reply(guess_best, tests["CIFAR-10"][five].mean().idxmax())

# %% [markdown]
# <details><summary>After your guess</summary>
#
# **Digits.** Nothing that makes 80 updates quite reaches the small batch. Adam comes within a point, momentum, Nesterov, LAMB and LARS within two or so.
# A growing batch reads nearly as well as the small one with a third of the updates in a row; but 315 of its 435 belong to the first five epochs, where one worker has all the work.
# SWAP and post-local SGD come out below the momentum that they begin with and leave after twelve epochs of twenty, by 0.7 ± 0.6 and 0.9 ± 0.5 points.
# Four times the epochs don't close the gap either.
#
# **Pictures.** Adam is first again among those with 80 updates: 1.5 ± 2.1 points behind the small batch, which five seeds can't tell from level. Then come LAMB, LARS, and 8 points behind momentum and Nesterov. The rules, and SGD without momentum, are beyond the wall.
# Four times the epochs, 320 updates, do as well as the small batch.
#
# **Which small batch?** On the pictures the small batch without momentum reads 38.8 % only. Against *that* one Adam would have won by 6.9 ± 4.0 points and LAMB by 5.2 ± 3.7.
# With momentum, tuned in as many trials, the small batch reads 47.2 %. A recipe for large batches can't be judged by a small batch that was left without one.
#
# </details>
#
# The same in numbers. "Beyond the wall" are runs that ended more than 15 points behind.


# %% table tags=["reveal"]
def row(data, name):
    """Return what stands in the table for one recipe on one data set."""
    if name not in tests[data]:
        return ["", "", "", "not tried"]
    f, gap = both[data], ahead[data][name]
    return [
        "none" if "rule" in name or "rate" in name else str(f.tried[name]),
        f"{f.updates[name]:,.0f}",
        f"{f.best[name][1]:.3g}",
        f"{interval(gap):.1f}" if name in near[data] else "beyond the wall",
    ]


columns = ["settings tried", "updates in a row", "η", "points ahead"]
order = tests["digits"].mean().sort_values(ascending=False).index
tables = {data: pd.DataFrame({n: row(data, n) for n in order}, columns).T for data in both}
pd.concat(tables, axis=1)

# %% [markdown]
# ## 6b.3 The new optimisers against the old ones
#
# LARS is momentum with a rate for each layer, LAMB is Adam with one. Do the layers' rates help? Paired over seeds, all at B = 1,024 or 1,250 and 80 updates:


# %% pairs tags=["reveal"]
def lead(name, other):
    """Return by how many points `name` is ahead of `other`, on each data set."""
    return [f"{interval(t[name] - t[other]):.1f}" for t in tests.values()]


against = {
    "LARS": "momentum",
    "LAMB": "Adam",
    "Nesterov": "momentum",
    "Adam": "momentum",
    "small batch, momentum": "small batch, SGD",
}
rows = {f"{name} − {other}": lead(name, other) for name, other in against.items()}
pd.DataFrame(rows, index=pd.Index(tests, name="points of test accuracy")).T

# %% [markdown]
# And how exactly has a rate to be known?

# %% tuning
shown = ["SGD", "momentum", "Nesterov", "LARS", "LAMB", "Adam"]
curves = {
    (data, r): f.valid[r].droplevel("setting") for data, f in both.items() for r in shown
}
show(*draw.tuning(curves))

# %% [markdown]
# SGD has a narrow peak; beyond it is the wall. On the digits Adam and LARS forgive a wrong rate: a factor of two costs them a point at most. On the pictures it costs everybody about 3 to 8.
#
# **Beside Nado et al. (2021).** They matched LARS on ImageNet (ResNet-50, B = 32,768, 2,512 updates: 75.92 % correct) with Nesterov momentum, and LAMB on BERT with Adam.
# In one thing we find the same: layers' rates are not what decides. LARS is level with momentum on the digits and ahead on the pictures, LAMB is *behind* Adam on the digits and not ahead on the pictures.
# In another we don't: here plain old momentum isn't enough, Adam is ahead of it on both.
# What differs:
#
# | | Nado et al. | here |
# |---|---|---|
# | updates in a row | some thousands | 80 |
# | schedule of the rate | warm-up and decay, tuned | constant; warm-up for SGD alone |
# | regularisation | weight decay, label smoothing, tuned | none |
# | trials behind a number | many, over several settings | 6, over one |
# | normalisation layers | batch norm, layer norm | none |
#
# ## 6b.4 Talking less: momentum, or a longer step?
#
# In lesson 6 workers made H updates alone; their mean move then counted as a gradient for an outer step with rate η and momentum β.
# Such a step has the effective rate η/(1 − β) (lesson 5). DiLoCo's η = 0.7 and β = 0.9 make 7, the plain mean of the weights makes 1.
# So the fair rival of outer momentum isn't the plain mean, but an outer step *without* momentum whose rate may be as large.
#
# Here both were tuned over the same effective rates, 1, 2, 4 and 7. With H = 20 each is tried with three rates of a worker, 1/4, 1/2 and 1. With H = 1 one is enough: an outer rate then *is* a worker's rate.
# Two seeds a setting, chosen by 500 validation digits; then five seeds and MNIST's 10,000 test digits.
# Four workers with 1,000 digits each, B = 64, 784-128-10, 500 updates.
#
# **Guess.** The workers talk after every 20 updates. At the effective rate 4, the training loss with outer momentum is 0.0015. Is it `"lower"`, `"the same"` or `"higher"` without?

# %%
guess_control = None  # one of the three texts; or None to skip

# %% control tags=["reveal"]
trials = read_results("local_sgd", step=500, seed=[0, 1])
rates = {1: 1 / 4, 20: 1 / 2}  # of a worker, by H
mine = trials[(trials["lr"] == trials["alone"].map(rates))]
loss = by_seed(mine, "train_loss", "alone", "momentum", "outer_lr")
show(*draw.outer_rates(loss))
without, momentum = loss[20, 0.0, 4.0].mean(), loss[20, 0.9, 0.4].mean()
reply(guess_control, "higher" if without > 2 * momentum else "the same")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# At one effective rate, up to 4 with H = 1 and at 2 with H = 20, the loss is the same with and without momentum: momentum is a longer outer step.
# (At 1 with H = 20 it is behind: there are 25 outer steps, and it takes about ten to gain its speed.)
# Without momentum the rate ends there. At 4 (H = 20) or 7 (H = 1) training breaks down, and with momentum it goes on and fits the digits better still.
# It is lesson 5 one level up: no gain at equal effective rate, and room for a longer one.
#
# </details>
#
# Now the choice by validation. For the plain mean only the worker's rate was chosen.


# %% control-table tags=["reveal"]
chosen, runs = talking()
last = runs[runs["step"] == 500]
losses, correct = (
    by_seed(last, v, "way", "alone") for v in ("train_loss", "test_accuracy")
)


def outer(way, alone):
    """Return what stands in the table for a way of taking the outer step."""
    lr, outer_lr, beta = chosen[way, alone]
    fitted, reads = (interval(table[way, alone]) for table in (losses, 100 * correct))
    return [
        f"{lr:g}",
        f"{outer_lr:g}",
        f"{outer_lr / (1 - beta):.0f}",
        f"{fitted:.2g}",
        f"{reads:.1f}",
    ]


columns = ["worker's η", "outer η", "outer η/(1 − β)"]
rows = {(f"H = {alone}", way): outer(way, alone) for way, alone in chosen}
pd.DataFrame(rows, index=[*columns, "training loss (nats)", "test accuracy (%)"]).T

# %% [markdown]
# In test accuracy no gain of this remains: all that talk at least every 20 updates read between 92.9 and 93.7 per cent, the plain mean at H = 20 most. Digits that are fitted better are not read better.
# So for accuracy the plain mean, with a tuned rate of the workers, is enough here. On language models, where no training set is ever fitted, a lower loss is what one wants, and momentum is found to help (Kallusky et al. 2025).
# Talking once costs 2.6 ± 0.3 points.
#
# What is saved is bytes. In a ring each of the four workers sends 2 · 3/4 · 4 bytes for each of the 101,770 weights, 0.61 MB, every time they talk.

# %% bytes tags=["reveal"]
courses = by_seed(runs, "train_loss", "way", "alone", "step")
curves = {case: courses[case].dropna(axis=1) for case in chosen}
show(*draw.by_bytes(curves, megabytes=2 * 3 / 4 * 4 * 101_770 / 1e6))

# %% [markdown]
# By updates, the plain means of H = 1 and H = 20 go down together until 200, and then H = 1, which chose the longer step, gets ahead. By bytes H = 20 is far cheaper all the way.
# The workers that talk once have sent 0.61 MB, and end where the plain mean of H = 20 was after 100 updates.
#
# ## Exercises
#
# Put your answer in place of the three dots and run the cell.

# %% [markdown]
# **6F · Updates in a row.** A plan is a list of phases, (epochs, batch size), as `[(5, 64), (5, 256), (10, 1024)]` for a growing batch. Every epoch ends with a shorter batch if it must.
# Return how many updates follow one another on `n` examples. (about 2 lines)


# %%
def updates_in_a_row(plan, n):
    """Return the number of updates of a plan, a list of (epochs, batch size)."""
    ...


check("6F", updates_in_a_row)
# hint("6F")
# solution("6F")

# %% [markdown]
# **6G · The rival of momentum.** An outer step has η = 0.7 and β = 0.9. Which η has the same effective rate without momentum? (by hand)

# %%
outer_lr = ...
check("6G", outer_lr)
# hint("6G")
# solution("6G")

# %% [markdown]
# ## What it comes to
#
# - A small batch deserves a tuned recipe too. Against it no recipe for the large batch is ahead at equal epochs, on digits or on pictures. Of those with 80 updates in a row Adam comes nearest: 0.7 ± 0.4 points behind on the digits, 1.5 ± 2.1 on the pictures.
# - Layers' rates (LARS, LAMB) are not ahead of the optimisers that they were made from on both data sets.
# - The mean of networks that parted late is a network; of strangers, it is none.
# - Outer momentum is a longer outer step, up to where a step without it breaks down; there it fits better, and reads no better.
#
# ← [lesson 6](../06_large_batches_on_purpose.ipynb)
#
# ### References
#
# - E. Hoffer, I. Hubara, D. Soudry, [arXiv 1705.08741](https://arxiv.org/abs/1705.08741): trained longer. S. Smith et al., [arXiv 1711.00489](https://arxiv.org/abs/1711.00489): a growing batch in place of a falling rate.
# - V. Gupta, S. Serrano, D. DeCoste, [arXiv 2001.02312](https://arxiv.org/abs/2001.02312): SWAP. T. Lin, S. Stich, K. Patel, M. Jaggi, [arXiv 1808.07217](https://arxiv.org/abs/1808.07217): local and post-local SGD.
# - Y. You, I. Gitman, B. Ginsburg, [arXiv 1708.03888](https://arxiv.org/abs/1708.03888): LARS. Y. You et al., [arXiv 1904.00962](https://arxiv.org/abs/1904.00962): LAMB. Z. Nado et al., [arXiv 2102.06356](https://arxiv.org/abs/2102.06356): both matched by older optimisers.
# - A. Douillard et al., [arXiv 2311.08105](https://arxiv.org/abs/2311.08105): DiLoCo. D. Kallusky et al., [arXiv 2510.15830](https://arxiv.org/abs/2510.15830): on language models, its outer momentum helps even a single worker.
