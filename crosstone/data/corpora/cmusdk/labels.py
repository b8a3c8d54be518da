"""Labelled segments: stretches of a video with scores, from a .csd file or a CSV table.

Tables that are known, each by its columns:
- `file,index,start,end,label2a,label2b,label6,label7,split` (s3prl's), split 0, 1, 2 for train,
  valid, test and 3 for none. Of its labels only label7 is taken, as `sentiment7`: label2a and
  label2b follow from it, and label6 calls a segment without any emotion happy.
- `Filename,Start,End,Score,Sentiment,Type`, Filename `<video>_<n>`. Its Sentiment follows from
  Score, and calls 0 positive.
- `start,end,video,n,score` without a header (OpinionLevelSentiment.csv).
- any other with columns for video, start, end and sentiment or emotions under the names below.
- `FileName,sentiment_score` (label_file_*.csv) has no times: `settled_scores` says what it settles.
"""

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from crosstone.data.corpora.cmusdk.csd import dimension_names, read_sequence
from crosstone.errors import CorpusError

EMOTIONS = ("happy", "sad", "anger", "surprise", "disgust", "fear")
DIMENSIONS = {1: ("sentiment",), 6: EMOTIONS, 7: ("sentiment", *EMOTIONS)}
"""Names of the columns of a label sequence of this width (README of CMU-MOSEI in the SDK)."""
SPLITS = {"0": "train", "1": "valid", "2": "test", "3": None}
VIDEO = ("video", "video_id", "file", "filename")
LABELS = {
    "sentiment": "sentiment",
    "score": "sentiment",
    "label7": "sentiment7",
    **dict.fromkeys(EMOTIONS, ""),
}
SPLIT = ("split", "type", "fold", "mode")


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of a video that has labels."""

    video: str
    start: float
    """Seconds, as the labels say: it may be negative."""
    end: float
    labels: dict[str, float] = field(hash=False)
    split: str | None = None
    number: int | None = None
    """How a table numbers it; it means a segment only within that table."""


def read_segments(path: Path) -> list[Segment]:
    """The labelled segments of a file; raises CorpusError that lists every fault."""
    if path.suffix.lower() == ".csd":
        return _from_sequence(path)
    rows = _rows(path)
    form = _form(rows[0]) if rows else None
    if form == "headless":
        return _listed(path, [_headless(row) for row in rows])
    if form == "table":
        columns = [cell.strip().lower() for cell in rows[0]]
        return _listed(path, [_tabled(columns, row) for row in rows[1:]], first=2)
    raise CorpusError(
        f"{path}: expected columns for video, start, end and sentiment, found "
        f"{', '.join(rows[0]) if rows else 'nothing'}; known tables are those of s3prl, "
        "segments.csv and OpinionLevelSentiment.csv"
    )


def is_label_table(path: Path) -> bool:
    """Whether a CSV file has segments with times and labels."""
    rows = _rows(path, most=1)
    return bool(rows) and _form(rows[0]) is not None


def is_score_table(path: Path) -> bool:
    """Whether a CSV file has scores by `<video>_<index>` and no times."""
    rows = _rows(path, most=1)
    return bool(rows) and [cell.strip().lower() for cell in rows[0]] == [
        "filename",
        "sentiment_score",
    ]


def read_scores(paths: Iterable[Path]) -> dict[str, list[float]]:
    """Video → its scores, in no order that means anything, from tables without times."""
    scores: dict[str, list[float]] = defaultdict(list)
    faults = []
    for path in paths:
        for line, row in enumerate(_rows(path)[1:], start=2):
            video, mark, _ = row[0].rpartition("_") if row else ("", "", "")
            score = _number(row[1]) if len(row) == 2 else None
            if not mark or score is None:
                faults.append(f"{path}: line {line}: expected <video>_<index>,<score>, found {row}")
            else:
                scores[video].append(_shortest(score))
    if faults:
        raise CorpusError("\n  ".join([f"{len(faults)} faults in the scores", *faults]))
    return scores


def settled_scores(
    segments: Sequence[Segment], scores: Mapping[str, Sequence[float]]
) -> list[Segment]:
    """The segments with the scores that are beyond doubt, where a video's in a bin are equal.

    The index of a table of scores is not that of any table of segments (in 2,188 of 3,225 videos
    the order differs), but the scores of a video are the same in both; so a segment whose bin of
    seven (sentiment7) holds one score in its video has that one. The others get none. Raises
    CorpusError for every video whose scores and bins cannot be those of the same segments.
    """
    by_video: dict[str, list[int]] = defaultdict(list)
    for i, segment in enumerate(segments):
        by_video[segment.video].append(i)
    settled = list(segments)
    faults = []
    for video, rows in by_video.items():
        if video not in scores:
            continue
        known: dict[float, list[float]] = defaultdict(list)
        for score in scores[video]:
            known[float(seven_bin(score))].append(score)
        bins = sorted(segments[i].labels.get("sentiment7", math.nan) for i in rows)
        if bins != sorted(bin7 for bin7, found in known.items() for _ in found):
            faults.append(f"video '{video}': {len(scores[video])} scores, bins of {len(rows)} rows")
            continue
        for i in rows:
            found = known[segments[i].labels["sentiment7"]]
            if len(set(found)) == 1:
                labels = {**segments[i].labels, "sentiment": found[0]}
                settled[i] = Segment(
                    video, segments[i].start, segments[i].end, labels, segments[i].split
                )
    if faults:
        raise CorpusError("\n  ".join(["scores and segments are not of the same corpus:", *faults]))
    return settled


def seven_bin(score: float) -> int:
    """The SDK's seven classes of MOSEI: whole numbers belong to the bin on their outer side.

    a < -2 is -3, [-2, -1) is -2, [-1, 0) is -1, 0 is 0, (0, 1] is 1, (1, 2] is 2, a > 2 is 3.
    """
    return int(math.copysign(min(math.ceil(abs(score)), 3), score)) if score else 0


def _from_sequence(path: Path) -> list[Segment]:
    segments = []
    faults = []
    stated = dimension_names(path)
    for stretches in read_sequence(path):
        width = stretches.features.shape[1]
        names = tuple(name.lower() for name in stated or ()) or DIMENSIONS.get(width, ())
        if stretches.features.dtype.kind not in "fiu" or len(names) != width:
            faults.append(
                f"{stretches.video}: expected {' or '.join(map(str, DIMENSIONS))} columns of "
                f"numbers, found {width} of {stretches.features.dtype}"
            )
            continue
        for row, (start, end) in zip(stretches.features, stretches.intervals, strict=True):
            labels = {name: _shortest(value) for name, value in zip(names, row, strict=True)}
            segments.append(Segment(stretches.video, float(start), float(end), labels))
    return _checked(path, segments, faults)


def _listed(path: Path, found: Sequence[Segment | str], first: int = 1) -> list[Segment]:
    segments = [segment for segment in found if isinstance(segment, Segment)]
    faults = [
        f"line {line}: {fault}"
        for line, fault in enumerate(found, start=first)
        if isinstance(fault, str)
    ]
    return _checked(path, segments, faults)


def _checked(path: Path, segments: list[Segment], faults: list[str]) -> list[Segment]:
    seen: set[tuple[str, float, float]] = set()
    for segment in segments:
        key = segment.video, segment.start, segment.end
        if key in seen:
            faults.append(f"video '{key[0]}' from {key[1]:g} to {key[2]:g} s stands there twice")
        if any(not math.isfinite(value) for value in segment.labels.values()):
            faults.append(f"video '{key[0]}' from {key[1]:g} s: a label is not a finite number")
        if segment.end < segment.start:
            faults.append(f"video '{key[0]}' ends at {key[2]:g} s, before it starts at {key[1]:g}")
        seen.add(key)
    if not segments and not faults:
        faults.append("no segments")
    if faults:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise CorpusError("\n  ".join([f"{path}: {count}", *faults]))
    return segments


def _rows(path: Path, most: int | None = None) -> list[list[str]]:
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            rows = []
            for row in csv.reader(file):
                if any(cell.strip() for cell in row):
                    rows.append(row)
                if len(rows) == most:
                    break
            return rows
    except (OSError, csv.Error) as error:
        raise CorpusError(f"{path}: expected a table (CSV), cannot read it ({error})") from error


def _form(row: Sequence[str]) -> str | None:
    columns = {cell.strip().lower() for cell in row}
    if columns & set(VIDEO) and {"start", "end"} <= columns and columns & set(LABELS):
        return "table"
    numbers = [_number(cell) is not None for cell in row]
    return "headless" if numbers == [True, True, False, True, True] else None


def _headless(row: Sequence[str]) -> Segment | str:
    numbers = [_number(row[i]) for i in (0, 1, 4)] if len(row) == 5 else []
    start, end, score = numbers if len(numbers) == 3 else (None, None, None)
    if start is None or end is None or score is None or not row[3].strip().isdigit():
        return f"expected start,end,video,number,score, found {','.join(row)}"
    labels = {"sentiment": _shortest(score)}
    return Segment(row[2].strip(), start, end, labels, None, int(row[3]))


def _tabled(columns: Sequence[str], row: Sequence[str]) -> Segment | str:
    if len(row) != len(columns):
        return f"expected {len(columns)} cells, found {len(row)}"
    cells = {column: cell.strip() for column, cell in zip(columns, row, strict=True)}
    video = next(cells[column] for column in VIDEO if column in cells)
    number = None
    if "filename" in cells:
        video, _, last = video.rpartition("_")
        if not last.isdigit():
            return f"filename: expected <video>_<number>, found '{cells['filename']}'"
        number = int(last)
    start, end = _number(cells["start"]), _number(cells["end"])
    if not video or start is None or end is None:
        return f"expected a video, start and end in seconds, found {','.join(row)}"
    labels = {}
    if "score" in cells:
        cells.pop("sentiment", None)
    for column, name in LABELS.items():
        if cells.get(column):
            score = _number(cells[column])
            if score is None:
                return f"{column}: expected a number, found '{cells[column]}'"
            labels[name or column] = _shortest(score)
    split = next((cells[column].lower() for column in SPLIT if cells.get(column)), None)
    if split is not None:
        split = SPLITS.get(split, split)
    if split not in (None, *SPLITS.values()):
        return f"split: expected train, valid, test or 0 to 3, found '{split}'"
    return Segment(video, start, end, labels, split, number)


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _shortest(value: float) -> float:
    """A number that went through 32 bits in its fewest digits: 2.4, not 2.4000000953674316."""
    short = np.float32(value)
    return float(str(short)) if float(short) == float(value) else float(value)
