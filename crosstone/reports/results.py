"""The results of a report: what the numbers say, the systems, their differences, their ceilings."""

from collections.abc import Sequence

from crosstone.metrics import Interval
from crosstone.reports.comparison import Comparison, Difference, System
from crosstone.reports.figures import Mark, Row, interval_plot
from crosstone.reports.page import (
    Block,
    Cell,
    Figure,
    Heading,
    Notes,
    Paragraph,
    Table,
    TableRow,
)
from crosstone.reports.raters import rater_mark
from crosstone.reports.wording import (
    CEILINGS,
    METRICS,
    bracket,
    common,
    count,
    number,
    percent,
    protocol_counts,
    protocol_name,
    remarks,
    selection_rule,
)

_COLUMNS = (
    *("wa", "ua", "macro_f1", "weighted_f1", "ece"),
    *("mae", "pearson", "ccc", "acc7_round", "acc5", "acc2_nonneg", "acc2_nonzero"),
    *("eer", "min_dcf", "ge2e_eer"),
)
"""The metrics of a table; scores.json holds all."""

_F1_BESIDE = {"acc2_nonneg": "f1_nonneg", "acc2_nonzero": "f1_nonzero"}


def question(comparison: Comparison) -> str:
    """What its systems are asked, as a heading."""
    best = comparison.best
    corpus = best.corpus.get("name") or "unnamed corpus"
    return f"{str(best.protocol.get('target') or 'target').capitalize()} on {corpus}"


def results(comparison: Comparison, name: str) -> list[Block]:
    """The interval plot and the table of all systems."""
    figure = systems_figure(comparison, name)
    return [figure, _results_table(comparison), *warnings(comparison.systems)]


def systems_figure(comparison: Comparison, name: str) -> Figure:
    """The headline of each system with its interval, against the ceilings."""
    metric = comparison.headline
    first = comparison.systems[0].scores
    averaged = _is_averaged(comparison)
    marks = [
        Mark(label=key.replace("_", " "), x=value) for key, value in comparison.ceilings.items()
    ]
    if metric == "ua" and first.labels:
        marks.append(Mark(label="chance", x=1 / len(first.labels), role="soft"))
    marks += rater_mark(comparison)
    labels = short_names(comparison.systems)
    rows = [
        Row(label=entry)
        if isinstance(entry, str)
        else Row(
            label=labels[entry.name] + marks_of(entry),
            value=entry.headline.value,
            low=entry.headline.low,
            high=entry.headline.high,
            dots=entry.scores.metrics[metric].runs if len(entry.scores.runs) > 1 else (),
            strong=entry is comparison.best,
        )
        for entry in by_share(comparison.systems)
    ]
    caption = (
        f"{METRICS[metric]} of each system with its {percent(first.level)} interval; blue is best."
    )
    if averaged:
        caption += " Small dots are single folds and seeds."
    if comparison.ceilings:
        bounded = METRICS[comparison.ceiling_metric]
        caption += f" Dashed lines are the exact ceilings of {bounded} for listeners of each kind."
    wide, narrow = (
        interval_plot(f"{name}-systems{suffix}", rows, axis=METRICS[metric], marks=marks, narrow=n)
        for suffix, n in (("", False), ("-narrow", True))
    )
    return Figure(caption, (wide,), (caption,), narrow)


def made(comparison: Comparison) -> str:
    """How its numbers were made, as the caption of a table: corpus, protocol, selection, counts."""
    systems, best = comparison.systems, comparison.best
    utterances = best.corpus.get("utterances")
    size = f"{utterances:,} utterances, " if isinstance(utterances, int) else ""
    noun = "trials " if best.scores.predictions.task == "verification" else ""
    caption = (
        f"{question(comparison)} ({size}{best.scores.num_items:,} {noun}scored, hash "
        f"{str(best.corpus.get('hash') or 'not stated')[:16]}); "
        f"{common('protocol', (protocol_name(s.protocol) for s in systems))}; "
        f"{common('selection', (selection_rule(s.protocol) for s in systems))}."
    )
    if any(counts := [protocol_counts(s.protocol) for s in systems]):
        caption += f" Counts: {common('count', counts)}."
    return caption


def shown_metrics(comparison: Comparison) -> list[str]:
    """The metrics of a table, headline first."""
    known, metric = comparison.systems[0].scores.metrics, comparison.headline
    return [metric, *(m for m in _COLUMNS if m in known and m != metric)]


def paired(comparison: Comparison, name: str) -> list[Block]:
    """The paired differences, as a plot and a table."""
    if not comparison.differences:
        return [Notes(comparison.unpaired)] if comparison.unpaired else []
    metric = comparison.headline
    shown = [m for m in (metric, "wa", "pearson") if m in comparison.differences[0].metrics]
    shown = list(dict.fromkeys(shown))
    entries = _grouped(comparison)
    rows = [
        Row(label=label)
        if difference is None
        else Row(
            label=label,
            value=difference.metrics[metric].value,
            low=difference.metrics[metric].low,
            high=difference.metrics[metric].high,
            strong=difference.metrics[metric].excludes(0.0),
        )
        for label, difference in entries
    ]
    axis = f"difference in {METRICS[metric]}"
    wide, narrow = (
        interval_plot(f"{name}-paired{suffix}", rows, axis=axis, narrow=n, signed=True)
        for suffix, n in (("", False), ("-narrow", True))
    )
    one = comparison.differences[0]
    caption = (
        f"Paired differences in {METRICS[metric]}: the same items and the same draws of "
        f"{count(one.clusters, one.by)}. Blue where the interval, one at a time, excludes zero."
    )
    table = Table(
        "The paired differences in numbers: means over folds and seeds, one interval at a time.",
        ("First − second", *(METRICS[m] for m in shown)),
        tuple(
            TableRow((Cell(label),))
            if difference is None
            else TableRow((Cell(label), *(_signed(difference.metrics[m]) for m in shown)))
            for label, difference in entries
        ),
        folded=True,
    )
    blocks: list[Block] = [
        Heading("Paired differences"),
        Figure(caption, (wide,), (caption,), narrow),
        table,
    ]
    return blocks + ([Notes(comparison.unpaired)] if comparison.unpaired else [])


def _grouped(comparison: Comparison) -> list[tuple[str, Difference | None]]:
    """The differences with their labels; those that share a system stand under its name."""
    titles = short_names(comparison.systems)
    shares = {s.name: s.train_fraction for s in comparison.systems}
    several = len(set(shares.values())) > 1
    rest = list(comparison.differences)
    out: list[tuple[str, Difference | None]] = []
    while rest:
        level = [d for d in rest if shares[d.first] == shares[d.second] == shares[rest[0].first]]
        same_first = [d for d in level if d.first == rest[0].first]
        same_second = [d for d in level if d.second == rest[0].second]
        where = f"{percent(shares[rest[0].first])} of the labels: " * several
        if len(same_first) > 1:
            out.append((f"{where}{titles[rest[0].first]} minus", None))
            out += [(titles[d.second], d) for d in same_first]
            taken = same_first
        elif len(same_second) > 1:
            out.append((f"{where}each minus {titles[rest[0].second]}", None))
            out += [(titles[d.first], d) for d in same_second]
            taken = same_second
        else:
            taken = rest[:1]
            out.append((f"{rest[0].first} − {rest[0].second}", rest[0]))
        rest = [d for d in rest if d not in taken]
    return out


def ceilings(comparison: Comparison) -> list[Block]:
    """What a listener of each kind can reach at best."""
    if not comparison.ceilings:
        return []
    rows = tuple(
        TableRow((Cell(key.replace("_", " ")), Cell(number(value)), Cell(CEILINGS.get(key, ""))))
        for key, value in comparison.ceilings.items()
    )
    metric = METRICS[comparison.ceiling_metric]
    return [
        Heading("Ceilings"),
        Table(
            "The best a listener can do, computed exactly from the law that made the corpus.",
            ("Listener", metric, "What it knows"),
            rows,
            prose=True,
        ),
        Paragraph(
            "Speech carries its words, so a system that only hears may pass the delivery ceiling "
            "by recognising words. Only the joint ceiling bounds every system."
        ),
    ]


def _results_table(comparison: Comparison) -> Table:
    metric, *others = shown_metrics(comparison)
    averaged = _is_averaged(comparison)
    columns = ["System", METRICS[metric]]
    columns += ["pooled"] * averaged
    columns += [METRICS[m] for m in others]
    labels = short_names(comparison.systems)
    rows = []
    for entry in by_share(comparison.systems):
        if isinstance(entry, str):
            rows.append(TableRow((Cell(entry),)))
            continue
        metrics = entry.scores.metrics
        cells = [
            Cell(labels[entry.name] + marks_of(entry)),
            Cell(
                number(entry.headline.value),
                bracket(entry.headline),
                strong=entry is comparison.best,
            ),
        ]
        if averaged:
            cells.append(Cell(number(metrics[metric].pooled.value)))
        for other in others:
            beside = _F1_BESIDE.get(other)
            f1 = number(metrics[beside].mean.value) if beside else ""
            cells.append(Cell(number(metrics[other].mean.value), f1))
        rows.append(TableRow(tuple(cells)))
    caption = made(comparison)
    if any(m in _F1_BESIDE for m in others):
        caption += " Beside Acc2 its weighted F1; ≠ 0 leaves targets of 0 out."
    return Table(caption, tuple(columns), tuple(rows))


def _is_averaged(comparison: Comparison) -> bool:
    return any(len(system.scores.runs) > 1 for system in comparison.systems)


def warnings(systems: Sequence[System]) -> list[Block]:
    """What a reader of the numbers must know: leaky, transductive, incomplete."""
    sentences = []
    if any(s.protocol.get("selection") == "best_test" for s in systems):
        sentences.append(
            "† The epoch was chosen on the scored items themselves: an optimistic number that "
            "reproduces a leaky protocol, not a test result."
        )
    if any(s.protocol.get("transductive") for s in systems):
        sentences.append(
            "‡ Transductive: adapted, without labels, also on the groups that are scored."
        )
    said = [sentence for s in systems for sentence in remarks(s.corpus, s.protocol)]
    sentences += [s if s.endswith("?") else f"{s}." for s in dict.fromkeys(said)]
    return [Notes(tuple(sentences))] if sentences else []


def marks_of(system: System) -> str:
    """The signs of `warnings` behind the name of a system."""
    leaky = system.protocol.get("selection") == "best_test"
    return "\N{NO-BREAK SPACE}†" * leaky + "\N{NO-BREAK SPACE}‡" * bool(
        system.protocol.get("transductive")
    )


def by_share(systems: Sequence[System]) -> list[System | str]:
    """The systems in their order, under a heading per share of the labels where shares differ."""
    shares = sorted({s.train_fraction for s in systems}, reverse=True)
    if len(shares) == 1:
        return list(systems)
    out: list[System | str] = []
    for part in shares:
        out.append(f"{percent(part)} of the labels")
        out += [s for s in systems if s.train_fraction == part]
    return out


def short_names(systems: Sequence[System]) -> dict[str, str]:
    """Name to label, without the share of the labels where a heading above already says it."""
    shares = {s.train_fraction for s in systems}
    keys = [(s.title, s.train_fraction) for s in systems]
    return {
        s.name: s.title if len(shares) > 1 and keys.count(key) == 1 else s.name
        for s, key in zip(systems, keys, strict=True)
    }


def _signed(interval: Interval) -> Cell:
    return Cell(number(interval.value, True), bracket(interval, True))
