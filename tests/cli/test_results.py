"""The verbs about numbers, through the command."""

import json
from pathlib import Path
from typing import Any

import pytest

from crosstone.cli.tables import print_audit
from crosstone.scoring.score import score_predictions

LABELS = ["angry", "sad"]


def run_set(folder: Path, wrong: int, prefix: str = "u") -> Path:
    """240 items of 24 speakers of which every so many-th is wrong."""
    folder.mkdir()
    rows = [
        {
            "id": f"{prefix}{k}",
            "speaker": f"p{k % 24}",
            "group": f"s{k % 6}",
            "fold": k % 6,
            "seed": 0,
            "split": "test",
            "target": LABELS[k % 2],
            "probabilities": {
                label: 0.8 if (label == LABELS[k % 2]) != (k // 24 < wrong) else 0.2
                for label in LABELS
            },
        }
        for k in range(240)
    ]
    text = "\n".join(map(json.dumps, rows))
    (folder / "predictions.jsonl").write_text(text, encoding="utf-8")
    facts = {
        "name": folder.name,
        "corpus": {"name": "toy", "hash": "9f3c"},
        "protocol": {
            "name": "loso",
            "unit": "speaker",
            "selection": "last",
            "train_fraction": 0.2 if folder.name == "one" else 1.0,
        },
    }
    (folder / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder


def test_compare(crosstone: Any, tmp_path: Path) -> None:
    one, other = run_set(tmp_path / "one", 1), run_set(tmp_path / "other", 4)
    done = crosstone("compare", one, other)
    assert done.code == 0, done.err
    assert (
        "one is better than other, and the difference of these two trainings is real: one − other "
        "is +0.300 UA"
    ) in done.out
    assert "corpus toy 9f3c; " in done.out
    assert "intervals over 24 speakers" in done.out
    assert "one: protocol loso, by speaker, selection last, 20 % of the training labels" in done.out
    assert "other: protocol loso, by speaker, selection last\n" in done.out
    done = crosstone("compare", one, other, "--metric", "wa", "--unit", "speaker", "--json")
    document = json.loads(done.out)
    assert document["metric"] == "wa"
    assert document["verdicts"][0]["real"] is True
    assert document["systems"][0]["by"] == "speaker"


def test_compare_refuses_other_items(crosstone: Any, tmp_path: Path) -> None:
    folders = run_set(tmp_path / "one", 1), run_set(tmp_path / "other", 4, prefix="v")
    done = crosstone("compare", *folders)
    assert done.code == 2
    assert "one and other are not paired: 480 of 480 items were scored for one of them only" in (
        " ".join(done.err.split())
    )
    assert crosstone("compare", folders[0]).code == 2


def test_audit(crosstone: Any, tmp_path: Path) -> None:
    rows = ["utterance,truth,predicted"]
    rows += [f"v{k},{k % 7 - 3},{k % 7 - 3 + 0.4 * (-1) ** k}" for k in range(686)]
    file = tmp_path / "theirs.csv"
    file.write_text("\n".join(rows), encoding="utf-8")
    names = ("--map", "id=utterance", "--map", "target=truth", "--map", "prediction=predicted")
    done = crosstone("audit", file, "--protocol", "mosi-sentiment", *names)
    assert done.code == 0, done.err
    assert "ok    counts: 686 scored, expected 686" in done.out
    assert "Has0_acc_2" in done.out
    assert "f1_positive_swapped" in done.out
    done = crosstone("audit", file, "--protocol", "mosi-sentiment", *names, "--json")
    document = json.loads(done.out)
    assert document["metrics"]["mae"]["value"] == pytest.approx(0.4)
    file.write_text("\n".join(rows[:-1]), encoding="utf-8")
    done = crosstone("audit", file, "--protocol", "mosi-sentiment", *names)
    assert done.code == 1
    assert "FAULT counts: 685 scored, expected 686" in done.out
    assert "not a result of mosi-sentiment: counts differ" in " ".join(done.err.split())
    done = crosstone("audit", file, "--protocol", "mosi-sentiment", "--map", "id")
    assert done.code == 2
    assert "expected ours=theirs" in done.err


def test_an_audit_names_the_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scores = score_predictions(run_set(tmp_path / "one", 1), replicates=20)
    print_audit(scores.as_dict() | {"checks": []})
    assert "corpus toy 9f3c\n" in capsys.readouterr().out
