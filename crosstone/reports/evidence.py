"""The evidence of a report: confusions, learning curves, probes, and how the numbers were made."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from crosstone.reports.comparison import Comparison, System
from crosstone.reports.confusion import confusion_plot
from crosstone.reports.curves import Curve, Probe, loss_curve, mean_curve, read_logs, valid_curve
from crosstone.reports.figures import Line, curve_panel
from crosstone.reports.page import (
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
from crosstone.reports.results import by_share, short_names
from crosstone.reports.wording import (
    METRICS,
    amount,
    common,
    count,
    duration,
    number,
    percent,
    protocol_counts,
    protocol_name,
    selection_rule,
)


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
    labels, short = systems[0].scores.labels, short_names(systems)
    table = Table(
        "Each class against the rest: accuracy and, beside it, support-weighted F1.",
        ("System", *labels),
        tuple(
            TableRow((Cell(entry),))
            if isinstance(entry, str)
            else TableRow(
                (
                    Cell(short[entry.name]),
                    *(
                        Cell(number(c["accuracy"]), number(c["weighted_f1"]))
                        for c in (entry.scores.classes[label] for label in labels)
                    ),
                ),
                strong=entry is comparison.best,
            )
            for entry in by_share(systems)
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
        caption = f"{y_axis[0].upper()}{y_axis[1:]} of each system" + (
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
    scored = count(
        scores.num_items, "trial" if scores.predictions.task == "verification" else "item"
    )
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
            + f", content hash {str(corpus.get('hash') or 'not stated')[:16]}"
            + _part_of(corpus),
        ),
        ("Scored", scored),
        ("Protocol", common("protocol", (protocol_name(s.protocol) for s in systems))),
        ("Selection", common("selection", (selection_rule(s.protocol) for s in systems))),
        ("Labels", " and ".join(sorted({_labels(s) for s in systems}))),
        (
            "Headline",
            f"{METRICS[comparison.headline]}, the mean over folds and seeds; pooled values take "
            "all predictions at once",
        ),
        (
            "Intervals",
            f"{percent(scores.level)}, percentile bootstrap of {scores.replicates:,} replicates "
            f"over {count(scores.clusters.count, scores.clusters.by)} ({scores.clusters.why})",
        ),
    ]
    sources = dict.fromkeys(str(s.protocol["source"]) for s in systems if s.protocol.get("source"))
    facts += [("Source", source) for source in sources]
    shared, table = _made_of(comparison)
    stated = {term for term, _ in facts}
    facts += [(term, text) for term, text in shared if term not in stated and text != "–"]
    blocks: list[Block] = [Heading("How it was measured"), Facts(tuple(facts)), *table]
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
        rows.append(TableRow((Cell(probe.name),)))
        for modality, what in kinds.items():
            matched, shuffled = (probe.last(f"{modality}_{p}") for p in ("matched", "shuffled"))
            values = (number(matched), number(shuffled), number(matched - shuffled, True))
            rows.append(TableRow((Cell(what), *map(Cell, values))))
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
                    width=344.0,
                )
                drawings.append(panel)
                labels.append(f"Accuracy on {what}, {probe.name}")
    blocks: list[Block] = [
        Heading("Does pretraining use the other modality?"),
        Paragraph(
            "One modality is masked and predicted while the other comes from the same utterance "
            "(matched) or from another one (shuffled). A model that only looks at its own side "
            "scores the same on both."
        ),
        Table(
            "Accuracy on masked positions at the end of each stage.",
            ("Stage", "matched", "shuffled", "difference"),
            tuple(rows),
        ),
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


def _made_of(comparison: Comparison) -> tuple[list[tuple[str, str]], list[Block]]:
    """What all systems share, as facts, and what differs between them, as a table."""
    systems = comparison.systems
    columns: dict[str, list[str]] = {}
    for system in systems:
        for column, text in _system_facts(system).items():
            columns.setdefault(column, []).append(text)
    shared = [(column, texts[0]) for column, texts in columns.items() if len(set(texts)) == 1]
    differing = [column for column, texts in columns.items() if len(set(texts)) > 1]
    if len(systems) == 1 or not differing:
        return shared, []
    rows, short = [], short_names(systems)
    for entry in by_share(systems):
        if isinstance(entry, str):
            rows.append(TableRow((Cell(entry),)))
            continue
        own = _system_facts(entry)
        rows.append(
            TableRow((Cell(short[entry.name]), *(Cell(own[column]) for column in differing)))
        )
    return shared, [Table("What differs between the systems.", ("System", *differing), tuple(rows))]


def _system_facts(system: System) -> dict[str, str]:
    protocol, facts, runs = system.protocol, system.scores.facts, system.scores.runs
    folds, seeds = (len({run[i] for run in runs}) for i in (0, 1))
    parameters = facts.get("parameters") or {}
    transductive = protocol.get("transductive")
    return {
        "Selection": str(protocol.get("selection") or "not stated"),
        "Transductive": {None: "not stated", True: "yes", False: "no"}.get(transductive, "yes"),
        "Counts": protocol_counts(protocol) or "–",
        "Folds × seeds": f"{folds} × {seeds}",
        "Parameters": amount(parameters.get("total"), 1e6, "M"),
        "Trained": amount(parameters.get("trainable"), 1e6, "M"),
        "Time": duration(facts.get("seconds")),
        "Memory": amount(facts.get("peak_memory_mib"), 1.0, "MiB"),
    }


def _part_of(corpus: Mapping[str, Any]) -> str:
    copy = corpus.get("copy") or {}
    if copy.get("hash") in (None, corpus.get("hash")):
        return ""
    return f", part of a copy of {copy['utterances']:,} with hash {copy['hash']}"


def _labels(system: System) -> str:
    stated = system.protocol.get("train_fraction")
    return "share not stated" if stated is None else percent(stated)


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
