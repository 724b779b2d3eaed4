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
# # 2b · Which batch do you wait for least?
#
# A deeper page of [lesson 2](../02_gpu_batch_timing.ipynb), which finds that the best batch is neither the smallest nor the largest.
# It shows that this does not hang on how the learning rate is chosen, gives a formula for the best batch, and adds what the lesson left out: the loader.
# Reading time: 15 minutes.

# %% imports
from itertools import chain, repeat
from time import perf_counter

import numpy as np
import pandas as pd
import torch
from IPython.display import display
from torch.utils.data import DataLoader, TensorDataset

from course_utils.checks import reply
from course_utils.models import mlp
from course_utils.plotting import show
from course_utils.results import by_seed, interval, read_results
from course_utils.timing import fit_knee, make_update, measure
from lessons.lesson_2 import draw

machine = "amd-epyc-2-cores"  # whose recorded times are used

# %% [markdown]
# ## Updates needed, recorded
#
# The lesson trained a few networks while you waited.
# [Lesson 3](../03_small_and_large_batches.ipynb) has a recording of many: 784-128-10 on the 4,000 digits, plain SGD, seven batch sizes, learning rates in steps of a factor of two, five seeds.
# From each run we read at which update it first had 85 % of the 500 validation digits right, along log steps between two looks.


# %% updates-to
def updates_to(run, target=0.85):
    """Return the update at which a run first reached `target`, NaN if it never did."""
    run = run[run["step"] > 0].sort_values("step")
    best_so_far = np.maximum.accumulate(run["valid_accuracy"])
    if best_so_far.iloc[-1] < target:
        return np.nan
    return np.exp(np.interp(target - 1e-9, best_so_far, np.log(run["step"])))


# %% needed
runs = read_results("batch_size_digits").groupby(["lr", "batch_size", "seed"])
reached = runs[["step", "valid_accuracy"]].apply(updates_to).rename("updates").reset_index()
needed = by_seed(
    reached.assign(status="ok"), "updates", "lr", "batch_size"
)  # a line a seed
batch_sizes = [1, 4, 16, 64, 256, 1024, 4000]


def best_lr(batch_size):
    """Return the rate with the fewest updates, among those at which every seed got there."""
    rates = needed.columns.levels[0]
    return min(
        rates,
        key=lambda lr: np.nan_to_num(needed[lr, batch_size].mean(skipna=False), nan=np.inf),
    )


tuned = pd.DataFrame({size: needed[best_lr(size), size] for size in batch_sizes})
one_rate = needed[1 / 16][batch_sizes]  # the same for all

# %% needed-table
pd.DataFrame(
    {
        "batch size": [f"{size:,}" for size in batch_sizes],
        "best lr": [f"1/{1 / best_lr(size):.0f}" for size in batch_sizes],
        "updates at the best lr": [f"{interval(tuned[size]):.0f}" for size in batch_sizes],
        "updates at lr = 1/16": [f"{interval(one_rate[size]):.0f}" for size in batch_sizes],
    }
)

# %% [markdown]
# Means of five seeds with their 95 % interval; every best rate lies inside the grid.
# These are more than in the lesson, which looks after every second update and stops at the first lucky moment; the recording looks at 1, 2, 3, 4, 6, 8, 11 …, each time 1.4 times as late.
# The best sizes are the same.
# (At B = 1 a rate of 1/16 is too large for most seeds: they get there late, one of them early by luck.)
#
# ## A formula for the best batch
#
# Updates needed fall steeply at first and then level off, at a batch size where the *problem* stops rewarding more examples: its critical batch B_crit.
# [McCandlish et al. (2018)](https://arxiv.org/abs/1812.06162) find that they follow
#
# $$S(B) = S_\text{min}\left(1 + \frac{B_\text{crit}}{B}\right).$$
#
# With t(B) = t₀·(1 + B/B\*), the soft form of [page 2a](2a_floor_and_slope.ipynb), the wait is
#
# $$S(B)\,t(B) = S_\text{min}\,t_0\left(1 + \frac{B_\text{crit}}{B^*} + \frac{B_\text{crit}}{B} + \frac{B}{B^*}\right).$$
#
# Only the last two terms depend on B, and their product does not; so their sum is smallest where they are equal:
#
# $$B_\text{best} = \sqrt{B_\text{crit}\cdot B^*}.$$
#
# The best batch is the geometric mean of two bends: that of the problem and that of the machine.
#
# S(B) has the shape of the soft form, with 1/B in place of B, so the same fit serves for both bends.

# %% two-bends
rows = read_results(f"batch_timing.{machine}", network="784-128-10", threads=1)
times = by_seed(rows, "update_ms", "batch_size", seed="run").median().loc[:1000]
clock = fit_knee(times.index, times, shape="sum")
problem = fit_knee(1 / tuned.columns, tuned.mean(), shape="sum")  # its knee is 1/B_crit

# %% two-bends-table
interval_of_b_crit = f"{1 / problem.high:.0f} to {1 / problem.low:.0f}"
bends = [
    ("the machine's, B*", f"{clock.knee:.0f}", f"{clock.low:.0f} to {clock.high:.0f}"),
    ("the problem's, B_crit", f"{1 / problem.knee:.0f}", interval_of_b_crit),
]
pd.DataFrame(bends, columns=["bend", "batch size", "95 % interval"])

# %% [markdown]
# **Predict.** A second machine has the same floor and a hundred times the rate.
# By which factor is its best batch larger?

# %% guess-factor
guess_factor = None  # a factor; None skips it


# %% factor tags=["reveal"]
def best_at(times_the_rate):
    return (times_the_rate * clock.knee / problem.knee) ** 0.5


faster = [(f"{k}", f"{k * clock.knee:,.0f}", f"{best_at(k):.0f}") for k in (1, 10, 100)]
display(pd.DataFrame(faster, columns=["times the rate", "knee B*", "best batch"]))
reply(guess_factor, best_at(100) / best_at(1), "times as large")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# The best batch grows as the root of the rate: on a GPU B\* moves far to the right, and the best batch follows half the way on a logarithmic axis.
# That is the true core of the lecture's remark that on a GPU the large batch loses its disadvantage: the machine's bend is out of the way, the problem's stays where it is.
#
# </details>
#
# Does the formula find the minimum that was measured?

# %% best-batch
sizes = np.array(batch_sizes)
update_ms = clock.predict(sizes)
waits = {
    "the best lr for each B": tuned.to_numpy() * update_ms / 1000,
    "lr = 1/16 for all": one_rate.to_numpy() * update_ms / 1000,
}
grid = np.geomspace(1, 4000, 200)
predicted = problem.predict(1 / grid) * clock.predict(grid) / 1000
show(*draw.best_batch(sizes, waits, (grid, predicted), best_at(1)))

# %% [markdown]
# It does, within the factor of four between the sizes tried, and the bottom is wide.
# With one rate for all the curve lies higher on both sides, and its minimum is at 16 in place of 64.
# The prediction is a rule of thumb: B_crit depends on the accuracy asked for and grows during training ([page 3a](3a_where_larger_batches_stop_paying.ipynb) measures it).
#
# ## The loader
#
# The time of an update is not all that an epoch takes.
# The usual `DataLoader` picks pictures one by one and stacks them.
# We time it beside the updates, on the machine on which this page is run.

# %% loader-times
images = torch.rand(60_000, 1, 28, 28)
labels = torch.randint(10, (60_000,))
loader_sizes = [1, 4, 16, 64, 256, 1024]


def update_ms_of(batch_size):
    update = make_update(
        mlp((784, 128, 10), seed=0), images[:batch_size], labels[:batch_size]
    )
    return measure(update, clock=perf_counter, repeats=5).median


def loader_ms_of(batch_size):
    epoch = DataLoader(TensorDataset(images, labels), batch_size, shuffle=True)
    batches = chain.from_iterable(repeat(epoch))  # one epoch after the other
    return measure(lambda: next(batches), clock=perf_counter, repeats=5, at_least=0).median


# %% loader tags=["nbval-ignore-output"]
timed = [(update_ms_of(size), loader_ms_of(size)) for size in loader_sizes]
updating, loading = np.transpose(timed)
show(*draw.loader(loader_sizes, updating, loading, num_examples=len(images)))
update_s, load_s = np.ceil(len(images) / 1024) * np.array(timed[-1]) / 1000
print(f"An epoch at B = 1,024: {update_s:.1f} s of updates and {load_s:.1f} s of loading.")

# %% [markdown]
# The loader, too, has a floor for each batch and a price for each example.
# So beyond the knee it adds its time to every epoch, and no batch size takes that away.
# For a data set that lies in memory as one tensor a batch is picked with a single index, and loading all but vanishes.
# That is why this course keeps its digits that way; the recording has the parts side by side.

# %% parts
parts = by_seed(rows, "load_ms", "batch_size", seed="run").median()
pd.DataFrame(
    [
        (
            f"{size:,}",
            f"{parts[size]:.3f}",
            f"{times[size]:.2f}",
            f"{parts[size] / times[size]:.0%}",
        )
        for size in (1, 10, 100, 1000)
    ],
    columns=["batch size", "picking the batch (ms)", "update (ms)", "picking / update"],
)

# %% [markdown]
# A published example of a loader in the clock: Sebastian Raschka's notebooks on the batch size train one network for 100 epochs in 5.59 minutes at B = 64 and in 4.38 minutes at B = 1,024.
# Sixteen times fewer updates, and a mere factor of 1.28; the time includes loading and an evaluation after each epoch, and the machine is not named.
# Exercise 2B of the lesson takes it apart.
# So "the smaller the batch, the longer an epoch" (C18) holds for the updates; of the running times of these notebooks it explains a small part.
#
# ## Summary
#
# - The wait has its minimum between two bends, at √(B_crit·B\*), with a fair learning rate or one for all.
# - A faster machine moves the best batch as the root of its rate.
# - A loader that picks one by one has a floor for each batch and a price for each example, too; beyond the knee it adds its share to every epoch.
#
# ## References
#
# - S. McCandlish et al., "An Empirical Model of Large-Batch Training", [arXiv 1812.06162](https://arxiv.org/abs/1812.06162), and C. Shallue et al., "Measuring the Effects of Data Parallelism on Neural Network Training", [arXiv 1811.03600](https://arxiv.org/abs/1811.03600): updates needed against batch size.
# - S. Raschka, [STAT453 course material](https://github.com/rasbt/stat453-deep-learning-ss21), L12: the two running times.
#
# Back to [lesson 2](../02_gpu_batch_timing.ipynb) · before this [2a · Where do floor and slope come from?](2a_floor_and_slope.ipynb) · on to [2c · What does a GPU change?](2c_gpus.ipynb)
