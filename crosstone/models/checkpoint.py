"""Folders of trained models: found, read, loaded whole, or poured into another stage's model."""

from dataclasses import fields as dataclass_fields
from difflib import get_close_matches
from pathlib import Path

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import AutoConfig, PreTrainedConfig

from crosstone.errors import CheckpointError
from crosstone.models.base import CrossModalConfig
from crosstone.models.faults import by_prefix, quietly, said, unusable
from crosstone.models.headspec import HEAD_KINDS, HeadSpec, module_name
from crosstone.models.task import TaskConfig, TaskModel


def load_task(folder: Path | str) -> TaskModel:
    """The task model of a folder, every weight accounted for.

    Raises CheckpointError where the folder is no crosstone model or its weights do not fit it.
    """
    folder = Path(folder)
    config = read_task_config(folder)
    try:
        with quietly():  # what does not fit is said below, in one sentence
            model, info = TaskModel.from_pretrained(
                folder, config=config, output_loading_info=True, ignore_mismatched_sizes=True
            )
    except (OSError, SafetensorError, RuntimeError, ValueError) as error:
        raise CheckpointError(
            f"{folder}: its weights cannot be loaded: {said(error)}; copy the folder again"
        ) from error
    wrong = [f"missing {k}" for k in info["missing_keys"]]
    wrong += [f"unexpected {k}" for k in info["unexpected_keys"]]
    wrong += [
        f"another shape {k[0] if isinstance(k, tuple) else k}" for k in info["mismatched_keys"]
    ]
    if wrong:
        raise CheckpointError(
            f"{folder}: the weights do not fit the config: {by_prefix(wrong)}; take both files "
            "from one model"
        )
    model.eval()
    return model  # type: ignore[no-any-return]


def model_folder(place: Path) -> Path:
    """The model folder that a path means: itself, or the `model` inside a run or run set.

    Raises CheckpointError where there is none; of a run set whose folds alone have models, it names
    the first.
    """
    for path in (place / "model", place):
        if (path / "config.json").is_file():
            return path
    remedy = "give a model folder or a run that finished"
    if of_folds := sorted(place.glob("fold-*/model/config.json")):
        first = of_folds[0].parent.parent
        remedy = f"give the model of a fold, as in {first}, or train with final_model=true"
    raise CheckpointError(f"{place}: no model here (config.json is missing); {remedy}")


def read_task_config(folder: Path) -> TaskConfig:
    """Config of a task model's folder; CheckpointError where it is another kind of folder."""
    if not (folder / "config.json").is_file():
        raise CheckpointError(
            f"{folder}: no model here (config.json is missing); give a model/ folder"
        )
    try:
        config = AutoConfig.from_pretrained(folder)
    except (ValueError, OSError, KeyError, StrictDataclassError) as error:
        raise unusable(folder, said(error.__cause__ or error)) from error
    if not isinstance(config, TaskConfig):
        raise CheckpointError(
            f"{folder}: expected a crosstone model, found a '{config.model_type}' checkpoint; name "
            "it as model.audio_encoder or model.text_encoder of a recipe instead"
        )
    if not isinstance(config.backbone_config, CrossModalConfig):
        raise unusable(folder, "backbone_config: expected the config of a family, found none")
    _check_spelling(config.backbone_config, folder)
    for name, fields in (config.heads or {}).items():
        if faults := sorted(set(fields) - {f.name for f in dataclass_fields(HeadSpec)}):
            raise unusable(folder, f"heads.{name}: unknown key {', '.join(faults)}")
        if fields.get("kind") not in HEAD_KINDS:
            expected, found = ", ".join(HEAD_KINDS), fields.get("kind")
            raise unusable(folder, f"heads.{name}: expected a kind of {expected}, found {found!r}")
    return config


def load_backbone(model: TaskModel, folder: Path | str) -> TaskConfig:
    """Fill a task model's family from another stage's folder; its heads stay as they are.

    Returns that stage's config. A head is taken over too where its HeadSpec is the same. Raises
    CheckpointError for another family or for weights that do not fit.
    """
    folder = Path(folder)
    config = read_task_config(folder)
    assert isinstance(config.backbone_config, PreTrainedConfig)
    found, expected = config.backbone_config.model_type, model.backbone.config.model_type
    if found != expected:
        raise CheckpointError(
            f"{folder}: expected a checkpoint of family '{expected}', found '{found}'; "
            "init from a model of the same family"
        )
    try:
        saved = load_file(folder / "model.safetensors")
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{folder}: its weights cannot be loaded: {error}") from error
    own = model.state_dict()
    same = tuple(
        f"heads.{module_name(name)}."
        for name, spec in (config.heads or {}).items()
        if model.specs.get(name) == HeadSpec.from_fields(spec)
    )
    kept = {k: v for k, v in saved.items() if not k.startswith("heads.") or k.startswith(same)}
    wrong = [f"another shape {k}" for k in kept if k in own and own[k].shape != kept[k].shape]
    if not wrong:
        missing, unexpected = model.load_state_dict(kept, strict=False)
        # learned only where the config asks: the pooler over layers, CTAL's fusion, absent tokens
        fresh = ("heads.", "backbone.layer_pooler.", "backbone.fusion.", "backbone.absent.")
        wrong = [f"missing {k}" for k in missing if not k.startswith(fresh)]
        wrong += [f"unexpected {k}" for k in unexpected if not k.startswith(fresh)]
    if wrong:
        raise CheckpointError(f"{folder}: the weights do not fit this model: {by_prefix(wrong)}")
    return config


def _check_spelling(config: CrossModalConfig, folder: Path) -> None:
    """Refuse a key that resembles one of the family's own.

    Keys that resemble none are left: transformers writes its own, others in each version.
    """
    generic = {f.name for f in dataclass_fields(PreTrainedConfig)}
    declared = {f.name for f in dataclass_fields(config)}
    for key in sorted(set(config.to_dict()) - declared):
        if near := get_close_matches(key, declared - generic, 1, cutoff=0.8):
            raise unusable(
                folder, f"backbone_config: unknown key '{key}', did you mean '{near[0]}'?"
            )
