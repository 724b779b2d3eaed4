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
# After this lesson you can
#
# 1. time an update so that the number means what it says, and recognise three common mistakes by the curve that each of them draws;
# 2. describe a machine by two numbers, a floor and a rate, and predict from them how long any batch and any epoch will take;
# 3. say where the floor and the rate come from, and from which batch size on a larger batch saves no time on *your* machine.
#
# | Run time | Before it | It follows |
# |---|---|---|
# | about 30 seconds on two cores, without a GPU; with one, the same page measures the GPU | lesson 1: batch, epoch, update | the second part of Hung-yi Lee's lecture "Batch and Momentum" (2021) |
#
# In the lecture, the time per update is the same for B = 1 and B = 1,000, thanks to parallel computing: a GPU works on many examples at once.
# Whoever repeats that on a laptop's processor finds that it grows with B.
# Both are right, and at the end you know why.

# %%
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import perf_counter as clock
from time import sleep

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from ipywidgets import Checkbox, FloatLogSlider, SelectionSlider
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

from course_utils.checks import check, hint, solution
from course_utils.claims import verdict
from course_utils.data import load_mnist
from course_utils.results import read_results
from course_utils.models import mlp
from course_utils.plotting import (
    batch_axis,
    batch_color,
    mark_choice,
    mark_guess,
    mean_interval,
    show,
)
from course_utils.timing import (
    fit_knee,
    measure,
    measure_peaks,
    synchronised_clock,
    time_updates,
)
from course_utils.training import evaluate, minibatches
from course_utils.explore import explore
from lessons.lesson_2 import draw

# %%
device = "cuda" if torch.cuda.is_available() else "cpu"  # or "mps"
num_threads = 1  # of the processor
num_examples = 60_000  # N, as in the lecture
repeats = 5  # readings behind each median
batch_sizes = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 60_000]
ticks = [1, 10, 100, 1000, 10_000, 60_000]  # batch sizes named on an axis

# %% [markdown]
# ## 2.1 Three wrong clocks and a right one
#
# The clock does not care what is on a picture, so random pixels in MNIST's shape will do.

# %%
torch.set_num_threads(num_threads)
images = torch.rand(num_examples, 1, 28, 28)
labels = torch.randint(10, (num_examples,))


# %% [markdown]
# What we time is the update of lesson 1: forward, loss, backward, step.
# Here it is as a function of no arguments, which a clock can call again and again.


# %%
def make_update(model, images, labels, lr=0.01):
    def update():
        loss = F.cross_entropy(model(images), labels)
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            for w in model.parameters():
                w -= lr * w.grad

    return update


def update_with(batch_size):
    model = mlp((784, 128, 10), seed=0).to(device)
    return make_update(
        model, images[:batch_size].to(device), labels[:batch_size].to(device)
    )


# %% [markdown]
# The obvious way to time it: read the clock, make five updates, read the clock again.


# %% wrong-way
def wrong_way(update, repeats=5):
    start = clock()
    for _ in range(repeats):
        update()
    return 1000 * (clock() - start) / repeats  # milliseconds per update


# %% [markdown]
# Three things go wrong with it, all of them seen in published notebooks.
# On this page they are planted, so that each can be looked at alone.
#
# **The loader runs inside the clock.**
# Our loader waits 3 ms for a disk, a wait played by `sleep`.
#
# **The first call is counted.**
# The first call of a program loads libraries, picks kernels and reserves memory; ours sleeps for 0.2 s, once.
#
# **Nobody waits for the device.**
# A GPU works off a queue: Python drops an order in, gets control back at once, and the clock is read long before the work is done.
# A processor does not behave so.
# Where there is no GPU, a stand-in plays its part below: a thread of its own that works off real updates, one after the other, while `submit` returns at once.


# %%
def loader_inside(update):
    def load_and_update():
        sleep(0.003)
        update()

    return load_and_update


start_up = iter([0.2])  # seconds, taken by whoever comes first


def first_call_counted(update):
    def start_and_update():
        sleep(next(start_up, 0))
        update()

    return start_and_update


queue = ThreadPoolExecutor(max_workers=1)  # plays the GPU where there is none


def nobody_waits(update):
    return update if device == "cuda" else lambda: queue.submit(update)


# %% [markdown]
# The right way takes four more lines.
# It warms up before it counts, waits for the device before each look at the clock, repeats, and takes the median, which a stray disturbance does not move.

# %%
synchronise = getattr(
    torch, device
).synchronize  # waits for a GPU; on a CPU there is nothing to wait for


# %% time-by-hand
def time_by_hand(update, warm_up=3, repeats=5):
    for _ in range(warm_up):
        update()
    readings = []
    for _ in range(repeats):
        synchronise()
        start = clock()
        update()
        synchronise()
        readings.append(1000 * (clock() - start))
    return np.median(readings)  # milliseconds per update


# %% [markdown]
# **Predict.** Four curves of time per update against batch size, from 1 to 10,000.
# Which of the three mistakes makes all batch sizes look equally fast?
# Which one makes them look equally *slow* up to some size?
# Which one spoils a single point only?

# %%
# your guess for the first: "loader inside", "first call counted" or "nobody waits"
guess_flat = None  # None skips it

# %%
few_sizes = [1, 10, 100, 1000, 10_000]
faults = {
    "loader inside": loader_inside,
    "first call counted": first_call_counted,
    "nobody waits": nobody_waits,
}
seen = {}
for name, fault in faults.items():
    seen[name] = []
    for size in few_sizes:
        seen[name].append(wrong_way(fault(update_with(size))))
        queue.submit(int).result()  # let the stand-in finish before the next size
seen["the right way"] = [time_by_hand(update_with(size)) for size in few_sizes]

# %% shown-3 tags=["hide-input"]
ink = {
    "C1": "#A84300",
    "C2": "#00694C",
    "C3": "#9A4A78",
}  # the same hues, dark enough for text


def name_curve(ax, name, point, offset, color, side="center", **text):
    color = ink.get(color, color)
    ax.annotate(
        name, point, offset, textcoords="offset points", ha=side, color=color, **text
    )


fig, ax = plt.subplots(figsize=(6.4, 4.4))
looks = {  # colour, marker, and where the name stands: at which size, how many points away
    "first call counted": ("C3", "^", 1, (60, 6)),
    "loader inside": ("C1", "s", 10, (0, 9)),
    "the right way": ("black", "o", 10, (8, -17)),
    "nobody waits": ("C2", "v", 10, (0, 9)),
}
for name, (color, marker, size, offset) in looks.items():
    ax.plot(few_sizes, seen[name], color=color, marker=marker)
    name_curve(ax, name, (size, seen[name][few_sizes.index(size)]), offset, color)
ax.set(yscale="log", ylabel="time (ms per update)", title="One machine, four clocks")
batch_axis(ax, few_sizes)
places = {name: (100, seen[name][2]) for name in ("loader inside", "nobody waits")}
first, second = seen["first call counted"][:2]
places["first call counted"] = 10**0.25, first**0.75 * second**0.25  # below its name
said = mark_choice(ax, guess_flat, places)
show(
    fig,
    alt="Time per update against batch size, both logarithmic. The right clock rises with the batch size. "
    "With the loader inside, the curve is flat and joins the right one only for large batches. "
    "With the first call counted, the smallest batch looks slowest. "
    "Where nobody waits, all batch sizes look equally fast." + said,
)

# %% [markdown]
# Two of the three mistakes draw a flat curve somewhere, and a flat curve is what the lecture has taught us to expect.
# The loader makes B = 1 to 100 look alike, because everybody waits for the same disk.
# The missing wait makes *all* batches look alike, because dropping an order into a queue takes the same time whatever the order says.
# So a flat curve is worth nothing before you know the clock behind it.
#
# What the page has just done by hand, `measure` does from now on: the same loop, only that a reading spans as many updates as fill 5 ms, as in training, where nobody waits after each update either.
# Python's own `timeit` is enough for it, once its clock is one that waits for the device.

# %% tags=["nbval-ignore-output"]
waiting_clock = synchronised_clock(device)
for size in (1, 1000):
    spread = measure(update_with(size), clock=waiting_clock, repeats=repeats)
    print(
        f"B = {size:5,}: {spread.median:7.3f} ms per update, "
        f"half of the readings between {spread.low:.3f} and {spread.high:.3f}"
    )

# %% [markdown]
# ## 2.2 A machine in two numbers
#
# Before we measure, a model.
# An update cannot take less than some fixed time t₀, the **floor**, however few examples it looks at.
# And a machine has some largest **rate** r, in examples per millisecond.
# Whichever is the tighter limit decides:
#
# $$t(B) = \max\left(t_0, \frac{B}{r}\right) \qquad\text{or, with a soft corner,}\qquad t(B) = t_0 + \frac{B}{r}.$$
#
# Both bend at the **knee** B* = t₀·r, the batch size at which the floor and the slope meet.
# An epoch has N/B updates, so it takes N·t(B)/B: falling like 1/B up to the knee, and N/r from there on.
# If updates up to the knee cost the same, an epoch at B = 1 takes B* times as long as an epoch of large batches, and no batch size can save more than that factor.
#
# **Predict.** The lecture's GPU has its knee somewhere beyond 1,000.
# Where is the knee of the machine in front of you?
# Set "my guess" below, then move floor and rate until you believe the picture, and only then tick the box: it lays a measurement over your picture.
# (The sliders start at what the lecture's GPU might be.)
# First the measurement, without a look at it.

# %%
model = mlp((784, 128, 10), seed=0).to(device)
curve = time_updates(
    model, images, labels, batch_sizes, repeats=repeats, num_threads=num_threads
)


# %% shown-4 tags=["hide-input"]
def timing_figure():
    return draw.timing(curve["batch_size"], curve["update_ms"])


fig, update = timing_figure()
show(
    fig,
    alt=update(t0=0.2, rate=10_000, num_examples=num_examples, guess=1000, measured=False),
)

# %%
fig, update = timing_figure()
_ = explore(
    fig,
    update,
    t0=FloatLogSlider(0.2, min=-2, max=1, step=0.05, description="floor t₀ (ms)"),
    rate=FloatLogSlider(
        10_000, min=1, max=5, step=0.05, description="rate r (examples/ms)"
    ),
    num_examples=SelectionSlider(
        options=[1000, 4000, 10_000, 60_000, 1_000_000], value=60_000, description="N"
    ),
    guess=SelectionSlider(
        options=[1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000],
        value=1000,
        description="my guess of the knee",
    ),
    measured=Checkbox(False, description="show what was measured"),
)

# %% [markdown]
# ## 2.3 Time per update, time per epoch
#
# Your machine's curve is one among others.
# The folder `results` holds recordings of this same measurement, five runs each, made while nothing else was running; the header of each file says on what, when and by which command.
# `make record EXP=batch_timing` adds your machine.
# In the charts a line is the median of the five runs and its band holds all five; for your own curve, the band holds half of the readings.


# %%
def read(path):
    frame = read_results(path)
    label = path.stem.partition(".")[2] or frame.attrs["provenance"]["device"]
    return frame.assign(machine=label)


rows = pd.concat([read(path) for path in sorted(Path("results").glob("batch_timing*.csv"))])
rows = rows[rows["status"] == "ok"]
ours = "amd-epyc-2-cores"  # the machine that this page's verdicts are computed from


def recorded(**choice):
    """Return the recorded milliseconds per update, one line a run, one column a batch size."""
    chosen = rows[
        np.all([rows[column] == value for column, value in choice.items()], axis=0)
    ]
    return chosen.pivot_table(index="run", columns="batch_size", values="update_ms")


one_thread = recorded(machine=ours, network="784-128-10", threads=1)
two_threads = recorded(machine=ours, network="784-128-10", threads=2)

# %% [markdown]
# **Predict.** From B = 1 to B = 1,000, by which factor does the time per update grow on one thread, and by which factor does the time per epoch fall?
# (Their product is known beforehand. Why?)

# %%
guess_epoch = None  # your guess: s per epoch at B = 1,000 (14 at B = 1); None skips it


# %% shown-5 tags=["hide-input"]
def plot_time(axes, sizes, milliseconds, low, high, color, **line):
    for ax, factor in zip(axes, (1, np.ceil(num_examples / sizes) / 1000), strict=True):
        ax.plot(sizes, factor * milliseconds, color=color, **line)
        ax.fill_between(sizes, factor * low, factor * high, color=color, alpha=0.2, lw=0)


fig, axes = plt.subplots(1, 2, figsize=(9.6, 4.6))
kinds = rows[rows["network"] == "784-128-10"].groupby(
    ["machine", "device", "threads", "mode", "precision"]
)
colors = ["C0", "C2", "C1", "C3", "C4", "C5"] * len(kinds)
for color, (kind, group) in zip(colors, kinds, strict=False):
    machine, where, threads, mode, precision = kind
    what = (
        f"{threads} thread{'s' * (threads > 1)}"
        if where == "cpu"
        else f"{mode}, {precision}"
    )
    runs = group.groupby("batch_size")["update_ms"].agg(["median", "min", "max"])
    columns = (runs[name].to_numpy() for name in ("median", "min", "max"))
    plot_time(axes, runs.index, *columns, color, marker="o", label=f"{machine}, {what}")
columns = (curve[name] for name in ("update_ms", "low_ms", "high_ms"))
plot_time(axes, curve["batch_size"], *columns, "black", ls="--", label="here and now")
for ax, unit in zip(axes, ("ms per update", "s per epoch"), strict=True):
    ax.set(yscale="log", title=unit.partition(" ")[2].capitalize(), ylabel=f"time ({unit})")
    batch_axis(ax, ticks)
axes[0].legend(loc="upper left")
said = mark_guess(axes[1], guess_epoch, low=0.001, high=100)
show(
    fig,
    alt="Two charts against batch size from 1 to 60,000, all axes logarithmic. Time per update starts flat and then "
    "rises in proportion to the batch size. Time per epoch falls at first and is flat where the update rises."
    + said,
)

# %% shown-6
t = one_thread.median()  # milliseconds per update, by batch size
epoch = np.ceil(num_examples / t.index) * t / 1000  # seconds
print(f"B = 1 → 10:     update × {t[10] / t[1]:6.2f}, epoch ÷ {epoch[1] / epoch[10]:6.2f}")
print(
    f"B = 1 → 1,000:  update × {t[1000] / t[1]:6.2f}, epoch ÷ {epoch[1] / epoch[1000]:6.2f}"
)
print(
    f"B = 1,000 → 60,000: update × {t[60_000] / t[1000]:.2f}, epoch ÷ {epoch[1000] / epoch[60_000]:.2f}"
)

# %% c10
verdict("C10", t[10] < 3 * t[1], t[1000] > 5 * t[1])

# %%
verdict("C13", t[1000] < 200 * t[1])

# %%
verdict("C18", epoch[1] > 3 * epoch[10], 1 / 3 < epoch[1000] / epoch[60_000] < 3)

# %%
verdict("C20", 60_000 * t[1] > 5 * 60 * t[1000])

# %% c21
verdict("C21", t[1000] > 5 * t[1], epoch[1] > 5 * epoch[1000])

# %% [markdown]
# Both charts of the lecture are there, but the bend sits where a processor has it, and that changes what they say.
# To its left the lecture is right: the update is nearly free of B, and an epoch gets cheaper with every larger batch.
# To its right, whoever measured on a processor is right: twice the batch takes twice the time, and for the epoch it no longer matters.
#
# A second thread lowers the slope and leaves the floor where it was, so it moves the knee to the right; a GPU is the extreme of the same thing.
# It also makes the clock touchy, because threads wait for each other at every operation, and that is why their number is pinned: a first recording on two threads, made while other programs ran, had updates of 100 ms at B = 10 and was thrown away.
#
# ### Where is the knee?
#
# We fit both forms of the model to the recorded curve up to B = 1,000, least squares in log t, so that every batch size counts the same.
# The interval of the knee holds all knees that an F test at 5 % cannot tell from the best one.

# %%
sizes = np.array([size for size in t.index if size <= 1000])
hard = fit_knee(sizes, t[sizes], shape="max")
soft = fit_knee(sizes, t[sizes], shape="sum")
for fit in (hard, soft):
    print(
        f"{fit.shape}: floor {fit.t0:.2f} ms, rate {fit.rate:.0f} examples/ms, "
        f"knee {fit.knee:.0f} (95 % interval {fit.low:.0f} to {fit.high:.0f})"
    )
double = fit_knee(sizes, two_threads.median()[sizes])
print(f"two threads, form max: rate {double.rate:.0f} examples/ms, knee {double.knee:.0f}")
knees = [fit_knee(sizes, run[sizes]).knee for _, run in one_thread.iterrows()]
print(f"knee of each of the five runs, form max: {min(knees):.0f} to {max(knees):.0f}")

# %% shown-9 tags=["hide-input"]
fig, ax = plt.subplots(figsize=(6.4, 4.4))
grid = np.geomspace(1, 1000, 200)
ax.axvspan(hard.low, hard.high, color="C0", alpha=0.12, lw=0)
ax.axvline(hard.knee, color="C0", lw=1.2)
ax.plot(grid, hard.predict(grid), color="C0", lw=2.2)
ax.plot(grid, soft.predict(grid), color="C1", lw=2.2, ls="--")
for _, run in one_thread.iterrows():
    ax.plot(sizes, run[sizes], "o", color="black", markersize=4, alpha=0.45, mew=0)
name_curve(ax, f"knee {hard.knee:.0f}", (hard.knee, hard.t0 * 12), (-6, 0), "C0", "right")
name_curve(ax, "max(t₀, B/r)", (350, 350 / hard.rate), (-8, 8), "C0", "right")
name_curve(ax, "t₀ + B/r", (400, float(soft.predict(400))), (10, -12), "C1", "left")
ax.set(
    yscale="log",
    ylabel="time (ms per update)",
    title="One thread, five runs: a floor, a slope, a knee",
)
batch_axis(ax, sizes)
show(
    fig,
    alt="Recorded time per update of five runs against batch size up to 1,000, both logarithmic, with two fits. "
    "The points leave the floor gradually, as the soft form does, and end on a slope of one. "
    "A shaded band around the vertical line of the knee shows its interval.",
)

# %% tags=["nbval-ignore-output"]
here = fit_knee(curve["batch_size"], curve["update_ms"])
print(f"{curve.device}, {curve.num_threads} thread, PyTorch {curve.torch}")
print(
    f"here and now: knee {here.knee:.0f} (95 % interval {here.low:.0f} to {here.high:.0f})"
)

# %% [markdown]
# The points round the corner as the soft form does; the hard form is easier to say aloud.
# What they agree on is the place of the knee, within a factor, and a knee is never needed more exactly than that.
# It is also steadier than floor and rate themselves: what slows the whole machine down slows both, and leaves their product alone.
#
# ## 2.4 Where the floor comes from
#
# An update on a single picture is some 400,000 multiplications and additions.
# A processor that does tens of billions a second needs some microseconds for them; the floor is far higher.
# So what is the time spent on?
#
# PyTorch lets us listen in: a *dispatch mode* sees each operation on its way from Python to the device.
#
# **Predict.** How many operations is one update, and how many more are they at B = 1,000?


# %%
class CountCalls(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.calls = Counter()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.calls[operation.overloadpacket.__name__] += 1
        return operation(*args, **(kwargs or {}))


def calls_of(update):
    with CountCalls() as counter:
        update()
    return counter.calls


# %% tags=["nbval-ignore-output"]
calls = calls_of(update_with(1))
print(f"{calls.total()} operations: {dict(calls)}")

# %%
print("as many at B = 1,000:", calls_of(update_with(1000)) == calls)

# %% [markdown]
# Forty-odd calls, each of which Python, the autograd engine and the dispatcher have to prepare, whether it then works on one picture or on a thousand.
# On a GPU each call that computes is also a *kernel launch*, an order that takes some microseconds to reach the device.
#
# Two experiments show that the calls are the floor.
# First, the same calls with next to nothing to do: a network of one input and one unit in each layer.
# Second, the same arithmetic with fewer calls and no autograd: the chain rule by hand, with steps that go into the weights directly.


# %%
def by_hand(model, images, labels, lr=0.01):
    w1, b1, w2, b2 = (w.detach() for w in model.parameters())
    x, rows = images.flatten(1), torch.arange(len(images), device=device)
    step = -lr / len(images)

    def update():
        hidden = torch.addmm(b1, x, w1.T).relu_()
        error = torch.addmm(b2, hidden, w2.T).softmax(1)
        error[rows, labels] -= 1  # the gradient of the loss with respect to the logits
        hidden_error = torch.mm(error, w2).mul_(hidden > 0)
        w2.addmm_(error.T, hidden, alpha=step)
        b2.add_(error.sum(0), alpha=step)
        w1.addmm_(hidden_error.T, x, alpha=step)
        b1.add_(hidden_error.sum(0), alpha=step)

    return update


# %%
ours_and_theirs = [mlp((784, 128, 10), seed=0).to(device) for _ in range(2)]
for maker, net in zip((by_hand, make_update), ours_and_theirs, strict=True):
    maker(net, images[:64].to(device), labels[:64].to(device), lr=0.1)()
pairs = zip(*(net.parameters() for net in ours_and_theirs), strict=True)
print(
    "same weights after an update:", all(torch.allclose(a, b, atol=1e-6) for a, b in pairs)
)

# %% tags=["nbval-ignore-output"]
print(
    calls_of(by_hand(model, images[:1].to(device), labels[:1].to(device))).total(),
    "operations",
)


# %%
def small_batch(size):
    return images[:size].to(device), labels[:size].to(device)


variants = {
    "autograd, 784-128-10": lambda size: update_with(size),
    "same calls, network 1-1-1": lambda size: make_update(
        mlp((1, 1, 1), seed=0).to(device),
        torch.rand(size, 1, device=device),
        labels[:size].to(device) * 0,
    ),
    "by hand, 784-128-10": lambda size: by_hand(
        mlp((784, 128, 10), seed=0).to(device), *small_batch(size)
    ),
}
floor_sizes = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]
floors = {
    name: [
        measure(make(size), clock=waiting_clock, repeats=repeats).median
        for size in floor_sizes
    ]
    for name, make in variants.items()
}

# %% shown-10 tags=["hide-input"]
fig, ax = plt.subplots(figsize=(6.4, 4.4))
looks = (("black", "o", 2, 10), ("C1", "^", 200, -24), ("C2", "s", 5, -16))
for (name, times), (color, marker, size, height) in zip(floors.items(), looks, strict=True):
    ax.plot(floor_sizes, times, color=color, marker=marker)
    point = size, times[floor_sizes.index(size)]
    name_curve(ax, name, point, (8, height), color, "left" if size == 5 else "center")
ax.set(yscale="log", ylabel="time (ms per update)", title="The floor is made of calls")
batch_axis(ax, floor_sizes)
show(
    fig,
    alt="Time per update against batch size up to 1,000, both logarithmic. The update with autograd starts on a floor and then rises. "
    "The same calls on a network of one unit stay on a floor throughout. "
    "The update by hand starts far lower and joins the slope of the first.",
)

# %% [markdown]
# The same calls without the arithmetic stay on the floor at every batch size.
# The same arithmetic with fewer calls starts far below it, and its knee lies further left; on the slope the two run side by side.
# So the floor is no law of nature: it is what a general and convenient library charges for each call.
#
# On a GPU the same proof needs no chain rule by hand.
# A **CUDA graph** records the kernels of one update once, and replays all of them in one launch without Python:
#
# ```python
# stream = torch.cuda.Stream()
# with torch.cuda.stream(stream):
#     for _ in range(3):  # warm up on a stream of its own
#         update()
# graph = torch.cuda.CUDAGraph()
# with torch.cuda.graph(graph, stream=stream):  # records, runs nothing
#     update()
# graph.replay()  # one launch: forward, loss, backward, step, on the same memory as before
# ```
#
# `timing.as_cuda_graph` does this, and the recording of a GPU holds both curves.
#
# ## 2.5 Where the slope comes from, and where memory ends
#
# A weight that is used once costs a multiplication and an addition, 2 operations.
# In the backward pass it is used twice, once for its own gradient and once to pass the gradient on.
# That makes 6·P operations for each example, with P weights, a rule of thumb that you meet everywhere.
#
# **Predict.** Does it hold for 784-128-10?

# %%
networks = {
    "784-128-10": (784, 128, 10),
    "784-512x5-10": (784, 512, 512, 512, 512, 512, 10),
}


def weights_and_flops(network):
    """Return P, and the operations of an update for one example."""
    net = mlp(networks[network], seed=0)
    with FlopCounterMode(display=False) as counter:
        make_update(net, images[:100], labels[:100])()
    return sum(w.numel() for w in net.parameters()), counter.get_total_flops() / 100


for network in networks:
    P, flops = weights_and_flops(network)
    print(
        f"{network:13} P = {P:9,}, {flops:10,.0f} operations an example = {flops / P:.2f} P"
    )

# %% [markdown]
# The pixels need no gradient, so the first layer skips its third share; in the small network that layer is nearly everything, and 6·P becomes 4·P.
# Keep the 6 in mind as an upper bound.
#
# The time cannot be shorter than operations divided by the machine's best speed, nor than bytes moved divided by its bandwidth.
# Both are measured: speed as the product of two large matrices, bandwidth as a copy.
# Bytes there are even at B = 1: an update reads or writes all weights, or something of their size, about seven times (forward; gradient; lr·gradient, in and out; the step, three times), 4 bytes a number.
# The picture that these limits draw is called a *roofline*.


# %%
def limits(network):
    """Return the recorded limits: ms for each example by arithmetic, for each update by weights."""
    P, flops = weights_and_flops(network)
    best = rows[(rows["machine"] == ours) & (rows["threads"] == 1)].max(numeric_only=True)
    return flops / best["peak_gflops"] / 1e6, 7 * 4 * P / best["peak_gbytes"] / 1e6


# %% shown-11 tags=["hide-input"]
fig, axes = plt.subplots(1, 2, figsize=(9.6, 4.4), sharey=True)
for ax, network in zip(axes, networks, strict=True):
    per_example, per_update = limits(network)
    recording = recorded(machine=ours, network=network, threads=1).median()
    line = np.array([1, recording.index.max()])
    ax.plot(recording.index, recording, "o-", color="C0", label="recorded, one thread")
    ax.plot(
        line, per_example * line, color="C1", ls="--", label="arithmetic at measured peak"
    )
    ax.axhline(per_update, color="C3", ls=":", lw=2, label="weights at measured bandwidth")
    ax.set(yscale="log", title=network, ylim=(0.004, 2000))
    batch_axis(ax, [tick for tick in ticks if tick <= line[1]])
axes[0].set_ylabel("time (ms per update)")
axes[0].legend(loc="upper left")
show(
    fig,
    alt="Two panels, the small and the large network: recorded time per update against batch size, both logarithmic, above two limits. "
    "For large batches the recording runs parallel to and just above the line of the arithmetic. "
    "For the large network its floor lies near the line for moving the weights, for the small one well above it.",
)

# %%
for network in networks:
    per_example, per_update = limits(network)
    recording = recorded(machine=ours, network=network, threads=1).median()
    largest = recording.index[-1]
    fit = fit_knee(sizes, recording[sizes])
    print(
        f"{network:13} B = {largest:6,}: {per_example * largest / recording[largest]:.0%} of the measured peak; "
        f"floor {fit.t0:.2f} ms, of which moving weights {per_update / fit.t0:.0%}; knee {fit.knee:.0f}"
    )

# %% tags=["nbval-ignore-output"]
peaks = measure_peaks(device, size=8192 if device == "cuda" else 2048)
flops = weights_and_flops("784-128-10")[1] * curve["batch_size"] / curve["update_ms"] * 1000
print(
    f"here and now: {peaks.flops / 1e9:,.0f} GFLOP/s and {peaks.bandwidth / 1e9:,.0f} GB/s at best"
)
print(
    f"updates reach {flops.max() / peaks.flops:.0%} of that speed, at B = 1 {flops[0] / peaks.flops:.1%}"
)

# %% [markdown]
# On the slope the machine does what it can: large batches run at a good part of the speed that it reaches on nothing but a matrix product.
# No trick in Python will make them much faster.
#
# The floor has a second ingredient, and the large network shows it: fourteen times the weights have to travel at each update, batch or no batch.
# (At B = 1 the recording even lies below that limit: some of the weights stay in the cache, which is faster than the memory that a large copy goes through.)
# So a large network does not have a small knee: its floor rises along with its slope, and where they meet moves far less than either.
#
# A GPU differs from a processor in the numbers alone.
# Calls cost it about as much, but a V100's data sheet promises 15,700 GFLOP/s, more than a hundred times what our thread reaches; so its knee should sit a hundred times further right.
# That is a prediction, for a recording on a GPU to test.
#
# ### Memory
#
# What sets an end to the batch is not time but memory: each example leaves numbers behind in the forward pass that the backward pass needs.
# Autograd's hooks show what is kept.


# %%
def kept_bytes(batch_size, network="784-128-10"):
    """Return the bytes, beyond the weights, that the forward pass keeps for the backward pass."""
    net = mlp(networks[network], seed=0)
    weights = {w.untyped_storage().data_ptr() for w in net.parameters()}
    kept = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        F.cross_entropy(net(images[:batch_size].clone()), labels[:batch_size].clone())
    return sum(kept.values())


for network in networks:
    kept = {size: kept_bytes(size, network) for size in (1000, 10_000)}
    print(
        f"{network:13} {kept[10_000] / 10_000 / 1000:5.1f} kB an example, ten times the batch keeps "
        f"{kept[10_000] / kept[1000]:.1f} times as much; B = 60,000: {6 * kept[10_000] / 1e9:.2f} GB"
    )

# %% [markdown]
# Proportional to B, as it must be, and small: MNIST will not fill your memory.
# A convolutional network on photographs keeps thousands of times more for each example, and there the largest batch that fits is often smaller than the one you want.
#
# The way past it is **gradient accumulation**.
# `backward` adds to what `grad` already holds, so several small batches can pay into one gradient before the single step.


# %% accumulated-gradient
def accumulated_gradient(model, images, labels, parts):
    model.zero_grad()
    for x, y in zip(images.chunk(parts), labels.chunk(parts), strict=True):
        loss = F.cross_entropy(model(x), y, reduction="sum") / len(images)
        loss.backward()  # adds, and frees what this part has kept
    return torch.cat([w.grad.flatten() for w in model.parameters()])


# %% shown-13
net = mlp((784, 128, 10), seed=0)
whole, parts = (
    accumulated_gradient(net, images[:10_000], labels[:10_000], n) for n in (1, 10)
)
print("same gradient:", torch.allclose(whole, parts, atol=1e-6))
print(
    f"kept at a time: {kept_bytes(10_000) / 1e6:.1f} MB at once, {kept_bytes(1000) / 1e6:.1f} MB in ten parts"
)

# %% [markdown]
# One update of 10,000 with the memory of 1,000.
# In time it costs ten small passes instead of one large one: nothing as long as the parts are beyond the knee, and up to ten times as much if they are not.
# (Batch normalisation is the exception, as so often: it sees the parts and not the whole.)
#
# ## 2.6 From time per update to time you wait
#
# In examples per second the large batch wins or draws, always.
# But nobody waits for examples per second.
# Two things stand between them and the time until you have a trained network.
#
# **First, the loader.**
# The usual `DataLoader` picks pictures one by one and stacks them, at a cost for each example that no batch size takes away.

# %%
dataset = TensorDataset(images, labels)
loader_sizes = [1, 4, 16, 64, 256, 1024]


def loader_ms(batch_size):
    batches = iter(DataLoader(dataset, batch_size, shuffle=True))
    return measure(lambda: next(batches), clock=clock, repeats=repeats, at_least=0).median


loading = np.array([loader_ms(size) for size in loader_sizes])
updating = np.array(
    [
        measure(update_with(size), clock=waiting_clock, repeats=repeats).median
        for size in loader_sizes
    ]
)

# %% shown-14 tags=["hide-input"]
updates_per_epoch = np.ceil(num_examples / np.array(loader_sizes))
fig, ax = plt.subplots()
for milliseconds, color, marker, name in (
    (updating + loading, "black", "o", "loader and updates, in turn"),
    (updating, "C0", "s", "updates"),
    (loading, "C1", "^", "PyTorch's DataLoader"),
):
    ax.plot(
        loader_sizes,
        updates_per_epoch * milliseconds / 1000,
        color=color,
        marker=marker,
        label=name,
    )
ax.set(
    yscale="log",
    ylabel="time (s per epoch)",
    title="The loader asks its price for each example",
)
batch_axis(ax, loader_sizes)
ax.legend()
show(
    fig,
    alt="Time per epoch against batch size, both logarithmic. The updates alone fall and level off; the loader alone "
    "levels off as well; their sum falls less than the updates alone.",
)

# %% tags=["nbval-ignore-output"]
columns = ["batch_size", "load_ms", "copy_ms", "update_ms"]
print(pd.DataFrame(curve.timings)[columns].iloc[::3].round(3).to_string(index=False))

# %% [markdown]
# The table has the three parts apart, for a data set that lies in memory as one tensor: a batch is then picked with a single index, and loading all but vanishes (copying is to the device; on a processor there is nothing to copy).
# That is why this course keeps its digits that way.
#
# A published example of a loader in the clock: Sebastian Raschka's notebooks on the batch size train one network for 100 epochs in 5.59 minutes at B = 64 and in 4.38 minutes at B = 1,024.
# Sixteen times fewer updates, and a mere factor of 1.28; the time includes loading and an evaluation after each epoch, and the machine is not named.
#
# **Second, the number of updates.**
# What counts is
#
# $$\text{time to an accuracy} = \text{updates needed} \times \text{time per update}.$$
#
# The second factor we know.
# For the first, we train on the 4,000 embedded digits until 85 % of the validation digits are read correctly, at one learning rate for all batch sizes.
#
# **Predict.** Where on the axis from B = 1 to B = 2,000 is the product smallest?

# %%
guess_best = None  # your guess: a batch size from 1 to 2,000; None skips it

# %%
train_set, valid_set, _ = load_mnist()


def updates_needed(batch_size, seed, target=0.85, lr=0.05, limit=4000):
    net, step = mlp((784, 128, 10), seed=seed), 0
    generator = torch.Generator().manual_seed(seed)
    while step < limit:
        for batch in minibatches(len(train_set), batch_size, generator=generator):
            make_update(net, train_set.images[batch], train_set.labels[batch], lr)()
            step += 1
            if step % 10 == 0 and evaluate(net, valid_set)[1] >= target:
                return step
    return np.nan


race_sizes = [1, 5, 20, 100, 500, 2000]
needed = np.array(
    [[updates_needed(size, seed) for size in race_sizes] for seed in range(5)]
)

# %% shown-15 tags=["hide-input"]
waits = needed * t[race_sizes].to_numpy() / 1000  # seconds, (seeds, sizes)
fig, axes = plt.subplots(1, 3, figsize=(9.6, 3.8))
panels = (
    (axes[0], needed, "updates to 85 %", "Updates needed (5 seeds) …"),
    (
        axes[1],
        np.tile(t[race_sizes], (5, 1)),
        "time (ms per update)",
        "… × time for each …",
    ),
    (axes[2], waits, "time to 85 % (s)", "… = time to wait"),
)
for ax, values, label, title in panels:
    ax.plot(race_sizes, values.mean(0), color="#999999", lw=1.5)
    for size, column in zip(race_sizes, values.T, strict=True):
        ax.plot([size] * 5, column, "o", color=batch_color(size), markersize=6, alpha=0.8)
    ax.set(yscale="log", ylabel=label, title=title)
    batch_axis(ax, [1, 20, 500, 2000])
said = mark_guess(axes[2], guess_best, low=1, high=2000, axis="x")
show(
    fig,
    alt="Three panels against batch size, all axes logarithmic, five seeds. Updates needed fall steeply at first and then level off; "
    "time per update is level at first and then rises; their product has its minimum at a middle batch size, far below the largest."
    + said,
)

# %% tags=["nbval-ignore-output"]
mean = waits.mean(0)
updates = needed.mean(0).round().astype(int).tolist()
print("updates needed, mean of 5 seeds:", dict(zip(race_sizes, updates, strict=True)))
print(f"B = 2,000 waits {mean[-1] / mean[2]:.0f} times as long as B = 20")

# %% c22
log_ratio, half_width = mean_interval(
    np.log(waits[:, -1] / waits[:, 2])
)  # B = 2,000 against 20
verdict("C22", t[1000] / 1000 < t[1] / 5, log_ratio > 3 * half_width)

# %% [markdown]
# So the larger batch is more efficient in the lecture's sense, one pass over the data, and less efficient in the sense that you care about.
# Up to some size, twice the batch halves the updates; beyond it, more examples a step do not help a step.
# If the updates needed follow S(B) = S_min·(1 + B_crit/B) and the time is t₀ + B/r, the product is smallest at
#
# $$B = \sqrt{B_\text{crit}\cdot B^*},$$
#
# between the size at which the *problem* stops rewarding larger batches and the size at which the *machine* does.
# On a GPU, B* moves far to the right, and the best batch with it: that is the true core of the lecture's remark.
# The learning rate was the same for all here, which is not fair to large batches; lesson 3 tunes it, and finds B_crit.
#
# ## 2.7 The lecture's GPUs
#
# The lecture reports one more thing: a batch of 60,000 took several minutes on a GTX 980, on a slide of 2017, and takes 10 seconds on a V100.
# (A slide of 2015 has a GTX 760.)
# This is history, without a model and without code, so it cannot be repeated.
# It can be put into proportion.

# %% shown-17
cards = {
    "GTX 760": (2.3, 192),
    "GTX 980": (4.6, 224),
    "Tesla V100": (15.7, 900),
}  # TFLOP/s, GB/s
for card, (teraflops, gigabytes) in cards.items():
    small, large = (
        6 * weights_and_flops(n)[0] * 60_000 / teraflops / 1e12 for n in networks
    )
    print(
        f"{card:10} {teraflops:4.1f} TFLOP/s, {gigabytes} GB/s: at best {1000 * small:4.1f} ms and {1000 * large:5.1f} ms"
    )
print(
    f"10 s on a V100 at full speed: a network of {10 * 15.7e12 / (6 * 60_000) / 1e6:.0f} million weights"
)
print(f"one thread of our processor, 784-128-10, B = 60,000: {t[60_000] / 1000:.1f} s")

# %% [markdown]
# (The two times are for 784-128-10 and 784-512×5-10, with 6·P operations an example.)
# At full speed a V100 needs a thirtieth of a second for the larger of them, so 10 seconds are either a far larger network or mostly something other than arithmetic: an upper bound for one set-up (C16).
# From the 980 to the V100 the peak grew 3.4-fold and the bandwidth fourfold; "several minutes" to 10 seconds is a factor of 18 or more.
# The hardware alone does not explain it; drivers, libraries and code have come along as well (C17).
# And MNIST, the "hello world" of the field, is short for *Modified* NIST, not for "Mixed" (C11).
#
# ### What a GPU has yet to show
#
# Four claims are about GPUs, and nobody has recorded one for this page.
# So that the outcome cannot bend the rules, this is what will count, in eager mode, fp32, 784-128-10:
#
# | claim | it holds if |
# |---|---|
# | C12, same time for 1, 10, 100, 1,000 | the largest of the four is less than 1.3 times the smallest |
# | C14, a limit for very large batches | t(60,000) is more than twice t(1,000) |
# | C15, growth at 10,000 and 60,000 | both are more than 1.3 times t(1,000) |
# | C23, twenty at once as fast as one | t(20) is less than 1.3 times t(1) |
#
# The floor should fall to a third or less under a CUDA graph, and with it the knee: then 1,000 may lie on the slope of a GPU too.

# %% c12
verdict("C12")

# %% c14
verdict("C14")

# %% c15
verdict("C15")

# %% c23
verdict("C23")

# %% [markdown]
# ## Summary
#
# - Warm up, wait for the device, keep the loader out, repeat, take the median. Each omission draws a flat curve that looks like a result.
# - An update takes max(t₀, B/r): a floor made of calls and of moving the weights, and a slope made of arithmetic. They meet at the knee B* = t₀·r.
# - Below the knee a larger batch is free, and an epoch gets shorter in proportion; above it, an epoch takes the same time at every batch size. The most there is to gain is a factor B*.
# - On a processor the knee lies at some tens of examples; the lecture's GPU has it beyond 1,000. That is the whole contradiction.
# - You wait for updates needed × time per update, and for the loader. The best batch is neither the smallest nor the largest.
#
# ## Exercises
#
# Put your answer in place of the three dots and run the cell: a line says whether it is right.
# Take away the `#` in front of `hint` or `solution` to read it.

# %% [markdown]
# **2A · On both sides of the knee.** A machine has a floor of 0.2 ms and a rate of 400 examples per ms, and t(B) = max(t₀, B/r).
# How many seconds does an epoch of 60,000 examples take at B = 20, and how many at B = 1,000?
# (two numbers, by hand or in 1 line)

# %%
epoch_seconds = ...  # at B = 20, at B = 1,000
check("2A", epoch_seconds)
# hint("2A")
# solution("2A")

# %% [markdown]
# **2B · A loader in the clock.** Suppose the time of Raschka's runs (section 2.6) is a/B + c: 5.59 minutes at B = 64, 4.38 minutes at B = 1,024.
# Which share of the 5.59 minutes at B = 64 depends on the batch size at all, from 0 to 1?
# And how many milliseconds is that for each of the 93,800 updates, 938 in each of the 100 epochs?
# (two numbers, about 3 lines)

# %%
share_and_ms = ...  # a share, milliseconds per update
check("2B", share_and_ms)
# hint("2B")
# solution("2B")

# %% [markdown]
# **2C · Operations, counted by hand.** The rule says 6·P, the counter of section 2.5 says less.
# Return the number of operations of an update for one example, in the matrix products, forward and backward, for any list of layer sizes.
# Count 2 for each use of a weight, as in section 2.5.
# (about 2 lines)


# %%
def operations(sizes):
    """Return the operations for one example; `sizes` is a list such as [784, 128, 10]."""
    ...


check("2C", operations)
# hint("2C")
# solution("2C")

# %% [markdown]
# **2D · A lower floor.** The floor is made of calls.
# Write `make_update` of section 2.1 again, so that its update gives the same weights with fewer of them.
# (copy it, then change 1 line)


# %%
def make_lean_update(model, images, labels, lr):
    """Return a function of no arguments that makes one update."""
    ...


check("2D", make_lean_update)
# hint("2D")
# solution("2D")

# %% [markdown]
# **2E · A stopwatch for a coarse clock.** `update()` hands one update, of less than a millisecond, to a device and returns at once; `wait()` comes back when the device has done all.
# `clock()` gives seconds, but its hand moves only once in 10 ms.
# The first call starts the device up, and somewhere a disturbance strays in.
# Return the milliseconds per update, right within 5 %.
# The check lends you a pretend device, on which an hour passes in no time; it takes 40,000 updates at most, and a few thousand are enough.
# (about 9 lines)


# %%
def stopwatch(update, clock, wait):
    """Return milliseconds per update."""
    ...


check("2E", stopwatch)
# hint("2E")
# solution("2E")

# %% [markdown]
# ### Further
#
# 1. Set `num_threads` to 2 in the settings and run the lesson again. Which of floor and rate has changed, and which way did the knee move?
# 2. Put your lean update of 2D in the place of `make_update` in section 2.1 and run the lesson again. Can you see it in the floor?
# 3. PyTorch has a stopwatch of its own, `torch.utils.benchmark.Timer(stmt="f()", globals={"f": …}, num_threads=1).blocked_autorange()`. Does its median for B = 100 lie between the quartiles of `measure`? (about 3 lines)
# 4. Open: design a network whose knee on your machine lies beyond 1,000, and another whose knee lies below 5. Predict both knees from calls, weights and operations before you measure them.
#
# ## References
#
# - Hung-yi Lee, "Batch and Momentum", Machine Learning 2021, National Taiwan University: the lecture whose claims C10 to C18 and C20 to C23 are examined here.
# - S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance model for multicore architectures", Communications of the ACM 52(4), 2009, [doi 10.1145/1498765.1498785](https://doi.org/10.1145/1498765.1498785): the limits of section 2.5.
# - NVIDIA, ["Matrix Multiplication Background"](https://docs.nvidia.com/deeplearning/performance/dl-performance-matrix-multiplication/index.html): the same limits on a GPU, and why its slope is a staircase.
# - PyTorch documentation, ["CUDA graphs"](https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs) and ["Benchmark utils"](https://docs.pytorch.org/docs/stable/benchmark_utils.html): the recipe of section 2.4, and the stopwatch of the third task under Further.
# - NVIDIA, data sheets of GeForce GTX 760, GeForce GTX 980 (whitepaper, 2014) and Tesla V100: peak speeds and bandwidths of section 2.7.
# - S. Raschka, [STAT453 course material](https://github.com/rasbt/stat453-deep-learning-ss21), L12: the two running times of section 2.6.
# - S. McCandlish et al., "An Empirical Model of Large-Batch Training", [arXiv 1812.06162](https://arxiv.org/abs/1812.06162), and C. Shallue et al., "Measuring the Effects of Data Parallelism on Neural Network Training", [arXiv 1811.03600](https://arxiv.org/abs/1811.03600): updates needed against batch size.
# - Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition", Proceedings of the IEEE 86(11), 1998, [doi 10.1109/5.726791](https://doi.org/10.1109/5.726791): where MNIST and its name come from.
