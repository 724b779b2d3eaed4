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
# # 2c · What does a GPU change?
#
# A deeper page of [lesson 2](../02_gpu_batch_timing.ipynb), which measures a processor.
# The lecture's sentences on time are about GPUs, so here is one: an NVIDIA H100 in a machine with Xeon processors, recorded in five runs.
# The page also says where memory ends a batch, and puts the lecture's own GPUs, from 2015 to 2021, into proportion.
# It draws recordings and needs no GPU. Reading time: 20 minutes.

# %% imports
import pandas as pd
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from course_utils.checks import reply
from course_utils.claims import verdict
from course_utils.models import mlp
from course_utils.plotting import show
from course_utils.results import by_seed, read_results
from course_utils.timing import fit_knee
from lessons.lesson_2 import draw

# %% settings
gpu, processor = "nvidia-h100", "amd-epyc-2-cores"  # whose recorded times are used
networks = {
    "784-128-10": (784, 128, 10),
    "784-512x5-10": (784, 512, 512, 512, 512, 512, 10),
}
images, labels = torch.rand(10_000, 1, 28, 28), torch.randint(10, (10_000,))

# %% [markdown]
# ## A machine that starts slowly and then does not stop
#
# On one thread of our processor an update of lesson 1's small network takes 0.23 ms for one example and 350 ms for 60,000, 1,550 times as long.
# The H100 does 51,000 GFLOP/s in fp32, several hundred times what the thread does.
#
# **Guess.** On the H100, called from Python as ever: how many times as long as with a single example does an update take with all 60,000?

# %% guess-ratio
guess_ratio = None  # a number of 1 or more; None skips it


# %% recorded
def recorded(machine, network, **choice):
    """Return recorded ms per update: a line for each run, a column for each batch size."""
    rows = read_results(f"batch_timing.{machine}", network=network, threads=1, **choice)
    return by_seed(rows, "update_ms", "batch_size", seed="run")


modes = {"call by call": "eager", "one CUDA graph": "graph"}
on_gpu = {
    (network, name): recorded(gpu, network, mode=mode, precision="fp32")
    for network in networks
    for name, mode in modes.items()
}
thread = {network: recorded(processor, network) for network in networks}

# %% gpu tags=["reveal"]
show(*draw.gpu(thread, on_gpu))
t = on_gpu["784-128-10", "call by call"].median()
reply(guess_ratio, round(t[60_000] / t[1], 2), "times")

# %% [markdown]
# <details><summary>After your guess</summary>
#
# It takes as long. All batch sizes take about 1 ms, and that is four times the floor of our thread: a call costs a GPU more, because Python and PyTorch prepare it in the same way (here on another processor), and then it has to be launched.
# Up to a hundred examples the thread is ahead of a card that computes several hundred times as fast.
# With 784-512x5-10, which has 19 times the arithmetic for each example, the floor is 2 ms, and the slope shows beyond 10,000.
#
# </details>
#
# On a processor we proved that the floor is calls by making fewer of them by hand ([2a](2a_floor_and_slope.ipynb)).
# A GPU needs no chain rule by hand for that: a **CUDA graph** records the kernels of one update once, and replays all of them in one launch without Python.
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
# `course_utils.timing.as_cuda_graph` does this; it is the lower curve of the figure.

# %% floors
fits = {key: fit_knee(t.columns, t.median()) for key, t in on_gpu.items()}


def knee(fit):
    """Return the knee with its interval, as text."""
    if fit.high == float("inf"):
        return f"beyond {fit.low:,.0f}"
    return f"{fit.knee:,.0f} ({fit.low:,.0f} to {fit.high:,.0f})"


ends = {
    key: [f"{t.median()[size]:.2g}" for size in (1, 1000, 60_000)]
    for key, t in on_gpu.items()
}
names = ["network", "H100", "t(1) (ms)", "t(1,000)", "t(60,000)", "knee (95 %)"]
pd.DataFrame([(*key, *ends[key], knee(fit)) for key, fit in fits.items()], columns=names)

# %% [markdown]
# Knees are those of max(t₀, B/r), fitted as in lesson 2 (one thread's is at 40). Where a curve has hardly begun to rise, the recording does not bound its knee.
#
# Without Python nearly all of the floor is gone: 0.042 ms are left of 1 ms.
# And the knee comes down to some thousand examples, because arithmetic no longer hides behind the calls.
# (The lower curve climbs in stairs, and from 1,000 to 2,000 one leads down: probably the library picks other kernels there.)
# So whether "a larger batch takes no longer" up to 60,000 or up to a few thousand is decided by how the same kernels are started.
# (In bf16 the H100 multiplies 16 times as fast, and the curves of the graph bend later still: they are in the recording.)
#
# ## What it says of the lecture
#
# Four of the lecture's claims are about GPUs.
# So that the outcome could not bend the rules, they were fixed before any recording: called from Python, in fp32, on 784-128-10, medians of five runs.
#
# | claim | it holds if |
# |---|---|
# | C12, same time for 1, 10, 100, 1,000 | the largest of the four is less than 1.3 times the smallest |
# | C23, twenty at once as fast as one | t(20) is less than 1.3 times t(1) |
# | C14, a limit for very large batches | t(60,000) is more than twice t(1,000) |
# | C15, growth at 10,000 and 60,000 | both are more than 1.3 times t(1,000) |


# %% ratios
def ratios(runs):
    """Return what the rules look at."""
    t = runs.median()
    four = t[[1, 10, 100, 1000]]
    return {
        "C12: largest of four over smallest": four.max() / four.min(),
        "C23: t(20) / t(1)": t[20] / t[1],
        "C15: t(10,000) / t(1,000)": t[10_000] / t[1000],
        "C14, C15: t(60,000) / t(1,000)": t[60_000] / t[1000],
    }


seen = pd.DataFrame({key: ratios(t) for key, t in on_gpu.items()})
seen.map("{:.2f}".format)

# %% [markdown]
# The first column is the slice that was fixed. On it C12 and C23 hold, and C14 and C15 do not: the card is not yet busy with 60,000 digits.
# (Single runs of it are unquiet, as the processor that calls is: in C12 up to 1.5.)
# The second column is the other side: with the calls out of the way, it is the other way round.
# So no sentence of the four is about GPUs as such. What decides is which of the two is longer, the calls or the arithmetic.

# %% verdicts-gpu
called, graph = (seen["784-128-10", name] for name in modes)
c12, c23, at_10_000, at_60_000 = seen.index
verdict("C12", called[c12] < 1.3, without=graph[c12] > 1.3)
verdict("C14", graph[at_60_000] > 2, without=called[at_60_000] < 1.3)
grown = [t[[at_10_000, at_60_000]] for t in (graph, called)]
verdict("C15", grown[0].min() > 1.3, without=grown[1].max() < 1.3)
verdict("C23", called[c23] < 1.3, without=graph[c23] > 1.3)

# %% [markdown]
# ## What a fast card waits for
#
# An update was timed on a batch that lies on the card. Before that, the batch has to be picked out of the data in the computer's memory, by one thread, and copied over.

# %% parts
rows = read_results(f"batch_timing.{gpu}", network="784-128-10", precision="fp32")
parts = rows[rows["mode"] == "eager"].groupby("batch_size")
parts = parts[["load_ms", "copy_ms", "update_ms"]].median()
parts.columns = ["pick (ms)", "copy (ms)", "update (ms)"]
parts.loc[[1, 100, 1000, 10_000, 60_000]].map("{:.3g}".format).rename_axis("batch size")

# %% [markdown]
# From a thousand examples on, the card waits for its data longer than it works. The updates of an epoch take 0.06 s at B = 1,000 and a thousandth of a second at 60,000; with picking and copying it is 0.13 s and 0.19 s.
# Small data sets are best put on the card once, as the recordings of lesson 3 do; for large ones loaders work ahead, in processes of their own ([2b](2b_time_to_accuracy.ipynb) adds a loader's time to an epoch).
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
# (The H100 reported the most memory in use: from B = 1 to 60,000 it grew by 270 MiB, 4.7 kB an example with the batch itself.)
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
    return (
        f"{parts}",
        f"{kept_bytes(10_000 // parts) / 1e6:.1f}",
        f"{error:.5f}" if error > 1e-5 else "below 0.00001",
    )


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
    ("Tesla V100", 15.7, 900),  # so far from data sheets
    ("H100, measured", rows["peak_gflops"].median() / 1e3, rows["peak_gbytes"].median()),
]
lines = [
    (
        name,
        f"{flops:.1f}",
        f"{gbytes:,.0f}",
        *(f"{1000 * n / flops:.1f}" for n in work.values()),
    )
    for name, flops, gbytes in cards
]
names = ["card", "TFLOP/s", "GB/s", *(f"{network} (ms)" for network in networks)]
pd.DataFrame(lines, columns=names)

# %% [markdown]
# At full speed a V100 needs a thirtieth of a second for the larger of the two. The H100 took 12 ms for it, near its best.
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
# - Called from Python, an H100 takes 1 ms for an update of the small network, whether with one example or with 60,000; up to a hundred examples one thread of a processor is faster.
# - As one CUDA graph the floor is 0.04 ms, and the knee lies at a few thousand examples.
# - C12 and C23 hold where the calls take longer than the arithmetic, C14 and C15 where the arithmetic does. Each fails on the other side.
# - From about 1,000 examples on, picking and copying a batch take longer than the update.
# - Memory ends the batch, in proportion to B; accumulating gradients gets past it.
# - Ten seconds for 60,000 examples say nothing about the size of the network.
#
# **Open.** If you have a GPU, `make record EXP=batch_timing ARGS="--machine NAME"` takes four minutes; then set `gpu = "NAME"`. Where does *its* table differ from the one above?
#
# ## References
#
# - Hung-yi Lee, "Batch and Momentum", Machine Learning 2021, National Taiwan University: claims C11, C12, C14 to C17 and C23.
# - NVIDIA, data sheets of GeForce GTX 760, GeForce GTX 980 (whitepaper, 2014) and Tesla V100: peak speeds and bandwidths.
# - PyTorch documentation, ["CUDA graphs"](https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs): the recipe.
# - Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-based learning applied to document recognition", Proceedings of the IEEE 86(11), 1998, [doi 10.1109/5.726791](https://doi.org/10.1109/5.726791): where MNIST and its name come from.
#
# Back to [lesson 2](../02_gpu_batch_timing.ipynb) · before this [2b · Which batch do you wait for least?](2b_time_to_accuracy.ipynb) · next lesson: [3 · small or large?](../03_small_and_large_batches.ipynb)
