"""Answers to lesson 3's exercises, right ones in other forms and wrong ones with words of the hint they must get."""

import math
from statistics import mean

import numpy as np
import torch

# 3B


def with_numpy(batch_size, rule, top_eigenvalue):
    power = {"linear": 1, "square root": 0.5}[rule]
    return np.minimum(1 / 16 * (batch_size / 16) ** power, 2 / top_eigenvalue)


def with_a_tensor(batch_size, rule, top_eigenvalue):
    rate = torch.tensor(batch_size / 256)
    if rule == "square root":
        rate = torch.tensor(batch_size).sqrt() / 64
    return rate.clamp(max=2 / top_eigenvalue)


def rules_swapped(batch_size, rule, top_eigenvalue):
    factor = math.sqrt(batch_size / 16) if rule == "linear" else batch_size / 16
    return min(factor / 16, 2 / top_eigenvalue)


def linear_for_both(batch_size, rule, top_eigenvalue):
    return min(batch_size / 256, 2 / top_eigenvalue)


def no_wall(batch_size, rule, top_eigenvalue):
    factor = batch_size / 16
    return (factor if rule == "linear" else math.sqrt(factor)) / 16


def wall_at_one_over(batch_size, rule, top_eigenvalue):
    return min(no_wall(batch_size, rule, top_eigenvalue), 1 / top_eigenvalue)


def wall_at_curvature(batch_size, rule, top_eigenvalue):
    return min(no_wall(batch_size, rule, top_eigenvalue), top_eigenvalue)


def larger_of_the_two(batch_size, rule, top_eigenvalue):
    return max(no_wall(batch_size, rule, top_eigenvalue), 2 / top_eigenvalue)


def never_changed(batch_size, rule, top_eigenvalue):
    return min(1 / 16, 2 / top_eigenvalue)


def downwards(batch_size, rule, top_eigenvalue):
    factor = 16 / batch_size
    return min((factor if rule == "linear" else math.sqrt(factor)) / 16, 2 / top_eigenvalue)


def not_through_16(batch_size, rule, top_eigenvalue):
    factor = batch_size if rule == "linear" else math.sqrt(batch_size)
    return min(factor / 16, 2 / top_eigenvalue)


def root_of_the_batch(batch_size, rule, top_eigenvalue):
    factor = batch_size / 16 if rule == "linear" else math.sqrt(batch_size)
    return min(factor / 16, 2 / top_eigenvalue)


def root_of_all(batch_size, rule, top_eigenvalue):
    rate = batch_size / 16 / 16
    return min(rate if rule == "linear" else math.sqrt(rate), 2 / top_eigenvalue)


def root_of_the_whole_batch(batch_size, rule, top_eigenvalue):
    rate = (batch_size if rule == "linear" else math.sqrt(batch_size)) / 256
    return min(rate, 2 / top_eigenvalue)


def back_to_a_16th_at_the_wall(batch_size, rule, top_eigenvalue):
    rate = no_wall(batch_size, rule, top_eigenvalue)
    return rate if rate <= 2 / top_eigenvalue else 1 / 16


# 3C


def in_a_loop(valid, test):
    best, reached = -1, None
    for rate in range(len(valid)):
        if sum(valid[rate]) > best:
            best, reached = sum(valid[rate]), mean(test[rate])
    return reached


def in_torch(valid, test):
    valid, test = torch.tensor(valid), torch.tensor(test)
    return test[valid.mean(1).argmax()].mean()


def tuned_on_test(valid, test):
    return test.mean(axis=1).max()


def best_test_of_each_seed(valid, test):
    return test.max(axis=0).mean()


def validation_reported(valid, test):
    return valid.mean(axis=1).max()


def a_rate_for_each_seed(valid, test):
    return np.mean([test[valid[:, seed].argmax(), seed] for seed in range(valid.shape[1])])


def luckiest_run(valid, test):
    return test.flatten()[valid.argmax()]


def rate_of_the_luckiest_run(valid, test):
    return test[valid.max(axis=1).argmax()].mean()


def wrong_axis(valid, test):
    return test[:, valid.mean(axis=0).argmax()].mean()


def place_of_the_rate(valid, test):
    return valid.mean(axis=1).argmax()


def by_the_median(valid, test):
    return test[np.median(valid, axis=1).argmax()].mean()


def by_the_worst_seed(valid, test):
    return test[valid.min(1).argmax()].mean()


def by_mean_less_spread(valid, test):
    return test[(valid.mean(1) - valid.std(1)).argmax()].mean()


def last_rate(valid, test):
    return test[-1].mean()


def wrong_axis_as_a_row(valid, test):
    return test[valid.mean(0).argmax()].mean()


def tuned_on_both(valid, test):
    return test[(valid + test).mean(1).argmax()].mean()


def seeds_left_apart(valid, test):
    return test[valid.mean(axis=1).argmax()]


# 3E


def by_search(batch_size, b_crit, knee):
    sizes = np.arange(1, 10_000)
    times = (1 + b_crit / sizes) * (1 + sizes / knee)
    return times[batch_size - 1] / times.min()


def multiplied_out(batch_size, b_crit, knee):
    ratio = b_crit / knee
    return (1 + ratio + b_crit / batch_size + batch_size / knee) / (1 + math.sqrt(ratio)) ** 2


def updates_only(batch_size, b_crit, knee):
    return (1 + b_crit / batch_size) / (1 + b_crit / math.sqrt(b_crit * knee))


def one_update_only(batch_size, b_crit, knee):
    return (1 + batch_size / knee) / (1 + math.sqrt(b_crit * knee) / knee)


def examples_counted(batch_size, b_crit, knee):
    best = math.sqrt(b_crit * knee)
    return batch_size * (1 + b_crit / batch_size) / (best * (1 + b_crit / best))


def no_comparison(batch_size, b_crit, knee):
    return (1 + b_crit / batch_size) * (1 + batch_size / knee)


def perfect_scaling(batch_size, b_crit, knee):
    return math.sqrt(b_crit * knee) / batch_size


def upside_down(batch_size, b_crit, knee):
    return 1 / multiplied_out(batch_size, b_crit, knee)


def how_much_longer(batch_size, b_crit, knee):
    return multiplied_out(batch_size, b_crit, knee) - 1


def against_b_crit(batch_size, b_crit, knee):
    return no_comparison(batch_size, b_crit, knee) / no_comparison(b_crit, b_crit, knee)


def against_the_knee(batch_size, b_crit, knee):
    return no_comparison(batch_size, b_crit, knee) / no_comparison(knee, b_crit, knee)


def against_powers_of_two(batch_size, b_crit, knee):
    best = min(no_comparison(2**k, b_crit, knee) for k in range(14))
    return no_comparison(batch_size, b_crit, knee) / best


def against_the_middle(batch_size, b_crit, knee):
    return no_comparison(batch_size, b_crit, knee) / no_comparison((b_crit + knee) / 2, b_crit, knee)


RIGHT = [
    ("3A", 625),
    ("3A", torch.tensor(2500 / 4)),
    ("3B", with_numpy),
    ("3B", with_a_tensor),
    ("3C", in_a_loop),
    ("3C", in_torch),
    ("3D", 80),
    ("3D", np.float32(79.99)),
    ("3D", (400 * 20 * 1.9 / 380) / ((400 * 0.6 - 20 * 2.5) / 380)),
    ("3E", by_search),
    ("3E", multiplied_out),
]

WRONG = [
    ("3A", 640, "short last batch is an update"),
    ("3A", 10 * 1024 / 16, "don't divide"),
    ("3A", 10, "equal epochs"),
    ("3A", 10 * 250 / 3, "dropped the short last batch"),
    ("3A", 250 / 4, "B = 16 has ten"),
    ("3A", 10 * 4 / 250, "upside down"),
    ("3A", 2500, "updates that B = 16 makes"),
    ("3A", 40, "updates that B = 1,024 makes"),
    ("3A", 600, "too small"),
    ("3B", rules_swapped, "this is the square-root rule"),
    ("3B", linear_for_both, "this is the linear rule"),
    ("3B", no_wall, "beyond the wall"),
    ("3B", wall_at_one_over, "the wall is twice as far"),
    ("3B", wall_at_curvature, "λ_max is a curvature"),
    ("3B", larger_of_the_two, "only where the rule asks for more"),
    ("3B", never_changed, "this rate is fixed"),
    ("3B", downwards, "falls as the batch grows"),
    ("3B", not_through_16, "at B = 16 the rate must be 1/16"),
    ("3B", root_of_the_batch, "which isn't 1/16 at B = 16"),
    ("3B", root_of_all, "which isn't 1/16 at B = 16"),
    ("3B", root_of_the_whole_batch, "the factor alone"),
    ("3B", back_to_a_16th_at_the_wall, "fall back to 1/16"),
    ("3B", with_numpy(64, "linear", 1), "a function is wanted"),
    ("3C", tuned_on_test, "chose on the test digits"),
    ("3C", best_test_of_each_seed, "chose on the test digits"),
    ("3C", validation_reported, "this is the validation accuracy"),
    ("3C", a_rate_for_each_seed, "a rate for every seed"),
    ("3C", luckiest_run, "one lucky run"),
    ("3C", rate_of_the_luckiest_run, "one lucky run"),
    ("3C", luckiest_run, "for valid, test = np.random.default_rng"),
    ("3C", by_the_median, "by the plain mean"),
    ("3C", by_the_worst_seed, "by the plain mean"),
    ("3C", by_mean_less_spread, "by the plain mean"),
    ("3C", last_rate, "the last rate"),
    ("3C", tuned_on_both, "chose on the test digits"),
    ("3C", wrong_axis_as_a_row, "mind the axes"),
    ("3C", wrong_axis, "mind the axes"),
    ("3C", place_of_the_rate, "the place of the rate"),
    ("3C", seeds_left_apart, "one number is wanted"),
    ("3D", (2.5 - 0.6) / (1 / 20 - 1 / 400), "this is tr Σ"),
    ("3D", (400 * 0.6 - 20 * 2.5) / 380, "this is |G|²"),
    ("3D", 20 * (2.5 - 0.6) / 0.6, "as free of noise"),
    ("3D", 40 / 0.6, "as free of noise"),
    ("3D", 20 * 2.5 / 0.6, "signal and noise together"),
    ("3D", 40 / 2.5, "holds noise as well"),
    ("3D", 20 * (2.5 - 0.6) / 2.5, "holds noise as well"),
    ("3D", 2.5 / 0.6, "split both"),
    ("3D", 0.5 / 40, "upside down"),
    ("3D", 80**0.5, "squared already"),
    ("3E", updates_only, "the updates only"),
    ("3E", one_update_only, "one update only"),
    ("3E", examples_counted, "these are the examples"),
    ("3E", no_comparison, "which no batch reaches"),
    ("3E", perfect_scaling, "halved the time"),
    ("3E", upside_down, "upside down"),
    ("3E", how_much_longer, "how many *times*"),
    ("3E", against_b_crit, "it lies between them"),
    ("3E", against_the_knee, "it lies between them"),
    ("3E", against_the_middle, "not halfway"),
    ("3E", against_powers_of_two, "powers of two"),
]
