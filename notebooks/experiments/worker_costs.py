"""What a worker costs: compute, all-reduce and the whole update of 1, 2 and 4 processes of this machine, in ms.

A cell is one start of four processes of one thread each, which take turns as one, two and four workers, so that
whatever else slows the machine slows all of them; on Linux each keeps to one core. `size` is the batch size B, for
all workers together, or the number of float32 numbers that are averaged. Gradients go by gloo over the loopback device. Data are random tensors
of MNIST's shape. `ms` is the shortest of 20 readings, with which least else got in the way, and `median_ms` their
median; each lasts until the last worker is done.
"""

from lessons.lesson_6.workers import NETWORKS, launch

jobs = 1  # workers must not share the machine with others
num_processes = 4
grid = {"run": range(1, 6), "network": list(NETWORKS)}
columns = ["workers", "part", "size", "ms", "median_ms"]
clock = ["ms", "median_ms"]


def run(run, network):
    """Return a row for each number of workers, part and size; `run` only tells repetitions apart."""
    return launch("costs", num_processes, "--network", network, timeout=900)
