"""The published numbers beside ours, and in words how the protocols behind them differ."""

from collections.abc import Mapping, Sequence

from crosstone.protocols.published import Published, published_numbers
from crosstone.protocols.register import PROTOCOLS
from crosstone.reports.comparison import Comparison, System
from crosstone.reports.page import Block, Cell, Heading, Paragraph, Table, TableRow
from crosstone.reports.wording import METRICS, enumerate_words, number

Column = tuple[str, str]
"""A metric and the class that it is about, "" for all."""

_ABOUT_CLASSES = {"class_accuracy": "accuracy", "class_recall": "recall", "class_f1": "f1"}
"""Published metric → the same in the scores of each class."""

_OF_HEADS = {
    "head_accuracy": "accuracy of its two-way head",
    "head_weighted_f1": "weighted F1 of its two-way head",
}
"""Published metrics that one arg-max has not."""


def published(comparison: Comparison) -> list[Block]:
    """Systems of the literature on the same corpus and target, in the metrics that ours have, and
    those of the same protocol in whatever metrics they have.

    Their own tables only: numbers that a paper quotes from another, and ablations, stay out.
    """
    best = comparison.best
    numbers = [
        n
        for n in published_numbers()
        if (n.corpus, n.target) == (best.corpus.get("name"), best.protocol.get("target"))
        and n.origin != "quoted"
        and not n.is_ablation
        and (
            n.protocol == best.protocol.get("name") or _ours(best, (n.metric, n.label)) is not None
        )
    ]
    if not numbers:
        return []
    columns = _columns(numbers, comparison.headline)
    rows = [TableRow((Cell("ours"),))]
    for system in comparison.systems:
        leaky = system.protocol.get("selection") == "best_test"
        values = [_ours(system, column) for column in columns]
        cells = [Cell("–" if value is None else number(value)) for value in values]
        name = Cell(system.name, "selected on the scored items" if leaky else "")
        rows.append(TableRow((name, *cells), strong=system is best))
    differing: list[TableRow] = []
    for heading, members in _gathered(numbers, best).items():
        rows.append(TableRow((Cell(heading),)))
        for key, table in members.items():
            rows += _rows(table, columns)
            differing += _differing(key, table, best)
    return [
        Heading("Beside the published numbers"),
        Paragraph(_summary(numbers, best)),
        Table(
            "Published numbers on this corpus and target, as their own tables print them.",
            ("System", *(column_title(column) for column in columns)),
            tuple(rows),
        ),
        Table(
            f"How they were made, against {best.name}.",
            ("Table", "differs from ours", "to know"),
            tuple(differing),
            prose=True,
        ),
    ]


def differences(theirs: Published, ours: System) -> list[str]:
    """How the protocol behind a published number differs from a system's, a clause each."""
    protocol, said = ours.protocol, []
    name, rule = str(protocol.get("name") or "not stated"), str(protocol.get("selection"))
    if theirs.protocol is None:
        said.append(f"its protocol is none of ours, or unstated; ours is {name}")
    elif theirs.protocol != name:
        said.append(f"its protocol is {theirs.protocol}, ours {name}")
    elif altered := protocol.get("altered"):
        said.append(f"ours alters {enumerate_words(list(altered))} of {name}")
    if theirs.selection != rule:
        said.append(_rules_differ(theirs.selection, rule))
    if protocol.get("is_whole") is False:
        said.append(f"our counts are not those of {name}")
    wanted = _ours_counted(theirs.counts, ours)
    if wanted and dict(theirs.counts) != wanted:
        said.append(f"its counts are {_counted(theirs.counts)}, ours {_counted(wanted)}")
    classes = PROTOCOLS[theirs.protocol].labels if theirs.protocol else ()
    own = tuple(protocol.get("labels") or ())
    if classes and own and set(classes) != set(own):
        said.append(f"its {len(classes)} classes are {', '.join(classes)}, ours {', '.join(own)}")
    if theirs.metric in _OF_HEADS:
        said.append("its numbers are of a two-way head for each class, ours of one arg-max")
    elif _ours(ours, (theirs.metric, theirs.label)) is None:
        said.append(
            f"its metric is {column_title((theirs.metric, theirs.label))}, which ours lacks"
        )
    if protocol.get("transductive"):
        said.append("ours was adapted on the scored groups, without labels")
    if (share := ours.train_fraction) != 1.0:
        said.append(f"ours saw {100 * share:g} % of the labels")
    return said


def _rules_differ(theirs: str, ours: str) -> str:
    if theirs == "unstated":
        return f"its selection rule is unstated, ours is {ours}"
    if theirs == "best_test":
        return f"its epoch was chosen on the test items, ours by {ours}"
    if ours == "best_test":
        return f"ours was chosen on the scored items, it by {theirs}"
    return f"its selection is {theirs}, ours {ours}"


def _ours_counted(theirs: Mapping[str, int], ours: System) -> dict[str, int]:
    """Our counts of what a published table counts; empty where we do not know one of them."""
    known = {"utterances": ours.corpus.get("utterances")}
    if ours.protocol.get("folds") == 1 and ours.train_fraction == 1.0:
        known |= ours.protocol.get("counts") or {}
        known.setdefault("test", known.get("selected on test"))
    found = {key: known.get(key) for key in theirs}
    return (
        {key: value for key, value in found.items() if isinstance(value, int)}
        if all(isinstance(value, int) for value in found.values())
        else {}
    )


def _counted(counts: Mapping[str, int]) -> str:
    return "/".join(f"{count:,}" for count in counts.values())


def _ours(system: System, column: Column) -> float | None:
    metric, label = column
    if not label:
        found = system.scores.metrics.get(metric)
        return None if found is None else found.mean.value
    return (system.scores.classes.get(label) or {}).get(_ABOUT_CLASSES.get(metric, ""))


def _columns(numbers: Sequence[Published], headline: str) -> list[Column]:
    """The columns of the table: the headline, other metrics, then classes in the order met."""
    found = dict.fromkeys((n.metric, n.label) for n in numbers)
    return sorted(found, key=lambda column: (bool(column[1]), column[0] != headline))


def column_title(column: Column) -> str:
    """What a column of published numbers is called."""
    metric, label = column
    if not label:
        return METRICS.get(metric, metric)
    return f"{label}, {_OF_HEADS.get(metric) or _ABOUT_CLASSES.get(metric, metric)}"


def _gathered(numbers: Sequence[Published], ours: System) -> dict[str, dict[str, list[Published]]]:
    """Heading → table → its numbers; those made most like ours first."""
    name, rule = ours.protocol.get("name"), ours.protocol.get("selection")
    out: dict[str, dict[str, list[Published]]] = {
        f"{name}, selected by {rule} as ours": {},
        f"{name}, selected otherwise or by a rule that is unstated": {},
        "another protocol": {},
    }
    same, similar, other = out.values()
    for n in numbers:
        kin = other if n.protocol != name else same if n.selection == rule else similar
        kin.setdefault(f"{n.paper}, {n.table}", []).append(n)
    return {heading: tables for heading, tables in out.items() if tables}


def _rows(table: Sequence[Published], columns: Sequence[Column]) -> list[TableRow]:
    systems: dict[str, dict[Column, float]] = {}
    for n in table:
        systems.setdefault(n.system, {})[(n.metric, n.label)] = n.value
    return [
        TableRow(
            (
                Cell(system, f"{table[0].paper}, {table[0].table}"),
                *(Cell(number(values[c]) if c in values else "–") for c in columns),
            )
        )
        for system, values in systems.items()
    ]


def _differing(key: str, table: Sequence[Published], ours: System) -> list[TableRow]:
    """A line for each way in which systems of one table differ from ours."""
    ways: dict[str, list[Published]] = {}
    for n in table:
        ways.setdefault("; ".join(differences(n, ours)), []).append(n)
    rows = []
    for way, members in ways.items():
        systems = enumerate_words(list(dict.fromkeys(n.system for n in members)))
        caveats = dict.fromkeys(caveat for n in members for caveat in n.caveats)
        name = Cell(key if len(ways) == 1 else f"{key}: {systems}")
        rows.append(
            TableRow((name, Cell(way or "nothing that is stated"), Cell("; ".join(caveats))))
        )
    return rows


def _summary(numbers: Sequence[Published], ours: System) -> str:
    alike = [n for n in numbers if not differences(n, ours)]
    protocol = str(ours.protocol.get("name") or "not stated")
    said = (
        f"{ours.name} follows {protocol}, selected by "
        f"{ours.protocol.get('selection') or 'a rule that is not stated'}"
    )
    systems = len({(n.paper, n.table, n.system) for n in numbers})
    others = len({(n.paper, n.table, n.system) for n in alike})
    if others == systems:
        return f"{said}. So, as far as is stated, do all of the following."
    return (
        f"{said}. Of the {systems} published systems below, {others or 'none'} "
        f"{'was' if others == 1 else 'were'} made the same way as far as is stated: a gap between "
        "theirs and ours is then also a gap between protocols."
    )
