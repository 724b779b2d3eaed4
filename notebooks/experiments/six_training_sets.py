"""B = 16 and the full batch on six disjoint training sets of 4,000 MNIST digits, and a change of batch half-way.

Both sizes start at the same weights and keep one η. A run is measured the first time its full training loss, looked
at every 10 updates, is below a level. From where it first lies below 0.1, a copy goes on to 0.05 with the other batch
size; its wall is how far the loss rises, on the straight line from the one point to the other, above the higher of
the two. Unseen are the 10,000 test digits; curvature is measured over the training set.
"""

import copy
import itertools

import numpy as np
import torch

from course_utils.curvature import flat_weights, loss_along, top_eigenvalue
from course_utils.data import Split, load_mnist
from course_utils.models import mlp
from course_utils.timing import make_update
from course_utils.training import evaluate, minibatches

num_train, change_at, change_to = 4000, 0.1, 0.05
levels = [0.2, 0.1, 0.05, 0.01]
max_steps = 4000
grid = {"subset": range(6), "lr": [1 / 4, 1 / 2]}
columns = [
    *("first_batch", "second_batch", "level", "step", "train_loss", "unseen_loss", "unseen_accuracy"),
    *("largest_eigenvalue", "wall"),
]


def run(subset, lr):
    """Return a row for each batch size and level, and one for each change of batch."""
    whole, _, unseen = load_mnist(full=True)
    first = subset * num_train
    train_set = Split(whole.images[first : first + num_train], whole.labels[first : first + num_train])
    start = mlp((784, 128, 10), seed=subset)
    rows = []
    for size, other in ((16, num_train), (num_train, 16)):
        reached = descend(start, train_set, size, lr, levels, seed=subset)
        rows += [
            {"first_batch": size, "second_batch": size, **measure(*end, level, train_set, unseen)}
            for level, end in reached.items()
        ]
        begin = reached[change_at][0]
        end = descend(begin, train_set, other, lr, [change_to], seed=100 + subset)[change_to]
        row = measure(*end, change_to, train_set, unseen) | {"wall": wall(begin, end[0], train_set)}
        rows.append({"first_batch": size, "second_batch": other, **row})
    return rows


def descend(start, train_set, batch_size, lr, levels, *, seed):
    """Return {level: (model, updates)}, a copy of what `start` became where its loss first fell below each level."""
    model, reached = copy.deepcopy(start), {}
    for step, batch in enumerate(batches(len(train_set), batch_size, seed)):
        if step % 10 == 0 or step == max_steps:
            loss = evaluate(model, train_set)[0]
            reached |= {x: (copy.deepcopy(model), step) for x in levels if loss < x and x not in reached}
        if len(reached) == len(levels) or step == max_steps:
            return reached
        make_update(model, train_set.images[batch], train_set.labels[batch], lr=lr)()


def batches(n, batch_size, seed):
    """Yield batches epoch after epoch, for ever."""
    generator = torch.Generator().manual_seed(seed)
    for _ in itertools.count():
        yield from minibatches(n, batch_size, generator=generator)


def measure(model, step, level, train_set, unseen):
    """Return what is measured where a run stops."""
    loss, accuracy = evaluate(model, unseen)
    values = {
        "train_loss": evaluate(model, train_set)[0],
        "unseen_loss": loss,
        "unseen_accuracy": accuracy,
        "largest_eigenvalue": top_eigenvalue(model, train_set),
    }
    return {"level": level, "step": step} | {name: float(f"{value:.5g}") for name, value in values.items()}


def wall(begin, end, train_set):
    """Return how far (nats) the loss on the straight line from `begin` to `end` rises above the higher end."""
    w = flat_weights(begin)
    loss = loss_along(begin, train_set, w, flat_weights(end) - w, np.linspace(0, 1, 21)).loss
    return float(f"{max(loss.max() - max(loss[0], loss[-1]), 0):.5g}")
