"""Keskar et al. 2017 (arXiv 1609.04836): their network C1, and how long they train."""

import torch
import torch.nn.functional as F
from torch import nn

from course_utils.models import he_normal
from course_utils.training import evaluate, minibatches


def c1(*, seed: int, width: int = 64) -> nn.Sequential:
    """Build the network C1 of Keskar et al. 2017, from (n, 3, 32, 32) to logits (n, 10), with `width` channels.

    As in their published code: twice [5x5 convolution, batch norm, ReLU, 3x3 max pooling of stride 2], then 384 and
    192 units, each with batch norm, ReLU and dropout of one half. Initialised as `mlp`. Dropout draws from PyTorch's
    global random state.
    """
    generator = torch.Generator().manual_seed(seed)
    layers: list[nn.Module] = []
    for channels in (3, width):
        layers += [
            he_normal(nn.Conv2d, channels, width, 5, padding=2, generator=generator),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
        ]
    layers.append(nn.Flatten())
    for fan_in, fan_out in ((width * 8 * 8, 384), (384, 192)):
        layers += [
            he_normal(nn.Linear, fan_in, fan_out, generator=generator),
            nn.BatchNorm1d(fan_out),
            nn.ReLU(),
            nn.Dropout(0.5),
        ]
    return nn.Sequential(*layers, he_normal(nn.Linear, 192, 10, generator=generator))


def fit(model, optimizer, train_set, *, batch_size, seed, max_epochs, patience, at_once=10_000):
    """Train until the loss ceases to improve, and return the number of epochs.

    That is when the full training loss, measured over `at_once` examples at a time, has improved by less than 1 % in
    `patience` epochs, or after `max_epochs`.
    """
    generator = torch.Generator().manual_seed(seed)
    losses = [evaluate(model, train_set, batch_size=at_once)[0]]
    while len(losses) <= max_epochs:
        for batch in minibatches(
            len(train_set), batch_size, generator=generator, device=train_set.labels.device
        ):
            loss = F.cross_entropy(model(train_set.images[batch]), train_set.labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses.append(evaluate(model, train_set, batch_size=at_once)[0])
        if len(losses) > patience and min(losses[-patience:]) > 0.99 * min(losses[:-patience]):
            break
    return len(losses) - 1
