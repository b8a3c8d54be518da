"""Reliability and risk in the report: what is drawn, what is said, and of whom."""

import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import softmax

from crosstone.metrics import reliability
from crosstone.reports.certainty import reliability_plot
from crosstone.reports.report import write_report
from crosstone.scoring.score import score_predictions

LABELS = ("angry", "happy", "sad")


def make_system(folder: Path, *, calibrated: bool, facts: dict[str, Any] | None = None) -> Path:
    """300 answers that say 3 times the log odds there are; where calibrated also the third."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1, (300, 3))
    target = (softmax(logits, 1).cumsum(1) > rng.random((300, 1))).argmax(1)
    raw, fair = (
        [dict(zip(LABELS, row, strict=True)) for row in softmax(k * logits, 1).tolist()]
        for k in (3, 1)
    )
    lines = [
        {
            **{"id": f"u{i}", "group": f"g{i % 5}", "speaker": f"s{i % 25}", "fold": 0, "seed": 0},
            **{"split": "test", "target": LABELS[target[i]]},
            **(
                {"probabilities": fair[i], "uncalibrated": raw[i]}
                if calibrated
                else {"probabilities": raw[i]}
            ),
        }
        for i in range(300)
    ]
    folder.mkdir(parents=True)
    (folder / "predictions.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    about = {
        "name": folder.name,
        "family": "cmt",
        "corpus": {"name": "made"},
        "protocol": {
            **{"name": "holdout", "unit": "speaker", "headline": "ua", "target": "emotion"},
            **{"task": "classification", "labels": list(LABELS), "selection": "best_valid"},
        },
        **(facts or {}),
    }
    (folder / "run.json").write_text(json.dumps(about), encoding="utf-8")
    return folder


def test_before_and_after_stand_beside_each_other(tmp_path: Path) -> None:
    run = make_system(tmp_path / "CMT", calibrated=True)
    metrics = score_predictions(run, replicates=100).metrics
    assert metrics["ece"].mean.value < metrics["ece_uncalibrated"].mean.value / 2
    assert metrics["aurc"].mean.value < metrics["aurc_uncalibrated"].mean.value + 0.05
    text = write_report([run], tmp_path / "report", replicates=100).markdown.read_text()
    assert "## Certainty" in text
    assert (
        "Calibrated on the groups that chose the epoch, which neither train nor test it, CMT has "
        "an ECE of"
    ) in text
    rows = [line for line in text.splitlines() if line.startswith(("| as the model", "| calibr"))]
    assert len(rows) == 2
    assert {f.name for f in (tmp_path / "report" / "figures").iterdir()} >= {
        "r0-reliability-0.svg",
        "r0-risk-0.svg",
    }


def test_what_was_not_calibrated_has_one_curve_and_pairs_with_what_was(tmp_path: Path) -> None:
    runs = [
        make_system(tmp_path / "raw", calibrated=False),
        make_system(tmp_path / "fair", calibrated=True),
    ]
    text = write_report(runs, tmp_path / "report", replicates=100).markdown.read_text()
    assert "| raw | " in text
    assert "Paired differences in UA" in text


def test_the_final_models_calibration_is_told(tmp_path: Path) -> None:
    after = {"ece": 0.012, "brier": 0.4, "nll": 0.6, "aurc": 0.1}
    kinds = {"audio": {"utterances": 300, "before": after, "after": after}}
    facts = {"calibration": {"method": "temperature", "rule": "", "kinds": kinds}}
    run = make_system(tmp_path / "own", calibrated=False, facts=facts)
    text = write_report([run], tmp_path / "report", replicates=100).markdown.read_text()
    assert "the final model's calibration (temperature), audio | 0.012 | 0.400" in text


def test_the_plot_is_square_and_named(tmp_path: Path) -> None:
    found = reliability([0, 1, 1, 0], [[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.3, 0.7]])
    drawing = reliability_plot("one", "A title", {"raw": found})
    assert 'id="one-' in drawing.svg
    assert "A title" in drawing.svg
    assert drawing.width < drawing.height
