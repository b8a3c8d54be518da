"""JBLS: its released modules, its sizes, its choices."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoModel, PreTrainedConfig

from crosstone.models import (
    FAMILIES,
    HeadSpec,
    JBLSConfig,
    JBLSModel,
    TaskConfig,
    TaskModel,
)
from crosstone.models.builtin import BUILTIN_AUDIO
from crosstone.models.checkpoint import load_task
from crosstone.models.jbls import PRESETS
from crosstone.models.task import build_task
from crosstone.nn.masking import LEARNED, Corruption
from crosstone.nn.speechbert import speech_roberta

GOLDEN = Path(__file__).parents[1] / "golden" / "jbls"
EMOTIONS = ("neutral", "sad", "angry", "happy")
RENAMED = {"q_proj": "query", "k_proj": "key", "v_proj": "value", "out_proj": "output"}


def recorded(fusion: str, state: str) -> TaskModel:
    """The released fusion and head on given states, through the public API."""
    config = JBLSConfig(fusion=fusion, fusion_heads=2, audio_features=16, text_features=24)
    heads = {"emotion": HeadSpec(kind="one_vs_rest", labels=EMOTIONS)}
    model = build_task(JBLSModel(config), heads).eval()
    weights = {}
    for key, value in load_file(GOLDEN / f"{state}.state.safetensors").items():
        parts = key.split(".")
        if parts[0] == "fusion":
            stream = {"layers_ta": "text_layers", "layers_at": "audio_layers"}[parts[1]]
            name = f"backbone.{stream}.{parts[2]}.attention.{RENAMED[parts[4]]}.{parts[5]}"
        else:
            name = f"heads.emotion.{parts[2]}"
        weights[name] = value
    model.load_state_dict(weights)
    return model


def given(tokens: dict[str, Tensor]) -> dict[str, Tensor]:
    features = load_file(GOLDEN / "inputs.safetensors")
    return {
        "audio": features["audio_features"],
        "audio_mask": tokens["audio_tokens"] != 1,
        "text": features["text_features"],
        "text_mask": tokens["text_tokens"] != 1,
    }


def test_the_second_layer_asks_with_what_the_first_found() -> None:
    """The query is refined, keys and values stay the encoders' (facts: n > 1 layers)."""
    torch.manual_seed(0)
    config = JBLSConfig(
        fusion="co-attention", fusion_layers=2, fusion_heads=2, audio_features=16, text_features=24
    )
    model = JBLSModel(config).eval()
    audio, text = torch.randn(3, 5, 16), torch.randn(3, 4, 24)
    whole = {"audio_mask": torch.ones(3, 5, dtype=torch.bool), "text_mask": torch.ones(3, 4).bool()}
    found = model(audio=audio, text=text, **whole)
    for layers, first, memory, mask, view in (
        (model.text_layers, text[:, :1], audio, whole["audio_mask"], "text_first"),
        (model.audio_layers, audio[:, :1], text, whole["text_mask"], "audio_first"),
    ):
        state = first
        for layer in layers:
            state = state + layer.attention(state, memory, mask)[0]
        torch.testing.assert_close(found.views[view], state[:, 0])


@pytest.mark.parametrize("case", ["padded", "nopad"])
def test_recorded_co_attention(case: str) -> None:
    golden = load_file(GOLDEN / f"{case}.out.safetensors")
    output = recorded("co-attention", "coattention")(**given(golden))
    for name, found in {
        "t2a": output.backbone.views["text_first"],
        "a2t": output.backbone.views["audio_first"],
        "fused": output.backbone.pooled,
        "logits": output.logits["emotion"],
    }.items():
        torch.testing.assert_close(found, golden[name], atol=1e-5, rtol=1e-5)


def test_recorded_shallow_fusion() -> None:
    golden = load_file(GOLDEN / "shallow.out.safetensors")
    inputs = given(load_file(GOLDEN / "inputs.safetensors"))
    output = recorded("shallow", "shallow")(**inputs)
    torch.testing.assert_close(output.backbone.pooled, golden["fused"], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(output.logits["emotion"], golden["logits"], atol=1e-5, rtol=1e-5)
    first = torch.cat([inputs["text"][:, 0], inputs["audio"][:, 0]], -1)
    assert torch.equal(output.backbone.pooled, first)


@pytest.mark.parametrize("preset,added", [("jbls-shallow", 0), ("jbls-coattention", 6_429_696)])
def test_what_each_fusion_adds(preset: str, added: int) -> None:
    """§5.4: "close to fourteen thousand" and "nearly 6 million", at widths 1024 and 768."""
    config = JBLSConfig(audio_features=768, text_features=1024, **PRESETS[preset])
    with torch.device("meta"):
        heads = {"emotion": HeadSpec(kind="one_vs_rest", labels=EMOTIONS)}
        fields = {name: vars(spec) | {"labels": list(EMOTIONS)} for name, spec in heads.items()}
        model = TaskModel(TaskConfig(backbone_config=config, heads=fields))
    assert sum(p.numel() for p in model.backbone.parameters()) == added
    assert sum(p.numel() for p in model.heads.parameters()) == 14_344


def test_figure_2_adds_norms_and_a_feed_forward_layer() -> None:
    """ViLBERT's block is torch's decoder layer without its self-attention."""
    torch.manual_seed(0)
    fields = {"fusion": "co-attention", "co_attention": "vilbert", "fusion_heads": 2}
    config = JBLSConfig(audio_features=12, text_features=16, initializer_range=0.3, **fields)
    model = JBLSModel(config).eval()
    text, audio = torch.randn(2, 5, 16), torch.randn(2, 4, 12)
    masks = torch.ones(2, 5, dtype=torch.bool), torch.arange(4) < torch.tensor([[4], [2]])
    output = model(audio, masks[1], text, masks[0], output_attentions=True)
    layer = model.text_layers[0]
    reference = nn.MultiheadAttention(16, 2, kdim=12, vdim=12, batch_first=True)
    reference.q_proj_weight.data = layer.attention.query.weight
    reference.k_proj_weight.data = layer.attention.key.weight
    reference.v_proj_weight.data = layer.attention.value.weight
    reference.in_proj_bias.data = torch.cat(
        [getattr(layer.attention, n).bias for n in ("query", "key", "value")]
    )
    reference.out_proj.load_state_dict(layer.attention.output.state_dict())
    gathered, weights = reference(text[:, :1], audio, audio, key_padding_mask=~masks[1])
    states = layer.norm(text[:, :1] + gathered)
    hidden = layer.contract(nn.functional.gelu(layer.expand(states)))
    expected = layer.output_norm(states + hidden)[:, 0]
    torch.testing.assert_close(output.views["text_first"], expected, atol=1e-5, rtol=1e-5)
    found = output.attentions["text"][0]
    assert found.shape == (2, 2, 1, 4)
    torch.testing.assert_close(found.mean(1), weights)
    assert (found[1, :, :, 2:] == 0).all()


def text_config() -> PreTrainedConfig:
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    return speech_roberta(60, intermediate_size=48, max_position_embeddings=40, **sizes)


def tiny(**fields: Any) -> JBLSModel:
    torch.manual_seed(0)
    towers = {"audio_config": BUILTIN_AUDIO["speechbert-tiny"](), "text_config": text_config()}
    defaults = {"fusion_heads": 2, "initializer_range": 0.2, "freeze_audio": "none"}
    return JBLSModel(JBLSConfig(**{**towers, **defaults, **fields})).eval()


def batch() -> dict[str, Tensor]:
    """Two items: 9000 and 5000 samples, 7 and 4 tokens."""
    torch.manual_seed(1)
    audio_mask = torch.arange(9000) < torch.tensor([[9000], [5000]])
    return {
        "audio": torch.randn(2, 9000) * audio_mask,
        "audio_mask": audio_mask,
        "text": torch.randint(5, 60, (2, 7)),
        "text_mask": torch.arange(7) < torch.tensor([[7], [4]]),
    }


@pytest.mark.parametrize("fusion", ["shallow", "co-attention"])
def test_padding_order_and_neighbours_change_nothing(fusion: str) -> None:
    model, inputs = tiny(fusion=fusion, fusion_layers=2), batch()
    together = model(**inputs)
    assert together.pooled.shape == (2, 32 + 64)
    flipped = model(**{k: v.flip(0) for k, v in inputs.items()}).pooled
    torch.testing.assert_close(flipped.flip(0), together.pooled, atol=1e-5, rtol=1e-4)
    alone = model(
        audio=inputs["audio"][1:, :5000],
        audio_mask=inputs["audio_mask"][1:, :5000],
        text=inputs["text"][1:, :4],
        text_mask=inputs["text_mask"][1:, :4],
    )
    torch.testing.assert_close(alone.pooled, together.pooled[1:], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("fusion", ["shallow", "co-attention"])
def test_a_missing_modality_is_zeros_in_its_place(fusion: str) -> None:
    model, inputs = tiny(fusion=fusion), batch()
    heard = {k: inputs[k] for k in ("audio", "audio_mask")}
    read = {k: inputs[k] for k in ("text", "text_mask")}
    no_text, no_audio = model(**heard), model(**read)
    assert (no_text.pooled[:, :32] == 0).all()
    assert (no_audio.pooled[:, 32:] == 0).all()
    for name in ("text_mask", "audio_mask"):
        inputs[name][1] = False
        found = model(**inputs).pooled
        assert found.isfinite().all()
        part = slice(0, 32) if name == "text_mask" else slice(32, None)
        assert (found[1, part] == 0).all()
        assert (found[0] != 0).any()
    with pytest.raises(ValueError, match="needs audio or text"):
        model()


def test_one_tower_pools_its_first_state() -> None:
    inputs = batch()
    for name, other in (("audio", "text"), ("text", "audio")):
        model = tiny(**{f"{other}_config": None})
        output = model(**inputs)
        assert model.modalities == (name,)
        assert torch.equal(output.pooled, output.views[f"{name}_first"])
        states = getattr(output, name)
        assert torch.equal(output.pooled, states.values[:, 0])
        assert FAMILIES[f"jbls-{name}"].modalities == model.modalities


def test_corruption_reaches_the_encoders_inputs() -> None:
    model, inputs = tiny(mask_token_id=4), batch()
    frames = model(**inputs).audio.values.shape[1]
    positions = torch.zeros(2, frames, dtype=torch.bool)
    positions[0, 2:9] = True
    corruption = Corruption(positions, torch.full(positions.shape, LEARNED))
    clean, masked = model(**inputs), model(**inputs, audio_corruption=corruption)
    assert (clean.views["audio_first"][0] - masked.views["audio_first"][0]).abs().max() > 1e-4
    torch.testing.assert_close(masked.pooled[1], clean.pooled[1])
    torch.testing.assert_close(masked.views["text_first"], clean.views["text_first"])


def test_dropout_falls_on_the_fused_vector_alone() -> None:
    model, inputs = tiny(pooler_dropout=0.5, text_config=text_config()), batch()
    model.audio_encoder.eval()
    model.pooler_dropout.train()
    output = model(**inputs)
    views = torch.cat([output.views["text_first"], output.views["audio_first"]], -1)
    kept = output.pooled != 0
    assert 0.2 < kept.float().mean() < 0.8
    torch.testing.assert_close(output.pooled[kept], 2 * views[kept])


def test_frozen_towers_stay_in_eval_mode() -> None:
    model = tiny(freeze_audio="all", freeze_text="all", fusion="co-attention").train()
    trained = {name.split(".")[0] for name, p in model.named_parameters() if p.requires_grad}
    assert trained == {"text_layers", "audio_layers"}
    assert not model.audio_encoder.model.training
    assert not model.text_encoder.model.training


@pytest.mark.parametrize("fields", PRESETS.values(), ids=PRESETS)
def test_folders_give_equal_states_and_logits(fields: dict[str, Any], tmp_path: Path) -> None:
    model, inputs = tiny(**fields), batch()
    model.save_pretrained(tmp_path / "family")
    again = AutoModel.from_pretrained(tmp_path / "family").eval()
    assert torch.equal(again(**inputs).pooled, model(**inputs).pooled)
    task = build_task(model, {"emotion": HeadSpec(kind="one_vs_rest", labels=EMOTIONS)}).eval()
    task.save_pretrained(tmp_path / "task")
    logits = load_task(tmp_path / "task")(**inputs).logits["emotion"]
    assert torch.equal(logits, task(**inputs).logits["emotion"])


def test_choices_that_do_not_exist_are_refused() -> None:
    with pytest.raises(Exception, match="fusion is 'deep', expected one of shallow, co-attention"):
        JBLSConfig(fusion="deep")
    with pytest.raises(Exception, match="co_attention is 'paper', expected one of plain, vilbert"):
        JBLSConfig(co_attention="paper")
    with pytest.raises(ValueError, match="co-attention needs audio_config and text_config"):
        JBLSModel(JBLSConfig(fusion="co-attention", text_config=text_config()))
    with pytest.raises(ValueError, match="JBLS needs audio_config, text_config or both"):
        JBLSModel(JBLSConfig())
