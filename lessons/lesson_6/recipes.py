"""Recipes for large batches: LARS and LAMB in the shape of `course_utils.training.sgd_step`, SWAP, post-local SGD."""

import copy
from collections.abc import Callable, Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.data import Split
from course_utils.training import minibatches


@torch.no_grad()
def lars_step(
    weights: Iterable[Tensor], lr: float, velocity: list[Tensor], momentum=0.9, trust=0.001, weight_decay=0.0
) -> None:
    """Take one step of LARS from the gradients in `w.grad`, in place (You, Gitman and Ginsburg 2017, algorithm 1).

    With c = `trust` and λ = `weight_decay`, a matrix steps by v ← β·v + c·|w| / (|g| + λ|w|)·(g + λw) and
    w ← w − η·v. Biases (one axis) keep the factor 1 and have no decay, and so does a matrix of which a norm is zero.
    """
    for w, v in zip(weights, velocity, strict=True):
        g = w.grad
        if w.ndim > 1:
            size, length = w.norm(), g.norm() + weight_decay * w.norm()
            g = (g + weight_decay * w) * (trust * size / length if size > 0 and length > 0 else 1)
        v.mul_(momentum).add_(g)
        w -= lr * v


@torch.no_grad()
def lamb_step(
    weights: Iterable[Tensor], lr: float, moments: list[tuple], betas=(0.9, 0.999), weight_decay=0.0, eps=1e-6
) -> None:
    """Take one step of LAMB from the gradients in `w.grad`, in place (You et al. 2020, without bias correction).

    r = m / (√v + ε) + λw, with Adam's moments m and v, and w ← w − η·φ(|w|)/|r|·r for each tensor, biases too, with
    φ(|w|) = min(|w|, 10). Where |w| or |r| is zero, as for a bias at the start, the factor is 1.
    """
    for w, (m, v) in zip(weights, moments, strict=True):
        m.lerp_(w.grad, 1 - betas[0])
        v.lerp_(w.grad**2, 1 - betas[1])
        r = m / (v.sqrt() + eps) + weight_decay * w
        size, length = w.norm().clamp(max=10), r.norm()
        w -= lr * (size / length if size > 0 and length > 0 else 1) * r


# ---- training by recipe


def step_of(recipe: str, weights: list[Tensor], lr: float) -> Callable[[float], None]:
    """Return a function that takes a step of the recipe's optimiser from `w.grad`, at `lr` times its argument."""
    if "LARS" in recipe:
        velocity = [torch.zeros_like(w) for w in weights]
        return lambda part: lars_step(weights, lr * part, velocity, trust=0.02)
    if "LAMB" in recipe:
        moments = [(torch.zeros_like(w), torch.zeros_like(w)) for w in weights]
        return lambda part: lamb_step(weights, lr * part, moments)
    if "Adam" in recipe:
        optimizer = torch.optim.Adam(weights, lr=lr)
    else:
        nesterov = "Nesterov" in recipe
        beta = 0.9 if nesterov or "momentum" in recipe else 0.0
        optimizer = torch.optim.SGD(weights, lr=lr, momentum=beta, nesterov=nesterov)

    def step(part):
        optimizer.param_groups[0]["lr"] = lr * part
        optimizer.step()

    return step


def go(model: nn.Module, data: Split, batches: Sequence[Tensor], recipe: str, lr: float) -> None:
    """Train `model` in place on `batches` of places in `data`; with "warm-up" the rate climbs for a quarter of them."""
    step, ramp = step_of(recipe, list(model.parameters()), lr), len(batches) / 4
    for n, batch in enumerate(batches, start=1):
        model.zero_grad()
        F.cross_entropy(model(data.images[batch]), data.labels[batch]).backward()
        step(min(1.0, n / ramp) if "warm-up" in recipe else 1.0)


def epochs(number: int, batch_size: int, data: Split, generator: torch.Generator) -> list[Tensor]:
    """Return the batches of so many epochs, one after the other."""
    return [b for _ in range(number) for b in minibatches(len(data), batch_size, generator=generator)]


@torch.no_grad()
def average(models: Sequence[nn.Module]) -> nn.Module:
    """Return a model whose weights are the mean of the models' weights."""
    mean = copy.deepcopy(models[0])
    for w, *others in zip(mean.parameters(), *(m.parameters() for m in models), strict=True):
        w.copy_(torch.stack(others).mean(0))
    return mean


def branches(model: nn.Module, data: Split, shares: Iterable[Sequence[Tensor]], lr: float) -> nn.Module:
    """Return the mean of copies of `model`, each trained by SGD on its share, a sequence of batches of its own."""
    ends = []
    for batches in shares:
        ends.append(copy.deepcopy(model))
        go(ends[-1], data, batches, "SGD", lr)
    return average(ends)


def swap(model, data, lrs, sizes, generator, *, long=12, short=2, workers=4) -> tuple[nn.Module, int]:
    """Return (model, updates in a row) of SWAP: `long` large epochs, then the mean of `workers` of `short` small ones.

    `sizes` and `lrs` are those of the small batches and of the large ones, which have momentum (Gupta et al. 2020).
    """
    first = epochs(long, sizes[1], data, generator)
    go(model, data, first, "momentum", lrs[1])
    shares = [epochs(short, sizes[0], data, generator) for _ in range(workers)]
    return branches(model, data, shares, lrs[0]), len(first) + len(shares[0])


def post_local(model, data, lrs, sizes, generator, *, long=12, short=8, alone=4) -> tuple[nn.Module, int]:
    """Return (model, updates in a row) of post-local SGD: `long` large epochs, then `short` of workers left `alone`.

    A large batch is then shared out to workers of one small batch each, which average their weights after every
    `alone` updates; `sizes` and `lrs` as in `swap` (Lin et al. 2020).
    """
    first, rest = (epochs(number, sizes[1], data, generator) for number in (long, short))
    go(model, data, first, "momentum", lrs[1])
    for start in range(0, len(rest), alone):
        shards = [batch.tensor_split(sizes[1] // sizes[0]) for batch in rest[start : start + alone]]
        model = branches(model, data, zip(*shards, strict=True), lrs[0])
    return model, len(first) + len(rest)
