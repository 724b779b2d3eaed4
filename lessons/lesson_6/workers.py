"""Several workers on one batch, in processes that torchrun starts and that talk through torch.distributed.

    torchrun --standalone --nproc-per-node 4 -m lessons.lesson_6.workers equality --out cases.json

runs one task on four processes of this machine. On two machines the same line is given on both, with
`--nnodes 2 --node-rank 0` (1 on the other) and `--master-addr HOST --master-port 29500` in place of `--standalone`,
HOST being the first. Where they do not find each other, `GLOO_SOCKET_IFNAME=eth0` names the network to use.
Where each worker of a machine can have a GPU of its own, they compute there and talk by nccl, else on processors
and by gloo. From Python, `launch("equality", 4)` does it all.
"""

import argparse
import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from course_utils.data import Split, load_mnist
from course_utils.models import mlp
from course_utils.timing import make_update, synchronised_clock
from course_utils.training import minibatches, sgd_step

NUM_STEPS, BATCH_SIZE, LR = 50, 64, 0.1
CASES = {  # what is done, and what is wrong with it
    "equal shards": "nothing",
    "unequal shards": "a mean of means favours the smaller shards",
    "padded last batch": "examples repeated until k divides the batch",
    "batch norm": "each worker has the statistics of its shard",
    "own shuffles": "a seed for each worker: shards overlap",
    "the same shard": "no worker knows its rank",
    "sum for mean": "as if η were k times as large",
}


class WorkerLost(RuntimeError):
    """A worker ended before its task; the message names its rank and how it ended."""


def launch(task: str, num_workers: int, *options: str, restarts: int = 0, timeout: float = 300):
    """Run `task` by torchrun on `num_workers` processes of this machine and return what rank 0 wrote as JSON.

    Where a worker dies, torchrun ends all of them and starts them again, `restarts` times at most.
    Raises WorkerLost where a worker ended before its time, TimeoutExpired (seconds) where all of them hang.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder, "out.json")
        torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        shape = ["--nproc-per-node", str(num_workers), "--max-restarts", str(restarts)]
        command = [*torchrun, *shape, "-m", __name__, task, "--out", str(out), *options]
        environment = os.environ | {"OMP_NUM_THREADS": "1"}
        if sys.platform == "linux":
            environment["GLOO_SOCKET_IFNAME"] = "lo"  # whatever the machine's name leads to
        path = [str(Path(__file__).parents[2]), *filter(None, [environment.get("PYTHONPATH")])]
        environment["PYTHONPATH"] = os.pathsep.join(path)
        run = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", timeout=timeout)
        if run.returncode:
            raise WorkerLost(_obituary(run.stderr))
        return json.loads(out.read_text(encoding="utf-8"))


def _obituary(text: str) -> str:
    """Return who died first and how, from what torchrun reports at the end of `text`."""
    report = text[text.rfind("FAILED") :]
    deaths = [
        (r, int(code)) for r, code in re.findall(r"rank\s*: (\d+).*?exitcode\s*: (-?\d+)", report, re.S)
    ]
    if not deaths:
        return f"torchrun could not run the workers: {text[-1000:]}"
    # One that was killed comes first: the others only lost their connection to it, or were ended (SIGTERM) after it.
    killed = [death for death in deaths if death[1] < 0 and death[1] != -signal.SIGTERM]
    rank, code = (killed or deaths[-1:])[0]
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    told = re.findall(r"^(?:\[rank\d+\]: )?(\w*Error: .*)", text, re.M)
    return f"the worker of rank {rank} {how}" + (f": {told[0]}" if code > 0 and told else "")


# ---- the same update from one worker and from k


def shard_of(batch: Tensor, rank: int, k: int, case: str) -> Tensor:
    """Return the part of `batch` that the worker `rank` of `k` computes on."""
    if case == "unequal shards":  # the first gets three quarters, the others share the rest
        most = 3 * len(batch) // 4
        return batch[:most] if rank == 0 else batch[most:].tensor_split(k - 1)[rank - 1]
    if case == "padded last batch":
        return torch.cat([batch, batch[: -len(batch) % k]])[rank::k]
    return batch.tensor_split(k)[0 if case == "the same shard" else rank]


def trained(case: str, device="cpu", rank: int = 0, k: int = 1) -> Tensor:
    """Return all weights after 50 updates at B = 64, (P,); one process alone (k = 1) never falls into a trap."""
    digits = load_mnist()[0].to(device)
    digits = digits[:1001] if case == "padded last batch" else digits
    model = mlp((784, 128, 10), seed=0, batch_norm=case == "batch norm").to(device)
    both = DistributedDataParallel(model) if k > 1 else model  # averages gradients in backward()
    seed = rank if case == "own shuffles" else 0
    order, batches = torch.Generator().manual_seed(seed), []
    while len(batches) < NUM_STEPS:
        batches += minibatches(len(digits), BATCH_SIZE, generator=order)
    for batch in batches[:NUM_STEPS]:
        mine = shard_of(batch, rank, k, case) if k > 1 else batch
        loss = F.cross_entropy(both(digits.images[mine]), digits.labels[mine])
        model.zero_grad()
        (k * loss if case == "sum for mean" else loss).backward()
        sgd_step(model.parameters(), LR)
    return torch.cat([w.detach().flatten() for w in model.parameters()])


def equality(rank: int, k: int, options) -> dict[str, float]:
    """Return, for each case, the largest difference between a weight of k workers and of one process."""
    return {
        case: float((trained(case, options.device, rank, k) - trained(case, options.device)).abs().max())
        for case in CASES
    }


# ---- what a worker costs

NETWORKS = {  # widths, and the largest batch that is timed
    "784-128-10": ((784, 128, 10), 1024),
    "784-512x5-10": ((784, 512, 512, 512, 512, 512, 10), 256),
}
COUNTS = [1000, 10_000, 100_000, 1_000_000]  # float32 numbers to average, besides the gradient's


def works_of(n: int, group, device, widths: Sequence[int], largest: int) -> dict:
    """Return what one of `n` workers does, by (n, part, size).

    "compute" is an update on B/n examples in which nobody talks, "update" the same by DistributedDataParallel (one
    worker alone needs none), for each B; "reduce" is the all-reduce of so many numbers, the network's P among them.
    """
    works = {}
    for part in ("compute", "update"):
        model = mlp(widths, seed=0).to(device)
        both = DistributedDataParallel(model, process_group=group) if n > 1 and part == "update" else model
        for size in [2**j for j in range(4, 17) if 2**j <= largest]:
            batch = torch.rand(size // n, widths[0]), torch.randint(10, (size // n,))
            works[n, part, size] = make_update(both, *(half.to(device) for half in batch))
    for count in [*COUNTS, sum(w.numel() for w in model.parameters())] if n > 1 else []:
        works[n, "reduce", count] = partial(dist.all_reduce, torch.zeros(count, device=device), group=group)
    return works


def take_turns(works: dict, keys: list, calls: list[int], device) -> Tensor:
    """Return the seconds that a call of each of `keys` takes, (keys,), up to the end of the last worker.

    Those that have the work begin at one moment, for which all have slept, and make so many `calls` of it.
    """
    clock, seconds = synchronised_clock(device), torch.zeros(len(keys), dtype=torch.double, device=device)
    for i, key in enumerate(keys):
        if key in works:
            works[key]()  # as in training, where updates follow one another: a connection that slept is slow
        start = torch.tensor(clock() + 0.02, dtype=torch.double, device=device)
        dist.broadcast(start, 0)  # the processes of one machine have one clock
        if key in works:
            time.sleep(max(0, float(start) - clock()))
            for _ in range(calls[i]):
                works[key]()
            seconds[i] = (clock() - start) / calls[i]
    dist.all_reduce(seconds, dist.ReduceOp.MAX)
    return seconds


def costs(rank: int, k: int, options) -> list[dict]:
    """Return a row for each part and size, for 1, 2, 4 … up to `k` workers: shortest and median of its readings, ms.

    The works take turns, so that whatever else slows the machine slows all alike; a reading takes about 10 ms.
    """
    if k > 1 and hasattr(
        os, "sched_setaffinity"
    ):  # on Linux each keeps to a core, or two that wake may share one
        cores = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {cores[rank % len(cores)]})
    counts, works = [n for n in (1, 2, 4, 8, 16) if n <= k], {}
    for n, group in [(n, dist.new_group(range(n))) for n in counts]:
        works |= works_of(n, group, options.device, *NETWORKS[options.network]) if rank < n else {}
    keys = [list(works)]
    dist.broadcast_object_list(keys)  # rank 0 has them all
    once = take_turns(works, *keys, [3] * len(keys[0]), options.device)
    calls = [math.ceil(0.01 / s) for s in once.tolist()]
    readings = [take_turns(works, *keys, calls, options.device) for _ in range(options.readings)]
    ms = 1000 * torch.stack(readings)
    times = zip(keys[0], ms.amin(0), ms.quantile(0.5, 0), strict=True)
    return [
        {
            "workers": n,
            "part": part,
            "size": size,
            "ms": float(f"{low:.4g}"),
            "median_ms": float(f"{mid:.4g}"),
        }
        for (n, part, size), low, mid in times
    ]


# ---- talking less


def mean_over_workers(tensors: Sequence[Tensor]) -> Tensor:
    """Return the mean of `tensors`, one for each worker in this process, and over all processes."""
    mean = torch.stack(list(tensors)).mean(0)
    if dist.is_initialized():
        dist.all_reduce(mean)
        mean /= dist.get_world_size()
    return mean


@torch.no_grad()
def outer_step(
    center: list[Tensor], models: Sequence[nn.Module], velocity: list[Tensor], lr, momentum
) -> None:
    """Let the mean move of the workers since `center` count as a gradient, and take a Nesterov step; start all anew.

    g ← center − mean(w), v ← βv + g, center ← center − η(g + βv). With η = 1 and β = 0 that is the mean of the
    workers (local SGD); Douillard et al. 2023 (DiLoCo) take η = 0.7 and β = 0.9.
    """
    for c, v, *ends in zip(center, velocity, *(m.parameters() for m in models), strict=True):
        g = c - mean_over_workers(ends)
        v.mul_(momentum).add_(g)
        c -= lr * (g + momentum * v)
        for w in ends:
            w.copy_(c)


def talk_less(
    digits: Split, ranks: Sequence[int], k: int, *, alone, lr, outer_lr, momentum, seed, num_steps, tell
):
    """Train the workers `ranks` of `k`, each on its own part of the digits with B = 64, and return one's model.

    Each makes `alone` updates, H, by itself; then comes an outer step. `tell(step, model)` is called after it.
    """
    models = [mlp((784, 128, 10), seed=seed).to(digits.images.device) for _ in ranks]
    center = [w.detach().clone() for w in models[0].parameters()]
    velocity = [torch.zeros_like(w) for w in center]
    orders = [torch.Generator().manual_seed(1000 * seed + rank) for rank in ranks]
    queues = [[] for _ in ranks]
    for step in range(1, num_steps + 1):
        for rank, model, order, queue in zip(ranks, models, orders, queues, strict=True):
            if not queue:
                part = torch.arange(len(digits))[rank::k]
                size = min(BATCH_SIZE, len(part))
                queue += [part[b] for b in minibatches(len(part), size, generator=order, drop_last=True)]
            batch = queue.pop()
            model.zero_grad()
            F.cross_entropy(model(digits.images[batch]), digits.labels[batch]).backward()
            sgd_step(model.parameters(), lr)
        if step % alone == 0:
            outer_step(center, models, velocity, outer_lr, momentum)
            tell(step, models[0])
    return models[0]


def quiet(rank: int, k: int, options) -> list[float]:
    """Return the weights, (P,), after 100 updates with H = 20 and an outer momentum."""
    settings = {"alone": 20, "lr": 0.1, "outer_lr": 0.4, "momentum": 0.9, "seed": 0, "num_steps": 100}
    model = talk_less(load_mnist()[0].to(options.device), [rank], k, **settings, tell=lambda *_: None)
    return torch.cat([w.detach().flatten() for w in model.parameters()]).tolist()


# ---- a worker that dies


def survive(rank: int, k: int, options) -> list[float]:
    """Return the weights, (P,), after 50 updates with momentum, with a checkpoint beside `--out` after every ten.

    The worker `--kill` dies once, at update 25, as by kill −9. Where torchrun may start all of them again, they go on
    from the checkpoint: weights, velocity, updates done and the state of the generator that shuffles.
    """
    digits, order, batches = load_mnist()[0].to(options.device), torch.Generator().manual_seed(0), []
    model, checkpoint = mlp((784, 128, 10), seed=0).to(options.device), options.out.with_suffix(".pt")
    velocity, done = [torch.zeros_like(w) for w in model.parameters()], 0
    if checkpoint.exists():
        saved = torch.load(checkpoint, map_location="cpu")
        model.load_state_dict(saved["weights"])
        velocity = [v.to(options.device) for v in saved["velocity"]]
        done, batches = saved["done"], saved["batches"]
        order.set_state(saved["order"])
    both = DistributedDataParallel(model)
    for step in range(done + 1, NUM_STEPS + 1):
        if step == 25 and rank == options.kill and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
            os.kill(os.getpid(), signal.SIGKILL)
        if not batches:
            batches = list(minibatches(960, BATCH_SIZE, generator=order))  # 15 in an epoch
        mine = batches.pop().tensor_split(k)[rank]
        model.zero_grad()
        F.cross_entropy(both(digits.images[mine]), digits.labels[mine]).backward()
        sgd_step(model.parameters(), LR, velocity, 0.9)
        if step % 10 == 0 and rank == 0:
            now = {"weights": model.state_dict(), "velocity": velocity, "done": step}
            torch.save(now | {"batches": batches, "order": order.get_state()}, f"{checkpoint}.tmp")
            os.replace(f"{checkpoint}.tmp", checkpoint)  # the whole file or the last one: never a half
    return torch.cat([w.detach().flatten() for w in model.parameters()]).tolist()


def place(local_rank: int, local_workers: int) -> tuple[str, str]:
    """Return how the workers of a machine talk and where this one computes: nccl if each can have a GPU of its own."""
    if torch.cuda.is_available() and torch.cuda.device_count() >= local_workers:
        return "nccl", f"cuda:{local_rank}"
    return "gloo", "cpu"


TASKS = {"equality": equality, "costs": costs, "quiet": quiet, "survive": survive}


def main() -> None:
    """Run the task that the command line names, as one of torchrun's processes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("task", choices=TASKS)
    parser.add_argument("--out", type=Path, required=True, help="where rank 0 writes what came out, as JSON")
    parser.add_argument("--network", choices=NETWORKS, default="784-128-10", help="whose updates are timed")
    parser.add_argument("--readings", type=int, default=20, help="of each time")
    parser.add_argument("--kill", type=int, help="the rank that dies at update 25")
    options = parser.parse_args()
    backend, options.device = place(int(os.environ["LOCAL_RANK"]), int(os.environ["LOCAL_WORLD_SIZE"]))
    if backend == "nccl":
        torch.cuda.set_device(options.device)
    # Those that were started again must not find the addresses of the dead, which stay in torchrun's store.
    store, rank, k = next(dist.rendezvous("env://"))
    store = dist.PrefixStore(os.environ["TORCHELASTIC_RESTART_COUNT"], store)
    dist.init_process_group(backend, store=store, rank=rank, world_size=k, timeout=timedelta(seconds=120))
    result = TASKS[options.task](rank, k, options)
    if rank == 0:
        options.out.write_text(json.dumps(result), encoding="utf-8")
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
