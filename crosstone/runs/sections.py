"""The sections of a report: findings, tables, figures, and how the numbers were made."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from crosstone.metrics import LOWER_IS_BETTER, Interval
from crosstone.runs.comparison import Comparison, System
from crosstone.runs.curves import Curve, Probe, loss_curve, mean_curve, read_logs, valid_curve
from crosstone.runs.figures import Line, Mark, Row, confusion_plot, curve_panel, interval_plot
from crosstone.runs.page import (
    Block,
    Cell,
    Facts,
    Figure,
    Heading,
    Notes,
    Paragraph,
    Table,
    TableRow,
)
from crosstone.runs.wording import (
    CEILINGS,
    METRICS,
    SELECTION,
    amount,
    bracket,
    count,
    duration,
    enumerate_words,
    number,
    protocol_name,
    share,
)


def question(comparison: Comparison) -> str:
    """What its systems are asked, as a heading."""
    best = comparison.best
    corpus = best.corpus.get("name") or "unnamed corpus"
    return f"{corpus}: {best.protocol.get('target') or 'target'}"


def findings(comparison: Comparison) -> list[Block]:
    """What the numbers say, in a few sentences."""
    best, metric = comparison.best, comparison.headline
    word = "lowest" if metric in LOWER_IS_BETTER else "highest"
    said = [
        f"{best.name} has the {word} {METRICS[metric]}, {number(best.headline.value)} "
        f"{bracket(best.headline)}."
    ]
    if best.protocol.get("selection") == "best_test":
        said.append("Its epoch was chosen on the scored items, so this is not a test result.")
    leads = [d for d in comparison.differences if d.first == best.name]
    clear = [d.second for d in leads if d.metrics[metric].excludes(0.0)]
    open_ = [d for d in leads if d.second not in clear]
    if clear:
        said.append(
            f"Paired on the same items, its distance to {enumerate_words(clear)} excludes zero."
        )
    if open_:
        named = [f"{d.second} ({number(d.metrics[metric].value, True)})" for d in open_]
        said.append(f"Its distance to {enumerate_words(named)} does not.")
    return [Paragraph(" ".join(said)), *_ceiling_findings(comparison)]


def results(comparison: Comparison, name: str) -> list[Block]:
    """The interval plot and the table of all systems."""
    metric = comparison.headline
    first = comparison.systems[0].scores
    averaged = any(len(system.scores.runs) > 1 for system in comparison.systems)
    marks = [
        Mark(label=key.replace("_", " "), x=value) for key, value in comparison.ceilings.items()
    ]
    if metric == "ua" and first.labels:
        marks.append(Mark(label="chance", x=1 / len(first.labels), role="soft"))
    rows = [
        Row(label=entry)
        if isinstance(entry, str)
        else Row(
            label=entry.name + _marks_of(entry),
            value=entry.headline.value,
            low=entry.headline.low,
            high=entry.headline.high,
            dots=entry.scores.metrics[metric].runs if len(entry.scores.runs) > 1 else (),
            strong=entry is comparison.best,
        )
        for entry in _by_share(comparison.systems)
    ]
    caption = f"{METRICS[metric]} of each system with its {_level(first.level)} interval."
    if averaged:
        caption += " Small dots are single folds and seeds."
    if comparison.ceilings:
        bounded = METRICS[comparison.ceiling_metric]
        caption += f" Dashed lines are the exact ceilings of {bounded} for listeners of each kind."
    wide, narrow = (
        interval_plot(f"{name}-systems{suffix}", rows, axis=METRICS[metric], marks=marks, narrow=n)
        for suffix, n in (("", False), ("-narrow", True))
    )
    figure = Figure(caption, (wide,), (caption,), narrow)
    return [figure, _results_table(comparison, averaged), *_warnings(comparison.systems)]


def paired(comparison: Comparison, name: str) -> list[Block]:
    """The paired differences, as a plot and a table."""
    if not comparison.differences:
        return [Notes(comparison.unpaired)] if comparison.unpaired else []
    metric = comparison.headline
    shown = [metric] + [m for m in ("wa", "macro_f1", "pearson", "acc7") if m != metric]
    shown = [m for m in shown if m in comparison.differences[0].metrics]
    rows = [
        Row(
            label=f"{d.first} − {d.second}",
            value=d.metrics[metric].value,
            low=d.metrics[metric].low,
            high=d.metrics[metric].high,
            strong=d.metrics[metric].excludes(0.0),
        )
        for d in comparison.differences
    ]
    axis = f"difference in {METRICS[metric]}"
    wide, narrow = (
        interval_plot(f"{name}-paired{suffix}", rows, axis=axis, narrow=n, signed=True)
        for suffix, n in (("", False), ("-narrow", True))
    )
    difference = comparison.differences[0]
    caption = (
        f"Differences in {METRICS[metric]} on the same items and the same draws of "
        f"{count(difference.clusters, difference.by)}; blue where the interval excludes zero."
    )
    table = Table(
        "Paired differences, means over folds and seeds; intervals are not corrected for number.",
        ("First − second", *(METRICS[m] for m in shown)),
        tuple(
            TableRow((Cell(f"{d.first} − {d.second}"), *(_signed(d.metrics[m]) for m in shown)))
            for d in comparison.differences
        ),
    )
    blocks: list[Block] = [
        Heading("Paired differences"),
        Figure(caption, (wide,), (caption,), narrow),
        table,
    ]
    return blocks + ([Notes(comparison.unpaired)] if comparison.unpaired else [])


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
            "Speech carries its words, so a system that only hears may pass the delivery ceiling by "
            "recognising words. Only the joint ceiling bounds every system."
        ),
    ]


def confusions(comparison: Comparison, name: str) -> list[Block]:
    """A confusion matrix per system, and each class against the rest."""
    systems = [s for s in comparison.systems if s.scores.confusion is not None]
    if not systems:
        return []
    drawings = tuple(
        confusion_plot(f"{name}-confusion-{i}", s.name, s.scores.labels, s.scores.confusion)
        for i, s in enumerate(systems)
        if s.scores.confusion is not None
    )
    caption = (
        "Confusion matrices, all folds and seeds pooled: rows are targets, columns predictions, "
        "numbers percent of the row."
    )
    labels = systems[0].scores.labels
    table = Table(
        "Each class against the rest: accuracy and, in small, support-weighted F1 of the arg-max.",
        ("System", *labels),
        tuple(
            TableRow(
                (
                    Cell(s.name),
                    *(
                        Cell(number(c["accuracy"]), number(c["weighted_f1"]))
                        for c in (s.scores.classes[label] for label in labels)
                    ),
                ),
                strong=s is comparison.best,
            )
            for s in systems
        ),
    )
    return [
        Heading("Per class"),
        Figure(caption, drawings, tuple(f"Confusion matrix of {s.name}" for s in systems)),
        table,
    ]


def learning(comparison: Comparison, name: str) -> list[Block]:
    """Training loss, and validation score where there is one, of every run."""
    metric = comparison.headline
    losses: dict[str, list[Curve]] = {}
    scores: dict[str, list[Curve]] = {}
    for system in comparison.systems:
        logs = read_logs(system.folder).values()
        losses[system.name] = [c for events in logs if (c := loss_curve(events)) is not None]
        scores[system.name] = [
            c for events in logs if (c := valid_curve(events, metric)) is not None
        ]
    blocks: list[Block] = []
    for kind, curves, x_axis, y_axis in (
        ("loss", losses, "step", "training loss"),
        ("valid", scores, "epoch", f"validation {METRICS[metric]}"),
    ):
        known = {title: runs for title, runs in curves.items() if runs}
        if not known:
            continue
        limits = _shared_limits([c for runs in known.values() for c in runs])
        drawings = tuple(
            curve_panel(
                f"{name}-{kind}-{i}",
                title,
                _with_mean(runs),
                x_axis=x_axis,
                y_axis=y_axis,
                y_limits=limits,
            )
            for i, (title, runs) in enumerate(known.items())
        )
        several = any(len(runs) > 1 for runs in known.values())
        caption = f"{y_axis.capitalize()} of each system" + (
            "; grey lines are single folds and seeds." if several else "."
        )
        blocks.append(Figure(caption, drawings, tuple(f"{y_axis} of {title}" for title in known)))
    return [Heading("Learning curves"), *blocks] if blocks else []


def making(comparison: Comparison) -> list[Block]:
    """Corpus, protocol and intervals in common, and what each system was made of."""
    systems, best = comparison.systems, comparison.best
    scores = best.scores
    corpus = best.corpus
    speakers = len({s for s in scores.predictions.speakers if s})
    groups = len({g for g in scores.predictions.groups if g})
    scored = f"{scores.num_items:,} items"
    if speakers or groups:
        parts = [count(speakers, "speaker")] * bool(speakers) + [count(groups, "group")] * bool(
            groups
        )
        scored += " of " + " in ".join(parts)
    utterances = corpus.get("utterances")
    facts = [
        (
            "Corpus",
            f"{corpus.get('name') or 'not stated'}"
            + (f", {utterances:,} utterances" if isinstance(utterances, int) else "")
            + f", content hash {str(corpus.get('hash') or 'not stated')[:16]}",
        ),
        ("Scored", scored),
        ("Protocol", _common(protocol_name(s.protocol) for s in systems)),
        ("Selection", _common(_selection(s) for s in systems)),
        (
            "Headline",
            f"{METRICS[comparison.headline]}, the mean over folds and seeds; pooled values take "
            "all predictions at once",
        ),
        (
            "Intervals",
            f"{_level(scores.level)}, percentile bootstrap of {scores.replicates:,} replicates "
            f"over {count(scores.clusters.count, scores.clusters.by)} ({scores.clusters.why})",
        ),
    ]
    blocks: list[Block] = [Heading("How it was measured"), Facts(tuple(facts)), _made_of(systems)]
    remarks = [note for s in systems for note in s.scores.notes]
    if remarks:
        blocks.append(Notes(tuple(f"{note}." for note in dict.fromkeys(remarks))))
    return blocks


def probes(found: Sequence[Probe]) -> list[Block]:
    """Accuracy on masked tokens and frames with the matching and with a shuffled other modality."""
    if not found:
        return []
    kinds = {"text": "masked tokens", "audio": "masked frames"}
    rows, drawings, labels = [], [], []
    for index, probe in enumerate(found):
        cells = [Cell(probe.name)]
        for modality, what in kinds.items():
            matched, shuffled = (probe.last(f"{modality}_{p}") for p in ("matched", "shuffled"))
            cells += [
                Cell(number(matched)),
                Cell(number(shuffled)),
                Cell(number(matched - shuffled, True)),
            ]
            lines = [
                Line(
                    x=probe.curves[key].x,
                    y=probe.curves[key].y,
                    label=partner,
                    role=role,
                    dashed=partner == "shuffled",
                )
                for partner, role in (("matched", "accent"), ("shuffled", "soft"))
                if (key := f"{modality}_{partner}") in probe.curves
            ]
            if lines and len(lines[0].x) > 1:
                panel = curve_panel(
                    f"probe-{index}-{modality}",
                    probe.name,
                    lines,
                    x_axis="step",
                    y_axis=f"accuracy on {what}",
                )
                drawings.append(panel)
                labels.append(f"Accuracy on {what}, {probe.name}")
        rows.append(TableRow(tuple(cells)))
    columns: tuple[str, ...] = ("Stage",)
    for what in kinds.values():
        columns += (f"{what}, matched", "shuffled", "difference")
    blocks: list[Block] = [
        Heading("Does pretraining use the other modality?"),
        Paragraph(
            "One modality is masked and predicted while the other comes from the same utterance "
            "(matched) or from another one (shuffled). A model that only looks at its own side "
            "scores the same on both."
        ),
        Table("Accuracy on masked positions at the end of each stage.", columns, tuple(rows)),
    ]
    if drawings:
        caption = "Accuracy on masked positions during pretraining."
        blocks.append(Figure(caption, tuple(drawings), tuple(labels)))
    return blocks


def costs(stage_seconds: Mapping[str, float], peak_memory_mib: float | None) -> list[Block]:
    """Seconds of each stage and the peak of memory."""
    if not stage_seconds:
        return []
    total = sum(stage_seconds.values())
    rows = [
        TableRow((Cell(name), Cell(f"{seconds:,.1f}"), Cell(f"{seconds / total:.0%}")))
        for name, seconds in stage_seconds.items()
    ]
    rows.append(TableRow((Cell("total"), Cell(f"{total:,.1f}"), Cell("")), strong=True))
    caption = "Seconds of each stage."
    if peak_memory_mib is not None:
        caption += f" Peak memory {peak_memory_mib:,.0f} MiB."
    return [Heading("Time"), Table(caption, ("Stage", "seconds", "share"), tuple(rows))]


def _results_table(comparison: Comparison, averaged: bool) -> Table:
    metric = comparison.headline
    known = comparison.systems[0].scores.metrics
    others = [m for m in known if m != metric and m not in ("acc7_sdk",)]
    columns = ["System", METRICS[metric]]
    columns += ["pooled"] * averaged + [METRICS[m] for m in others]
    rows = []
    for entry in _by_share(comparison.systems):
        if isinstance(entry, str):
            rows.append(TableRow((Cell(entry),)))
            continue
        metrics = entry.scores.metrics
        cells = [
            Cell(entry.name + _marks_of(entry)),
            Cell(number(entry.headline.value), bracket(entry.headline)),
        ]
        if averaged:
            cells.append(Cell(number(metrics[metric].pooled.value)))
        cells += [Cell(number(metrics[m].mean.value)) for m in others]
        rows.append(TableRow(tuple(cells), strong=entry is comparison.best))
    best = comparison.best
    utterances = best.corpus.get("utterances")
    size = f"{utterances:,} utterances, " if isinstance(utterances, int) else ""
    caption = (
        f"{question(comparison)} ({size}{best.scores.num_items:,} scored, hash "
        f"{str(best.corpus.get('hash') or 'not stated')[:16]}); "
        f"{_common(protocol_name(s.protocol) for s in comparison.systems)}; "
        f"{_common(_selection(s) for s in comparison.systems)}."
    )
    return Table(caption, tuple(columns), tuple(rows))


def _made_of(systems: Sequence[System]) -> Table:
    columns = (
        "System",
        "selection",
        "transductive",
        "labels",
        "train / valid / scored",
        "folds × seeds",
        "parameters (M)",
        "trained (M)",
        "time",
        "memory (MiB)",
    )
    rows = []
    for system in systems:
        protocol, facts = system.protocol, system.scores.facts
        runs = system.scores.runs
        counts, folds = protocol.get("counts") or {}, len({fold for fold, _, _ in runs})
        parameters = facts.get("parameters") or {}
        transductive = protocol.get("transductive")
        rows.append(
            TableRow(
                (
                    Cell(system.name),
                    Cell(str(protocol.get("selection") or "not stated")),
                    Cell(
                        "not stated" if transductive is None else ("yes" if transductive else "no")
                    ),
                    Cell(share(system.train_fraction)),
                    Cell(_per_fold(counts, folds)),
                    Cell(f"{folds} × {len({seed for _, seed, _ in runs})}"),
                    Cell(amount(parameters.get("total"), 1e6)),
                    Cell(amount(parameters.get("trainable"), 1e6)),
                    Cell(duration(facts.get("seconds"))),
                    Cell(amount(facts.get("peak_memory_mib"), 1.0)),
                )
            )
        )
    several = any(len({fold for fold, _, _ in s.scores.runs}) > 1 for s in systems)
    caption = "What each system was made of." + (" Counts are means per fold." if several else "")
    return Table(caption, columns, tuple(rows))


def _ceiling_findings(comparison: Comparison) -> list[Block]:
    metric, bounds = comparison.ceiling_metric, comparison.ceilings
    said = []
    best = comparison.best
    reached = best.scores.metrics[metric].mean if bounds else None
    name, additive = next(
        ((k, bounds[k]) for k in ("additive_best", "additive") if k in bounds), ("", math.nan)
    )
    if reached is not None and name:
        place = "above" if reached.low > additive else "not clearly above"
        what = "any additive listener" if name == "additive_best" else "an additive listener"
        said.append(
            f"With {METRICS[metric]} {number(reached.value)} {bracket(reached)} it is {place} what "
            f"{what} can reach ({number(additive)})."
        )
    for system in comparison.systems:
        value = system.scores.metrics[metric].mean if bounds else None
        if value is None:
            break
        delivery, joint = bounds.get("delivery", math.inf), bounds.get("joint", math.inf)
        if system.modalities == frozenset({"audio"}) and value.value > delivery:
            certainty = "" if value.low > delivery else ", though its interval includes it"
            said.append(
                f"{system.name} passes the delivery ceiling ({number(value.value)} over "
                f"{number(delivery)}{certainty}): this is word spotting, since no one who hears "
                "only the delivery can."
            )
        if value.low > joint:
            said.append(
                f"{system.name} passes the joint ceiling ({number(joint)}), which no honest system "
                "can: look for a leak."
            )
    return [Paragraph(" ".join(said))] if said else []


def _warnings(systems: Sequence[System]) -> list[Block]:
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
    return [Notes(tuple(sentences))] if sentences else []


def _marks_of(system: System) -> str:
    leaky = system.protocol.get("selection") == "best_test"
    return " †" * leaky + " ‡" * bool(system.protocol.get("transductive"))


def _by_share(systems: Sequence[System]) -> list[System | str]:
    """The systems in their order, under a heading per share of the labels where shares differ."""
    shares = sorted({s.train_fraction for s in systems}, reverse=True)
    if len(shares) == 1:
        return list(systems)
    out: list[System | str] = []
    for part in shares:
        out.append(f"{share(part)} of the labels")
        out += [s for s in systems if s.train_fraction == part]
    return out


def _selection(system: System) -> str:
    return SELECTION.get(str(system.protocol.get("selection")), "selection rule not stated")


def _common(texts: Iterable[str]) -> str:
    distinct = list(dict.fromkeys(texts))
    return distinct[0] if len(distinct) == 1 else "differs: " + " | ".join(distinct)


def _per_fold(counts: Mapping[str, Any], folds: int) -> str:
    if not counts:
        return "–"
    return " / ".join(f"{round(counts.get(p, 0) / folds):,}" for p in ("train", "valid", "test"))


def _signed(interval: Interval) -> Cell:
    return Cell(number(interval.value, True), bracket(interval, True))


def _level(level: float) -> str:
    return f"{100 * level:g} %"


def _with_mean(runs: Sequence[Curve]) -> list[Line]:
    if len(runs) == 1:
        return [Line(x=runs[0].x, y=runs[0].y)]
    mean = mean_curve(runs)
    return [Line(x=c.x, y=c.y, faint=True) for c in runs] + [Line(x=mean.x, y=mean.y)]


def _shared_limits(curves: Sequence[Curve]) -> tuple[float, float]:
    values = np.concatenate([curve.y for curve in curves])
    low, high = float(values.min()), float(np.quantile(values, 0.998))
    margin = 0.05 * (high - low) or 0.05
    return low - margin, high + margin
