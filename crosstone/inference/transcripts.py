"""Transcripts beside recordings: plain text, and SubRip or WebVTT cues with their times."""

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crosstone.errors import CorpusError

CUE_SUFFIXES = (".srt", ".vtt")
TEXT_SUFFIXES = (".txt", *CUE_SUFFIXES)
"""Endings of a transcript beside a recording, the first that is there taken."""

_TIME = r"(?:(\d+):)?(\d{1,2}):(\d{2})(?:[.,](\d{1,3}))?"
_ALMOST_TIMES = re.compile(r"\s*\d+:[\d:.,]+\s*-*>\s*\d+:[\d:.,]+")
"""Times of a cue that somebody mistyped: what follows is not to be lost."""

_TIMES = re.compile(rf"\s*{_TIME}\s*-->\s*{_TIME}(?:\s.*)?$")
_MARKUP = re.compile(r"<[^>]*>|\{\\[^}]*\}")


@dataclass(frozen=True)
class Cue:
    """Words and when they are said, in seconds."""

    start: float
    end: float
    text: str


def read_cues(path: Path) -> list[Cue]:
    """The cues of a .srt or .vtt file that hold words, by start.

    Markup, names of cues and notes are left out. Raises CorpusError with the line of a time that
    cannot be read, and where there is no cue.
    """
    cues: list[Cue] = []
    times: tuple[float, float] | None = None
    words: list[str] = []

    def close() -> None:
        text = " ".join(" ".join(words).split())
        if times is not None and text:
            cues.append(Cue(*times, text))

    for number, line in enumerate(_read(path).splitlines(), 1):
        if "-->" in line or _ALMOST_TIMES.match(line):
            close()
            times, words = _times(path, number, line), []
        elif not line.strip():
            close()
            times, words = None, []
        elif times is not None:
            words.append(html.unescape(_MARKUP.sub("", line)))
    close()
    if not cues:
        raise CorpusError(f"{path}: expected cues (00:00:01.000 --> 00:00:02.500), found none")
    return sorted(cues, key=lambda cue: (cue.start, cue.end))


def _times(path: Path, number: int, line: str) -> tuple[float, float]:
    found = _TIMES.match(line)
    if found is None:
        raise CorpusError(
            f"{path}: line {number}: expected times as in 00:00:01.000 --> 00:00:02.500, found "
            f"'{line.strip()[:60]}'"
        )
    start, end = (_seconds(found.groups()[half : half + 4]) for half in (0, 4))
    if end <= start:
        raise CorpusError(
            f"{path}: line {number}: expected start < end, found {start:g} and {end:g} s"
        )
    return start, end


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = parts
    whole = int(hours or 0) * 3600 + int(minutes or 0) * 60 + int(seconds or 0)
    return whole + int((fraction or "0").ljust(3, "0")) / 1000


def words_within(cues: Sequence[Cue], start: float, end: float) -> str | None:
    """The words said from start to end (seconds), None without any.

    Words of one cue are taken to be spoken evenly over it; a word belongs where its middle lies.
    """
    said = []
    for cue in cues:
        if cue.start >= end:
            break
        if cue.end <= start:
            continue
        words = cue.text.split()
        step = (cue.end - cue.start) / len(words)
        said += [w for i, w in enumerate(words) if start <= cue.start + (i + 0.5) * step < end]
    return " ".join(said) or None


def transcript_beside(
    audio: Path, *, start: float | None = None, end: float | None = None
) -> str | None:
    """What the transcript beside a recording says, or of its stretch; None where there is none.

    Plain text has no times: it says nothing of a stretch.
    """
    path = _beside(audio, CUE_SUFFIXES if start is not None or end is not None else TEXT_SUFFIXES)
    if path is None:
        return None
    if path.suffix.lower() in CUE_SUFFIXES:
        return words_within(read_cues(path), start or 0.0, float("inf") if end is None else end)
    return " ".join(_read(path).split()) or None


def cues_beside(audio: Path) -> list[Cue] | None:
    """The cues of the .srt or .vtt beside a recording; None where there is none."""
    path = _beside(audio, CUE_SUFFIXES)
    return None if path is None else read_cues(path)


def _beside(audio: Path, suffixes: Sequence[str]) -> Path | None:
    places = [audio.with_suffix(suffix) for suffix in suffixes]
    return next((place for place in places if place.is_file()), None)


def _read(path: Path) -> str:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CorpusError(f"{path}: the transcript cannot be read ({error.strerror})") from error
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CorpusError(
            f"{path}: expected a transcript in UTF-8, found other bytes in line {line}; save it as "
            "UTF-8"
        ) from error
