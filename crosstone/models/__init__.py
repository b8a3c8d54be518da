"""The published systems, one file each; importing this registers them with transformers' Auto*."""

from transformers import AutoConfig, AutoModel

from crosstone.models.base import CrossModalConfig, CrossModalModel, CrossModalOutput
from crosstone.models.baselines import BaselineConfig, BaselineModel
from crosstone.models.cmt import CMTConfig, CMTModel
from crosstone.models.task import HeadSpec, TaskConfig, TaskModel, TaskOutput

FAMILIES: dict[str, type[CrossModalModel]] = {
    "cmt": CMTModel,
    "audio": BaselineModel,
    "text": BaselineModel,
    "shallow": BaselineModel,
}
"""Names a recipe may use; `audio` and `text` are the shallow fusion of one tower."""

for _config, _model in (
    (CMTConfig, CMTModel),
    (BaselineConfig, BaselineModel),
    (TaskConfig, TaskModel),
):
    AutoConfig.register(_config.model_type, _config)
    AutoModel.register(_config, _model)

__all__ = [
    "FAMILIES",
    "BaselineConfig",
    "BaselineModel",
    "CMTConfig",
    "CMTModel",
    "CrossModalConfig",
    "CrossModalModel",
    "CrossModalOutput",
    "HeadSpec",
    "TaskConfig",
    "TaskModel",
    "TaskOutput",
]
