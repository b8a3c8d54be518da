"""What a predictor says of two-way heads, and how much it hears."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from numpy.typing import NDArray

from crosstone.data.text import train_tokenizer
from crosstone.inference import Predictor
from crosstone.inference.explain import Settings
from crosstone.inference.recogniser import Recogniser
from crosstone.inference.recording import Recording
from crosstone.inference.timeline import Cut, timeline
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


def noise(seconds: float, rate: int = 16_000) -> NDArray[np.float32]:
    loudness = np.linspace(0.05, 0.3, round(seconds * rate))
    drawn = np.random.default_rng(0).normal(0, 1, len(loudness))
    return (loudness * drawn).clip(-1, 1).astype(np.float32)


@pytest.fixture
def brief(tiny_configs: dict[str, object]) -> Predictor:
    """A model that heard no more than 0.3 s of a recording in training."""
    torch.manual_seed(0)
    backbone = BaselineModel(BaselineConfig(audio_config=tiny_configs["audio_config"]))
    heads = {"emotion": HeadSpec(kind="classification", labels=("ang", "hap"))}
    model = build_task(backbone, heads, heard=["audio"], hear_seconds=0.3)
    model.heads["emotion"].weight.data.normal_(0, 1)
    return Predictor(model)


@pytest.mark.parametrize("rate", [16_000, 11_025])
def test_of_a_longer_recording_the_beginning_is_heard(
    brief: Predictor, tmp_path: Path, rate: int
) -> None:
    """As in training, by whoever asks, however much follows."""
    samples, file = noise(1.2, rate), tmp_path / "a.wav"
    soundfile.write(file, samples, rate, subtype="FLOAT")
    brief.max_seconds = 0.3
    asked: Any = {"audio": file, "start": 0.2, "end": 0.5}
    given: Any = {"audio": samples, "sampling_rate": rate}
    first = brief.predict(samples[: round(0.3 * rate)], sampling_rate=rate)
    for found in (brief.predict(file), brief.predict(**given)):
        assert (found.start, found.end) == (0.0, 0.3)
        assert found.probabilities == pytest.approx(first.probabilities, abs=1e-6)
    (cut,) = brief.predict_many([asked])
    for longer in (asked | {"end": None}, asked | {"end": 1.0}, given | {"start": 0.2}):
        (found,) = brief.predict_many([longer])
        assert isinstance(found, type(first))
        assert isinstance(cut, type(first))
        assert (found.start, found.end) == (0.2, 0.5)
        assert found.probabilities == pytest.approx(cut.probabilities, abs=1e-6)
        assert found.probabilities != pytest.approx(first.probabilities, abs=1e-4)
    told = brief.explain(file, settings=Settings(randomised=0, draws=1, steps=2))
    assert told.seconds == pytest.approx(0.3, abs=1e-4)


def test_of_a_longer_segment_the_beginning_is_heard(brief: Predictor, tmp_path: Path) -> None:
    """And it keeps its times."""
    samples = noise(1.2)
    soundfile.write(tmp_path / "a.wav", samples, 16_000, subtype="FLOAT")
    asked = Recording(id="a", audio=tmp_path / "a.wav")
    moments = list(timeline(brief, asked, Cut("fixed", window=0.6)))
    assert [(moment.start, moment.end) for moment in moments] == [(0.0, 0.6), (0.6, 1.2)]
    for moment, begin in zip(moments, (0, 9600), strict=True):
        first = brief.predict(samples[begin : begin + 4800], sampling_rate=16_000)
        assert moment.prediction is not None
        assert moment.prediction.probabilities == pytest.approx(first.probabilities, abs=1e-6)


def test_recognisers_hear_all(tiny_configs: dict[str, object], tmp_path: Path) -> None:
    heads = {"emotion": HeadSpec(kind="classification", labels=("ang", "hap"))}
    tokenizer, heard = train_tokenizer(["all of the words"] * 9, 60), []

    def hear(samples: NDArray[np.float32], rate: int) -> str:
        heard.append(len(samples) / rate)
        return "all of the words"

    for audio in (tiny_configs["audio_config"], None):
        towers = {"audio_config": audio, "text_config": tiny_configs["text_config"]}
        kinds = ["text"] if audio is None else ["audio+text"]
        backbone = BaselineModel(BaselineConfig(**towers))
        model = build_task(backbone, heads, heard=kinds, hear_seconds=0.3)
        question = Predictor(model, tokenizer).question(
            Recording(id="a", audio=noise(1.0 + len(heard)), sampling_rate=16_000),
            Recogniser("by hand", hear, tmp_path),
        )
        assert question.text == "all of the words"
        assert question.end == (2.0 if audio is None else 0.3)
    assert heard == [1.0, 2.0]
