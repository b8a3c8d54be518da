"""Attention and blocks against torch's own, and the laws of masks."""

import pytest
import torch
from torch import nn

from crosstone.nn.attention import MultiHeadAttention
from crosstone.nn.transformer import TransformerBlock

DTYPE = torch.float64


def copy_attention(ours: MultiHeadAttention, theirs: nn.MultiheadAttention) -> None:
    projections = (ours.query, ours.key, ours.value)
    if theirs.in_proj_weight is not None:
        weights = theirs.in_proj_weight.chunk(3)
    else:
        weights = (theirs.q_proj_weight, theirs.k_proj_weight, theirs.v_proj_weight)
    with torch.no_grad():
        for layer, weight, bias in zip(
            projections, weights, theirs.in_proj_bias.chunk(3), strict=True
        ):
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
        ours.output.load_state_dict(theirs.out_proj.state_dict())


def randomise(module: nn.Module) -> None:
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.3)


def some_mask(batch: int, length: int) -> torch.Tensor:
    lengths = torch.randint(1, length + 1, (batch,))
    return torch.arange(length) < lengths[:, None]


@pytest.mark.parametrize("memory_width", [12, 20])
@pytest.mark.parametrize("with_weights", [False, True])
def test_attention_equals_torch(memory_width: int, with_weights: bool) -> None:
    torch.manual_seed(0)
    theirs = nn.MultiheadAttention(
        12, 3, kdim=memory_width, vdim=memory_width, batch_first=True, dtype=DTYPE
    )
    randomise(theirs)
    ours = MultiHeadAttention(12, 3, memory_width=memory_width).to(DTYPE)
    copy_attention(ours, theirs)
    states, memory = (
        torch.randn(2, 5, 12, dtype=DTYPE),
        torch.randn(2, 7, memory_width, dtype=DTYPE),
    )
    mask = some_mask(2, 7)
    expected, expected_weights = theirs(
        states, memory, memory, key_padding_mask=~mask, average_attn_weights=False
    )
    found, weights = ours(states, memory, mask, with_weights=with_weights)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
    if with_weights:
        torch.testing.assert_close(weights, expected_weights, rtol=0, atol=1e-12)
        assert (weights.masked_select(~mask[:, None, None, :].expand_as(weights)) == 0).all()


def test_attention_where_every_key_is_masked_is_the_bias() -> None:
    torch.manual_seed(0)
    attention = MultiHeadAttention(8, 2)
    randomise(attention)
    states = torch.randn(2, 3, 8)
    nothing = torch.zeros(2, 4, dtype=torch.bool)
    for with_weights in (False, True):
        found, _ = attention(states, torch.randn(2, 4, 8), nothing, with_weights=with_weights)
        torch.testing.assert_close(found, attention.output.bias.expand_as(found))


@pytest.mark.parametrize("with_memory", [True, False])
def test_block_and_its_gradients_equal_torch(with_memory: bool) -> None:
    """The issue's law: at equal widths a cross-modal block is nn.TransformerDecoderLayer."""
    torch.manual_seed(1)
    kind = nn.TransformerDecoderLayer if with_memory else nn.TransformerEncoderLayer
    theirs = kind(12, 3, 48, 0.0, "gelu", batch_first=True, norm_first=False, dtype=DTYPE)
    randomise(theirs)
    ours = TransformerBlock(12, 3, 48, memory_width=12 if with_memory else None).to(DTYPE)
    copy_attention(ours.self_attention, theirs.self_attn)
    ours.self_norm.load_state_dict(theirs.norm1.state_dict())
    ours.expand.load_state_dict(theirs.linear1.state_dict())
    ours.contract.load_state_dict(theirs.linear2.state_dict())
    last = theirs.norm3 if with_memory else theirs.norm2
    ours.output_norm.load_state_dict(last.state_dict())
    states = torch.randn(2, 5, 12, dtype=DTYPE, requires_grad=True)
    memory = torch.randn(2, 7, 12, dtype=DTYPE, requires_grad=True)
    mask, memory_mask = some_mask(2, 5), some_mask(2, 7)
    if with_memory:
        copy_attention(ours.cross_attention, theirs.multihead_attn)
        ours.cross_norm.load_state_dict(theirs.norm2.state_dict())
        expected = theirs(
            states,
            memory,
            tgt_key_padding_mask=~mask,
            memory_key_padding_mask=~memory_mask,
        )
        found, _ = ours(states, mask, memory, memory_mask)
    else:
        expected = theirs(states, src_key_padding_mask=~mask)
        found, _ = ours(states, mask)
    torch.testing.assert_close(found[mask], expected[mask], rtol=0, atol=1e-12)
    wanted = torch.autograd.grad(expected[mask].square().sum(), states, retain_graph=True)
    given = torch.autograd.grad(found[mask].square().sum(), states, retain_graph=True)
    torch.testing.assert_close(given[0], wanted[0], rtol=0, atol=1e-9)


def test_a_width_that_heads_do_not_divide_is_refused() -> None:
    with pytest.raises(ValueError, match="width 10 is not a multiple of 3 heads"):
        MultiHeadAttention(10, 3)
