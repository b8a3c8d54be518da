"""Predictions of any toolkit, read into columns: CSV or JSON lines under whatever names."""

import csv
import hashlib
import io
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crosstone.errors import ConfigError, CorpusError
from crosstone.protocols import ProtocolSpec
from crosstone.scoring.lines import LineFaults, read_objects
from crosstone.scoring.predictions import PROBABILITY_TOLERANCE

KEYS = ("id", "prediction", "target", "fold", "seed", "speaker", "group", "split")
TRIAL_KEYS = (
    *("enrol", "test", "score", "target", "fold", "seed", "split"),
    *("enrol_speaker", "test_speaker"),
)
"""The columns that are understood, apart from one probability per class."""

SCORED = ("test", "selected on test")
"""What a `split` column may call the lines that are scored; others are left aside."""

_AGAIN = "mend the file, or name its columns with --map, and audit again"
_TRUTHS = {"1": True, "true": True, "target": True, "0": False, "false": False, "nontarget": False}


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One prediction of a file."""

    number: int
    id: str
    """Of a trial both utterances, with a blank between them."""
    fold: str | None
    seed: int
    target: str | float | bool | None
    """A label after merging, a value, or whether both sides of a trial are one speaker."""
    label: str | None = None
    probabilities: Mapping[str, float] | None = None
    """By class after merging."""
    value: float = math.nan
    """A predicted value, or the score of a trial."""
    speaker: str | None = None
    """Of a trial, that of the first side."""
    other_speaker: str | None = None
    """Of the second side of a trial."""
    group: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Submission:
    """The scored lines of a file, and which columns they had."""

    path: Path
    lines: tuple[Line, ...]
    columns: frozenset[str]
    """Those of `KEYS` or `TRIAL_KEYS` that the file has."""
    scored: str | None
    """What the column split calls the scored lines; None where there is no such column."""
    set_aside: Mapping[str, int]
    """Lines of other splits, by split."""
    heads: bool
    """True if probabilities are those of one two-way head per class."""
    sha256: str


def read_submission(
    path: Path,
    spec: ProtocolSpec,
    *,
    names: Mapping[str, str] | None = None,
    heads: bool = False,
) -> Submission:
    """The predictions of a CSV, TSV or JSONL file in the terms of a protocol.

    names: our name of a column, or a class, → the file's. heads: probabilities are those of one
    two-way head per class and need not sum to 1; where lines have a key `heads` beside
    `probabilities`, as our own, it holds them. Labels are merged as the protocol says, and so are
    probabilities. Raises ConfigError for a column that is not there, CorpusError that lists every
    fault of the file with its line number.
    """
    if not path.is_file():
        raise CorpusError(f"{path}: expected a file of predictions, found none")
    raw = path.read_bytes()
    faults = LineFaults()
    rows = list(read_objects(raw, faults) if _is_json(path) else _table(path, raw, faults))
    header = {key for _, row in rows for key in row}
    reader = _Reader(spec, header, _resolved(path, spec, header, names or {}), heads, faults)
    lines, aside, scored = [], dict[str, int](), dict[str, int]()
    for number, row in rows:
        split = reader.split(number, row)
        if split is not None and split not in SCORED:
            aside[split] = aside.get(split, 0) + 1
            continue
        if split is not None:
            scored[split] = scored.get(split, 0) + 1
        if (line := reader.take(number, row)) is not None:
            lines.append(line)
    faults.raise_any(path, _AGAIN)
    if len(scored) > 1:
        found = " and ".join(f"{number:,} of split '{name}'" for name, number in scored.items())
        raise CorpusError(
            f"{path}: expected lines of one split to score, found {found}, which are two results; "
            "keep one of them and audit again"
        )
    if not lines:
        found = f"only the splits {', '.join(aside)}" if aside else "none"
        raise CorpusError(f"{path}: expected lines to score, found {found}; {_AGAIN}")
    return Submission(
        path=path,
        lines=tuple(lines),
        columns=frozenset(reader.columns),
        scored=next(iter(scored), None),
        set_aside=aside,
        heads=heads,
        sha256=hashlib.sha256(raw).hexdigest(),
    )


def _is_json(path: Path) -> bool:
    return path.suffix.lower() in (".jsonl", ".json", ".ndjson")


def _table(path: Path, raw: bytes, faults: LineFaults) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a table with a header, empty cells as None; comma, semicolon or tab."""
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path}: expected UTF-8, found {error}; save it as UTF-8") from error
    first = text.split("\n", 1)[0]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=first.count))
    header = [name.strip() for name in next(reader, [])]
    twice = sorted({name for name in header if header.count(name) > 1})
    if twice:
        raise CorpusError(f"{path}: expected each column once, found {', '.join(twice)} again")
    for cells in reader:
        if not any(cell.strip() for cell in cells):
            continue
        faults.lines += 1
        if len(cells) != len(header):
            said = f"expected {len(header)} cells, found {len(cells)}"
            faults.add("cells", reader.line_num, said)
            continue
        yield reader.line_num, dict(zip(header, (c.strip() or None for c in cells), strict=True))


def _resolved(
    path: Path, spec: ProtocolSpec, header: Iterable[str], names: Mapping[str, str]
) -> dict[str, str]:
    """Our name → the file's, for every column that is there; raises ConfigError for others."""
    there = set(header)
    known = TRIAL_KEYS if spec.task == "verification" else KEYS
    classes = (*spec.labels, *spec.label_map)
    faults = [
        f"--map {key}=…: expected one of {', '.join((*known, *classes))}"
        for key in names
        if key not in known and key not in classes
    ]
    faults += [
        f"--map {key}={column}: {path} has no such column"
        for key, column in names.items()
        if column not in there
    ]
    found = {key: key for key in (*known, *classes) if key in there} | dict(names)
    if "prediction" in known and "prediction" not in found and "value" in there:
        found["prediction"] = "value"  # as our own predictions.jsonl calls it
    needed = {"verification": ("enrol", "test", "score"), "regression": ("id", "prediction")}
    missing = [key for key in needed.get(spec.task, ("id",)) if key not in found]
    outputs = ("prediction", "probabilities", *classes)
    if spec.task == "classification" and not any(k in found or k in there for k in outputs):
        missing.append(f"prediction, or a probability for each of {', '.join(spec.labels)}")
    if missing:
        faults.append(f"no column {' and no column '.join(missing)}")
    if faults:
        raise ConfigError(
            f"{path}: {'; '.join(faults)}; its columns are {', '.join(sorted(there)) or 'none'} "
            "(name others with --map, as in --map id=utterance)"
        )
    return found


class _Reader:
    """Takes rows one by one, keeping good lines and a sentence for every fault."""

    def __init__(
        self,
        spec: ProtocolSpec,
        header: set[str],
        found: Mapping[str, str],
        heads: bool,
        faults: LineFaults,
    ) -> None:
        self.spec = spec
        self.found = found
        self.heads = heads
        self.faults = faults
        self.columns = {key for key in found if key in (*KEYS, *TRIAL_KEYS)}
        self._classes = [k for k in (*spec.labels, *spec.label_map) if k in found]
        # our own lines have both: heads, and probabilities over the classes made of them
        nested = ("heads", "probabilities") if heads else ("probabilities",)
        self._nested = next((key for key in nested if key in header), None)

    def text(self, row: Mapping[str, Any], key: str) -> str | None:
        """A cell as text; None where it is empty or not there."""
        value = row.get(self.found.get(key, key))
        return None if value is None or value == "" else str(value)

    def split(self, number: int, row: Mapping[str, Any]) -> str | None:
        """The split of a row, which may not be empty; None where there is no such column."""
        if "split" not in self.columns:
            return None
        return self._needed(number, row, "split") or None

    def take(self, number: int, row: Mapping[str, Any]) -> Line | None:
        before = len(self.faults)
        if self.spec.task == "verification":
            line = self._trial(number, row)
        else:
            line = self._prediction(number, row)
        return line if len(self.faults) == before else None

    def _prediction(self, number: int, row: Mapping[str, Any]) -> Line:
        is_value = self.spec.task == "regression"
        target: str | float | None = self.text(row, "target")
        label, probabilities, value = None, None, math.nan
        if is_value:
            target = None if target is None else self._number(number, "target", target)
            value = self._number(number, "prediction", self._needed(number, row, "prediction"))
        else:
            target = None if target is None else self._label(number, "target", str(target))
            if self._nested or self._classes:
                probabilities = self._probabilities(number, row)
            if (said := self.text(row, "prediction")) is not None:
                label = self._label(number, "prediction", said)
            elif probabilities is None:
                self._needed(number, row, "prediction")
        return Line(
            number=number,
            id=self._needed(number, row, "id"),
            fold=self.text(row, "fold"),
            seed=self._seed(number, row),
            target=target,
            label=label,
            probabilities=probabilities,
            value=value,
            speaker=self.text(row, "speaker"),
            group=self.text(row, "group"),
        )

    def _trial(self, number: int, row: Mapping[str, Any]) -> Line:
        said = self.text(row, "target")
        target = None if said is None else _TRUTHS.get(said.lower())
        if said is not None and target is None:
            self._fault("target", number, f"target: expected 1 or 0, found {said!r}")
        one, other = (self.text(row, key) for key in ("enrol_speaker", "test_speaker"))
        if target is not None and one and other and target != (one == other):
            says = "one speaker" if target else "two speakers"
            self._fault("speakers", number, f"target: says {says}, of {one} and {other}")
        return Line(
            number=number,
            id=f"{self._needed(number, row, 'enrol')} {self._needed(number, row, 'test')}",
            fold=self.text(row, "fold"),
            seed=self._seed(number, row),
            target=target,
            value=self._number(number, "score", self._needed(number, row, "score")),
            speaker=one,
            other_speaker=other,
        )

    def _probabilities(self, number: int, row: Mapping[str, Any]) -> dict[str, float]:
        given = row.get(self._nested) if self._nested else None
        if self._nested and not isinstance(given, dict):
            said = f"{self._nested}: expected numbers, found {given}"
            self._fault("probabilities", number, said)
            return {}
        cells = given or {key: self.text(row, key) for key in self._classes}
        out = dict.fromkeys(self.spec.labels, 0.0)
        named, before = set(), len(self.faults)
        for key, cell in cells.items():
            merged = self.spec.label_map.get(key, key)
            if merged not in out:
                self._fault("probabilities", number, f"probabilities: unknown class {key!r}")
                continue
            named.add(merged)
            out[merged] += self._number(number, f"probability of {key}", cell)
        lacking = [label for label in self.spec.labels if label not in named]
        total = sum(out.values())
        if len(self.faults) > before:
            return {}
        if lacking:
            self._fault("probabilities", number, f"no probability of {', '.join(lacking)}")
        elif not all(-1e-9 <= p <= 1 + PROBABILITY_TOLERANCE for p in out.values()):
            said = "expected numbers in [0, 1]; apply the softmax (or the sigmoid of heads) first"
            self._fault("probabilities", number, f"probabilities {list(out.values())}: {said}")
        elif not self.heads and abs(total - 1) > PROBABILITY_TOLERANCE:
            said = "if each class has a two-way head of its own, say --heads"
            self._fault("sums", number, f"expected a sum of 1, found {total:.6g}; {said}")
        return {label: min(max(p, 0.0), 1.0) for label, p in out.items()}

    def _label(self, number: int, what: str, name: str) -> str:
        merged = self.spec.label_map.get(name, name)
        if merged not in self.spec.labels:
            known = ", ".join((*self.spec.labels, *self.spec.label_map))
            self._fault("labels", number, f"{what}: expected one of {known}, found {name!r}")
        return merged

    def _number(self, number: int, what: str, cell: object) -> float:
        try:
            value = float(str(cell))
        except ValueError:
            value = math.nan
        if not math.isfinite(value) and cell != "":
            self._fault("values", number, f"{what}: expected a finite number, found {cell!r}")
        return value

    def _seed(self, number: int, row: Mapping[str, Any]) -> int:
        said = self.text(row, "seed") or "0"
        if not said.lstrip("-").isdigit():
            self._fault("seeds", number, f"seed: expected an integer, found {said!r}")
            return 0
        return int(said)

    def _needed(self, number: int, row: Mapping[str, Any], key: str) -> str:
        said = self.text(row, key)
        if said is None:
            self._fault("missing", number, f"{key}: expected a value, found an empty cell")
        return said or ""

    def _fault(self, kind: str, number: int, sentence: str) -> None:
        self.faults.add(kind, number, sentence)
