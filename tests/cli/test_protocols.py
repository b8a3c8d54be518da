"""Named protocols through the command: listed, enforced, let through and said, and never leaky."""

import json
from pathlib import Path
from typing import Any

import pytest

from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.protocols import PROTOCOLS

SHORT = (
    *("model.family=text", "model.init=null", "model.text_encoder=roberta-tiny"),
    *("model.vocab_size=300", "objectives.orthogonality=null", "training.epochs=2"),
)


@pytest.fixture(scope="module")
def iemocap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six utterances of each of five labels in each of five sessions, by two speakers, to read."""
    folder = tmp_path_factory.mktemp("corpora") / "iemocap"
    labels = ("ang", "hap", "exc", "neu", "sad", "fru")
    utterances = [
        Utterance(
            id=f"Ses0{session}F_impro01_{'FM'[i % 2]}{i:03d}",
            text=f"this is {label} talk",
            speaker=f"Ses0{session}{'FM'[i % 2]}",
            group=f"Session{session}",
            labels={"emotion": label},
        )
        for session in range(1, 6)
        for i, label in enumerate(labels * 4)
    ]
    Corpus.write(folder, name="iemocap", root=folder, source=Source(), utterances=utterances)
    return folder


def test_they_are_listed(crosstone: Any) -> None:
    done = crosstone("protocols")
    assert done.code == 0, done.err
    assert all(f"{name}\n" in done.out for name in PROTOCOLS)
    for said in (
        "1,103 ang, 1,636 hap, 1,708 neu and 1,084 sad (enforced)",
        "16,327 train, 1,871 valid and 4,662 test (SDK folds); or 16,326 train",
        "trains Session1, Session2, Session3; validates Session4; tests Session5",
        "ang, hap + exc, neu, sad; headline ua",
    ):
        assert said in done.out
    one = crosstone("protocols", "iemocap-jbls")
    assert one.out.count("selection") == 1
    wrong = crosstone("protocols", "iemocap-jbl")
    assert (wrong.code, "did you mean iemocap-jbls" in wrong.err) == (2, True)


def finetune(crosstone: Any, iemocap: Path, out: Path, *overrides: str) -> Any:
    data = f"data.corpus={iemocap}"
    return crosstone("finetune", "cmt-base-iemocap", data, *SHORT, *overrides, "--out", out)


def test_a_partial_copy_is_refused_before_training(
    crosstone: Any, iemocap: Path, tmp_path: Path
) -> None:
    done = finetune(crosstone, iemocap, tmp_path / "run")
    assert done.code == 2
    assert "hap         expected 1,636, found 40 (-1,596)" in done.err
    assert "Session1    expected 1,085, found 20 (-1,065)" in done.err
    assert "protocol.enforce=false, which every table then says" in done.err
    assert not list((tmp_path / "run").glob("fold-*"))


def test_a_partial_copy_let_through_is_said_in_every_table(
    crosstone: Any, iemocap: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    done = finetune(crosstone, iemocap, out, "protocol.enforce=false")
    assert done.code == 0, done.err
    for said in (
        "protocol iemocap-4way-loso (altered: enforce), by group, selection nested",
        "counts are not those of iemocap-4way-loso: utterances 100 instead of 5,531 (-5,431)",
        "300 train, 100 valid, 100 test over 5 folds",
        "left out: 20 with emotion 'fru'",
        f", part of {Corpus.open(iemocap).hash}; ",
    ):
        assert said in done.out
    scores = json.loads((out / "scores.json").read_text())
    assert [run["items"] for run in scores["runs"]] == [20] * 5
    ua = scores["metrics"]["ua"]
    assert ua["value"] == pytest.approx(sum(run["ua"] for run in scores["runs"]) / 5)
    assert scores["headline"]["metric"] == "ua"
    assert "pooled" in ua
    lines = [json.loads(x) for x in (out / "predictions.jsonl").read_text().splitlines()]
    assert len(lines) == 100
    assert {line["target"] for line in lines} == {"ang", "hap", "neu", "sad"}
    fold = json.loads((out / "fold-0-seed-0" / "model" / "config.json").read_text())
    assert fold["history"][-1]["groups"] == ["Session3", "Session4", "Session5"]
    done = crosstone("report", out, "--out", tmp_path / "report")
    assert done.code == 0, done.err
    for said in ("iemocap-4way-loso", "nested", "counts are not those of", "20 scored per fold"):
        assert said in done.out, said

    other = crosstone(
        "evaluate",
        *(out / "fold-0-seed-0", "--corpus", iemocap, "--protocol", "iemocap-4way-loso"),
        *("--out", tmp_path / "evaluated"),
    )
    assert other.code == 0, other.err
    assert "labels of iemocap-4way-loso" in other.out
    assert "left out: 20 with emotion 'fru'" in other.out
    wrong = crosstone(
        "evaluate",
        *(out / "fold-0-seed-0", "--corpus", iemocap, "--protocol", "iemocap-5way"),
        *("--out", tmp_path / "wrong"),
    )
    assert wrong.code == 2
    assert "predicts emotion (ang, hap, neu, sad), expected what iemocap-5way asks" in wrong.err


def test_what_was_selected_on_test_is_not_called_test(
    crosstone: Any, iemocap: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    rules = ("protocol.name=iemocap-jbls", "protocol.expected=null", "protocol.selection=best_test")
    done = finetune(crosstone, iemocap, out, *rules)
    assert done.code == 0, done.err
    assert "CMT base, selected on test" in done.out
    assert "20 items, selected on test: no test result" in done.out
    lines = [json.loads(x) for x in (out / "predictions.jsonl").read_text().splitlines()]
    assert {line["split"] for line in lines} == {"selected on test"}
    scores = json.loads((out / "scores.json").read_text())
    assert scores["scored"] == "selected on test"
    assert scores["protocol"]["counts"] == {"train": 60, "valid": 20, "selected on test": 20}
    assert scores["protocol"]["altered"] == ["expected"]
    log = [json.loads(x) for x in (out / "fold-0-seed-0" / "log.jsonl").read_text().splitlines()]
    watched = [line["valid"] for line in log if line["event"] == "epoch"]
    best = max(watched, key=lambda epoch: epoch["ua"])
    for metric in ("ua", "wa", "macro_f1"):
        assert scores["metrics"][metric]["value"] == pytest.approx(best[metric])  # one epoch
    again = crosstone("score", out / "fold-0-seed-0")
    assert again.code == 0, again.err
    done = crosstone("report", out, "--out", tmp_path / "report")
    assert done.code == 0, done.err
    assert "not a test result" in done.out


def test_a_leaky_split_is_refused_by_name(crosstone: Any, iemocap: Path, tmp_path: Path) -> None:
    done = finetune(
        crosstone,
        iemocap,
        tmp_path / "run",
        *("protocol.expected=null", "protocol.unit=speaker"),
    )
    assert done.code == 2
    assert "1 group (Session1) stands in train and test of fold 0 (10 of 10 folds leak)" in done.err
    assert "the two partners of a dialogue share it" in done.err
