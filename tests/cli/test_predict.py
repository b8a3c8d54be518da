"""crosstone predict, as people who have recordings use it."""

import csv
import io
import json
import shlex
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from calls import MOODS, RATE, join_turns, mood_listener, syllables

from crosstone.data.text import train_tokenizer
from crosstone.errors import CrosstoneError
from crosstone.models import CMTConfig, CMTModel, HeadSpec
from crosstone.models.task import build_task
from crosstone.nn.logmel import LogMelConfig


@pytest.fixture(scope="module")
def listener(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("listener")
    mood_listener().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of audio and text that gives a value; its answers mean nothing."""
    from transformers import RobertaConfig

    folder = tmp_path_factory.mktemp("reader")
    tokenizer = train_tokenizer(["words of a call and other words"] * 4, 300)
    text = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=40,
        type_vocab_size=1,
    )
    audio = LogMelConfig(hidden_size=32, intermediate_size=32)
    backbone = CMTModel(CMTConfig(audio_config=audio, text_config=text))
    heads = {"score": HeadSpec(kind="regression")}
    build_task(backbone, heads, heard=["audio+text"]).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def calls(tmp_path: Path) -> Path:
    """calm.flac, tense.wav and deeper/calm.ogg, at three rates."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "calls"
    (folder / "deeper").mkdir(parents=True)
    for name, mood, rate in (
        ("calm.flac", "calm", RATE),
        ("tense.wav", "tense", 2 * RATE),
        ("deeper/calm.ogg", "calm", RATE),
    ):
        samples = syllables(mood, 1.5, rng)
        if rate != RATE:
            samples = np.stack([np.repeat(samples, 2)] * 2, 1)
        soundfile.write(folder / name, samples, rate)
    return folder


def answers(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_a_folder_a_pattern_and_standard_input(
    crosstone: Any, listener: Path, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = crosstone("predict", listener, calls)
    assert done.code == 0, done.err
    found = answers(done.out)
    names = ["calm.flac", "tense.wav", "deeper/calm.ogg"]
    assert [line["id"] for line in found] == [str(calls / name) for name in names]
    assert [line["label"] for line in found] == ["calm", "tense", "calm"]
    assert "asking: 3/3" in done.err
    (alone,) = answers(crosstone("predict", listener, calls / "*.wav").out)
    assert alone.pop("probabilities") == pytest.approx(found[1]["probabilities"], abs=1e-5)
    assert alone == {key: value for key, value in found[1].items() if key != "probabilities"}
    lines = f"{calls / 'tense.wav'}\n" + json.dumps({"audio": str(calls / "calm.flac"), "id": "c"})
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))
    piped = answers(crosstone("predict", listener, "-").out)
    assert [line["id"] for line in piped] == [found[1]["id"], "c"]
    assert piped[1]["probabilities"] == pytest.approx(found[0]["probabilities"], abs=1e-5)


def test_one_bad_file_stops_none_and_a_run_goes_on(
    crosstone: Any, listener: Path, calls: Path, tmp_path: Path
) -> None:
    (calls / "broken.wav").write_bytes(b"")
    (calls / "other.wav").write_text("no sound")
    out = tmp_path / "new" / "answers.csv"
    asked = ("predict", listener, calls, calls / "missing.wav", "--format", "csv", "--out", out)
    done = crosstone(*asked)
    assert done.code == 2
    assert done.out == ""
    for said in ("broken.wav: the file is empty", "other.wav: expected audio", "no such file"):
        assert said in done.err
    assert "3 of 6 have no answer, as said above" in done.err
    assert "Traceback" not in done.err
    rows = list(csv.DictReader(out.open()))
    assert [row["label"] for row in rows] == ["calm", "tense", "calm"]
    again = crosstone(*asked)
    assert (again.code, "go on with --resume" in again.err) == (2, True)
    whole = out.read_text()
    out.write_text(whole[: whole.rindex("\n", 0, -1) + 20])
    (calls / "broken.wav").unlink()
    (calls / "other.wav").unlink()
    done = crosstone(*asked[:3], *asked[4:], "--resume")
    assert done.code == 0, done.err
    assert out.read_text() == whole
    assert "asking" not in crosstone(*asked[:3], *asked[4:], "--resume").err
    new = (calls / "calm.flac").rename(calls / "new.flac")  # of three that are done one is asked
    done = crosstone("predict", listener, new, calls / "tense.wav", *asked[4:], "--resume")
    assert (done.code, "asking: 1/1" in done.err) == (0, True), done.err


def test_a_run_goes_on_with_the_same_names_columns_and_kind(
    crosstone: Any, listener: Path, reader: Path, calls: Path, tmp_path: Path
) -> None:
    odd = [calls / "my  call.flac", tmp_path / "m.jsonl"]
    (calls / "calm.flac").rename(odd[0])
    odd[1].write_text(json.dumps({"audio": str(calls / "tense.wav"), "id": "a\nb"}))
    for form in ("csv", "jsonl"):
        out = tmp_path / f"answers.{form}"
        asked = ("predict", listener, *odd, "--format", form, "--out", out)
        assert crosstone(*asked).code == 0
        whole = out.read_text()
        assert whole.count("\n") == (3 if form == "csv" else 2)
        assert crosstone(*asked, "--resume").code == 0
        done = crosstone(*asked, "--resume", "--segments", "fixed")
        assert done.code == 2
        assert "expected timelines, found one answer for each" in " ".join(done.err.split())
        assert out.read_text() == whole
    done = crosstone("predict", reader, "--text", "x", "--format", "csv", "--resume", "--out", out)
    assert (done.code, "expected an answer of crosstone" in " ".join(done.err.split())) == (2, True)
    out = tmp_path / "answers.csv"
    done = crosstone("predict", reader, "--text", "x", "--format", "csv", "--resume", "--out", out)
    assert (done.code, "column 13: expected none, found calm" in " ".join(done.err.split())) == (
        2,
        True,
    )


def test_a_row_of_an_id_that_is_answered_is_refused_again(
    crosstone: Any, listener: Path, calls: Path, tmp_path: Path
) -> None:
    rows = ["audio,id", "calls/calm.flac,one", "calls/tense.wav,one"]
    (tmp_path / "m.csv").write_text("\n".join(rows))
    out = tmp_path / "answers.jsonl"
    asked = ("predict", listener, tmp_path / "m.csv", "--out", out)
    for resumed in ([], ["--resume"]):
        done = crosstone(*asked, *resumed)
        assert (done.code, "one: found again; give each row its own" in done.err) == (2, True)
        assert [line["id"] for line in answers(out.read_text())] == ["one"]


def test_where_words_come_from(
    crosstone: Any, reader: Path, calls: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (calls / "calm.txt").write_text("words of a call\n")
    (calls / "tense.srt").write_text("1\n00:00:00,100 --> 00:00:01,000\nother words\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    program = tmp_path / "hear.py"
    program.write_text("print('and', 'words')")
    asr = f"{shlex.quote(sys.executable)} {program} {{audio}}"
    done = crosstone("predict", reader, calls)
    assert done.code == 2
    assert "never trained without the rest" in done.err
    done = crosstone("predict", reader, calls, "--asr", asr, "--asr-cache", tmp_path / "kept")
    assert done.code == 0, done.err
    found = answers(done.out)
    assert [(line["text"], line["text_source"]) for line in found] == [
        ("words of a call", "sidecar"),
        ("other words", "sidecar"),
        ("and words", "asr"),
    ]
    assert all(line["used"] == ["audio", "text"] for line in found)
    assert len(list((tmp_path / "kept").rglob("*.json"))) == 1
    program.unlink()  # what was heard is kept
    done = crosstone("predict", reader, calls, "--asr", asr, "--asr-cache", tmp_path / "kept")
    assert answers(done.out) == found
    (tmp_path / "m.csv").write_text("audio,text\ncalls/tense.wav,said of a call\n")
    (line,) = answers(crosstone("predict", reader, tmp_path / "m.csv").out)
    assert (line["text"], line["text_source"]) == ("said of a call", "column")
    (line,) = answers(crosstone("predict", reader, calls / "calm.flac", "--text", "my words").out)
    assert (line["text"], line["text_source"]) == ("my words", "given")


def test_labels_for_editors(crosstone: Any, listener: Path, calls: Path, tmp_path: Path) -> None:
    rows = ["audio,start,end", "calls/calm.flac,0.2,0.9", "calls/calm.flac,1,1.5"]
    (tmp_path / "m.csv").write_text("\n".join(rows))
    done = crosstone("predict", listener, tmp_path / "m.csv", "--format", "audacity")
    assert done.code == 0, done.err
    assert [line.split("\t")[:2] for line in done.out.splitlines()] == [
        ["0.200000", "0.900000"],
        ["1.000000", "1.500000"],
    ]
    done = crosstone("predict", listener, calls, "--format", "srt")
    assert (done.code, done.out) == (2, "")
    assert "--format srt: expected one recording, found 3" in done.err


def test_a_timeline_with_its_picture_and_page(
    crosstone: Any, listener: Path, tmp_path: Path
) -> None:
    scenes = [MOODS[i // 3 % 2] for i in range(12)]
    turns = join_turns(tmp_path / "call.flac", scenes)
    out, picture, page = (tmp_path / name for name in ("t.jsonl", "t.png", "t.html"))
    asked = ("predict", listener, tmp_path / "call.flac", "--segments", "vad")
    done = crosstone(*asked, "--out", out, "--picture", picture, "--page", page)
    assert done.code == 0, done.err
    found = answers(out.read_text())
    assert [line["smoothed"] for line in found] == scenes
    assert [line["segment"] for line in found if line["turn"]] == [3, 6, 9]
    for line, turn in zip(found, turns, strict=True):
        assert line["start"] == pytest.approx(turn.start - 0.1, abs=0.05)
        assert line["end"] == pytest.approx(turn.end + 0.1, abs=0.05)
    assert picture.read_bytes().startswith(b"\x89PNG")
    html = page.read_text()
    assert "http" not in html.replace("http://www.w3.org", "")
    assert "<script" not in html
    assert "Turning points" in html
    resumed = crosstone(*asked, "--out", out, "--resume")
    assert (resumed.code, answers(out.read_text())) == (0, found)
    srt = crosstone(*asked, "--format", "srt")
    assert srt.out.startswith("1\n00:00:00,")
    assert srt.out.count(" --> ") == 12
    fixed = crosstone(*asked[:-1], "fixed", "--window", 2, "--format", "csv", "--smooth", 0)
    rows = list(csv.DictReader(io.StringIO(fixed.out)))
    assert rows[-1]["last"] == "True"
    assert all(row["label"] == row["smoothed"] for row in rows)


def test_timelines_with_words(crosstone: Any, reader: Path, tmp_path: Path) -> None:
    turns = join_turns(tmp_path / "call.wav", [MOODS[i % 2] for i in range(4)])
    asked = ("predict", reader, tmp_path / "call.wav", "--segments")
    done = crosstone(*asked, "vad")
    assert done.code == 2
    assert "words of a timeline are those of a .srt or .vtt" in " ".join(done.err.split())
    done = crosstone(*asked, "vad", "--text", "words")
    assert "transcript without times cannot be divided" in " ".join(done.err.split())
    cues = [f"00:{t.start:06.3f} --> 00:{t.end:06.3f}\nother words\n" for t in turns[:3]]
    (tmp_path / "call.vtt").write_text("WEBVTT\n\n" + "\n".join(cues))
    page = tmp_path / "t.html"
    done = crosstone(*asked, "vad", "--page", page)
    assert done.code == 0, done.err
    found = answers(done.out)
    assert [line.get("text") for line in found] == ["other words"] * 3 + [None]
    assert "call.wav: 1 of 4 segments have no answer, the first because: " in " ".join(
        done.err.split()
    )
    assert "never trained without" in found[3]["unanswered"]
    assert isinstance(found[0]["value"], float)
    assert found[0]["smoothed"] == found[0]["value"]
    assert "other words" in page.read_text()
    assert len(answers(crosstone(*asked, "transcript").out)) == 3


@pytest.mark.parametrize(
    "arguments,said",
    [
        (("a.wav", "--resume"), "expected --out, the file to go on in"),
        (("a.wav", "--resume", "--out", "o", "--format", "srt"), "expected --format jsonl or csv"),
        (("a.wav", "--picture", "p.png"), "expected --segments vad, fixed or transcript"),
        (("calls", "--text", "x"), "--text says what one recording says, found 3 recordings"),
        (("calls", "--segments", "vad", "--page", "p.html"), "expected one recording, found 3"),
        (("-", "--format", "audacity"), "expected one recording, found standard input"),
        (("calls/*.aif",), "calls/*.aif: expected recordings"),
        (("calls/calm.flac", "--asr", "nosuchprogram {audio}"), "no such command: nosuchprogram"),
        (("calls/calm.flac", "--segments", "transcript"), "expected a .srt or .vtt beside"),
        (("calls/calm.flac", "--segments", "vad", "--margin", "16"), "expected 0 to 15 s"),
        (
            ("calls/calm.flac", "--segments", "fixed", "--hop", "9"),
            "expected 0.05 <= hop <= window",
        ),
        (("m.csv",), "m.csv: expected a table as a CSV or JSONL file, cannot read it"),
    ],
)
def test_what_makes_no_sense(
    crosstone: Any,
    listener: Path,
    calls: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    said: str,
) -> None:
    monkeypatch.chdir(calls.parent)
    done = crosstone("predict", listener, *arguments)
    assert (done.code, done.out) == (2, "")
    assert said in " ".join(done.err.split())
    assert "Traceback" not in done.err
    assert not (calls.parent / "o").exists()


def test_a_recogniser_computes_where_the_model_does(
    crosstone: Any, reader: Path, calls: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def load(spec: str, _folder: Path | None, *, device: torch.device) -> None:
        asked.append((spec, device))
        raise CrosstoneError("heard enough")

    monkeypatch.setattr("crosstone.inference.recogniser.load_recogniser", load)
    done = crosstone("predict", reader, calls, "--asr", "some/model", "--device", "cpu")
    assert (done.code, "heard enough" in done.err) == (2, True)
    assert asked == [("some/model", torch.device("cpu"))]


def test_of_several_each_refusal_names_its_recording(
    crosstone: Any, reader: Path, tmp_path: Path
) -> None:
    for name in ("first", "second"):
        join_turns(tmp_path / f"{name}.wav", [MOODS[0]])
    done = crosstone("predict", reader, tmp_path)
    said = " ".join(done.err.split())
    assert done.code == 2
    for name in ("first", "second"):
        assert f"error: {tmp_path / name}.wav: {reader}" in said
