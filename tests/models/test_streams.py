"""The ablation towers of CTAL's table 4: their blocks, sizes, masks and fusion."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoModel, VisualBertConfig
from transformers.models.visual_bert.modeling_visual_bert import VisualBertEncoder

from crosstone.errors import CrosstoneError
from crosstone.models import (
    BUILTIN_TEXT,
    FAMILIES,
    CrossModalModel,
    HeadSpec,
    TaskConfig,
    TaskModel,
)
from crosstone.models.checkpoint import load_backbone, load_task
from crosstone.models.streams import (
    SingleStreamConfig,
    SingleStreamModel,
    TwoStreamConfig,
    TwoStreamModel,
)
from crosstone.models.task import build_task
from crosstone.nn.masking import LEARNED, Corruption
from crosstone.nn.mel import MelConfig

Inputs = dict[str, Tensor]
NAMES = ("two-stream", "single-stream", "mockingjay")
HEADS = {
    "emotion": HeadSpec(kind="classification", labels=("a", "b", "c")),
    "text_tokens": HeadSpec(kind="tokens", style="tied", norm_eps=1e-12),
    "audio_frames": HeadSpec(kind="frames", norm_eps=1e-12),
}


@pytest.fixture
def make(tiny_configs: dict[str, Any]) -> Callable[..., CrossModalModel]:
    """A tiny model of a family by its name, in eval mode and without dropout."""

    def build(name: str, **fields: Any) -> CrossModalModel:
        torch.manual_seed(0)
        sizes = {"audio_layers": 1, "cross_layers": 2}
        if name != "two-stream":
            sizes = {"width": 32, "num_layers": 2}
        towers = {**tiny_configs, "audio_config": MelConfig(num_mels=6)}
        if name == "mockingjay":
            del towers["text_config"]
        family = FAMILIES[name].model
        values: dict[str, Any] = {
            **towers,
            **sizes,
            "num_heads": 2,
            "intermediate_size": 48,
            "dropout": 0.0,
            "attention_dropout": 0.0,
            "initializer_range": 0.2,
            **fields,
        }
        return family(family.config_class(**values)).eval()

    return build


def heads(reads: bool) -> dict[str, HeadSpec]:
    return {k: v for k, v in HEADS.items() if k != "text_tokens" or reads}


SIZES = {
    "two-stream-large": ("roberta-ctal-base", 99_237_888, 126_442_192),
    "single-stream-large": ("roberta-ctal-embeddings", 99_230_208, 126_434_512),
    "mockingjay-large": (None, 49_615_104, 52_760_992),
}


@pytest.mark.parametrize("preset", SIZES)
def test_sizes_are_ctals(preset: str) -> None:
    """§5.1, "similar size": the blocks of CTAL large are 6 · (7,087,872 + 9,451,776) = 99,237,888
    parameters, the whole in pretraining 126,442,192 as its released code has it."""
    text, blocks, whole = SIZES[preset]
    family = FAMILIES[preset.removesuffix("-large")]
    towers = {"text_config": BUILTIN_TEXT[text](vocab_size=30_000)} if text else {}
    fields = {**family.presets[preset], "fusion": "none"}
    config = family.model.config_class(audio_config=MelConfig(), **towers, **fields)
    asked = {k: v for k, v in heads(text is not None).items() if k != "emotion"}
    with torch.device("meta"):
        task = TaskModel(
            TaskConfig(backbone_config=config, heads={k: vars(asked[k]) for k in asked})
        )
    counts = {name: p.numel() for name, p in task.named_parameters()}
    assert sum(n for k, n in counts.items() if "blocks." in k or ".layer." in k) == blocks
    assert sum(counts.values()) == whole


@pytest.mark.parametrize("name", NAMES)
def test_padding_and_batch_order_change_nothing(
    name: str, make: Callable[..., CrossModalModel], cmt_inputs: Callable[[], Inputs]
) -> None:
    model, given = make(name), cmt_inputs()
    together = model(**given)
    swapped = model(**{k: v.flip(0) for k, v in given.items()}).pooled
    torch.testing.assert_close(swapped.flip(0), together.pooled, atol=1e-5, rtol=1e-4)
    sizes = {"audio": 5000, "audio_mask": 5000, "text": 4, "text_mask": 4}
    alone = model(**{k: v[1:, : sizes[k]] for k, v in given.items()})
    torch.testing.assert_close(alone.pooled, together.pooled[1:], atol=1e-5, rtol=1e-4)


def test_single_stream_is_visual_berts_encoder_over_both(
    make: Callable[..., CrossModalModel], cmt_inputs: Callable[[], Inputs]
) -> None:
    """VisualBERT's encoder with our weights, over [text ; speech] with every place open to all."""
    model, given = make("single-stream"), cmt_inputs()
    assert isinstance(model, SingleStreamModel)
    config = VisualBertConfig(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48
    )
    theirs = VisualBertEncoder(config).eval()
    for ours, layer in zip(model.blocks, theirs.layer, strict=True):
        for name in ("query", "key", "value"):
            source = getattr(ours.self_attention, name)
            getattr(layer.attention.self, name).load_state_dict(source.state_dict())
        for module, source in (
            (layer.attention.output.dense, ours.self_attention.output),
            (layer.attention.output.LayerNorm, ours.self_norm),
            (layer.intermediate.dense, ours.expand),
            (layer.output.dense, ours.contract),
            (layer.output.LayerNorm, ours.output_norm),
        ):
            module.load_state_dict(source.state_dict())
    features = model.encode_audio(given["audio"], given["audio_mask"])
    text = model.encode_text(given["text"], given["text_mask"])
    assert features is not None
    assert text is not None
    states = torch.cat([text.values, model.embeddings(features.values)], 1)
    mask = torch.cat([text.mask, features.mask], 1)
    added = torch.zeros(2, 1, 1, mask.shape[1]).masked_fill(~mask[:, None, None], -1e30)
    expected = theirs(states, attention_mask=added).last_hidden_state
    output = model(**given)
    found = torch.cat([output.text.values, output.audio.values], 1)
    torch.testing.assert_close(found[mask], expected[mask], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_fusion_is_ctals(
    name: str, make: Callable[..., CrossModalModel], cmt_inputs: Callable[[], Inputs]
) -> None:
    """§3.3 by hand for one item; speech alone has its own two vectors."""
    model = make(name)
    output = model(**cmt_inputs())
    audio = output.audio.values[1][output.audio.mask[1]]
    shares = model.fusion.audio_scorer(model.fusion.audio_projection(audio).tanh()).softmax(0)
    first, largest = (shares * audio).sum(0), audio.amax(0)
    if name != "mockingjay":
        text = output.text.values[1][:4]
        first, largest = first + text[0], largest + text.amax(0)
    torch.testing.assert_close(output.pooled[1], torch.cat([first, largest]))
    pairs = (("audio_attention", "text_first"), ("audio_max", "text_max"))
    assert model.orthogonal_pairs == (pairs if name != "mockingjay" else ())
    assert {view for pair in model.orthogonal_pairs for view in pair} <= set(output.views)


@pytest.mark.parametrize("name", ["two-stream", "single-stream"])
def test_a_missing_modality_adds_zeros(
    name: str, make: Callable[..., CrossModalModel], cmt_inputs: Callable[[], Inputs]
) -> None:
    model, given = make(name), cmt_inputs()
    no_text = model(audio=given["audio"], audio_mask=given["audio_mask"])
    views = no_text.views
    torch.testing.assert_close(
        no_text.pooled, torch.cat([views["audio_attention"], views["audio_max"]], 1)
    )
    assert (views["text_max"] == 0).all()
    some = {**given, "text_mask": given["text_mask"] & torch.tensor([[True], [False]])}
    torch.testing.assert_close(model(**some).pooled[1], no_text.pooled[1], atol=1e-5, rtol=1e-4)
    no_audio = model(text=given["text"], text_mask=given["text_mask"])
    assert no_audio.pooled.isfinite().all()
    assert (no_audio.views["audio_attention"] == 0).all()
    with pytest.raises(ValueError, match="this model needs audio or text"):
        model()


def corruption(width: int, place: int) -> Corruption:
    positions = torch.zeros(2, width, dtype=torch.bool)
    positions[0, place : place + 2] = True
    return Corruption(positions, torch.full(positions.shape, LEARNED))


@pytest.mark.parametrize("name", NAMES)
def test_masked_places_are_hidden_and_asked_for(
    name: str, make: Callable[..., CrossModalModel], cmt_inputs: Callable[[], Inputs]
) -> None:
    """What stands in a masked place changes nothing; the features to be rebuilt stay clean."""
    model, given = make(name, mask_token_id=4, fusion="none"), cmt_inputs()
    task = build_task(model, heads(model.reads)).eval()
    clean = task(**given).backbone
    frames = clean.audio.values.shape[1]
    masks = {"audio_corruption": corruption(frames, 3), "text_corruption": corruption(7, 1)}
    output = task(**given, **masks)
    assert output.logits["audio_frames"].shape == (2, 12)
    torch.testing.assert_close(output.backbone.features.values, clean.features.values)
    changed = output.backbone.audio.values - clean.audio.values
    assert changed[0].abs().max() > 1e-2
    assert changed[1].abs().max() < 1e-5
    noise = clean.features.values.clone()
    noise[0, 3:5] = 9.0
    heard = {**given, "audio": noise, "audio_mask": clean.features.mask}
    torch.testing.assert_close(
        task(**heard, **masks).logits["audio_frames"], output.logits["audio_frames"]
    )
    if name == "mockingjay":
        return
    assert output.logits["text_tokens"].shape == (2, 60)
    other = {**given, "text": given["text"].clone()}
    other["text"][0, 1:3] = 59 - other["text"][0, 1:3]
    torch.testing.assert_close(
        task(**other, **masks).logits["text_tokens"], output.logits["text_tokens"]
    )


@pytest.mark.parametrize("name", NAMES)
def test_folders_and_stages(
    name: str,
    tmp_path: Path,
    make: Callable[..., CrossModalModel],
    cmt_inputs: Callable[[], Inputs],
) -> None:
    """Equal states from a folder; a pretrained one without fusion fills one that has it."""
    model, given = make(name), cmt_inputs()
    model.save_pretrained(tmp_path / "family")
    again = AutoModel.from_pretrained(tmp_path / "family").eval()
    assert torch.equal(again(**given).audio.values, model(**given).audio.values)
    task = build_task(model, heads(model.reads)).eval()
    task.save_pretrained(tmp_path / "task")
    again = load_task(tmp_path / "task")
    assert torch.equal(again(**given).logits["emotion"], task(**given).logits["emotion"])
    pretrained = make(name, fusion="none", initializer_range=0.3)
    build_task(pretrained, {"audio_frames": HEADS["audio_frames"]}).save_pretrained(tmp_path / "p")
    load_backbone(task, tmp_path / "p")
    torch.testing.assert_close(
        task(**given).backbone.audio.values, pretrained(**given).audio.values
    )
    assert pretrained.config.disowned({}) == {"fusion"}
    assert not model.config.disowned({})


def test_attentions_of_two_streams(
    make: Callable[..., CrossModalModel], cmt_inputs: Callable[[], Inputs]
) -> None:
    output = make("two-stream")(**cmt_inputs(), output_attentions=True)
    frames = output.audio.values.shape[1]
    assert [w.shape for w in output.attentions["audio"]] == [(2, 2, frames, 7)] * 2
    assert [w.shape for w in output.attentions["text"]] == [(2, 2, 7, frames)] * 2
    assert (output.attentions["audio"][1][1, :, :, 4:] == 0).all()


def test_text_may_be_embeddings_alone(tiny_configs: dict[str, Any]) -> None:
    text = BUILTIN_TEXT["roberta-mini-embeddings"](vocab_size=60)
    model = SingleStreamModel(
        SingleStreamConfig(
            audio_config=MelConfig(), text_config=text, width=64, num_layers=1, num_heads=4
        )
    ).eval()
    assert model.text_encoder is not None
    assert len(model.text_encoder.model.encoder.layer) == 0
    ids = torch.tensor([[5, 6, 7]])
    states = model.encode_text(ids, torch.ones_like(ids, dtype=torch.bool))
    assert states is not None
    torch.testing.assert_close(states.values, model.text_encoder.model.embeddings(ids))


def test_what_cannot_be_is_refused(
    make: Callable[..., CrossModalModel],
    tiny_configs: dict[str, Any],
    cmt_inputs: Callable[[], Inputs],
) -> None:
    audio, text = MelConfig(), tiny_configs["text_config"]
    with pytest.raises(ValueError, match="a two-stream model needs text_config or text_features"):
        TwoStreamModel(TwoStreamConfig(audio_config=audio))
    with pytest.raises(ValueError, match="needs audio_config or audio_features; of text alone"):
        SingleStreamModel(SingleStreamConfig(text_config=text))
    with pytest.raises(ValueError, match="expected that of the text encoder, 32, found 768"):
        SingleStreamModel(SingleStreamConfig(audio_config=audio, text_config=text, num_layers=1))
    with pytest.raises(Exception, match="fusion is 'mean', expected one of sum, none"):
        TwoStreamConfig(fusion="mean")
    short = make("mockingjay", max_frames=20)
    assert short.max_seconds == 19 * 200 / 16_000
    with pytest.raises(CrosstoneError, match="at most 20 frames of audio, found 46"):
        short(**cmt_inputs())
