"""Calibration from the recipe to the answer: on what it is fitted, and what it leaves behind."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosstone.data.batch import Target
from crosstone.data.corpus import Corpus
from crosstone.errors import CheckpointError, ConfigError, CrosstoneError
from crosstone.inference import Predictor
from crosstone.inference.calibration import CALIBRATION, Calibration
from crosstone.inference.prediction import Prediction
from crosstone.metrics.scaling import Method, fit_scaling
from crosstone.models import BaselineConfig, BaselineModel, HeadSpec
from crosstone.models.task import build_task
from crosstone.runs.calibrate import calibrate
from crosstone.runs.calibration import Answered, calibration_of, units_of
from crosstone.runs.card import write_card
from crosstone.runs.corpora import fingerprints_of
from crosstone.runs.evaluate import evaluate
from crosstone.runs.recipe import load_recipe
from crosstone.runs.runset import run

SMALL = (
    *("model.audio_encoder=logmel-tiny", "model.text_encoder=roberta-tiny", "model.vocab_size=280"),
    *("training.batch_size=8", "training.steps=6", "optim.lr=2e-3", "optim.warmup=0"),
    *("protocol.split=null", "protocol.unit=utterance", "protocol.permits=[group, speaker]"),
)
DROPPED = (
    "model.config.absent_tokens=true",
    "objectives.modality_dropout={audio: 0.2, text: 0.2}",
)


def finetune(corpus: Path, out: Path, *overrides: str, family: str = "shallow") -> Path:
    asked = [*SMALL, f"data.corpus={corpus}", f"model.family={family}", *overrides]
    return run(load_recipe("twokey-finetune", asked), out)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_a_fold_is_calibrated_on_what_neither_trains_nor_tests(
    noise_corpus: Callable[..., Path], tmp_path: Path
) -> None:
    folder = noise_corpus(300)
    out = finetune(
        *(folder, tmp_path / "run", "protocol.selection=best_valid", "calibrate=temperature"),
        *("protocol.test_share=0.5", *DROPPED),
    )
    calibration = Calibration.read(out / "fold-0-seed-0" / "model")
    assert calibration is not None
    rule = "the fold's validation groups, the groups that chose the epoch"
    assert (calibration.method, calibration.rule) == ("temperature", rule)
    card = write_card(out / "fold-0-seed-0").read_text(encoding="utf-8")
    assert f"Its certainty (temperature) was fitted on {rule}." in card
    assert set(calibration.kinds) == {"audio", "text", "audio+text"}
    tested = lines(out / "predictions.jsonl")
    ids = {line["id"] for line in tested}
    corpus = Corpus.open(folder)
    prints = fingerprints_of(corpus)
    fitted = {corpus.ids[int(i)] for i in np.flatnonzero(np.isin(prints, calibration.fingerprints))}
    assert len(fitted) == 30
    assert not fitted & ids
    aside = corpus.where(lambda utterance: utterance.id in fitted)
    with pytest.raises(ConfigError, match=r"labels of 30 of 30 utterances of noise chose its epo"):
        calibrate(out / "fold-0-seed-0", aside)
    scaling = calibration.kinds["audio+text"].scaling
    assert scaling is not None
    for line in tested:
        raw, found = line["uncalibrated"], line["probabilities"]
        assert scaling.apply(list(raw.values())).tolist() == pytest.approx(list(found.values()))
        assert max(raw, key=raw.__getitem__) == max(found, key=found.__getitem__)
    metrics = json.loads((out / "scores.json").read_text())["metrics"]
    assert {"ece", "ece_uncalibrated", "nll_uncalibrated", "aurc_uncalibrated"} <= set(metrics)


def test_the_final_model_by_what_the_folds_did_not_train_on(
    noise_corpus: Callable[..., Path], tmp_path: Path
) -> None:
    folder = noise_corpus(60)
    recipe = ("protocol.kind=grouped-kfold", "protocol.folds=2", "final_model=true")
    out = finetune(folder, tmp_path / "run", *recipe, "calibrate=vector", family="audio")
    calibration = Calibration.read(out / "model")
    assert calibration is not None
    assert calibration.rule.startswith("answers of the folds' models")
    known = calibration.kinds["audio"]
    said = {line["id"]: line["probabilities"] for line in lines(out / "predictions.jsonl")}
    assert len(known.hits) == len(said) == 60
    assert "calibration" in json.loads((out / "run.json").read_text())
    found = Predictor.load(out).predict(folder / "audio" / "3.wav")
    assert found.calibrated == "vector"
    assert found.uncalibrated is not None
    assert sum((found.probabilities or {}).values()) == pytest.approx(1)


def test_a_value_keeps_its_distances(noise_corpus: Callable[..., Path], tmp_path: Path) -> None:
    folder = noise_corpus(60)
    recipe = ("protocol.kind=grouped-kfold", "protocol.folds=2", "final_model=true")
    task = ("protocol.target=score", "protocol.task=regression", "calibrate=auto")
    out = finetune(folder, tmp_path / "run", *recipe, *task, family="audio")
    away = max(abs(x["value"] - x["target"]) for x in lines(out / "predictions.jsonl"))
    found = Predictor.load(out, coverage=0.8).predict(folder / "audio" / "3.wav")
    assert found.interval is not None  # of 4 speakers all are needed
    assert found.interval[1] - found.interval[0] == pytest.approx(2 * away)
    with pytest.raises(CrosstoneError, match="needs 9 speakers to calibrate on, found 4 of audio"):
        Predictor.load(out, coverage=0.9)


def test_the_verb_refuses_what_trained_and_evaluations_say_what_was_fitted_on(
    noise_corpus: Callable[..., Path], tmp_path: Path
) -> None:
    folder, other = noise_corpus(24), noise_corpus(40, "other", seed=1)
    out = finetune(folder, tmp_path / "run", family="audio")
    model = out / "fold-0-seed-0"
    with pytest.raises(ConfigError, match=r"labels of \d+ of 24 utterances of noise trained it"):
        calibrate(model, Corpus.open(folder))
    (model / "model" / CALIBRATION).write_text("{}")  # a damaged one is replaced
    with pytest.raises(CheckpointError, match=r"calibrate the model again \(--force\)"):
        calibrate(model, Corpus.open(other))
    calibration = calibrate(model, Corpus.open(other), method="vector", force=True)
    with pytest.raises(ConfigError, match=r"is of 'emotion' by an earlier fit; --force replaces"):
        calibrate(model, Corpus.open(other))
    assert set(calibration.kinds) == {"audio"}
    assert len(calibration.kinds["audio"].confidence) == 40
    evaluate(model, Corpus.open(other), tmp_path / "same")
    facts = json.loads((tmp_path / "same" / "run.json").read_text())
    assert facts["calibration"]["method"] == "vector"
    assert any("calibrated on 40 of 40" in note for note in facts["protocol"]["notes"])
    evaluate(model, Corpus.open(folder), tmp_path / "else")
    facts = json.loads((tmp_path / "else" / "run.json").read_text())
    assert not any("calibrated on" in note for note in facts["protocol"]["notes"])


def test_each_head_is_calibrated_by_its_name_and_one_takes_anothers_place(
    noise_corpus: Callable[..., Path], tiny_configs: dict[str, Any], tmp_path: Path
) -> None:
    corpus, model = Corpus.open(noise_corpus(40)), tmp_path / "mine"
    backbone = BaselineModel(BaselineConfig(audio_config=tiny_configs["audio_config"]))
    mood = HeadSpec(kind="classification", labels=("sad", "glad"))
    heads = {"emotion": mood, "score": HeadSpec(kind="regression")}
    build_task(backbone, heads, heard=["audio"]).save_pretrained(model)
    assert calibrate(model, corpus).head == "emotion"
    with pytest.raises(ConfigError, match=r"of one head; --force puts that of 'score' in its plac"):
        calibrate(model, corpus, head="score")
    made = calibrate(model, corpus, head="score", force=True)
    assert (made.head, made.method) == ("score", "residuals")
    assert Predictor.load(model, head="score", coverage=0.7).promises.bounds
    with pytest.raises(CrosstoneError, match=r"carries a calibration of 'score' alone"):
        Predictor.load(model, abstain=0.9)
    with pytest.raises(CrosstoneError, match="expected a head mood, found emotion, score"):
        calibrate(model, corpus, head="mood")


@pytest.mark.parametrize("method", ["temperature", "vector"])
def test_what_is_kept_of_each_answer_is_scaled_by_a_fit_to_the_others(
    noise_corpus: Callable[..., Path], method: Method
) -> None:
    """Two groups: one is right three times in four at .9, the other at .6; each has the other's."""
    corpus, labels = Corpus.open(noise_corpus(24)), ("sad", "glad")
    answers = [
        Answered(
            *(f"u{i:02d}", f"g{i // 20}", f"s{i // 10}", "audio", labels[int(i % 4 == 0)]),
            Prediction(f"u{i:02d}", labels, probabilities={"sad": sure, "glad": 1 - sure}),
        )
        for i, sure in enumerate(np.repeat([0.9, 0.6], 20))
    ]
    target = Target("emotion", labels)
    prints = np.arange(40)
    made = calibration_of(answers, target, method, rule="", corpus=corpus, fingerprints=prints)
    known = made.kinds["audio"]
    raw = np.repeat([[0.9, 0.1], [0.6, 0.4]], 20, axis=0)
    truth = (np.arange(40) % 4 == 0).astype(int)
    one, other = slice(0, 20), slice(20, 40)
    apart = np.concatenate(
        [
            fit_scaling(method, truth[rest], raw[rest]).apply(raw[own])
            for own, rest in ((one, other), (other, one))
        ]
    )
    np.testing.assert_allclose(known.strangeness, 1 - apart[np.arange(40), truth])
    np.testing.assert_allclose(known.confidence, apart.max(1))
    np.testing.assert_array_equal(known.hits, apart.argmax(1) == truth)
    np.testing.assert_array_equal(known.speakers, np.arange(40) // 10)
    # neither what the model says nor what the fit to all makes of it
    full = fit_scaling(method, truth, raw)
    assert known.scaling is not None
    np.testing.assert_allclose(known.scaling.scale, full.scale, rtol=1e-4)
    for fooled in (raw, full.apply(raw)):
        assert np.abs(fooled.max(1) - known.confidence).min() > 0.005
    if method == "temperature":  # .75 of .6 asks for more than .9 has: odds 9 ** (ln 3 / ln 1.5)
        sharp = 9 ** (np.log(3) / np.log(1.5))
        assert known.confidence[0] == pytest.approx(sharp / (1 + sharp), abs=1e-4)


def test_one_group_is_judged_by_its_speakers_and_one_speaker_by_utterances(
    noise_corpus: Callable[..., Path],
) -> None:
    corpus = Corpus.open(noise_corpus(24))
    assert set(units_of(corpus, "group")) == {"g0", "g1", "g2", "g3"}
    assert units_of(corpus, "utterance") == list(corpus.ids)
    lone = corpus.where(lambda utterance: utterance.group == "g1")
    assert units_of(lone, "group") == list(lone.ids)


def test_too_few_leave_it_as_it_is(
    noise_corpus: Callable[..., Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fields = ("protocol.selection=best_valid", "calibrate=auto")
    out = finetune(noise_corpus(40), tmp_path / "run", *fields, family="audio")
    assert Calibration.read(out / "fold-0-seed-0" / "model") is None
    assert "not calibrated: noise: audio: calibration: expected at least 20" in caplog.text
    assert "uncalibrated" not in lines(out / "predictions.jsonl")[0]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["calibrate=temperature"], "expects groups that neither train nor test"),
        (["calibrate=vector", "protocol.task=regression"], "vector is for classes"),
    ],
)
def test_a_recipe_says_what_does_not_go_together(overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_recipe("twokey-finetune", overrides)
