"""Transcripts beside recordings, in the forms that people have them."""

from pathlib import Path

import pytest

from crosstone.errors import CorpusError
from crosstone.inference.transcripts import (
    Cue,
    cues_beside,
    read_cues,
    transcript_beside,
    words_within,
)

SRT = """1
00:00:01,000 --> 00:00:02,500
{\\an8}<i>I have been waiting</i>
for an hour.

2
00:01:02,000 --> 00:01:03,000
Goodbye.
"""

VTT = """WEBVTT - a call

STYLE
::cue { color: red }

NOTE nobody says this

first
00:01.000 --> 00:02.500 align:start
<v Anna>Tom &amp; Ann

01:00:00.000 --> 01:00:01.000
later
"""


def test_subrip_and_webvtt(tmp_path: Path) -> None:
    (tmp_path / "a.srt").write_text(SRT, encoding="utf-8-sig")
    (tmp_path / "a.vtt").write_text(VTT)
    assert read_cues(tmp_path / "a.srt") == [
        Cue(1.0, 2.5, "I have been waiting for an hour."),
        Cue(62.0, 63.0, "Goodbye."),
    ]
    assert read_cues(tmp_path / "a.vtt") == [
        Cue(1.0, 2.5, "Tom & Ann"),
        Cue(3600.0, 3601.0, "later"),
    ]


@pytest.mark.parametrize(
    "text,said",
    [
        ("1\n00:00:01,000 --> soon\nhm\n", "line 2: expected times as in .* found '00:00:01,000 -"),
        ("00:00:3.437 -> 00:00:07,174\nhm\n", "line 1: expected times as in .* found '00:00:3"),
        ("00:00:02,000 --> 00:00:01,000\nhm\n", "line 1: expected start < end, found 2 and 1 s"),
        ("nothing here\n", "expected cues .* found none"),
    ],
)
def test_cues_that_cannot_be_read(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "a.srt").write_text(text)
    with pytest.raises(CorpusError, match=said):
        read_cues(tmp_path / "a.srt")


def test_a_transcript_in_other_bytes_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("fine\nf\xfcr".encode("latin-1"))
    with pytest.raises(CorpusError, match=r"expected a transcript in UTF-8, .* line 2"):
        transcript_beside(tmp_path / "a.wav")


def test_which_transcript_is_taken(tmp_path: Path) -> None:
    wav = tmp_path / "a.wav"
    assert transcript_beside(wav) is None
    assert cues_beside(wav) is None
    (tmp_path / "a.srt").write_text(SRT)
    whole = "I have been waiting for an hour. Goodbye."
    assert transcript_beside(wav) == whole
    assert transcript_beside(wav, start=60.0) == "Goodbye."
    (tmp_path / "a.txt").write_text("as it\nwas\n")
    assert transcript_beside(wav) == "as it was"
    assert transcript_beside(wav, end=60.0) == "I have been waiting for an hour."
    (tmp_path / "a.srt").unlink()
    assert transcript_beside(wav, end=60.0) is None


def test_words_lie_evenly_in_their_cue() -> None:
    cues = [Cue(0.0, 4.0, "one two three four"), Cue(5.0, 6.0, "five")]
    assert words_within(cues, 0.0, 2.0) == "one two"
    assert words_within(cues, 1.6, 5.6) == "three four five"
    assert words_within(cues, 4.0, 5.0) is None
