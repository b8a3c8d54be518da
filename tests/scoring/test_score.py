"""predictions.jsonl to scores.json: means over runs, clusters, what run.json adds."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosstone.errors import CorpusError
from crosstone.scoring.score import score_predictions

LABELS = ["angry", "happy", "sad"]


def write_run_set(
    folder: Path,
    rows: list[dict[str, Any]],
    protocol: dict[str, Any] | None = None,
    corpus: dict[str, Any] | None = None,
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    text = "\n".join(json.dumps(row) for row in rows)
    (folder / "predictions.jsonl").write_text(text, encoding="utf-8")
    if protocol is not None:
        facts = {"name": "a system", "family": "audio", "corpus": corpus, "protocol": protocol}
        (folder / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder


def row(item: int, target: int, predicted: int, **changes: Any) -> dict[str, Any]:
    probabilities = dict.fromkeys(LABELS, 0.1) | {LABELS[predicted]: 0.8}
    return {
        "id": f"u{item}",
        "group": "s0",
        "speaker": f"p{item % 4}",
        "fold": 0,
        "seed": 0,
        "split": "test",
        "target": LABELS[target],
        "probabilities": probabilities,
        **changes,
    }


def two_folds() -> list[dict[str, Any]]:
    """Fold 0: 3 items, 2 right; fold 1: 1 item, wrong."""
    return [
        row(0, 0, 0, group="s0"),
        row(1, 1, 1, group="s0"),
        row(2, 1, 2, group="s0"),
        row(3, 0, 1, group="s1", fold=1),
    ]


def many_speakers(count: int, **changes: Any) -> list[dict[str, Any]]:
    return [
        row(i, i % 3, 0, speaker=f"p{i % count}", group=f"s{i % 6}", **changes) for i in range(60)
    ]


def test_the_headline_is_the_mean_over_folds_beside_the_pooled_value(tmp_path: Path) -> None:
    scores = score_predictions(write_run_set(tmp_path, two_folds()), replicates=50)
    assert scores.headline == "ua"
    wa = scores.metrics["wa"]
    assert wa.mean.value == pytest.approx((2 / 3 + 0) / 2)
    assert wa.pooled.value == pytest.approx(2 / 4)
    assert wa.runs == pytest.approx((2 / 3, 0))
    assert scores.metrics["ua"].mean.value == pytest.approx(((1 + 1 / 2) / 2 + 0) / 2)
    assert scores.runs == ((0, 0, 3), (1, 0, 1))
    assert scores.num_items == 4


def test_seeds_are_runs_too(tmp_path: Path) -> None:
    rows = two_folds() + [r | {"seed": 1} for r in two_folds()]
    scores = score_predictions(write_run_set(tmp_path, rows), replicates=20)
    assert len(scores.runs) == 4
    assert scores.num_items == 4
    assert scores.metrics["wa"].mean.value == pytest.approx(1 / 3)


def test_classes_and_confusion(tmp_path: Path) -> None:
    protocol = {"labels": LABELS, "headline": "wa"}
    scores = score_predictions(write_run_set(tmp_path, two_folds(), protocol), replicates=20)
    assert scores.headline == "wa"
    assert scores.confusion is not None
    assert scores.confusion.tolist() == [[1, 1, 0], [0, 1, 1], [0, 0, 0]]
    assert scores.classes["happy"]["support"] == 2
    assert scores.classes["happy"]["f1"] == pytest.approx(2 / 4)
    assert scores.classes["happy"]["accuracy"] == pytest.approx(2 / 4)
    assert np.isnan(scores.classes["sad"]["recall"])


def test_an_absent_class_is_noted(tmp_path: Path) -> None:
    scores = score_predictions(
        write_run_set(tmp_path, two_folds(), {"labels": LABELS}), replicates=20
    )
    assert (
        "fold 0, seed 0 holds no sad: its UA is the mean over the other 2 classes" in scores.notes
    )
    assert (
        "fold 1, seed 0 holds no happy, sad: its UA is the mean over the other 1 classes"
        in scores.notes
    )


@pytest.mark.parametrize(
    "rows, protocol, by, count, why",
    [
        (many_speakers(20), {"unit": "group"}, "speaker", 20, "at least 20"),
        (
            many_speakers(19),
            {"unit": "group"},
            "group",
            6,
            "the protocol's unit; 19 speakers, fewer",
        ),
        (many_speakers(19), {"unit": "speaker"}, "speaker", 19, "the protocol's unit; 19 speakers"),
        (many_speakers(19), {}, "group", 6, "19 speakers, fewer than 20"),
        (
            [r | {"group": "s0"} for r in many_speakers(8)],
            {"unit": "group"},
            "speaker",
            8,
            "8 speakers, fewer than 20",
        ),
        (
            [r | {"group": "s0"} for r in many_speakers(3)],
            {"unit": "group"},
            "speaker",
            3,
            "no unit has 5 clusters, and this one has the most",
        ),
        (
            [r | {"speaker": None, "group": None} for r in many_speakers(20)],
            {"unit": "group"},
            "item",
            60,
            "neither speaker nor group is known",
        ),
    ],
)
def test_what_the_bootstrap_draws(
    tmp_path: Path,
    rows: list[dict[str, Any]],
    protocol: dict[str, Any],
    by: str,
    count: int,
    why: str,
) -> None:
    scores = score_predictions(write_run_set(tmp_path, rows, protocol), replicates=20)
    assert (scores.clusters.by, scores.clusters.count) == (by, count)
    assert why in scores.clusters.why
    few = [note for note in scores.notes if "too narrow" in note]
    assert bool(few) == (count < 20)


def test_an_asked_unit_must_be_known(tmp_path: Path) -> None:
    folder = write_run_set(tmp_path, [*many_speakers(20), row(99, 0, 0, speaker=None)])
    with pytest.raises(
        CorpusError, match="expected a speaker in every line, found none in 1 of 61"
    ):
        score_predictions(folder, unit="speaker")
    assert score_predictions(folder, unit="item", replicates=20).clusters.why == "asked for"


def test_scores_json_says_how_it_was_made(tmp_path: Path) -> None:
    protocol = {
        "name": "grouped-kfold",
        "unit": "speaker",
        "selection": "best_test",
        "transductive": True,
        "labels": LABELS,
        "headline": "ua",
    }
    corpus = {"name": "twokey", "hash": "abc", "utterances": 61, "ceilings": {"joint": 0.9}}
    folder = write_run_set(tmp_path, many_speakers(20), protocol, corpus)
    path = score_predictions(folder, replicates=30).write(folder / "scores.json")
    written = json.loads(path.read_text(encoding="utf-8"))
    assert written["protocol"] == protocol
    assert (written["selection"], written["transductive"]) == ("best_test", True)
    assert written["corpus"] == corpus
    assert written["ceilings"] == {"joint": 0.9}
    assert written["headline"]["metric"] == "ua"
    assert written["headline"]["value"] == pytest.approx(1 / 3)
    assert written["intervals"]["by"] == "speaker"
    assert written["intervals"]["clusters"] == 20
    assert written["items"] == 60
    assert written["classes"]["angry"]["recall"] == 1.0
    assert written["confusion"]["counts"] == [[20, 0, 0], [20, 0, 0], [20, 0, 0]]
    assert list(tmp_path.glob(".*")) == []  # no temporary file is left


def test_undefined_numbers_are_null(tmp_path: Path) -> None:
    rows = [
        {**row(i, 0, 0), "target": float(i), "value": 1.0, "speaker": f"p{i}"} for i in range(6)
    ]
    for entry in rows:
        del entry["probabilities"]
    scores = score_predictions(write_run_set(tmp_path, rows), replicates=20)
    assert scores.headline == "mae"
    assert set(scores.metrics) == {"mae", "pearson", "ccc"}
    assert any("the targets run from 0 to 5" in note for note in scores.notes)
    written = json.loads(scores.write(tmp_path / "scores.json").read_text(encoding="utf-8"))
    assert written["metrics"]["pearson"]["value"] is None
    assert written["metrics"]["pearson"]["low"] is None
    assert written["lower_is_better"] is True
    assert "confusion" not in written


def test_sentiment_has_its_metrics(tmp_path: Path) -> None:
    rows = [{**row(i, 0, 0), "target": float(i - 3), "value": float(i - 3)} for i in range(7)]
    for entry in rows:
        del entry["probabilities"]
    scores = score_predictions(write_run_set(tmp_path, rows), replicates=20)
    for name in ("ccc", "acc7_round", "acc7_sdk", "acc5", "acc2_nonneg", "acc2_nonzero"):
        assert scores.metrics[name].mean.value == pytest.approx(1.0)
    assert scores.as_dict()["aliases"]["Has0_acc_2"] == "acc2_nonneg"


def test_a_headline_may_have_another_name(tmp_path: Path) -> None:
    rows = [{**row(i, 0, 0), "target": float(i - 3), "value": 0.0} for i in range(7)]
    for entry in rows:
        del entry["probabilities"]
    for alias, name in (("acc7", "acc7_round"), ("Corr", "pearson")):
        folder = write_run_set(tmp_path, rows, {"headline": alias})
        assert score_predictions(folder, replicates=10).headline == name


def test_probabilities_are_calibrated_or_not(tmp_path: Path) -> None:
    """Confidence 0.8 throughout; 3 of 4 right: in fold 0 it is 2 of 3, in fold 1 none."""
    rows = two_folds()
    rows[3] = row(3, 0, 0, group="s1", fold=1)
    scores = score_predictions(write_run_set(tmp_path, rows), replicates=200)
    metrics = scores.metrics
    assert metrics["ece"].pooled.value == pytest.approx(0.8 - 0.75)
    assert metrics["ece"].mean.value == pytest.approx(((0.8 - 2 / 3) + (1 - 0.8)) / 2)
    right, wrong = 0.2**2 + 2 * 0.1**2, 0.9**2 + 0.8**2 + 0.1**2
    assert metrics["brier"].pooled.value == pytest.approx((3 * right + wrong) / 4)
    assert metrics["nll"].pooled.value == pytest.approx(-(3 * np.log(0.8) + np.log(0.1)) / 4)
    assert np.isfinite(metrics["brier"].pooled.low)
    assert metrics["aurc"].pooled.value == pytest.approx(0.25)
    assert metrics["ece_mass"].pooled.value == pytest.approx(0.05)
    assert np.isnan(metrics["aurc"].pooled.low)


def test_an_impossible_target_is_said(tmp_path: Path) -> None:
    rows = two_folds()
    rows[2]["probabilities"] = {"angry": 0.0, "happy": 0.0, "sad": 1.0}
    scores = score_predictions(write_run_set(tmp_path, rows), replicates=20)
    assert scores.as_dict()["metrics"]["nll"]["pooled"] is None
    assert any("1 of 4 predictions gave their target probability 0" in n for n in scores.notes)


def test_the_spread_over_folds_and_seeds(tmp_path: Path) -> None:
    rows = two_folds() + [r | {"seed": 1} for r in two_folds()]
    rows[-1] = row(3, 0, 0, group="s1", fold=1, seed=1)
    scores = score_predictions(write_run_set(tmp_path, rows), replicates=20)
    assert scores.metrics["wa"].runs == pytest.approx((2 / 3, 2 / 3, 0, 1))
    spread = scores.spread("wa")
    assert spread["sd_folds"] == pytest.approx(np.std([2 / 3, 1 / 2], ddof=1))
    assert spread["sd_seeds"] == pytest.approx(np.std([1 / 3, 5 / 6], ddof=1))
    alone = score_predictions(write_run_set(tmp_path, two_folds()), replicates=20)
    assert np.isnan(alone.spread("wa")["sd_seeds"])
    assert alone.as_dict()["metrics"]["wa"]["sd_seeds"] is None


def test_one_fold_is_scored_with_the_facts_of_its_run_set(tmp_path: Path) -> None:
    write_run_set(tmp_path, two_folds(), {"labels": LABELS, "headline": "macro_f1"})
    fold = write_run_set(tmp_path / "fold-0-seed-0", two_folds()[:3])
    assert score_predictions(fold, replicates=10).headline == "macro_f1"
    file = tmp_path / "predictions.jsonl"
    assert score_predictions(file, replicates=10).headline == "macro_f1"


def test_wrong_facts_are_named(tmp_path: Path) -> None:
    folder = write_run_set(tmp_path, two_folds(), {"labels": LABELS, "headline": "eer"})
    with pytest.raises(
        CorpusError, match="expected a headline among wa, ua, macro_f1, weighted_f1"
    ):
        score_predictions(folder)
    (folder / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"run\.json: expected a JSON object, found Expecting"):
        score_predictions(folder)
    (folder / "run.json").write_text("[]", encoding="utf-8")
    with pytest.raises(CorpusError, match=r"run\.json: expected a JSON object, found a list"):
        score_predictions(folder)


def test_a_failed_write_leaves_the_old_scores(tmp_path: Path) -> None:
    scores = score_predictions(write_run_set(tmp_path, two_folds()), replicates=10)
    path = scores.write(tmp_path / "scores.json")
    before = path.read_text(encoding="utf-8")
    with pytest.raises(FileNotFoundError):
        scores.write(tmp_path / "absent" / "scores.json")
    assert path.read_text(encoding="utf-8") == before
