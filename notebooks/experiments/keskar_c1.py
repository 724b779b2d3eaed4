"""Keskar et al. 2017, network C1 on CIFAR-10: small against large batch (10 % of the data), ADAM, until loss stalls.

On a GPU as in the paper: 45,000 pictures, 64 channels, batches of 256 and 4,500. On a processor reduced: the first 5,000
pictures, 16 channels, batches of 25 and 500, the paper's ratio of 20. Batch norm and dropout as published; curvature is
measured in evaluation mode over the first 1,000 training pictures. A run ends when its full training loss has improved
by less than 1 % in ten epochs (dropout makes it jumpy), or after 60 epochs, 100 on a GPU.
"""

import torch

from course_utils.curvature import flat_weights, hutchinson_trace, keskar_sharpness, top_eigenvalue
from course_utils.data import load_cifar10
from course_utils.training import evaluate
from lessons.lesson_4.keskar import c1, fit

device = "cuda" if torch.cuda.is_available() else "cpu"
reduced = device == "cpu"
stop = {"max_epochs": 60 if reduced else 100, "patience": 10, "at_once": 1000}
grid = {
    "num_train": [5000 if reduced else 45_000],
    "width": [16 if reduced else 64],
    "batch_size": [25, 500] if reduced else [256, 4500],
    "seed": range(5),
}
columns = [
    *("epochs", "train_loss", "train_accuracy", "test_accuracy", "sharpness_1e_3", "sharpness_5e_4"),
    *("largest_eigenvalue", "trace", "distance"),
]


def run(num_train, width, batch_size, seed):
    """Return what a run ended with."""
    torch.manual_seed(seed)  # of the dropout
    train_set, _, test_set = load_cifar10()
    train_set, test_set = train_set[:num_train].to(device), test_set[:5000].to(device)
    model = c1(seed=seed, width=width).to(device)
    start = flat_weights(model)
    adam = torch.optim.Adam(model.parameters(), lr=1e-3)
    epochs = fit(model, adam, train_set, batch_size=batch_size, seed=seed, **stop)
    subset, probes = train_set[:1000], torch.Generator().manual_seed(0)
    values = {
        "epochs": epochs,
        **dict(
            zip(("train_loss", "train_accuracy"), evaluate(model, train_set, batch_size=1000), strict=True)
        ),
        "test_accuracy": evaluate(model, test_set, batch_size=1000)[1],
        "sharpness_1e_3": keskar_sharpness(model, subset, epsilon=1e-3, batch_size=1000).sharpness,
        "sharpness_5e_4": keskar_sharpness(model, subset, epsilon=5e-4, batch_size=1000).sharpness,
        "largest_eigenvalue": top_eigenvalue(model, subset, batch_size=1000),
        "trace": hutchinson_trace(model, subset, num_probes=5, generator=probes, batch_size=1000).mean,
        "distance": (flat_weights(model) - start).norm().item(),
    }
    return {name: float(f"{value:.5g}") for name, value in values.items()}
