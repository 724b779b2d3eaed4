"""Both noise scales along the way: tr Σ / |G|², which ignores curvature, and tr(HΣ) / GᵀHG, which the theory has.

G is the gradient over the 4,000 training digits, Σ the covariance of single examples' gradients, H the Hessian
(McCandlish et al. 2018, section 2.2). With random signs s the vector u = Σᵢ sᵢ(gᵢ − G)/√N has the mean square tr Σ,
and uᵀHu has the mean tr(HΣ).
"""

import torch
import torch.nn.functional as F

from course_utils.data import load_mnist
from course_utils.models import mlp
from course_utils.training import evaluate, train

steps = (0, 3, 10, 30, 100, 300)
draws = 20
grid = {"batch_size": [16, 64, 1024], "lr": [1 / 8], "seed": range(5)}
columns = ["step", "valid_accuracy", "noise", "signal", "curved_noise", "curved_noise_error", "curved_signal"]


def dot(first, second):
    """Return the inner product of two lists of tensors."""
    return sum((a * b).sum() for a, b in zip(first, second, strict=True)).item()


def noise_and_signal(model, digits, draws, generator):
    """Return tr Σ, |G|², tr(HΣ), its standard error and GᵀHG over `digits`."""
    weights = list(model.parameters())
    losses = F.cross_entropy(model(digits.images), digits.labels, reduction="none")
    mean = torch.autograd.grad(losses.mean(), weights, create_graph=True)

    def curvature(vector):
        return dot(vector, torch.autograd.grad(mean, weights, vector, retain_graph=True))

    squares, curved = torch.zeros(2, draws, dtype=torch.float64)
    for draw in range(draws):
        signs = 2.0 * torch.randint(2, losses.shape, generator=generator).to(losses) - 1
        share = (signs - signs.mean()) / len(digits) ** 0.5
        u = torch.autograd.grad(losses, weights, share, retain_graph=True)
        squares[draw], curved[draw] = dot(u, u), curvature(u)
    gradient = [g.detach() for g in mean]
    return (
        squares.mean().item(),
        dot(gradient, gradient),
        curved.mean().item(),
        (curved.std() / draws**0.5).item(),
        curvature(gradient),
    )


def run(batch_size, lr, seed):
    """Return a row after each of `steps` updates."""
    train_set, valid_set, _ = load_mnist()
    model, generator = mlp((784, 128, 10), seed=seed), torch.Generator().manual_seed(seed)
    rows, done = [], 0
    for step in steps:
        if step > done:
            settings = {"batch_size": batch_size, "lr": lr, "num_steps": step - done}
            train(model, train_set, generator=generator, eval_steps=[], **settings)
            done = step
        measured = noise_and_signal(model, train_set, draws, torch.Generator().manual_seed(step))
        values = (step, evaluate(model, valid_set)[1], *(float(f"{value:.5g}") for value in measured))
        rows.append(dict(zip(columns, values, strict=True)))
    return rows
