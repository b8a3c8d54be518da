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


def statistics_pool(states: Sequence) -> Tensor:
    """Mean and standard deviation of the real places, side by side, (B, 2D).

    The deviation divides by n (Snyder et al. 2018). With one real place it is 0, and so is its
    gradient; an item without any gives zeros.
    """
    mean = mean_pool(states)
    weight = states.mask[..., None].to(states.values.dtype)
    centred = (states.values - mean[:, None]) * weight
    variance = centred.square().sum(1) / weight.sum(1).clamp(min=1)
    varies = variance > 0
    deviation = torch.where(varies, variance, 1.0).sqrt() * varies  # the root's slope at 0 is inf
    return torch.cat([mean, deviation], -1)


def max_pool(states: Sequence) -> Tensor:
    """The largest value of each dimension over the real places, (B, D); zeros for an item without
    any."""
    if states.values.shape[1] == 0:
        return states.values.new_zeros(states.values.shape[0], states.values.shape[2])
    lowest = torch.finfo(states.values.dtype).min
    largest = states.values.masked_fill(~states.mask[..., None], lowest).amax(1)
    return largest.masked_fill(~states.mask.any(1, keepdim=True), 0.0)


def attention_pool(states: Sequence, scores: Tensor) -> Tensor:
    """Sum of the real places, each by its share of the softmax of the scores.

    scores (B, T) → (B, D); zeros for an item without any real place.
    """
    lowest = torch.finfo(scores.dtype).min
    shares = scores.masked_fill(~states.mask, lowest).softmax(1) * states.mask.to(scores.dtype)
    return (shares[..., None] * states.values).sum(1)


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
