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
        raise ValueError(
            f"sizes must be at least two positive layer widths, such as (784, 128, 10), got {tuple(sizes)}"
        )
    generator = torch.Generator().manual_seed(seed)
    layers: list[nn.Module] = [nn.Flatten()]
    for fan_in, fan_out in pairwise(sizes):
        norm = [nn.BatchNorm1d(fan_out)] if batch_norm else []
        layers += [_he_normal(nn.Linear, fan_in, fan_out, generator=generator), *norm, nn.ReLU()]
    return nn.Sequential(*layers[: -2 if batch_norm else -1])


def small_cnn(*, seed: int) -> nn.Sequential:
    """Build a convolutional ReLU network of 26,346 weights that maps (n, 3, 32, 32) to logits (n, 10).

    Two convolutions that halve the side (5x5 to 16 channels, 3x3 to 32) and one dense layer; initialised as `mlp`.
    """
    generator = torch.Generator().manual_seed(seed)
    return nn.Sequential(
        _he_normal(nn.Conv2d, 3, 16, 5, stride=2, padding=2, generator=generator),
        nn.ReLU(),
        _he_normal(nn.Conv2d, 16, 32, 3, stride=2, padding=1, generator=generator),
        nn.ReLU(),
        nn.Flatten(),
        _he_normal(nn.Linear, 32 * 8 * 8, 10, generator=generator),
    )


def keskar_c1(*, seed: int, width: int = 64) -> nn.Sequential:
    """Build the network C1 of Keskar et al. 2017, from (n, 3, 32, 32) to logits (n, 10), with `width` channels.

    As in their published code: twice [5x5 convolution, batch norm, ReLU, 3x3 max pooling of stride 2], then 384 and
    192 units, each with batch norm, ReLU and dropout of one half. Initialised as `mlp`. Dropout draws from PyTorch's
    global random state.
    """
    generator = torch.Generator().manual_seed(seed)
    layers: list[nn.Module] = []
    for channels in (3, width):
        layers += [
            _he_normal(nn.Conv2d, channels, width, 5, padding=2, generator=generator),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, padding=1),
        ]
    layers.append(nn.Flatten())
    for fan_in, fan_out in ((width * 8 * 8, 384), (384, 192)):
        layers += [
            _he_normal(nn.Linear, fan_in, fan_out, generator=generator),
            nn.BatchNorm1d(fan_out),
            nn.ReLU(),
            nn.Dropout(0.5),
        ]
    return nn.Sequential(*layers, _he_normal(nn.Linear, 192, 10, generator=generator))


def _he_normal(kind: type[nn.Module], *shape: int, generator: torch.Generator, **options) -> nn.Module:
    layer = nn.utils.skip_init(kind, *shape, **options)
    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
    nn.init.zeros_(layer.bias)
    return layer
