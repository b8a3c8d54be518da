"""The rows of a CSV or JSONL file, with the lines they stand on and every fault of its form."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crosstone.errors import CorpusError

DELIMITERS = (",", "\t", ";", "|")
JSONL_SUFFIXES = (".jsonl", ".ndjson", ".json")


@dataclass(slots=True)
class Row:
    """One row: its cells that are not empty, by column, and the line it begins on."""

    line: int
    cells: dict[str, str | float]

    def text(self, column: str) -> str | None:
        """The cell as a string, None where absent."""
        cell = self.cells.get(column)
        return None if cell is None else str(cell)


def read_rows(path: Path, *, known: Sequence[str]) -> tuple[list[str], list[Row], list[str]]:
    """Columns, rows and faults of a table; a column in `known` is recognised in any case.

    Raises CorpusError where there is no table of text at path.
    """
    text = _read_text(path)
    if not text.strip():
        raise CorpusError(f"{path}: the table is empty; expected a line of column names and rows")
    if path.suffix.lower() in JSONL_SUFFIXES or text.lstrip().startswith("{"):
        columns, rows, faults = _read_jsonl(text, known)
    else:
        columns, rows, faults = _read_csv(text, known)
    if not rows and not faults:
        faults.append(f"no rows under the columns {', '.join(columns)}")
    return columns, rows, faults


def _read_text(path: Path) -> str:
    expected = "expected a table as a CSV or JSONL file"
    try:
        content = path.read_bytes()
    except IsADirectoryError:
        raise CorpusError(f"{path}: {expected}, found a folder; name the file in it") from None
    except OSError as error:
        raise CorpusError(f"{path}: {expected}, cannot read it ({error.strerror})") from error
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CorpusError(
            f"{path}: {expected} in UTF-8, found other bytes in line {line}; save it as "
            "'CSV UTF-8' (a workbook must be exported first)"
        ) from error


def _read_csv(text: str, known: Sequence[str]) -> tuple[list[str], list[Row], list[str]]:
    delimiter = _delimiter(text, known)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    columns: list[str] = []
    rows: list[Row] = []
    faults: list[str] = []
    line = 1
    try:
        for cells in reader:
            begin, line = line, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if not columns:
                columns = [_column(cell, known) for cell in cells]
                faults += _column_faults(columns)
                continue
            if len(cells) == len(columns):
                given = zip(columns, cells, strict=True)
                rows.append(Row(begin, {column: cell for column, cell in given if cell.strip()}))
            else:
                faults.append(
                    f"line {begin}: expected {len(columns)} cells, found {len(cells)}; put quotes "
                    f"around a text that holds '{delimiter}' or a line break"
                )
    except csv.Error as error:
        faults.append(
            f"line {line}: not CSV ({error}); double each quote inside a quoted text, and end it"
        )
    return columns, rows, faults


def _delimiter(text: str, known: Sequence[str]) -> str:
    """The delimiter under which the first line names most known columns, then most columns."""
    first = text.lstrip().splitlines()[0]

    def score(delimiter: str) -> tuple[int, int]:
        cells = [_column(cell, known) for cell in next(csv.reader([first], delimiter=delimiter))]
        return sum(cell in known for cell in cells), len(cells)

    return max(DELIMITERS, key=score)


def _read_jsonl(text: str, known: Sequence[str]) -> tuple[list[str], list[Row], list[str]]:
    columns: dict[str, None] = {}
    rows: list[Row] = []
    faults: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            faults.append(f"line {number}: not one JSON object ({error})")
            continue
        if not isinstance(record, dict):
            faults.append(f"line {number}: expected a JSON object, found {type(record).__name__}")
            continue
        cells: dict[str, str | float] = {}
        for key, value in record.items():
            column = _column(key, known)
            columns[column] = None
            if value is None or (isinstance(value, str) and not value.strip()):
                continue
            if isinstance(value, bool) or not isinstance(value, (str, int, float)):
                faults.append(
                    f"line {number}: {column}: expected a string or a number, found "
                    f"{json.dumps(value)[:60]}"
                )
                continue
            cells[column] = value
        rows.append(Row(number, cells))
    return list(columns), rows, faults


def _column(name: str, known: Sequence[str]) -> str:
    stripped = name.strip()
    return stripped.lower() if stripped.lower() in known else stripped


def _column_faults(columns: Sequence[str]) -> list[str]:
    twice = sorted({column for column in columns if column and columns.count(column) > 1})
    faults = [f"column '{column}' stands there twice; rename one" for column in twice]
    if "" in columns:
        faults.append(f"column {list(columns).index('') + 1} has no name; name or delete it")
    return faults
