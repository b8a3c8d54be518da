"""Batch norm, strided convolutions and LSTM that never see padding."""

import pytest
import torch
from torch import nn

from crosstone.nn.recurrent import BiLSTM, MaskedBatchNorm, StridedConvolution
from crosstone.sequence import Sequence


def padded(lengths: list[int], width: int = 3, longest: int = 9, fill: float = 7.0) -> Sequence:
    """Random rows of these lengths; what is padded holds `fill`."""
    torch.manual_seed(0)
    mask = torch.arange(longest) < torch.tensor(lengths)[:, None]
    values = torch.randn(len(lengths), longest, width) * 2 + 1
    return Sequence(values.masked_fill(~mask[..., None], fill), mask)


def test_batch_norm_without_padding_is_torchs() -> None:
    ours, theirs = MaskedBatchNorm(3), nn.BatchNorm1d(3)
    for _ in range(3):
        states = padded([9, 9, 9])
        given, other = (states.values.clone().requires_grad_() for _ in range(2))
        found = ours(states.with_values(given)).values
        expected = theirs(other.transpose(1, 2)).transpose(1, 2)
        torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-5)
        weights = torch.linspace(-1, 1, found.numel()).view_as(found)
        (found * weights).sum().backward()
        (expected * weights).sum().backward()
        torch.testing.assert_close(given.grad, other.grad, atol=1e-5, rtol=1e-4)
    for name, buffer in theirs.state_dict().items():
        torch.testing.assert_close(ours.norm.state_dict()[name], buffer, atol=1e-6, rtol=1e-5)
    states = padded([9, 4])
    found = ours.eval()(states)
    expected = theirs.eval()(states.values.transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(found.values[states.mask], expected[states.mask])


def test_batch_norm_takes_the_statistics_of_real_places() -> None:
    """By hand: 1, 3 and 5 have mean 3 and variance 8/3; running, the unbiased 4 weighs a tenth."""
    norm = MaskedBatchNorm(1)
    states = Sequence(
        torch.tensor([[[1.0], [3.0]], [[5.0], [1e6]]]), torch.tensor([[True, True], [True, False]])
    )
    found = norm(states).values[..., 0]
    expected = torch.tensor([[-2.0, 0.0], [2.0, 0.0]]) / (8 / 3 + 1e-5) ** 0.5
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(norm.norm.running_mean, torch.tensor([0.3]))
    torch.testing.assert_close(norm.norm.running_var, torch.tensor([0.9 + 0.4]))


@pytest.mark.parametrize("lengths", [[0, 0], [1, 0]])
def test_batch_norm_of_too_little_uses_what_it_knows(lengths: list[int]) -> None:
    norm = MaskedBatchNorm(3).train()
    states = padded(lengths)
    before = {k: v.clone() for k, v in norm.state_dict().items()}
    found = norm(states).values
    torch.testing.assert_close(found[states.mask], states.values[states.mask], atol=1e-4, rtol=1e-4)
    assert (found[~states.mask] == 0).all()
    for name, tensor in norm.state_dict().items():
        assert torch.equal(tensor, before[name])


@pytest.mark.parametrize("training", [True, False])
def test_convolution_halves_lengths_and_ignores_padding(training: bool) -> None:
    block = StridedConvolution(3, 4).train(training)
    states = padded([9, 6, 5, 1, 0])
    found = block(states)
    assert found.lengths.tolist() == [5, 3, 3, 1, 0]
    assert found.values.shape == (5, 5, 4)
    assert (found.values[~found.mask] == 0).all()
    wider = padded([9, 6, 5, 1, 0], fill=-3.0)
    more = Sequence(
        nn.functional.pad(wider.values, (0, 0, 0, 4), value=9.0),
        nn.functional.pad(wider.mask, (0, 4)),
    )
    again = block(more)
    torch.testing.assert_close(again.values[again.mask], found.values[found.mask])
    if not training:
        alone = block(Sequence(states.values[1:2, :6], states.mask[1:2, :6]))
        torch.testing.assert_close(alone.values[0], found.values[1, :3])


def test_convolution_is_torchs_on_a_full_batch() -> None:
    block, norm = StridedConvolution(3, 4), nn.BatchNorm1d(4)
    states = padded([9, 9])
    expected = norm(block.convolution(states.values.transpose(1, 2))).relu().transpose(1, 2)
    torch.testing.assert_close(block(states).values, expected, atol=1e-6, rtol=1e-5)
    with pytest.raises(ValueError, match="odd number of frames, found 4"):
        StridedConvolution(3, 4, kernel=4)


def test_lstm_starts_backwards_at_the_last_real_place() -> None:
    torch.manual_seed(0)
    block = BiLSTM(3, 5)
    states = padded([4, 9, 0, 1])
    found = block(states)
    assert found.values.shape == (4, 9, 10)
    for row, length in enumerate([4, 9, 0, 1]):
        assert (found.values[row, length:] == 0).all()
        if length:
            expected = block.lstm(states.values[row : row + 1, :length])[0][0]
            torch.testing.assert_close(found.values[row, :length], expected)


def test_nothing_flows_back_from_padding_or_into_it() -> None:
    block = nn.Sequential(StridedConvolution(3, 4), BiLSTM(4, 5))
    states = padded([9, 3, 0])
    values = states.values.clone().requires_grad_()
    block(states.with_values(values)).values.square().sum().backward()
    assert values.grad is not None
    assert values.grad.isfinite().all()
    assert (values.grad[~states.mask] == 0).all()
    assert (values.grad[states.mask].abs().sum(-1) > 0).all()


def test_dropout_falls_on_the_output_of_one_layer() -> None:
    torch.manual_seed(0)
    block = BiLSTM(3, 50, dropout=0.2)
    found = block.train()(padded([9] * 20)).values
    assert (found == 0).float().mean() == pytest.approx(0.2, abs=0.02)
    assert (block.eval()(padded([9] * 20)).values != 0).all()
