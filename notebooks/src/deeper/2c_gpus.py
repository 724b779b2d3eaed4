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
# # 2c · What is still to be measured on a GPU?
#
# A deeper page of [lesson 2](../02_gpu_batch_timing.ipynb), whose measurements are all from a processor.
# It says which of the lecture's claims wait for a GPU, what will count as an answer, and what to expect; and it puts the lecture's own GPUs, from 2015 to 2021, into proportion.
# Reading time: 20 minutes.

# %% imports
import pandas as pd
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from course_utils.claims import verdict
from course_utils.models import mlp
from course_utils.plotting import show
from course_utils.results import by_seed, read_results
from course_utils.timing import fit_knee
from lessons.lesson_2 import draw

# %% settings
machine = "amd-epyc-2-cores"  # whose recorded times are used
networks = {
    "784-128-10": (784, 128, 10),
    "784-512x5-10": (784, 512, 512, 512, 512, 512, 10),
}
images, labels = torch.rand(10_000, 1, 28, 28), torch.randint(10, (10_000,))

# %% [markdown]
# ## What to expect
#
# In our model a GPU is two other numbers.
# A call costs it about as much, because Python and PyTorch prepare it in the same way, and on top of that each call that computes is a *kernel launch*, an order that takes some microseconds to reach the device.
# But a V100's data sheet promises 15,700 GFLOP/s, some 170 times what our thread reaches, so the rate should be about 170 times as high, and the knee as much further right.

# %% expected
rows = read_results(f"batch_timing.{machine}", network="784-128-10", threads=1)
recorded = by_seed(rows, "update_ms", "batch_size", seed="run").median()
processor = fit_knee(recorded.loc[:1000].index, recorded.loc[:1000], shape="sum")
faster = 15_700 / rows["peak_gflops"].max()  # how many times the arithmetic of one thread


def v100(floor):
    return floor + recorded.index.to_numpy() / (processor.rate * faster)


expected = {"V100": v100(processor.t0), "V100, CUDA graph": v100(processor.t0 / 3)}
show(*draw.prediction(recorded, expected))

# %% expected-table
pd.DataFrame(
    [
        (name, f"{t0:.2f}", f"{rate:,.0f}", f"{t0 * rate:,.0f}")
        for name, t0, rate in [
            ("one thread, fitted", processor.t0, processor.rate),
            ("V100, expected", processor.t0, processor.rate * faster),
            ("V100 with a CUDA graph, expected", processor.t0 / 3, processor.rate * faster),
        ]
    ],
    columns=["machine", "floor (ms)", "rate (ex./ms)", "knee"],
)

# %% [markdown]
# That is the lecture's picture: flat up to 1,000, visibly higher at 10,000 and 60,000.
# It is a prediction; nobody has recorded a GPU for this page.
#
# The lower curve is a second prediction.
# On a processor we proved that the floor is calls by making fewer of them by hand ([2a](2a_floor_and_slope.ipynb)).
# On a GPU the same proof needs no chain rule by hand: a **CUDA graph** records the kernels of one update once, and replays all of them in one launch without Python.
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
# `course_utils.timing.as_cuda_graph` does this, and a GPU's recording holds both curves.
# We expect the floor to fall to a third or less: if each of some forty kernels takes one or two microseconds (assumed, not measured), they take 0.04 to 0.08 ms, where our thread needs 0.24 ms for the calls.
# The knee would fall with it: then 1,000 examples may lie on the slope of a GPU too.
#
# ## What will count
#
# Four of the lecture's claims are about GPUs.
# So that the outcome cannot bend the rules, they are fixed here before any recording: without a CUDA graph, in fp32, on 784-128-10, medians of five runs.
#
# | claim | it holds if |
# |---|---|
# | C12, same time for 1, 10, 100, 1,000 | the largest of the four is less than 1.3 times the smallest |
# | C14, a limit for very large batches | t(60,000) is more than twice t(1,000) |
# | C15, growth at 10,000 and 60,000 | both are more than 1.3 times t(1,000) |
# | C23, twenty at once as fast as one | t(20) is less than 1.3 times t(1) |

# %% owed
verdict("C12")
verdict("C14")
verdict("C15")
verdict("C23")

# %% [markdown]
# If you have a GPU, `make record EXP=batch_timing ARGS="--machine NAME"` on a quiet machine settles them.
#
# ## Where memory ends
#
# What sets an end to the batch is not time but memory: each example leaves numbers behind in the forward pass that the backward pass needs.
# Autograd's hooks show what is kept.


# %% kept-bytes
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


# %% kept
kept = {n: [kept_bytes(size, n) for size in (100, 1000)] for n in networks}
pd.DataFrame(
    [
        (
            network,
            f"{at_1000 / 1000 / 1e3:.1f}",
            f"{at_1000 / at_100:.1f}",
            f"{60 * at_1000 / 1e9:.2f}",
        )
        for network, (at_100, at_1000) in kept.items()
    ],
    columns=["network", "kept (kB an example)", "B = 1,000 over 100", "at B = 60,000 (GB)"],
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


# %% in-parts
def gradient_in(parts):
    return accumulated_gradient(mlp((784, 128, 10), seed=0), images, labels, parts)


def line(parts, whole):
    error = (gradient_in(parts) - whole).norm() / whole.norm()
    return f"{parts}", f"{kept_bytes(10_000 // parts) / 1e6:.1f}", f"{error:.5f}"


pd.DataFrame(
    [line(parts, gradient_in(1)) for parts in (1, 10)],
    columns=[
        "parts of a batch of 10,000",
        "kept at a time (MB)",
        "distance from the whole gradient, in its lengths",
    ],
)

# %% [markdown]
# One update of 10,000 with the memory of 1,000.
# In time it costs ten small passes instead of one large one: nothing as long as the parts are beyond the knee, and up to ten times as much if they are not.
# (Batch normalisation is the exception, as so often: it sees the parts and not the whole.)
#
# ## The lecture's GPUs
#
# The lecture says that its slide is made anew each year: with a GTX 760 in 2015, and with a GTX 980 in 2017, on which a batch of 60,000 took several minutes; on a V100 it now takes 10 seconds.
# This is history, without a model and without code, so it cannot be repeated.
# It can be put into proportion: what would a batch of 60,000 take at full speed?


# %% operations
def operations(network):
    """Return the operations of an update for one example, counted."""
    with FlopCounterMode(display=False) as counter:
        F.cross_entropy(
            mlp(networks[network], seed=0)(images[:100]), labels[:100]
        ).backward()
    return counter.get_total_flops() / 100


work = {
    network: 60_000 * operations(network) / 1e12 for network in networks
}  # 10¹² operations

# %% at-best
cards = [
    ("GTX 760", 2.3, 192),
    ("GTX 980", 4.6, 224),
    ("Tesla V100", 15.7, 900),
]  # data sheets
lines = [(*card, *(f"{1000 * n / card[1]:.1f}" for n in work.values())) for card in cards]
names = ["card", "TFLOP/s", "GB/s", *(f"{network} (ms)" for network in networks)]
pd.DataFrame(lines, columns=names)

# %% [markdown]
# At full speed a V100 needs a thirtieth of a second for the larger of the two, and one thread of our processor needed a third of a second for the smaller.
# So what are 10 seconds?
# They are time for 2.6 billion operations an example.
# That can be a network of 440 million weights, each used once at 6 operations; or, with weight sharing, one of 1.9 million weights that are used as often as those of the small convolution in [2a](2a_floor_and_slope.ipynb), at 1,371 operations a weight; or a small network, and mostly something other than arithmetic.
# The ten seconds do not say which, and the lecture does not name its model: an upper bound for one set-up (C16, open).
#
# From the 980 to the V100 the peak grew 3.4-fold and the bandwidth fourfold (from the 760, seven- and fivefold), while "several minutes" to 10 seconds is a factor of 18 or more.
# The hardware's peaks alone do not explain it; drivers, libraries and code have come along as well (C17, open).
#
# And MNIST, the "hello world" of the field, is short for *Modified* NIST, not for "Mixed" (C11, a slip).
#
# ## Summary
#
# - If a V100 reaches the same share of its best speed as our thread, its knee sits some 170 times further right, beyond 1,000; with a CUDA graph at a third of that.
# - Four claims wait for a recording, and the rules for judging them are fixed.
# - Memory ends the batch, in proportion to B; accumulating gradients gets past it.
# - Ten seconds for 60,000 examples say nothing about the size of the network.
#
# ## References
#
# - Hung-yi Lee, "Batch and Momentum", Machine Learning 2021, National Taiwan University: claims C11, C12, C14 to C17 and C23.
# - NVIDIA, data sheets of GeForce GTX 760, GeForce GTX 980 (whitepaper, 2014) and Tesla V100: peak speeds and bandwidths.
# - PyTorch documentation, ["CUDA graphs"](https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs): the recipe.
# - Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition", Proceedings of the IEEE 86(11), 1998, [doi 10.1109/5.726791](https://doi.org/10.1109/5.726791): where MNIST and its name come from.
#
# Back to [lesson 2](../02_gpu_batch_timing.ipynb) · before this [2b · Which batch do you wait for least?](2b_time_to_accuracy.ipynb) · next lesson: [3 · small or large?](../03_small_and_large_batches.ipynb)
