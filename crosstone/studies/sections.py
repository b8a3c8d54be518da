"""The numbers of a study's page: results, ceilings, measurements, what was left out, cost."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from crosstone.reports.comparison import Comparison, System, gathered
from crosstone.reports.page import Block, Cell, Heading, Notes, Paragraph, Table, TableRow
from crosstone.reports.results import (
    ceilings,
    made,
    marks_of,
    shown_metrics,
    systems_figure,
    warnings,
)
from crosstone.reports.wording import METRICS, bracket, common, count, duration, number
from crosstone.studies.measures import MEASURE_VIEWS
from crosstone.studies.record import Record
from crosstone.studies.shown import Rows, Shown, together

MEASURE = "measure.json"
"""What a measurement leaves in its folder."""


def results(record: Record, systems: Mapping[str, System]) -> Shown:
    """Every system with its metrics, by corpus where there are several, and the exact ceilings."""
    alike = gathered(list(systems.values()))
    blocks: list[Block] = [Heading("Results")]
    data: dict[str, Rows] = {}
    if len(alike) == 1:
        figure = systems_figure(alike[0], "results")
        blocks.append(figure)
        data[figure.drawings[0].name] = _figure_rows(alike[0])
    titles = [_title(record, found) for found in alike]
    for metrics, members in _by_metrics(alike, titles).items():
        blocks.append(_table(metrics, members))
    blocks += warnings(list(systems.values()))
    blocks += _every_interval(systems)
    blocks += ceilings(alike[0]) if len(alike) == 1 else _ceilings(alike, titles)
    return Shown(tuple(blocks), data)


def measurements(record: Record, root: Path) -> Shown:
    """What was measured of the systems besides their scores."""
    parts = []
    for index, (measure, places) in enumerate(record.measured.items()):
        found = {
            name: [
                json.loads((root / folder / MEASURE).read_text(encoding="utf-8"))
                for folder in folders
            ]
            for name, folders in places.items()
        }
        heading = Shown((Heading(f"Measured: {measure.replace('_', ' ')}"),))
        view = MEASURE_VIEWS.get(measure)
        own = view(f"measured{index}", found) if view else Shown(tuple(_measured(measure, found)))
        parts += [heading, own]
    return together(parts)


def left_out(record: Record) -> list[Block]:
    """The systems that were not trained, and why."""
    if not record.left_out:
        return []
    said = tuple(f"{name}: {why}." for name, why in record.left_out.items())
    return [Heading("Left out"), Notes(said)]


def costs(record: Record) -> list[Block]:
    """What every kind of step took, each once however many systems needed it."""
    kinds: dict[str, list[float]] = {}
    for step in record.steps:
        kinds.setdefault(step.kind, []).append(step.seconds)
    rows = [
        TableRow((Cell(kind), Cell(f"{len(took):,}"), Cell(duration(sum(took)))))
        for kind, took in kinds.items()
    ]
    total = sum(step.seconds for step in record.steps)
    return [
        Heading("Cost"),
        Paragraph(
            f"{count(len(record.steps), 'step')}, {duration(total)} in all, of one that was cut "
            "off and gone on with its last sitting; a step that several systems need, or another "
            "study, was done once."
        ),
        Table("The steps by kind.", ("Step", "how many", "time"), tuple(rows), folded=True),
    ]


def _by_metrics(
    alike: Sequence[Comparison], titles: Sequence[str]
) -> dict[tuple[str, ...], list[tuple[str, Comparison]]]:
    """Tables that have the same columns are one."""
    out: dict[tuple[str, ...], list[tuple[str, Comparison]]] = {}
    for title, found in zip(titles, alike, strict=True):
        out.setdefault(tuple(shown_metrics(found)), []).append((title, found))
    return out


def _title(record: Record, found: Comparison) -> str:
    """What tells a corpus from the others of the study."""
    names = {system.name for system in found.systems}
    options = next((s.corpus for s in record.study.systems if s.name in names and s.corpus), {})
    corpus = str(found.best.corpus.get("name") or "unnamed corpus")
    return ", ".join([corpus, *(f"{key} {value}" for key, value in options.items())])


def _table(metrics: Sequence[str], members: Sequence[tuple[str, Comparison]]) -> Table:
    first, *others = metrics
    rows: list[TableRow] = []
    for title, found in members:
        if len(members) > 1:
            rows.append(TableRow((Cell(f"{title}, hash {_hash(found)}"),)))
        for system in found.systems:
            values = system.scores.metrics
            rows.append(
                TableRow(
                    (
                        Cell(system.name + marks_of(system)),
                        Cell(number(values[first].mean.value), bracket(values[first].mean)),
                        *(Cell(number(values[name].mean.value)) for name in others),
                    ),
                    strong=system is found.best and len(found.systems) > 1,
                )
            )
    caption = made(members[0][1])
    if len(members) > 1:
        caption = f"On {len(members)} corpora; the first: {caption}"
    averaged = common("number", (_runs(s) for _, found in members for s in found.systems))
    columns = ("System", *(METRICS[name] for name in metrics))
    return Table(f"Means over {averaged}. {caption}", columns, tuple(rows))


def _every_interval(systems: Mapping[str, System]) -> list[Block]:
    names: dict[tuple[str, ...], list[System]] = {}
    for found in gathered(list(systems.values())):
        names.setdefault(tuple(shown_metrics(found)), []).extend(found.systems)
    return [
        Table(
            "Every metric with its interval; results.csv holds those that are not shown.",
            ("System", *(METRICS[name] for name in metrics)),
            tuple(
                TableRow(
                    (
                        Cell(system.name),
                        *(
                            Cell(number(mean.value), bracket(mean))
                            for mean in (system.scores.metrics[name].mean for name in metrics)
                        ),
                    )
                )
                for system in members
            ),
            folded=True,
        )
        for metrics, members in names.items()
    ]


def _ceilings(alike: Sequence[Comparison], titles: Sequence[str]) -> list[Block]:
    """The ceilings of several corpora, a line each."""
    bounded = [(t, found) for t, found in zip(titles, alike, strict=True) if found.ceilings]
    if not bounded:
        return []
    kinds = list(dict.fromkeys(kind for _, found in bounded for kind in found.ceilings))
    rows = tuple(
        TableRow(
            (
                Cell(title),
                *(
                    Cell(number(found.ceilings[kind]) if kind in found.ceilings else "–")
                    for kind in kinds
                ),
            )
        )
        for title, found in bounded
    )
    metric = METRICS[bounded[0][1].ceiling_metric]
    return [
        Heading("Ceilings"),
        Table(
            f"The best {metric} that a listener of each kind can reach, computed exactly from the "
            "law that made each corpus.",
            ("Corpus", *(kind.replace("_", " ") for kind in kinds)),
            rows,
        ),
    ]


def _figure_rows(found: Comparison) -> list[dict[str, object]]:
    metric = found.headline
    rows: list[dict[str, object]] = [
        {
            "system": system.name,
            "metric": metric,
            "value": system.headline.value,
            "low": system.headline.low,
            "high": system.headline.high,
            "runs": " ".join(f"{value:.6g}" for value in system.scores.metrics[metric].runs),
        }
        for system in found.systems
    ]
    return rows + [
        {
            "system": f"ceiling: {kind}",
            "metric": found.ceiling_metric,
            "value": value,
            "low": value,
            "high": value,
            "runs": "",
        }
        for kind, value in found.ceilings.items()
    ]


def _runs(system: System) -> str:
    runs = system.scores.runs
    folds, seeds = (len(set(kind)) for kind in list(zip(*runs, strict=True))[:2])
    return f"{count(folds, 'fold')} × {count(seeds, 'seed')}"


def _hash(found: Comparison) -> str:
    return str(found.best.corpus.get("hash") or "not stated")[:16]


def _measured(measure: str, found: Mapping[str, Sequence[Mapping[str, Any]]]) -> Iterator[Block]:
    """The numbers of measure.json: mean over seeds, and least and most of them."""
    table = {name: [dict(_numbers(one)) for one in seeds] for name, seeds in found.items()}
    keys = list(dict.fromkeys(k for seeds in table.values() for one in seeds for k in one))
    if not keys:
        yield Paragraph(f"{measure} gives no single numbers.")
        return
    rows = []
    for name, seeds in table.items():
        cells = []
        for key in keys:
            values = [one[key] for one in seeds if key in one]
            mean = number(sum(values) / len(values)) if values else "–"
            spread = f"{number(min(values))} to {number(max(values))}" if len(values) > 1 else ""
            cells.append(Cell(mean, spread))
        rows.append(TableRow((Cell(name), *cells)))
    yield Table(
        "Mean over seeds, with the least and the most where there are several.",
        ("System", *(key.replace("_", " ") for key in keys)),
        tuple(rows),
    )


def _numbers(tree: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, float]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _numbers(value, f"{before}{key}, ")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{before}{key}", float(value)
