"""Digits with and without momentum, at a constant learning rate and with one that falls to a tenth near the end.

Two forms of momentum that agree until the drop: the "buffer" of PyTorch forgets the old rate at once, the
"velocity" of the lectures keeps coasting on moves made at the old rate.
"""

import torch
import torch.nn.functional as F

from course_utils.data import load_mnist
from course_utils.models import mlp
from course_utils.training import evaluate, minibatches

grid = {
    "form": ["plain", "buffer", "velocity"],
    "decay": [False, True],
    "effective_lr": [0.05, 0.1, 0.2, 0.5, 1.0],
    "seed": range(5),
}
columns = ["step", "train_loss", "train_accuracy", "valid_accuracy"]
batch_size = 20
num_epochs = 5  # of 200 updates
drop_at = 800  # updates before the rate falls to a tenth
eval_steps = [800, 802, 805, 810, 820, 850, 1000]
momentum = 0.9


def run(form, decay, effective_lr, seed):
    """Return a row for each evaluation."""
    train_set, valid_set, _ = load_mnist()
    model = mlp((784, 128, 10), seed=seed)
    generator = torch.Generator().manual_seed(seed)
    beta = 0.0 if form == "plain" else momentum
    weights = list(model.parameters())
    stored = [torch.zeros_like(w) for w in weights]
    rows, step = [], 0
    for _ in range(num_epochs):
        for batch in minibatches(len(train_set), batch_size, generator=generator):
            lr = effective_lr * (1 - beta) * (0.1 if decay and step >= drop_at else 1)
            model.zero_grad()
            F.cross_entropy(model(train_set.images[batch]), train_set.labels[batch]).backward()
            with torch.no_grad():
                for w, v in zip(weights, stored, strict=True):
                    if form == "velocity":
                        v.mul_(beta).sub_(w.grad, alpha=lr)
                        w += v
                    else:
                        v.mul_(beta).add_(w.grad)
                        w -= lr * v
            step += 1
            if step in eval_steps:
                train_loss, train_accuracy = evaluate(model, train_set)
                values = (step, train_loss, train_accuracy, evaluate(model, valid_set)[1])
                rows.append(dict(zip(columns, values, strict=True)))
    return rows
