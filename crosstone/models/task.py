"""Any family with named heads: the thing that is trained, saved and asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import fields as dataclass_fields
from pathlib import Path
from typing import Any, Literal, get_args

from huggingface_hub.dataclasses import strict
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel

from crosstone.errors import CheckpointError
from crosstone.models.base import CrossModalConfig, CrossModalModel, CrossModalOutput
from crosstone.models.faults import by_prefix, quietly, said, unusable
from crosstone.nn.heads import CodewordHead, FrameHead, TokenHead
from crosstone.nn.masking import Corruption

POOLED = ("classification", "one_vs_rest", "regression", "speakers")
"""Kinds of head that answer from the pooled vector."""

Kind = Literal[
    "classification", "one_vs_rest", "regression", "speakers", "tokens", "codes", "frames"
]
HEAD_KINDS = get_args(Kind)


@dataclass(frozen=True, kw_only=True)
class HeadSpec:
    """One head of a task model."""

    kind: Kind
    """Classes or a value from the pooled vector, or for each class a two-way answer of its own; the
    speakers of training, whom only training asks for, so that the pooled vector tells others apart;
    tokens, codewords or features of masked places from the states."""

    labels: tuple[str, ...] = ()
    """Class names, in the order of the logits (classification, one_vs_rest, speakers)."""

    bias: bool = True
    """Whether the linear layer over the pooled vector has one (classification, one_vs_rest,
    regression, speakers)."""

    num_codes: int = 0
    """Codewords of the codebook (codes)."""

    codebook: str = ""
    """Hash of that codebook (codes)."""

    style: Literal["untied", "tied"] = "untied"
    """One linear layer, or RoBERTa's head over the encoder's own embeddings (tokens)."""

    projection: int = 256
    """Width in which codewords are compared (codes); 256 in HuBERT base, 768 in large."""

    temperature: float = 0.1
    """Divides the cosine (codes); HuBERT's 0.1."""

    norm_eps: float = 1e-5
    """Of the layer norm (tied tokens, frames)."""


@strict
class TaskConfig(PreTrainedConfig):
    """A family's config, the heads on it, and what the model has been through."""

    model_type = "crosstone-task"

    backbone_config: dict[str, Any] | PreTrainedConfig | None = None
    """Config of the family."""

    heads: dict[str, dict[str, Any]] | None = None
    """HeadSpec fields by head name."""

    heard: list[str] | None = None
    """Kinds of utterance met in training: "audio", "text", "audio+text"."""

    hear_seconds: float | None = None
    """How much of a recording was heard at most in training, in seconds; None for all of it."""

    cut_texts: bool = False
    """Whether texts that were too long for the text encoder lost their end."""

    pauses: list[float] | None = None
    """Seconds before and after the speech in the recordings of training, medians; None where
    nobody looked."""

    history: list[dict[str, Any]] | None = None
    """One entry a stage: what it was and saw, as `runs.provenance.Stage` lists it."""

    def __post_init__(self, **kwargs: Any) -> None:
        if isinstance(self.backbone_config, dict):
            fields = dict(self.backbone_config)
            self.backbone_config = AutoConfig.for_model(fields.pop("model_type"), **fields)
        super().__post_init__(**kwargs)


@dataclass
class TaskOutput:
    """What the family made and what each head says of it."""

    backbone: CrossModalOutput
    logits: dict[str, Tensor]
    """Classification and speakers (B, C), one_vs_rest (B, 2 C) as pairs (not, is), regression (B,),
    tokens (M, V), codes (M, K) and frames (M, F) at the M masked places, in row-major order of
    `positions`."""


class TaskModel(PreTrainedModel):
    """A family and its heads; pooled heads always answer, masked ones where something is masked."""

    config_class = TaskConfig
    base_model_prefix = "backbone"
    main_input_name = "audio"
    _supports_sdpa = True

    def __init__(self, config: TaskConfig) -> None:
        super().__init__(config)
        self.backbone: CrossModalModel = AutoModel.from_config(config.backbone_config)
        self.specs = {name: HeadSpec(**_tupled(f)) for name, f in (config.heads or {}).items()}
        self.heads = nn.ModuleDict(
            {_module_name(name): self._head(spec) for name, spec in self.specs.items()}
        )
        self.post_init()

    def _head(self, spec: HeadSpec) -> nn.Module:
        backbone = self.backbone
        if spec.kind in POOLED:
            num_logits = {"one_vs_rest": 2 * len(spec.labels), "regression": 1}
            return nn.Linear(
                backbone.pooled_width, num_logits.get(spec.kind, len(spec.labels)), spec.bias
            )
        if not (backbone.text_encoder is not None if spec.kind == "tokens" else backbone.hears):
            raise CheckpointError(
                f"a {spec.kind} head needs a {'text' if spec.kind == 'tokens' else 'speech'} "
                f"encoder, found only {' and '.join(backbone.modalities)}"
            )
        if spec.kind == "frames":
            return FrameHead(backbone.audio_width, backbone.feature_width, norm_eps=spec.norm_eps)
        if spec.kind == "codes":
            return CodewordHead(
                backbone.audio_width,
                spec.num_codes,
                projection=spec.projection,
                temperature=spec.temperature,
                has_mask_vector=backbone.has_mask_vectors,
            )
        assert backbone.text_encoder is not None
        return TokenHead(
            backbone.text_width,
            backbone.text_encoder.embeddings.shape[0],
            style=spec.style,
            norm_eps=spec.norm_eps,
            has_mask_vector=backbone.has_mask_vectors,
        )

    def head_of(self, kind: str) -> str | None:
        """Name of the first head of that kind, or None."""
        return next((name for name, spec in self.specs.items() if spec.kind == kind), None)

    def forward(
        self,
        audio: Tensor | None = None,
        audio_mask: Tensor | None = None,
        text: Tensor | None = None,
        text_mask: Tensor | None = None,
        audio_corruption: Corruption | None = None,
        text_corruption: Corruption | None = None,
        output_attentions: bool = False,
        **_: Any,
    ) -> TaskOutput:
        """The family's call; the mask vectors come from the heads that predict what they hide."""
        codes, tokens = self.head_of("codes"), self.head_of("tokens")
        output: CrossModalOutput = self.backbone(
            audio=audio,
            audio_mask=audio_mask,
            text=text,
            text_mask=text_mask,
            audio_corruption=audio_corruption,
            text_corruption=text_corruption,
            audio_vector=self.heads[codes].mask_vector if codes else None,
            text_vector=self.heads[tokens].mask_vector if tokens else None,
            only_masked=all(spec.kind not in POOLED for spec in self.specs.values()),
            output_attentions=output_attentions,
        )
        logits = {}
        for name, spec in self.specs.items():
            head = self.heads[_module_name(name)]
            if spec.kind == "regression":
                logits[name] = head(output.pooled)[:, 0]
            elif spec.kind in POOLED:
                logits[name] = head(output.pooled)
            elif spec.kind in ("codes", "frames") and audio_corruption is not None and output.audio:
                logits[name] = head(output.audio.values[audio_corruption.positions])
            elif spec.kind == "tokens" and text_corruption is not None and output.text:
                assert self.backbone.text_encoder is not None
                logits[name] = head(
                    output.text.values[text_corruption.positions],
                    self.backbone.text_encoder.embeddings,
                )
        return TaskOutput(output, logits)


def build_task(
    backbone: CrossModalModel,
    heads: Mapping[str, HeadSpec],
    *,
    heard: list[str] | None = None,
    history: list[dict[str, Any]] | None = None,
    hear_seconds: float | None = None,
    cut_texts: bool = False,
) -> TaskModel:
    """A task model with fresh heads around a family that already has its weights.

    The rest are fields of TaskConfig.
    """
    fields = {name: {**vars(spec), "labels": list(spec.labels)} for name, spec in heads.items()}
    config = TaskConfig(
        backbone_config=backbone.config,
        heads=fields,
        heard=heard or [],
        history=history or [],
        hear_seconds=hear_seconds,
        cut_texts=cut_texts,
    )
    model = TaskModel(config)
    model.backbone.load_state_dict(backbone.state_dict())
    return model


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
        f"heads.{_module_name(name)}."
        for name, spec in (config.heads or {}).items()
        if model.specs.get(name) == HeadSpec(**_tupled(spec))
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


def _module_name(head: str) -> str:
    """A head's name where a module may bear it, else one made of it (`type`, `my.label`)."""
    if head.isidentifier() and not hasattr(nn.ModuleDict, head):
        return head
    return "head_" + "".join(c if c.isalnum() else f"_{ord(c):x}_" for c in head)


def _tupled(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in fields.items()}
