"""Predictions of verification: what is read, what is refused, what is scored."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosstone.errors import CorpusError
from crosstone.metrics import eer
from crosstone.scoring.score import score_predictions
from crosstone.scoring.trials import read_trials


def trial(enrol: str, test: str, score: float, **changes: Any) -> dict[str, Any]:
    """Utterances are named after their speakers: a1 and a2 are of a."""
    return {
        "enrol": enrol,
        "test": test,
        "target": enrol[0] == test[0],
        "score": score,
        "fold": 0,
        "seed": 0,
        "split": "test",
        "enrol_speaker": enrol[0],
        "test_speaker": test[0],
        **changes,
    }


def write(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "predictions.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def all_pairs(speakers: str = "abcdefgh") -> list[dict[str, Any]]:
    generator = np.random.default_rng(0)
    names = [f"{s}{k}" for s in speakers for k in range(3)]
    return [
        trial(one, other, float(generator.normal() + 2 * (one[0] == other[0])))
        for i, one in enumerate(names)
        for other in names[i + 1 :]
    ]


def test_what_is_read(tmp_path: Path) -> None:
    read = read_trials(write(tmp_path, trial("a1", "a2", 0.9), trial("a1", "b1", 0.2)))
    assert read.ids == ("a1 a2", "a1 b1")
    assert read.target.tolist() == [True, False]
    assert read.scores.tolist() == [0.9, 0.2]
    assert read.speakers == ("a", "a", "a", "b")
    assert (read.task, read.labels) == ("verification", ())


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    bare = trial("a1", "b2", 0.1)
    del bare["score"]
    path = write(
        tmp_path,
        trial("a1", "a2", 0.9),
        bare,
        trial("a1", "a2", 0.9),
        trial("a1", "b1", float("nan")),
        trial("a1", "b1", 0.1, target="no"),
        trial("a1", "b1", 0.1, target=True),
        trial("a1", "a2", 0.1, seed=1, test_speaker="c", target=False),
    )
    with pytest.raises(CorpusError) as caught:
        read_trials(path)
    message = str(caught.value)
    for expected in (
        "faults in 7 lines, nothing was scored",
        "line 2: missing score",
        "line 3: trial a1 a2 again in fold 0, seed 0 (first on line 1)",
        "line 4: score: expected a number, found nan",
        "line 5: target: expected true or false, found 'no'",
        "line 6: target True, but the speakers are a and b",
        "line 7: trial a1 a2: target False, but True on line 1",
        "line 7: utterance a2: speaker 'c', but 'a' on line 1",
    ):
        assert expected in message, expected


def test_the_scores_of_a_run_set(tmp_path: Path) -> None:
    rows = all_pairs()
    path = write(tmp_path, *rows)
    (tmp_path / "run.json").write_text(json.dumps({"protocol": {"headline": "min_dcf"}}))
    scores = score_predictions(tmp_path, replicates=100)
    assert scores.headline == "min_dcf"
    assert set(scores.metrics) == {"eer", "min_dcf"}
    found = scores.metrics["eer"]
    assert found.mean.value == pytest.approx(
        eer([r["target"] for r in rows], [r["score"] for r in rows])
    )
    assert found.mean.low < found.mean.value < found.mean.high
    assert (scores.clusters.by, scores.clusters.count) == ("speaker", 8)
    assert scores.num_items == len(rows)
    written = json.loads(scores.write(tmp_path / "scores.json").read_text())
    assert written["task"] == "verification"
    assert written["lower_is_better"] is True
    assert "confusion" not in written
    with pytest.raises(CorpusError, match="found splits 'test'; score the split"):
        score_predictions(path, split="valid")


def test_without_speakers_there_is_no_interval(tmp_path: Path) -> None:
    rows = [r | {"enrol_speaker": None, "test_speaker": None} for r in all_pairs()]
    scores = score_predictions(write(tmp_path, *rows), replicates=100)
    assert np.isnan(scores.metrics["eer"].mean.low)
    assert any("speakers are unknown on 552 sides" in note for note in scores.notes)
    with pytest.raises(CorpusError, match="expected --unit speaker and one on every side"):
        score_predictions(tmp_path, unit="speaker")
