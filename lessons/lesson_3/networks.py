"""The convolutional network that the course trains on CIFAR-10."""

import torch
from torch import nn

from course_utils.models import he_normal


def small_cnn(*, seed: int) -> nn.Sequential:
    """Build a convolutional ReLU network of 26,346 weights that maps (n, 3, 32, 32) to logits (n, 10).

    Two convolutions that halve the side (5x5 to 16 channels, 3x3 to 32) and one dense layer; initialised as `mlp`.
    """
    generator = torch.Generator().manual_seed(seed)
    return nn.Sequential(
        he_normal(nn.Conv2d, 3, 16, 5, stride=2, padding=2, generator=generator),
        nn.ReLU(),
        he_normal(nn.Conv2d, 16, 32, 3, stride=2, padding=1, generator=generator),
        nn.ReLU(),
        nn.Flatten(),
        he_normal(nn.Linear, 32 * 8 * 8, 10, generator=generator),
    )
