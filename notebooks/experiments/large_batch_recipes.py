"""Can a large batch do what a small one does? Recipes for a quarter of the data a batch, six trials each.

A four-layer network reads 4,000 embedded digits for 20 epochs: 1,260 updates at B = 64, 80 at B = 1,024. Every recipe
has six settings to be tuned over, each run with two seeds; the one with the best mean accuracy on the 500 validation
digits is run with five. Call it twice: the second call knows what the first has chosen. The test set is MNIST's own.
The rate is constant, but for a warm-up that takes the first quarter of all updates; there is no weight decay.
Plain SGD has more rates than its six, those that the linear and the square-root rule ask for. `examples` is what all
workers together have looked at, `updates` how many updates followed one another.
"""

import functools
import math

import torch
import torch.nn.functional as F

from course_utils.data import load_mnist
from course_utils.models import mlp
from course_utils.results import read_results
from course_utils.training import evaluate, minibatches
from lessons.lesson_6.recipes import lamb_step, lars_step

num_epochs, small, large = 20, 64, 1024


def powers(low):
    """Return six rates, each twice the one before, from 2^low on."""
    return [(2.0**j, None) for j in range(low, low + 6)]


trials = {  # recipe: six pairs of a learning rate and one more setting
    "small batch, SGD": powers(-5),
    "small batch, momentum": powers(-8),
    "SGD": powers(-5),
    "SGD, warm-up": powers(-4),
    "momentum": powers(-6),
    "Nesterov": powers(-6),
    "LARS": powers(-5),
    "LAMB": powers(-8),
    "Adam": powers(-11),
}
rules = {recipe: [(lr, None) for lr in (2.0, 4.0)] for recipe in ("SGD", "SGD, warm-up")}


def cells(settings, seeds):
    """Return a cell for each (recipe, learning rate, one more setting) and seed."""
    return [
        dict(zip(("recipe", "lr", "setting", "seed"), (*s, n), strict=True)) for s in settings for n in seeds
    ]


def chosen():
    """Return the setting of each recipe that validation chose by the seeds 0 and 1, and those of the rules; [] at first."""
    try:
        rows = read_results("large_batch_recipes", seed=[0, 1])
    except FileNotFoundError:
        return []
    rows = rows.assign(setting=rows["setting"].fillna(-1), valid=rows["valid_accuracy"].fillna(0))
    mean = rows.groupby(["recipe", "lr", "setting"])["valid"].mean()
    best = mean.groupby("recipe").idxmax()
    scaled = [(name, k * best["small batch, SGD"][1], -1) for name in rules for k in (1, 4, 16)]
    return [(name, lr, None if setting < 0 else setting) for name, lr, setting in [*best, *scaled]]


everything = [
    (recipe, *trial) for recipe in trials for trial in dict.fromkeys(trials[recipe] + rules.get(recipe, []))
]
grid = list({str(cell): cell for cell in cells(everything, range(2)) + cells(chosen(), range(5))}.values())
columns = ["updates", "examples", "train_loss", "train_accuracy", "valid_accuracy", "test_accuracy"]


@functools.cache
def test_digits():
    """Return MNIST's 10,000 test digits."""
    return load_mnist(full=True)[2]


def rule(recipe, weights, lr):
    """Return a function that takes a step of the recipe's optimiser from `w.grad`, at `lr` times its argument."""
    if recipe == "LARS":
        velocity = [torch.zeros_like(w) for w in weights]
        return lambda part=1.0: lars_step(weights, lr * part, velocity, trust=0.02)
    if recipe == "LAMB":
        moments = [(torch.zeros_like(w), torch.zeros_like(w)) for w in weights]
        return lambda part=1.0: lamb_step(weights, lr * part, moments)
    if recipe == "Adam":
        optimizer = torch.optim.Adam(weights, lr=lr)
    else:
        beta = 0.9 if "momentum" in recipe or recipe == "Nesterov" else 0.0
        optimizer = torch.optim.SGD(weights, lr=lr, momentum=beta, nesterov=recipe == "Nesterov")

    def step(part=1.0):
        optimizer.param_groups[0]["lr"] = lr * part
        optimizer.step()

    return step


def go(model, data, batches, step, ramp=0):
    """Train `model` on `batches`, the rate climbing to its full height over the first `ramp` updates."""
    for n, batch in enumerate(batches, start=1):
        model.zero_grad()
        F.cross_entropy(model(data.images[batch]), data.labels[batch]).backward()
        step(min(1, n / ramp) if ramp else 1.0)


def epochs(number, batch_size, n, generator):
    """Return the batches of so many epochs, in a list."""
    return [b for _ in range(number) for b in minibatches(n, batch_size, generator=generator)]


def run(recipe, lr, setting, seed):
    """Return what was reached after the last update."""
    train_set, valid_set, _ = load_mnist()
    n, examples = len(train_set), num_epochs * len(train_set)
    model = mlp((784, 64, 64, 64, 10), seed=seed)
    generator = torch.Generator().manual_seed(seed)
    batches = epochs(num_epochs, small if "small" in recipe else large, n, generator)
    step, updates = rule(recipe, list(model.parameters()), lr), len(batches)
    go(model, train_set, batches, step, updates / 4 if "warm-up" in recipe else 0)
    (loss, accuracy), *others = (evaluate(model, split) for split in (train_set, valid_set, test_digits()))
    if not math.isfinite(loss):
        return {"status": "diverged", "updates": updates, "examples": examples}
    reached = (updates, examples, float(f"{loss:.5g}"), accuracy, *(a for _, a in others))
    return dict(zip(columns, reached, strict=True))
