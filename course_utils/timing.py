"""How long an update takes: a clock that waits for the device, a curve over batch sizes, a floor and a slope."""

import contextlib
import functools
import math
import platform
import re
import subprocess
import time
import timeit
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy.special import stdtrit
from torch import Tensor, nn

from course_utils.data import check_device
from course_utils.training import EXAMPLES, check_whole, sgd_step

Clock, Work, Device = Callable[[], float], Callable[[], object], torch.device | str


def device_name(device: Device) -> str:
    """Return the name that the maker gave `device`, such as "AMD EPYC", "Apple M2" or "NVIDIA H200"."""
    device = check_device(device)
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if platform.system() == "Darwin":  # where Python knows no more than "arm"
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout.strip()
    with contextlib.suppress(OSError):
        if found := re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text("utf-8")):
            return found[1]
    return platform.processor() or platform.machine()


@contextlib.contextmanager
def pinned_threads(num_threads: int) -> Iterator[None]:
    """Let PyTorch use exactly `num_threads` processor threads inside the block, as many as before after it."""
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def synchronised_clock(device: Device, *, clock=time.perf_counter, synchronise: Work | None = None) -> Clock:
    """Return a clock in seconds that waits, before it is read, until `device` has done all it was told to do.

    A processor does each thing at once, so that its clock need not wait.
    """
    device = check_device(device)
    waits = {"cuda": functools.partial(torch.cuda.synchronize, device), "mps": torch.mps.synchronize}
    wait = synchronise or waits.get(device.type)

    def read():
        wait()
        return clock()

    return read if wait else clock


class Spread(NamedTuple):
    """Milliseconds a call: the median of the readings, and the quartiles between which half of them lie."""

    median: float
    low: float
    high: float


def measure(work: Work, *, clock: Clock, warm_up=3, repeats=9, at_least=0.005) -> Spread:
    """Return the milliseconds that one call of `work` takes, as the Spread of `repeats` readings of `clock`.

    The first `warm_up` calls do not count. A reading spans as many calls as fill about `at_least` seconds, so
    that work handed to a device can queue up as it does in training. Raises ValueError for a count below 1.
    """
    check_whole("warm_up", warm_up)
    check_whole("repeats", repeats)
    timer = timeit.Timer(work, timer=clock)
    timer.timeit(warm_up - 1)
    calls = math.ceil(at_least / max(timer.timeit(1), 1e-6)) or 1
    readings = np.array(timer.repeat(repeats, calls)) * 1000 / calls
    return Spread(*np.quantile(readings, [0.5, 0.25, 0.75]).tolist())


def make_update(model: nn.Module, images: Tensor, labels: Tensor, *, lr: float = 0.01) -> Work:
    """Return a function that makes one update of `model` on one batch: forward, loss, backward, step.

    `images` (batch_size, ...) and `labels` (batch_size,) int64 must lie on the device of `model`.
    """
    weights = list(model.parameters())

    def update():
        loss = F.cross_entropy(model(images), labels)
        model.zero_grad()
        loss.backward()
        sgd_step(weights, lr)

    return update


def as_cuda_graph(update: Work, model: nn.Module, *, warm_up: int = 3) -> Work:
    """Return a function that replays `update` as one CUDA graph: the same kernels in one launch, without Python.

    It works on the batch and the weights that `update` worked on, where they lie (PyTorch documentation, "CUDA
    graphs", whole-network capture). `update` runs `warm_up` times first, and these do change the weights.
    """
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(warm_up):
            update()
    torch.cuda.current_stream().wait_stream(stream)
    model.zero_grad()  # so that the gradients are allocated anew, in memory that belongs to the graph
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=stream):
        update()
    return graph.replay


class Timing(NamedTuple):
    """What a batch of `batch_size` examples costs, in milliseconds; NaN where `status` is not "ok".

    `load_ms` picks the batch out of the data set, `copy_ms` brings it to the device, `update_ms` is one update on
    it (medians), with the quartiles `low_ms` and `high_ms`; `peak_mib` (MiB) is the most memory in use on a GPU.
    """

    batch_size: int
    load_ms: float = math.nan
    copy_ms: float = math.nan
    update_ms: float = math.nan
    low_ms: float = math.nan
    high_ms: float = math.nan
    peak_mib: float = math.nan
    status: str = "ok"


@dataclass(frozen=True)
class Curve:
    """The `timings` of one model over batch sizes, and the device, threads and version of torch behind them."""

    timings: tuple[Timing, ...]
    device: str
    num_threads: int
    torch: str

    def __getitem__(self, column: str) -> np.ndarray:
        """Return a field of the timings that fitted in memory, such as "update_ms", as an array (sizes,)."""
        return np.array([getattr(timing, column) for timing in self.timings if timing.status == "ok"])


def time_updates(
    model: nn.Module,
    images: Tensor,
    labels: Tensor,
    batch_sizes: Iterable[int],
    *,
    graph: bool = False,
    repeats: int = 9,
    num_threads: int = 1,
    clock: Clock | None = None,
) -> Curve:
    """Return the Curve of milliseconds per update of `model`, on the device where it lies.

    `images` (n, ...) and `labels` (n,) int64 are the data set, in the computer's memory and in the model's
    precision; a batch is drawn from it at random. `graph` replays the update as a CUDA graph. A batch that does
    not fit in memory becomes a Timing that says so. Raises ValueError for a batch size that is not in 1 … n.
    """
    device = next(model.parameters()).device
    read = functools.partial(measure, clock=clock or synchronised_clock(device), repeats=repeats)
    sizes = [check_whole("batch_size", size, 1, len(images), EXAMPLES) for size in batch_sizes]
    with pinned_threads(num_threads):
        timings = tuple(_time_batch(model, images, labels, size, graph, read) for size in sizes)
    return Curve(timings, device_name(device), num_threads, torch.__version__)


def _time_batch(model, images, labels, batch_size, graph, read) -> Timing:
    device = next(model.parameters()).device
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
    rows = torch.randperm(len(images))[:batch_size]
    try:
        batch = images[rows], labels[rows]
        load_ms = read(lambda: (images[rows], labels[rows])).median
        copy_ms = read(lambda: [part.to(device) for part in batch]).median
        update = make_update(model, *(part.to(device) for part in batch))
        update_ms = read(as_cuda_graph(update, model) if graph else update)
    except (RuntimeError, MemoryError) as error:  # PyTorch has no error of its own for a CPU's memory
        if not re.search("out of memory|allocate memory|not enough memory", str(error)):
            raise
        return Timing(batch_size, status="does not fit in memory")
    finally:
        model.zero_grad()  # gives the gradients' memory back before the next size
    peak = torch.cuda.max_memory_allocated(device) / 2**20 if device.type == "cuda" else math.nan
    return Timing(batch_size, load_ms, copy_ms, *update_ms, peak)


class Peaks(NamedTuple):
    """What a device does at best: `flops` floating-point operations a second, `bandwidth` bytes a second."""

    flops: float
    bandwidth: float


def measure_peaks(device: Device, *, size: int, dtype=torch.float32, clock: Clock | None = None) -> Peaks:
    """Return the Peaks of `device`: a product of two (size, size) matrices of `dtype`, and a copy of 256 MiB.

    The product takes 2·size³ operations; the copy reads every byte once and writes it once.
    """
    clock = clock or synchronised_clock(device)
    a, b = torch.rand(2, size, size, device=device).to(dtype)
    product = torch.empty_like(a)
    multiply = measure(lambda: torch.mm(a, b, out=product), clock=clock)
    source = torch.zeros(2**28, dtype=torch.uint8, device=device)
    target = torch.zeros_like(source)
    copy = measure(lambda: target.copy_(source), clock=clock)
    return Peaks(2 * size**3 / multiply.median * 1000, 2 * source.nbytes / copy.median * 1000)


SHAPES = {"max": lambda x: np.maximum(1, x), "sum": lambda x: 1 + x}


class Knee(NamedTuple):
    """A floor `t0` (ms) and a `rate` (examples per ms) that meet at batch size `knee` = t0·rate.

    `low` and `high` bound the knee's 95 % interval; 0 and infinity say that the batch sizes do not bound it.
    """

    t0: float
    rate: float
    knee: float
    low: float
    high: float
    shape: str

    def predict(self, batch_sizes) -> np.ndarray:
        """Return the milliseconds per update that the fit expects, float (sizes,)."""
        return self.t0 * SHAPES[self.shape](np.asarray(batch_sizes) / self.knee)


def fit_knee(batch_sizes: Sequence[int], milliseconds: Sequence[float], *, shape: str = "max") -> Knee:
    """Return the Knee of t(B) = max(t0, B/r), or of t0 + B/r for `shape` "sum", by least squares in log t.

    At a given knee the best log t0 is a mean, so that one scan over knees (in steps of 0.5 %) finds the minimum.
    The interval holds the knees whose sum of squares an F test with 1 and n-2 degrees of freedom does not reject
    at 5 %, as if the misfits were independent and equally wide. Raises ValueError for fewer than three sizes.
    """
    sizes, times = np.asarray(batch_sizes, dtype=float), np.asarray(milliseconds, dtype=float)
    n = len(sizes)
    if n < 3 or len(times) != n or min(sizes.min(), times.min()) <= 0:
        raise ValueError(f"a fit needs three or more positive sizes and times, got {n} and {len(times)}")
    knees = np.exp(np.arange(math.log(sizes.min() / 10), math.log(sizes.max() * 10), 0.005))
    log_t0 = np.log(times) - np.log(SHAPES[shape](sizes / knees[:, None]))  # (knees, sizes): one guess a size
    misfit = log_t0.var(axis=1)
    best = misfit.argmin()
    t0, knee = math.exp(log_t0[best].mean()), knees[best]
    likely = np.flatnonzero(misfit <= misfit[best] * (1 + stdtrit(n - 2, 0.975) ** 2 / (n - 2)))
    low = knees[likely[0]] if likely[0] > 0 else 0.0
    high = knees[likely[-1]] if likely[-1] < len(knees) - 1 else math.inf
    return Knee(t0, float(knee / t0), float(knee), float(low), float(high), shape)
