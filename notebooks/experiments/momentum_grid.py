"""Digits after 200 updates, for each batch size, momentum β and effective learning rate η/(1 − β).

Three comparisons are slices of this one grid: at equal η (the effective rates go up tenfold from β to β), at equal
η/(1 − β), and each β at its own best rate. The budget is equal updates, so that batch size does not change it.
"""

import torch

from course_utils.data import load_mnist
from course_utils.models import mlp
from course_utils.training import train

rates = [0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0]  # of η/(1 − β)
num_rates = {0.0: 6, 0.9: 9, 0.99: 11}  # for each β from the lowest up to one that no longer trains
grid = [
    {"batch_size": batch_size, "momentum": momentum, "effective_lr": rate, "seed": seed}
    for batch_size in (10, 100, 1000)
    for momentum, count in num_rates.items()
    for rate in rates[:count]
    for seed in range(5)
]
columns = ["lr", "step", "train_loss", "train_accuracy", "valid_accuracy"]
num_steps = 200
eval_steps = [50, 100, 200]


def run(batch_size, momentum, effective_lr, seed):
    """Return a row for each evaluation; a run whose loss overflows has the status "diverged" from there on."""
    lr = round(effective_lr * (1 - momentum), 10)
    train_set, valid_set, _ = load_mnist()
    history = train(
        mlp((784, 128, 10), seed=seed),
        train_set,
        batch_size=batch_size,
        lr=lr,
        momentum=momentum,
        num_steps=num_steps,
        valid=valid_set,
        generator=torch.Generator().manual_seed(seed),
        eval_steps=eval_steps,
    )
    if history.diverged_at is not None:
        return {"lr": lr, "step": history.diverged_at, "status": "diverged"}
    names = ("steps", "train_loss", "train_accuracy", "valid_accuracy")
    rows = zip(*(getattr(history, name) for name in names), strict=True)
    return [dict(zip(columns, (lr, *row), strict=True)) for row in rows]
