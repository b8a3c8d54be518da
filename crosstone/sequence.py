"""A tensor over time never travels without its mask."""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Sequence:
    """Values over time and which of them are real.

    values (B, T, …), mask (B, T) bool, True where real. Values at padded places mean nothing.
    """

    values: Tensor
    mask: Tensor

    def __post_init__(self) -> None:
        if self.mask.dtype != torch.bool or self.values.shape[:2] != self.mask.shape:
            raise ValueError(
                f"a Sequence needs a bool mask of shape {tuple(self.values.shape[:2])}, "
                f"found {self.mask.dtype} of {tuple(self.mask.shape)}"
            )

    @property
    def lengths(self) -> Tensor:
        """Number of real places in each row, (B,)."""
        return self.mask.sum(1)

    @property
    def is_full(self) -> bool:
        """Whether nothing is padded."""
        return bool(self.mask.all())

    def with_values(self, values: Tensor) -> "Sequence":
        """Other values at the same real places."""
        return Sequence(values, self.mask)

    def to(self, device: torch.device, dtype: torch.dtype | None = None) -> "Sequence":
        """The same on another device; floating values also in another type."""
        values = self.values.to(device, non_blocking=True)
        if dtype is not None and values.is_floating_point():
            values = values.to(dtype)  # there, since few bits travel faster
        return Sequence(values, self.mask.to(device, non_blocking=True))

    @classmethod
    def pad(cls, rows: Iterable[Tensor], value: float = 0.0) -> "Sequence":
        """Rows of unequal length, padded at the end to the longest (at least one place)."""
        listed = list(rows)
        longest = max(1, *(len(row) for row in listed))
        values = listed[0].new_full((len(listed), longest, *listed[0].shape[1:]), value)
        mask = torch.zeros(len(listed), longest, dtype=torch.bool)
        for i, row in enumerate(listed):
            values[i, : len(row)] = row
            mask[i, : len(row)] = True
        return cls(values, mask)
