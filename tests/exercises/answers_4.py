"""Answers to lesson 4's exercises, right ones in other forms and wrong ones with words of the hint they must get."""

import copy

import numpy as np
import torch
from torch import nn

from course_utils.curvature import lanczos
from lessons.lesson_4.networks import rescale_layers

# 4A


def one_factor_a_unit(twin):
    factors = torch.linspace(15, 25, len(twin[1].bias))
    twin[1].weight *= factors[:, None]
    twin[1].bias *= factors
    twin[3].weight /= factors


def with_new_parameters(twin):
    twin[1].weight = nn.Parameter(10 * twin[1].weight)
    twin[1].bias = nn.Parameter(10 * twin[1].bias)
    twin[3].weight.data = twin[3].weight.data / 10


def by_the_library(twin):
    return rescale_layers(twin, 10)


def the_other_way(twin):
    return rescale_layers(twin, 0.1)


def a_copy_that_is_lost(twin):
    twin = copy.deepcopy(twin)
    twin[1].weight *= 10
    twin[1].bias *= 10
    twin[3].weight /= 10


def scaled(twin, first, bias, last, last_bias=1):
    """Multiply the four tensors with these factors."""
    for w, factor in zip(twin.parameters(), (first, bias, last, last_bias), strict=True):
        w.mul_(factor)


def bias_stays_behind(twin):
    return scaled(twin, 10, 1, 1 / 10)


def last_layer_forgotten(twin):
    return scaled(twin, 10, 10, 1)


def first_layer_forgotten(twin):
    return scaled(twin, 1, 1, 1 / 10)


def last_bias_too(twin):
    return scaled(twin, 10, 10, 1 / 10, 1 / 10)


def negative_factor(twin):
    return scaled(twin, -10, -10, -1 / 10)


def both_times_ten(twin):
    return scaled(twin, 10, 10, 10)


def too_timid(twin):
    return scaled(twin, 3, 3, 1 / 3)


def bias_over_a(twin):
    return scaled(twin, 10, 1 / 10, 1 / 10)


def changed_and_returned(twin):
    scaled(twin, 10, 10, 1 / 10)
    return twin


def weights_only(twin):
    return 10 * twin[1].weight


# 4C


def by_hand(level, large, small):
    def curvature(run):
        i = int(np.argmax(run[:, 0] < level))
        (before, high), (after, low) = run[i - 1], run[i]
        share = np.log(before / level) / np.log(before / after)
        return high + share * (low - high)

    return curvature(large) / curvature(small)


def sorted_first(level, large, small):
    tops = []
    for run in (large, small):
        run = run[np.argsort(run[:, 0])]
        tops.append(np.interp(np.log10(level), np.log10(run[:, 0]), run[:, 1]))
    return tops[0] / tops[1]


def falling_x(level, large, small):
    return np.interp(level, *large.T) / np.interp(level, *small.T)


def falling_log_x(level, large, small):
    tops = [np.interp(np.log(level), np.log(run[:, 0]), run[:, 1]) for run in (large, small)]
    return tops[0] / tops[1]


def at_the_end(level, large, small):
    return large[-1, 1] / small[-1, 1]


def same_row_of_large(level, large, small):
    row = np.argmax(large[:, 0] < level)
    return large[row, 1] / small[row, 1]


def same_row_of_small(level, large, small):
    row = np.argmax(small[:, 0] < level)
    return large[row, 1] / small[row, 1]


def first_below(level, large, small):
    return large[large[:, 0] < level][0, 1] / small[small[:, 0] < level][0, 1]


def last_above(level, large, small):
    return large[large[:, 0] > level][-1, 1] / small[small[:, 0] > level][-1, 1]


def nearest(level, large, small):
    tops = [run[np.abs(run[:, 0] - level).argmin(), 1] for run in (large, small)]
    return tops[0] / tops[1]


def straight_in_the_loss(level, large, small):
    tops = [np.interp(level, run[::-1, 0], run[::-1, 1]) for run in (large, small)]
    return tops[0] / tops[1]


def both_in_logs(level, large, small):
    tops = [np.interp(np.log(level), *np.log(run[::-1]).T) for run in (large, small)]
    return np.exp(tops[0] - tops[1])


def upside_down(level, large, small):
    return 1 / by_hand(level, large, small)


def large_alone(level, large, small):
    return np.interp(np.log(level), np.log(large[::-1, 0]), large[::-1, 1])


# 4D


def in_a_loop(curvatures, w, loss, epsilon):
    rise = 0.0
    for curvature, weight in zip(curvatures, w, strict=True):
        rise += curvature / 2 * (epsilon * (abs(weight) + 1)) ** 2
    return rise / (1 + loss) * 100


def with_tensors(curvatures, w, loss, epsilon):
    side = epsilon * (torch.tensor(w).abs() + 1)
    return 50 * (torch.tensor(curvatures) @ side**2) / (1 + loss)


def of_all_corners(curvatures, w, loss, epsilon):
    signs = np.array(np.meshgrid(*[[-1, 1]] * len(w))).reshape(len(w), -1).T
    corners = signs * epsilon * (np.abs(w) + 1)
    highest = max(loss + (curvatures * z**2).sum() / 2 for z in corners)
    return 100 * (highest - loss) / (1 + loss)


def no_size(curvatures, w, loss, epsilon):
    return 50 * (curvatures * (epsilon * (w + 1)) ** 2).sum() / (1 + loss)


def no_plus_one(curvatures, w, loss, epsilon):
    return 50 * (curvatures * (epsilon * np.abs(w)) ** 2).sum() / (1 + loss)


def a_cube(curvatures, w, loss, epsilon):
    return 50 * (curvatures * epsilon**2).sum() / (1 + loss)


def epsilon_misplaced(curvatures, w, loss, epsilon):
    return 50 * (curvatures * (epsilon * np.abs(w) + 1) ** 2).sum() / (1 + loss)


def no_half(curvatures, w, loss, epsilon):
    return 100 * (curvatures * (epsilon * (np.abs(w) + 1)) ** 2).sum() / (1 + loss)


def not_squared(curvatures, w, loss, epsilon):
    return 50 * (curvatures * epsilon * (np.abs(w) + 1)).sum() / (1 + loss)


def as_a_fraction(curvatures, w, loss, epsilon):
    return in_a_loop(curvatures, w, loss, epsilon) / 100


def over_the_loss(curvatures, w, loss, epsilon):
    return 50 * (curvatures * (epsilon * (np.abs(w) + 1)) ** 2).sum() / loss


def not_divided(curvatures, w, loss, epsilon):
    return 50 * (curvatures * (epsilon * (np.abs(w) + 1)) ** 2).sum()


def highest_loss(curvatures, w, loss, epsilon):
    highest = loss + (curvatures * (epsilon * (np.abs(w) + 1)) ** 2).sum() / 2
    return 100 * highest / (1 + loss)


def largest_curvature_alone(curvatures, w, loss, epsilon):
    i = np.argmax(curvatures)
    return 50 * curvatures[i] * (epsilon * (abs(w[i]) + 1)) ** 2 / (1 + loss)


def largest_curvature_for_all(curvatures, w, loss, epsilon):
    return 50 * max(curvatures) * ((epsilon * (np.abs(w) + 1)) ** 2).sum() / (1 + loss)


def mean_rise(curvatures, w, loss, epsilon):
    return 50 * (curvatures * (epsilon * (np.abs(w) + 1)) ** 2).mean() / (1 + loss)


# 4E


def power_iteration(product, v, rounds=30):
    for _ in range(rounds):
        v = product(v / v.norm())
    return v.norm().item()


def rayleigh(product, v, rounds=60):
    """Return the eigenvalue farthest from zero, with its sign."""
    for _ in range(rounds):
        v = product(v / v.norm())
    v = v / v.norm()
    return (v @ product(v)).item()


def shifted_if_negative(product, start):
    extreme = rayleigh(product, start)
    if extreme > 0:
        return extreme
    return rayleigh(lambda v: product(v) - extreme * v, start) + extreme


def whole_matrix(product, start):
    columns = [product(v) for v in torch.eye(len(start), dtype=start.dtype)]
    return torch.linalg.eigvalsh(torch.stack(columns)).max()


def with_lanczos(product, start):
    return lanczos(product, start).eigenvalues[0]


def smallest_turned_round(product, start):
    size = power_iteration(product, start)
    return size - power_iteration(lambda v: size * v - product(v), start)  # that is λ_min


def no_shift(product, start):
    return power_iteration(product, start)


def shift_kept(product, start):
    size = power_iteration(product, start)
    return power_iteration(lambda v: product(v) + size * v, start)


def shift_added_again(product, start):
    size = power_iteration(product, start)
    return power_iteration(lambda v: product(v) + size * v, start) + size


def sign_lost(product, start):
    return abs(shifted_if_negative(product, start))


def few_rounds(product, start):
    size = power_iteration(product, start, rounds=3)
    return power_iteration(lambda v: product(v) + size * v, start, rounds=3) - size


def a_fixed_shift(product, start):
    return power_iteration(lambda v: product(v) + 10 * v, start) - 10


def trace(product, start):
    return sum(product(v) @ v for v in torch.eye(len(start), dtype=start.dtype))


RIGHT = [
    ("4A", one_factor_a_unit),
    ("4A", by_the_library),
    ("4A", the_other_way),
    ("4A", with_new_parameters),
    ("4A", changed_and_returned),
    ("4B", torch.tensor(7.0)),
    ("4B", (0.035 / 0.25) / (0.02 / 1.0)),
    ("4C", by_hand),
    ("4C", sorted_first),
    ("4D", in_a_loop),
    ("4D", with_tensors),
    ("4D", of_all_corners),
    ("4E", shifted_if_negative),
    ("4E", whole_matrix),
    ("4E", with_lanczos),
]

WRONG = [
    ("4A", a_copy_that_is_lost, "same weights as before"),
    ("4A", weights_only, "same weights as before"),
    ("4A", bias_stays_behind, "bias stayed behind"),
    ("4A", last_layer_forgotten, "the last one has to take back"),
    ("4A", first_layer_forgotten, "the first one has to make good"),
    ("4A", last_bias_too, "no factor reaches it"),
    ("4A", negative_factor, "factor is negative"),
    ("4A", both_times_ten, "on the same side of 1"),
    ("4A", too_timid, "isn't 20 times as large"),
    ("4A", bias_over_a, "do the factors cancel"),
    ("4A", lambda model: nn.Sequential(*model[:3]), "with the same layers is wanted"),
    ("4B", 0.035 / 0.02, "the rule η/B"),
    ("4B", 4, "η stands above the line"),
    ("4B", 0.4375, "below the line"),
    ("4B", (0.035 / 0.02) ** 2, "not squared"),
    ("4B", 7**0.5, "no root"),
    ("4B", 49, "no square"),
    ("4B", 1 / 7, "upside down"),
    ("4B", 10, "too large"),
    ("4C", falling_x, "turn the runs round"),
    ("4C", falling_log_x, "turn the runs round"),
    ("4C", at_the_end, "the ends of the two runs"),
    ("4C", same_row_of_large, "the same budget"),
    ("4C", same_row_of_small, "the same budget"),
    ("4C", first_below, "beside the level"),
    ("4C", last_above, "beside the level"),
    ("4C", nearest, "beside the level"),
    ("4C", straight_in_the_loss, "over the loss's logarithm"),
    ("4C", both_in_logs, "logarithm of λ_max as well"),
    ("4C", upside_down, "upside down"),
    ("4C", large_alone, "divide it by the other's"),
    ("4C", large_alone, "for level = 0.1, large = [[2.0, 9.0], [0.8, 8.0],"),
    ("4D", no_size, "their size counts"),
    ("4D", no_plus_one, "lacks its + 1"),
    ("4D", a_cube, "the same for all weights"),
    ("4D", epsilon_misplaced, "the 1 included"),
    ("4D", no_half, "*half* of λ"),
    ("4D", not_squared, "*square* of the step"),
    ("4D", as_a_fraction, "in percent"),
    ("4D", over_the_loss, "doesn't vanish where the loss does"),
    ("4D", not_divided, "yet to be divided"),
    ("4D", highest_loss, "take off the loss"),
    ("4D", largest_curvature_alone, "you moved one weight"),
    ("4D", largest_curvature_for_all, "each has its own"),
    ("4D", mean_rise, "each adds its rise"),
    ("4D", mean_rise, "for curvatures [50.0, 2.0, 8.0, 0.0], w = [0.2, -3.0, 0.0, 1.5]"),
    ("4E", no_shift, "drops the sign"),
    ("4E", rayleigh, "the wrong end"),
    ("4E", smallest_turned_round, "the wrong end"),
    ("4E", shift_kept, "move the answer back"),
    ("4E", shift_added_again, "on instead of back"),
    ("4E", sign_lost, "the sign isn't"),
    ("4E", few_rounds, "more rounds"),
    ("4E", trace, "this is the trace"),
    ("4E", trace, "for the eigenvalues -6, -1, 0.5, 1, 3: "),
    ("4E", a_fixed_shift, "for the eigenvalues -600, -200, 300: your shift is too small"),
]
