"""The networks of the lessons, seeded, without batch norm unless asked for (it makes B part of the loss)."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn


def mlp(sizes: Sequence[int], *, seed: int, batch_norm: bool = False) -> nn.Sequential:
    """Build a fully connected ReLU network that maps (n, c, h, w) or (n, sizes[0]) to logits (n, sizes[-1]).

    Weights are He-normal, N(0, 2 / fan_in), biases zero (He et al. 2015, arXiv 1502.01852). The weights depend
    on `sizes` and `seed` alone; PyTorch's global random state is neither read nor changed. `batch_norm` puts a
    batch normalisation before each ReLU; with (784, 512, 512, 512, 512, 512, 10) this is the network F1 of
    Keskar et al. 2017.

    Raises ValueError for fewer than two sizes, or a size below 1.
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(f"sizes must be at least two positive layer widths, as (784, 10), got {sizes}")
    generator = torch.Generator().manual_seed(seed)
    layers: list[nn.Module] = [nn.Flatten()]
    for fan_in, fan_out in pairwise(sizes):
        norm = [nn.BatchNorm1d(fan_out)] if batch_norm else []
        layers += [he_normal(nn.Linear, fan_in, fan_out, generator=generator), *norm, nn.ReLU()]
    return nn.Sequential(*layers[: -2 if batch_norm else -1])


def he_normal(kind: type[nn.Module], *shape: int, generator: torch.Generator, **options) -> nn.Module:
    """Build a layer of `kind`, such as nn.Conv2d, with weights drawn from N(0, 2 / fan_in) and zero biases."""
    layer = nn.utils.skip_init(kind, *shape, **options)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
    nn.init.zeros_(layer.bias)
    return layer
