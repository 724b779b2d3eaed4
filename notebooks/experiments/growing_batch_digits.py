"""A larger batch in place of a smaller rate (Smith et al. 2018): twelve epochs of the embedded digits in three phases.

The run starts at B = 32 and η = 1/4. After six epochs and again after nine, the rate is divided by four, or the batch
multiplied by four, or neither.
"""

import torch

from course_utils.data import load_mnist
from course_utils.models import mlp
from course_utils.training import train

phases = (6, 3, 3)  # epochs
factors = {"neither": (1, 1), "rate": (1, 1 / 4), "batch": (4, 1)}  # of B and of η, at each change
grid = {"change": list(factors), "seed": range(5)}
columns = ["epoch", "step", "train_loss", "valid_accuracy", "test_accuracy"]


def run(change, seed):
    """Return a row after each epoch."""
    train_set, valid_set, test_set = load_mnist()
    model, generator = mlp((784, 128, 10), seed=seed), torch.Generator().manual_seed(seed)
    batch_size, lr, step, rows = 32, 1 / 4, 0, []
    for num_epochs in phases:
        history = train(
            model,
            train_set,
            batch_size=batch_size,
            lr=lr,
            num_epochs=num_epochs,
            valid=valid_set,
            test=test_set,
            generator=generator,
        )
        for row in history.rows()[1:]:
            measured = {name: row[name] for name in columns if name.startswith(("train", "valid", "test"))}
            rows.append({"epoch": len(rows) + 1, "step": step + row["step"]} | measured)
        step += history.steps[-1]
        batch_size, lr = batch_size * factors[change][0], lr * factors[change][1]
    return rows
