"""Does a linear warm-up of the learning rate rescue large batches at large rates? Embedded digits, 10 epochs.

The rate climbs in equal steps to `lr` over the first `warm_up` part of all updates and stays there (Goyal et al. 2017
begin at a small rate, over the first 5 of 90 epochs).
"""

import math

import torch
import torch.nn.functional as F

from course_utils.data import load_mnist
from course_utils.models import mlp
from course_utils.training import evaluate, minibatches

num_epochs = 10
grid = {
    "batch_size": [64, 256, 1024, 4000],
    "lr": [2.0**j for j in range(-4, 4)],
    "warm_up": [0.0, 0.1, 0.25, 0.5],
    "seed": range(10),
}
columns = ["train_loss", "train_accuracy", "valid_accuracy", "test_accuracy"]


def run(batch_size, lr, warm_up, seed):
    """Return what was reached after the last update."""
    splits = load_mnist()
    train_set = splits[0]
    model = mlp((784, 128, 10), seed=seed)
    generator = torch.Generator().manual_seed(seed)
    ramp = warm_up * num_epochs * math.ceil(len(train_set) / batch_size)  # updates
    step = 0
    for _ in range(num_epochs):
        for batch in minibatches(len(train_set), batch_size, generator=generator):
            step += 1
            rate = lr * min(1, step / ramp) if ramp else lr
            model.zero_grad()
            F.cross_entropy(model(train_set.images[batch]), train_set.labels[batch]).backward()
            with torch.no_grad():
                for w in model.parameters():
                    w -= rate * w.grad
    (loss, *accuracies) = evaluate(model, train_set) + tuple(
        evaluate(model, split)[1] for split in splits[1:]
    )
    if not math.isfinite(loss):
        return {"status": "diverged"}
    return dict(zip(columns, (float(f"{loss:.5g}"), *accuracies), strict=True))
