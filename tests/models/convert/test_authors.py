"""The authors' own files: CTAL's checkpoint, MulT's and JBLS's state dicts; what each is asked."""

import argparse
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from crosstone.errors import CheckpointError, ConfigError
from crosstone.models import TaskModel
from crosstone.models.convert import SOURCES, convert

GOLDEN = Path(__file__).parents[2] / "golden"
CTAL = GOLDEN / "ctal" / "weights.safetensors"
SETTINGS = {
    "Config": {
        "semantic": {"num_attention_heads": 3, "hidden_dropout_prob": 0.2},
        "acoustic": {"num_attention_heads": 3, "downsample_rate": 1, "is_decoder": True},
    },
    "Paras": argparse.Namespace(seed=1, gpu=True),
}


def checkpoint(path: Path, state: dict[str, Tensor], **other: Any) -> Path:
    """The layout of the authors' pretraining."""
    held: dict[str, Any] = {
        part: {k[len(part) + 1 :]: v for k, v in state.items() if k.startswith(part)}
        for part in ("semantic_model", "acoustic_model")
    }
    held |= {"Settings": SETTINGS, "Global_step": 7, "Optimizer": {"state": {}}, **other}
    torch.save(held, path)
    return path


def task(source: str, path: Path, *overrides: str) -> TaskModel:
    model = convert(source, path, overrides)[0].result
    assert isinstance(model, TaskModel)
    return model


def classifier(name: str) -> dict[str, Tensor]:
    """Weights of one of the recorded classifiers."""
    heads = load_file(CTAL.with_name("head_weights.safetensors"))
    return {k.partition(".")[2]: v for k, v in heads.items() if k.partition(".")[0] == name}


def test_a_checkpoint_of_ctals_pretraining(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "states.ckpt", load_file(CTAL))
    found, file = convert("ctal", path)
    model = found.result
    assert isinstance(model, TaskModel)
    assert [spec.kind for spec in model.specs.values()] == ["tokens", "frames"]
    config = model.backbone.config
    assert (config.audio_attention, config.head, config.fusion) == ("causal", "code", "none")
    assert (config.num_heads, config.num_layers, config.max_frames) == (3, 2, 40)
    assert (config.audio_features, config.audio_config) == (20, None)
    assert config.text_config.hidden_dropout_prob == 0.2
    assert config.text_config.layer_norm_eps == config.norm_eps == 1e-12
    assert {"Optimizer", "Global_step", "Settings"} < set(found.ignored)
    assert found.ignored["semantic_model.lm_head.decoder.bias"].startswith("repeats")
    assert file.path == path
    other = {
        part: {**fields, "layer_norm_eps": 1e-6} for part, fields in SETTINGS["Config"].items()
    }
    path = checkpoint(tmp_path / "eps.ckpt", load_file(CTAL), Settings={"Config": other})
    config = task("ctal", path).backbone.config
    assert config.text_config.layer_norm_eps == config.norm_eps == 1e-6
    bare = task("ctal", CTAL, "num_heads=3").state_dict()
    assert all(torch.equal(tensor, bare[k]) for k, tensor in model.state_dict().items())


def test_as_the_paper_has_it() -> None:
    config = task("ctal", CTAL, "num_heads=3", "as_published=paper").backbone.config
    assert (config.audio_attention, config.orthogonality) == ("bidirectional", "paper")
    config = task("ctal", CTAL, "num_heads=3", "audio_attention=bidirectional").backbone.config
    assert (config.audio_attention, config.orthogonality) == ("bidirectional", "code")


@pytest.mark.parametrize(
    "name,outputs,kind",
    [
        ("emotion", "both", "classification"),
        ("emotion_acoustic", "audio", "classification"),
        ("emotion_semantic", "text", "classification"),
        ("sentiment", "both", "regression"),
    ],
)
def test_ctals_classifiers(tmp_path: Path, name: str, outputs: str, kind: str) -> None:
    encoders = {k: v for k, v in load_file(CTAL).items() if "_head." not in k}
    # without the pretraining's heads, and without the wrappers around the streams
    short = {"semantic_model.roberta.": "roberta.", "acoustic_model.acoustic.": "acoustic."}
    for before, after in short.items():
        encoders = {k.replace(before, after): v for k, v in encoders.items()}
    save_file({**encoders, **classifier(name)}, tmp_path / "a.safetensors")
    model = task("ctal", tmp_path / "a.safetensors", "num_heads=3", "as_published=paper")
    (spec,) = model.specs.values()
    assert (spec.kind, spec.bias) == (kind, False)
    config = model.backbone.config
    assert (config.outputs, config.head, config.fusion) == (outputs, "code", "sum")


def test_a_classifiers_name_and_classes(tmp_path: Path) -> None:
    save_file({**load_file(CTAL), **classifier("emotion")}, tmp_path / "a.safetensors")
    path = tmp_path / "a.safetensors"
    asked = ["num_heads=3", "head.labels=[neu, hap, sad, ang]", "head.name=mood", "fusion=concat"]
    model = task("ctal", path, *asked)
    assert model.specs["mood"].labels == ("neu", "hap", "sad", "ang")
    assert list(model.specs) == ["mood", "text_tokens", "audio_frames"]
    assert model.backbone.config.fusion == "concat"
    speakers = task("ctal", path, "num_heads=3", "head.kind=speakers")
    assert speakers.specs["speaker"].labels == ("0", "1", "2", "3")
    for asked_of, said in (
        ("head.labels=[a]", "head.labels expects 4 names, found 1"),
        ("head.kind=regression", "head.kind=regression does not fit a head of 4 logits"),
        ("heads=3", "unknown key 'heads', did you mean 'head'"),
        ("as_published=both", "'as_published' expects one of code, paper"),
    ):
        with pytest.raises(ConfigError, match=said):
            task("ctal", path, "num_heads=3", asked_of)
    save_file(
        {**load_file(path), "classifier.weight": torch.ones(3, 96)}, tmp_path / "b.safetensors"
    )
    with pytest.raises(ConfigError, match="two logits a class, found 3"):
        task("ctal", tmp_path / "b.safetensors", "num_heads=3", "head.kind=one_vs_rest")


def test_ctals_own_features_get_their_tower(tmp_path: Path) -> None:
    state = load_file(CTAL)
    state["acoustic_model.acoustic.embeddings.dense.weight"] = torch.randn(48, 160)
    state["acoustic_model.am_head.decoder.weight"] = torch.randn(160, 48)
    state["acoustic_model.am_head.bias"] = torch.randn(160)
    del state["acoustic_model.am_head.decoder.bias"]
    model = task("ctal", checkpoint(tmp_path / "a.ckpt", state))
    assert model.backbone.config.audio_config.model_type == "crosstone-mel"
    text = torch.tensor([[0, 7, 8, 2]])
    heard = model(
        audio=torch.randn(1, 4000),
        audio_mask=torch.ones(1, 4000, dtype=torch.bool),
        text=text,
        text_mask=torch.ones_like(text, dtype=torch.bool),
    )
    assert heard.backbone.audio.values.shape == (1, 21, 48)


def test_all_that_ctal_lacks_is_listed(tmp_path: Path) -> None:
    state = load_file(CTAL)
    del state["semantic_model.roberta.encoder.layer.1.output.dense.bias"]
    del state["acoustic_model.acoustic.encoder.layer.0.crossattention.self.key.weight"]
    state["acoustic_model.acoustic.pooler.weight"] = torch.ones(2)
    state["acoustic_model.am_head.decoder.bias"] = torch.ones(20)
    with pytest.raises(CheckpointError) as refusal:
        task("ctal", checkpoint(tmp_path / "a.ckpt", state))
    said = str(refusal.value)
    assert (
        "missing semantic_model.roberta.encoder.layer.1.output.dense.bias, "
        "acoustic_model.acoustic.encoder.layer.0.crossattention.self.key.weight;"
    ) in said
    assert "unexpected acoustic_model.acoustic.pooler.weight;" in said
    assert "acoustic_model.am_head.decoder.bias and acoustic_model.am_head.bias" in said


def test_what_is_no_ctal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="width of 48 is not a multiple of 64; give num_heads=N"):
        task("ctal", CTAL)
    with pytest.raises(ConfigError, match=r"import ctal: .*\(48\) is not a multiple"):
        task("ctal", CTAL, "num_heads=5")
    state = load_file(CTAL)
    with pytest.raises(CheckpointError, match="found also Extra"):
        task("ctal", checkpoint(tmp_path / "a.ckpt", state, Extra=1))
    stacked = {"Config": {**SETTINGS["Config"], "acoustic": {"downsample_rate": 3}}}
    with pytest.raises(CheckpointError, match="downsample_rate 3, which stacks frames"):
        task("ctal", checkpoint(tmp_path / "a.ckpt", state, Settings=stacked), "num_heads=3")
    other = {"Config": {**SETTINGS["Config"], "semantic": {"hidden_act": "relu"}}}
    with pytest.raises(CheckpointError, match="expected the activation gelu, found relu"):
        task("ctal", checkpoint(tmp_path / "a.ckpt", state, Settings=other), "num_heads=3")
    fewer = {k: v for k, v in state.items() if "embeddings" not in k}
    with pytest.raises(CheckpointError, match=r"missing semantic_model\.roberta\.embeddings\.pos"):
        task("ctal", checkpoint(tmp_path / "a.ckpt", fewer))


def mult_state(**changed: Tensor) -> dict[str, Tensor]:
    golden = load_file(GOLDEN / "mult" / "d20_mask.safetensors")
    weights = {k[len("weight.") :]: v for k, v in golden.items() if k.startswith("weight.")}
    return weights | changed


def test_mults_choices_and_heads(tmp_path: Path) -> None:
    path = tmp_path / "mult.safetensors"
    save_file(mult_state(), path)
    config = task("mult", path, "num_heads=5").backbone.config
    assert (config.future_mask, config.padding, config.width) == (True, "code", 20)
    assert (config.text_features, config.audio_features) == (16, 10)
    assert not task("mult", path, "num_heads=5", "future_mask=false").backbone.config.future_mask
    eight = {"out_layer.weight": torch.ones(8, 40), "out_layer.bias": torch.ones(8)}
    save_file(mult_state(**eight), path)
    (spec,) = task("mult", path, "num_heads=5").specs.values()
    assert (spec.kind, spec.labels) == ("one_vs_rest", ("neutral", "happy", "sad", "angry"))
    with pytest.raises(
        ConfigError, match=r"import mult: mult.safetensors does not say how many heads"
    ):
        task("mult", path)
    with pytest.raises(ConfigError, match=r"import mult: .*20 is not a multiple of 3 heads"):
        task("mult", path, "num_heads=3")


def test_mult_leaves_out_a_projection_that_its_code_does_not_use(tmp_path: Path) -> None:
    save_file(mult_state(**{"proj_l.weight": torch.ones(20, 20, 1)}), tmp_path / "a.safetensors")
    found = convert("mult", tmp_path / "a.safetensors", ["num_heads=5"])[0]
    assert "has the width already" in found.ignored["proj_l.weight"]
    assert isinstance(found.result, TaskModel)
    assert found.result.backbone.text_projection is None


def test_mult_of_three_modalities_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file(mult_state(**{"proj_v.weight": torch.ones(20, 35, 1)}), path)
    with pytest.raises(CheckpointError, match="found the three of the paper: each memory is as"):
        task("mult", path, "num_heads=5")
    state = mult_state()
    del state["proj_a.weight"], state["trans_l_mem.layers.1.self_attn.in_proj_bias"]
    save_file(state, path)
    with pytest.raises(CheckpointError, match=r"missing proj_a\.weight"):
        task("mult", path, "num_heads=5")
    save_file(state | {"proj_a.weight": mult_state()["proj_a.weight"]}, path)
    missing = r"missing trans_l_mem\.layers\.1\.self_attn\.in_proj_bias;"
    with pytest.raises(CheckpointError, match=missing):
        task("mult", path, "num_heads=5")


@pytest.mark.parametrize(
    "state,case,asked",
    [
        ("coattention", "padded", "num_heads=2"),
        ("coattention", "nopad", "num_heads=2"),
        ("shallow", "shallow", "text_features=24"),
    ],
)
def test_jbls_against_recorded_answers(state: str, case: str, asked: str) -> None:
    folder = GOLDEN / "jbls"
    inputs, recorded = (
        load_file(folder / f"{name}.safetensors") for name in ("inputs", f"{case}.out")
    )
    masks = {
        side: recorded.get(f"{side}_tokens", inputs[f"{side}_tokens"]) != 1
        for side in ("audio", "text")
    }
    model = task("jbls", folder / f"{state}.state.safetensors", asked).eval()
    assert model.specs["emotion"].labels == ("neutral", "sad", "angry", "happy")
    with torch.no_grad():
        output = model(
            audio=inputs["audio_features"],
            audio_mask=masks["audio"],
            text=inputs["text_features"],
            text_mask=masks["text"],
        )
    torch.testing.assert_close(output.logits["emotion"], recorded["logits"], atol=1e-5, rtol=1e-5)


def test_jbls_must_be_told_what_no_shape_tells(tmp_path: Path) -> None:
    folder = GOLDEN / "jbls"
    with pytest.raises(ConfigError, match="does not say how many heads"):
        task("jbls", folder / "coattention.state.safetensors")
    for asked in ([], ["text_features=40"]):
        with pytest.raises(ConfigError, match=r"over 40 values .* give text_features=N"):
            task("jbls", folder / "shallow.state.safetensors", *asked)
    with pytest.raises(CheckpointError, match=r"missing head\.out_proj\.weight"):
        task("jbls", CTAL)
    with pytest.raises(ConfigError, match=r"import jbls: .*is not a multiple of 5 heads"):
        task("jbls", folder / "coattention.state.safetensors", "num_heads=5")


def test_each_source_says_what_it_takes(tmp_path: Path) -> None:
    assert list(SOURCES) == ["ctal", "vq-wav2vec", "bert-kmeans", "hubert-head", "mult", "jbls"]
    with pytest.raises(ConfigError, match=r"expected one of ctal, vq-wav2vec, .*, found 'cmt'"):
        convert("cmt", CTAL)
    with pytest.raises(ConfigError, match="import mult: takes no --dictionary and no --tokenizer"):
        convert("mult", CTAL, dictionary=CTAL, tokenizer="x")
    with pytest.raises(ConfigError, match="no such dictionary"):
        convert("bert-kmeans", CTAL, dictionary=tmp_path / "dict.txt")
