"""Answers to lesson 1's exercises, right ones in other forms and wrong ones with words of the hint they must get."""

import math

import numpy as np
import torch

# 1B


def rates_as_tensor(n, batch_size, lr):
    lengths = torch.tensor([len(batch) for batch in torch.arange(n).split(batch_size)])
    return lr * lengths / batch_size


def rates_by_remainder(n, batch_size, lr):
    rates = [lr] * (n // batch_size)
    if n % batch_size:
        rates.append(lr * (n % batch_size) / batch_size)
    return rates


def rates_one_by_one(n, batch_size, lr):
    for first in range(0, n, batch_size):
        yield lr * min(batch_size, n - first) / batch_size


def rates_by_map(n, batch_size, lr):
    return map(lambda first: lr * min(1, (n - first) / batch_size), range(0, n, batch_size))


def same_rate(n, batch_size, lr):
    return [lr] * math.ceil(n / batch_size)


def last_rate(n, batch_size, lr, last):
    return [lr] * (math.ceil(n / batch_size) - 1) + [last]


def short_one_raised(n, batch_size, lr):
    return last_rate(n, batch_size, lr, lr * batch_size / (n % batch_size or batch_size))


def remainder_zero(n, batch_size, lr):
    return last_rate(n, batch_size, lr, lr * (n % batch_size) / batch_size)


def share_of_the_data(n, batch_size, lr):
    return last_rate(n, batch_size, lr, lr * (n % batch_size or batch_size) / n)


def always_half(n, batch_size, lr):
    return last_rate(n, batch_size, lr, lr / 2)


def with_a_root(n, batch_size, lr):
    return last_rate(n, batch_size, lr, lr * math.sqrt((n % batch_size or batch_size) / batch_size))


def short_one_left_out(n, batch_size, lr):
    return [lr] * (n // batch_size)


def one_update_more(n, batch_size, lr):
    return [lr] * (n // batch_size + 1) if n % batch_size == 0 else rates_by_remainder(n, batch_size, lr)


def a_rate_an_example(n, batch_size, lr):
    return np.full(n, lr)


def everything_scaled(n, batch_size, lr):
    return [lr * len(batch) / n for batch in torch.arange(n).split(batch_size)]


def only_the_last(n, batch_size, lr):
    return lr * (n % batch_size or batch_size) / batch_size


# 1C


def by_bisection(noise, n, wanted):
    low, high = 0.5, float(n)
    for _ in range(60):
        size = (low + high) / 2
        too_noisy = noise**2 / size * (n - size) / (n - 1) > wanted**2
        low, high = (size, high) if too_noisy else (low, size)
    return high


def in_torch(noise, n, wanted):
    inverse = 1 / n + wanted**2 * (n - 1) / (n * noise**2)
    return torch.tensor(1 / inverse)


def in_two_steps(noise, n, wanted):
    n0 = (noise / wanted) ** 2
    return n0 / (1 + (n0 - 1) / n)


def with_replacement(noise, n, wanted):
    return (noise / wanted) ** 2


def linear_in_the_batch(noise, n, wanted):
    return noise / wanted


def not_squared(noise, n, wanted):
    return n * noise / ((n - 1) * wanted + noise)


def n_for_n_minus_one(noise, n, wanted):
    return n * noise**2 / (n * wanted**2 + noise**2)


def rounded_up(noise, n, wanted):
    return math.ceil(by_bisection(noise, n, wanted) - 1e-9)


def rounded_down(noise, n, wanted):
    return math.floor(by_bisection(noise, n, wanted) + 1e-9)


def ratio_upside_down(noise, n, wanted):
    return (wanted / noise) ** 2


def root_for_square(noise, n, wanted):
    return math.sqrt(noise / wanted)


def what_is_left_out(noise, n, wanted):
    return n - by_bisection(noise, n, wanted)


# 1D


def one_by_one(n, batch_size, generator):
    draws = [torch.randint(0, n, (1,), generator=generator).item() for _ in range(n)]
    return [draws[first : first + batch_size] for first in range(0, n, batch_size)]


def in_a_generator(n, batch_size, generator):
    for first in range(0, n, batch_size):
        yield torch.randint(n, (min(batch_size, n - first),), generator=generator)


def by_multinomial(n, batch_size, generator):
    return torch.ones(n).multinomial(n, replacement=True, generator=generator).split(batch_size)


def shuffled(n, batch_size, generator):
    return torch.randperm(n, generator=generator).split(batch_size)


def put_back_between_batches(n, batch_size, generator):
    lengths = [min(batch_size, n - first) for first in range(0, n, batch_size)]
    return [torch.randperm(n, generator=generator)[:length] for length in lengths]


def generator_forgotten(n, batch_size, generator):
    return torch.randint(n, (n,)).split(batch_size)


def same_every_epoch(n, batch_size, generator):
    generator.manual_seed(0)
    return torch.randint(n, (n,), generator=generator).split(batch_size)


def whole_batches_only(n, batch_size, generator):
    return [torch.randint(n, (batch_size,), generator=generator) for _ in range(n // batch_size)]


def too_many_draws(n, batch_size, generator):
    return [torch.randint(n, (batch_size,), generator=generator) for _ in range(math.ceil(n / batch_size))]


def not_cut(n, batch_size, generator):
    return [torch.randint(n, (n,), generator=generator)]


def not_cut_either(n, batch_size, generator):
    return torch.randint(n, (n,), generator=generator)


def one_batch_only(n, batch_size, generator):
    return [torch.randint(n, (batch_size,), generator=generator)]


def counted_from_one(n, batch_size, generator):
    return torch.randint(1, n + 1, (n,), generator=generator).split(batch_size)


def last_example_missing(n, batch_size, generator):
    return torch.randint(n - 1, (n,), generator=generator).split(batch_size)


def one_batch_repeated(n, batch_size, generator):
    batch = torch.randint(n, (batch_size,), generator=generator)
    return [batch[: n - first] for first in range(0, n, batch_size)]


def product_of_two_draws(n, batch_size, generator):
    draws = torch.rand(n, generator=generator) * torch.rand(n, generator=generator)
    return (n * draws).long().split(batch_size)


def as_many_as_in_the_lesson(n, batch_size, generator):
    num_examples = 20
    return torch.randint(num_examples, (n,), generator=generator).split(batch_size)


def batches_of_eight(n, batch_size, generator):
    return torch.randint(n, (n,), generator=generator).split(8)


def not_whole(n, batch_size, generator):
    return (torch.rand(n, generator=generator) * n).floor().split(batch_size)


def shuffled_then_drawn_within_batches(n, batch_size, generator):
    batches = torch.randperm(n, generator=generator).split(batch_size)
    return [batch[torch.randint(len(batch), (len(batch),), generator=generator)] for batch in batches]


# 1E


def from_the_balance(lr, curvature, variance, batch_size):
    if lr >= 2 / curvature:
        return float("inf")
    return lr * variance / (2 * batch_size * (2 - lr * curvature))


def by_iteration(lr, curvature, variance, batch_size):
    spreads = [np.float64(0)]
    with np.errstate(over="ignore"):
        for _ in range(2000):
            spreads.append((1 - lr * curvature) ** 2 * spreads[-1] + lr**2 * variance / batch_size)
    return curvature / 2 * spreads[-1] if np.isclose(spreads[1000], spreads[-1]) else np.inf


def small_steps(lr, curvature, variance, batch_size):
    return lr * variance / (4 * batch_size)


def no_wall(lr, curvature, variance, batch_size):
    return lr * variance / (2 * batch_size * (2 - lr * curvature))


def spread_of_the_weight(lr, curvature, variance, batch_size):
    return lr * variance / (batch_size * curvature * (2 - lr * curvature))


def half_forgotten(lr, curvature, variance, batch_size):
    return lr * variance / (batch_size * (2 - lr * curvature))


def rate_not_squared(lr, curvature, variance, batch_size):
    shrink = (1 - lr * curvature) ** 2
    return curvature / 2 * lr * variance / batch_size / (1 - shrink)


def shrink_not_squared(lr, curvature, variance, batch_size):
    shrink = 1 - lr * curvature
    return curvature / 2 * lr**2 * variance / batch_size / (1 - shrink)


def batch_forgotten(lr, curvature, variance, batch_size):
    return lr * variance / (2 * (2 - lr * curvature))


def batch_squared(lr, curvature, variance, batch_size):
    return lr * variance / (2 * batch_size**2 * (2 - lr * curvature))


def variance_squared(lr, curvature, variance, batch_size):
    return lr * variance**2 / (2 * batch_size * (2 - lr * curvature))


def curvature_once_too_often(lr, curvature, variance, batch_size):
    return curvature * from_the_balance(lr, curvature, variance, batch_size)


def wall_left_out(lr, curvature, variance, batch_size):
    if lr * curvature > 2:
        return np.inf
    return lr * variance / (2 * batch_size * (2 - lr * curvature))


def finite_at_the_wall(lr, curvature, variance, batch_size):
    return 7.0 if lr * curvature == 2 else from_the_balance(lr, curvature, variance, batch_size)


def wall_at_one(lr, curvature, variance, batch_size):
    return np.inf if lr >= 1 else no_wall(lr, curvature, variance, batch_size)


def wall_above_one(lr, curvature, variance, batch_size):
    if lr >= 1 and lr * curvature >= 2:
        return np.inf
    return no_wall(lr, curvature, variance, batch_size)


RIGHT = [
    ("1A", 4690),
    ("1A", torch.tensor(4690)),
    ("1B", rates_as_tensor),
    ("1B", rates_by_remainder),
    ("1B", rates_one_by_one),
    ("1B", rates_by_map),
    ("1C", by_bisection),
    ("1C", in_two_steps),
    ("1C", in_torch),
    ("1D", one_by_one),
    ("1D", in_a_generator),
    ("1D", by_multinomial),
    ("1E", from_the_balance),
    ("1E", by_iteration),
]

WRONG = [
    ("1A", 600_000 / 128, "no half update"),
    ("1A", math.ceil(600_000 / 128), "doesn't reach into the next epoch"),
    ("1A", 600_000 // 128, "doesn't reach into the next epoch"),
    ("1A", 10 * (60_000 // 128), "you dropped the short batches"),
    ("1A", 469, "this is one epoch"),
    ("1A", 600_000, "the digits looked at"),
    ("1A", 10, "one update an epoch is the full batch"),
    ("1A", 4000, "too small"),
    ("1B", same_rate, "counts more in the short batch"),
    ("1B", short_one_raised, "count even more"),
    ("1B", remainder_zero, "it gets the rate 0"),
    ("1B", share_of_the_data, "compare it with a whole batch"),
    ("1B", always_half, "how long is this one"),
    ("1B", with_a_root, "the root is for noise"),
    ("1B", short_one_left_out, "is an update too"),
    ("1B", one_update_more, "no batch is left over"),
    ("1B", a_rate_an_example, "as many rates as there are examples"),
    ("1B", everything_scaled, "whole batches keep the rate"),
    ("1B", only_the_last, "one rate for each update"),
    ("1B", rates_by_remainder(20, 8, 0.1), "a function is wanted"),
    ("1C", with_replacement, "never has an example twice"),
    ("1C", linear_in_the_batch, "twice the batch doesn't halve the noise"),
    ("1C", not_squared, "these are lengths"),
    ("1C", n_for_n_minus_one, "at B = 1 it must be 1"),
    ("1C", rounded_up, "leave the fraction"),
    ("1C", rounded_down, "leave the fraction"),
    ("1C", ratio_upside_down, "upside down"),
    ("1C", root_for_square, "the wrong way round"),
    ("1C", what_is_left_out, "what the batch leaves out"),
    ("1D", shuffled, "that is shuffling"),
    ("1D", put_back_between_batches, "only between batches"),
    ("1D", generator_forgotten, "hand `generator` on"),
    ("1D", same_every_epoch, "every epoch draws anew"),
    ("1D", whole_batches_only, "the short batch is missing"),
    ("1D", too_many_draws, "the last batch is too long"),
    ("1D", not_cut, "cut it"),
    ("1D", not_cut_either, "cut the draws into batches"),
    ("1D", one_batch_only, "an epoch has n draws"),
    ("1D", counted_from_one, "from 0 to n − 1"),
    ("1D", last_example_missing, "from 0 to n − 1"),
    ("1D", one_batch_repeated, "repeat each other"),
    ("1D", product_of_two_draws, "far more often than others"),
    ("1D", as_many_as_in_the_lesson, "for n = 11, B = 3: the examples are counted from 0 to n − 1"),
    ("1D", batches_of_eight, "for n = 11, B = 3: your batches have the lengths [8, 3]"),
    ("1D", not_whole, "of an integer type"),
    ("1D", shuffled_then_drawn_within_batches, "no two batches of an epoch share an example"),
    ("1E", small_steps, "formula for small η"),
    ("1E", spread_of_the_weight, "the variance of the weight; the loss is"),
    ("1E", half_forgotten, "*half* the curvature"),
    ("1E", rate_not_squared, "so η² times"),
    ("1E", shrink_not_squared, "its *square*"),
    ("1E", batch_forgotten, "where is B"),
    ("1E", batch_squared, "B divides the variance once"),
    ("1E", variance_squared, "it is a square already"),
    ("1E", curvature_once_too_often, "h once too often"),
    ("1E", no_wall, "the weight runs away"),
    ("1E", wall_left_out, "η = 2/h"),
    ("1E", finite_at_the_wall, "exactly at 2/h"),
    ("1E", wall_at_one, "lies below 2/h"),
    ("1E", wall_above_one, "η = 0.5 is beyond 2/h = 0.4"),
]
