"""What a worker costs: compute, all-reduce and the whole update of 1, 2 and 4 processes on one machine.

Every worker is a process of one thread that computes on B/k examples, started by torchrun; gradients are averaged by
gloo over the loopback device. `compute` is forward, backward and step of one worker while all of them compute,
`reduce` the averaging of as many numbers as the network has weights, `update` both, as DistributedDataParallel
overlaps them. Of 25 readings the shortest counts, where nothing else got in the way, and the median stands beside it.
"""

from lessons.lesson_6.workers import launch

jobs = 1  # workers must not share the machine with others
grid = {"run": range(3), "workers": [1, 2, 4]}
clock = [f"{part}_{kind}" for part in ("compute", "reduce", "update") for kind in ("ms", "median_ms")]
columns = ["network", "weights", "batch_size", *clock]


def run(run, workers):
    """Return a row for each network and batch size; `run` only tells repetitions apart."""
    return launch("costs", workers, timeout=900)
