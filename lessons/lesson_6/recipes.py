"""LARS and LAMB, the two optimisers made for large batches, in the shape of `course_utils.training.sgd_step`."""

from collections.abc import Iterable

import torch
from torch import Tensor


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
