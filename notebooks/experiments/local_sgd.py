"""Four workers that talk after every H updates, with and without outer momentum. Embedded digits, 500 updates.

Each worker has 1,000 digits of its own and B = 64, so that all four together are a batch of 256. It makes H updates
of plain SGD by itself; then the mean move of the four counts as the gradient of an outer step: η = 1 without
momentum is the mean of their weights (local SGD), η = 0.7 with Nesterov momentum of 0.9 is what DiLoCo takes.
So that momentum is not confused with a longer step, both are tuned over the same effective rates η / (1 − β) = 1, 2,
4 and 7. With H = 1 an outer rate is the same as a worker's, so one rate of a worker is enough; with H = 20 there are
three, 12 settings for either momentum. With H = 500 they talk once, and momentum has nothing to add up: the plain mean
with three rates. Each setting has two seeds; the best by the 500 validation digits is run with five, and so is the best
plain mean. Call it twice: the second call knows what the first has chosen. The test set is MNIST's own. Simulated in
one process; by torchrun the same function gives the same weights.
"""

import functools
import math

import pandas as pd

from course_utils.data import load_mnist
from course_utils.results import read_results
from course_utils.training import evaluate
from lessons.lesson_6.workers import talk_less

num_steps = 500
eval_steps = (5, 20, 100, 200, 500)  # those after which the workers have just talked are recorded
settings = [  # H, a worker's rate, outer rate and outer momentum
    (alone, lr, round(effective * (1 - beta), 2), beta)
    for alone, rates in ((1, [1 / 4]), (20, [1 / 4, 1 / 2, 1.0]))
    for beta in (0.0, 0.9)
    for effective in (1, 2, 4, 7)
    for lr in rates
]
settings += [(num_steps, lr, 1.0, 0.0) for lr in (1 / 8, 1 / 4, 1 / 2)]
names = ["alone", "lr", "outer_lr", "momentum"]


def chosen():
    """Return the settings that the seeds 0 and 1 chose: of either momentum, and of the plain mean; [] at first."""
    try:
        rows = read_results("local_sgd").fillna({"valid_accuracy": 0})
    except FileNotFoundError:
        return []
    rows = rows[(rows["seed"] < 2) & (rows["step"] == num_steps)]
    mean = rows.groupby(names)["valid_accuracy"].mean().reset_index()
    ways = [
        mean.assign(way=mean["momentum"]),
        mean[(mean["outer_lr"] == 1) & (mean["alone"] > 1)].assign(way="plain mean"),
    ]
    ways = pd.concat(ways, ignore_index=True)
    best = ways.loc[ways.groupby(["way", "alone"])["valid_accuracy"].idxmax(), names]
    return list(best.itertuples(index=False, name=None))


cells = [(*s, seed) for s in settings for seed in range(2)] + [
    (*s, seed) for s in chosen() for seed in range(5)
]
grid = [dict(zip([*names, "seed"], cell, strict=True)) for cell in dict.fromkeys(cells)]
columns = ["step", "train_loss", "valid_accuracy", "test_accuracy"]


@functools.cache
def test_digits():
    """Return MNIST's 10,000 test digits."""
    return load_mnist(full=True)[2]


def run(alone, lr, outer_lr, momentum, seed):
    """Return a row after each of `eval_steps` after which the workers have just talked, or until the loss is no number."""
    train_set, valid_set, _ = load_mnist()
    rows = []

    def tell(step, model):
        if step in eval_steps:
            loss = evaluate(model, train_set)[0]
            if not math.isfinite(loss):
                rows.append({"step": step, "status": "diverged"})
                return
            accuracies = [evaluate(model, split)[1] for split in (valid_set, test_digits())]
            rows.append(dict(zip(columns, (step, float(f"{loss:.5g}"), *accuracies), strict=True)))

    settings = {"alone": alone, "lr": lr, "outer_lr": outer_lr, "momentum": momentum}
    talk_less(train_set, range(4), 4, **settings, seed=seed, num_steps=num_steps, tell=tell)
    return rows
