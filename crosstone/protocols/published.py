"""The published numbers: every table of the papers as data, with what made each number."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

from crosstone.config import build, read_yaml
from crosstone.errors import ConfigError
from crosstone.protocols.base import METRICS
from crosstone.protocols.register import PROTOCOLS

PUBLISHED = Path(__file__).with_name("published.yaml")
Origin = Literal["own", "rerun", "quoted"]
SELECTIONS = ("nested", "last", "best_valid", "best_test", "unstated")
CLASS_METRICS = (
    *("class_accuracy", "class_recall", "class_f1"),
    *("head_accuracy", "head_weighted_f1", "layer_weight"),
)
"""Numbers about one class; `head_…` are of two-way heads, no arg-max. A layer's weight is no score,
and stands here as one of the papers' numbers."""

WHOLE_METRICS = (
    *(metric for metrics in METRICS.values() for metric in metrics),
    *("f1_nonneg", "f1_nonzero", "ge2e_eer"),
)
"""Numbers about all items; `ge2e_eer` is CTAL's, whose trials are drawn."""

_AS_TABLE = "as the table"


@dataclass(frozen=True, kw_only=True)
class Published:
    """One number of one table."""

    paper: str
    """Key of the paper, as in cmt-2022."""
    citation: str
    table: str
    system: str
    corpus: str
    target: str
    protocol: str | None
    """One of ours; None where it is none, or unstated."""
    selection: str
    """The rule that chose the epoch, or unstated."""
    metric: str
    """Our name of it."""
    label: str
    """The class that it is about; "" for all."""
    value: float
    """A share where the table prints percent."""
    origin: Origin
    """own: the paper's system; rerun: another's, trained by the paper's authors; quoted."""
    is_ablation: bool
    counts: Mapping[str, int]
    """Utterances, or train, valid and test, where known."""
    caveats: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Row:
    system: str
    values: tuple[float | None, ...]
    origin: Origin = "own"
    protocol: str | None = _AS_TABLE
    selection: str = _AS_TABLE
    columns: tuple[str, ...] = ()
    ablation: bool | None = None
    inherits: bool = True
    caveats: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _Table:
    paper: str
    table: str
    corpus: str
    target: str
    protocol: str | None
    selection: str
    columns: tuple[str, ...]
    rows: tuple[_Row, ...]
    ablation: bool = False
    counts: Mapping[str, int] = field(default_factory=dict)
    caveats: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class _File:
    papers: Mapping[str, str]
    tables: tuple[_Table, ...]


@cache
def published_numbers() -> tuple[Published, ...]:
    """Every published number, in the order of the file."""
    return read_published(PUBLISHED)


def read_published(path: Path) -> tuple[Published, ...]:
    """The numbers of a file like published.yaml.

    Raises ConfigError with every fault: unknown keys, metrics, protocols, rules or papers, rows
    that do not fit their columns, values outside their range, the same number twice.
    """
    content = build(_File, read_yaml(path), str(path))
    faults: list[str] = []
    numbers: list[Published] = []
    for table in content.tables:
        where = f"{table.paper}, {table.table}"
        if table.paper not in content.papers:
            faults.append(f"{where}: papers names no '{table.paper}'")
            continue
        shared = list(_columns(table.columns, where, faults))
        for row in table.rows:
            at = f"{where}, {row.system}"
            named = row.columns or table.columns
            columns = list(_columns(row.columns, at, faults)) if row.columns else shared
            if len(row.values) != len(named):
                faults.append(f"{at}: expected {len(named)} values, found {len(row.values)}")
            elif len(columns) == len(named):
                numbers += _numbers(content.papers[table.paper], table, row, columns, at, faults)
    keys: set[tuple[str, ...]] = set()
    for number in numbers:
        key = (number.paper, number.table, number.system, number.metric, number.label)
        if key in keys:
            faults.append(f"{', '.join(key)}: stands twice")
        keys.add(key)
    if faults:
        raise ConfigError(f"{path}: " + "; ".join(faults))
    return tuple(numbers)


def _columns(
    columns: Sequence[str], where: str, faults: list[str]
) -> Iterator[tuple[str, str, float]]:
    """Metric, class and scale of each column; a column that is not understood is a fault."""
    for column in columns:
        metric, *rest = column.split()
        scale = 0.01 if rest and rest[-1] == "%" else 1.0
        label = " ".join(rest[:-1] if scale != 1.0 else rest)
        known = CLASS_METRICS if label else WHOLE_METRICS
        if metric not in known:
            near = difflib.get_close_matches(metric, known, n=1)
            hint = f", did you mean {near[0]}?" if near else f"; there are {', '.join(known)}"
            faults.append(f"{where}: column '{column}' is no metric of ours{hint}")
            continue
        yield metric, label, scale


def _numbers(
    citation: str,
    table: _Table,
    row: _Row,
    columns: list[tuple[str, str, float]],
    at: str,
    faults: list[str],
) -> Iterator[Published]:
    protocol = table.protocol if row.protocol == _AS_TABLE else row.protocol
    selection = table.selection if row.selection == _AS_TABLE else row.selection
    if selection not in SELECTIONS:
        faults.append(f"{at}: selection expects {', '.join(SELECTIONS)}, found '{selection}'")
    if protocol is not None and protocol not in PROTOCOLS:
        faults.append(f"{at}: no protocol is called '{protocol}'")
    elif protocol is not None and PROTOCOLS[protocol].corpus != table.corpus:
        faults.append(f"{at}: protocol '{protocol}' is not about {table.corpus}")
    for (metric, label, scale), printed in zip(columns, row.values, strict=True):
        if printed is None:
            continue
        value = round(printed * scale, 9)
        low, high = {"mae": (0.0, 6.0), "pearson": (-1.0, 1.0)}.get(metric, (0.0, 1.0))
        if not low <= value <= high:
            faults.append(f"{at}: {metric} expects {low:g} to {high:g}, found {value:g}")
        yield Published(
            paper=table.paper,
            citation=citation,
            table=table.table,
            system=row.system,
            corpus=table.corpus,
            target=table.target,
            protocol=protocol,
            selection=selection,
            metric=metric,
            label=label,
            value=value,
            origin=row.origin,
            is_ablation=table.ablation if row.ablation is None else row.ablation,
            counts=table.counts if row.origin != "quoted" else {},
            caveats=(*(table.caveats if row.inherits else ()), *row.caveats),
        )
