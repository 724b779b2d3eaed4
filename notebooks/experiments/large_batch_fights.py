"""Can a large batch do what a small one does? Recipes for a quarter of the data a batch, six trials each, in two fights.

Digits: a four-layer network and 4,000 embedded digits, chosen by the 500 validation digits, reported on MNIST's test
set. CIFAR-10: the small convolutional network and the first 5,000 pictures, chosen and reported on 5,000 others each.
Both for 20 epochs: 1,260 or 1,580 updates at B = 64, 80 at B = 1,024 or 1,250; "tiny" is B = 16.
Every recipe has six settings (SWAP and post-local SGD have ten), each run with two seeds; the one with the best mean
validation accuracy is run with five. Call it twice: the second call knows what the first has chosen, and adds what the
rules make of the small batch's rate, which have no setting of their own. Rates are constant, but for a warm-up over the
first quarter of the updates; there is no weight decay. `examples` is what all workers have looked at, `updates` how
many followed one another.
"""

import functools
import itertools
import math

import torch

from course_utils.data import load_cifar10, load_mnist
from course_utils.models import mlp
from course_utils.results import read_results
from course_utils.training import evaluate
from lessons.lesson_3.networks import small_cnn
from lessons.lesson_6.recipes import epochs, go, post_local, swap

num_epochs, tiny, small = 20, 16, 64
large = {"digits": 1024, "CIFAR-10": 1250}
lowest = {  # recipe: the power of two that is the lowest of its six rates, on digits and on pictures
    "SGD": (-5, -7),
    "small batch, SGD": (-5, -7),
    "small batch, momentum": (-8, -9),
    "SGD, warm-up": (-4, -7),
    "momentum": (-6, -8),
    "Nesterov": (-6, -8),
    "LARS": (-5, -5),
    "LAMB": (-8, -8),
    "Adam": (-11, -11),
    "momentum, 4 × longer": (-6, -8),
    "tiny batch, SGD": (-6, -8),
}
trials = {
    (data, recipe): [(2.0**j, None) for j in range(low[i], low[i] + 6)]
    for i, data in enumerate(large)
    for recipe, low in lowest.items()
}
trials["digits", "growing batch"] = trials["digits", "SGD"]
for recipe in ("SWAP", "post-local SGD"):  # rates of the large batches, with momentum, and of the small ones
    trials["digits", recipe] = [
        *itertools.product([1 / 32, 1 / 16, 1 / 8], [1 / 8, 1 / 4]),
        *itertools.product([1 / 16, 1 / 8], [1 / 32, 1 / 16]),  # the best of the six had lain at the edge
    ]


def chosen():
    """Return the setting that validation chose by the seeds 0 and 1, and those of the rules, where all trials are there."""
    try:
        rows = read_results("large_batch_fights").fillna({"setting": -1, "valid_accuracy": 0})
    except FileNotFoundError:
        return []
    runs = rows[rows["seed"] < 2].groupby(["data", "recipe", "lr", "setting"])["valid_accuracy"]
    mean, count = runs.mean(), runs.size()
    whole = [key for key in trials if key in count and count[key].sum() == 2 * len(trials[key])]
    best = [(*key, *mean[key].idxmax()) for key in whole]
    ruled = [
        (data, f"{rule}{more}", lr * (large[data] / small) ** power, -1)
        for more in ("", ", warm-up")
        for data, recipe, lr, _ in best
        if recipe == "small batch, SGD"
        for rule, power in (("rate unchanged", 0), ("square-root rule", 0.5), ("linear rule", 1))
    ]
    return [(*key, lr, None if more < 0 else more) for *key, lr, more in [*best, *ruled]]


two = [(*key, *trial, seed) for key in trials for trial in trials[key] for seed in range(2)]
five = [(*setting, seed) for setting in chosen() for seed in range(5)]
cells = [c for c in two + five if c[0] == "digits"] + five + two  # pictures take longest
names = ("data", "recipe", "lr", "setting", "seed")
grid = [dict(zip(names, cell, strict=True)) for cell in dict.fromkeys(cells)]
columns = ["updates", "examples", "train_loss", "train_accuracy", "valid_accuracy", "test_accuracy"]


@functools.cache
def load(data):
    """Return the examples to train on, to choose by and to report on."""
    if data == "digits":
        return *load_mnist()[:2], load_mnist(full=True)[2]
    train_set, valid_set, test_set = load_cifar10()
    return train_set[:5000], valid_set, test_set[:5000]


def plan(recipe, data):
    """Return (epochs, batch size) of each phase of a recipe."""
    if recipe == "growing batch":
        return [(num_epochs // 4, small), (num_epochs // 4, 4 * small), (num_epochs // 2, large[data])]
    sizes = {"tiny": tiny, "small": small}
    return [(num_epochs * (4 if "longer" in recipe else 1), sizes.get(recipe.split()[0], large[data]))]


def run(data, recipe, lr, setting, seed):
    """Return what was reached after the last update."""
    train_set, valid_set, test_set = load(data)
    model = small_cnn(seed=seed) if data == "CIFAR-10" else mlp((784, 64, 64, 64, 10), seed=seed)
    generator = torch.Generator().manual_seed(seed)
    if recipe in ("SWAP", "post-local SGD"):
        phases, sizes = swap if recipe == "SWAP" else post_local, (small, large[data])
        model, updates = phases(model, train_set, (setting, lr), sizes, generator)
        examples = num_epochs * len(train_set)
    else:
        batches = [
            b for number, size in plan(recipe, data) for b in epochs(number, size, train_set, generator)
        ]
        go(model, train_set, batches, recipe, lr)
        updates, examples = len(batches), sum(map(len, batches))
    (loss, accuracy), *others = (
        evaluate(model, split, batch_size=500) for split in (train_set, valid_set, test_set)
    )
    if not math.isfinite(loss):
        return {"status": "diverged", "updates": updates, "examples": examples}
    reached = (updates, examples, float(f"{loss:.5g}"), accuracy, *(a for _, a in others))
    return dict(zip(columns, reached, strict=True))
