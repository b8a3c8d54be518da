"""Predictions read back: every line of a predictions.jsonl checked, then columns."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from crosstone.errors import CorpusError
from crosstone.scoring.lines import LineFaults, is_number, missing_split, read_objects

PROBABILITY_TOLERANCE = 1e-3
"""How far a line's probabilities may be from a sum of 1: what rounding to float16 costs."""

AGAIN = "write the file again with `crosstone evaluate`"
"""What to do about a predictions file with faults."""

_REQUIRED = ("id", "fold", "seed", "split", "target")


@dataclass(frozen=True, slots=True, eq=False)
class Predictions:
    """The predictions of one system, as columns of n rows.

    ids, groups, speakers (n,) with None where unknown; folds, seeds (n,). Classification: labels in
    the order of the classes, target (n,) as indices into them, outputs (n, C) as probabilities.
    Regression: labels empty, target and outputs (n,) as numbers.
    """

    ids: tuple[str, ...]
    groups: tuple[str | None, ...]
    speakers: tuple[str | None, ...]
    folds: NDArray[np.int64]
    seeds: NDArray[np.int64]
    labels: tuple[str, ...]
    target: NDArray[Any]
    outputs: NDArray[np.float64]
    sha256: str
    is_graded: bool = True
    """False if only labels are known: outputs are then 0 and 1 and say nothing of certainty."""
    uncalibrated: NDArray[np.float64] | None = None
    """(n, C) the probabilities before calibration; None where some were not calibrated."""

    @property
    def task(self) -> Literal["classification", "regression"]:
        """Whether the outputs are probabilities of labels or values."""
        return "classification" if self.labels else "regression"


def read_predictions(
    path: Path, *, labels: Sequence[str] | None = None, split: str = "test"
) -> Predictions:
    """The lines of one split of a predictions file, in the file's order.

    labels: the classes in order; without it they are the sorted keys of the first line. Raises
    CorpusError that lists every fault of the file with its line number.
    """
    if not path.is_file():
        raise CorpusError(
            f"{path}: expected a predictions file, found none; `crosstone finetune` and "
            "`crosstone evaluate` write it when they end"
        )
    raw = path.read_bytes()
    reader = _Reader(tuple(labels) if labels else None)
    for number, row in read_objects(raw, reader.faults):
        reader.take(number, row)
    reader.faults.raise_any(path, AGAIN)
    rows = [row for row in reader.rows if row["split"] == split]
    if not rows:
        raise missing_split(path, split, reader.rows)
    return _columns(rows, reader.labels or (), hashlib.sha256(raw).hexdigest())


class _Reader:
    """Takes lines one by one, keeping good rows and a sentence for every fault."""

    def __init__(self, labels: tuple[str, ...] | None) -> None:
        self.labels = labels
        self.rows: list[Mapping[str, Any]] = []
        self.faults = LineFaults()
        self._regression: bool | None = None if labels is None else False
        self._first_line: dict[tuple[str, str, int, int], int] = {}
        self._facts: dict[str, tuple[int, dict[str, Any]]] = {}

    def take(self, number: int, row: Mapping[str, Any]) -> None:
        missing = [key for key in _REQUIRED if key not in row]
        if "probabilities" not in row and "value" not in row:
            missing.append("probabilities or value")
        if missing:
            return self._fault("missing keys", number, f"missing {', '.join(missing)}")
        faults_before = len(self.faults)
        self._check_keys(number, row)
        if len(self.faults) == faults_before:
            self._check_output(number, row)
            self._check_repeats(number, row)
        self.rows.append(row)

    def _check_keys(self, number: int, row: Mapping[str, Any]) -> None:
        self.faults.check_types(
            number,
            row,
            strings=("id", "split"),
            integers=("fold", "seed"),
            optional=("group", "speaker"),
        )
        regression = "probabilities" not in row
        if self._regression is None:
            self._regression = regression
        if regression != self._regression:
            wanted, found = ("value", "probabilities")[:: 1 if self._regression else -1]
            self._fault("keys", number, f"expected the key {wanted!r}, found {found!r}")

    def _check_output(self, number: int, row: Mapping[str, Any]) -> None:
        if self._regression:
            for key in ("target", "value"):
                if not is_number(row[key]):
                    self._fault(
                        "values", number, f"{key}: expected a finite number, found {row[key]!r}"
                    )
            return
        self._check_probabilities(number, "probabilities", row["probabilities"])
        if "uncalibrated" in row:
            self._check_probabilities(number, "uncalibrated", row["uncalibrated"])
        if self.labels is not None and row["target"] not in self.labels:
            self._fault(
                "labels",
                number,
                f"target: expected one of {', '.join(self.labels)}, found {row['target']!r}",
            )

    def _check_probabilities(self, number: int, key: str, probabilities: Any) -> None:
        if not isinstance(probabilities, dict) or not probabilities:
            return self._fault(
                "probabilities", number, f"expected a number per label, found {probabilities!r}"
            )
        if self.labels is None:
            self.labels = tuple(sorted(probabilities))
        unknown = sorted(set(probabilities) - set(self.labels))
        absent = sorted(set(self.labels) - set(probabilities))
        if unknown or absent:
            said = [f"unknown {', '.join(unknown)}"] * bool(unknown)
            said += [f"no {', '.join(absent)}"] * bool(absent)
            self._fault(
                "probabilities",
                number,
                f"{key}: expected the labels {', '.join(self.labels)}, found {' and '.join(said)}",
            )
        wrong = {k: v for k, v in probabilities.items() if not is_number(v) or not 0 <= v <= 1}
        if wrong:
            self._fault(
                "probabilities", number, f"{key}: expected numbers in [0, 1], found {wrong}"
            )
        elif abs(sum(probabilities.values()) - 1) > PROBABILITY_TOLERANCE:
            total = sum(probabilities.values())
            self._fault("sums", number, f"{key}: expected a sum of 1, found {total:.6g}")

    def _check_repeats(self, number: int, row: Mapping[str, Any]) -> None:
        first = self._first_line.setdefault(
            (row["id"], row["split"], row["fold"], row["seed"]), number
        )
        if first != number:
            self._fault(
                "duplicates",
                number,
                f"id {row['id']!r} again in fold {row['fold']}, seed {row['seed']} "
                f"(first on line {first})",
            )
        facts = {name: row.get(name) for name in ("target", "group", "speaker")}
        first, known = self._facts.setdefault(row["id"], (number, facts))
        for name, value in facts.items():
            if value != known[name]:
                self._fault(
                    "contradictions",
                    number,
                    f"id {row['id']!r}: {name} {value!r}, but {known[name]!r} on line {first}",
                )

    def _fault(self, kind: str, number: int, sentence: str) -> None:
        self.faults.add(kind, number, sentence)


def _columns(
    rows: Sequence[Mapping[str, Any]], labels: tuple[str, ...], sha256: str
) -> Predictions:
    uncalibrated = None
    if labels:
        position = {label: index for index, label in enumerate(labels)}
        target = np.array([position[row["target"]] for row in rows], dtype=np.int64)
        outputs = np.array([[row["probabilities"][label] for label in labels] for row in rows])
        if all("uncalibrated" in row for row in rows):
            uncalibrated = np.array([[row["uncalibrated"][k] for k in labels] for row in rows])
    else:
        target = np.array([row["target"] for row in rows], dtype=np.float64)
        outputs = np.array([row["value"] for row in rows], dtype=np.float64)
    return Predictions(
        ids=tuple(row["id"] for row in rows),
        groups=tuple(row.get("group") for row in rows),
        speakers=tuple(row.get("speaker") for row in rows),
        folds=np.array([row["fold"] for row in rows], dtype=np.int64),
        seeds=np.array([row["seed"] for row in rows], dtype=np.int64),
        labels=labels,
        target=target,
        outputs=outputs.astype(np.float64),
        sha256=sha256,
        uncalibrated=uncalibrated,
    )
