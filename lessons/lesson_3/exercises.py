"""Checks of lesson 3's exercises: budgets, learning-rate rules, tuning without peeking, noise, time to wait."""

import math

import numpy as np

from course_utils.checks import call, exercise, expect, tried


@exercise(
    "3A",
    right="in ten epochs B = 16 makes 2,500 updates and B = 1,024 makes 40; to catch up, it must look at every digit "
    "625 times.",
    hint="Count the updates of one epoch of 4,000 digits at both sizes; a short last batch is an update as well.",
    solution="""
import math

updates_of_16 = 10 * math.ceil(4000 / 16)
epochs_needed = updates_of_16 / math.ceil(4000 / 1024)
check("3A", epochs_needed)
""",
)
def judge_equal_updates(answer):
    mistakes = {
        640: "1,024 is 64 times 16, but 4,000 digits don't divide into batches of 1,024: the short last batch "
        "is an update too.",
        10: "these are equal epochs; in them the two sizes make very different numbers of updates.",
        2500 / 3: "you dropped the short last batch of each epoch; it is an update too.",
        64: "you compared one epoch with one epoch: B = 16 has ten.",
        62.5: "you compared one epoch with one epoch: B = 16 has ten.",
        10
        / 62.5: "this is upside down: the larger batch makes fewer updates in an epoch, so it needs more epochs.",
        2500: "these are the updates that B = 16 makes: how many does B = 1,024 make in one epoch?",
        40: "these are the updates that B = 1,024 makes in ten epochs: how many epochs until it has as many as B = 16?",
    }
    expect(answer, 625, mistakes)


def _linear(size, _):
    return size / 16 / 16


def _root(size, _):
    return math.sqrt(size / 16) / 16


RULES = {"linear": _linear, "square root": _root}
RATE_MISTAKES = {  # what would come out of it, given batch size and λ_max: the sentence
    "linear": {
        _root: "this is the square-root rule: linear means twice the batch, twice the rate.",
        lambda size, _: 1 / size: "your rate falls as the batch grows; it should grow.",
    },
    "square root": {
        _linear: "this is the linear rule: with the square root a batch four times as large gets twice the rate.",
        lambda size, _: math.sqrt(16 / size) / 16: "your rate falls as the batch grows; it should grow.",
        lambda size, _: (
            math.sqrt(size) / 16
        ): "this is √B/16, which isn't 1/16 at B = 16: take the root of the factor "
        "alone by which the batch grew.",
        lambda size, _: (
            math.sqrt(size) / 256
        ): "this is √B/256, which isn't 1/16 at B = 16: the root is of the factor alone by which the batch grew.",
    },
    "both": {
        lambda *_: 1 / 16: "this rate is fixed; both rules change it with the batch.",
        lambda size, _: size / 16: "at B = 16 the rate must be 1/16: the batch counts in multiples of 16.",
        lambda _, top: 2 / top: "this is the wall: take it only where the rule asks for more.",
        lambda _, top: 1 / top: "1/λ_max leads straight to the bottom of the bowl; the wall is twice as far.",
        lambda _, top: top: "λ_max is a curvature; the larger it is, the smaller the rates that train.",
    },
}


@exercise(
    "3B",
    right="where 16 divides N and no wall is near, the linear rule keeps (η × updates) of an epoch the same; the wall "
    "knows nothing of B.",
    hint="By which factor has the batch grown since B = 16? Multiply 1/16 with it, or with its root; then compare with "
    "the wall.",
    solution="""
import math

def scaled_rate(batch_size, rule, top_eigenvalue):
    factor = batch_size / 16
    if rule == "square root":
        factor = math.sqrt(factor)
    return min(factor / 16, 2 / top_eigenvalue)

check("3B", scaled_rate)
""",
)
def judge_rules_and_wall(answer):
    for size, rule, top in (
        (16, "linear", 1.6),
        (64, "linear", 1.0),
        (144, "square root", 1.0),
        (4, "linear", 2.5),
        (1024, "linear", 3.0),
        (4096, "square root", 12.5),
    ):
        free, wall = RULES[rule](size, top), 2 / top
        mistakes = {
            mistake(size, top): sentence
            for mistake, sentence in (RATE_MISTAKES["both"] | RATE_MISTAKES[rule]).items()
        }
        if free > wall:
            mistakes[free] = "the rule asks for a rate beyond the wall 2/λ_max here, and it gets it."
            mistakes[1 / 16] = (
                "you fall back to 1/16 where the rule asks for more: go as far as the wall allows."
            )
        rate = call(answer, size, rule, top)
        with tried(f"for B = {size:,}, {rule}, λ_max = {top:g}"):
            expect(rate, min(free, wall), mistakes)


TABLES = {  # `valid` and `test`, (rates, seeds), as a reader can make them; the first tells all mistakes apart
    f"np.random.default_rng({seed}).uniform(0.5, 1, (2, {rates}, {seeds}))": (
        np.random.default_rng(seed).uniform(0.5, 1, (2, rates, seeds))
    )
    for seed, rates, seeds in ((310, 20, 5), (0, 4, 3))
}


def tuning_mistakes(valid, test):
    """Return what each way of tuning wrongly would report, mapped to the sentence that names it."""
    luckiest = np.unravel_index(valid.argmax(), valid.shape)[0]
    seeds = np.arange(valid.shape[1])
    own_rate = "you chose a rate for every seed: choose one rate, by its mean over the seeds."
    chosen_by_test = (
        "you chose on the test digits; they must choose nothing, or they flatter what they chose."
    )
    one_run = "one lucky run chose the rate: choose by the mean over the seeds."
    not_the_mean = "choose by the plain mean over the seeds, not by the median, the worst seed or the spread."
    axes = "you took the mean over the rates and chose a seed: mind the axes."
    return {
        test[np.median(valid, axis=1).argmax()].mean(): not_the_mean,
        test[valid.min(1).argmax()].mean(): not_the_mean,
        test[(valid.mean(1) - valid.std(1)).argmax()].mean(): not_the_mean,
        test[-1].mean(): "this is the last rate: choose the one that validation likes best.",
        test[(valid + test).mean(1).argmax()].mean(): chosen_by_test,
        test.mean(1).max(): chosen_by_test,
        test.max(): chosen_by_test,
        test.max(0).mean(): chosen_by_test,
        valid.mean(
            1
        ).max(): "this is the validation accuracy: the digits that chose the rate can't report on it.",
        valid.max(): "this is the validation accuracy: the digits that chose the rate can't report on it.",
        test[valid.argmax(0), seeds].mean(): own_rate,
        test.ravel()[valid.argmax()]: one_run,
        test[luckiest].mean(): one_run,
        test[:, valid.mean(0).argmax()].mean(): axes,
        test[valid.mean(0).argmax()].mean(): axes,
        test.mean(): "this is the mean over all rates: choose one.",
        valid.mean(1).argmax(): "this is the place of the rate: what did it reach on the test digits?",
    }


@exercise(
    "3C",
    right="one rate for all seeds, chosen on validation, reported on digits that chose nothing: so are the test rows of "
    "this lesson made.",
    hint="Mean over the seeds first, then the place of the best rate; only then look at `test`, at that place.",
    solution="""
def tuned_accuracy(valid, test):
    best = valid.mean(axis=1).argmax()
    return test[best].mean()

check("3C", tuned_accuracy)
""",
)
def judge_tuning(answer):
    for table in TABLES:
        valid, test = TABLES[table]
        truth = test[valid.mean(1).argmax()].mean()
        with tried(f"for valid, test = {table}"):
            expect(call(answer, valid, test), truth, tuning_mistakes(valid, test))


@exercise(
    "3D",
    right="below a batch of 80 the noise is longer than the signal, and even the gradient of 400 examples isn't free "
    "of it.",
    hint="E|g|² = |G|² + tr Σ/B holds at both sizes: two equations, two unknowns. Their difference has no |G|² in it.",
    solution="""
noise = (2.5 - 0.6) / (1 / 20 - 1 / 400)  # tr Σ
signal = 2.5 - noise / 20  # |G|²
check("3D", noise / signal)
""",
)
def judge_noise_scale(answer):
    clean_signal = "|g|² of the small batch isn't the signal |G|²: it holds noise as well."
    not_clean = "you took the large batch as free of noise, but its |g|² holds tr Σ/400."
    mistakes = {
        40: "this is tr Σ, the noise of a single example: against which signal?",
        0.5: "this is |G|², the signal: against which noise?",
        (2.5 - 0.6) * 20 / 0.6: not_clean,
        (2.5 - 0.6) / (1 / 20 - 1 / 400) / 0.6: not_clean,
        (2.5 - 0.6) * 20 / 0.5: not_clean,
        (2.5 - 0.6) * 20: not_clean,
        2.5 * 20 / 0.6: "|g|² of a batch is signal and noise together; here it stands for the noise alone.",
        2.5 * 20 / 0.5: "|g|² of a batch is signal and noise together; here it stands for the noise alone.",
        2.5 * 20: "|g|² of a batch is signal and noise together; here it stands for the noise alone.",
        40 / 2.5: clean_signal,
        (2.5 - 0.6) * 20 / 2.5: clean_signal,
        2.5
        / 0.6: "this is only how much longer the small batch's gradient is: split both into signal and noise.",
        1 / 80: "this is upside down: noise over signal.",
        math.sqrt(80): "the lengths are squared already, and so is the noise scale.",
    }
    expect(answer, 80, mistakes)


def _wait(size, b_crit, knee):
    """Return the time to the target in units of S_min·t₀."""
    return (1 + b_crit / size) * (1 + size / knee)


def waiting_mistakes(size, b_crit, knee):
    """Return what each misconception would give for the slowdown, mapped to the sentence that names it."""
    best, middle = math.sqrt(b_crit * knee), (b_crit + knee) / 2
    power = min((2**k for k in range(14)), key=lambda power: _wait(power, b_crit, knee))
    longer = _wait(size, b_crit, knee) / _wait(best, b_crit, knee)
    return {
        (1 + b_crit / size)
        / (1 + b_crit / best): "these are the updates only; they don't all take equally long.",
        (1 + size / knee)
        / (1 + best / knee): "this is the time of one update only; how many does each size need?",
        (size + b_crit)
        / (best + b_crit): "these are the examples; the clock runs by updates × time per update.",
        _wait(
            size, b_crit, knee
        ): "this is in units of S_min·t₀, which no batch reaches: divide by the quickest one's.",
        1 / longer: "this is upside down: the quickest batch has 1, all others more.",
        longer - 1: "this is how much longer; how many *times* as long was asked.",
        best
        / size: "this would be so if twice the batch always halved the time; it does only far below B_crit and B*.",
        _wait(size, b_crit, knee)
        / _wait(b_crit, b_crit, knee): "neither B_crit nor B* is the quickest (they are equally "
        "slow): it lies between them.",
        _wait(size, b_crit, knee)
        / _wait(middle, b_crit, knee): "the quickest is between B_crit and B*, but not halfway: where is "
        "(1 + B_crit/B)·(1 + B/B*) smallest?",
        _wait(size, b_crit, knee)
        / _wait(power, b_crit, knee): "you tried powers of two only; a size between them is quicker.",
    }


@exercise(
    "3E",
    right="with a knee of 4,000, B = 64 takes almost twice as long as the best batch, 632: the optimum moves with the "
    "root of the knee.",
    hint="Write the waiting time of a batch as (1 + B_crit/B)·(1 + B/B*), and hold it against that of the best batch.",
    solution="""
import math

def slowdown(batch_size, b_crit, knee):
    def wait(size):  # in units of S_min·t0
        return (1 + b_crit / size) * (1 + size / knee)

    return wait(batch_size) / wait(math.sqrt(b_crit * knee))

print(slowdown(64, 100, 4000))
check("3E", slowdown)
""",
)
def judge_slowdown(answer):
    for size, b_crit, knee in ((64, 100, 4000), (1024, 100, 40), (60, 90, 40)):
        truth = _wait(size, b_crit, knee) / _wait(math.sqrt(b_crit * knee), b_crit, knee)
        longer, mistakes = call(answer, size, b_crit, knee), waiting_mistakes(size, b_crit, knee)
        with tried(f"for B = {size:,}, B_crit = {b_crit}, B* = {knee:,}"):
            expect(longer, truth, mistakes)
