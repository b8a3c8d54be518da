"""What is said in the segments: transcripts with times, transcripts with numbers, timed words."""

import re
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from crosstone.data.corpora.cmusdk.csd import read_sequence
from crosstone.data.corpora.cmusdk.labels import Segment

JOIN_SECONDS = 0.01
"""How far the times of a line may lie from those of the labels that it belongs to.

No two of the 23,259 labelled segments of CMU-MOSEI are nearer than 0.22 s."""
SILENCE = "sp"
AGREEMENT = 0.5
"""Share of a video's timed words that its transcript must have, to be the same words."""
_LINE = re.compile(r"(.+?)___(\d+)___([-+.\deE]+)___([-+.\deE]+)___(.*)", re.DOTALL)
_NUMBERED = re.compile(r"\s*(\d+)\s*_DELIM_(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a transcript with times."""

    video: str
    number: int
    start: float
    end: float
    text: str


def read_lines(path: Path, faults: list[str]) -> list[Line]:
    """The lines `<video>___<n>___<start>___<end>___<text>`; the text may hold `___` itself."""
    lines = []
    for place, content in _content(path):
        match = _LINE.fullmatch(content)
        try:
            video, number, start, end, text = match.groups() if match else ()
            lines.append(Line(video, int(number), float(start), float(end), text.strip()))
        except ValueError:
            faults.append(
                f"{path.name}: line {place}: expected video___n___start___end___text, found "
                f"'{content[:60]}'"
            )
    return lines


def read_numbered(path: Path, faults: list[str]) -> dict[int, str]:
    """Number → text of the lines `<n>_DELIM_<text>`."""
    texts: dict[int, str] = {}
    for place, content in _content(path):
        match = _NUMBERED.fullmatch(content)
        if match is None:
            faults.append(
                f"{path.name}: line {place}: expected n_DELIM_text, found '{content[:60]}'"
            )
        elif int(match[1]) in texts:
            faults.append(f"{path.name}: line {place}: number {match[1]} stands there twice")
        else:
            texts[int(match[1])] = match[2].strip()
    return texts


def join_by_time(
    segments: Sequence[Segment], lines: Iterable[Line], faults: list[str]
) -> dict[int, Line]:
    """Position of a segment → the line whose start and end are its own, within JOIN_SECONDS."""
    by_video: dict[str, list[Line]] = defaultdict(list)
    for line in lines:
        by_video[line.video].append(line)
    for found in by_video.values():
        found.sort(key=lambda line: line.start)
    joined = {}
    for i, segment in enumerate(segments):
        found = by_video.get(segment.video, [])
        first = bisect_left(found, segment.start - JOIN_SECONDS, key=lambda line: line.start)
        last = bisect_right(found, segment.start + JOIN_SECONDS, key=lambda line: line.start)
        same = [line for line in found[first:last] if abs(line.end - segment.end) <= JOIN_SECONDS]
        if len(same) == 1:
            joined[i] = same[0]
        elif same:
            numbers = ", ".join(str(line.number) for line in same)
            faults.append(
                f"{segment.video}.txt: lines {numbers} all stand from {segment.start:g} to "
                f"{segment.end:g} s"
            )
    return joined


def join_by_order(
    segments: Sequence[Segment], texts: Mapping[str, Mapping[int, str]], faults: list[str]
) -> dict[int, str]:
    """Position of a segment → the text numbered by its place in time within its video.

    A video is joined only where the numbers run through and are as many as its segments, and where
    a table that numbers the segments itself has the same order.
    """
    joined: dict[int, str] = {}
    for video, rows in _in_time(segments).items():
        found = texts.get(video)
        if not found:
            continue
        numbers = sorted(found)
        own = [segments[i].number or 0 for i in rows]
        if numbers != list(range(numbers[0], numbers[0] + len(rows))):
            faults.append(
                f"{video}: expected {len(rows)} lines numbered without a gap, as many as it has "
                f"segments, found {len(numbers)} from {numbers[0]} to {numbers[-1]}"
            )
        elif own != sorted(own):
            faults.append(f"{video}: the labels number its segments in another order than time")
        else:
            joined |= {i: found[number] for i, number in zip(rows, numbers, strict=True)}
    return joined


def read_words(path: Path) -> dict[str, list[tuple[float, str]]]:
    """Video → its words with their starts in seconds, in time, silence left out.

    The intervals of this sequence are one word early: word i carries the interval of word i - 1.
    The time given here is that of the word's own interval in the file, uncorrected.
    """
    words: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for stretches in read_sequence(path):
        for row, (start, _) in zip(stretches.features, stretches.intervals, strict=True):
            word = row[0].decode("utf-8", "replace") if isinstance(row[0], bytes) else str(row[0])
            if word and word != SILENCE:
                words[stretches.video].append((float(start), word))
    for found in words.values():
        found.sort(key=lambda timed: timed[0])
    return words


def words_of(segment: Segment, words: Sequence[tuple[float, str]]) -> str:
    """The words of a segment: those with start < time <= end, since their times are one early."""
    first = bisect_right(words, segment.start, key=lambda timed: timed[0])
    last = bisect_right(words, segment.end, key=lambda timed: timed[0])
    return " ".join(word for _, word in words[first:last])


def disagreements(
    segments: Sequence[Segment],
    joined: Mapping[int, str],
    words: Mapping[str, Sequence[tuple[float, str]]],
) -> Iterator[str]:
    """A clause for each video whose joined texts are not made of the words timed in it."""
    for video, rows in _in_time(segments).items():
        same = total = 0
        for i in rows:
            if i not in joined or video not in words:
                continue
            said = set(_plain(joined[i]).split())
            timed = words_of(segments[i], words[video]).split()
            same += sum(_plain(word) in said for word in timed)
            total += len(timed)
        if total and same < AGREEMENT * total:
            yield (
                f"{video}: only {same} of {total} timed words stand in the transcript of their "
                "segment; its numbers are not in the order of time"
            )


def _plain(text: str) -> str:
    return re.sub(r"[^\w\s]|_", "", text.lower())


def _in_time(segments: Sequence[Segment]) -> dict[str, list[int]]:
    rows: dict[str, list[int]] = defaultdict(list)
    for i in sorted(range(len(segments)), key=lambda i: (segments[i].start, segments[i].end)):
        rows[segments[i].video].append(i)
    return rows


def _content(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a file that are not blank, with their numbers; not all files are UTF-8."""
    content = path.read_bytes()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if line.strip():
            yield number, line
