"""What inputs name: files, folders, patterns, manifests, standard input."""

import io
import json
from pathlib import Path

import pytest

from crosstone.inference.recording import Recording, Refusal
from crosstone.inference.sources import find_recordings, with_transcripts


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in (
        "calls/b.wav",
        "calls/a.MP3",
        "calls/day/c.m4a",
        "calls/.hidden.wav",
        "calls/n.md",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    (tmp_path / "calls/b.txt").write_text("hello\n")
    return tmp_path


def ids(*inputs: str, given: str = "") -> list[str]:
    return [each.id for each in find_recordings(inputs, standard_input=io.StringIO(given))]


def test_files_folders_and_patterns(folder: Path) -> None:
    whole = ["calls/a.MP3", "calls/b.wav", "calls/day/c.m4a"]
    assert ids("calls") == whole
    assert ids("calls/*") == whole[:2]
    assert ids("calls/**/*.m4a") == [whole[2]]
    assert ids("calls/b.wav", "calls", "calls/b.wav") == [whole[1], whole[0], whole[2]]
    assert ids(str(folder / "calls" / "*.wav")) == [str(folder / "calls/b.wav")]


def test_standard_input_names_paths_and_objects(folder: Path) -> None:
    lines = 'calls/b.wav\n\n{"audio": "calls/b.wav", "start": 1, "end": 2}\n{"text": "hm"}\n'
    path, stretch, words = find_recordings(["-"], standard_input=io.StringIO(lines))
    assert isinstance(path, Recording)
    assert isinstance(stretch, Recording)
    assert isinstance(words, Recording)
    assert (path.id, stretch.id, words.id) == ("calls/b.wav", "calls/b.wav@1", "row-4")
    assert (stretch.start, stretch.end, words.text_source) == (1.0, 2.0, "column")


def test_a_manifest_in_both_forms(folder: Path) -> None:
    rows = [
        {"audio": "b.wav", "text": "hi", "mood": "glad"},
        {"audio": "day/c.m4a", "start": 0.5, "end": 2},
        {"audio": "day/c.m4a", "start": 2, "id": "second", "text": "ho", "text_source": "asr"},
        {"text": "only words"},
    ]
    jsonl = folder / "calls" / "m.jsonl"
    jsonl.write_text("\n".join(map(json.dumps, rows)))
    (folder / "calls" / "m.csv").write_text(
        "audio;text;start;end;id;text_source;mood\nb.wav;hi;;;;;glad\nday/c.m4a;;0.5;2;;;\n"
        "day/c.m4a;ho;2;;second;asr;\n;only words;;;row-4;;\n"
    )
    from_json, from_csv = (list(find_recordings([f"calls/m.{end}"])) for end in ("jsonl", "csv"))
    assert [vars(each) for each in from_json] == [
        {**vars(each), "id": each.id.replace("row-5", "row-4")} for each in from_csv
    ]
    first, second, third, fourth = from_json
    assert isinstance(first, Recording)
    assert first.audio == Path("calls/b.wav")
    assert (first.id, first.text, first.text_source) == ("b.wav", "hi", "column")
    assert [each.id for each in (second, third, fourth)] == ["day/c.m4a@0.5", "second", "row-4"]
    assert isinstance(third, Recording)
    assert third.text_source == "asr"


@pytest.mark.parametrize(
    "name,content,said",
    [
        ("m.csv", "path,mood\nb.wav,glad\n", "found path, mood, but 'path' looks like audio"),
        ("m.csv", "", "the table is empty"),
        ("m.csv", "audio,start,end\nb.wav,2,1\n", "line 2: expected seconds with 0 <= start < end"),
        ("m.csv", "audio,start\nb.wav,soon\n", "found start soon and end None"),
        ("m.csv", "audio,text\n,\nb.wav,x,y\n", "line 3: expected 2 cells, found 3"),
        ("m.jsonl", '{"id": "a", "audio": ""}\n{"audio": "b.wav"}', "line 1: neither audio nor"),
        ("m.jsonl", '{"id": "a", "text": "x"}\n{"id": "a", "text": "y"}', "a: found again; give"),
        ("m.jsonl", "b.wav\n", "line 1: not one JSON object"),
    ],
)
def test_manifests_with_faults(folder: Path, name: str, content: str, said: str) -> None:
    (folder / name).write_text(content)
    refused = [each for each in find_recordings([name]) if isinstance(each, Refusal)]
    assert len(refused) == 1
    assert said in refused[0].reason


@pytest.mark.parametrize(
    "asked,given,said",
    [
        ("nowhere/*.wav", "", "nowhere/*.wav: expected recordings (.wav,"),
        ("calls/day/../day/none", "", ""),
        ("calls/b.txt", "", "expected a recording, found a transcript"),
        ("missing.csv", "", "cannot read it"),
        ("-", '{"audio": 3, "tekst": "x"}', "line 1: expected the keys audio, text, .* tekst"),
        ("-", '{"audio": ["a.wav"]}', "line 1: audio: expected a string or a number"),
        ("-", "{audio}", "line 1: not one JSON object"),
    ],
)
def test_inputs_that_name_nothing(folder: Path, asked: str, given: str, said: str) -> None:
    import re

    (found,) = find_recordings([asked], standard_input=io.StringIO(given))
    if not said:  # it is looked for when it is read
        assert isinstance(found, Recording)
        return
    assert isinstance(found, Refusal)
    assert said in found.reason or re.search(said, found.reason)


def test_transcripts_beside_are_read(folder: Path) -> None:
    (folder / "calls/a.srt").write_text("no times at all")
    refused, read, bare = with_transcripts(find_recordings(["calls"]))
    assert isinstance(refused, Refusal)
    assert "a.srt: expected cues" in refused.reason
    assert isinstance(read, Recording)
    assert (read.text, read.text_source) == ("hello", "sidecar")
    assert isinstance(bare, Recording)
    assert bare.text is None
