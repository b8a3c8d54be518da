"""Task models: heads, folders, and what does not fit."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, RobertaModel

from crosstone.errors import CheckpointError
from crosstone.models import BaselineConfig, BaselineModel, CMTModel, HeadSpec, TaskModel
from crosstone.models.checkpoint import load_backbone, load_task
from crosstone.models.task import build_task
from crosstone.nn.masking import LEARNED, Corruption

Inputs = dict[str, torch.Tensor]
HEADS = {
    "emotion": HeadSpec(kind="classification", labels=("a", "b", "c")),
    "sentiment": HeadSpec(kind="regression"),
    "text_tokens": HeadSpec(kind="tokens", style="tied"),
    "audio_codes": HeadSpec(kind="codes", num_codes=10, projection=8),
}


@pytest.fixture
def task(make_cmt: Callable[..., CMTModel]) -> TaskModel:
    return build_task(make_cmt(), HEADS, heard=["audio+text"]).eval()


def test_build_keeps_the_family_and_heads_answer_in_their_shapes(
    task: TaskModel, make_cmt: Callable[..., CMTModel], cmt_inputs: Callable[[], Inputs]
) -> None:
    given = cmt_inputs()
    torch.testing.assert_close(task(**given).backbone.pooled, make_cmt()(**given).pooled)
    plain = task(**given).logits
    assert set(plain) == {"emotion", "sentiment"}
    assert (plain["emotion"].shape, plain["sentiment"].shape) == ((2, 3), (2,))
    positions = torch.zeros(2, 7, dtype=torch.bool)
    positions[0, 2] = positions[1, 1] = True
    masked = Corruption(positions, torch.full((2, 7), LEARNED))
    tokens = task(**given, text_corruption=masked).logits["text_tokens"]
    assert tokens.shape == (2, 60)  # at the masked places only


@pytest.mark.parametrize("auto", [True, False])
def test_folder_gives_equal_logits(
    task: TaskModel, tmp_path: Path, cmt_inputs: Callable[[], Inputs], auto: bool
) -> None:
    task.save_pretrained(tmp_path)
    again = AutoModel.from_pretrained(tmp_path).eval() if auto else load_task(tmp_path)
    given = cmt_inputs()
    for name, logits in task(**given).logits.items():
        assert torch.equal(again(**given).logits[name], logits)
    assert again.config.heard == ["audio+text"]
    assert again.specs == HEADS


@pytest.mark.parametrize("family", ["cmt", "audio", "text", "shallow"])
def test_family_folder_gives_equal_states(
    family: str,
    tmp_path: Path,
    make_cmt: Callable[..., CMTModel],
    tiny_configs: dict[str, Any],
    cmt_inputs: Callable[[], Inputs],
) -> None:
    towers = {f"{family}_config"} if family in ("audio", "text") else set(tiny_configs)
    model = (
        make_cmt(audio_output="pooler")
        if family == "cmt"
        else BaselineModel(BaselineConfig(**{t: tiny_configs[t] for t in towers})).eval()
    )
    model.save_pretrained(tmp_path)
    again = AutoModel.from_pretrained(tmp_path).eval()
    assert type(again) is type(model)
    assert torch.equal(again(**cmt_inputs()).pooled, model(**cmt_inputs()).pooled)


def test_backbone_moves_to_other_heads(
    task: TaskModel, tmp_path: Path, make_cmt: Callable[..., CMTModel]
) -> None:
    torch.nn.init.normal_(task.backbone.audio_blocks[0].expand.weight)
    task.config.history = [{"stage": "pretrain"}]
    task.save_pretrained(tmp_path)
    other = build_task(
        make_cmt(), {"emotion": HEADS["emotion"], "age": HeadSpec(kind="regression")}
    )
    config = load_backbone(other, tmp_path)
    assert config.history == [{"stage": "pretrain"}]
    for name, tensor in task.backbone.state_dict().items():
        assert torch.equal(other.backbone.state_dict()[name], tensor)
    assert torch.equal(other.heads["emotion"].weight, task.heads["emotion"].weight)


def test_a_head_for_other_classes_is_not_taken_over(
    task: TaskModel, tmp_path: Path, make_cmt: Callable[..., CMTModel]
) -> None:
    task.save_pretrained(tmp_path)
    renamed = HeadSpec(kind="classification", labels=("x", "y", "z"))
    other = build_task(make_cmt(), {"emotion": renamed})
    load_backbone(other, tmp_path)
    assert not torch.equal(other.heads["emotion"].weight, task.heads["emotion"].weight)


def test_a_pooler_may_be_new(
    task: TaskModel, tmp_path: Path, make_cmt: Callable[..., CMTModel]
) -> None:
    task.save_pretrained(tmp_path)
    other = build_task(make_cmt(audio_output="pooler"), {"emotion": HEADS["emotion"]})
    load_backbone(other, tmp_path)
    torch.testing.assert_close(other.backbone.layer_pooler.weights, torch.tensor([0.5, 0.5]))


def test_another_family_is_refused(
    task: TaskModel, tmp_path: Path, tiny_configs: dict[str, Any]
) -> None:
    task.save_pretrained(tmp_path)
    shallow = build_task(
        BaselineModel(BaselineConfig(**tiny_configs)), {"emotion": HEADS["emotion"]}
    )
    with pytest.raises(
        CheckpointError, match="expected a checkpoint of family 'crosstone-baseline'"
    ):
        load_backbone(shallow, tmp_path)


def test_another_shape_and_missing_weights_are_listed_by_prefix(
    task: TaskModel, tmp_path: Path, make_cmt: Callable[..., CMTModel]
) -> None:
    task.save_pretrained(tmp_path)
    wide = build_task(make_cmt(intermediate_ratio=2), {"emotion": HEADS["emotion"]})
    with pytest.raises(
        CheckpointError, match=r"do not fit this model: another shape backbone.audio"
    ):
        load_backbone(wide, tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    kept = {k: v for k, v in weights.items() if "text_blocks.1" not in k}
    save_file(kept, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(CheckpointError, match=r"missing backbone\.text_blocks"):
        load_task(tmp_path)
    with pytest.raises(CheckpointError, match=r"missing backbone\.text_blocks"):
        load_backbone(build_task(make_cmt(), {"emotion": HEADS["emotion"]}), tmp_path)


def test_folders_that_are_no_task_model_are_refused(
    tmp_path: Path, tiny_configs: dict[str, Any]
) -> None:
    with pytest.raises(CheckpointError, match=r"no model here \(config.json is missing\)"):
        load_task(tmp_path)
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"config\.json cannot be used"):
        load_task(tmp_path)
    RobertaModel(tiny_configs["text_config"]).save_pretrained(tmp_path / "roberta")
    with pytest.raises(CheckpointError, match="expected a crosstone model, found a 'roberta'"):
        load_task(tmp_path / "roberta")


@pytest.mark.parametrize("name", ["type", "my.label", "items", "Gefühl"])
def test_any_name_is_a_head(name: str, tmp_path: Path, make_cmt: Callable[..., CMTModel]) -> None:
    task = build_task(make_cmt(), {name: HEADS["emotion"]})
    task.save_pretrained(tmp_path)
    assert set(load_task(tmp_path).specs) == {name}


def test_damaged_weights_are_said(task: TaskModel, tmp_path: Path) -> None:
    task.save_pretrained(tmp_path)
    path = tmp_path / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    for load in (load_task, lambda folder: load_backbone(task, folder)):
        with pytest.raises(CheckpointError, match="its weights cannot be loaded"):
            load(tmp_path)


def test_a_head_without_its_encoder_is_refused(tiny_configs: dict[str, Any]) -> None:
    hears = BaselineModel(BaselineConfig(audio_config=tiny_configs["audio_config"]))
    with pytest.raises(
        CheckpointError, match="a tokens head needs a text encoder, found only audio"
    ):
        build_task(hears, {"text_tokens": HEADS["text_tokens"]})
