"""Where recordings come from: files, folders, patterns, manifests, lines of standard input."""

import glob
import json
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from crosstone.data.corpora.rows import Row, read_rows
from crosstone.data.corpora.table import OTHER_NAMES
from crosstone.errors import CrosstoneError
from crosstone.inference.recording import Recording, Refusal
from crosstone.inference.transcripts import TEXT_SUFFIXES, transcript_beside

READ = (".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64")
DECODED = (".m4a", ".mp4", ".aac", ".wma", ".webm", ".mkv", ".mka", ".mov", ".amr", ".3gp", ".avi")
"""What ffmpeg opens, where it is installed."""
MANIFESTS = (".csv", ".tsv", ".jsonl", ".ndjson")
COLUMNS = ("audio", "text", "id", "start", "end", "text_source")
STANDARD_INPUT = "-"


def find_recordings(
    inputs: Iterable[str], *, standard_input: TextIO | None = None
) -> Iterator[Recording | Refusal]:
    """The recordings that inputs name, in their order and each once; none is opened.

    An input is a recording, a folder (whole, in the order of names), a pattern (** for folders),
    a manifest (CSV or JSONL: audio, text, id, start, end, text_source), or "-": a path or a JSON
    object of the same fields on each line of standard_input. What names no recording is refused.
    """
    ids: set[str] = set()
    for asked in _each(inputs, standard_input):
        if isinstance(asked, Refusal):
            yield asked
        elif asked.id not in ids:
            ids.add(asked.id)
            yield asked
        elif asked.text is not None or asked.start is not None or str(asked.audio) != asked.id:
            yield Refusal(
                asked.id, f"{asked.id}: found again; give each row its own in a column 'id'"
            )


def with_transcripts(recordings: Iterable[Recording | Refusal]) -> Iterator[Recording | Refusal]:
    """The same, each recording without words with those of the transcript beside it, if any."""
    for asked in recordings:
        if isinstance(asked, Refusal) or asked.text is not None or not _is_file(asked):
            yield asked
            continue
        assert isinstance(asked.audio, Path)
        try:
            text = transcript_beside(asked.audio, start=asked.start, end=asked.end)
        except CrosstoneError as error:
            yield Refusal(asked.id, str(error))
            continue
        yield asked if text is None else replace(asked, text=text, text_source="sidecar")


def _is_file(recording: Recording) -> bool:
    return isinstance(recording.audio, Path)


def _each(inputs: Iterable[str], standard_input: TextIO | None) -> Iterator[Recording | Refusal]:
    for name in inputs:
        path = Path(name)
        if name == STANDARD_INPUT:
            yield from _lines(standard_input or ())
        elif path.is_dir():
            yield from _found(name, _walk(path))
        elif path.suffix.lower() in MANIFESTS:
            yield from _manifest(path)
        elif glob.has_magic(name) and not path.exists():
            yield from _found(name, _matches(name))
        elif path.suffix.lower() in TEXT_SUFFIXES:
            yield Refusal(
                name,
                f"{name}: expected a recording, found a transcript; name its recording, beside "
                "which it is read",
            )
        else:
            yield Recording(id=str(path), audio=path)


def _found(name: str, paths: Iterator[Path]) -> Iterator[Recording | Refusal]:
    first = next(paths, None)
    if first is None:
        yield Refusal(
            name, f"{name}: expected recordings ({', '.join((*READ, *DECODED))}), found none"
        )
        return
    yield Recording(id=str(first), audio=first)
    for path in paths:
        yield Recording(id=str(path), audio=path)


def _walk(folder: Path) -> Iterator[Path]:
    for here, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if _sounds(name):
                yield Path(here) / name


def _matches(pattern: str) -> Iterator[Path]:
    # Path.glob takes no absolute pattern
    for name in sorted(glob.glob(pattern, recursive=True)):  # noqa: PTH207
        if _sounds(Path(name).name) and Path(name).is_file():
            yield Path(name)


def _sounds(name: str) -> bool:
    return not name.startswith(".") and Path(name).suffix.lower() in (*READ, *DECODED)


def _manifest(path: Path) -> Iterator[Recording | Refusal]:
    try:
        columns, rows, faults = read_rows(path, known=COLUMNS)
    except CrosstoneError as error:
        yield Refusal(str(path), str(error))
        return
    if not {"audio", "text"} & set(columns) and rows:
        alike = [column for column in columns if OTHER_NAMES.get(column.lower()) == "audio"]
        hint = f", but '{alike[0]}' looks like audio; rename it" if alike else ""
        yield Refusal(
            str(path),
            f"{path}: expected a column 'audio' or 'text', found {', '.join(columns)}{hint}",
        )
        return
    for fault in faults:
        yield Refusal(str(path), f"{path}: {fault}")
    uses: dict[str, int] = {}
    for row in rows:
        audio = row.text("audio") or ""
        uses[audio] = uses.get(audio, 0) + 1
    for row in rows:
        is_cut = uses[row.text("audio") or ""] > 1
        yield _of_row(row, path.parent, f"{path}: line {row.line}", is_cut)


def _of_row(row: Row, folder: Path, where: str, is_cut: bool) -> Recording | Refusal:
    """The recording of a row; one of several of a file is called by its start too."""
    audio, text = row.text("audio"), row.text("text")
    start, end = _seconds(row.cells, "start"), _seconds(row.cells, "end")
    identity = row.text("id") or (audio or f"row-{row.line}")
    if row.text("id") is None and is_cut and audio is not None:
        identity = f"{audio}@{start or 0:g}"
    if audio is None and text is None:
        return Refusal(identity, f"{where}: neither audio nor text; fill one or delete the row")
    if start is math.nan or end is math.nan or (end is not None and end <= (start or 0.0)):
        found = f"start {row.text('start')} and end {row.text('end')}"
        return Refusal(
            identity, f"{where}: expected seconds with 0 <= start < end, found {found}; correct it"
        )
    return Recording(
        id=identity.strip(),
        audio=None if audio is None else folder / audio,
        start=start,
        end=end,
        text=text,
        text_source=None if text is None else row.text("text_source") or "column",
    )


def _seconds(cells: Mapping[str, str | float], name: str) -> float | None:
    """None where absent, NaN where it is no time."""
    if name not in cells:
        return None
    try:
        value = float(cells[name])
    except (ValueError, OverflowError):
        return math.nan
    return value if math.isfinite(value) and value >= 0 else math.nan


def _lines(lines: Iterable[str]) -> Iterator[Recording | Refusal]:
    for number, line in enumerate(lines, 1):
        said = line.strip()
        if not said:
            continue
        where = f"standard input: line {number}"
        if not said.startswith("{"):
            yield Recording(id=said, audio=Path(said))
            continue
        try:
            record = json.loads(said)
        except (ValueError, RecursionError) as error:
            yield Refusal(where, f"{where}: not one JSON object ({error})")
            continue
        if unknown := sorted(set(record) - set(COLUMNS)):
            yield Refusal(
                where,
                f"{where}: expected the keys {', '.join(COLUMNS)}, found {', '.join(unknown)}",
            )
            continue
        cells = {key: value for key, value in record.items() if value not in (None, "")}
        if wrong := [k for k, v in cells.items() if not isinstance(v, str | int | float)]:
            yield Refusal(where, f"{where}: {', '.join(wrong)}: expected a string or a number")
            continue
        yield _of_row(Row(number, cells), Path(), where, cells.get("start") is not None)
