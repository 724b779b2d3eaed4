"""Toy loss surfaces beside the ravine: hills, shelves, a saddle, and two that are there to mislead.

NumPy, float64. A surface of one weight takes arrays of any shape and works element by element, so that many
balls roll at once; a surface of two weights takes arrays (..., 2).
"""

import numpy as np

from course_utils.descent import Surface


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
