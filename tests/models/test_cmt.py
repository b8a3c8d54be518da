"""CMT: its equations, its sizes, its choices."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from transformers import HubertConfig, RobertaConfig

from crosstone.models import CMTConfig, CMTModel
from crosstone.models.cmt import PRESETS
from crosstone.nn.masking import LEARNED, Corruption

Inputs = dict[str, torch.Tensor]


@pytest.mark.parametrize(
    "preset,stack,whole",
    [("cmt-base", 67_186_688, 736_935_552), ("cmt-large", 134_373_376, 804_122_240)],
)
def test_parameter_counts_of_the_paper(preset: str, stack: int, whole: int) -> None:
    """§4.2: 64M and 128M, 703M and 767M in units of 2^20, with the large encoders."""
    hubert = HubertConfig(
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
        feat_extract_norm="layer",
        conv_bias=True,
        do_stable_layer_norm=True,
    )
    roberta = RobertaConfig(
        vocab_size=50_265,
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
        max_position_embeddings=514,
        type_vocab_size=1,
    )
    with torch.device("meta"):
        model = CMTModel(CMTConfig(audio_config=hubert, text_config=roberta, **PRESETS[preset]))
    blocks = sum(p.numel() for n, p in model.named_parameters() if "_blocks." in n)
    assert blocks == stack
    assert sum(p.numel() for p in model.parameters()) == whole


def test_streams_follow_the_equations(
    make_cmt: Callable[..., CMTModel], cmt_inputs: Callable[[], Inputs]
) -> None:
    """Eq. 1–6 with torch's decoder layers: the memory is the other *encoder's* output."""
    model = make_cmt(num_layers=2, num_heads=4)
    given = cmt_inputs()
    output = model(**given)
    audio = model.encode_audio(given["audio"], given["audio_mask"])
    text = model.encode_text(given["text"], given["text_mask"])
    assert audio is not None
    assert text is not None
    expected = {}
    for name, own, other in (("audio", audio, text), ("text", text, audio)):
        states = own.values
        for block in getattr(model, f"{name}_blocks"):
            reference = as_decoder_layer(block, 4)
            states = reference(
                states,
                other.values,
                tgt_key_padding_mask=~own.mask,
                memory_key_padding_mask=~other.mask,
            )
        expected[name] = states
    for name, own in (("audio", audio), ("text", text)):
        found = getattr(output, name).values
        torch.testing.assert_close(found[own.mask], expected[name][own.mask], atol=1e-5, rtol=1e-4)
    mean = torch.stack(
        [row[m].mean(0) for row, m in zip(expected["audio"], audio.mask, strict=True)]
    )
    pooled = torch.cat([mean, expected["text"][:, 0]], -1)
    torch.testing.assert_close(output.pooled, pooled, atol=1e-5, rtol=1e-4)


def as_decoder_layer(block: nn.Module, heads: int) -> nn.TransformerDecoderLayer:
    width = block.self_norm.normalized_shape[0]
    layer = nn.TransformerDecoderLayer(
        width, heads, block.expand.out_features, 0.0, "gelu", batch_first=True
    )
    for ours, theirs in (
        (block.self_attention, layer.self_attn),
        (block.cross_attention, layer.multihead_attn),
    ):
        parts = (ours.query, ours.key, ours.value)
        theirs.in_proj_weight.data = torch.cat([p.weight for p in parts])
        theirs.in_proj_bias.data = torch.cat([p.bias for p in parts])
        theirs.out_proj.load_state_dict(ours.output.state_dict())
    for name, ours in (
        ("norm1", block.self_norm),
        ("norm2", block.cross_norm),
        ("norm3", block.output_norm),
        ("linear1", block.expand),
        ("linear2", block.contract),
    ):
        getattr(layer, name).load_state_dict(ours.state_dict())
    return layer.eval()


def test_padding_and_batch_order_change_nothing(
    make_cmt: Callable[..., CMTModel], cmt_inputs: Callable[[], Inputs]
) -> None:
    model = make_cmt()
    given = cmt_inputs()
    together = model(**given).pooled
    swapped = model(**{k: v.flip(0) for k, v in given.items()}).pooled
    torch.testing.assert_close(swapped.flip(0), together, atol=1e-5, rtol=1e-4)
    alone = model(
        audio=given["audio"][1:, :5000],
        audio_mask=given["audio_mask"][1:, :5000],
        text=given["text"][1:, :4],
        text_mask=given["text_mask"][1:, :4],
    ).pooled
    torch.testing.assert_close(alone, together[1:], atol=1e-5, rtol=1e-4)


def test_unequal_widths_work(
    make_cmt: Callable[..., CMTModel], cmt_inputs: Callable[[], Inputs]
) -> None:
    model = make_cmt(width=24, num_heads=4)
    output = model(**cmt_inputs())
    assert output.pooled.shape == (2, 32 + 24)
    assert model.audio_blocks[0].cross_attention.key.in_features == 24


def test_a_missing_modality_is_legal_and_pools_to_zeros(
    make_cmt: Callable[..., CMTModel], cmt_inputs: Callable[[], Inputs]
) -> None:
    model = make_cmt()
    given = cmt_inputs()
    no_text = model(audio=given["audio"], audio_mask=given["audio_mask"])
    assert no_text.pooled.isfinite().all()
    assert (no_text.pooled[:, 32:] == 0).all()
    empty = model(**{**given, "text_mask": torch.zeros_like(given["text_mask"])})
    torch.testing.assert_close(empty.views["audio_mean"], no_text.views["audio_mean"])
    no_audio = model(text=given["text"], text_mask=given["text_mask"])
    assert (no_audio.pooled[:, :32] == 0).all()
    with pytest.raises(ValueError, match="needs audio or text"):
        model()


def test_layer_pooler_and_single_layers(
    make_cmt: Callable[..., CMTModel], cmt_inputs: Callable[[], Inputs]
) -> None:
    given = cmt_inputs()
    last = make_cmt(num_layers=3)
    pooled = make_cmt(num_layers=3, audio_output="pooler")
    one = make_cmt(num_layers=3, audio_output="1")
    same = {k: v for k, v in last.state_dict().items() if "layer_pooler" not in k}
    pooled.load_state_dict(same, strict=False)
    one.load_state_dict(same)
    torch.testing.assert_close(pooled.layer_pooler.weights, torch.full((3,), 1 / 3))
    pooled.layer_pooler.scores.data = torch.tensor([-50.0, -50.0, 50.0])
    torch.testing.assert_close(pooled(**given).pooled, last(**given).pooled)
    pooled.layer_pooler.scores.data = torch.tensor([50.0, -50.0, -50.0])
    torch.testing.assert_close(pooled(**given).pooled, one(**given).pooled)


def test_choices_that_do_not_exist_are_refused(tiny_configs: dict[str, Any]) -> None:
    for fields, said in (
        ({"audio_output": "3"}, "audio_output is '3', expected one of last, pooler, 1, 2"),
        ({"mask_level": "both"}, "mask_level is 'both', expected one of outputs, inputs"),
        ({"freeze_audio": "some"}, "freeze_audio is 'some'"),
    ):
        with pytest.raises(Exception, match=said):
            CMTConfig(**tiny_configs, **fields)
    with pytest.raises(ValueError, match="needs audio_config and text_config"):
        CMTModel(CMTConfig(audio_config=tiny_configs["audio_config"]))


def corruptions(frames: int) -> dict[str, Corruption]:
    audio = torch.zeros(2, frames, dtype=torch.bool)
    audio[0, 2:5] = True
    text = torch.zeros(2, 7, dtype=torch.bool)
    text[0, 1] = True
    return {
        "audio_corruption": Corruption(audio, torch.full(audio.shape, LEARNED)),
        "text_corruption": Corruption(text, torch.full(text.shape, LEARNED)),
    }


@pytest.mark.parametrize("level", ["outputs", "inputs"])
def test_keys_and_values_of_the_other_stream_stay_clean(
    level: str, make_cmt: Callable[..., CMTModel], cmt_inputs: Callable[[], Inputs]
) -> None:
    """§3.2.2: masking the audio must not change the text stream, and the other way round."""
    model = make_cmt(mask_level=level, mask_token_id=4)
    given = cmt_inputs()
    vectors = {"audio_vector": torch.randn(32), "text_vector": torch.randn(32)}
    clean = model(**given)
    both = corruptions(clean.audio.values.shape[1])
    audio_only = model(**given, audio_corruption=both["audio_corruption"], **vectors)
    text_only = model(**given, text_corruption=both["text_corruption"], **vectors)
    torch.testing.assert_close(audio_only.text.values, clean.text.values)
    torch.testing.assert_close(text_only.audio.values, clean.audio.values)
    assert (audio_only.audio.values[0] - clean.audio.values[0]).abs().max() > 1e-2
    assert (text_only.text.values[0] - clean.text.values[0]).abs().max() > 1e-2
    torch.testing.assert_close(audio_only.audio.values[1], clean.audio.values[1])


def test_masked_inputs_leak_less_than_masked_outputs(
    make_cmt: Callable[..., CMTModel], cmt_inputs: Callable[[], Inputs]
) -> None:
    """With masked outputs a neighbour has attended to the masked token and still tells of it; with
    masked inputs, the text stream does not change when only the hidden word does."""
    given = cmt_inputs()
    other = {**given, "text": given["text"].clone()}
    other["text"][0, 1] = (other["text"][0, 1] + 7) % 55 + 5
    for level, tells in (("outputs", True), ("inputs", False)):
        model = make_cmt(mask_level=level, mask_token_id=4)
        corruption = corruptions(1)["text_corruption"]
        first, second = (
            model(**g, text_corruption=corruption, text_vector=torch.ones(32)).text.values[0]
            for g in (given, other)
        )
        assert bool((first - second).abs().max() > 1e-4) is tells


def test_attentions_on_request_are_distributions_over_real_places(
    make_cmt: Callable[..., CMTModel], cmt_inputs: Callable[[], Inputs]
) -> None:
    output = make_cmt()(**cmt_inputs(), output_attentions=True)
    weights = output.attentions["audio"][0]
    assert weights.shape == (2, 4, output.audio.values.shape[1], 7)
    torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
    assert (weights[1, :, :, 4:] == 0).all()
