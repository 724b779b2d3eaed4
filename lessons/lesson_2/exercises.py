"""Judges of lesson 2's exercises: a floor and a rate, a loader in the clock, operations, calls, a stopwatch."""

from collections import Counter
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from course_utils.checks import Wrong, call, exercise, expect, number, numbers, tried
from course_utils.models import mlp
from course_utils.timing import make_update


def _expect_each(answer: Any, parts: list[tuple[str, float, dict[float, str]]], *, rel: float) -> None:
    """Raise Wrong unless `answer` holds the truth of each of `parts`: its name, its truth, its mistakes."""
    for value, (name, truth, mistakes) in zip(numbers(answer, len(parts)), parts, strict=True):
        with tried(name):
            expect(value, truth, mistakes, rel=rel)


@exercise(
    "2A",
    right="fifty times fewer updates make the epoch four times shorter, because only the way to the knee counts.",
    hint="First the milliseconds of one update, from t(B) = max(t₀, B/r), then how many updates an epoch has. "
    "Where is the knee, and on which side of it do the two batch sizes lie?",
    solution="""
floor, rate, num_examples = 0.2, 400, 60_000  # ms, examples per ms, examples
epoch_seconds = [num_examples / B * max(floor, B / rate) / 1000 for B in (20, 1000)]
check("2A", epoch_seconds)
""",
)
def _epoch_seconds(answer: Any) -> None:
    milliseconds = "these are milliseconds, and seconds are wanted."
    soft = "you added floor and B/r, which is the soft form; here the tighter of the two limits decides."
    alone = "this is the time of one update; an epoch has N/B of them."
    as_one = "you paid the floor for each example; it is paid once for each update."
    below = {
        0.15: "you divided all examples by the rate, but this batch is too small for the machine to reach it.",
        0.75: soft,
        600: milliseconds,
        0.0002: alone,
        0.2: alone,
        12: as_one,
    }
    above = {
        0.012: "you took the floor beyond the knee too, as if a batch of any size cost the same.",
        0.162: soft,
        150: milliseconds,
        0.0025: alone,
        2.5: alone,
        12: as_one,
    }
    if np.allclose(numbers(answer, 2), [0.15, 0.6], rtol=5e-3):
        raise Wrong("first the epoch at B = 20, then the one at B = 1,000.")
    _expect_each(answer, [("B = 20", 0.6, below), ("B = 1,000", 0.15, above)], rel=5e-3)


@exercise(
    "2B",
    right="less than a quarter of the time depends on the batch size at all, so a sixteenth of the updates saves "
    "little. The rest is paid for each example or each epoch: loading, evaluating, arithmetic.",
    hint="Two equations, 5.59 = a/64 + c and 4.38 = a/1024 + c, have two unknowns: subtract them and c is gone. "
    "What depends on B in the first run is a/64.",
    solution="""
a = (5.59 - 4.38) / (1 / 64 - 1 / 1024)  # minutes
share = a / 64 / 5.59
share_and_ms = share, share * 5.59 * 60_000 / 93_800
check("2B", share_and_ms)
""",
)
def _loader_in_the_clock(answer: Any) -> None:
    depends = (5.59 - 4.38) / (1 / 64 - 1 / 1024) / 64  # minutes of the run at B = 64
    share, milliseconds = depends / 5.59, depends * 60_000 / 93_800
    difference = (
        "this is the difference of the two runs, but at B = 1,024 a part that depends on B is left too."
    )
    shares = {
        (5.59 - 4.38) / 5.59: difference,
        1 - share: "this is the share that does not depend on the batch size.",
        100 * share: "a share is a number from 0 to 1, this is per cent.",
        depends: "these are minutes; divide by the time of the whole run.",
        1: "the whole time does not fall like 1/B; what of the part c?",
    }
    each = {
        (5.59 - 4.38) * 60_000 / 93_800: difference,
        5.59
        * 60_000
        / 93_800: "you spread the whole run over its updates; only the part that depends on B is asked.",
        milliseconds / 1000: "these are seconds, and milliseconds are wanted.",
        milliseconds / 60: "a minute has 60 seconds, and a second 1,000 milliseconds.",
        milliseconds / 60_000: "these are minutes, and milliseconds are wanted.",
        milliseconds * 100: "you divided by the updates of one epoch; the run has 100 epochs.",
        milliseconds * 64: "this is a for each update; at B = 64 the part that depends on B is a/64.",
    }
    _expect_each(answer, [("share", share, shares), ("milliseconds an update", milliseconds, each)], rel=1e-2)


def _due(weights: list[int]) -> int:
    return 6 * sum(weights) - 2 * weights[0]


WEIGHT_MISTAKES = (  # what comes out of it, given the weights of each layer: the sentence
    (lambda w: 6 * sum(w), "this is 6 a weight in every layer; who needs the gradient of the pixels?"),
    (lambda w: 4 * sum(w), "this is 4 a weight in every layer; the later layers pass a gradient on as well."),
    (lambda w: 2 * sum(w), "this is the forward pass alone; the backward pass uses the weights again."),
    (lambda w: sum(w), "these are the weights; how many operations does each of them cost?"),
    (lambda w: 3 * sum(w) - w[0], "a weight that is used once costs two operations, a product and a sum."),
    (lambda w: 6 * sum(w) - 2 * w[-1], "one layer passes no gradient on, but it is not the last one."),
    (lambda w: 6 * sum(w[1:]), "the first layer is left out; its weights have a gradient of their own."),
)


def _one_by_one(layers: list[tuple[int, int]]) -> int:
    """Return the products and sums of an update, where a sum of n products has n − 1 additions."""
    (n, m), *later = layers
    return (3 * n - 1) * m + sum((3 * n - 1) * m + (2 * m - 1) * n for n, m in later)


def _counted(sizes: list[int]) -> int:
    with FlopCounterMode(display=False) as counter:
        make_update(mlp(sizes, seed=0), torch.zeros(1, sizes[0]), torch.zeros(1, dtype=torch.int64))()
    return counter.get_total_flops()


@exercise(
    "2C",
    right="PyTorch's own counter agrees. The first layer costs 4 operations a weight, every other one 6, so 6·P is an "
    "upper bound that a deep network comes near.",
    hint="A layer from n to m units has n·m weights. Each is used three times: forward, for its own gradient, and to "
    "pass a gradient on. Which layer has nobody to pass it on to?",
    solution="""
def operations(sizes):
    weights = [n * m for n, m in zip(sizes, sizes[1:])]
    return 6 * sum(weights) - 2 * weights[0]

check("2C", operations)
""",
)
def _operations(answer: Any) -> None:
    for sizes in ([784, 128, 10], [20, 30, 40, 50], [12, 7]):
        layers = list(pairwise(sizes))
        weights = [n * m for n, m in layers]
        biases = "the biases are counted too; they are in no product, so leave them out."
        mistakes = {
            wrong([n * m + m for n, m in layers]): biases for wrong, _ in (*WEIGHT_MISTAKES, (_due, ""))
        }
        mistakes |= {wrong(weights): sentence for wrong, sentence in WEIGHT_MISTAKES}
        mistakes[_one_by_one(layers)] = (
            "this counts each product and each sum; the rule takes two operations for each use of a weight."
        )
        value = call(answer, sizes)
        with tried(f"for the layers {'-'.join(map(str, sizes))}"):
            expect(value, _counted(sizes), mistakes, rel=1e-6)


DETACH = torch.ops.aten.detach.default


class _Calls(TorchDispatchMode):
    """Counts the calls of operations, but for those that compute nothing: detach and the profiler's marks."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = Counter()

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.calls[operation] += operation.namespace != "profiler" and operation is not DETACH
        return operation(*args, **(kwargs or {}))


def _after_two(make: Callable, lr: float) -> tuple[torch.Tensor, int]:
    """Return the weights after two updates, flat, and how many calls the second of them makes."""
    model = mlp((6, 5, 3), seed=0)
    images, labels = torch.linspace(0, 1, 48).reshape(8, 1, 2, 3), torch.arange(8) % 3
    update = call(lambda: make(model, images, labels, lr))
    if not callable(update):
        raise Wrong("make_lean_update must return the function update, without calling it.")

    def once() -> int:
        with _Calls() as counter:
            update()
        return counter.calls.total()

    call(once)
    calls = call(once)
    return torch.cat([w.detach().flatten() for w in model.parameters()]), calls


def _page_update(model, images, labels, lr):
    return make_update(model, images, labels, lr=lr)


def _variant(step: Callable, clear: bool = True) -> Callable:
    """Return a maker of updates that change each weight by `step(w, lr)`; `clear` empties the gradients first."""

    def make(model, images, labels, lr):
        def update():
            loss = torch.nn.functional.cross_entropy(model(images), labels)
            if clear:
                model.zero_grad()
            loss.backward()
            with torch.no_grad():
                for w in model.parameters():
                    w += step(w, lr)

        return update

    return make


_SLIPS = (
    (_variant(lambda w, lr: lr * w.grad), "your weights go uphill: the step goes against the gradient."),
    (_variant(lambda w, lr: -w.grad), "your step leaves lr out: how is it told to the operation?"),
    (
        _variant(lambda w, lr: -lr * w.grad, clear=False),
        "the second update adds to the gradient of the first: who empties grad?",
    ),
    (
        _variant(lambda w, lr: 0 * w),
        "the weights have not moved: `w = w - …` makes a new tensor, the step must change w itself.",
    ),
)


@exercise(
    "2D",
    right="the same weights with fewer calls; the floor is made of calls, so a part of it is gone.",
    hint="`w -= lr * w.grad` is two calls for each weight tensor: a product, which needs memory of its own, "
    "and a subtraction. Look at the arguments of `Tensor.sub_`.",
    solution="""
import torch
import torch.nn.functional as F

def make_lean_update(model, images, labels, lr):
    def update():
        loss = F.cross_entropy(model(images), labels)
        model.zero_grad()
        loss.backward()
        with torch.no_grad():
            for w in model.parameters():
                w.sub_(w.grad, alpha=lr)

    return update

check("2D", make_lean_update)
""",
)
def _lean_update(answer: Any) -> None:
    if not callable(answer):
        call(answer)
    for lr in (0.1, 0.5):
        weights, calls = _after_two(answer, lr)
        wanted, page = _after_two(_page_update, lr)
        if not torch.allclose(weights, wanted, atol=1e-6):
            for slip, sentence in _SLIPS:
                if torch.allclose(weights, _after_two(slip, lr)[0], atol=1e-6):
                    raise Wrong(sentence)
            raise Wrong("after two updates the weights are not those of the lesson's update.")
        if calls >= page:
            raise Wrong(
                f"the weights are right, but your update makes {calls} calls on a small network, where the lesson's "
                f"makes {page} (without detach): which line makes two calls where one would do?"
            )


class PretendDevice:
    """A device with a queue and a clock of its own, in seconds: `update` returns at once, `wait` when all is done.

    `work` is what an update takes; the first order takes `start_up` more, order `held_up` is held up for `delay`,
    and the clock's hand moves once in `tick`. Where the queue is full, an order waits for a place in it.
    """

    ORDER, LOOK = 0.000002, 0.000001  # what an order costs, and a look at the clock
    QUEUE, MOST = 100, 40_000  # orders that it keeps, and orders that it takes in all

    def __init__(self, work: float, *, start_up=0.0, held_up=0, delay=0.0, tick=0.0) -> None:
        self.work, self.start_up, self.held_up, self.delay, self.tick = work, start_up, held_up, delay, tick
        self.now = self.done = 0.003  # the time, and when the queue will have run empty
        self.orders = 0
        self.busy = False  # whether it was at work at the last look at the clock

    def update(self) -> None:
        """Put one update into the queue; raise Wrong beyond `MOST`."""
        self.orders += 1
        if self.orders > self.MOST:
            raise Wrong(f"you make over {self.MOST:,} updates, where a few thousand updates are enough.")
        self.now = max(self.now + self.ORDER, self.done - self.QUEUE * self.work)
        self.now += self.start_up * (self.orders == 1)
        self.done = max(self.now, self.done) + self.work + self.delay * (self.orders == self.held_up)

    def wait(self) -> None:
        """Come back when the queue is empty."""
        self.now = max(self.now, self.done)

    def clock(self) -> float:
        """Return the time in seconds."""
        self.busy = self.done > self.now
        self.now += self.LOOK
        return self.now // self.tick * self.tick if self.tick else self.now


def _reading(answer: Any, device: PretendDevice) -> float:
    return number(call(lambda: answer(device.update, device.clock, device.wait)))


def _expect_ms(answer: Any, sentence: str, work: float, **faults: float) -> None:
    """Raise Wrong with `sentence` unless `answer` is right within 5 % on a device with these faults."""
    if abs(_reading(answer, PretendDevice(work, **faults)) - 1000 * work) > 50 * work:
        raise Wrong(sentence)


@exercise(
    "2E",
    right="a slow start, a stray disturbance and a coarse clock do not move it: it warms up, waits, lets a reading "
    "last long against the tick, and ignores the stray.",
    hint="Start from `time_by_hand` and let each reading span many updates, with a wait before each look at the "
    "clock. With a tick of 10 ms and updates below 1 ms, how many make the tick a small part of the reading?",
    solution="""
import numpy as np

def time_update(update, clock, wait, calls=1000, repeats=5):
    readings = []
    for _ in range(1 + repeats):
        wait()
        start = clock()
        for _ in range(calls):
            update()
        wait()
        readings.append(1000 * (clock() - start) / calls)
    return np.median(readings[1:])  # the first reading was the warm-up

check("2E", time_update)
""",
)
def _stopwatch(answer: Any) -> None:
    if not callable(answer):
        call(answer)
    too_short = "your readings are too short for a clock whose hand moves once in 10 ms."
    for work, other in ((0.00037, 0.00032), (0.00061, 0.00041)):  # short readings may fit a tick by luck
        calm = PretendDevice(work)
        value = _reading(answer, calm)
        if calm.busy:
            raise Wrong("nobody waits: the clock is read while the device is still at work.")
        _judge_calm(value, 1000 * work)
        start, ticks = {"start_up": 0.3}, {"tick": 0.01}
        stray = {"held_up": round(0.6 * calm.orders), "delay": calm.orders * work}
        for time, faults, sentence in (
            (
                work,
                start,
                "the first call is counted, and it starts the device up: warm up before you count.",
            ),
            (
                work,
                stray,
                "one stray disturbance moves your result: which summary of several readings ignores it?",
            ),
            (other, ticks, too_short),
            (work, start | stray | ticks, "start-up, stray and ticks together are too much for it."),
        ):
            _expect_ms(answer, sentence, time, **faults)


def _judge_calm(value: float, truth: float) -> None:
    """Raise Wrong unless `value` is `truth` within 5 %, on a device without faults."""
    if truth / 2000 < value < truth / 500:
        raise Wrong("these are seconds, and milliseconds are wanted.")
    if value > 1.5 * truth:
        raise Wrong("this is the time of several updates: divide by how many a reading spans.")
    if abs(value - truth) > 0.05 * truth:
        raise Wrong("your result is off by more than 5 % even on a quiet device.")
