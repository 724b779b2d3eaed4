"""All of MNIST, N = 60,000 as in the lectures, for every batch size and learning rate.

Budget: 10 epochs; where there is a GPU, also 1,000 updates for every batch size. The 10,000 test digits are cut at
random into two halves: one to choose the learning rate by (`valid_…`), the other to report (`test_…`).
"""

import math
from functools import cache

import torch

from course_utils.data import Split, load_mnist
from course_utils.models import mlp
from course_utils.training import log_spaced, train

device = "cuda" if torch.cuda.is_available() else "cpu"
num_epochs, num_steps = 10, 1000
grid = {
    "budget": ["epochs", "updates"] if device == "cuda" else ["epochs"],
    "batch_size": [16, 64, 256, 1024, 4096, 16_384, 60_000],
    "lr": [2.0**j for j in range(-5, 2)],
    "seed": range(5),
}
columns = [
    "step",
    *(f"{split}_{kind}" for split in ("train", "valid", "test") for kind in ("loss", "accuracy")),
]


@cache
def load():
    """Return 60,000 digits to train on and two halves of the test digits."""
    train_set, valid_set, test_set = load_mnist(full=True)
    joined = Split(
        torch.cat([train_set.images, valid_set.images]), torch.cat([train_set.labels, valid_set.labels])
    )
    halves = torch.randperm(len(test_set), generator=torch.Generator().manual_seed(0)).chunk(2)
    return tuple(split.to(device) for split in (joined, *(test_set[half] for half in halves)))


def run(budget, batch_size, lr, seed):
    """Return a row for each evaluation: each epoch's end, or updates spaced in octaves."""
    train_set, valid_set, test_set = load()
    epoch = math.ceil(len(train_set) / batch_size)
    by_epochs = budget == "epochs"
    history = train(
        mlp((784, 128, 10), seed=seed).to(device),
        train_set,
        batch_size=batch_size,
        lr=lr,
        num_steps=num_epochs * epoch if by_epochs else num_steps,
        valid=valid_set,
        test=test_set,
        generator=torch.Generator().manual_seed(seed),
        eval_steps=range(epoch, num_epochs * epoch + 1, epoch) if by_epochs else log_spaced(num_steps),
    )
    return history.rows()
