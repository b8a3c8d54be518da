"""A tensor and its mask."""

import pytest
import torch

from crosstone.sequence import Sequence


def test_pad_puts_rows_first_and_padding_last() -> None:
    padded = Sequence.pad([torch.tensor([1.0, 2.0]), torch.zeros(0), torch.tensor([3.0])], 9.0)
    assert padded.values.tolist() == [[1.0, 2.0], [9.0, 9.0], [3.0, 9.0]]
    assert padded.lengths.tolist() == [2, 0, 1]
    assert not padded.is_full
    assert Sequence.pad([torch.zeros(3), torch.zeros(3)]).is_full


def test_a_mask_of_another_kind_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"bool mask of shape \[2, 3\]|bool mask of shape \(2, 3\)"
    ):
        Sequence(torch.zeros(2, 3), torch.zeros(2, 3))
    with pytest.raises(ValueError, match="bool mask"):
        Sequence(torch.zeros(2, 3), torch.zeros(2, 4, dtype=torch.bool))
