"""The two-stream block against LXMERT's, and the law of masks."""

import torch
from torch import nn
from transformers import LxmertConfig
from transformers.models.lxmert.modeling_lxmert import LxmertXLayer

from crosstone.nn.symmetric import SymmetricBlock
from crosstone.sequence import Sequence

DTYPE = torch.float64


def copied(theirs: nn.Module) -> SymmetricBlock:
    """Our block with the weights of an LxmertXLayer, whose two directions share theirs."""
    ours = SymmetricBlock(12, 3, 24, norm_eps=1e-12).to(DTYPE)
    cross = theirs.visual_attention
    pairs = []
    for stream, own in (("audio", "visn"), ("text", "lang")):
        block = getattr(ours, f"{stream}_block")
        itself = getattr(theirs, f"{own}_self_att")
        pairs += [
            (getattr(ours, f"{stream}_attention"), cross.att, cross.output.dense),
            (block.self_attention, itself.self, itself.output.dense),
        ]
        for module, source in (
            (getattr(ours, f"{stream}_norm"), cross.output.LayerNorm),
            (block.self_norm, itself.output.LayerNorm),
            (block.expand, getattr(theirs, f"{own}_inter").dense),
            (block.contract, getattr(theirs, f"{own}_output").dense),
            (block.output_norm, getattr(theirs, f"{own}_output").LayerNorm),
        ):
            module.load_state_dict(source.state_dict())
    for attention, source, output in pairs:
        for name in ("query", "key", "value"):
            getattr(attention, name).load_state_dict(getattr(source, name).state_dict())
        attention.output.load_state_dict(output.state_dict())
    return ours


def test_block_and_its_gradients_equal_lxmerts() -> None:
    torch.manual_seed(0)
    config = LxmertConfig(
        hidden_size=12,
        num_attention_heads=3,
        intermediate_size=24,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    theirs = LxmertXLayer(config).to(DTYPE)
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.3)
    ours = copied(theirs)
    audio, text = (torch.randn(2, n, 12, dtype=DTYPE, requires_grad=True) for n in (7, 5))
    audio_mask = torch.arange(7) < torch.tensor([[7], [4]])
    text_mask = torch.arange(5) < torch.tensor([[2], [5]])
    added = [
        torch.zeros(2, 1, 1, mask.shape[1], dtype=DTYPE).masked_fill(
            ~mask[:, None, None], torch.finfo(DTYPE).min
        )
        for mask in (text_mask, audio_mask)
    ]
    wanted = theirs(text, added[0], audio, added[1], output_attentions=True)
    heard, read, _, weights = ours(
        Sequence(audio, audio_mask), Sequence(text, text_mask), with_weights=True
    )
    found = (read.values, heard.values)
    for ours_, theirs_, mask in zip(found, wanted, (text_mask, audio_mask), strict=False):
        torch.testing.assert_close(ours_[mask], theirs_[mask], rtol=0, atol=1e-12)
    torch.testing.assert_close(weights, wanted[2], rtol=0, atol=1e-12)
    gradients = [
        torch.autograd.grad(
            sum(x[m].pow(3).sum() for x, m in zip(pair, (text_mask, audio_mask), strict=True)),
            (audio, text),
        )
        for pair in (found, wanted[:2])
    ]
    for ours_, theirs_ in zip(*gradients, strict=True):
        torch.testing.assert_close(ours_, theirs_, rtol=1e-9, atol=1e-9)
