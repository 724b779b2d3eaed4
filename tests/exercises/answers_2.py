"""Answers to lesson 2's exercises: right in another form, and wrong as students write them."""

from itertools import pairwise
from statistics import mean, median

import numpy as np
import torch
import torch.nn.functional as F
from torch import tensor

floor, rate = 0.2, 400
a = (5.59 - 4.38) / (1 / 64 - 1 / 1024)


def operations_layer_by_layer(sizes):
    total = 0
    for layer, (n, m) in enumerate(pairwise(sizes)):
        uses = 2 if layer == 0 else 3
        total += uses * 2 * n * m
    return total


def operations_from_tensors(sizes):
    weights = tensor(sizes[:-1]) * tensor(sizes[1:])
    return 2 * weights.sum() + 2 * weights.sum() + 2 * weights[1:].sum()


def operations_by_emptying_the_list(sizes):
    n = sizes.pop(0)
    total = -2 * n * sizes[0]
    while sizes:
        total += 6 * n * sizes[0]
        n = sizes.pop(0)
    return total


def products_and_sums_one_by_one(sizes):
    (n, m), *later = pairwise(sizes)
    first = (2 * n - 1) * m + n * m
    return first + sum((2 * n - 1) * m + n * m + (2 * m - 1) * n for n, m in later)


def six_p(sizes):
    return 6 * sum(n * m for n, m in pairwise(sizes))


def six_p_with_biases(sizes):
    return 6 * sum(n * m + m for n, m in pairwise(sizes))


def four_p(sizes):
    return 4 * sum(n * m for n, m in pairwise(sizes))


def forward_only(sizes):
    return 2 * sum(n * m for n, m in pairwise(sizes))


def right_but_for_the_biases(sizes):
    weights = [n * m + m for n, m in pairwise(sizes)]
    return 6 * sum(weights) - 2 * weights[0]


def products_only(sizes):
    weights = [n * m for n, m in pairwise(sizes)]
    return 3 * sum(weights) - weights[0]


def last_layer_spared(sizes):
    weights = [n * m for n, m in pairwise(sizes)]
    return 6 * sum(weights) - 2 * weights[-1]


def weights_alone(sizes):
    return sum(n * m for n, m in pairwise(sizes))


def per_batch(sizes):
    return 100 * operations_layer_by_layer(sizes)


def with_step(step, *, clear=True, no_grad=True, ready=True):
    """Return a maker of updates whose only unusual line is `step(w, lr)`."""

    def make(model, images, labels, lr=0.01):
        def update():
            loss = F.cross_entropy(model(images), labels)
            if clear:
                model.zero_grad()
            loss.backward()
            with torch.set_grad_enabled(not no_grad):
                for w in model.parameters():
                    step(w, lr)

        return update if ready else update()

    return make


def lean(w, lr):
    w.sub_(w.grad, alpha=lr)


def lean_by_adding(w, lr):
    w.add_(w.grad, alpha=-lr)


def unchanged(w, lr):
    w -= lr * w.grad


def through_a_new_tensor(w, lr):
    w.copy_(w - lr * w.grad)


def rebound(w, lr):
    w = w - lr * w.grad


def without_lr(w, lr):
    w.sub_(w.grad)


def uphill(w, lr):
    w.add_(w.grad, alpha=lr)


def lr_twice(w, lr):
    w.sub_(lr * w.grad, alpha=lr)


def all_at_once(model, images, labels, lr):
    weights = list(model.parameters())

    def update():
        gradients = torch.autograd.grad(F.cross_entropy(model(images), labels), weights)
        with torch.no_grad():
            torch._foreach_sub_(weights, gradients, alpha=lr)

    return update


def through_data(model, images, labels, lr):
    def update():
        loss = F.cross_entropy(model(images), labels)
        model.zero_grad()
        loss.backward()
        for w in model.parameters():
            w.data.sub_(w.grad, alpha=lr)

    return update


def by_optimizer(model, images, labels, lr):
    sgd = torch.optim.SGD(model.parameters(), lr=lr)

    def update():
        loss = F.cross_entropy(model(images), labels)
        sgd.zero_grad()
        loss.backward()
        sgd.step()

    return update


def product_through_data(model, images, labels, lr):
    def update():
        loss = F.cross_entropy(model(images), labels)
        model.zero_grad()
        loss.backward()
        for w in model.parameters():
            w.data -= lr * w.grad

    return update


def nine_long_readings(update, clock, wait):
    for _ in range(5):
        update()
    readings = []
    for _ in range(9):
        wait()
        start = clock()
        for _ in range(3000):
            update()
        wait()
        stop = clock()
        readings.append((stop - start) / 3)
    return min(readings)


def until_it_is_long_enough(update, clock, wait):
    update()
    wait()
    readings = []
    for _ in range(7):
        start, calls = clock(), 0
        while clock() - start < 0.5:
            update()
            wait()
            calls += 1
        readings.append(1000 * (clock() - start) / calls)
    return tensor(readings).median()


def until_half_a_second_is_over(update, clock, wait):
    readings = []
    for _ in range(5):
        wait()
        start, calls = clock(), 0
        while clock() - start < 0.5:
            update()
            calls += 1
        wait()
        readings.append(1000 * (clock() - start) / calls)
    return median(readings)


def stopwatch(calls=1000, repeats=5, warm_up=3, summary=median, waiting=True, factor=1000.0):
    """Return a stopwatch with one thing amiss."""

    def time_update(update, clock, wait):
        for _ in range(warm_up):
            update()
        readings = []
        for _ in range(repeats):
            if waiting:
                wait()
            start = clock()
            for _ in range(calls):
                update()
            if waiting:
                wait()
            readings.append(factor * (clock() - start) / calls)
        return summary(readings)

    return time_update


def by_hand_as_on_the_page(update, clock, wait):
    for _ in range(3):
        update()
    readings = []
    for _ in range(5):
        wait()
        start = clock()
        update()
        wait()
        readings.append(1000 * (clock() - start))
    return np.median(readings)


def waits_too_late(update, clock, wait):
    update()
    wait()
    start = clock()
    for _ in range(1000):
        update()
    stop = clock()
    wait()
    return stop - start


def forgets_to_divide(update, clock, wait):
    update()
    wait()
    start = clock()
    for _ in range(1000):
        update()
    wait()
    return 1000 * (clock() - start)


RIGHT = [
    ("2A", (0.6, 0.15)),
    ("2A", tensor([0.6, 0.15])),
    ("2A", [60_000 / B * np.maximum(floor, B / rate) * 1e-3 for B in (20, 1000)]),
    ("2A", np.linalg.solve(np.eye(2), [[0.6], [0.15]])),
    ("2B", tensor([[0.231], [0.826]])),
    ("2B", np.array([a / 64 / 5.59, a / 64 * 60_000 / 93_800])),
    ("2B", (0.231, 0.826)),
    ("2C", operations_layer_by_layer),
    ("2C", operations_from_tensors),
    ("2C", operations_by_emptying_the_list),
    ("2D", with_step(lean)),
    ("2D", with_step(lean_by_adding)),
    ("2D", all_at_once),
    ("2D", through_data),
    ("2D", by_optimizer),
    ("2E", nine_long_readings),
    ("2E", until_it_is_long_enough),
    ("2E", until_half_a_second_is_over),
    ("2E", stopwatch(warm_up=0)),  # the median ignores the first call as well
]

WRONG = [
    ("2A", (0.15, 0.15), "too small for the machine"),
    ("2A", (0.75, 0.162), "soft form"),
    ("2A", (0.6, 0.012), "took the floor beyond the knee"),
    ("2A", (0.6, 0.162), "soft form"),
    ("2A", (600, 150), "milliseconds"),
    ("2A", (0.2, 2.5), "time of one update"),
    ("2A", (12, 0.15), "for each example"),
    ("2A", (0.15, 0.6), "first the epoch at B = 20"),
    ("2A", 0.15, "2 numbers are wanted"),
    ("2B", (1.21 / 5.59, 1.21 * 60_000 / 93_800), "a part that depends on B is left"),
    ("2B", (a / 64 / 5.59, 1.21 * 60_000 / 93_800), "a part that depends on B is left"),
    ("2B", (1 - a / 64 / 5.59, 0.826), "does not depend"),
    ("2B", (23.1, 0.826), "per cent"),
    ("2B", (a / 64, 0.826), "divide by the time of the whole run"),
    ("2B", (1, 3.576), "what of the part c"),
    ("2B", (0.231, 5.59 * 60_000 / 93_800), "spread the whole run"),
    ("2B", (0.231, 0.000826), "these are seconds"),
    ("2B", (0.231, a / 64 / 93_800), "these are minutes"),
    ("2B", (0.231, a / 64 * 60_000 / 938), "100 epochs"),
    ("2B", (0.231, a * 60_000 / 93_800), "a for each update"),
    ("2C", six_p, "the gradient of the pixels"),
    ("2C", six_p_with_biases, "biases are counted"),
    ("2C", right_but_for_the_biases, "biases are counted"),
    ("2C", four_p, "pass a gradient on as well"),
    ("2C", forward_only, "forward pass alone"),
    ("2C", products_only, "a product and a sum"),
    ("2C", last_layer_spared, "not the last one"),
    ("2C", weights_alone, "these are the weights"),
    ("2C", per_batch, "too large"),
    ("2C", products_and_sums_one_by_one, "two operations for each use of a weight"),
    ("2D", with_step(unchanged), "which line makes two calls"),
    ("2D", with_step(through_a_new_tensor), "which line makes two calls"),
    ("2D", product_through_data, "which line makes two calls"),
    ("2D", with_step(rebound), "makes a new tensor"),
    ("2D", with_step(without_lr), "leaves lr out"),
    ("2D", with_step(uphill), "uphill"),
    ("2D", with_step(lean, clear=False), "who empties grad"),
    ("2D", with_step(lr_twice), "not those of the lesson's update"),
    ("2D", with_step(lean, no_grad=False), "RuntimeError"),
    ("2D", with_step(lean, ready=False), "is there a return"),
    ("2E", stopwatch(waiting=False), "nobody waits"),
    ("2E", waits_too_late, "nobody waits"),
    ("2E", stopwatch(factor=1.0), "these are seconds"),
    ("2E", forgets_to_divide, "divide by how many"),
    ("2E", by_hand_as_on_the_page, "too short for a clock"),
    ("2E", stopwatch(calls=20), "too short for a clock"),
    ("2E", stopwatch(calls=80), "too short for a clock"),
    ("2E", stopwatch(calls=85), "too short for a clock"),
    ("2E", stopwatch(calls=3000, waiting=False), "nobody waits"),
    ("2E", stopwatch(calls=100_000), "a few thousand updates"),
    ("2E", stopwatch(summary=mean), "one stray disturbance"),
    ("2E", stopwatch(repeats=1), "one stray disturbance"),
    ("2E", stopwatch(warm_up=0, summary=mean), "first call is counted"),
]
