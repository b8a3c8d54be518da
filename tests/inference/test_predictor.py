"""What a predictor says of two-way heads."""

import math

import pytest
import torch

from crosstone.inference import Predictor
from crosstone.models import BaselineConfig, BaselineModel, HeadSpec
from crosstone.models.task import TaskModel, build_task


@pytest.fixture
def model(tiny_configs: dict[str, object]) -> TaskModel:
    torch.manual_seed(0)
    backbone = BaselineModel(BaselineConfig(audio_config=tiny_configs["audio_config"]))
    heads = {"emotion": HeadSpec(kind="one_vs_rest", labels=("ang", "hap", "sad"))}
    task = build_task(backbone, heads, heard=["audio"])
    task.heads["emotion"].weight.data.zero_()
    # log odds of each class: log 3, log 1, log ½
    bias = [0.5, 0.5 + math.log(3), 2.0, 2.0, math.log(2), 0.0]
    task.heads["emotion"].bias.data = torch.tensor(bias)
    return task


def test_probabilities_are_the_softmax_of_the_log_odds(model: TaskModel) -> None:
    found = Predictor(model).predict(torch.randn(4000).numpy() / 10, sampling_rate=16_000)
    assert found.heads == pytest.approx({"ang": 3 / 4, "hap": 1 / 2, "sad": 1 / 3}, abs=1e-6)
    odds = {"ang": 3 / 4.5, "hap": 1 / 4.5, "sad": 0.5 / 4.5}
    assert found.probabilities == pytest.approx(odds, abs=1e-6)
    assert found.label == "ang"
    assert found.as_dict()["heads"] == found.heads


def test_other_heads_have_none(tiny_configs: dict[str, object]) -> None:
    backbone = BaselineModel(BaselineConfig(audio_config=tiny_configs["audio_config"]))
    heads = {"emotion": HeadSpec(kind="classification", labels=("ang", "hap"))}
    model = build_task(backbone, heads, heard=["audio"])
    found = Predictor(model).predict(torch.randn(4000).numpy() / 10, sampling_rate=16_000)
    assert found.heads is None
    assert "heads" not in found.as_dict()
