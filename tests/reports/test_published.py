"""Ours beside theirs: which numbers stand there, and what is said of the protocols behind them."""

import json
from pathlib import Path
from typing import Any

import pytest

from crosstone.protocols.published import published_numbers
from crosstone.reports.comparison import System, read_systems
from crosstone.reports.published import differences
from crosstone.reports.report import write_report

LABELS = ("ang", "hap", "neu", "sad")
FAST: dict[str, Any] = {"replicates": 50}


def run_set(folder: Path, corpus: str = "iemocap", **protocol: Any) -> Path:
    """Eighty items of five sessions; of every four, three are right."""
    folder.mkdir(parents=True)
    is_value = corpus == "mosei"
    lines = []
    for i in range(80):
        truth, said = i % 4, (i % 4 if i // 4 % 4 else (i + 1) % 4)
        answer: dict[str, Any] = {"target": truth - 1.5, "value": said - 1.4}
        if not is_value:
            names = protocol.get("labels", LABELS)
            rest = 0.3 / (len(names) - 1)
            chances = {label: 0.7 if label == LABELS[said] else rest for label in names}
            answer = {"target": LABELS[truth], "probabilities": chances}
        where = {"group": f"Session{i % 5 + 1}", "speaker": None, "seed": 0}
        fold = 0 if is_value else i % 5
        lines.append({"id": f"u{i}", **where, "fold": fold, "split": "test", **answer})
    facts = {
        "name": "mine",
        "family": "cmt",
        "corpus": {"name": corpus, "hash": "ab" * 8, "utterances": 5531},
        "protocol": {
            "name": "mosei-sentiment" if is_value else "iemocap-4way-loso",
            "kind": "predefined" if is_value else "leave-one-group-out",
            "unit": "group",
            "folds": 1 if is_value else 5,
            "selection": "nested",
            "headline": "mae" if is_value else "ua",
            "target": "sentiment" if is_value else "emotion",
            "task": "regression" if is_value else "classification",
            "labels": [] if is_value else list(LABELS),
            "train_fraction": 1.0,
            "counts": {"train": 16326, "valid": 1871, "test": 4659},
            **protocol,
        },
    }
    (folder / "predictions.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    (folder / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder


def report(out: Path, *folders: Path) -> str:
    return write_report(folders, out, **FAST).markdown.read_text(encoding="utf-8")


def test_theirs_stand_beside_ours(tmp_path: Path) -> None:
    text = report(tmp_path / "report", run_set(tmp_path / "run"))
    assert "## Beside the published numbers" in text
    assert "| System | UA | WA | ang, accuracy | hap, accuracy | neu, accuracy | sad, acc" in text
    assert (
        "| CMT base (cmt-2022, table 1) | 0.763 | 0.751 | 0.907 | 0.869 | 0.815 | 0.912 |" in text
    )
    assert "| CTAL large (ctal-2021, table 1) | 0.746 | 0.740 | – |" in text
    ours = next(line for line in text.splitlines() if line.startswith("| **mine** | **0.750**"))
    assert "**0.875**" in ours  # one-vs-rest accuracy of each class
    for absent in ("E-Vector", "w/o MLM", "co-attentional"):  # quoted, ablation, other heads
        assert absent not in text
    assert "CMT base" in text
    assert "its selection rule is unstated, ours is nested" in text
    assert (
        "| ctal-2021, table 1: CTAL base and CTAL large | its epoch was chosen on the test items, "
        "ours by nested |" in text
    )
    assert "Of the 25 published systems below, none were made the same way" in text


def test_jbls_meets_a_run_under_its_protocol_in_another_metric(tmp_path: Path) -> None:
    run = run_set(tmp_path / "run", name="iemocap-jbls", kind="holdout", selection="best_valid")
    text = report(tmp_path / "report", run)
    assert "hap, accuracy of its two-way head" in text
    ours, theirs = (
        next(line for line in text.splitlines() if line.startswith(start) and "–" in line)
        for start in ("| **mine**", "| (5.1) shallow fusion (jbls-2020, table 1)")
    )
    assert ours.count("–") == 8
    assert "| 0.841 |" in theirs
    assert text.count("its numbers are of a two-way head for each class, ours of one arg-max") == 1
    assert "frozen SSL" not in text


def test_own_counts_and_rule_may_agree(tmp_path: Path) -> None:
    run = run_set(tmp_path / "run", "mosei", selection="best_valid")
    (system,) = read_systems([run], **FAST)
    ctal = _number("ctal-2021", "table 2", "CTAL large")
    assert differences(ctal, system) == []
    jbls = _number("jbls-2020", "table 2", "Shallow fusion of SSL models")
    assert differences(jbls, system) == [
        "its counts are 16,090/1,859/4,586, ours 16,326/1,871/4,659"
    ]
    text = report(tmp_path / "report", run)
    assert "*mosei-sentiment, selected by best_valid as ours*" in text
    assert "| mine | " not in text.split("Beside the published")[0].split("Table")[0]


@pytest.mark.parametrize(
    "changes,said",
    [
        ({"selection": "best_test"}, "ours was chosen on the scored items, it by best_valid"),
        ({"selection": "last"}, "its selection is best_valid, ours last"),
        ({"name": "iemocap-5way"}, "its protocol is iemocap-jbls, ours iemocap-5way"),
        (
            {"labels": [*LABELS, "fru"]},
            "its 4 classes are ang, hap, neu, sad, ours ang, hap, neu, sad, fru",
        ),
        (
            {"name": "iemocap-jbls", "altered": ["expected", "labels"]},
            "ours alters expected and labels of iemocap-jbls",
        ),
        ({"is_whole": False}, "our counts are not those of iemocap-4way-loso"),
        ({"transductive": True}, "ours was adapted on the scored groups, without labels"),
        ({"train_fraction": 0.2}, "ours saw 20 % of the labels"),
    ],
)
def test_differences_in_words(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    (system,) = read_systems([run_set(tmp_path / "run", **changes)], **FAST)
    jbls = _number("jbls-2020", "table 1", "(5.1) shallow fusion")
    assert said in differences(jbls, system)


def test_a_protocol_that_is_none_of_ours(tmp_path: Path) -> None:
    (system,) = read_systems([run_set(tmp_path / "run")], **FAST)
    memo = _number("memocmt", "IEMOCAP", "MemoCMT")
    assert differences(memo, system)[0] == (
        "its protocol is none of ours, or unstated; ours is iemocap-4way-loso"
    )
    cma = _number("cma-2021", "table 1", "CMA")
    assert not any("counts" in said for said in differences(cma, system))
    partial = System(
        name=system.name, title=system.title, folder=system.folder, scores=system.scores
    )
    partial.scores.facts["corpus"]["utterances"] = 5500
    assert "its counts are 5,531, ours 5,500" in differences(cma, partial)


def test_nothing_published_nothing_said(tmp_path: Path) -> None:
    assert "published" not in report(tmp_path / "report", run_set(tmp_path / "run", "twokey"))


def _number(paper: str, table: str, system: str) -> Any:
    return next(
        n for n in published_numbers() if (n.paper, n.table, n.system) == (paper, table, system)
    )
