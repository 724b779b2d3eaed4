"""Curvature at matched training loss, on the embedded digits, for four batch sizes and learning rates.

A run is stopped the first time its full training loss, looked at every 10 updates, is below 0.2, then below 0.05,
then below 0.01, and is measured there: curvature falls by itself as the loss does, so only equal losses compare.
"""

import itertools

import torch

from course_utils.curvature import (
    flat_weights,
    hutchinson_trace,
    keskar_sharpness,
    sam_sharpness,
    top_eigenvalues,
)
from course_utils.data import load_mnist
from course_utils.models import mlp
from course_utils.timing import make_update
from course_utils.training import evaluate, minibatches

levels = [0.2, 0.05, 0.01]
max_steps = 3500
grid = {"batch_size": [16, 64, 400, 4000], "lr": [1 / 16, 1 / 8, 1 / 4, 1 / 2], "seed": range(5)}
columns = [
    *("level", "step", "train_loss", "train_accuracy", "valid_accuracy", "test_accuracy"),
    *("largest_eigenvalue", "smallest_eigenvalue", "trace", "keskar", "adaptive_sam", "distance"),
]


def run(batch_size, lr, seed):
    """Return a row for each level; a level not reached within `max_steps` updates has a row that says so."""
    splits = load_mnist()
    model = mlp((784, 128, 10), seed=seed)
    start = flat_weights(model)
    rows, step = [], 0
    for batch in batches(len(splits[0]), batch_size, seed):
        if step % 10 == 0 or step == max_steps:
            loss = evaluate(model, splits[0])[0]
            while len(rows) < len(levels) and loss < levels[len(rows)]:
                rows.append({"level": levels[len(rows)], "step": step, **measure(model, splits, start)})
        if len(rows) == len(levels) or step == max_steps:
            break
        make_update(model, splits[0].images[batch], splits[0].labels[batch], lr=lr)()
        step += 1
    missed = [{"level": level, "step": step, "status": "not reached"} for level in levels[len(rows) :]]
    return rows + missed


def batches(n, batch_size, seed):
    """Yield batches epoch after epoch, for ever."""
    generator = torch.Generator().manual_seed(seed)
    for _ in itertools.count():
        yield from minibatches(n, batch_size, generator=generator)


def measure(model, splits, start):
    """Return what is measured where a run stops, curvature over all training examples."""
    loss, accuracy = evaluate(model, splits[0])
    values = {
        "train_loss": loss,
        "train_accuracy": accuracy,
        "valid_accuracy": evaluate(model, splits[1])[1],
        "test_accuracy": evaluate(model, splits[2])[1],
        "largest_eigenvalue": top_eigenvalues(model, splits[0]).eigenvalues[0],
        "smallest_eigenvalue": top_eigenvalues(model, splits[0], which="smallest").eigenvalues[0],
        "trace": hutchinson_trace(
            model, splits[0], num_probes=20, generator=torch.Generator().manual_seed(0)
        ).mean,
        "keskar": keskar_sharpness(model, splits[0]).sharpness,
        "adaptive_sam": sam_sharpness(model, splits[0], rho=0.5, adaptive=True),
        "distance": (flat_weights(model) - start).norm().item(),
    }
    return {name: float(f"{value:.5g}") for name, value in values.items()}
