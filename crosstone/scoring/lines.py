"""Files of JSON lines, read whole: every fault is kept with its line and told at once."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from crosstone.errors import CorpusError

_SHOWN_PER_KIND = 20


class LineFaults:
    """A sentence for every fault of a file, by kind."""

    def __init__(self) -> None:
        self.by_kind: dict[str, list[str]] = {}
        self.lines = 0

    def __len__(self) -> int:
        return sum(map(len, self.by_kind.values()))

    def add(self, kind: str, number: int, sentence: str) -> None:
        """One fault of the line with this number; each kind is told up to 20 times."""
        self.by_kind.setdefault(kind, []).append(f"line {number}: {sentence}")

    def check_types(
        self,
        number: int,
        row: Mapping[str, Any],
        *,
        strings: Sequence[str],
        integers: Sequence[str],
        optional: Sequence[str],
    ) -> None:
        """A fault for each of these keys that holds another type; optional ones hold a string or
        null, or are absent."""
        for key in strings:
            if not isinstance(row[key], str) or not row[key]:
                self.add("keys", number, f"{key}: expected a string, found {row[key]!r}")
        for key in integers:
            if not isinstance(row[key], int) or isinstance(row[key], bool):
                self.add("keys", number, f"{key}: expected an integer, found {row[key]!r}")
        for key in optional:
            if not isinstance(row.get(key), str | None):
                self.add("keys", number, f"{key}: expected a string or null, found {row[key]!r}")

    def raise_any(self, path: Path, remedy: str) -> None:
        """Raises CorpusError that lists the faults, if there are any."""
        if not len(self):
            return
        total = len(self)
        said = [
            f"{path}: {total} fault{'s' if total > 1 else ''} in {self.lines} lines, nothing was "
            "scored"
        ]
        for sentences in self.by_kind.values():
            said += [f"  {sentence}" for sentence in sentences[:_SHOWN_PER_KIND]]
            if len(sentences) > _SHOWN_PER_KIND:
                said.append(f"  and {len(sentences) - _SHOWN_PER_KIND} more of this kind")
        raise CorpusError("\n".join([*said, f"  {remedy}"]))


def read_objects(raw: bytes, faults: LineFaults) -> Iterator[tuple[int, dict[str, Any]]]:
    """The number and the JSON object of each line that is not blank; others become faults."""
    for number, line in enumerate(raw.split(b"\n"), 1):
        if not line.strip():
            continue
        faults.lines += 1
        try:
            row = json.loads(line)
        except ValueError as error:
            faults.add("not JSON", number, f"expected one JSON object, found {error}")
            continue
        if isinstance(row, dict):
            yield number, row
        else:
            faults.add(
                "not JSON", number, f"expected one JSON object, found a {type(row).__name__}"
            )


def is_number(value: object) -> bool:
    """True for a finite number; a truth value is none."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def missing_split(path: Path, split: str, rows: list[Mapping[str, Any]]) -> CorpusError:
    """The error of a file that holds no line of the asked split."""
    splits = sorted({str(row["split"]) for row in rows})
    found = f"splits {', '.join(map(repr, splits))}" if splits else "an empty file"
    return CorpusError(
        f"{path}: expected lines with split {split!r}, found {found}; score the split that was "
        "predicted, or evaluate again"
    )
