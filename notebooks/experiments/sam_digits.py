"""Training that looks for flat places (SAM, Foret et al. 2021) at one η and one B, on 1,000 of the embedded digits.

A step takes the gradient not at the weights but a way ρ uphill of them, on the same batch: two gradients in place of
one, so runs with ρ = 0 go on to twice the 1,000 updates. The seed draws the 1,000 digits, the start and the batches; what is
not trained on, 4,000 digits, tests. A part `wrong` of the training labels is replaced by another digit.

A row for each training loss that is reached, looked at every 10 updates (`moment` 0.5, 0.2, 0.05), and one after 1,000
and 2,000 updates. `largest_eigenvalue` is λ_max of the training loss.
"""

import itertools

import torch
import torch.nn.functional as F

from course_utils.curvature import top_eigenvalue
from course_utils.data import Split, load_mnist
from course_utils.models import mlp
from course_utils.training import evaluate, minibatches, sgd_step

lr, levels, budget = 1 / 4, (0.5, 0.2, 0.05), 1000
radii = {  # (part of wrong labels, B) → ρ
    (0.0, 32): (0.0, 0.4, 0.1, 0.8, 0.2, 0.05),
    (0.2, 32): (0.0, 0.4, 0.1, 0.2),
    (0.0, 1000): (0.0, 0.4, 0.1, 0.8, 0.2, 0.05),
    (0.2, 1000): (0.0, 0.4),
}
grid = [
    {"wrong": wrong, "batch_size": size, "rho": rho, "seed": seed}
    for (wrong, size), values in radii.items()
    for rho in values
    for seed in range(5)
]
columns = ["moment", "step", "train_loss", "train_accuracy", "test_accuracy", "largest_eigenvalue"]


def digits_of(seed, wrong):
    """Return the 1,000 digits to train on, a part of them with a wrong label, and the 4,000 others."""
    splits = load_mnist()
    images, labels = (torch.cat([getattr(s, name) for s in splits]) for name in ("images", "labels"))
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(labels), generator=generator)
    kept, unseen = order[:1000], order[1000:]
    given = labels[kept]
    count = round(wrong * len(kept))
    given[:count] = (given[:count] + torch.randint(1, 10, (count,), generator=generator)) % 10
    return Split(images[kept], given), Split(images[unseen], labels[unseen])


def sam_step(model, images, labels, rho):
    """Take one SGD step with the gradient at w + ρ·g/|g|, where g is the gradient at w; with ρ = 0 with g."""
    weights = list(model.parameters())
    gradient = torch.autograd.grad(F.cross_entropy(model(images), labels), weights)
    if rho:
        length = torch.sqrt(sum(g.pow(2).sum() for g in gradient))
        uphill = [rho / length * g for g in gradient]
        with torch.no_grad():
            torch._foreach_add_(weights, uphill)
        gradient = torch.autograd.grad(F.cross_entropy(model(images), labels), weights)
        with torch.no_grad():
            torch._foreach_sub_(weights, uphill)
    for w, g in zip(weights, gradient, strict=True):
        w.grad = g
    sgd_step(weights, lr)


def run(wrong, batch_size, rho, seed):
    """Return a row for each moment; a loss that isn't reached has a row that says so."""
    train_set, unseen = digits_of(seed, wrong)
    model, rows, left = mlp((784, 64, 10), seed=seed), [], list(levels)
    batches, last = endless(len(train_set), batch_size, seed), budget if rho else 2 * budget
    for step in range(last + 1):
        if step % 10 == 0:
            loss = evaluate(model, train_set)[0]
            while left and loss < left[0]:
                rows.append({"moment": left.pop(0), "step": step} | measure(model, train_set, unseen))
        if step in (budget, last):
            rows.append({"moment": step, "step": step} | measure(model, train_set, unseen))
        batch = next(batches)
        sam_step(model, train_set.images[batch], train_set.labels[batch], rho)
    return rows + [{"moment": level, "step": last, "status": "not reached"} for level in left]


def endless(n, batch_size, seed):
    """Yield batches epoch after epoch, for ever."""
    generator = torch.Generator().manual_seed(seed)
    for _ in itertools.count():
        yield from minibatches(n, batch_size, generator=generator)


def measure(model, train_set, unseen):
    """Return what a network is like, to five digits."""
    loss, accuracy = evaluate(model, train_set)
    values = {
        "train_loss": loss,
        "train_accuracy": accuracy,
        "test_accuracy": evaluate(model, unseen)[1],
        "largest_eigenvalue": top_eigenvalue(model, train_set),
    }
    return {name: float(f"{value:.5g}") for name, value in values.items()}
