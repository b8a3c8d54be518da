"""A model's folder says how certain it is, and a predictor keeps what it promises or refuses."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch

from crosstone.errors import CheckpointError, CrosstoneError
from crosstone.inference import Predictor
from crosstone.inference.calibration import CALIBRATION, Calibration, Certainty, Promises
from crosstone.metrics.scaling import Scaling
from crosstone.models import BaselineConfig, BaselineModel, HeadSpec
from crosstone.models.task import build_task

LABELS = ("ang", "hap")
SURE = np.r_[np.full(100, 0.9), np.full(100, 0.6)]


def of_classes(temperature: float = 2.0) -> Calibration:
    """200 answers: those at .9 are all right, of those at .6 every other."""
    scaling = Scaling((1 / temperature,) * 2, (0.0, 0.0))
    hits = np.r_[np.ones(100, bool), np.arange(100) % 2 == 0]
    known = Certainty(
        scaling=scaling,
        strangeness=np.where(hits, 1 - SURE, SURE),
        confidence=SURE,
        hits=hits,
        speakers=np.arange(200),
        before={"ece": 0.2},
        after={"ece": 0.1},
    )
    return Calibration(
        head="emotion",
        method="temperature",
        rule="validation groups",
        corpus="noise",
        labels=LABELS,
        kinds={"audio": known},
        fingerprints=np.array([3, 5]),
    )


def of_a_value() -> Calibration:
    known = Certainty(strangeness=np.arange(1.0, 20.0) / 10, speakers=np.arange(19))
    fields = {"head": "score", "method": "residuals", "rule": "", "corpus": "noise"}
    return Calibration(kinds={"audio": known}, **fields)


def save_model(
    configs: dict[str, object], folder: Path, head: str, kind: str, **others: HeadSpec
) -> None:
    torch.manual_seed(0)
    backbone = BaselineModel(BaselineConfig(audio_config=configs["audio_config"]))
    labels = LABELS if kind == "classification" else ()
    spec = HeadSpec(kind=kind, labels=labels)  # type: ignore[arg-type]
    model = build_task(backbone, {head: spec, **others}, heard=["audio"])
    model.heads[head].weight.data.zero_()
    model.heads[head].bias.data = torch.tensor([2.0, 0.0][: model.heads[head].out_features])
    model.save_pretrained(folder)


def ask(predictor: Predictor) -> dict[str, object]:
    return predictor.predict(torch.randn(4000).numpy() / 10, sampling_rate=16_000).as_dict()


def test_it_comes_back_from_its_file(tmp_path: Path) -> None:
    assert Calibration.read(tmp_path) is None
    written = of_classes()
    written.write(tmp_path)
    found = Calibration.read(tmp_path)
    assert found is not None
    assert (found.head, found.labels, found.rule) == ("emotion", LABELS, "validation groups")
    own, known = found.kinds["audio"], written.kinds["audio"]
    assert (own.scaling, own.before, own.after) == (known.scaling, known.before, known.after)
    np.testing.assert_array_equal(own.hits, known.hits)
    np.testing.assert_array_equal(found.fingerprints, [3, 5])
    (tmp_path / CALIBRATION).write_text(json.dumps({"head": "emotion"}))
    with pytest.raises(CheckpointError, match=r"calibration.json: expected what crosstone cal"):
        Calibration.read(tmp_path)


def test_a_model_answers_with_it_and_says_so(
    tiny_configs: dict[str, object], tmp_path: Path
) -> None:
    save_model(tiny_configs, tmp_path, "emotion", "classification")
    plain = ask(Predictor.load(tmp_path))
    of_classes().write(tmp_path)
    found = ask(Predictor.load(tmp_path))
    assert "calibrated" not in plain
    assert found["calibrated"] == "temperature"
    # log odds 2 in the model, 1 at a temperature of 2
    assert plain["probabilities"]["ang"] == pytest.approx(1 / (1 + np.exp(-2)))  # type: ignore[index]
    assert found["probabilities"]["ang"] == pytest.approx(1 / (1 + np.exp(-1)))  # type: ignore[index]
    assert found["label"] == plain["label"] == "ang"


def test_it_abstains_below_the_confidence_that_keeps_the_accuracy(
    tiny_configs: dict[str, object], tmp_path: Path
) -> None:
    save_model(tiny_configs, tmp_path, "emotion", "classification")
    of_classes().write(tmp_path)
    predictor = Predictor.load(tmp_path, abstain=0.9)
    assert predictor.promises.thresholds == {"audio": pytest.approx(0.605)}
    assert ask(predictor)["label"] == "ang"  # at .73
    of_classes(temperature=8).write(tmp_path)
    unsure = ask(Predictor.load(tmp_path, abstain=0.9))
    assert unsure["label"] == "unsure"  # at .56
    assert set(unsure["probabilities"]) == set(LABELS)  # type: ignore[call-overload]


def test_sets_and_intervals_hold_what_was_not_stranger_before(
    tiny_configs: dict[str, object], tmp_path: Path
) -> None:
    save_model(tiny_configs, tmp_path, "emotion", "classification")
    of_classes().write(tmp_path)
    # the 141st of 200 is .4, the 181st .6: the model's .73 and .27 are .27 and .73 strange
    assert Predictor.load(tmp_path, coverage=0.7).promises.bounds == {"audio": pytest.approx(0.4)}
    assert ask(Predictor.load(tmp_path, coverage=0.7))["label_set"] == ("ang",)
    of_classes(temperature=8).write(tmp_path)  # .56 and .44
    assert ask(Predictor.load(tmp_path, coverage=0.9))["label_set"] == LABELS
    save_model(tiny_configs, tmp_path / "value", "score", "regression")
    of_a_value().write(tmp_path / "value")
    found = ask(Predictor.load(tmp_path / "value", coverage=0.9))  # the 18th of 19: 1.8
    assert (found["low"], found["high"]) == (pytest.approx(0.2), pytest.approx(3.8))


def test_what_cannot_be_promised_is_refused(
    tiny_configs: dict[str, object], tmp_path: Path
) -> None:
    save_model(tiny_configs, tmp_path, "emotion", "classification")
    with pytest.raises(CrosstoneError, match="carries no calibration"):
        Predictor.load(tmp_path, abstain=0.9)
    calibration = of_classes()
    with pytest.raises(
        CrosstoneError,
        match=r"accuracy of 0.999 cannot be promised from the 200 of audio .* unanswered; at most "
        r"0.96 of audio can; ask for that, or calibrate on more$",
    ):
        Promises(calibration, abstain=0.999)
    Promises(calibration, abstain=0.96)
    wrong = dataclasses.replace(calibration.kinds["audio"], hits=np.zeros(200, bool))
    with pytest.raises(CrosstoneError, match=r"whatever it leaves unanswered; calibrate on more$"):
        Promises(dataclasses.replace(calibration, kinds={"audio": wrong}), abstain=0.5)
    with pytest.raises(CrosstoneError, match=r"coverage of 0.999 needs 999 speakers"):
        Promises(calibration, coverage=0.999)
    few = dataclasses.replace(calibration.kinds["audio"], speakers=np.arange(200) % 8)
    with pytest.raises(CrosstoneError, match=r"0.9 needs 9 speakers .* found 8 of audio; ask for"):
        Promises(dataclasses.replace(calibration, kinds={"audio": few}), coverage=0.9)
    unsaid = dataclasses.replace(few, speakers=np.empty(0, np.int64))
    of_whom = dataclasses.replace(calibration, kinds={"audio": unsaid})
    with pytest.raises(CrosstoneError, match="found 1 of audio"):
        Promises(of_whom, coverage=0.9)
    with pytest.raises(CrosstoneError, match=r"at most 0\.02 of audio can;"):  # as of one item
        Promises(of_whom, abstain=0.9)
    with pytest.raises(CrosstoneError, match="--abstain is for classes"):
        Promises(of_a_value(), abstain=0.9)
    with pytest.raises(CrosstoneError, match="expected utterances of audio, of which"):
        Promises(calibration, abstain=0.9).check("text")
    Promises(calibration).check("text")  # nothing is asked, so nothing is refused


def test_a_calibration_of_another_head_is_named(
    tiny_configs: dict[str, object], tmp_path: Path
) -> None:
    score = HeadSpec(kind="regression")
    save_model(tiny_configs, tmp_path, "emotion", "classification", score=score)
    of_classes().write(tmp_path)
    with pytest.raises(CrosstoneError, match=r"of 'emotion' alone, found 'score' asked; ask") as no:
        Predictor.load(tmp_path, head="score", coverage=0.8)
    assert "(--head emotion)" in str(no.value)
    assert "crosstone calibrate MODEL --corpus DIR --head score --force" in str(no.value)
    assert Predictor.load(tmp_path, head="emotion", coverage=0.8).promises.bounds
    plain = Predictor.load(tmp_path, head="score")  # nothing is asked, so nothing is refused
    assert plain.promises.calibration is None
    assert "value" in ask(plain)
