"""A table of one's own: CSV (comma, semicolon, tab or bar) or JSONL with one utterance per row.

Columns: `audio` (a path relative to the table's folder, or absolute) and `text`, at least one of
them; optional `id`, `start` and `end` (seconds), `speaker`, `session` (what no fold may split),
`split`; every other column is a label. Column names may be in any case; a UTF-8 byte-order mark is
welcome; an empty cell is an absent value.

Paper, licence and how to obtain it: yours.
"""

import difflib
import math
from collections import Counter, defaultdict
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path

from crosstone.data.audio import measure_durations
from crosstone.data.corpora.rows import Row, read_rows
from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.errors import CorpusError

KNOWN = ("audio", "text", "id", "start", "end", "speaker", "session", "split")
OTHER_NAMES = {
    "path": "audio",
    "file": "audio",
    "filename": "audio",
    "file_name": "audio",
    "wav": "audio",
    "transcript": "text",
    "transcription": "text",
    "sentence": "text",
    "group": "session",
    "dialogue": "session",
}
"""What other tables call a known column: never taken for it in silence, always asked about."""
MOSTLY = 0.5
"""A label column with this share of numbers or more is meant to be numbers."""


def prepare(
    root: Path,
    out: Path,
    *,
    labels: Sequence[str] | str | None = None,
    label_values: Mapping[str, Sequence[str]] | None = None,
    classes: Sequence[str] | str = (),
    name: str | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Corpus:
    """Write the corpus of the table at root to out; raises CorpusError that lists every fault.

    labels: the label columns, in a list or with commas between; by default every column that has
    no other meaning. label_values: the labels that a column may hold. classes: label columns whose
    numbers are names; the other columns of numbers become floats. name: by default the file's.
    """
    root = Path(root)
    columns, rows, faults = read_rows(root, known=KNOWN)
    allowed = dict(label_values or {})
    named = _listed(labels)
    as_names = dict.fromkeys([*_listed(classes), *allowed])
    names = _label_columns(columns, named, [*named, *as_names], faults)
    _type_labels(rows, names, as_names, faults)
    starts = _seconds(rows, "start", faults)
    ends = _seconds(rows, "end", faults)
    if {"audio", "text"} & set(columns):
        _check_content(rows, faults)
    _check_rows(rows, starts, ends, allowed, faults)
    ids = _ids(rows, starts, faults)
    if faults:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise CorpusError("\n  ".join([f"{root}: {count}", *faults]))
    audio = [_audio(row, root.parent) for row in rows]
    durations = _durations(root, audio, starts, ends, workers, progress)
    utterances = (
        Utterance(
            id=identity,
            audio=path,
            start=start,
            end=end,
            duration=duration,
            text=row.text("text"),
            text_source=None if row.text("text") is None else "gold",
            speaker=_name(row, "speaker"),
            group=_name(row, "session"),
            split=_name(row, "split"),
            labels={label: row.cells[label] for label in names if label in row.cells},
        )
        for row, identity, path, start, end, duration in zip(
            rows, ids, audio, starts, ends, durations, strict=True
        )
    )
    return Corpus.write(
        out,
        name=name or root.stem,
        root=root.parent,
        source=Source(),
        utterances=utterances,
        extras={"table": root.name, "labels": names},
    )


def _listed(names: Sequence[str] | str | None) -> list[str]:
    if names is None:
        return []
    parts = names.split(",") if isinstance(names, str) else names
    return [part.strip() for part in parts if part.strip()]


def _name(row: Row, column: str) -> str | None:
    """A cell that names something, without the blanks around it."""
    cell = row.text(column)
    return None if cell is None else cell.strip()


def _label_columns(
    columns: Sequence[str],
    named: Sequence[str],
    wanted: Sequence[str],
    faults: list[str],
) -> list[str]:
    """The label columns; one that is wanted and missing, or looks like a known one, is a fault."""
    here = f"columns here: {', '.join(columns) or 'none'}"
    others = [column for column in columns if column not in KNOWN]
    for column in others:
        near = difflib.get_close_matches(column.lower(), KNOWN, n=1, cutoff=0.8)
        meant = OTHER_NAMES.get(column.lower(), near[0] if near else None)
        if meant is not None and meant not in columns and column not in named:
            faults.append(
                f"no column '{meant}', but '{column}' looks like it; rename it to '{meant}', or "
                "name the label columns with the option labels"
            )
    if not {"audio", "text"} & set(columns) and not faults:
        faults.append(f"expected a column 'audio' or 'text', found neither; {here}")
    for column in dict.fromkeys(wanted):
        if column not in columns:
            close = difflib.get_close_matches(column, others, n=3)
            hint = f"nearest: {', '.join(close)}" if close else here
            faults.append(f"no label column '{column}'; {hint}")
    return list(dict.fromkeys(named or others))


def _type_labels(
    rows: Sequence[Row], names: Sequence[str], as_names: Container[str], faults: list[str]
) -> None:
    """Make each label column one of floats or one of strings, in place."""
    for name in names:
        given = [row for row in rows if name in row.cells]
        numbers = [_number(row.cells[name]) for row in given]
        num_numbers = sum(number is not None for number in numbers)
        if name in as_names or num_numbers == 0 or num_numbers < MOSTLY * len(given):
            for row in given:
                row.cells[name] = str(row.cells[name]).strip()
            continue
        for row, number in zip(given, numbers, strict=True):
            if number is None:
                faults.append(
                    f"line {row.line}: {name}: expected a number, as in {num_numbers} other rows, "
                    f"found '{row.cells[name]}'; leave the cell empty where it is unknown, or name "
                    "the column with the option classes"
                )
            else:
                row.cells[name] = number


def _number(cell: str | float) -> float | None:
    try:
        number = float(cell)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _seconds(rows: Sequence[Row], name: str, faults: list[str]) -> list[float | None]:
    values: list[float | None] = []
    for row in rows:
        cell = row.cells.get(name)
        value = None if cell is None else _number(cell)
        if cell is not None and (value is None or value < 0):
            faults.append(
                f"line {row.line}: {name}: expected seconds as a number from 0, like 12.5, found "
                f"'{cell}'"
            )
        values.append(value)
    return values


def _check_content(rows: Sequence[Row], faults: list[str]) -> None:
    faults += [
        f"line {row.line}: neither audio nor text; fill one or delete the row"
        for row in rows
        if row.text("audio") is None and row.text("text") is None
    ]


def _check_rows(
    rows: Sequence[Row],
    starts: Sequence[float | None],
    ends: Sequence[float | None],
    allowed: Mapping[str, Sequence[str]],
    faults: list[str],
) -> None:
    for row, start, end in zip(rows, starts, ends, strict=True):
        if end is not None and end <= (start or 0.0):
            faults.append(
                f"line {row.line}: expected start < end, found start {start or 0.0:g} and end "
                f"{end:g}"
            )
        for name, values in allowed.items():
            value = row.text(name)
            if value is not None and value not in values:
                near = difflib.get_close_matches(value, values, n=1)
                hint = f"; did you mean '{near[0]}'?" if near else ""
                faults.append(
                    f"line {row.line}: {name}: expected one of {', '.join(values)}, found "
                    f"'{value}'{hint}"
                )


def _ids(rows: Sequence[Row], starts: Sequence[float | None], faults: list[str]) -> list[str]:
    """The ids given, or the audio's stem, with as much of path and start as tells them apart."""
    paths_of: dict[str, set[str]] = defaultdict(set)
    uses: Counter[str] = Counter()
    for row in rows:
        path = row.text("audio")
        if path is not None:
            paths_of[Path(path).stem].add(path)
            uses[path] += 1
    ids = []
    lines: dict[str, list[int]] = defaultdict(list)
    for number, (row, start) in enumerate(zip(rows, starts, strict=True), start=1):
        path, identity = row.text("audio"), _name(row, "id")
        if identity is None and path is not None:
            stem = Path(path).stem
            identity = stem if len(paths_of[stem]) == 1 else path
            if uses[path] > 1:
                identity += f"@{start or 0.0:g}"
        identity = identity or f"row-{number}"
        ids.append(identity)
        lines[identity].append(row.line)
    for identity, places in lines.items():
        if len(places) > 1:
            faults.append(
                f"lines {', '.join(map(str, places))}: {len(places)} rows have the id "
                f"'{identity}'; give each its own in a column 'id'"
            )
    return ids


def _audio(row: Row, folder: Path) -> str | None:
    path = row.text("audio")
    if path is None:
        return None
    if "\\" in path and not (folder / path).exists():
        path = path.replace("\\", "/")  # written on Windows, read elsewhere
    absolute = Path(path)
    if absolute.is_absolute() and absolute.is_relative_to(folder.absolute()):
        return absolute.relative_to(folder.absolute()).as_posix()
    return absolute.as_posix()


def _durations(
    table: Path,
    audio: Sequence[str | None],
    starts: Sequence[float | None],
    ends: Sequence[float | None],
    workers: int | None,
    progress: Callable[[int, int], None] | None,
) -> list[float | None]:
    """Seconds of each row's stretch, None where there is no recording to measure."""
    paths = [table.parent / path for path in dict.fromkeys(audio) if path is not None]
    if paths and not any(path.exists() for path in paths):
        raise CorpusError(
            f"{table}: none of its {len(paths)} audio files exists; the first was looked for at "
            f"{paths[0]}; paths must be absolute or relative to the table's folder"
        )
    measured = dict(
        zip(paths, measure_durations(paths, workers=workers, progress=progress), strict=True)
    )
    durations: list[float | None] = []
    for path, start, end in zip(audio, starts, ends, strict=True):
        whole = None if path is None else measured[table.parent / path]
        begin = start or 0.0
        last = whole if whole is None or end is None else min(end, whole)
        durations.append(None if last is None or last <= begin else last - begin)
    return durations
