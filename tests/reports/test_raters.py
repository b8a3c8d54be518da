"""What a report says of the raters, and what it does not claim."""

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from crosstone.reports.comparison import Comparison, comparisons, read_systems
from crosstone.reports.raters import (
    rater_ceiling,
    rater_findings,
    rater_lines,
    rater_mark,
    rater_table,
)
from crosstone.reports.report import write_report

CLASSES: dict[str, Any] = {
    "kind": "classes",
    "outside": 0.125,
    "items": 1200,
    "judgements": 3900,
    "alpha": 0.4321,
    "kappa": None,
    "scores": {"wa": 0.61, "ua": 0.55, "macro_f1": 0.5, "weighted_f1": 0.6},
}
SCALE: dict[str, Any] = {
    "kind": "scale",
    "items": 1,
    "judgements": 2,
    "alpha": 0.5,
    "kappa": None,
    "scores": {"mae": 0.5, "pearson": 0.7, "ccc": 0.65},
}


def compared(folder: Path, accuracy: float, human: Any = CLASSES) -> Comparison:
    """One system of 40 utterances by 20 speakers, so many of which it gets right."""
    folder.mkdir()
    lines = [
        {
            "id": f"u{i}",
            "group": None,
            "speaker": f"s{i % 20}",
            "fold": 0,
            "seed": 0,
            "split": "test",
            "target": "ab"[i % 2],
            "probabilities": {"a": 0.0, "b": 1.0}
            if ("ab"[i % 2] == "b") == (i < 40 * accuracy)
            else {"a": 1.0, "b": 0.0},
        }
        for i in range(40)
    ]
    (folder / "predictions.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    protocol = {"name": "holdout", "target": "emotion", "task": "classification", "headline": "ua"}
    corpus = {"name": "c", "hash": "0" * 16, "utterances": 99, "human": human}
    facts = {"name": "CMT", "family": "cmt", "corpus": corpus, "protocol": protocol}
    (folder / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    (comparison,) = comparisons(read_systems([folder], replicates=50))
    return comparison


def test_lines() -> None:
    assert list(rater_lines({"emotion": CLASSES, "valence": SCALE})) == [
        "raters of emotion: Krippendorff's alpha 0.432, Fleiss' kappa –; one against the majority "
        "of the others UA 0.550, WA 0.610 (1,200 utterances, 3.2 judgements each)",
        "raters of valence: Krippendorff's alpha 0.500; one against the mean of the others "
        "CCC 0.650, Pearson r 0.700, MAE 0.500 (1 utterance, 2.0 judgements each)",
    ]
    assert not list(rater_table({}))
    assert len(list(rater_table({"emotion": CLASSES}))) == 2


@pytest.mark.parametrize(
    "accuracy,said",
    [
        (0.9, "better than a single rater against the others (0.550)."),
        (0.1, "worse than a single rater against the others (0.550)."),
        (0.55, "not clearly apart from a single rater against the others (0.550)."),
    ],
)
def test_the_best_system_beside_one_rater(tmp_path: Path, accuracy: float, said: str) -> None:
    comparison = compared(tmp_path / "run", accuracy)
    assert rater_findings(comparison) == [f"It is {said}"]
    (mark,) = rater_mark(comparison)
    assert (mark.label, mark.x) == ("a single rater", 0.55)


def test_a_metric_that_raters_have_no_number_of_is_not_compared(tmp_path: Path) -> None:
    comparison = compared(tmp_path / "run", 0.5, SCALE)
    assert rater_findings(comparison) == []
    assert rater_mark(comparison) == []
    for human in (None, {}):
        system = comparison.best
        facts = {**system.scores.facts, "corpus": {**system.corpus, "human": human}}
        unjudged = dataclasses.replace(
            system, scores=dataclasses.replace(system.scores, facts=facts)
        )
        assert rater_ceiling(dataclasses.replace(comparison, systems=(unjudged,))) == []


def test_a_report_prints_the_human_ceiling(tmp_path: Path) -> None:
    compared(tmp_path / "run", 0.9)
    files = write_report([tmp_path / "run"], tmp_path / "report", replicates=50)
    text = re.sub(r"\s+", " ", files.markdown.read_text(encoding="utf-8"))
    for said in (
        "## Raters",
        "Of the scored utterances 1,200 were judged by more than one rater, 3.2 on average. A "
        "single rater against the majority of the others reaches UA 0.550, WA 0.610; "
        "Krippendorff's α is 0.432, Fleiss' κ –.",
        "12.5% of the votes fell to classes that the protocol does not ask for",
        "so this ceiling can be passed.",
        "It is better than a single rater",
    ):
        assert said in text, said
    figures = "".join(path.read_text(encoding="utf-8") for path in files.figures.glob("*.svg"))
    assert "a single rater" in figures
