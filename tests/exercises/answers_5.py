"""Answers to lesson 5's exercises, right ones in other forms and wrong ones with words of the hint they must get."""

import math

import numpy as np
import torch

from course_utils.descent import growth_factors

# 5B


def through_the_buffer(w, m, g, lr, beta, old_lr):
    buffer = beta * (-m / old_lr) + g
    return w - lr * buffer, -lr * buffer


def in_place(w, m, g, lr, beta, old_lr):
    m *= beta * lr / old_lr
    m -= lr * g
    w += m
    return [w, m]


def in_torch(w, m, g, lr, beta, old_lr):
    w, m, g = torch.tensor(w), torch.tensor(m), torch.tensor(g)
    m = m.mul(beta).mul(lr / old_lr).sub(g, alpha=lr)
    return w.add(m), m


def stacked(w, m, g, lr, beta, old_lr):
    m = beta * m * lr / old_lr - lr * g
    return np.stack([w + m, m])


def stacked_in_torch(w, m, g, lr, beta, old_lr):
    return torch.stack(in_torch(w, m, g, lr, beta, old_lr))


def one_by_one(w, m, g, lr, beta, old_lr):
    m = beta * m * lr / old_lr - lr * g
    yield w + m
    yield m


def uncorrected(w, m, g, lr, beta, old_lr):
    m = beta * m - lr * g
    return w + m, m


def upside_down(w, m, g, lr, beta, old_lr):
    m = beta * m * (old_lr / lr) - lr * g
    return w + m, m


def all_of_it_corrected(w, m, g, lr, beta, old_lr):
    m = beta * m - lr * g
    m = m * lr / old_lr
    return w + m, m


def gradient_at_the_old_rate(w, m, g, lr, beta, old_lr):
    m = beta * m * lr / old_lr - old_lr * g
    return w + m, m


def uphill(w, m, g, lr, beta, old_lr):
    m = beta * m * lr / old_lr + lr * g
    return w + m, m


def without_beta(w, m, g, lr, beta, old_lr):
    m = m * lr / old_lr - lr * g
    return w + m, m


def averaged(w, m, g, lr, beta, old_lr):
    m = beta * m * lr / old_lr - (1 - beta) * lr * g
    return w + m, m


def everything_times_beta(w, m, g, lr, beta, old_lr):
    m = beta * (m * lr / old_lr - lr * g)
    return w + m, m


def stores_a_buffer(w, m, g, lr, beta, old_lr):
    m = beta * m + g
    return w - lr * m, m


def stores_too_little(w, m, g, lr, beta, old_lr):
    move = beta * m * lr / old_lr - lr * g
    return w + move, m


def subtracted(w, m, g, lr, beta, old_lr):
    m = beta * m * lr / old_lr - lr * g
    return w - m, m


def weights_only(w, m, g, lr, beta, old_lr):
    return w + beta * m * lr / old_lr - lr * g


def other_order(w, m, g, lr, beta, old_lr):
    m = beta * m * lr / old_lr - lr * g
    return m, w + m


def only_where_it_falls(w, m, g, lr, beta, old_lr):
    if lr < old_lr:
        m = m * lr / old_lr
    m = beta * m - lr * g
    return w + m, m


# 5D


def from_the_flat_end(eigenvalues):
    low, *_, high = sorted(eigenvalues)
    root_lr = 2 / (high**0.5 + low**0.5)
    return np.array([root_lr**2, (1 - root_lr * low**0.5) ** 2])


def tune_in_torch(eigenvalues):
    roots = torch.tensor(eigenvalues).sqrt()
    total, spread = roots.max() + roots.min(), roots.max() - roots.min()
    return (4 / total**2).item(), ((spread / total) ** 2).item()


def plain_descent(eigenvalues):
    low, high = min(eigenvalues), max(eigenvalues)
    return 2 / (low + high), ((high - low) / (high + low)) ** 2


def plain_strength(eigenvalues):
    low, high = min(eigenvalues), max(eigenvalues)
    return tune_in_torch(eigenvalues)[0], (high - low) / (high + low)


def kappa_without_root(eigenvalues):
    low, high = min(eigenvalues), max(eigenvalues)
    return tune_in_torch(eigenvalues)[0], ((high - low) / (high + low)) ** 2


def rate_not_squared(eigenvalues):
    lr, beta = tune_in_torch(eigenvalues)
    return lr**0.5, beta


def strength_not_squared(eigenvalues):
    lr, beta = tune_in_torch(eigenvalues)
    return lr, beta**0.5


def habit(eigenvalues):
    return tune_in_torch(eigenvalues)[0], 0.9


def edge(eigenvalues):
    beta = tune_in_torch(eigenvalues)[1]
    return 2 * (1 + beta) / max(eigenvalues), beta


def first_and_last(eigenvalues):
    return tune_in_torch([eigenvalues[0], eigenvalues[-1]])


def beta_first(eigenvalues):
    return tune_in_torch(eigenvalues)[::-1]


def root_of_the_sum(eigenvalues):
    total = math.sqrt(max(eigenvalues) + min(eigenvalues))
    return (2 / total) ** 2, 0.5


def lr_alone(eigenvalues):
    return tune_in_torch(eigenvalues)[0]


# 5E


def slower(lr, beta):
    return max(abs(growth_factors(lr, beta, curvature)).max() for curvature in (0.01, 1))


SAME = math.log(0.9**0.5) / math.log(0.99)
EFFECTIVE = math.log(slower(0.1, 0.9)) / math.log(0.99)
BEST = math.log(9 / 11) / math.log(99 / 101)

RIGHT = [
    ("5A", [0.02, 0.4]),
    ("5A", torch.tensor([0.02, 0.4])),
    ("5A", (0.4 / 20, 0.4)),
    ("5B", through_the_buffer),
    ("5B", in_place),
    ("5B", in_torch),
    ("5B", stacked),
    ("5B", stacked_in_torch),
    ("5B", one_by_one),
    ("5C", 1 + 0.02 - 2 * 0.02**0.5),
    ("5C", 0.738),
    ("5C", 0.74),
    ("5C", torch.tensor(0.73716)),
    ("5D", from_the_flat_end),
    ("5D", tune_in_torch),
    ("5E", [SAME, EFFECTIVE, BEST]),
    ("5E", np.log([slower(1, 0.9), slower(0.1, 0.9), 9 / 11]) / np.log([0.99, 0.99, 99 / 101])),
    ("5E", (5.24, 1.11, 10.0)),
    ("5E", (5.2, 1.1, 10)),
]

WRONG = [
    ("5A", (0.4, 0.4), "a sum, not an average"),
    ("5A", (0.4 / (1 - 0.95), 0.4), "goes the wrong way"),
    ("5A", (0.4 * 0.95, 0.4), "enters the average with another factor"),
    ("5A", (0.05, 0.4), "multiplied by a rate as well"),
    ("5A", (0.02, 0.4 / (1 - 0.95)), "add up to 1 already"),
    ("5A", (0.02, 0.02), "goes on counting"),
    ("5A", (0.02, 0.4 * 0.95), "nothing is lost to β"),
    ("5A", (0.02, 0.4 * (0.05 + 0.05 * 0.95)), "not the last two"),
    ("5A", (0.4, 0.02), "in the other order"),
    ("5A", 0.02, "2 numbers are wanted"),
    ("5B", uncorrected, "as long as the old rate made it"),
    ("5B", upside_down, "upside down"),
    ("5B", all_of_it_corrected, "at the new rate already"),
    ("5B", gradient_at_the_old_rate, "only the stored move"),
    ("5B", uphill, "uphill"),
    ("5B", without_beta, "β is missing"),
    ("5B", averaged, "this is the moving average"),
    ("5B", everything_times_beta, "β multiplies the new gradient"),
    ("5B", stores_a_buffer, "PyTorch's buffer"),
    ("5B", stores_too_little, "store the whole move"),
    ("5B", subtracted, "old weights plus that move"),
    ("5B", weights_only, "must return two things"),
    ("5B", other_order, "the weights come first"),
    ("5B", only_where_it_falls, "as long as the old rate made it"),
    ("5C", 1 - 0.02**0.5, "this is √β"),
    ("5C", 0.73, "too small"),
    ("5C", 0.75, "too large"),
    ("5C", (1 - 1) ** 2, "the steep direction"),
    ("5C", (1 - 50**0.5) ** 2, "β must be below 1"),
    ("5C", (1 + 0.02**0.5) ** 2, "the upper end"),
    ("5C", 1 - 1 / 50, "gradient descent's factor"),
    ("5C", (1 - 1 / 50) ** 2, "there is a root"),
    ("5C", ((50**0.5 - 1) / (50**0.5 + 1)) ** 2, "tunes η as well"),
    ("5D", plain_descent, "this is gradient descent's best"),
    ("5D", plain_strength, "this is gradient descent's rate"),
    ("5D", kappa_without_root, "(6) has √κ"),
    ("5D", rate_not_squared, "this is √η"),
    ("5D", strength_not_squared, "square it"),
    ("5D", habit, "0.9 is a habit"),
    ("5D", edge, "the edge of stability"),
    ("5D", first_and_last, "they come in any order"),
    ("5D", beta_first, "η comes first"),
    ("5D", root_of_the_sum, "root of a sum"),
    ("5D", lr_alone, "2 numbers are wanted"),
    ("5E", (10, EFFECTIVE, BEST), "at this η the flat one rings"),
    ("5E", (0.99 / 0.9**0.5, EFFECTIVE, BEST), "compares the factors"),
    ("5E", (math.log(0.9) / math.log(0.99), EFFECTIVE, BEST), "it is √β, line (10)"),
    ("5E", (SAME, 1, BEST), "took it for granted"),
    ("5E", (SAME, 0.99 / slower(0.1, 0.9), BEST), "compared the factors"),
    ("5E", (SAME, EFFECTIVE, (99 / 101) / (9 / 11)), "compares the factors"),
    ("5E", (SAME, SAME, BEST), "which of the two is the slower"),
    ("5E", (SAME, math.log(slower(10, 0.9)) / math.log(0.99), BEST), "η = 10 explodes"),
    ("5E", (SAME, EFFECTIVE, 100), "this is κ"),
    ("5E", (SAME, EFFECTIVE, 691 / 85), "measured updates"),
    ("5E", (SAME, EFFECTIVE, math.log(0.9**0.5) / math.log(99 / 101)), "β = 0.9 isn't the best"),
    ("5E", (SAME, EFFECTIVE, math.log(9 / 11) / math.log(0.99)), "at its best η, (5)"),
    ("5E", (SAME, EFFECTIVE, math.log((9 / 11) ** 2) / math.log(99 / 101)), "factor √β, not β"),
    ("5E", (1 / SAME, EFFECTIVE, BEST), "upside down"),
]
