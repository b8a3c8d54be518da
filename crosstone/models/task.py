"""Any family with named heads: the thing that is trained, saved and asked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from huggingface_hub.dataclasses import strict
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, PreTrainedConfig, PreTrainedModel

from crosstone.errors import CheckpointError
from crosstone.models.base import CrossModalModel, CrossModalOutput
from crosstone.models.headspec import POOLED, HeadSpec, module_name
from crosstone.nn.heads import CodewordHead, FrameHead, TokenHead
from crosstone.nn.masking import Corruption


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
        self.specs = {name: HeadSpec.from_fields(f) for name, f in (config.heads or {}).items()}
        self.heads = nn.ModuleDict(
            {module_name(name): self._head(spec) for name, spec in self.specs.items()}
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
            head = self.heads[module_name(name)]
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
