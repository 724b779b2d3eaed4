"""What lesson 6 recorded: the setting of each recipe that validation chose, and what it reached on the test set."""

from functools import cache
from typing import NamedTuple

import pandas as pd

from course_utils.results import by_seed, read_results

LAST = 500  # updates of a run of local SGD
WAYS = {  # of taking an outer step: momentum, and the outer rates to choose from, by H
    "plain mean": (0.0, {1: None, 20: [1.0], LAST: [1.0]}),
    "longer step": (0.0, {20: None}),
    "momentum": (0.9, {1: None, 20: None}),
}


class Fight(NamedTuple):
    """Of one data set: validation accuracy of each (recipe, η, setting), (settings,); of each recipe its choice.

    `valid` is the mean of two seeds in per cent, `best` what it chose, `test` (seeds, recipes) in per cent,
    `train_loss` likewise in nats, `updates` how many followed one another, and `tried` the number of settings.
    """

    valid: pd.Series
    best: pd.Series
    test: pd.DataFrame
    train_loss: pd.DataFrame
    updates: pd.Series
    tried: pd.Series


@cache
def fight(data: str) -> Fight:
    """Return the Fight on "digits" or "CIFAR-10"; a rule has one setting, which the small batch's rate gives it."""
    rows, names = (
        read_results("large_batch_fights", data=data).fillna({"setting": 0}),
        ["recipe", "lr", "setting"],
    )
    valid = 100 * by_seed(rows[rows["seed"] < 2], "valid_accuracy", *names).fillna(0).mean()
    best = valid.groupby("recipe").idxmax()
    test, loss = (by_seed(rows, value, *names)[list(best)] for value in ("test_accuracy", "train_loss"))
    test.columns = loss.columns = best.index
    updates = rows.groupby(names)["updates"].first()[list(best)].droplevel([1, 2])
    return Fight(valid, best, 100 * test, loss, updates, valid.groupby("recipe").size())


@cache
def talking() -> tuple[dict, pd.DataFrame]:
    """Return the (η, outer η, β) that validation chose for each (way, H), and the rows of these runs with a column `way`.

    With H = 1 an outer rate is a worker's rate, so that the plain mean and a longer step are the same.
    """
    rows, chosen, kept = read_results("local_sgd"), {}, []
    keys = ["lr", "outer_lr", "momentum"]
    for way, (beta, outer_rates) in WAYS.items():
        for alone, rates in outer_rates.items():
            mine = rows[(rows["alone"] == alone) & (rows["momentum"] == beta)]
            mine = mine if rates is None else mine[mine["outer_lr"].isin(rates)]
            judged = mine[(mine["step"] == LAST) & (mine["seed"] < 2)]
            key = by_seed(judged, "valid_accuracy", *keys).fillna(0).mean().idxmax()
            chosen[way, alone] = key
            kept.append(mine[(mine[keys] == list(key)).all(axis=1)].assign(way=way))
    return chosen, pd.concat(kept, ignore_index=True)
