"""The families by the names that recipes use, with their papers' sizes."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from transformers import PreTrainedConfig

from crosstone.errors import CheckpointError
from crosstone.models.base import CrossModalModel
from crosstone.models.baselines import BaselineModel
from crosstone.models.cma import PRESETS as CMA_PRESETS
from crosstone.models.cma import CMAModel
from crosstone.models.cmt import PRESETS as CMT_PRESETS
from crosstone.models.cmt import CMTModel
from crosstone.models.ctal import PRESETS as CTAL_PRESETS
from crosstone.models.ctal import CTALModel
from crosstone.models.jbls import PRESETS as JBLS_PRESETS
from crosstone.models.jbls import JBLSModel
from crosstone.models.mult import PRESETS as MULT_PRESETS
from crosstone.models.mult import MulTModel
from crosstone.models.streams import (
    MOCKINGJAY_PRESETS,
    SINGLE_STREAM_PRESETS,
    TWO_STREAM_PRESETS,
    SingleStreamModel,
    TwoStreamModel,
)
from crosstone.models.task import TaskConfig


@dataclass(frozen=True, kw_only=True)
class Family:
    """One name: a model class and how it is used."""

    model: type[CrossModalModel]

    paper: str
    """Key of the paper that describes it, as in `protocols/published.yaml`."""

    hears: bool = True
    """Whether it takes speech."""

    reads: bool = True
    """Whether it takes text."""

    presets: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Config fields of the paper's sizes and variants, by name."""

    audio_tower: str = "logmel-tiny"
    """Built-in speech encoder for a table of one's own."""

    text_tower: str = "roberta-tiny"
    """Built-in text encoder for a table of one's own."""

    small: Mapping[str, Any] = field(default_factory=dict)
    """Config fields that bring the family to the size of these two."""

    pretrains: bool = True
    """Whether it predicts what is masked; what does not is trained on labels alone."""

    frozen_in_pretraining: bool = False
    """Whether pretraining leaves the encoders as they are."""

    @property
    def modalities(self) -> tuple[str, ...]:
        """What it takes: audio, text or both."""
        return tuple(n for n, does in (("audio", self.hears), ("text", self.reads)) if does)


_SMALL_CMA = {"width": 64, "num_heads": 4, "initializer_range": 0.1}

_SMALL_CTAL = {"num_layers": 2, "num_heads": 4, "intermediate_size": 256, "initializer_range": 0.05}

_SMALL_STREAM = {"num_heads": 4, "intermediate_size": 256, "initializer_range": 0.1}

FAMILIES: dict[str, Family] = {
    "cmt": Family(
        model=CMTModel, paper="cmt-2022", presets=CMT_PRESETS, frozen_in_pretraining=True
    ),
    "audio": Family(model=BaselineModel, paper="cmt-2022", reads=False),
    "text": Family(model=BaselineModel, paper="cmt-2022", hears=False),
    "shallow": Family(model=BaselineModel, paper="cmt-2022"),
    "ctal": Family(
        model=CTALModel,
        paper="ctal-2021",
        presets=CTAL_PRESETS,
        audio_tower="mel-160",
        small=_SMALL_CTAL,
    ),
    "jbls": Family(
        model=JBLSModel, paper="jbls-2020", presets=JBLS_PRESETS, audio_tower="speechbert-tiny"
    ),
    "jbls-audio": Family(
        model=JBLSModel, paper="jbls-2020", reads=False, audio_tower="speechbert-tiny"
    ),
    "jbls-text": Family(model=JBLSModel, paper="jbls-2020", hears=False),
    "cma": Family(model=CMAModel, paper="cma-2021", presets=CMA_PRESETS, small=_SMALL_CMA),
    "cma-audio": Family(
        model=CMAModel, paper="cma-2021", reads=False, presets=CMA_PRESETS, small=_SMALL_CMA
    ),
    "cma-text": Family(
        model=CMAModel, paper="cma-2021", hears=False, presets=CMA_PRESETS, small=_SMALL_CMA
    ),
    "mult": Family(model=MulTModel, paper="ctal-2021", presets=MULT_PRESETS, pretrains=False),
    "two-stream": Family(
        model=TwoStreamModel,
        paper="ctal-2021",
        presets=TWO_STREAM_PRESETS,
        audio_tower="mel-160",
        small={"audio_layers": 2, "cross_layers": 1, **_SMALL_STREAM},
    ),
    "single-stream": Family(
        model=SingleStreamModel,
        paper="ctal-2021",
        presets=SINGLE_STREAM_PRESETS,
        audio_tower="mel-160",
        text_tower="roberta-mini-embeddings",
        small={"width": 64, "num_layers": 3, **_SMALL_STREAM},
    ),
    "mockingjay": Family(
        model=SingleStreamModel,
        paper="ctal-2021",
        reads=False,
        presets=MOCKINGJAY_PRESETS,
        audio_tower="mel-160",
        small={"width": 64, "num_layers": 2, **_SMALL_STREAM},
    ),
}
"""`audio` and `text` are the shallow fusion of one tower."""


def family_of(config: TaskConfig) -> str:
    """Name of the family of a task model's config; CheckpointError where none is of its kind."""
    backbone = config.backbone_config
    assert isinstance(backbone, PreTrainedConfig)
    takes = tuple(
        name
        for name in ("audio", "text")
        if getattr(backbone, f"{name}_config") is not None or getattr(backbone, f"{name}_features")
    )
    for name, family in FAMILIES.items():
        same_model = family.model.config_class.model_type == backbone.model_type
        if same_model and family.modalities == takes:
            return name
    raise CheckpointError(f"expected a model of {', '.join(FAMILIES)}, found {backbone.model_type}")
