"""The pre-norm encoder against torch's layers and against recorded tables of released code."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from crosstone.nn.attention import MultiHeadAttention
from crosstone.nn.prenorm import PreNormBlock, PreNormEncoder, not_after_end, sinusoids
from crosstone.sequence import Sequence

GOLDEN = load_file(Path(__file__).parents[1] / "golden" / "mult" / "tables.safetensors")
DTYPE = torch.float64


def full(length: int, width: int = 1) -> Sequence:
    return Sequence(torch.zeros(1, length, width), torch.ones(1, length, dtype=torch.bool))


@pytest.mark.parametrize("width", [20, 40])
def test_sinusoids_are_the_recorded_table(width: int) -> None:
    expected = GOLDEN[f"sinusoid.{width}"]
    found = sinusoids(torch.arange(len(expected))[None], width)[0]
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=1e-12)


def test_no_position_and_an_odd_width_give_zeros() -> None:
    found = sinusoids(torch.tensor([[0, 2, 0]]), 5)
    assert (found[0, [0, 2]] == 0).all()
    torch.testing.assert_close(found[0, 1], torch.tensor([0.909297, 2e-4, -0.416147, 1.0, 0.0]))


@pytest.mark.parametrize("queries,keys", [(4, 7), (7, 4), (5, 5)])
def test_future_mask_is_the_recorded_one(queries: int, keys: int) -> None:
    found = not_after_end(full(queries), full(keys))[0, 0]
    assert torch.equal(found, GOLDEN[f"future_mask_allowed.q{queries}_k{keys}"].bool())


def test_future_mask_counts_real_places() -> None:
    """3 real queries and 4 real keys look one ahead, however long the rows are."""
    padded = [Sequence(torch.zeros(1, 9, 1), torch.arange(9)[None] < length) for length in (3, 4)]
    alone = not_after_end(full(3), full(4))
    assert torch.equal(not_after_end(*padded)[..., :3, :4], alone)
    assert alone[0, 0].tolist() == [
        [True, True, False, False],
        [True, True, True, False],
        [True, True, True, True],
    ]


def copied(block: PreNormBlock, heads: int) -> nn.TransformerEncoderLayer:
    width, hidden = block.expand.in_features, block.expand.out_features
    layer = nn.TransformerEncoderLayer(
        width, heads, hidden, 0.0, "relu", batch_first=True, norm_first=True, dtype=DTYPE
    )
    parts = [getattr(block.attention, name) for name in ("query", "key", "value")]
    layer.self_attn.in_proj_weight.data = torch.cat([part.weight for part in parts])
    layer.self_attn.in_proj_bias.data = torch.cat([part.bias for part in parts])
    layer.self_attn.out_proj.load_state_dict(block.attention.output.state_dict())
    for name, ours in (
        ("norm1", block.attention_norm),
        ("norm2", block.output_norm),
        ("linear1", block.expand),
        ("linear2", block.contract),
    ):
        getattr(layer, name).load_state_dict(ours.state_dict())
    return layer


def test_encoder_equals_torchs_pre_norm_layers() -> None:
    torch.manual_seed(0)
    encoder = PreNormEncoder(12, 3, 2).to(DTYPE)
    for parameter in encoder.parameters():
        nn.init.normal_(parameter, std=0.3)
    mask = torch.arange(6) < torch.tensor([[6], [4]])
    states = Sequence(torch.randn(2, 6, 12, dtype=DTYPE), mask)
    positions = torch.arange(1, 7) * mask
    found, attentions = encoder(states, positions, with_weights=True)
    values = states.values * 12**0.5 + sinusoids(positions, 12)
    for block in encoder.blocks:
        values = copied(block, 3)(values, src_key_padding_mask=~mask)
    torch.testing.assert_close(found.values[mask], encoder.norm(values)[mask], rtol=0, atol=1e-12)
    assert [weights.shape for weights in attentions] == [(2, 3, 6, 6)] * 2
    assert (attentions[0][1, :, :, 4:] == 0).all()


def test_a_memory_stays_as_it_is_while_the_states_move() -> None:
    """Every block attends to the same scaled memory, through the norm that serves its queries."""
    torch.manual_seed(0)
    encoder = PreNormEncoder(8, 2, 2).to(DTYPE)
    for parameter in encoder.parameters():
        nn.init.normal_(parameter, std=0.3)
    states, memory = full(3, 8), full(5, 8)
    states = states.with_values(torch.randn(1, 3, 8, dtype=DTYPE))
    memory = memory.with_values(torch.randn(1, 5, 8, dtype=DTYPE))
    places = [torch.arange(1, n + 1)[None] for n in (3, 5)]
    found, _weights = encoder(states, places[0], memory, places[1])
    values, keys = (
        s.values * 8**0.5 + sinusoids(p, 8) for s, p in zip((states, memory), places, strict=True)
    )
    for block in encoder.blocks:
        attention: MultiHeadAttention = block.attention
        heard, _ = attention(block.attention_norm(values), block.attention_norm(keys), memory.mask)
        values = values + heard
        hidden = block.expand(block.output_norm(values)).relu()
        values = values + block.contract(hidden)
    torch.testing.assert_close(found.values, encoder.norm(values), rtol=0, atol=1e-12)
