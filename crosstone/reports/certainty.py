"""Whether the systems of a report are right as often as they say, before and after calibration."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import FixedLocator
from numpy.typing import NDArray

from crosstone.metrics import reliability, risk_coverage
from crosstone.metrics.calibration import Reliability
from crosstone.metrics.names import BEFORE
from crosstone.reports.comparison import Comparison, System
from crosstone.reports.drawing import ROLES, SMALL, TEXT, Drawing, canvas, finish
from crosstone.reports.figures import Line, bare, curve_panel
from crosstone.reports.page import (
    Block,
    Cell,
    Figure,
    Heading,
    Paragraph,
    Table,
    TableRow,
)
from crosstone.reports.results import short_names
from crosstone.reports.wording import METRICS, bracket, number
from crosstone.scoring.predictions import Predictions

_METRICS = ("ece", "brier", "nll", "aurc")
_BEFORE, _AFTER = "as the model says", "calibrated"
_FEWEST_SHOWN = 0.05
"""Share of the items below which the curve of errors is chance."""


def certainty(comparison: Comparison, name: str) -> list[Block]:
    """Reliability and risk–coverage curves of each system of classes, and their numbers."""
    systems = [s for s in comparison.systems if _outputs(s)]
    if not systems:
        return []
    labels = short_names(systems)
    reliable, risky = [], []
    drawn = {
        system.name: [
            _risk_line(system.scores.predictions.target, p, kind, len(_outputs(system)))
            for kind, p in _outputs(system).items()
        ]
        for system in systems
    }
    top = max(float(line.y.max()) for lines in drawn.values() for line in lines)
    for i, system in enumerate(systems):
        target, title = system.scores.predictions.target, labels[system.name]
        curves = {kind: reliability(target, p) for kind, p in _outputs(system).items()}
        reliable.append(reliability_plot(f"{name}-reliability-{i}", title, curves))
        risky.append(
            curve_panel(
                f"{name}-risk-{i}",
                title,
                drawn[system.name],
                x_axis="answered, %",
                y_axis="errors among the answered, %",
                y_limits=(0.0, 1.05 * max(top, 1.0)),
            )
        )
    both = any(len(_outputs(s)) > 1 for s in systems)
    caption = (
        "How often the most probable class is right where it is so probable, in bins of equal "
        "width; larger dots hold more items, and on the diagonal a model is right as often as it "
        "says."
    )
    if both:
        caption += " Grey is what the model says, blue what is calibrated on other groups."
    risk = "Errors among the most certain items, for every share of them that is answered."
    return [
        Heading("Certainty"),
        *_said(comparison),
        Figure(caption, tuple(reliable), tuple(f"Reliability of {s.name}" for s in systems)),
        Figure(risk, tuple(risky), tuple(f"Risk and coverage of {s.name}" for s in systems)),
        _table(systems, labels),
    ]


def reliability_plot(name: str, title: str, curves: Mapping[str, Reliability]) -> Drawing:
    """Accuracy over confidence in percent, on a square with its diagonal; the last curve is the
    strong one."""
    width, side = 226.0, 168.0
    title = textwrap.fill(title, int(width / 7))
    head = 42.0 + 15 * title.count("\n")
    height = head + side + 44.0
    with canvas(width, height) as figure:
        axes = figure.add_axes((46 / width, 42 / height, side / width, side / height))
        bare(axes, sides=("bottom", "left"))
        axes.set_xlim(0, 100)
        axes.set_ylim(0, 100)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(FixedLocator([0, 25, 50, 75, 100]))
        axes.plot([0, 100], [0, 100], color=ROLES["faint"], lw=0.9, ls=(0, (3, 2.5)), zorder=1)
        for place, curve in enumerate(curves.values(), 1):
            colour = ROLES["accent" if place == len(curves) else "soft"]
            x, y = 100 * curve.confidence, 100 * curve.accuracy
            sizes = 6 + 160 * curve.count / curve.count.sum()
            axes.plot(x, y, color=colour, lw=1.3, zorder=2 + place, clip_on=False)
            axes.scatter(x, y, s=sizes, color=colour, linewidths=0, zorder=2 + place, clip_on=False)
        axes.set_xlabel("confidence, %", color=ROLES["soft"], fontsize=SMALL, labelpad=4)
        for text, place_y, role, size in (
            (title, 1 - 6 / height, "ink", TEXT),
            ("right, %", 1 - (head - 17) / height, "soft", SMALL),
        ):
            figure.text(
                8 / width,
                place_y,
                text,
                va="top",
                linespacing=1.15,
                color=ROLES[role],
                fontsize=size,
            )
        return finish(name, figure, width, height)


def _outputs(system: System) -> dict[str, NDArray[np.float64]]:
    """The probabilities of a system, before calibration too where it was calibrated; none where it
    gives none."""
    predictions = system.scores.predictions
    if not isinstance(predictions, Predictions) or not predictions.labels:
        return {}
    if not predictions.is_graded:
        return {}
    if predictions.uncalibrated is None:
        return {_BEFORE: predictions.outputs}
    return {_BEFORE: predictions.uncalibrated, _AFTER: predictions.outputs}


def _risk_line(target: NDArray[Any], outputs: NDArray[np.float64], kind: str, kinds: int) -> Line:
    curve = risk_coverage(target, outputs)
    shown = np.flatnonzero(curve.coverage >= min(_FEWEST_SHOWN, curve.coverage[-1]))
    picked = shown[np.unique(np.linspace(0, len(shown) - 1, 120).astype(int))]
    strong = kind == _AFTER or kinds == 1
    return Line(
        x=100 * curve.coverage[picked],
        y=100 * curve.risk[picked],
        role="accent" if strong else "soft",
        dashed=not strong,
    )


def _said(comparison: Comparison) -> list[Block]:
    best = comparison.best
    after = best.scores.metrics.get("ece")
    before = best.scores.metrics.get(f"ece{BEFORE}")
    if after is None or before is None:
        return []
    how = (best.scores.facts.get("protocol") or {}).get("selection")
    chosen = how in ("nested", "best_valid")
    on = "the groups that chose the epoch, which" if chosen else "groups that"
    return [
        Paragraph(
            f"Calibrated on {on} neither train nor test it, {best.name} has an ECE of "
            f"{number(after.mean.value)} {bracket(after.mean)}, before it "
            f"{number(before.mean.value)} {bracket(before.mean)}."
        )
    ]


def _table(systems: Sequence[System], labels: Mapping[str, str]) -> Table:
    rows: list[TableRow] = []
    for system in systems:
        metrics, of_final = system.scores.metrics, _of_final(system)
        kinds = {_AFTER: ""} if len(_outputs(system)) > 1 else {}
        suffixes = {_BEFORE: BEFORE, **kinds} if kinds else {_BEFORE: ""}
        has_more = len(suffixes) > 1 or bool(of_final)
        rows += [TableRow((Cell(labels[system.name]),))] * has_more
        for kind, suffix in suffixes.items():
            means = [metrics[f"{name}{suffix}"].mean for name in _METRICS]
            cells = [Cell(number(m.value), bracket(m) if np.isfinite(m.low) else "") for m in means]
            rows.append(TableRow((Cell(kind if has_more else labels[system.name]), *cells)))
        for kind, values in of_final.items():
            cells = [Cell(number(float(values[name]))) for name in _METRICS]
            rows.append(TableRow((Cell(kind), *cells)))
    return Table(
        "How far probabilities can be believed; less is better. AURC is the mean of the errors "
        "over all shares that may be answered.",
        ("System", *(METRICS[name] for name in _METRICS)),
        tuple(rows),
    )


def _of_final(system: System) -> dict[str, Mapping[str, Any]]:
    """The final model's calibration, as far as it was fitted on the folds' answers: each scaled by
    a fit to other groups."""
    made = system.scores.facts.get("calibration") or {}
    return {
        f"the final model's calibration ({made['method']}), {kind}": entry["after"]
        for kind, entry in (made.get("kinds") or {}).items()
        if entry.get("after")
    }
