"""What is said in the segments: lines with times, lines with numbers, timed words."""

from pathlib import Path

import pytest

from crosstone.data.corpora.cmusdk.labels import Segment
from crosstone.data.corpora.cmusdk.transcripts import (
    Line,
    disagreements,
    join_by_order,
    join_by_time,
    read_lines,
    read_numbered,
    read_words,
    words_of,
)


def at(start: float, end: float, video: str = "v", number: int | None = None) -> Segment:
    return Segment(video, start, end, {}, None, number)


def read(folder: Path, content: str | bytes, name: str = "v.txt") -> tuple[list[Line], list[str]]:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    faults: list[str] = []
    return read_lines(path, faults), faults


def test_a_real_line(tmp_path):
    lines, faults = read(
        tmp_path, "_0efYOjQYRc___1___7.814___13.882___Vettese has served as the partner.\r\n\r\n"
    )
    text = "Vettese has served as the partner."
    assert (lines, faults) == ([Line("_0efYOjQYRc", 1, 7.814, 13.882, text)], [])


@pytest.mark.parametrize("video", ["--qXJuDtHPw", "_26JmJnPKfM", "mjQfQx2K__8", "267278", "ends_"])
@pytest.mark.parametrize("text", ["Well _____ he said", "___", "a___1___2___3___b", "", "x\u2028y"])
def test_underscores_in_names_and_in_the_text(tmp_path, video, text):
    lines, faults = read(tmp_path, f"{video}___12___-0.4576___4.1043083900226754___{text}\n")
    assert (lines, faults) == ([Line(video, 12, -0.4576, 4.1043083900226754, text)], [])


def test_not_every_file_is_utf_8(tmp_path):
    lines, _ = read(tmp_path, "v___0___0___1.5___caf\u00e9".encode("latin-1"))
    assert (lines[0].text, lines[0].start) == ("café", 0.0)
    lines, _ = read(tmp_path, "\ufeffv___0___0___1.5___café ’".encode())
    assert (lines[0].video, lines[0].text) == ("v", "café ’")


def test_lines_of_another_form_are_faults(tmp_path):
    lines, faults = read(tmp_path, "v___0___0___1___a\nv___1___zero___1___a\nhello\n")
    assert len(lines) == 1
    assert faults == [
        "v.txt: line 2: expected video___n___start___end___text, found 'v___1___zero___1___a'",
        "v.txt: line 3: expected video___n___start___end___text, found 'hello'",
    ]


def test_lines_join_segments_on_time_and_never_on_number():
    lines = [
        Line("v", 0, 5.0, 6.0, "later"),
        Line("v", 1, -0.4576009, 1.0, "first"),
        Line("v", 2, 5.0, 7.0, "the same start"),
        Line("w", 3, 1.0, 2.0, "another video"),
        Line("v", 4, 9.0, 9.5, "of no segment"),
    ]
    segments = [at(-0.457601, 1.0), at(5.0, 6.005), at(5.0, 7.0), at(1.0, 2.0), at(8.985, 9.5)]
    faults: list[str] = []
    joined = join_by_time(segments, lines, faults)
    assert {i: line.number for i, line in joined.items()} == {0: 1, 1: 0, 2: 2}
    assert faults == []


def test_two_lines_for_one_time_are_a_fault():
    faults: list[str] = []
    lines = [Line("v", 3, 1.0, 2.0, "one"), Line("v", 8, 1.004, 2.0, "other")]
    assert join_by_time([at(1.0, 2.0)], lines, faults) == {}
    assert faults == ["v.txt: lines 3, 8 all stand from 1 to 2 s"]


def test_numbered_lines(tmp_path):
    path = tmp_path / "03bSnISJMiM.annotprocessed"
    path.write_text("1_DELIM_A LOT OF SAD PARTS\n10_DELIM_UMM _DELIM_ YES \n1_DELIM_AGAIN\nx\n")
    faults: list[str] = []
    assert read_numbered(path, faults) == {1: "A LOT OF SAD PARTS", 10: "UMM _DELIM_ YES"}
    assert faults == [
        "03bSnISJMiM.annotprocessed: line 3: number 1 stands there twice",
        "03bSnISJMiM.annotprocessed: line 4: expected n_DELIM_text, found 'x'",
    ]


@pytest.mark.parametrize("first", [0, 1])
def test_numbers_are_places_in_time(first):
    segments = [at(5, 6), at(1, 2), at(3, 4), at(0, 1, "w")]
    texts = {"v": {first: "one", first + 1: "two", first + 2: "three"}, "w": {}}
    faults: list[str] = []
    assert join_by_order(segments, texts, faults) == {1: "one", 2: "two", 0: "three"}
    assert faults == []


def test_numbers_that_cannot_be_places_in_time():
    faults: list[str] = []
    assert join_by_order([at(0, 1), at(1, 2)], {"v": {1: "a", 3: "b"}}, faults) == {}
    assert join_by_order([at(0, 1), at(1, 2)], {"v": {1: "a"}}, faults) == {}
    numbered = [at(0, 1, number=2), at(1, 2, number=1)]
    assert join_by_order(numbered, {"v": {1: "a", 2: "b"}}, faults) == {}
    expected = "expected 2 lines numbered without a gap, as many as it has segments, found"
    assert faults == [
        f"v: {expected} 2 from 1 to 3",
        f"v: {expected} 1 from 1 to 1",
        "v: the labels number its segments in another order than time",
    ]


@pytest.fixture
def words(tmp_path, write_csd):
    """Words each with the interval of the word before, as in the real file.

    "I loved it" from 1 s to 2 s and "thay didnt" from 3 s to 4 s; `sp` is silence.
    """
    timed = [
        (0.0, 1.0, b"sp"),
        (1.0, 1.2, b"sp"),
        (1.2, 1.6, b"i"),
        (1.6, 2.0, b"loved"),
        (2.0, 2.1, b"it"),
        (2.1, 3.0, b"sp"),
        (3.5, 4.0, b"thay"),
        (4.0, 4.1, b"didnt"),
    ]
    path = write_csd(tmp_path / "words.csd", {"v": timed}, root="words", dtype="S12")
    return read_words(path)


def test_words_stand_one_early(words):
    assert words_of(at(1.0, 2.0), words["v"]) == "i loved it"
    assert words_of(at(3.0, 4.0), words["v"]) == "thay didnt"


def test_segments_of_no_length_have_no_words(words):
    assert words_of(at(1.6, 1.6), words["v"]) == ""
    assert words_of(at(2.11, 2.2), words["v"]) == ""


def test_transcripts_are_checked_against_the_words(words):
    segments = [at(1.0, 2.0), at(3.0, 4.0)]
    assert not [*disagreements(segments, {0: "I LOVED IT", 1: "THEY DIDN'T"}, words)]
    (clause,) = disagreements(segments, {0: "THEY DIDN'T", 1: "I LOVED IT"}, words)
    assert clause == (
        "v: only 0 of 5 timed words stand in the transcript of their segment; its numbers are not "
        "in the order of time"
    )
    assert not [*disagreements(segments, {}, words)]
