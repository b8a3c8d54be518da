"""One vector from a sequence, and one sequence from many layers."""

from collections.abc import Sequence as Layers

import torch
from torch import Tensor, nn

from crosstone.sequence import Sequence


def mean_pool(states: Sequence) -> Tensor:
    """Mean of the real places, (B, D); zeros for an item without any."""
    weight = states.mask[..., None].to(states.values.dtype)
    total = (states.values * weight).sum(1)
    return total / weight.sum(1).clamp(min=1)


def first_pool(states: Sequence) -> Tensor:
    """The first place, (B, D); zeros for an item whose first place is padding."""
    return states.values[:, 0] * states.mask[:, :1].to(states.values.dtype)


class LayerPooler(nn.Module):
    """Weighted sum over layers with softmax weights that are learned (CMT 2022, §4.3.2)."""

    def __init__(self, num_layers: int) -> None:
        super().__init__()
        self.scores = nn.Parameter(torch.zeros(num_layers))

    @property
    def weights(self) -> Tensor:
        """The share of each layer, (N,), summing to one."""
        return self.scores.softmax(0)

    def forward(self, layers: Layers[Tensor]) -> Tensor:
        """N tensors of one shape → their weighted sum."""
        return torch.einsum("n...,n->...", torch.stack(list(layers)), self.weights)
