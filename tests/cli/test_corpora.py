"""The verbs about corpora: prepare, check and its page, a cut set out and in again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from crosstone.data.corpus import Corpus
from crosstone.runs import corpora


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Six recordings of two speakers in two splits."""
    rows = ["audio,text,speaker,session,split,mood"]
    rng = np.random.default_rng(0)
    for i in range(6):
        soundfile.write(tmp_path / f"{i}.wav", rng.normal(0, 0.1, 8000), 16000)
        split = ("train", "test")[i % 2]
        rows.append(f"{i}.wav,number {i} is said,s{i % 2},d{i},{split},{('glad', 'sad')[i % 2]}")
    path = tmp_path / "table.csv"
    path.write_text("\n".join(rows))
    return path


@pytest.fixture
def prepared(crosstone: Callable[..., Any], table: Path) -> Path:
    out = table.parent / "corpus"
    assert crosstone("prepare", "table", table, "--out", out).code == 0
    return out


def test_check_writes_a_page_and_says_the_counts(
    crosstone: Callable[..., Any], prepared: Path, tmp_path: Path
) -> None:
    done = crosstone("check", prepared, "--page", tmp_path / "deep" / "page.html")
    assert done.code == 0, done.err
    assert "table: 6 utterances, 3 s, 2 speakers, 6 groups, hash" in done.out
    assert "mood: glad 3, sad 3" in done.out
    assert done.out.endswith("no faults\n")
    page = (tmp_path / "deep" / "page.html").read_text()
    assert "<h1>table: 6 utterances</h1>" in page
    assert "No speaker and no group is in an evaluated split and in another." in page


def test_check_as_json(crosstone: Callable[..., Any], prepared: Path, table: Path) -> None:
    (table.parent / "3.wav").unlink()
    done = crosstone("check", prepared, "--json", "--workers", 1)
    assert done.code == 1
    found = json.loads(done.out)
    assert found["counts"]["utterances"] == 6
    assert [(fault["id"], fault["kind"]) for fault in found["faults"]] == [("3", "missing")]
    assert "1 fault; mend what is wrong" in done.err
    done = crosstone("check", prepared, "--json", "--no-listen")
    assert json.loads(done.out)["audio"]["heard"] == 0
    assert done.code == 1


def test_what_check_has_heard_training_need_not_hear_again(
    crosstone: Callable[..., Any], prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert crosstone("check", prepared).code == 0

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("listened again")

    monkeypatch.setattr(corpora, "examine", refuse)
    assert corpora.known_faults(Corpus.open(prepared), 60.0, None) == []
    with pytest.raises(AssertionError, match="listened again"):
        corpora.known_faults(Corpus.open(prepared), 30.0, None)


def test_a_cut_set_out_and_in_again(
    crosstone: Callable[..., Any], prepared: Path, tmp_path: Path
) -> None:
    cuts = tmp_path / "cuts.jsonl.gz"
    done = crosstone("export", prepared, "--to", "lhotse", "--out", cuts)
    assert (done.code, done.out) == (0, f"{cuts}: 6 cuts\n")
    done = crosstone("prepare", "lhotse", cuts, "--out", tmp_path / "again")
    assert done.code == 0, done.err
    assert Corpus.open(tmp_path / "again").hash == Corpus.open(prepared).hash


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ("--to", "kaldi", "--out", "cuts.jsonl"),
            "export: expected --to lhotse or onnx, found 'kaldi'",
        ),
        (("--to", "lhotse", "--out", "cuts"), "expected a .jsonl or .jsonl.gz file, found 'cuts'"),
    ],
)
def test_exports_that_cannot_be(
    crosstone: Callable[..., Any], prepared: Path, arguments: tuple[str, ...], said: str
) -> None:
    done = crosstone("export", prepared, *arguments)
    assert done.code == 2
    assert said in done.err
