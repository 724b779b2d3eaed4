"""CIFAR-10 with the small convolutional network, 10 epochs, for every batch size and learning rate.

On a processor the first 5,000 training pictures, which is what `num_train` says; on a GPU all 45,000.
Validation and test are measured on 5,000 pictures each.
"""

import math
from functools import cache

import torch

from course_utils.data import load_cifar10
from course_utils.training import train
from lessons.lesson_3.networks import small_cnn

device = "cuda" if torch.cuda.is_available() else "cpu"
num_train = 45_000 if device == "cuda" else 5000
num_epochs = 10
grid = {
    "num_train": [num_train],
    "batch_size": [num_train, *([16_384, 4096] if device == "cuda" else []), 1024, 256, 64, 16],
    "lr": [2.0**j for j in range(-8, 0)],
    "seed": range(5),
}
columns = [
    "step",
    *(f"{split}_{kind}" for split in ("train", "valid", "test") for kind in ("loss", "accuracy")),
]


@cache
def load():
    """Return the pictures to train on, to choose by and to report on."""
    train_set, valid_set, test_set = load_cifar10()
    return tuple(split.to(device) for split in (train_set[:num_train], valid_set, test_set[:5000]))


def run(num_train, batch_size, lr, seed):
    """Return a row after each of the epochs 1, 2, 5 and 10."""
    train_set, valid_set, test_set = load()
    epoch = math.ceil(num_train / batch_size)
    history = train(
        small_cnn(seed=seed).to(device),
        train_set,
        batch_size=batch_size,
        lr=lr,
        num_epochs=num_epochs,
        valid=valid_set,
        test=test_set,
        generator=torch.Generator().manual_seed(seed),
        eval_steps=[epoch * count for count in (1, 2, 5, num_epochs)],
    )
    return history.rows()
