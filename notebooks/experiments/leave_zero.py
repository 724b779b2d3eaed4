"""How soon a network leaves the saddle at zero weights: 500 digits, with and without momentum, B = 10 and all 500.

The usual random weights times 0.01 lie beside a saddle of the loss. Counted are the updates until the training loss has
left its starting value ln 10 = 2.30 (below 2.2), and until most is learned (below 0.5); empty where 300 updates don't do.
"""

import numpy as np
import torch

from course_utils.data import load_mnist
from course_utils.models import mlp
from course_utils.training import train

routes = [  # batch size, β, and the learning rates η up to one that no longer trains
    (500, 0.0, [0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0]),
    (500, 0.9, [0.01, 0.02, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0]),
    (10, 0.0, [0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0]),
]
grid = [
    {"batch_size": batch_size, "momentum": momentum, "lr": lr, "seed": seed}
    for batch_size, momentum, rates in routes
    for lr in rates
    for seed in range(5)
]
columns = ["updates_to_2_2", "updates_to_0_5"]
num_steps = 300


def run(batch_size, momentum, lr, seed):
    """Return the first updates after which the loss lies below 2.2 and below 0.5."""
    model = mlp((784, 128, 10), seed=seed)
    with torch.no_grad():
        for w in model.parameters():
            w *= 0.01
    history = train(
        model,
        load_mnist()[0][:500],
        batch_size=batch_size,
        lr=lr,
        momentum=momentum,
        num_steps=num_steps,
        generator=torch.Generator().manual_seed(seed),
        eval_steps=range(num_steps + 1),
    )
    losses = np.array(history.train_loss)
    first = [int(np.argmax(losses < level)) or None for level in (2.2, 0.5)]
    return dict(zip(columns, first, strict=True))
