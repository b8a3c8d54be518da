"""Replacement of states and pooling, by hand."""

import torch

from crosstone.nn.masking import LEARNED, Corruption, masked_places, replace_states
from crosstone.nn.pooling import LayerPooler, first_pool, mean_pool
from crosstone.sequence import Sequence


def test_replace_states_by_hand() -> None:
    values = torch.tensor([[[1.0], [2.0], [3.0], [4.0]]])
    positions = torch.tensor([[True, True, True, False]])
    replacement = torch.tensor([[LEARNED, 3, 2, LEARNED]])
    found = replace_states(values, Corruption(positions, replacement), torch.tensor([9.0]))
    assert found[0, :, 0].tolist() == [9.0, 4.0, 3.0, 4.0]


def test_masked_places_come_first_and_short_rows_are_filled_up() -> None:
    positions = torch.tensor([[False, True, False, True], [False, False, True, False]])
    assert masked_places(positions)[0].tolist() == [1, 3]
    assert masked_places(positions)[1].tolist() == [2, 0]
    assert masked_places(torch.zeros(2, 4, dtype=torch.bool)).shape == (2, 1)


def test_pools_see_only_real_places() -> None:
    values = torch.tensor([[[1.0], [3.0], [100.0]], [[5.0], [5.0], [5.0]]])
    mask = torch.tensor([[True, True, False], [False, False, False]])
    states = Sequence(values, mask)
    assert mean_pool(states)[:, 0].tolist() == [2.0, 0.0]
    assert first_pool(states)[:, 0].tolist() == [1.0, 0.0]


def test_layer_pooler_begins_as_the_mean_and_its_weights_sum_to_one() -> None:
    pooler = LayerPooler(4)
    layers = [torch.full((1, 2, 3), float(n)) for n in range(4)]
    torch.testing.assert_close(pooler(layers), torch.full((1, 2, 3), 1.5))
    torch.nn.init.normal_(pooler.scores)
    torch.testing.assert_close(pooler.weights.sum(), torch.tensor(1.0))
