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
# # 2 · How long does a batch take?
#
# In Hung-yi Lee's lecture an update takes as long for 1,000 examples as for one; on a laptop it does not. Both are right.
# Here a machine is two numbers: a **floor**, which every update costs, and a **rate**, the examples it gets through in a millisecond.
# Which machine is the lecture's, which is yours, and where on each does a larger batch stop saving time?
#
# *This page runs on one thread of your processor; its recorded curves come from an AMD EPYC and from a GPU, an NVIDIA H100.*

# %% machine
from course_utils.explore import explore
from lessons.lesson_2 import draw

explore(*draw.machine())

# %% [markdown]
# After this lesson you can
#
# 1. time an update, and recognise three wrong clocks by the curves that they draw;
# 2. describe a machine by a floor and a rate, and predict from them how long any batch and any epoch takes;
# 3. say which batch size you wait for least, and why.
#
# | Reading time | Before it | It follows | Deeper pages |
# |---|---|---|---|
# | 25 minutes, and as much for the exercises | [lesson 1](01_batches_and_epochs.ipynb): batch, epoch, update | the second part of Hung-yi Lee's lecture "Batch and Momentum" (2021) | [2a · Where do floor and slope come from?](deeper/2a_floor_and_slope.ipynb) · [2b · Which batch do you wait for least?](deeper/2b_time_to_accuracy.ipynb) · [2c · What does a GPU change?](deeper/2c_gpus.ipynb) |
#
# New words stand in the [glossary](teaching/glossary.md).

# %% imports
from time import perf_counter as clock
from time import sleep

import numpy as np
import pandas as pd
import torch

from course_utils import timing
from course_utils.checks import check, hint, reply, solution
from course_utils.claims import verdict
from course_utils.data import load_mnist
from course_utils.models import mlp
from course_utils.plotting import show
from course_utils.results import by_seed, interval, read_results
from course_utils.training import evaluate, minibatches

# %% settings
device = "cpu"  # or "cuda", "mps"
machine, gpu = "amd-epyc-2-cores", "nvidia-h100"  # whose recorded times are drawn
num_examples = 60_000  # N, as in the lecture: what an epoch goes through
images, labels = torch.rand(10_000, 1, 28, 28), torch.randint(10, (10_000,))

# %% [markdown]
# The clock does not care what is on a picture, so random pixels in the shape of MNIST's digits will do.
#
# ## 2.1 Three wrong clocks and a right one
#
# `make_update` packs the update of lesson 1 (forward, loss, backward, step) into a function without arguments, which a clock can call again and again.
# The network is the one of lesson 1 too: 784 pixels, 128 hidden units, 10 classes.


# %% update-with
def update_with(batch_size):
    model = mlp((784, 128, 10), seed=0).to(device)
    batch = images[:batch_size].to(device), labels[:batch_size].to(device)
    return timing.make_update(model, *batch, lr=0.01)


# %% [markdown]
# The obvious way to time it: read the clock, make five updates, read the clock again.


# %% wrong-way
def wrong_way(update, repeats=5):
    start = clock()
    for _ in range(repeats):
        update()
    return 1000 * (clock() - start) / repeats  # milliseconds per update


# %% [markdown]
# Three things can go wrong with it, and all three stand in published notebooks.
# Here each is planted alone.
#
# - **The loader** runs inside the clock. Ours waits 3 ms for a disk, played by `sleep`.
# - **The first call** is counted. A program's first call loads libraries and reserves memory. Ours takes 0.2 s longer, once.
# - **The missing wait**: nobody waits for the device. A GPU works off a queue: Python drops an order in, gets control back at once, and the clock is read before the work is done. Here a list plays the queue.


# %% planted
def planted(update, first):
    start_up = [0.2] if first else []  # seconds, taken by the very first call
    queue = []  # of orders, for later

    def load():
        sleep(0.003)
        update()

    def start():
        sleep(start_up.pop() if start_up else 0)
        update()

    def order():
        queue.append(update)

    return {"the loader": load, "the first call": start, "the missing wait": order}


# %% [markdown]
# The right way [warms up](teaching/glossary.md#time) before it counts, reads a clock that first waits for the device, repeats, and takes the median, which one stray disturbance does not move.

# %% right-way
waiting_clock = timing.synchronised_clock(device)  # waits for the device, then reads


def right_way(update, warm_up=3, repeats=5):
    for _ in range(warm_up):
        update()
    readings = []
    for _ in range(repeats):
        start = waiting_clock()
        update()
        readings.append(1000 * (waiting_clock() - start))
    return np.median(readings)  # milliseconds per update


# %% [markdown]
# **Predict.** We time batches of 1 to 10,000 with all four clocks.
# Which of the three mistakes makes *all* batch sizes look equally fast?

# %% guess-flat
guess_flat = None  # "the loader", "the first call" or "the missing wait"; None skips it


# %% four-clocks tags=["reveal", "nbval-ignore-output"]
def read_clocks(batch_size):
    update = update_with(batch_size)
    update()  # nothing of its own is left to start up: each fault is seen alone
    faults = planted(update, first=batch_size == 1)
    read = {name: wrong_way(fault) for name, fault in faults.items()}
    return read | {"the right clock": right_way(update_with(batch_size))}


few_sizes = [1, 10, 100, 1000, 10_000]
readings = pd.DataFrame([read_clocks(size) for size in few_sizes])
show(*draw.clocks(few_sizes, readings, guess=guess_flat))
reply(guess_flat, (readings.max() / readings.min()).idxmin())  # the flattest

# %% [markdown]
# <details><summary>After your guess</summary>
#
# Where nobody waits, all batches look alike, because dropping an order into a queue takes the same time whatever the order says.
# With the loader inside, small batches look alike too, and equally *slow*: they all wait 3 ms for the same disk.
# The first call adds its 0.2 s to the first point only.
#
# Two of the three draw a flat curve somewhere, which is what the lecture has taught us to expect: a flat curve is worth nothing before you know the clock behind it.
#
# </details>
#
# From now on `measure` does what `right_way` does, except that a reading spans as many updates as fill 5 ms: in training, too, nobody waits after each update.
#
# ## 2.2 Where is the knee?
#
# No update takes less than the floor t₀, and no machine works off more than its rate r, in examples per millisecond.
# Whichever limit is tighter decides how long a batch takes:
#
# $$t(B) = \max\left(t_0, \frac{B}{r}\right)$$
#
# The two limits meet at the [**knee**](teaching/glossary.md#time), B* = t₀·r.
# An epoch has N/B updates, so it takes N·t(B)/B: up to the knee it falls like 1/B, and from there on it takes N/r at every batch size.
# By this model a larger batch is free up to the knee; beyond it, it saves nothing.
# (A soft corner, t₀ + B/r, fits better, with nearly the same knee; section 2.4 uses it.)
#
# **Predict.** The lecture's GPU has its knee beyond 1,000.
# Where does one thread of a processor have it?

# %% guess-knee
guess_knee = None  # a batch size from 1 to 60,000; None skips it

# %% [markdown]
# Your machine is timed now, and drawn with a recording: five runs each, with nothing else running.
# The knees are fitted up to B = 1,000 by least squares in log t: each batch size counts the same.


# %% recorded
def recorded(machine, **choice):
    """Return recorded ms per update: a line for each run, a column for each batch size."""
    rows = read_results(f"batch_timing.{machine}", network="784-128-10", **choice)
    return by_seed(rows, "update_ms", "batch_size", seed="run")


def fit(runs, shape="max"):
    t = runs.median().loc[:1000]
    return timing.fit_knee(t.index, t, shape=shape)


one_thread, two_threads = (recorded(machine, threads=threads) for threads in (1, 2))
on_gpu = recorded(gpu, mode="eager", precision="fp32")

# %% update-and-epoch tags=["reveal"]
sizes = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000]
network = mlp((784, 128, 10), seed=0).to(device)
curve = timing.time_updates(network, images, labels, sizes, repeats=5)
lines = {
    "recorded, one thread": (one_thread, fit(one_thread).knee),
    "recorded, two threads": (two_threads, fit(two_threads).knee),
    "recorded, H100": (on_gpu, None),  # whose knee lies beyond the last point
}
here = curve["batch_size"], curve["update_ms"]
show(*draw.update_and_epoch(lines, here, num_examples, guess=guess_knee))
reply(guess_knee, round(fit(one_thread).knee), "examples")

# %% ten-times tags=["reveal"]
t, t_gpu = one_thread.median(), on_gpu.median()  # ms per update, by batch size
steps = [(1, 10), (10, 100), (100, 1000), (1000, 10_000)]
pd.DataFrame(
    {
        "ten times the batch": [f"{a:,} → {b:,}" for a, b in steps],
        "an update, one thread": [f"× {t[b] / t[a]:.1f}" for a, b in steps],
        "an epoch, one thread": [f"÷ {10 * t[a] / t[b]:.1f}" for a, b in steps],
        "an update, H100": [f"× {t_gpu[b] / t_gpu[a]:.1f}" for a, b in steps],
    }
)

# %% [markdown]
# <details><summary>After your guess</summary>
#
# Dashed is the machine on which the page was last run; it jumps if other programs run beside it.
# The table shows the recording.
#
# Both charts of the lecture are there, but on a processor the bend sits at some tens of examples.
# To its left the lecture is right. From 1 to 10 examples the update takes 1.3 times as long, and the epoch a seventh to an eighth.
# To its right the laptop is right. From 1,000 to 10,000 the update takes ten times as long, and the epoch as long as before.
#
# Two threads raise the rate 1.7-fold and the floor by a seventh, and so double the knee.
# The H100 is the extreme: an update takes 1 ms with one example and with 60,000. That is four times a thread's floor, so that up to 100 examples the thread is ahead.
# "A larger batch takes no longer" is a statement about a machine, worded as one about batches.
#
# </details>

# %% verdicts-time tags=["reveal"]
longer = {pair: one_thread[pair[1]] / one_thread[pair[0]] for pair in steps}  # run by run
verdict("C10", longer[1, 10].max() < 1.5, without=longer[100, 1000].min() > 5)

epoch = one_thread * np.ceil(num_examples / one_thread.columns) / 1000  # seconds
shorter = (epoch[1] / epoch[10]).min() > 3, (epoch[10] / epoch[100]).min() > 3
verdict("C18", *shorter, without=(epoch[1000] / epoch[60_000]).max() < 1.1)

# %% [markdown]
# How sure is the knee, and do five runs agree? [2a](deeper/2a_floor_and_slope.ipynb) has the intervals, and the lecture's other sentences on time.
#
# ## 2.3 What is the floor made of?
#
# An update on a single picture is some 400,000 multiplications and additions.
# A processor that does tens of billions a second needs a few microseconds for them; the floor is fifty times higher.
#
# One update is a series of calls of PyTorch (2a counts them).
# Python and PyTorch must prepare each of them, whether it then works on one picture or on a thousand.
# If that is the floor, it must remain when the arithmetic goes.
# So we make the same calls with next to nothing to compute: a network with one input, and one unit in each layer.


# %% same-calls
def same_calls(batch_size):
    model = mlp((1, 1, 1), seed=0).to(device)
    zeros = torch.zeros(batch_size, device=device)
    return timing.make_update(model, zeros[:, None], zeros.long(), lr=0.01)


# %% [markdown]
# They take turns, and the shortest of twenty readings counts: what else runs can only lengthen a reading.


# %% shortest
def shortest(updates, rounds=20):
    """Return the shortest reading of each update, in milliseconds; `updates` take turns."""

    def read(update):
        return timing.measure(update, clock=waiting_clock, repeats=1, at_least=0).median

    return np.min([[read(update) for update in updates] for _ in range(rounds)], axis=0)


# %% floor tags=["nbval-ignore-output"]
upto_1000 = few_sizes[:4]
pairs = [make(size) for size in upto_1000 for make in (update_with, same_calls)]
large_and_small = shortest(pairs).reshape(4, 2).T
times = dict(zip(["784-128-10", "the same calls, 1-1-1"], large_and_small, strict=True))
show(*draw.floor(upto_1000, times, one_thread.median()))

# %% [markdown]
# The recorded curve, grey, leaves its floor of a quarter of a millisecond for a slope.
# Without the arithmetic, on a quiet machine, the time hardly grows up to 1,000 examples, and most of the floor is still there.
# So the floor is no law of nature: it is what a convenient library charges for each call, and the slope is arithmetic.
# The lecture explains its flat curve by parallel computing.
# That is right and incomplete: even one thread, which computes next to nothing in parallel, has a flat piece, because the calls come first.
#
# *Can one push the floor down? How near is the slope to what the machine can do at best? And a large network?* [2a · Where do floor and slope come from?](deeper/2a_floor_and_slope.ipynb)
#
# ## 2.4 Which batch do you wait for least?
#
# In examples per second the larger batch wins or draws, always.
# But nobody waits for examples per second.
# You wait until the network is trained, and that is
#
# $$\text{time to an accuracy} = \text{updates needed} \times \text{time per update}.$$
#
# The second factor we know.
# For the first we train, five times at each batch size, until 85 % of 500 validation digits are read correctly.
# To be fair, each batch size gets the [learning rate](teaching/glossary.md#data-batches-updates) at which it needed the fewest updates in a recording on these digits (plain SGD, rates in steps of a factor of two); [lesson 3](03_small_and_large_batches.ipynb) says why that matters.

# %% updates-needed
rates = {1: 1 / 64, 4: 1 / 16, 16: 1 / 8, 64: 1 / 4, 256: 1 / 2, 1024: 1 / 2, 4000: 1 / 4}
train_set, valid_set, _ = load_mnist()


def updates_needed(batch_size, seed, target=0.85, limit=4000):
    model, step = mlp((784, 128, 10), seed=seed), 0
    generator = torch.Generator().manual_seed(seed)
    while step < limit:
        for batch in minibatches(len(train_set), batch_size, generator=generator):
            x, y = train_set.images[batch], train_set.labels[batch]
            timing.make_update(model, x, y, lr=rates[batch_size])()
            step += 1
            look = step % (2 if step < 100 else 10) == 0
            if look and evaluate(model, valid_set)[1] >= target:
                return step
    return np.nan


# %% [markdown]
# **Predict.** At which of the batch sizes 1, 4, 16, 64, 256, 1,024 and 4,000 (the full batch) is the product smallest, on one thread?

# %% guess-best
guess_best = None  # one of these batch sizes; None skips it

# %% wait tags=["reveal", "nbval-ignore-output"]
needed = np.array([[updates_needed(size, seed) for size in rates] for seed in range(5)])
update_ms = fit(one_thread, shape="sum").predict(list(rates))  # from floor and rate
waits = pd.DataFrame(
    needed * update_ms / 1000, columns=list(rates)
)  # seconds, a line a seed
show(*draw.wait(list(rates), needed, update_ms, guess=guess_best))
reply(guess_best, waits.mean().idxmin(), "examples")

# %% wait-table tags=["reveal", "nbval-ignore-output"]
pd.DataFrame(
    {
        "batch size": [f"{size:,}" for size in rates],
        "updates needed": [f"{interval(column):.0f}" for column in needed.T],
        "time to 85 % (ms)": [f"{interval(1000 * waits[size]):.0f}" for size in rates],
    }
)

# %% [markdown]
# <details><summary>After your guess</summary>
#
# Means of five seeds with their 95 % interval.
# From B = 1 to 16, four times the batch needs between a quarter and a third of the updates, and an update hardly takes longer: the wait falls to an eighth.
# From 256 on, more examples in an update hardly help the update, and each of them has to be paid for: the wait grows again.
# Between the two lies a wide bottom at 16 to 64, and the full batch waits more than ten times as long.
#
# So there are two bends: one at which the *problem* stops rewarding a larger batch, and one at which the *machine* does.
# The best batch lies between them, and on a GPU, whose bend lies far to the right, it is larger.
#
# </details>

# %% c22 tags=["reveal"]
per_second = (
    one_thread[1] / (one_thread[1000] / 1000)
).min()  # examples/s, B = 1,000 over B = 1
log_ratio = interval(np.log(waits[4000] / waits[64]))
verdict("C22", per_second > 5, without=log_ratio.mean > 3 * log_ratio.half_width)

# %% [markdown]
# *The formula for the best batch, and what a loader adds to each epoch:* [2b · Which batch do you wait for least?](deeper/2b_time_to_accuracy.ipynb)
# *What the H100 says of the lecture, and the batch that does not fit in memory:* [2c · What does a GPU change?](deeper/2c_gpus.ipynb)
#
# ## Summary
#
# - Warm up, wait for the device, keep the loader out, repeat, take the median. Each omission draws a curve that looks like a result.
# - An update takes max(t₀, B/r): a floor made of calls, and a slope made of arithmetic. They meet at the knee B* = t₀·r.
# - Well below the knee a larger batch is nearly free, and an epoch gets shorter almost in proportion; beyond it an epoch takes the same time at every batch size.
# - On a processor the knee lies at some tens of examples, on a fast GPU with a small network beyond 60,000.
# - You wait for updates needed × time per update. The best batch is neither the smallest nor the largest.
#
# **How long does a batch take?** As long as its calls, until there are enough examples to keep the machine busy; from there on, as long as its examples.

# %% [markdown]
# ## Exercises
#
# Put your answer in place of the three dots and run the cell: a line says whether it is right.
# Take away the `#` in front of `hint` or `solution` to read it.
#
# **2A · On both sides of the knee.** A machine has a floor of 0.2 ms and a rate of 400 examples per ms, and t(B) = max(t₀, B/r).
# How many seconds does an epoch of 60,000 examples take at B = 20, and how many at B = 1,000?
# (two numbers, by hand or in 1 line)

# %% exercise-a
epoch_seconds = ...  # at B = 20, at B = 1,000
check("2A", epoch_seconds)
# hint("2A")
# solution("2A")

# %% [markdown]
# **2B · A loader in the clock.** Sebastian Raschka's notebooks train one network for 100 epochs in 5.59 minutes at B = 64, and in 4.38 minutes at B = 1,024, loading included.
# Suppose the time is a/B + c.
# Which share of the 5.59 minutes at B = 64 depends on the batch size at all, from 0 to 1?
# And how many milliseconds is that for each of the 93,800 updates, 938 in each of the 100 epochs?
# (two numbers, about 3 lines)

# %% exercise-b
share_and_ms = ...  # a share, milliseconds per update
check("2B", share_and_ms)
# hint("2B")
# solution("2B")

# %% [markdown]
# **2E · A stopwatch for a coarse clock.** `update()` hands one update, of less than a millisecond, to a device and returns at once; `wait()` comes back when the device has done all.
# `clock()` gives seconds, but its hand moves only once in 10 ms.
# The first call starts the device up, and somewhere a disturbance strays in.
# Return the milliseconds per update, right within 5 %.
# The check lends you a pretend device, on which an hour passes in no time; it takes 40,000 updates at most, and a few thousand are enough.
# (about 9 lines)


# %% exercise-e
def stopwatch(update, clock, wait):
    """Return milliseconds per update."""
    ...


check("2E", stopwatch)
# hint("2E")
# solution("2E")

# %% [markdown]
# **Open.** Which machine do you have? With nothing else running, `make record EXP=batch_timing ARGS="--machine my-laptop"` takes about three minutes; then set `machine` (with a GPU, `gpu`) to `"my-laptop"` in the settings.
# Predict your knee first.
#
# ---
#
# Before this: [lesson 1 · batches and epochs](01_batches_and_epochs.ipynb).
# Next: [lesson 3 · small or large?](03_small_and_large_batches.ipynb) asks what a larger batch does to the *accuracy*.
#
# The lecture: Hung-yi Lee, "Batch and Momentum", Machine Learning 2021, National Taiwan University; its claims C10 to C18 and C20 to C23 are examined here and on the deeper pages.
# The running times of 2B: Sebastian Raschka, [STAT453 course material](https://github.com/rasbt/stat453-deep-learning-ss21), L12 (2021).
