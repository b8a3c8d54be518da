"""CTAL: its equations, its sizes, its two published forms, padding that changes nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import AutoModel, RobertaConfig

from crosstone.errors import CrosstoneError
from crosstone.models import (
    BUILTIN_AUDIO,
    BUILTIN_TEXT,
    FAMILIES,
    CTALConfig,
    CTALModel,
    HeadSpec,
    TaskConfig,
    TaskModel,
)
from crosstone.models.checkpoint import load_backbone, load_task
from crosstone.models.ctal import PRESETS, PUBLISHED
from crosstone.models.task import build_task
from crosstone.nn.masking import LEARNED, Corruption
from crosstone.nn.mel import MelConfig
from crosstone.nn.transformer import TransformerBlock

Inputs = dict[str, torch.Tensor]
MakeCTAL = Callable[..., CTALModel]
PRETRAINING: dict[str, dict[str, Any]] = {
    "text_tokens": {"kind": "tokens", "style": "tied", "norm_eps": 1e-12},
    "audio_frames": {"kind": "frames", "norm_eps": 1e-12},
}


@pytest.fixture
def make_ctal(tiny_configs: dict[str, Any]) -> MakeCTAL:
    """A tiny CTAL in eval mode, without dropout, on frames of 2 · 8."""

    def make(**fields: Any) -> CTALModel:
        torch.manual_seed(0)
        own = {
            "num_layers": 2,
            "num_heads": 2,
            "intermediate_size": 48,
            "max_frames": 60,
            "initializer_range": 0.3,
            "dropout": 0.0,
            "attention_dropout": 0.0,
            "mask_token_id": 4,
            **fields,
        }
        config = CTALConfig(
            audio_config=MelConfig(num_mels=8), text_config=tiny_configs["text_config"], **own
        )
        return CTALModel(config).eval()

    return make


@pytest.mark.parametrize("size,expected", [("base", 76_823_248), ("large", 126_442_192)])
def test_parameters_as_coded(size: str, expected: int) -> None:
    """The fact sheet's counts, with a vocabulary of 30,000; §4.1 prints 60M and 110M."""
    with torch.device("meta"):
        config = CTALConfig(
            audio_config=BUILTIN_AUDIO["mel-160"](),
            text_config=BUILTIN_TEXT[f"roberta-ctal-{size}"](vocab_size=30_000),
            fusion="none",
            **PRESETS[f"ctal-{size}"],
        )
        model = TaskModel(TaskConfig(backbone_config=config, heads=PRETRAINING))
    assert sum(p.numel() for p in model.parameters()) == expected
    assert config.text_config.num_hidden_layers == config.num_layers
    assert FAMILIES["ctal"].presets == PRESETS


def as_decoder_layer(block: TransformerBlock, heads: int) -> nn.TransformerDecoderLayer:
    width = block.expand.in_features
    layer = nn.TransformerDecoderLayer(
        width, heads, block.expand.out_features, 0.0, "gelu", layer_norm_eps=1e-12, batch_first=True
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


@pytest.mark.parametrize("attention", ["bidirectional", "causal"])
def test_audio_stream_follows_the_equations(
    attention: str, make_ctal: MakeCTAL, cmt_inputs: Callable[[], Inputs]
) -> None:
    """§3.1.3 with torch's decoder layers: every block looks at the last text states."""
    model = make_ctal(audio_attention=attention)
    given = cmt_inputs()
    output = model(**given, output_attentions=True)
    features = model.encode_audio(given["audio"], given["audio_mask"])
    text = model.encode_text(given["text"], given["text_mask"])
    assert features is not None
    assert text is not None
    time = features.values.shape[1]
    states = model.embeddings.project(features.values) + model.embeddings.positions.weight[:time]
    states = model.embeddings.norm(states + model.embeddings.types.weight[0])
    ahead = torch.ones(time, time, dtype=torch.bool).triu(1) if attention == "causal" else None
    for block in model.audio_blocks:
        states = as_decoder_layer(block, 2)(
            states,
            text.values,
            tgt_mask=ahead,
            tgt_key_padding_mask=~features.mask,
            memory_key_padding_mask=~text.mask,
        )
    assert output.audio is not None
    mask = features.mask
    torch.testing.assert_close(output.audio.values[mask], states[mask], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(output.text.values, text.values)
    weights = output.attentions["audio"]
    assert [w.shape for w in weights] == [(2, 2, time, 7)] * 2
    assert output.features is not None
    assert torch.equal(output.features.values, features.values)


def test_a_later_frame_is_heard_only_where_attention_is_bidirectional(
    make_ctal: MakeCTAL, cmt_inputs: Callable[[], Inputs]
) -> None:
    for attention, hears in (("causal", False), ("bidirectional", True)):
        model = make_ctal(audio_attention=attention)
        features = torch.randn(1, 30, 16)
        other = features.clone()
        other[0, 25] += 1.0
        mask = torch.ones(1, 30, dtype=torch.bool)
        states = [model(audio=a, audio_mask=mask).audio.values[0] for a in (features, other)]
        assert bool((states[0] - states[1])[:25].abs().max() > 0) is hears


def test_fusion_of_the_paper_by_its_equations(
    make_ctal: MakeCTAL, cmt_inputs: Callable[[], Inputs]
) -> None:
    """§3.3: h_fuse = (h_a^attn + h_w^attn) ⊕ (h_a^max + h_w^max)."""
    model = make_ctal()
    output = model(**cmt_inputs())
    assert model.fusion is not None
    assert model.fusion.audio_projection.bias is model.fusion.audio_scorer.bias is None
    for row in range(2):
        audio = output.audio.values[row, output.audio.mask[row]]
        text = output.text.values[row, output.text.mask[row]]
        scores = torch.tanh(audio @ model.fusion.audio_projection.weight.T)
        shares = (scores @ model.fusion.audio_scorer.weight[0]).softmax(0)
        first = shares @ audio + text[0]
        expected = torch.cat([first, audio.amax(0) + text.amax(0)])
        torch.testing.assert_close(output.pooled[row], expected)
    assert set(output.views) == {"audio_attention", "audio_max", "text_first", "text_max"}
    assert model.orthogonal_pairs == (("audio_attention", "text_first"), ("audio_max", "text_max"))


@pytest.mark.parametrize("head", ["paper", "code"])
def test_what_is_left_out_of_the_fusion(
    head: str, make_ctal: MakeCTAL, cmt_inputs: Callable[[], Inputs]
) -> None:
    """Table 4 d, e, f, and pretraining, which fuses nothing."""
    given = cmt_inputs()
    concat = make_ctal(head=head, fusion="concat")
    assert concat.orthogonal_pairs == (("audio_attention", "text_first"),)
    if head == "paper":
        views = concat(**given).views
        joined = torch.cat([views["text_first"], views["audio_attention"]], -1)
        assert torch.equal(concat(**given).pooled, joined)
    for outputs, kind in (("audio", "audio_"), ("text", "text_")):
        alone = make_ctal(head=head, outputs=outputs)
        output = alone(**given)
        assert output.pooled.shape == (2, alone.pooled_width)
        assert all(name.startswith(kind) for name in output.views)
        assert alone.orthogonal_pairs == ()
    unfused = make_ctal(fusion="none")
    assert not [name for name, _ in unfused.named_parameters() if "fusion" in name]
    assert unfused(**given).pooled.shape == (2, 64)
    assert unfused.orthogonal_pairs == ()


def test_as_published_sets_three_fields_and_one_that_is_given_holds() -> None:
    for name, fields in PUBLISHED.items():
        config = CTALConfig(as_published=name)
        assert {k: getattr(config, k) for k in fields} == fields
    assert CTALConfig().head == "paper"
    mixed = CTALConfig(as_published="code", audio_attention="bidirectional")
    assert (mixed.audio_attention, mixed.head, mixed.orthogonality) == (
        "bidirectional",
        "code",
        "code",
    )
    again = CTALConfig.from_dict(mixed.to_dict())
    assert again.audio_attention == "bidirectional"
    assert mixed.disowned({"as_published": "paper"}) == set(PUBLISHED["code"])
    assert mixed.disowned({"num_layers": 3}) == set()
    assert CTALConfig(fusion="none").disowned({}) == {"fusion"}


@pytest.mark.parametrize(
    "field", ["as_published", "audio_attention", "head", "orthogonality", "fusion", "outputs"]
)
def test_choices_that_do_not_exist_are_refused(field: str) -> None:
    with pytest.raises(Exception, match=f"{field} is 'both ways', expected one of"):
        CTALConfig(**{field: "both ways"})


def test_it_needs_both_modalities(tiny_configs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="CTAL needs audio and text: audio_config or audio_feat"):
        CTALModel(CTALConfig(text_config=tiny_configs["text_config"]))


@pytest.mark.parametrize("published", ["paper", "code"])
def test_padding_and_batch_order_change_nothing(
    published: str, make_ctal: MakeCTAL, cmt_inputs: Callable[[], Inputs]
) -> None:
    model = make_ctal(as_published=published)
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
    torch.testing.assert_close(alone, together[1:], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("published", ["paper", "code"])
def test_a_missing_modality_pools_to_zeros_and_has_a_gradient(
    published: str, make_ctal: MakeCTAL, cmt_inputs: Callable[[], Inputs]
) -> None:
    model = make_ctal(as_published=published)
    given = cmt_inputs()
    no_text = model(audio=given["audio"], audio_mask=given["audio_mask"])
    assert (no_text.views["text_first"] == 0).all()
    assert (no_text.views["text_max"] == 0).all()
    words = {"text": given["text"], "text_mask": given["text_mask"]}
    no_audio = model(**words)
    assert (no_audio.views["audio_attention"] == 0).all()
    assert (no_audio.views["audio_max"] == 0).all()
    mixed = {k: v.clone() for k, v in given.items()}
    mixed["text_mask"][0] = False
    mixed["audio_mask"][1] = False
    output = model(**mixed)
    torch.testing.assert_close(output.pooled[0], no_text.pooled[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(output.pooled[1], no_audio.pooled[1], atol=1e-5, rtol=1e-4)
    output.pooled.sum().backward()
    assert all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)
    with pytest.raises(ValueError, match="needs audio or text"):
        model()


def test_more_frames_than_positions_are_refused(make_ctal: MakeCTAL) -> None:
    model = make_ctal(max_frames=20)
    assert model.max_seconds == 19 * 200 / 16_000
    waveform = torch.randn(1, 4000)
    with pytest.raises(
        CrosstoneError,
        match=r"expected at most 20 frames of audio, found 21; hear only the beginning",
    ):
        model(audio=waveform, audio_mask=torch.ones_like(waveform, dtype=torch.bool))
    kept = waveform[:, :3999]
    assert model(audio=kept, audio_mask=torch.ones_like(kept, dtype=torch.bool)).audio is not None


def frame_corruption(time: int) -> Corruption:
    positions = torch.zeros(2, time, dtype=torch.bool)
    replacement = torch.full((2, time), LEARNED)
    positions[0, 3:6] = True
    replacement[0, 4], replacement[0, 5] = 20, 5
    return Corruption(positions, replacement)


def test_masked_frames_are_zeros_other_frames_or_their_own(
    make_ctal: MakeCTAL, cmt_inputs: Callable[[], Inputs]
) -> None:
    model = make_ctal()
    given = cmt_inputs()
    clean = model(**given)
    features = clean.features.values
    by_hand = features.clone()
    by_hand[0, 3], by_hand[0, 4] = 0.0, features[0, 20]
    masked = model(**given, audio_corruption=frame_corruption(features.shape[1]))
    expected = model(**{**given, "audio": by_hand, "audio_mask": clean.features.mask})
    torch.testing.assert_close(masked.audio.values, expected.audio.values)
    assert torch.equal(masked.features.values, features)
    torch.testing.assert_close(masked.text.values, clean.text.values)


def test_the_prompt_is_the_corrupted_text_or_the_clean_one(
    make_ctal: MakeCTAL, cmt_inputs: Callable[[], Inputs]
) -> None:
    """Fact sheet row 23."""
    given = cmt_inputs()
    positions = torch.zeros(2, 7, dtype=torch.bool)
    positions[0, 2] = True
    masked = Corruption(positions, torch.full((2, 7), LEARNED))
    for prompt, moves in (("corrupted", True), ("clean", False)):
        model = make_ctal(prompt=prompt)
        clean, hidden = model(**given), model(**given, text_corruption=masked)
        assert (clean.text.values - hidden.text.values)[0].abs().max() > 1e-3
        moved = (clean.audio.values - hidden.audio.values)[0].abs().max()
        assert bool(moved > 1e-3) is moves


@pytest.mark.parametrize("published", ["paper", "code"])
def test_folders_give_equal_states_and_logits(
    published: str, make_ctal: MakeCTAL, cmt_inputs: Callable[[], Inputs], tmp_path: Path
) -> None:
    model, given = make_ctal(as_published=published), cmt_inputs()
    model.save_pretrained(tmp_path / "family")
    again = AutoModel.from_pretrained(tmp_path / "family").eval()
    assert torch.equal(again(**given).pooled, model(**given).pooled)
    head = HeadSpec(kind="classification", labels=("a", "b"), bias=published == "paper")
    task = build_task(model, {"emotion": head}).eval()
    task.save_pretrained(tmp_path / "task")
    loaded = load_task(tmp_path / "task")
    assert torch.equal(loaded(**given).logits["emotion"], task(**given).logits["emotion"])
    assert (loaded.heads["emotion"].bias is None) is (published == "code")


def test_a_pretrained_model_without_fusion_starts_one_with(
    make_ctal: MakeCTAL, cmt_inputs: Callable[[], Inputs], tmp_path: Path
) -> None:
    heads = {name: HeadSpec(**fields) for name, fields in PRETRAINING.items()}
    pretrained = build_task(make_ctal(fusion="none"), heads).eval()
    pretrained.save_pretrained(tmp_path)
    task = build_task(make_ctal(as_published="code", audio_attention="bidirectional"), {}).eval()
    nn.init.zeros_(task.backbone.embeddings.project.weight)
    load_backbone(task, tmp_path)
    given = cmt_inputs()
    found, expected = task(**given).backbone, pretrained(**given).backbone
    assert torch.equal(found.audio.values, expected.audio.values)
    assert torch.equal(found.text.values, expected.text.values)


def test_the_built_in_text_stream_is_the_papers() -> None:
    config = BUILTIN_TEXT["roberta-ctal-base"](vocab_size=30_000)
    assert isinstance(config, RobertaConfig)
    assert (config.hidden_size, config.num_attention_heads, config.layer_norm_eps) == (
        768,
        12,
        1e-12,
    )


@pytest.mark.parametrize("attention", ["bidirectional", "causal"])
def test_the_last_block_of_masked_frames_alone_changes_no_loss_and_no_gradient(
    attention: str, make_ctal: MakeCTAL, cmt_inputs: Callable[[], Inputs]
) -> None:
    backbone = make_ctal(fusion="none", audio_attention=attention)
    model = build_task(backbone, {name: HeadSpec(**f) for name, f in PRETRAINING.items()}).eval()
    given = cmt_inputs()
    features = model.backbone.encode_audio(given["audio"], given["audio_mask"])
    audio_places = torch.zeros_like(features.mask)
    audio_places[0, 1:4] = audio_places[1, 2] = True
    text_places = torch.zeros_like(given["text_mask"])
    text_places[:, 1] = True
    corruptions = {
        f"{name}_corruption": Corruption(places, torch.full(places.shape, LEARNED))
        for name, places in (("audio", audio_places), ("text", text_places))
    }
    results = []
    for only_masked in (True, False):
        model.zero_grad()
        output = model.backbone(**given, **corruptions, only_masked=only_masked)
        frames = model.heads["audio_frames"](output.audio.values[audio_places])
        tokens = model.heads["text_tokens"](
            output.text.values[text_places], model.backbone.text_encoder.embeddings
        )
        (tokens.square().mean() + frames.abs().mean()).backward()
        grads = {name: w.grad for name, w in model.named_parameters() if w.grad is not None}
        results.append(({"text_tokens": tokens, "audio_frames": frames}, grads))
    asked = model(**given, **corruptions).logits
    (few, few_grads), (whole, all_grads) = results
    for name, logits in whole.items():
        torch.testing.assert_close(few[name], logits, atol=1e-5, rtol=1e-5)
        assert torch.equal(asked[name], few[name])  # what a task of masked heads asks for
    assert few_grads.keys() == all_grads.keys()
    for name, grad in all_grads.items():
        torch.testing.assert_close(few_grads[name], grad, atol=1e-5, rtol=1e-5, msg=name)
