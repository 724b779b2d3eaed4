"""The networks of the lessons, seeded, without batch norm (it would make the batch size part of the loss)."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import nn


def mlp(sizes: Sequence[int], *, seed: int) -> nn.Sequential:
    """Build a fully connected ReLU network that maps (n, c, h, w) or (n, sizes[0]) to logits (n, sizes[-1]).

    Weights are He-normal, N(0, 2 / fan_in), biases zero (He et al. 2015, arXiv 1502.01852). The weights depend
    on `sizes` and `seed` alone; PyTorch's global random state is neither read nor changed.

    Raises ValueError for fewer than two sizes, or a size below 1.
    """
    if len(sizes) < 2 or min(sizes) < 1:
        raise ValueError(
            f"sizes must be at least two positive layer widths, such as (784, 128, 10), got {tuple(sizes)}"
        )
    generator = torch.Generator().manual_seed(seed)
    layers: list[nn.Module] = [nn.Flatten()]
    for fan_in, fan_out in pairwise(sizes):
        linear = nn.utils.skip_init(nn.Linear, fan_in, fan_out)
        nn.init.kaiming_normal_(linear.weight, nonlinearity="relu", generator=generator)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.ReLU()]
    return nn.Sequential(*layers[:-1])
