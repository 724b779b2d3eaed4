"""Sharpness that rescaling leaves alone, at matched training loss on the embedded digits, with SGD and with ADAM.

The runs with SGD are those of sharpness_digits (same starts, batches and rule), stopped the first time the full
training loss, looked at every 10 updates, is below 0.05. Lengths are measured against the size of each weight,
D = diag|w|: the largest eigenvalue of D·H·D, and the rise of the loss within a ball of radius ρ, once after one step
uphill (`one_step_…`) and once after 30 (`rise_…`); `slope` is the first-order rise for ρ = 1.
"""

import itertools

import torch
import torch.nn.functional as F

from course_utils.curvature import flat_weights, sam_sharpness, top_eigenvalue
from course_utils.data import load_mnist
from course_utils.models import mlp
from course_utils.training import evaluate, minibatches

level, max_steps = 0.05, 3500
radii = {"0_1": 0.1, "0_25": 0.25, "0_5": 0.5, "1": 1.0}
settings = [("sgd", size, lr) for lr in (1 / 2, 1 / 4) for size in (16, 64, 400, 4000)]
settings += [("adam", size, lr) for lr in (1 / 1024, 1 / 256) for size in (16, 4000)]
settings += [("sgd", size, lr) for lr in (1 / 8, 1 / 16) for size in (16, 64, 400, 4000)]
grid = [
    {"optimizer": optimizer, "batch_size": size, "lr": lr, "seed": seed}
    for optimizer, size, lr in settings
    for seed in range(5)
]
columns = [
    *("step", "train_loss", "valid_accuracy", "test_accuracy", "slope"),
    *("largest_eigenvalue", "scaled_eigenvalue"),
    *(f"{kind}_{radius}" for kind in ("one_step", "rise") for radius in radii),
]
optimizers = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}


def run(optimizer, batch_size, lr, seed):
    """Return what a run is like where its training loss first lies below the level, or a row that says it never did."""
    splits = load_mnist()
    model = mlp((784, 128, 10), seed=seed)
    steps = optimizers[optimizer](model.parameters(), lr=lr)
    for step, batch in enumerate(batches(len(splits[0]), batch_size, seed)):
        if (step % 10 == 0 or step == max_steps) and evaluate(model, splits[0])[0] < level:
            return {"step": step, **measure(model, *splits)}
        if step == max_steps:
            return {"step": step, "status": "not reached"}
        steps.zero_grad()
        F.cross_entropy(model(splits[0].images[batch]), splits[0].labels[batch]).backward()
        steps.step()


def batches(n, batch_size, seed):
    """Yield batches epoch after epoch, for ever."""
    generator = torch.Generator().manual_seed(seed)
    for _ in itertools.count():
        yield from minibatches(n, batch_size, generator=generator)


def measure(model, train_set, valid_set, test_set):
    """Return what is measured where a run stops, sharpness over all training examples."""
    size = flat_weights(model).abs()

    def rise(rho, num_steps):
        return sam_sharpness(model, train_set, rho=rho, adaptive=True, num_steps=num_steps)

    values = {
        "train_loss": evaluate(model, train_set)[0],
        "valid_accuracy": evaluate(model, valid_set)[1],
        "test_accuracy": evaluate(model, test_set)[1],
        "slope": rise(1e-3, 1) / 1e-3,
        "largest_eigenvalue": top_eigenvalue(model, train_set),
        "scaled_eigenvalue": top_eigenvalue(model, train_set, scale=size),
        **{f"one_step_{name}": rise(rho, 1) for name, rho in radii.items()},
        **{f"rise_{name}": rise(rho, 30) for name, rho in radii.items()},
    }
    return {name: float(f"{value:.5g}") for name, value in values.items()}
