"""Toy loss surfaces, the update rules of lesson 5, and the paths that these draw on those.

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


# ---- surfaces of one weight


def double_well(tilt: float = 0.15) -> Surface:
    """Return a surface with a hill between two valleys, x⁴/4 − x²/2 − tilt·x; the right-hand valley is deeper.

    Raises ValueError for a tilt at which there is only one valley.
    """
    highest = 2 / np.sqrt(27)
    if not 0 <= tilt < highest:
        raise ValueError(
            f"tilt must be at least 0 and below {highest:.3f}, where a valley vanishes, got {tilt!r}"
        )
    left, _, right = np.sort(np.roots([1, 0, -1, -tilt]).real)
    return Surface(
        lambda x: x**4 / 4 - x**2 / 2 - tilt * x, lambda x: x**3 - x - tilt, np.array([left, right])
    )


def shelf(width: float = 1.0) -> Surface:
    """Return a slope that ends on an exactly flat shelf, 0 ≤ x ≤ width, with a valley of depth 1 behind it."""
    if not width >= 0:
        raise ValueError(f"width must be at least 0, got {width!r}")

    def loss(x):
        u = np.asarray(x) - width
        fall, rise = -(np.sin(np.pi * np.clip(u, 0, 1) / 2) ** 2), np.maximum(u - 1, 0) ** 2 / 2
        return np.minimum(x, 0) ** 2 / 2 + fall + rise

    def gradient(x):
        u = np.asarray(x) - width
        return np.minimum(x, 0) - np.pi / 2 * np.sin(np.pi * np.clip(u, 0, 1)) + np.maximum(u - 1, 0)

    return Surface(loss, gradient, np.array([width + 1]))


def plateau() -> Surface:
    """Return a valley in a plain that is nearly flat far out, 1 − exp(−x²/2)."""
    return Surface(lambda x: 1 - np.exp(-(x**2) / 2), lambda x: x * np.exp(-(x**2) / 2), np.array([0.0]))


def lessard() -> Surface:
    """Return a strongly convex surface, 1 ≤ f″ ≤ 25, that the "optimal" heavy ball circles for ever.

    Lessard, Recht and Packard 2016, arXiv 1408.3595, equation 4.11.
    """

    def loss(x):
        middle = x**2 / 2 + 24 * x - 12
        return np.where(x < 1, 25 * x**2 / 2, np.where(x < 2, middle, 25 * x**2 / 2 - 24 * x + 36))

    def gradient(x):
        return np.where(x < 1, 25 * x, np.where(x < 2, x + 24, 25 * x - 24))

    return Surface(loss, gradient, np.array([0.0]))


# ---- surfaces of two weights


def ravine(kappa: float) -> Surface:
    """Return a valley κ times as curved across as along it, (x²/κ + y²)/2: eigenvalues 1/κ and 1."""
    if not kappa >= 1:
        raise ValueError(f"kappa must be at least 1 (largest over smallest curvature), got {kappa!r}")
    curvature = np.array([1 / kappa, 1.0])
    return Surface(lambda w: (curvature * w**2).sum(-1) / 2, lambda w: curvature * w, np.zeros((1, 2)))


def saddle() -> Surface:
    """Return a pass, (x² − y²)/2: a valley along x, a ridge along y, and nothing below."""
    bend = np.array([1.0, -1.0])
    return Surface(lambda w: (bend * w**2).sum(-1) / 2, lambda w: bend * w, np.zeros((0, 2)))


def beale() -> Surface:
    """Return Beale's function of 1958, a curved valley between steep walls, with its minimum at (3, 0.5)."""
    targets, powers = np.array([1.5, 2.25, 2.625]), np.array([1, 2, 3])

    def errors(w):
        x, y = w[..., :1], w[..., 1:]
        return targets - x * (1 - y**powers), x, y

    def gradient(w):
        error, x, y = errors(w)
        slopes = -(1 - y**powers), x * powers * y ** (powers - 1)
        return np.stack([2 * (error * slope).sum(-1) for slope in slopes], axis=-1)

    return Surface(lambda w: (errors(w)[0] ** 2).sum(-1), gradient, np.array([[3.0, 0.5]]))
