"""Keskar et al. 2017, network F1 on MNIST: small batch against large batch, ADAM, until the loss ceases to improve.

All 60,000 digits with batches of 256 and 6,000, as in the paper except that there is no batch norm and that weights
start He-normal; then, on 10,000 digits with batches of 40 and 1,000, the same again, with batch norm, and with SGD. A
run ends when its full training loss has improved by less than 1 % in five epochs, or after 200 epochs. Curvature is
measured over the first 5,000 training digits, in evaluation mode.
"""

import torch

from course_utils.curvature import flat_weights, hutchinson_trace, keskar_sharpness, top_eigenvalue
from course_utils.data import Split, load_mnist
from course_utils.models import mlp
from course_utils.training import evaluate
from lessons.lesson_4.keskar import fit

device = "cuda" if torch.cuda.is_available() else "cpu"
sizes = (784, 512, 512, 512, 512, 512, 10)
variants = [(60_000, False, "adam"), (10_000, False, "adam"), (10_000, True, "adam"), (10_000, False, "sgd")]
batch_sizes = {60_000: (256, 6000), 10_000: (40, 1000)}
grid = [
    {"num_train": n, "batch_norm": norm, "optimizer": optimizer, "batch_size": size, "seed": seed}
    for n, norm, optimizer in variants
    for seed in range(5)
    for size in batch_sizes[n]
]
columns = [
    *("epochs", "train_loss", "train_accuracy", "test_accuracy", "sharpness_1e_3", "sharpness_5e_4"),
    *("subspace_1e_3", "subspace_5e_4", "largest_eigenvalue", "trace", "distance"),
]
rates = {"adam": 1e-3, "sgd": 0.1}


def run(num_train, batch_norm, optimizer, batch_size, seed):
    """Return what a run ended with."""
    train_set, valid_set, test_set = load_mnist(full=True)
    joined = [torch.cat([getattr(s, part) for s in (train_set, valid_set)]) for part in ("images", "labels")]
    train_set, test_set = Split(*joined)[:num_train].to(device), test_set.to(device)
    model = mlp(sizes, seed=seed, batch_norm=batch_norm).to(device)
    start = flat_weights(model)
    make = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[optimizer]
    stepper = make(model.parameters(), lr=rates[optimizer])
    epochs = fit(model, stepper, train_set, batch_size=batch_size, seed=seed, max_epochs=200, patience=5)
    subset = train_set[:5000]
    probes = torch.Generator().manual_seed(0)
    values = {
        "epochs": epochs,
        **dict(zip(("train_loss", "train_accuracy"), evaluate(model, train_set), strict=True)),
        "test_accuracy": evaluate(model, test_set)[1],
        "sharpness_1e_3": keskar_sharpness(model, subset, epsilon=1e-3).sharpness,
        "sharpness_5e_4": keskar_sharpness(model, subset, epsilon=5e-4).sharpness,
        "subspace_1e_3": keskar_sharpness(model, subset, epsilon=1e-3, subspace=100).sharpness,
        "subspace_5e_4": keskar_sharpness(model, subset, epsilon=5e-4, subspace=100).sharpness,
        "largest_eigenvalue": top_eigenvalue(model, subset),
        "trace": hutchinson_trace(model, subset, num_probes=10, generator=probes).mean,
        "distance": (flat_weights(model) - start).norm().item(),
    }
    return {name: float(f"{value:.5g}") for name, value in values.items()}
