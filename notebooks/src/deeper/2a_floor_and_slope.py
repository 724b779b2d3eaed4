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
# # 2a · Where do floor and slope come from?
#
# A deeper page of [lesson 2](../02_gpu_batch_timing.ipynb), which draws a machine as a floor and a rate.
# It shows how well that fits, that the floor is made of calls (and, for a large network, of moving the weights), and that the slope is arithmetic, near the best the machine can do.
# Everything is on one thread of a processor; for GPUs see [2c](2c_gpus.ipynb).
# Reading time: 25 minutes.

# %% imports
from collections import Counter

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from IPython.display import display
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from course_utils.checks import check, hint, reply, solution
from course_utils.claims import verdict
from course_utils.models import mlp
from course_utils.plotting import show
from course_utils.results import by_seed, read_results
from course_utils.timing import fit_knee, make_update, measure, synchronised_clock
from lessons.lesson_2 import draw

# %% [markdown]
# ## How sure is the knee?
#
# The recording times two networks, the lesson's and 784-512x5-10, which has five hidden layers of 512 units, each in five runs on a machine on which nothing else ran; the small one on one thread and on two.

# %% recorded
machine = "amd-epyc-2-cores"  # whose recorded times are used
networks = {
    "784-128-10": (784, 128, 10),
    "784-512x5-10": (784, 512, 512, 512, 512, 512, 10),
}


def recorded(network="784-128-10", threads=1):
    """Return recorded ms per update: a line for each run, a column for each batch size."""
    rows = read_results(f"batch_timing.{machine}", network=network, threads=threads)
    return by_seed(rows, "update_ms", "batch_size", seed="run")


one, two, large = recorded(), recorded(threads=2), recorded("784-512x5-10")

# %% [markdown]
# Two forms of the model are fitted up to B = 1,000, by least squares in log t: t = max(t₀, B/r), with a hard corner, and t = t₀ + B/r, with a soft one.
# Both bend at B* = t₀·r.
# The interval holds all knees that an F test at 5 % cannot tell from the best one, those whose fit is not worse by more than the scatter of the points explains; the last column has the knees of the five runs, each fitted alone.


# %% fit
def fit(times, shape="max"):
    times = times.loc[:1000]
    return fit_knee(times.index, times, shape=shape)


def knee_line(name, runs, shape):
    best, each = (
        fit(runs.median(), shape),
        [fit(run, shape).knee for _, run in runs.iterrows()],
    )
    return {
        "": f"{name}, form {shape}",
        "floor (ms)": f"{best.t0:.2f}",
        "rate (examples per ms)": f"{best.rate:.0f}",
        "knee": f"{best.knee:.0f}",
        "95 % interval": f"{best.low:.0f} to {best.high:.0f}",
        "five runs": f"{min(each):.0f} to {max(each):.0f}",
    }


# %% knees
cases = [
    ("784-128-10, one thread", one, "max"),
    ("784-128-10, one thread", one, "sum"),
    ("784-128-10, two threads", two, "max"),
    ("784-512x5-10, one thread", large, "max"),
]
pd.DataFrame([knee_line(*case) for case in cases])

# %% knee
show(*draw.knee(one.loc[:, :1000], fit(one.median()), fit(one.median(), "sum")))

# %% [markdown]
# The points round the corner as the soft form does; the hard form is easier to say aloud.
# They agree on the place of the knee to within an eighth (40 and 45), and a knee is never needed more exactly than that.
# It is also steadier than floor and rate themselves: what slows the whole machine down slows both, and leaves their product alone.
#
# A second thread raises the rate 1.7-fold and the floor by a seventh, and so doubles the knee.
# It also makes the clock touchy, since threads wait for each other at every operation: a first recording on two threads, made while other programs ran, had updates of 100 ms at B = 10 and was thrown away.
# That is why every page of this course keeps to one thread.
#
# Three more of the lecture's sentences can be judged from here.
# For C20 the lecture assumes that an update takes equally long for B = 1 and 1,000; then an epoch at B = 1 takes 1,000 times as long.
# On this processor the update does not take equally long, and 60,000 small ones still take some forty times as long as 60 large ones.

# %% verdicts-epoch
longer = one[1000] / one[1]  # run by run: how much longer an update takes
verdict("C13", longer.max() < 100, (large[1000] / large[1]).max() < 100)
verdict("C20", (60_000 * one[1] / (60 * one[1000])).min() > 10)
beyond = one[60_000] / one[1000]
verdict("C21", longer.min() > 5, longer.max() < 1000 / 5, without=beyond.min() > 60 / 1.1)

# %% [markdown]
# ## The floor: calls
#
# The lesson left a gap: a few microseconds of arithmetic, a quarter of a millisecond of floor.
# What is the time spent on?
#
# PyTorch lets us listen in: a *dispatch mode* sees each operation on its way from Python to the processor.

# %% count-calls
images = torch.rand(1000, 1, 28, 28)
labels = torch.randint(10, (1000,))


class CountCalls(TorchDispatchMode):
    def __init__(self):
        super().__init__()
        self.calls = Counter()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.calls[operation.overloadpacket.__name__] += 1
        return operation(*args, **(kwargs or {}))


# %% calls-of
def update_with(batch_size):
    model = mlp((784, 128, 10), seed=0)
    return make_update(model, images[:batch_size], labels[:batch_size], lr=0.01)


def calls_of(update):
    with CountCalls() as counter:
        update()
    return counter.calls


# %% [markdown]
# **Predict.** How many operations is one update of 784-128-10?
# (In Python it is five lines: forward, loss, clearing the gradients, backward, step.)

# %% guess-calls
guess_calls = None  # a number of operations at B = 1; None skips it

# %% calls tags=["reveal", "nbval-ignore-output"]
calls = pd.DataFrame({f"B = {size:,}": calls_of(update_with(size)) for size in (1, 1000)})
display(calls.sort_index().nlargest(8, "B = 1"))
reply(guess_calls, calls["B = 1"].sum(), "operations")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# Some forty calls (the table has the most frequent), each of which Python, *autograd* (the part of PyTorch that finds the gradients) and the *dispatcher* (which picks a routine for the device and the type of number) have to prepare, and exactly as many for a thousand pictures as for one: a batch is one tensor, and an operation takes all of it.
#
# </details>
#
# Two experiments show that the calls are the floor, one for each direction of the argument.
# First, calls without work: a network of one input and one unit in each layer.
# Second, work with fewer calls: the chain rule by hand, without autograd, with steps that go into the weights directly.


# %% by-hand
def by_hand(model, images, labels, lr=0.01):
    w1, b1, w2, b2 = (w.detach() for w in model.parameters())
    x, rows, step = images.flatten(1), torch.arange(len(images)), -lr / len(images)

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


# %% [markdown]
# Is it the same update?
# One of each, from the same weights, on the same 64 pictures:


# %% same-weights
def weights_after(maker):
    model = mlp((784, 128, 10), seed=0)
    maker(model, images[:64], labels[:64], lr=0.1)()
    return torch.cat([w.detach().flatten() for w in model.parameters()])


start = torch.cat([w.detach().flatten() for w in mlp((784, 128, 10), seed=0).parameters()])
step_length = (weights_after(make_update) - start).norm()
apart = (weights_after(by_hand) - weights_after(make_update)).norm()
print(f"The two end {apart / step_length:.5f} steps apart.")

# %% [markdown]
# Now the three take turns, up to 1,000 examples, and the shortest of twenty readings counts, as in the lesson: what else runs can only make a reading longer.


# %% variants
def one_unit(batch_size):  # the same calls, next to nothing to compute
    zeros = torch.zeros(batch_size)
    return make_update(mlp((1, 1, 1), seed=0), zeros[:, None], zeros.long())


def fewer_calls(batch_size):
    return by_hand(mlp((784, 128, 10), seed=0), images[:batch_size], labels[:batch_size])


sizes = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000]


def shortest(updates, rounds=20):
    def read(update):
        return measure(
            update, clock=synchronised_clock("cpu"), repeats=1, at_least=0
        ).median

    return np.min([[read(update) for update in updates] for _ in range(rounds)], axis=0)


# %% floor tags=["nbval-ignore-output"]
makers = {
    "autograd, 784-128-10": update_with,
    "same calls, network 1-1-1": one_unit,
    "by hand, 784-128-10": fewer_calls,
}
milliseconds = shortest([make(size) for size in sizes for make in makers.values()])
floors = dict(zip(makers, milliseconds.reshape(len(sizes), -1).T, strict=True))
show(*draw.floor(sizes, floors, one.median()))

# %% [markdown]
# The grey curve is the recording, made while nothing else ran; the other three are of the machine on which this page was last run.
# On a quiet machine the same calls without the arithmetic stay flat at every batch size.
# The same arithmetic with half the calls starts far below autograd's floor; on the slope the two come together.
# (On a busy machine the curves jump and may cross; run the cell again.)
# So the floor is no law of nature: it is what a general and convenient library charges for each call.
#
# ## The slope: arithmetic
#
# A weight that is used once costs a multiplication and an addition, 2 operations.
# In the backward pass it is used twice, once for its own gradient and once to pass the gradient on.
# That makes 6·P operations for each example, with P weights, a rule of thumb that you meet everywhere.
#
# **Predict.** PyTorch can count.
# How many operations does an update of 784-128-10 take for each example and each weight?

# %% guess-rule
guess_rule = None  # operations for each weight; None skips it

# %% count-operations
conv = nn.Sequential(
    *(nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    nn.Linear(16, 10),
)
nets = {name: mlp(widths, seed=0) for name, widths in networks.items()}
nets["3×3 convolution to 16 channels, dense to 10"] = conv


def weights_and_operations(net):
    """Return P, and the operations of an update for one example."""
    with FlopCounterMode(display=False) as counter:
        F.cross_entropy(net(images[:100]), labels[:100]).backward()
    return sum(w.numel() for w in net.parameters()), counter.get_total_flops() / 100


counts = {name: weights_and_operations(net) for name, net in nets.items()}

# %% operations tags=["reveal"]
lines = [(name, f"{P:,}", f"{n:,.0f}", f"{n / P:,.2f}") for name, (P, n) in counts.items()]
names = ["network", "weights P", "operations for an example", "operations / P"]
display(pd.DataFrame(lines, columns=names))
weights, flops = counts["784-128-10"]
reply(guess_rule, flops / weights, "operations for each weight")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# The pixels need no gradient, so the first layer skips its third share; in the small network that layer is nearly everything, and 6·P becomes 4·P.
# The deeper the network, the nearer it comes to 6.
#
# The last line is a warning.
# A convolution uses each weight again at every place of the picture, here at 784 of them: *weight sharing*.
# 6·P is an upper bound only where each weight is used once for an example; with weight sharing a small P says nothing about the time.
#
# </details>
#
# The time cannot be shorter than operations divided by the machine's best speed, nor, if the weights come from memory, than bytes moved divided by its bandwidth.
# Both were measured with the recording: speed as the product of two large matrices, bandwidth as a copy.
# Bytes there are even at B = 1: an update reads or writes all weights, or something of their size, about seven times (forward; gradient; lr·gradient, in and out; the step, three times), 4 bytes a number.
# The picture that these limits draw is called a *roofline*.


# %% limits
def limits(network):
    """Return ms for each example by arithmetic, and ms for each update by moving the weights."""
    peaks = read_results(f"batch_timing.{machine}", threads=1)[
        ["peak_gflops", "peak_gbytes"]
    ].max()
    P, per_example = counts[network]
    return per_example / peaks["peak_gflops"] / 1e6, 7 * 4 * P / peaks["peak_gbytes"] / 1e6


medians = {"784-128-10": one.median(), "784-512x5-10": large.median()}
limit = {network: limits(network) for network in networks}

# %% roofline
show(*draw.roofline(medians, limit))


# %% shares
def share_line(network):
    (per_example, per_update), times = limit[network], medians[network]
    largest, best = times.index[-1], fit(times)
    return {
        "network": network,
        "at B =": f"{largest:,}",
        "of the best speed": f"{per_example * largest / times[largest]:.0%}",
        "floor (ms)": f"{best.t0:.2f}",
        "weights from memory (ms)": f"{per_update:.2f}",
        "knee": f"{best.knee:.0f}",
    }


pd.DataFrame([share_line(network) for network in networks])

# %% [markdown]
# On the slope the machine does what it can: large batches run at a good part of the speed that it reaches on nothing but a matrix product.
# No trick in Python will make them much faster.
#
# The floor has a second ingredient, and the large network shows it: fourteen times the weights have to travel at each update, batch or no batch.
# How fast they travel depends on where they lie.
# The small network's 0.4 MB stay in the cache, a small memory beside the processor that is faster than the one a large copy goes through; so the bandwidth of the memory says nothing about its floor.
# Of the large network's weights a part stays there too, for at B = 1 its recording lies below the limit.
# So fourteen times the weights do not move the knee fourteenfold: it is at 28 in place of 40, because the floor rises along with the slope.
#
# ## Summary
#
# - The knee of one thread is at 40 to 51, by either form and in all five runs.
# - The floor is calls, and for large networks also moving the weights. With fewer calls it is lower; without arithmetic it stays.
# - The slope is arithmetic, at three quarters of the best speed and more.
# - 6·P operations for each example is no law: 4·P for a shallow network on pixels, and hundreds of times more where weights are shared.
#
# ## Exercises
#
# Put your answer in place of the three dots and run the cell: a line says whether it is right.
# Take away the `#` in front of `hint` or `solution` to read it.
#
# **2C · Operations, counted by hand.** The rule says 6·P, the counter says less.
# Return the number of operations of an update for one example, in the matrix products, forward and backward, for any list of layer sizes.
# Count 2 for each use of a weight, as above.
# (about 2 lines)


# %% exercise-c
def operations(sizes):
    """Return the operations for one example; `sizes` is a list such as [784, 128, 10]."""
    ...


check("2C", operations)
# hint("2C")
# solution("2C")

# %% [markdown]
# **2D · A lower floor.** The floor is made of calls.
# Here is the update that this lesson times:
#
# ```python
# def make_update(model, images, labels, lr):
#     def update():
#         loss = F.cross_entropy(model(images), labels)
#         model.zero_grad()
#         loss.backward()
#         with torch.no_grad():
#             for w in model.parameters():
#                 w -= lr * w.grad
#
#     return update
# ```
#
# Write it again, so that its update gives the same weights with fewer calls.
# (copy it, then change 1 line)


# %% exercise-d
def make_lean_update(model, images, labels, lr):
    """Return a function of no arguments that makes one update."""
    ...


check("2D", make_lean_update)
# hint("2D")
# solution("2D")

# %% [markdown]
# **Further**
#
# 1. In the lesson's `time_updates(…)`, set `num_threads=2`. Which of floor and rate changes on your machine, and which way does the knee move?
# 2. Time your lean update of 2D beside `update_with`, as in the figure of the floor. Can you see it?
# 3. PyTorch has a stopwatch of its own, `torch.utils.benchmark.Timer(stmt="f()", globals={"f": …}, num_threads=1).blocked_autorange()`. Does its median for B = 100 lie between `low` and `high` of `measure`, between which half of its readings lie? (about 3 lines)
# 4. `course_utils.timing.measure_peaks("cpu", size=2048)` measures your machine's best speed and bandwidth. Which share of the speed does your update reach at B = 1, and at B = 1,000?
# 5. Open: design a network whose knee on your machine lies beyond 1,000, and another whose knee lies below 5. Predict both knees from calls, weights and operations before you measure them.
#
# ## References
#
# - S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance model for multicore architectures", Communications of the ACM 52(4), 2009, [doi 10.1145/1498765.1498785](https://doi.org/10.1145/1498765.1498785): the two limits.
# - NVIDIA, ["Matrix Multiplication Background"](https://docs.nvidia.com/deeplearning/performance/dl-performance-matrix-multiplication/index.html): the same limits on a GPU, and why its slope is a staircase.
# - PyTorch documentation, ["Benchmark utils"](https://docs.pytorch.org/docs/stable/benchmark_utils.html): the stopwatch of the third task under Further.
#
# Back to [lesson 2](../02_gpu_batch_timing.ipynb) · on to [2b · Which batch do you wait for least?](2b_time_to_accuracy.ipynb)
