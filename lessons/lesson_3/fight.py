"""The corners of the fair fight: what every batch size reached under each budget, learning-rate rule and metric."""

import math
from functools import cache
from typing import NamedTuple

import numpy as np
import pandas as pd

from course_utils.results import at_step, read_results

SIZES = [1, 4, 16, 64, 256, 1024, 4000]
METRICS = {
    "validation accuracy": "valid_accuracy",
    "test accuracy": "test_accuracy",
    "training accuracy": "train_accuracy",
    "training loss": "train_loss",
}
POWERS = {"fixed": 0, "∝ √B": 1 / 2, "∝ B": 1}  # of B, in the learning rate


class Corner(NamedTuple):
    """The learning rates, indexed by B, and what the runs reached with them: a line a seed, a column a B."""

    rates: pd.Series
    reached: pd.DataFrame


def ten_epochs(batch_size: int) -> int:
    """Return the updates that ten epochs of 4,000 digits give `batch_size`."""
    return 10 * math.ceil(4000 / batch_size)


def update_ms(batch_size: int) -> float:
    """Return the milliseconds of one update on one thread of the processor that lesson 2 recorded, interpolated."""
    rows = read_results("batch_timing.amd-epyc-2-cores", network="784-128-10", threads=1)
    medians = rows.groupby("batch_size")["update_ms"].median()
    return float(np.exp(np.interp(math.log(batch_size), np.log(medians.index), np.log(medians))))


def budgets() -> dict[str, dict[int, float]]:
    """Return the updates that each batch size may make under each budget."""
    return {
        "10 epochs": {size: ten_epochs(size) for size in SIZES},
        "1,000 updates": dict.fromkeys(SIZES, 1000),
        "1 second": {size: 1000 / update_ms(size) for size in SIZES},
    }


def ruled(rates, power: float) -> pd.Series:
    """Return the rates, indexed by B, that grow with B to the `power` and are 1/16 at B = 16, from the `rates` there are.

    Batch sizes are powers of 4 and rates powers of 2, but for the full batch, 4,000, which counts as 4⁶ = 4,096.
    """
    wanted = [round(math.log2(size) / 2) * 2 * power - 4 - 4 * power for size in SIZES]
    return pd.Series([min(rates, key=lambda rate, w=w: abs(math.log2(rate) - w)) for w in wanted], SIZES)


def validation_corners() -> dict[tuple[str, str, str], Corner]:
    """Return the recorded corners in which the metric is validation accuracy."""
    return {key: corner for key, corner in recorded_corners().items() if key[2] == "validation accuracy"}


@cache
def recorded_corners() -> dict[tuple[str, str, str], Corner]:
    """Return every corner of the 560 recorded runs; "tuned" takes each B's best rate by mean validation accuracy."""
    bank, corners = read_results("batch_size_digits"), {}
    for budget, steps in budgets().items():
        states = {name: at_step(bank, column, steps, "batch_size", "lr") for name, column in METRICS.items()}
        mean = states["validation accuracy"].mean().unstack()  # a line a B, a column a rate
        rules = {rule: ruled(mean.columns, power) for rule, power in POWERS.items()}
        for rule, rates in (rules | {"tuned": mean.idxmax(axis=1)}).items():
            for name, state in states.items():
                reached = pd.DataFrame({size: state[size, rates[size]] for size in SIZES})
                corners[budget, rule, name] = Corner(rates, reached)
    return corners
