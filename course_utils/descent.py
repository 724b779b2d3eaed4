"""The update rules of lesson 5, a ravine, and the paths that the rules draw on it or on another surface.

NumPy, float64. A surface of one weight takes arrays of any shape and works element by element, so that many
balls roll at once; a surface of two weights takes arrays (..., 2).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np


class Surface(NamedTuple):
    """A loss, its gradient of the shape of the weights, and its local minima, one a row (or number)."""

    loss: Callable[[np.ndarray], np.ndarray]
    gradient: Callable[[np.ndarray], np.ndarray]
    minima: np.ndarray


# ---- update rules: the weights and the last move in, the weights and the new move out


def heavy_ball(w, move, gradient, lr, beta):
    """Return weights and move after one update with momentum, in the form of both lectures (Polyak 1964)."""
    move = beta * move - lr * gradient(w)
    return w + move, move


def nesterov(w, move, gradient, lr, beta):
    """Return weights and move after one update that looks ahead (Nesterov 1983; Sutskever et al. 2013, eq. 3)."""
    move = beta * move - lr * gradient(w + beta * move)
    return w + move, move


def descend(gradient, start, *, lr: float, beta: float = 0.0, num_steps: int, rule=heavy_ball) -> np.ndarray:
    """Return the points (1 + num_steps, *shape of start) that `rule` visits; β = 0 is gradient descent.

    The moves are `np.diff` of the points along the first axis. Points may overflow to inf or NaN, as unstable
    runs do. Raises ValueError for a negative lr, a β outside [0, 1) or a number of steps below 1.
    """
    if not lr >= 0:
        raise ValueError(f"lr must be at least 0, got {lr!r}")
    if not 0 <= beta < 1:
        raise ValueError(f"beta must be at least 0 and below 1, got {beta!r}")
    if num_steps < 1:
        raise ValueError(f"num_steps must be at least 1, got {num_steps!r}")
    w = np.asarray(start, dtype=float)
    points, move = [w], np.zeros_like(w)
    with np.errstate(over="ignore", invalid="ignore"):
        for _ in range(num_steps):
            w, move = rule(w, move, gradient, lr, beta)
            points.append(w)
    return np.array(points)


# ---- what a path does along one direction of curvature


def growth_factors(lr, beta, curvature) -> np.ndarray:
    """Return the two complex factors (..., 2) by which heavy-ball moves grow per update along a `curvature`.

    The roots of σ² − (1 + β − ηλ)σ + β; the arguments may be arrays of one shape, and λ negative (a saddle).
    """
    half_sum, beta = (1 + np.asarray(beta) - np.multiply(lr, curvature)) / 2, np.asarray(beta)
    spread = np.sqrt((half_sum**2 - beta).astype(complex))
    return np.stack([half_sum + spread, half_sum - spread], axis=-1)


def regime(lr: float, beta: float, curvature: float) -> str:
    """Return the name of what the heavy ball does along a direction of positive `curvature`."""
    factors = growth_factors(lr, beta, curvature)
    if abs(factors).max() >= 1:
        return "unstable"
    if beta > 0 and abs(factors[0] - factors[1]) < 1e-6:
        return "critically damped"
    if factors[0].imag:
        return "under-damped"
    return "over-damped" if factors.real.sum() >= 0 else "zigzagging"


def ravine(kappa: float) -> Surface:
    """Return a valley κ times as curved across as along it, (x²/κ + y²)/2: eigenvalues 1/κ and 1."""
    if not kappa >= 1:
        raise ValueError(f"kappa must be at least 1 (largest over smallest curvature), got {kappa!r}")
    curvature = np.array([1 / kappa, 1.0])
    return Surface(lambda w: (curvature * w**2).sum(-1) / 2, lambda w: curvature * w, np.zeros((1, 2)))
