"""The published systems, one file each; importing this registers them with transformers' Auto*."""

from typing import Any

from transformers import AutoConfig, AutoModel

from crosstone.models.base import CrossModalConfig, CrossModalModel, CrossModalOutput
from crosstone.models.baselines import BaselineConfig, BaselineModel
from crosstone.models.builtin import BUILTIN_AUDIO, BUILTIN_TEXT
from crosstone.models.cma import CMAConfig, CMAModel
from crosstone.models.cmt import CMTConfig, CMTModel
from crosstone.models.ctal import CTALConfig, CTALModel
from crosstone.models.families import FAMILIES, Family
from crosstone.models.headspec import HeadSpec
from crosstone.models.jbls import JBLSConfig, JBLSModel
from crosstone.models.mult import MulTConfig, MulTModel
from crosstone.models.streams import (
    SingleStreamConfig,
    SingleStreamModel,
    TwoStreamConfig,
    TwoStreamModel,
)
from crosstone.models.task import TaskConfig, TaskModel, TaskOutput

_models: list[Any] = [*dict.fromkeys(family.model for family in FAMILIES.values()), TaskModel]
for _model in _models:
    AutoConfig.register(_model.config_class.model_type, _model.config_class)
    AutoModel.register(_model.config_class, _model)

__all__ = [
    "BUILTIN_AUDIO",
    "BUILTIN_TEXT",
    "FAMILIES",
    "BaselineConfig",
    "BaselineModel",
    "CMAConfig",
    "CMAModel",
    "CMTConfig",
    "CMTModel",
    "CTALConfig",
    "CTALModel",
    "CrossModalConfig",
    "CrossModalModel",
    "CrossModalOutput",
    "Family",
    "HeadSpec",
    "JBLSConfig",
    "JBLSModel",
    "MulTConfig",
    "MulTModel",
    "SingleStreamConfig",
    "SingleStreamModel",
    "TaskConfig",
    "TaskModel",
    "TaskOutput",
    "TwoStreamConfig",
    "TwoStreamModel",
]
