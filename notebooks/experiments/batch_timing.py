"""Milliseconds per update for batch sizes from 1 to 60,000, on whatever this machine has.

A cell is one curve. Without a GPU: one and two processor threads. With a GPU: every operation launched by Python
(eager) or all of them replayed as one CUDA graph, in fp32 and in bf16 (weights, batch and arithmetic). Data are
random tensors of MNIST's shape, because what a pixel shows costs no time. Peak speed and bandwidth are measured
before each curve, by the same process.
"""

import itertools

import torch

from course_utils.models import mlp
from course_utils.timing import measure_peaks, pinned_threads, time_updates

jobs = 1  # curves must not share the machine
num_examples = 60_000
batch_sizes = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 20_000, 60_000]
networks = {"784-128-10": (784, 128, 10), "784-512x5-10": (784, 512, 512, 512, 512, 512, 10)}
precisions = {"fp32": torch.float32, "bf16": torch.bfloat16}
matmul_size = {"cpu": 2048, "mps": 4096, "cuda": 8192}
runs = range(1, 6)


def cells(device, threads, kinds):
    """Return one cell for each run, number of threads and kind (network, largest batch size, mode, precision)."""
    names = ("device", "threads", "network", "largest", "mode", "precision", "run")
    combinations = itertools.product(runs, kinds, threads)
    return [dict(zip(names, (device, count, *kind, run), strict=True)) for run, kind, count in combinations]


# On a processor the large network is timed up to B = 1000 only: at 60,000 a single update takes seconds.
grid = (
    cells("cuda", [1], itertools.product(networks, [60_000], ["eager", "graph"], precisions))
    if torch.cuda.is_available()
    else cells("cpu", [1, 2], [("784-128-10", 60_000, "eager", "fp32")])
    + cells("cpu", [1], [("784-512x5-10", 1000, "eager", "fp32")])
)
columns = [
    *("batch_size", "load_ms", "copy_ms", "update_ms", "low_ms", "high_ms", "peak_mib"),
    *("peak_gflops", "peak_gbytes"),  # billions a second, of a large matrix product and of a copy
]
clock = [name for name in columns if name not in ("batch_size", "peak_mib")]


def run(device, threads, network, largest, mode, precision, run):
    """Return a row for each batch size; `run` only tells repetitions apart."""
    dtype = precisions[precision]
    with pinned_threads(threads):
        peaks = measure_peaks(device, size=matmul_size[device], dtype=dtype)
    images = torch.rand(num_examples, 1, 28, 28).to(dtype)
    labels = torch.randint(10, (num_examples,))
    model = mlp(networks[network], seed=0).to(device, dtype)
    sizes = [size for size in batch_sizes if size <= largest]
    curve = time_updates(model, images, labels, sizes, graph=mode == "graph", num_threads=threads)
    common = {"peak_gflops": peaks.flops / 1e9, "peak_gbytes": peaks.bandwidth / 1e9}
    return [tidy(timing._asdict() | common) for timing in curve.timings]


def tidy(row):
    """Return `row` with five significant digits of each measured number: more, and it would be noise."""
    return {key: float(f"{value:.5g}") if isinstance(value, float) else value for key, value in row.items()}
