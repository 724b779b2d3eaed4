"""Does a batch's noise lower the training loss where labels are wrong? Embedded digits, 1,000 updates for everybody.

One training label in five is replaced by another digit, drawn once for all runs; validation and test digits keep
theirs. With right labels the same cells stand in `batch_size_digits`.
"""

import torch

from course_utils.data import Split, load_mnist
from course_utils.models import mlp
from course_utils.training import log_spaced, train

num_steps = 1000
grid = {"wrong": [0.2], "batch_size": [64, 256, 1024, 4000], "lr": [1 / 4, 1 / 2], "seed": range(5)}
columns = [
    "step",
    *(f"{split}_{kind}" for split in ("train", "valid", "test") for kind in ("loss", "accuracy")),
]


def with_wrong_labels(digits, part):
    """Return `digits` with that part of the labels replaced by one of the nine other classes, at random."""
    generator = torch.Generator().manual_seed(0)
    chosen = torch.randperm(len(digits), generator=generator)[: round(part * len(digits))]
    labels = digits.labels.clone()
    labels[chosen] += torch.randint(1, 10, (len(chosen),), generator=generator).to(labels)
    return Split(digits.images, labels % 10)


def run(wrong, batch_size, lr, seed):
    """Return a row for each evaluation, two an octave of updates."""
    train_set, valid_set, test_set = load_mnist()
    history = train(
        mlp((784, 128, 10), seed=seed),
        with_wrong_labels(train_set, wrong),
        batch_size=batch_size,
        lr=lr,
        num_steps=num_steps,
        valid=valid_set,
        test=test_set,
        generator=torch.Generator().manual_seed(seed),
        eval_steps=log_spaced(num_steps),
    )
    return history.rows()
