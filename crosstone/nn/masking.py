"""What is masked and by what, and its application to a sequence of states."""

from dataclasses import dataclass

import torch
from torch import Tensor

LEARNED = -1
"""In `Corruption.replacement`: the learned vector, or the mask token, takes the place."""


@dataclass(frozen=True)
class Corruption:
    """Which places of a batch are to be predicted, and what stands in them meanwhile.

    positions (B, T) bool; replacement (B, T) int64, read only at `positions`: LEARNED, or at
    outputs level the index of the place of the same item whose state takes its place (its own
    index keeps it), at inputs level the token id that takes its place.
    """

    positions: Tensor
    replacement: Tensor

    def to(self, device: torch.device) -> "Corruption":
        """The same on another device."""
        return Corruption(self.positions.to(device), self.replacement.to(device))


def replace_states(values: Tensor, corruption: Corruption, learned: Tensor) -> Tensor:
    """States with the masked places replaced, the others untouched.

    values (B, T, D), learned (D,) → (B, T, D).
    """
    source = corruption.replacement.clamp(min=0)
    moved = values.gather(1, source[..., None].expand_as(values))
    by_learned = (corruption.positions & (corruption.replacement == LEARNED))[..., None]
    by_other = (corruption.positions & (corruption.replacement != LEARNED))[..., None]
    values = torch.where(by_other, moved, values)
    return torch.where(by_learned, learned.to(values.dtype), values)


def masked_places(positions: Tensor) -> Tensor:
    """Numbers of the masked places of each item, (B, M), M the most of any and at least one.

    positions (B, T) bool. An item with fewer is filled up with places that are not masked.
    """
    most = max(1, int(positions.sum(1).max()))
    return positions.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :most]


def replace_tokens(ids: Tensor, corruption: Corruption, mask_token: int) -> Tensor:
    """Token ids (B, T) with the masked places replaced by the mask token or a drawn id."""
    drawn = corruption.replacement.masked_fill(corruption.replacement == LEARNED, mask_token)
    return torch.where(corruption.positions, drawn, ids)
