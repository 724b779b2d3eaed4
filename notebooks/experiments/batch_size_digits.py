"""The embedded digits for every batch size and learning rate: what lesson 3's comparisons are slices of.

Batch sizes are powers of 4 and the full batch, learning rates powers of 2, so that the square-root rule is one step of
`lr` for each step of B, and the linear rule two. A run lasts at least 10 epochs and at least 1,000 updates, and is
measured all along the way; a budget of epochs, updates or seconds is then a row of it. The learning rate is constant.
"""

import math

import torch

from course_utils.data import load_mnist
from course_utils.models import mlp
from course_utils.training import log_spaced, train

num_epochs = 10
num_steps = {1: 40_000, 4: 10_000, 16: 4000, 64: 4000, 256: 2000, 1024: 1000, 4000: 1000}
grid = {"batch_size": list(num_steps), "lr": [2.0**j for j in range(-10, 6)], "seed": range(5)}
columns = [
    "step",
    *(f"{split}_{kind}" for split in ("train", "valid", "test") for kind in ("loss", "accuracy")),
]


def run(batch_size, lr, seed):
    """Return a row for each evaluation: two an octave of updates, and the end of each of the first 10 epochs."""
    train_set, valid_set, test_set = load_mnist()
    last_step = num_steps[batch_size]
    epoch = math.ceil(len(train_set) / batch_size)
    history = train(
        mlp((784, 128, 10), seed=seed),
        train_set,
        batch_size=batch_size,
        lr=lr,
        num_steps=last_step,
        valid=valid_set,
        test=test_set,
        generator=torch.Generator().manual_seed(seed),
        eval_steps={0, 1000, *log_spaced(last_step), *range(epoch, num_epochs * epoch + 1, epoch)},
    )
    return history.rows()
