"""Checks of lesson 6's exercises: a mean of means, the rate of a layer under LARS, bytes sent, plans, outer rates."""

import numpy as np

from course_utils.checks import Wrong, call, exercise, expect, number, tried


@exercise(
    "6A",
    right="every example counts the same only if every shard is weighted by its size; equal shards do it by themselves.",
    hint="What does one process do with the gradients of its 64 examples? Write it as two sums, one for each worker.",
    solution="""
whole_gradient = (48 * 1.0 + 16 * 5.0) / 64
check("6A", whole_gradient)
""",
)
def judge_mean_of_means(answer):
    expect(
        answer,
        2.0,
        {
            3.0: "this is the mean of the two means: each of the 16 would count three times as much as each of the 48.",
            6.0: "this is the sum of the two means.",
            4.0: "the weights are the other way round: the larger shard counts more.",
            128.0: "this is the sum over the examples; a batch's gradient is their mean.",
            64.0: "this is the sum over the examples divided by the number of workers, not of examples.",
        },
    )


def _layer_rate(w, g, lr, trust):
    size, length = np.linalg.norm(w), np.linalg.norm(g)
    return lr * trust * size / length if size > 0 and length > 0 else lr


RATES = {  # what a wrong formula gives, with the sentence that names it
    "this is upside down: a layer with long weights may take a long step.": (
        lambda w, g, lr, trust: lr * trust * np.linalg.norm(g) / np.linalg.norm(w)
    ),
    "these are squares of norms; take the root.": (
        lambda w, g, lr, trust: lr * trust * (w**2).sum() / (g**2).sum()
    ),
    "the trust coefficient is missing.": (lambda w, g, lr, trust: lr * np.linalg.norm(w) / np.linalg.norm(g)),
    "the learning rate is missing.": (lambda w, g, lr, trust: trust * np.linalg.norm(w) / np.linalg.norm(g)),
    "the gradient's length is missing: the step would still grow with the gradient.": (
        lambda w, g, lr, trust: lr * trust * np.linalg.norm(w)
    ),
    "this is the plain rate, the same for every layer.": lambda w, g, lr, trust: lr,
    "that is the largest entry; the norm is the root of the sum of squares.": (
        lambda w, g, lr, trust: lr * trust * np.abs(w).max() / np.abs(g).max()
    ),
    "that is the sum of absolute values; the norm is the root of the sum of squares.": (
        lambda w, g, lr, trust: lr * trust * np.abs(w).sum() / np.abs(g).sum()
    ),
}


@exercise(
    "6B",
    right="with it a step of any layer has a length in proportion to its weights, however steep the loss is there; "
    "weights that are zero could never leave zero, hence the exception.",
    hint="A step is rate × g. Choose the rate so that the step is lr · trust times as long as w; the norm is the root of "
    "the sum of squares. What would happen to a layer of zeros?",
    solution="""
def layer_rate(w, g, lr, trust):
    size, length = (w**2).sum() ** 0.5, (g**2).sum() ** 0.5
    if size == 0 or length == 0:
        return lr
    return lr * trust * size / length

check("6B", layer_rate)
""",
)
def judge_layer_rate(answer):
    generator = np.random.default_rng(6)
    w, g = generator.normal(size=(4, 3)), 0.1 * generator.normal(size=(4, 3))
    with tried("a layer of 4 × 3 weights"):
        mistakes = {float(wrong(w, g, 0.5, 0.02)): words for words, wrong in RATES.items()}
        expect(call(answer, w, g, 0.5, 0.02), _layer_rate(w, g, 0.5, 0.02), mistakes)
    for case, pair in (("a gradient of zero", (w, 0 * g)), ("weights that are zero", (0 * w, g))):
        with tried(case), np.errstate(all="ignore"):
            rate = number(call(answer, *pair, 0.5, 0.02))  # refuses what a division by zero gives
            if rate == 0:
                raise Wrong("a rate of zero: these weights would never move. Take the plain rate.")
            expect(
                rate, 0.5, {0.01: "the ratio is 1 here, and trust goes with the ratio: the plain rate is lr."}
            )


@exercise(
    "6C",
    right="H = 10 alone divides it by ten; the ring's factor is 1.5 here and never above 2, however many workers there are.",
    hint="How often do they talk? Each time a worker sends 2(k − 1) messages, each a k-th of the weights, four bytes a weight.",
    solution="""
megabytes = 500 / 10 * 2 * (4 - 1) / 4 * 4 * 1_000_000 / 1e6
check("6C", megabytes)
""",
)
def judge_bytes(answer):
    expect(
        answer,
        300.0,
        {
            3000.0: "this is what they would send if they talked after every update.",
            6.0: "this is what a worker sends each time that they talk.",
            75.0: "a float32 has four bytes.",
            2400.0: "these are megabits: a byte has eight bits.",
            200.0: "this sends the weights once; a ring sends them around in parts, 2(k − 1) messages of P/k weights.",
            400.0: "a worker sends 2(k − 1) messages, not 2k.",
            1200.0: "this is what all four send together.",
            150.0: "a ring goes around twice: once to add up, once to hand the sums out.",
            3e8: "these are bytes; a megabyte is a million of them.",
        },
    )


@exercise(
    "6D",
    right="what talking costs, 1.5 ms, is what sharing saves, three quarters of B/r; the floor is paid either way.",
    hint="Write down the update's time with one worker and with four, and set them equal. What drops out?",
    solution="""
pays_from = 1.5 * 50 / (1 - 1 / 4)
check("6D", pays_from)
""",
)
def judge_pays_from(answer):
    expect(
        answer,
        100.0,
        {
            75.0: "this is as if four workers computed in no time; each still has B/4 examples.",
            56.25: "the factor is the wrong way round: three quarters of B/r must be 1.5 ms.",
            300.0: "this sets talking equal to what each worker computes, B/(4r), not to what sharing saves.",
            25.0: "each of the four has B/4 examples, not B/3.",
            120.0: "the floor is paid with one worker and with four: it drops out.",
            80.0: "the floor is paid with one worker and with four: it drops out.",
            150.0: "this is the batch for two workers; four save more of the computing.",
            400.0: "this is what all four would have if each had 100; B is for all of them together.",
        },
    )


@exercise(
    "6E",
    right="four workers read four times the examples in two and a half times the time, 1.6 times as many a second.",
    hint="How many examples a second are these, with one worker and with four? How many would four perfect ones read?",
    solution="""
efficiency = (256 / 5) / (4 * 64 / 2)
check("6E", efficiency)
""",
)
def judge_efficiency(answer):
    expect(
        answer,
        0.4,
        {
            1.6: "this is the speed-up; divide it by the number of workers.",
            2.5: "this is how many times as long an update takes.",
            0.1: "four workers read 256 examples an update, not 64.",
            0.625: "this is the speed-up upside down.",
            0.6: "this is what is lost.",
            40.0: "give it as a fraction, not in per cent.",
            6.4: "the workers come in once too often: perfect ones would read four times as many a second.",
        },
    )


def _updates(plan, n):
    return sum(epochs * -(-n // size) for epochs, size in plan)


PLANS = {  # what a wrong count gives, with the sentence that names it
    "an epoch's last, shorter batch is missing.": lambda plan, n: sum(e * (n // b) for e, b in plan),
    "these batches run over the end of an epoch; each epoch ends with a shorter one.": (
        lambda plan, n: sum(-(-e * n // b) for e, b in plan)
    ),
    "this is not a whole number of updates.": lambda plan, n: sum(e * n / b for e, b in plan),
    "these are the updates of one epoch of each phase.": lambda plan, n: sum(-(-n // b) for _, b in plan),
    "these are the examples looked at.": lambda plan, n: sum(e * n for e, _ in plan),
    "these are the epochs.": lambda plan, n: sum(e for e, _ in plan),
    "this is the first phase alone.": lambda plan, n: plan[0][0] * -(-n // plan[0][1]),
}


@exercise(
    "6F",
    right="a growing batch saves updates only in its later phases: 315 of these 435 belong to the first five epochs.",
    hint="How many batches has one epoch of a phase, the shorter last one included? np.ceil helps.",
    solution="""
import numpy as np

def updates_in_a_row(plan, n):
    return sum(epochs * np.ceil(n / size) for epochs, size in plan)

check("6F", updates_in_a_row)
""",
)
def judge_updates_in_a_row(answer):
    for case, plan, n in (
        ("a growing batch on 4,000 digits", [(5, 64), (5, 256), (10, 1024)], 4000),
        ("one phase", [(3, 8)], 21),
        ("batches that divide the examples", [(2, 10), (1, 20)], 40),
    ):
        with tried(case):
            mistakes = {float(wrong(plan, n)): words for words, wrong in PLANS.items()}
            expect(call(answer, plan, n), _updates(plan, n), mistakes)


@exercise(
    "6G",
    right="so a comparison with η = 0.7, or with the plain mean, is one of step lengths as well.",
    hint="Under a constant gradient momentum adds up 1 + β + β² + … of each step. What is the sum?",
    solution="""
outer_lr = 0.7 / (1 - 0.9)
check("6G", outer_lr)
""",
)
def judge_outer_rate(answer):
    expect(
        answer,
        7.0,
        {
            0.07: "the sum is 1/(1 − β); you multiplied by 1 − β.",
            0.63: "this is η·β, what the look ahead adds to the very first step.",
            1.33: "this is the first step, η(1 + β); later ones carry all earlier moves.",
            0.7: "with momentum every move is carried on by the next ones.",
            10.0: "this is 1/(1 − β) alone.",
            6.3: "this is η·β/(1 − β), without the step's own part.",
        },
    )
