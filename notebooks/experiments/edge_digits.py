"""Does training go up to the border 2/η, and which batches stop short of it? Tanh, squared error, 500 of the digits.

`largest_eigenvalue` is λ_max of the whole loss. `batch_sharpness` is the mean over 50 batches of gᵀ·H_B·g/|g|², where g
and H_B are a batch's own gradient and Hessian (Andreyev and Beneventano 2024, arXiv 2412.20553). With momentum β, runs
at the same η (full batch) and at the same η/(1 − β).
"""

import itertools

import torch
import torch.nn.functional as F
from torch import nn

from course_utils.curvature import hvp, lanczos
from course_utils.data import load_mnist
from course_utils.models import mlp
from course_utils.training import minibatches, sgd_step

num_digits, num_steps, every, num_batches = 500, 4000, 500, 50
settings = [(0.0, 0.1, size) for size in (500, 8, 2, 32, 100)]
settings += [(0.9, 0.1, 500), (0.9, 0.01, 8), (0.9, 0.01, 2)]
grid = [
    {"momentum": momentum, "lr": lr, "batch_size": size, "seed": seed}
    for seed in range(5)
    for momentum, lr, size in settings
]
columns = ["step", "train_loss", "largest_eigenvalue", "batch_sharpness"]


def squared_error(model, images, targets):
    """Return half the squared distance of the outputs from the targets, a mean over the examples."""
    return ((model(images) - targets) ** 2).sum(1).mean() / 2


def tanh_network(seed):
    """Return 784-32-10 with tanh, its weights half as large as usual, so that the start is not too sharp."""
    model = mlp((784, 32, 10), seed=seed)
    model[2] = nn.Tanh()
    with torch.no_grad():
        for w in model.parameters():
            w /= 2
    return model


def run(momentum, lr, batch_size, seed):
    """Return a row every 500 updates."""
    digits = load_mnist()[0][:num_digits]
    images, targets = digits.images, F.one_hot(digits.labels, 10).float()
    model = tanh_network(seed)
    weights = list(model.parameters())
    velocity, rows = [torch.zeros_like(w) for w in weights], []
    for step, batch in enumerate(endless(batch_size, seed)):
        if step % every == 0:
            rows.append({"step": step} | measure(model, images, targets, batch_size))
        if step == num_steps:
            return rows
        model.zero_grad()
        squared_error(model, images[batch], targets[batch]).backward()
        sgd_step(weights, lr, velocity, momentum)


def endless(batch_size, seed):
    """Yield batches epoch after epoch, for ever."""
    generator = torch.Generator().manual_seed(seed)
    for _ in itertools.count():
        yield from minibatches(num_digits, batch_size, generator=generator)


def measure(model, images, targets, batch_size):
    """Return the curvatures, the batches drawn afresh."""
    weights, generator = list(model.parameters()), torch.Generator().manual_seed(0)
    loss = squared_error(model, images, targets)
    start = torch.ones(sum(w.numel() for w in weights)).to(weights[0])
    bends = []
    for _ in range(num_batches if batch_size < num_digits else 1):
        batch = torch.randperm(num_digits, generator=generator)[:batch_size]
        part = squared_error(model, images[batch], targets[batch])
        g = torch.cat([w.flatten() for w in torch.autograd.grad(part, weights, retain_graph=True)])
        bends.append(g @ hvp(part, weights, g) / (g @ g))
    values = {
        "train_loss": loss.item(),
        "largest_eigenvalue": lanczos(lambda v: hvp(loss, weights, v), start, tol=0.01).eigenvalues[0],
        "batch_sharpness": torch.stack(bends).mean().item(),
    }
    return {name: float(f"{value:.5g}") for name, value in values.items()}
