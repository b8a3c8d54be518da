"""Dropout that is faster on a CPU changes nothing but its draws; what is small keeps torch's."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crosstone.nn import dropping
from crosstone.nn.attention import MultiHeadAttention, not_after
from crosstone.nn.dropping import Dropout, attend_in_pieces, draw_kept, is_worth_pieces


def attend_openly(
    query: Tensor, key: Tensor, value: Tensor, seen: Tensor, kept: Tensor, share: float
) -> Tensor:
    """The equations, every weight written out."""
    scores = query @ key.transpose(-1, -2) / query.shape[-1] ** 0.5
    weights = scores.masked_fill(~seen, -torch.inf).softmax(-1).nan_to_num(0.0)
    return (weights * kept / share) @ value


@pytest.mark.parametrize("piece", [1, 600, 2**20])
@pytest.mark.parametrize("masked", ["nothing", "keys", "future"])
def test_pieces_equal_the_equations(
    monkeypatch: pytest.MonkeyPatch, piece: int, masked: str
) -> None:
    monkeypatch.setattr(dropping, "PIECE", piece)
    rng = torch.Generator().manual_seed(0)
    inputs = [
        torch.randn(3, length, 4, 5, generator=rng).transpose(1, 2).requires_grad_()
        for length in (11, 13, 13)
    ]
    seen = torch.ones(3, 1, 1, 13, dtype=torch.bool)
    if masked != "nothing":
        seen[1, ..., 6:] = False
        seen[2] = False  # an utterance without a transcript
    if masked == "future":
        seen = seen & not_after(11, 13, seen.device)
    torch.manual_seed(1)
    found = attend_in_pieces(*inputs, seen, 0.3)
    torch.manual_seed(1)
    expected = attend_openly(*inputs, seen, *draw_kept((3, 4, 11, 13), 0.3))
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    grad = torch.randn(found.shape, generator=rng)
    for own, open_ in zip(
        torch.autograd.grad(found, inputs, grad),
        torch.autograd.grad(expected, inputs, grad),
        strict=True,
    ):
        torch.testing.assert_close(own, open_, atol=1e-5, rtol=1e-5)
    if masked != "nothing":
        assert not found[2].any()


def test_as_much_is_kept_as_asked_and_no_pattern_is_seen() -> None:
    torch.manual_seed(0)
    kept, share = draw_kept((7, 301, 99), 0.1)
    assert kept.shape == (7, 301, 99)
    assert share == pytest.approx(0.9, abs=2**-16)
    values = kept.double()
    assert values.mean().item() == pytest.approx(share, abs=4 * (0.09 / kept.numel()) ** 0.5)
    flat = values.flatten() - share
    for distance in (1, 2, 3, 4, 99):
        together = (flat[distance:] * flat[:-distance]).mean().item() / 0.09
        assert abs(together) < 4 / kept.numel() ** 0.5


def test_large_states_are_dropped_and_scaled_with_their_gradients(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dropping, "LARGE", 1)
    dropout, states = Dropout(0.25), torch.randn(40, 50, requires_grad=True)
    torch.manual_seed(3)
    found = dropout(states)
    torch.manual_seed(3)
    kept, share = draw_kept((40, 50), 0.25)
    torch.testing.assert_close(found, states * kept / share)
    (grad,) = torch.autograd.grad(found.sum(), states)
    torch.testing.assert_close(grad, kept / share)
    assert torch.equal(dropout.eval()(states), states)


def test_what_is_small_is_torchs_own_to_the_last_bit() -> None:
    states = torch.randn(4, 9, 8)
    torch.manual_seed(0)
    found = Dropout(0.4)(states)
    torch.manual_seed(0)
    assert torch.equal(found, nn.Dropout(0.4)(states))
    attention = MultiHeadAttention(8, 2, dropout=0.4).train()
    mask = torch.ones(4, 9, dtype=torch.bool)
    torch.manual_seed(0)
    found, _ = attention(states, states, mask)
    torch.manual_seed(0)
    query, key, value = (
        layer(states).unflatten(-1, (2, 4)).transpose(1, 2)
        for layer in (attention.query, attention.key, attention.value)
    )
    assert not is_worth_pieces(query, key)
    gathered = F.scaled_dot_product_attention(
        query, key, value, attn_mask=mask[:, None, None], dropout_p=0.4
    )
    assert torch.equal(found, attention.output(gathered.transpose(1, 2).flatten(2)))


def test_attention_goes_in_pieces_in_training_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dropping, "FEWEST", 1)
    torch.manual_seed(0)
    attention, states = MultiHeadAttention(8, 2, dropout=0.5), torch.randn(2, 9, 8)
    mask = torch.ones(2, 9, dtype=torch.bool)
    torch.manual_seed(1)
    dropped, _ = attention.train()(states, states, mask)
    torch.manual_seed(1)
    kept, share = draw_kept((2, 2, 9, 9), 0.5)
    query, key, value = (
        layer(states).unflatten(-1, (2, 4)).transpose(1, 2)
        for layer in (attention.query, attention.key, attention.value)
    )
    expected = attend_openly(query, key, value, mask[:, None, None], kept, share)
    expected = attention.output(expected.transpose(1, 2).flatten(2))
    torch.testing.assert_close(dropped, expected, atol=1e-5, rtol=1e-5)
    whole, _ = attention.eval()(states, states, mask)
    openly, _ = attention(states, states, mask, with_weights=True)
    torch.testing.assert_close(whole, openly)
