"""Judges of lesson 1's exercises: updates, a fair short batch, a batch that is quiet enough, draws, the floor."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_utils.checks import Wrong, call, exercise, expect, floats, tried


@exercise(
    "1A",
    right="every epoch ends with a short batch of 96 digits, and that is an update too: 469 an epoch.",
    hint="Count one epoch first. 60,000 isn't a multiple of 128: what becomes of the digits that are left over?",
    solution="""
import math

updates_in_ten_epochs = 10 * math.ceil(60_000 / 128)
check("1A", updates_in_ten_epochs)
""",
)
def _updates_in_ten_epochs(answer: Any) -> None:
    mistakes = {
        4687.5: "there is no half update: what happens to the digits left over at the end of an epoch?",
        4688: "you rounded once, after ten epochs; but a batch doesn't reach into the next epoch.",
        4687: "you rounded once, after ten epochs; but a batch doesn't reach into the next epoch.",
        4680: "you dropped the short batches; here the loader keeps them.",
        469: "this is one epoch.",
        468: "this is one epoch, and its short batch is missing.",
        468.75: "this is one epoch, and there is no half update.",
        600_000: "these are the digits looked at; one update looks at 128 of them.",
        10: "one update an epoch is the full batch.",
    }
    expect(answer, 4690, mistakes, rel=1e-5)


@exercise(
    "1B",
    right="a batch counts by its length. The same lengths, as weights, mend a mean of batch means (page 1b, trap 3).",
    hint="In an update an example has the weight rate / (examples in the batch). In a whole batch that is lr/B: which "
    "rate makes it the same in the short one? And which batch is short when B divides n?",
    solution="""
def fair_rates(n, batch_size, lr):
    lengths = [min(batch_size, n - first) for first in range(0, n, batch_size)]
    return [lr * length / batch_size for length in lengths]

check("1B", fair_rates)
""",
)
def _fair_rates(answer: Any) -> None:
    for n, batch_size, lr in ((20, 8, 0.1), (4000, 1500, 0.3), (20, 5, 0.2), (7, 7, 0.1)):
        with tried(f"for n = {n:,}, B = {batch_size:,}, lr = {lr}"):
            rates = floats(call(answer, n, batch_size, lr), "one rate for each update is wanted")
            _judge_rates(rates, n, batch_size, lr)


def _judge_rates(rates: np.ndarray, n: int, batch_size: int, lr: float) -> None:
    """Raise Wrong unless the last of `rates` gives an example as much weight as the others do."""
    updates, short = math.ceil(n / batch_size), n % batch_size
    if rates.ndim != 1:
        raise Wrong("one rate for each update is wanted, a list.")
    if len(rates) == n:
        raise Wrong("these are as many rates as there are examples; one for each update is wanted.")
    if len(rates) < updates:
        raise Wrong("too few rates: the short batch is an update too.")
    if len(rates) > updates:
        raise Wrong("too many rates: no batch is left over when the examples are used up.")
    if not np.allclose(rates[:-1], lr):
        raise Wrong("the whole batches keep the rate lr.")
    if short == 0:
        zero = {0: "the last batch is whole here, n % B is 0, and yet it gets the rate 0."}
        return expect(rates[-1], lr, zero)
    mistakes = {
        lr: "at the same rate, an example counts more in the short batch than in a whole one.",
        lr * batch_size / short: "this makes the short batch count even more: it has the fewer examples.",
        lr * short / n: "you compare the short batch with all examples; compare it with a whole batch.",
        lr / 2: "half the rate fits a batch that is half as long; how long is this one?",
        lr
        * (short / batch_size) ** 2: "the square is too much: the weight is rate / (examples in the batch).",
        lr
        * math.sqrt(short / batch_size): "the root is for noise; a weight is rate / (examples in the batch).",
        0: "a rate of 0 drops these examples; they should count as much as the others.",
    }
    expect(rates[-1], lr * short / batch_size, mistakes)


@exercise(
    "1C",
    right="43 digits, not 45, are as noisy as their gradient is long; and no noise at all takes the full batch.",
    hint="Noise is a length, and the formula of section 1a.1 holds for its square: wanted² = noise²/B · (n − B)/(n − 1). "
    "Multiply by B and collect what has a B in it.",
    solution="""
def batch_for(noise, n, wanted):
    return n * noise**2 / ((n - 1) * wanted**2 + noise**2)

check("1C", batch_for)
""",
)
def _batch_for(answer: Any) -> None:
    for noise, n, wanted in ((6.0, 10, 2.0), (8.99, 1000, 1.34), (2.0, 50, 2.0)):
        truth = _quiet_enough(noise, n, wanted)
        with tried(f"for noise = {noise:g}, n = {n:,}, wanted = {wanted:g}"):
            expect(call(answer, noise, n, wanted), truth, _batch_mistakes(noise, n, wanted))


def _quiet_enough(noise: float, n: int, wanted: float) -> float:
    """Return the batch size at which the noise is `wanted`."""
    return n * noise**2 / ((n - 1) * wanted**2 + noise**2)


def _batch_mistakes(noise: float, n: int, wanted: float) -> dict[float, str]:
    ratio, truth = (noise / wanted) ** 2, _quiet_enough(noise, n, wanted)
    return {
        ratio: "this is 1/√B, drawn with replacement; a batch of a shuffled epoch never has an example twice.",
        n * ratio / (n + ratio): "the correction is (n − B)/(n − 1), not (n − B)/n: at B = 1 it must be 1.",
        noise / wanted: "twice the batch doesn't halve the noise: how does noise fall with B?",
        n
        * noise
        / ((n - 1) * wanted + noise): "the formula is one for squared lengths, and these are lengths.",
        math.sqrt(
            noise / wanted
        ): "the root is the wrong way round: B grows like the square of noise/wanted.",
        1 / ratio: "this is upside down: less noise takes a larger batch.",
        math.floor(truth): "this is rounded; leave the fraction.",
        math.ceil(truth): "this is rounded; leave the fraction.",
        n - truth: "this is what the batch leaves out: n − B in place of B.",
    }


@exercise(
    "1D",
    right="of 1,000 examples some 368, a share 1/e, are left out of such an epoch, and as many come exactly once.",
    hint="`torch.randint(high, (count,), generator=generator)` draws with replacement; `split` cuts a tensor into "
    "batches and leaves the last one short.",
    solution="""
import torch

def minibatches_with_replacement(n, batch_size, generator):
    draws = torch.randint(n, (n,), generator=generator)
    return draws.split(batch_size)

check("1D", minibatches_with_replacement)
""",
)
def _minibatches_with_replacement(answer: Any) -> None:
    for n, batch_size in ((20, 8), (11, 3)):
        with tried(f"for n = {n}, B = {batch_size}"):
            _judge_loader(answer, n, batch_size)


def _judge_loader(answer: Any, n: int, batch_size: int) -> None:
    """Raise Wrong unless the epochs of `answer` are `n` draws each, cut into batches."""
    call(answer, n, batch_size, torch.Generator())  # a function, and it returns something
    first, second = call(_epochs, answer, n, batch_size, 2)
    _judge_lengths([len(batch) for batch in first], n, batch_size)
    if any(batch.is_floating_point() for batch in first):
        raise Wrong("example numbers pick rows of a tensor: they must be of an integer type.")
    again, _ = call(_epochs, answer, n, batch_size, 2)
    if not torch.equal(torch.cat(first), torch.cat(again)):
        raise Wrong("the same generator gives other batches at every run: hand `generator` on to what draws.")
    if torch.equal(torch.cat(first), torch.cat(second)):
        raise Wrong("the next epoch has the same batches: every epoch draws anew.")
    _judge_draws(call(_epochs, answer, n, batch_size, 400), n)


def _epochs(function: Any, n: int, batch_size: int, count: int) -> list[list[Tensor]]:
    """Return the batches of `count` epochs in a row, all drawn from one generator."""
    generator = torch.Generator().manual_seed(1)
    return [
        [torch.as_tensor(batch).reshape(-1) for batch in function(n, batch_size, generator)]
        for _ in range(count)
    ]


def _judge_lengths(lengths: list[int], n: int, batch_size: int) -> None:
    """Raise Wrong unless `n` draws were cut into batches of `batch_size`, the last one short."""
    whole, short = divmod(n, batch_size)
    if lengths == [batch_size] * whole + [short]:
        return
    mistakes = {
        (batch_size,) * whole: "the short batch is missing: an epoch is n draws.",
        (batch_size,) * (whole + 1): "the last batch is too long: an epoch is n draws, not a multiple of B.",
        (n,): "this is one batch of all draws: cut it into batches of B.",
        (batch_size,): "this is one batch; an epoch has n draws.",
        (1,) * n: "these are single examples: cut the draws into batches.",
        (1,) * batch_size: "this is one batch; an epoch has n draws.",
    }
    raise Wrong(mistakes.get(tuple(lengths), f"your batches have the lengths {lengths}."))


def _judge_draws(epochs: list[list[Tensor]], n: int) -> None:
    """Raise Wrong unless each draw of the 400 epochs was one from all `n` examples."""
    drawn = torch.cat([batch for epoch in epochs for batch in epoch]).tolist()
    counts = np.array([drawn.count(i) for i in range(n)])
    if not set(drawn) <= set(range(n)) or 0 in counts:
        raise Wrong("the examples are counted from 0 to n − 1; each of them must come, and no other number.")
    different = [[set(batch.tolist()) for batch in epoch] for epoch in epochs]
    used = [len(set.union(*batches)) for batches in different]
    if min(used) == n:
        raise Wrong("each example comes exactly once an epoch: that is shuffling, drawn without replacement.")
    if all(len(batch.unique()) == len(batch) for epoch in epochs for batch in epoch):
        raise Wrong("no batch has an example twice: you put the examples back only between batches.")
    if used == [sum(map(len, batches)) for batches in different]:
        raise Wrong("no two batches of an epoch share an example: every draw is one out of all n.")
    if all(batches[-1] <= batches[0] for batches in different):
        raise Wrong("the batches of an epoch repeat each other: draw for each of them.")
    if abs(counts - 400).max() > 100:  # 400 expected, five standard deviations are 98
        raise Wrong(
            f"some examples come far more often than others, {counts.max()} times against {counts.min()}."
        )


@exercise(
    "1E",
    right="for small η it is the page's η·tr(Σ)/(4B); towards 2/h it grows without bound, however little noise there is.",
    hint="An update is w ← (1 − ηh)·w − η·ε, where ε has the variance σ²/B. The variance V of w stays the same when "
    "V = (1 − ηh)²·V + η²σ²/B. The loss is h/2 times V. When does V have no such value?",
    solution="""
import numpy as np

def floor_in_a_bowl(lr, curvature, variance, batch_size):
    if lr * curvature >= 2:
        return np.inf
    shrink = (1 - lr * curvature) ** 2
    return curvature / 2 * lr**2 * variance / batch_size / (1 - shrink)

check("1E", floor_in_a_bowl)
""",
)
def _floor_in_a_bowl(answer: Any) -> None:
    below = ((0.1, 3.0, 5.0, 4), (0.9, 2.0, 7.0, 1), (0.5, 0.5, 8.0, 16), (1.5, 0.5, 5.0, 4))
    for case in (*below, (1.0, 2.5, 5.0, 4), (0.5, 5.0, 5.0, 4), (1.0, 2.0, 5.0, 4)):
        lr, curvature, variance, batch_size = case
        wall = " (there η = 2/h)" if lr * curvature == 2 else ""
        with tried(f"for η = {lr}, h = {curvature:g}, σ² = {variance:g}, B = {batch_size}{wall}"):
            _judge_floor(call(answer, *case), *case)


def _judge_floor(floor: Any, lr: float, curvature: float, variance: float, batch_size: int) -> None:
    """Raise Wrong unless `floor` is the mean excess loss, infinite from η = 2/h on."""
    wall = 2 / curvature
    value = floats(floor, "a number is wanted", finite=False)
    infinite = value.size == 1 and value.item() == math.inf
    if lr < wall and infinite:
        raise Wrong(f"η = {lr} lies below 2/h = {wall:g}, and there the loss stays finite.")
    if lr < wall:
        truth = lr * variance / (2 * batch_size * (2 - lr * curvature))
        return expect(floor, truth, _floor_mistakes(lr, curvature, variance, batch_size))
    if not infinite and lr == wall:
        raise Wrong("exactly at 2/h the weight forgets no noise, so its variance grows with every update.")
    if not infinite:
        raise Wrong(
            f"η = {lr} is beyond 2/h = {wall:g}: there the weight runs away, and what becomes of the loss?"
        )


def _floor_mistakes(lr: float, curvature: float, variance: float, batch_size: int) -> dict[float, str]:
    truth = lr * variance / (2 * batch_size * (2 - lr * curvature))
    return {
        lr * variance / (4 * batch_size): "this is the page's formula for small η; a long step adds more.",
        2 * truth / curvature: "this is the variance of the weight; the loss is h/2 times that.",
        truth * curvature: "you have h once too often: the loss is h/2 times the variance of the weight.",
        2 * truth: "the loss is *half* the curvature times the variance of the weight.",
        truth / lr: "the step adds η·ε to the weight, so η² times the noise's variance.",
        truth * batch_size: "the noise of a batch is smaller than that of one example; where is B?",
        truth / batch_size: "B divides the variance once; its square would be too quiet.",
        lr
        * variance
        / (2 * batch_size): "the distance shrinks to 1 − ηh of itself, so its *square* to (1 − ηh)².",
        truth * variance: "the variance is given; it is a square already.",
    }
