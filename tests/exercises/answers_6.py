"""Right and wrong answers to the exercises of lesson 6."""

import math
from fractions import Fraction

import numpy as np
import torch


def by_torch(w, g, lr, trust):
    w, g = torch.tensor(w), torch.tensor(g)
    if not w.any() or not g.any():
        return torch.tensor(lr)
    return lr * trust * w.norm() / g.norm()


def by_roots(w, g, lr, trust):
    size, length = (w**2).sum() ** 0.5, (g**2).sum() ** 0.5
    return lr * (trust * size / length if size * length else 1)


def guarded(rate):
    def answer(w, g, lr, trust):
        return rate(w, g, lr, trust) if w.any() and g.any() else lr

    return answer


def norm(x):
    return np.linalg.norm(x)


def unguarded(w, g, lr, trust):
    return lr * trust * norm(w) / norm(g)


def zero_stays_zero(w, g, lr, trust):
    return lr * trust * norm(w) / norm(g) if g.any() else lr


def trust_everywhere(w, g, lr, trust):
    return lr * trust * (norm(w) / norm(g) if w.any() and g.any() else 1)


RIGHT = [
    ("6A", 2),
    ("6A", torch.tensor([1.0] * 48 + [5.0] * 16).mean()),
    ("6B", by_torch),
    ("6B", by_roots),
    ("6C", 300),
    ("6C", np.float32(300)),
    ("6D", Fraction(100)),
    ("6D", np.float32(100)),
    ("6D", 100.02),
    ("6E", Fraction(2, 5)),
    ("6E", torch.tensor(0.4)),
    ("6F", lambda plan, n: sum(e * len(range(0, n, b)) for e, b in plan)),
    ("6F", lambda plan, n: np.sum([e * np.ceil(n / b) for e, b in plan])),
    ("6G", 7),
    ("6G", 0.7 * sum(0.9**j for j in range(1000))),
]

WRONG = [
    ("6A", 3.0, "mean of the two means"),
    ("6A", 6, "sum of the two means"),
    ("6A", 4.0, "other way round"),
    ("6A", 128, "sum over the examples; a batch's"),
    ("6A", 64, "not of examples"),
    ("6B", guarded(lambda w, g, lr, c: lr * c * norm(g) / norm(w)), "upside down"),
    ("6B", guarded(lambda w, g, lr, c: lr * c * (w**2).sum() / (g**2).sum()), "squares of norms"),
    ("6B", guarded(lambda w, g, lr, c: lr * norm(w) / norm(g)), "trust coefficient is missing"),
    ("6B", guarded(lambda w, g, lr, c: c * norm(w) / norm(g)), "learning rate is missing"),
    ("6B", guarded(lambda w, g, lr, c: lr * c * norm(w)), "gradient's length is missing"),
    ("6B", guarded(lambda w, g, lr, c: lr), "the same for every layer"),
    ("6B", guarded(lambda w, g, lr, c: lr * c * abs(w).max() / abs(g).max()), "largest entry"),
    ("6B", guarded(lambda w, g, lr, c: lr * c * abs(w).sum() / abs(g).sum()), "sum of absolute values"),
    ("6B", unguarded, "infinity and NaN are none"),
    ("6B", zero_stays_zero, "rate of zero"),
    ("6B", trust_everywhere, "trust goes with the ratio"),
    ("6C", 3000, "after every update"),
    ("6C", 6, "each time that they talk"),
    ("6C", 75, "four bytes"),
    ("6C", 2400, "megabits"),
    ("6C", 200, "sends the weights once"),
    ("6C", 400, "not 2k"),
    ("6C", 1200, "all four"),
    ("6C", 150, "goes around twice"),
    ("6C", 3e8, "a megabyte is a million"),
    ("6D", 75, "in no time"),
    ("6D", 56.25, "wrong way round"),
    ("6D", 300, "not to what sharing saves"),
    ("6D", 25, "not B/3"),
    ("6D", 120, "floor is paid"),
    ("6D", 80, "drops out"),
    ("6D", 150, "for two workers"),
    ("6D", 400, "all of them together"),
    ("6E", 1.6, "divide it by the number of workers"),
    ("6E", 2.5, "how many times as long"),
    ("6E", 0.1, "not 64"),
    ("6E", 0.625, "upside down"),
    ("6E", 0.6, "what is lost"),
    ("6E", 40, "not in per cent"),
    ("6E", 6.4, "once too often"),
    ("6F", lambda plan, n: sum(e * (n // b) for e, b in plan), "shorter batch is missing"),
    ("6F", lambda plan, n: sum(math.ceil(e * n / b) for e, b in plan), "run over the end"),
    ("6F", lambda plan, n: sum(e * n / b for e, b in plan), "not a whole number"),
    ("6F", lambda plan, n: sum(math.ceil(n / b) for _, b in plan), "one epoch of each"),
    ("6F", lambda plan, n: sum(e * n for e, _ in plan), "examples looked at"),
    ("6F", lambda plan, n: sum(e for e, _ in plan), "these are the epochs"),
    ("6F", lambda plan, n: plan[0][0] * math.ceil(n / plan[0][1]), "first phase alone"),
    ("6G", 0.07, "multiplied by 1"),
    ("6G", 0.63, "look ahead"),
    ("6G", 1.33, "the first step"),
    ("6G", 0.7, "carried on"),
    ("6G", 10, "alone"),
    ("6G", 6.3, "own part"),
]
