"""What lesson 4 does to networks: it rescales their layers, and cuts through their loss at their own scale."""

import copy
import math

import torch
from torch import Tensor, nn


def filter_normalised(direction: Tensor, model: nn.Module) -> Tensor:
    """Return `direction` (num_weights,) with each filter as long as the model's, d_f ← d_f · |w_f| / |d_f|.

    A filter is what feeds one output channel, in a dense layer one row of the matrix. Biases and the weights of
    normalisation layers, all that has one axis, become zero (Li et al. 2018, arXiv 1712.09913). Two networks
    whose weights differ only in scale then show the same picture along such a direction.
    """
    weights = [w.detach() for w in model.parameters()]
    n = sum(w.numel() for w in weights)
    if direction.shape != (n,):
        raise ValueError(
            f"direction must be a vector ({n},), one number a weight, got {tuple(direction.shape)}"
        )
    parts = direction.to(weights[0].dtype).to(weights[0].device).split([w.numel() for w in weights])
    pairs = zip(parts, weights, strict=True)
    return torch.cat([_normalise_filters(d.view_as(w), w).flatten() for d, w in pairs])


def _normalise_filters(d: Tensor, w: Tensor) -> Tensor:
    if w.dim() < 2:
        return torch.zeros_like(d)
    d_norm, w_norm = d.flatten(1).norm(dim=1), w.flatten(1).norm(dim=1)
    ratio = torch.where(d_norm > 0, w_norm / d_norm, 0)  # a filter of zeros has no direction to keep
    return d * ratio.view(-1, *[1] * (d.dim() - 1))


def rescale_layers(model: nn.Sequential, a: float) -> nn.Sequential:
    """Return another network of the same function: first weights and biases times `a`, last weights over `a`.

    Since relu(a·x) = a·relu(x), this holds for two dense layers with a ReLU between them and for a > 0 (Dinh et
    al. 2017, arXiv 1703.04933). Raises ValueError for any other network or `a`.
    """
    if not 0 < a < math.inf:
        raise ValueError(
            f"a must be a positive finite number, got {a!r}: a ReLU commutes with no other factor"
        )
    twin = copy.deepcopy(model)
    layers = [layer for layer in twin if not isinstance(layer, nn.Flatten)]
    if [type(layer) for layer in layers] != [nn.Linear, nn.ReLU, nn.Linear]:
        raise ValueError(
            f"model must be Linear, ReLU, Linear, such as mlp((784, 128, 10), seed=0), got {layers}"
        )
    with torch.no_grad():
        for w, factor in ((layers[0].weight, a), (layers[0].bias, a), (layers[2].weight, 1 / a)):
            w.mul_(factor)
    return twin
