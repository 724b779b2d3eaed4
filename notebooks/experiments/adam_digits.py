"""How should Adam's rate grow with B? Four epochs of the embedded digits, five rates a B, two rules for β₁ and β₂.

`fixed` keeps β₁ = 0.9 and β₂ = 0.999. `scaled` would have them at B = 64, and for another B takes B/64 times as large
1 − β₁ and 1 − β₂, and ε divided by √(B/64), as the square-root rule asks (Malladi et al. 2022, arXiv 2205.10287).
"""

import torch
import torch.nn.functional as F

from course_utils.data import load_mnist
from course_utils.models import mlp
from course_utils.training import evaluate, minibatches

num_epochs, base = 4, 64
grid = [
    {"betas": betas, "batch_size": size, "lr": 2.0**k, "seed": seed}
    for size, highest in ((8, -7), (32, -6), (128, -5), (512, -4))
    for k in range(highest - 4, highest + 1)
    for betas in ("fixed", "scaled")
    for seed in range(5)
]
columns = ["beta1", "beta2", "epoch", "step", "train_loss", "valid_loss", "valid_accuracy", "test_accuracy"]


def settings(betas, batch_size):
    """Return β₁, β₂ and ε."""
    times = batch_size / base if betas == "scaled" else 1
    return 1 - 0.1 * times, 1 - 0.001 * times, 1e-8 / times**0.5


def run(betas, batch_size, lr, seed):
    """Return a row after each epoch."""
    train_set, valid_set, test_set = load_mnist()
    model, generator = mlp((784, 64, 10), seed=seed), torch.Generator().manual_seed(seed)
    beta1, beta2, eps = settings(betas, batch_size)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, betas=(beta1, beta2), eps=eps)
    rows, step = [], 0
    for epoch in range(1, num_epochs + 1):
        for batch in minibatches(len(train_set), batch_size, generator=generator):
            optimizer.zero_grad()
            F.cross_entropy(model(train_set.images[batch]), train_set.labels[batch]).backward()
            optimizer.step()
            step += 1
        valid_loss, valid_accuracy = evaluate(model, valid_set)
        values = {
            "beta1": beta1,
            "beta2": beta2,
            "train_loss": evaluate(model, train_set)[0],
            "valid_loss": valid_loss,
            "valid_accuracy": valid_accuracy,
            "test_accuracy": evaluate(model, test_set)[1],
        }
        rows.append({"epoch": epoch, "step": step} | {k: float(f"{v:.5g}") for k, v in values.items()})
    return rows
