"""Misses against false alarms: the DET curves of systems that are asked about trials."""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from numpy.typing import NDArray
from scipy.special import ndtri

from crosstone.metrics import TrialSample, det_points
from crosstone.reports.comparison import Comparison
from crosstone.reports.drawing import ROLES, SMALL, Drawing, canvas, finish
from crosstone.reports.figures import bare
from crosstone.reports.page import Block, Figure, Heading
from crosstone.reports.results import short_names
from crosstone.reports.wording import METRICS, count, number

Floats = NDArray[np.float64]
TICKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95)
"""Rates that an axis may name."""
_POINTS = 300
_TICK_GAP = 36.0
"""Pixels from one tick to the next, at least."""
_OTHERS = (("second", "-"), ("ink", (0, (5, 2))), ("soft", (0, (1.5, 1.5))))
"""Colour and dashes of all but the best."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class DetCurve:
    """The curves of one system, one for each fold and seed."""

    label: str
    runs: Sequence[tuple[Floats, Floats]]
    """False-alarm and miss rates, falling and rising."""
    eer: float
    strong: bool = False


def detection(comparison: Comparison, name: str) -> list[Block]:
    """One figure of all systems that were asked about trials; nothing where there are none."""
    short = short_names(comparison.systems)
    curves, rarest = [], 0
    for system in comparison.systems:
        sample = system.scores.sample
        if not isinstance(sample, TrialSample):
            continue
        runs = [
            (sample.folds == fold) & (sample.seeds == seed) for fold, seed, _ in system.scores.runs
        ]
        points = [det_points(sample.target[rows], sample.scores[rows]) for rows in runs]
        curves.append(
            DetCurve(
                label=short[system.name],
                runs=[(false_alarm, miss) for _, false_alarm, miss in points],
                eer=system.scores.metrics["eer"].mean.value,
                strong=system is comparison.best,
            )
        )
        kinds = [min(sample.target[rows].sum(), (~sample.target[rows]).sum()) for rows in runs]
        rarest = max(rarest, int(min(kinds)))
    if not curves:
        return []
    several = any(len(curve.runs) > 1 for curve in curves)
    caption = (
        "Misses against false alarms as the threshold moves, on normal-deviate scales (DET). The "
        f"dots are at the {METRICS['eer']}, where both are equal; towards the lower left is better."
        f"{' Each fold and seed has a curve of its own.' if several else ''} Of "
        f"{count(rarest, 'trial')} of the rarer kind, none shows a rate below {1 / rarest:.2%}."
    )
    drawing = det_plot(f"{name}-det", curves, floor=1 / rarest)
    return [Heading("Misses and false alarms"), Figure(caption, (drawing,), (caption,))]


def det_plot(name: str, curves: Sequence[DetCurve], *, floor: float) -> Drawing:
    """DET curves over each other, and a key in the corner that no good curve enters.

    floor: the lowest rate that can be seen, which is where the axes begin.
    """
    low = min(0.1, max(tick for tick in TICKS if tick <= max(floor, TICKS[0])))
    high = 0.6 if all(curve.eer < 0.15 for curve in curves) else 0.95
    edges = float(ndtri(low)), float(ndtri(high))
    width, height, left, top, side = 520.0, 510.0, 62.0, 14.0, 440.0
    ticks = _readable([tick for tick in TICKS if low <= tick <= high], side / (edges[1] - edges[0]))
    with canvas(width, height) as figure:
        axes = figure.add_axes(
            (left / width, 1 - (top + side) / height, side / width, side / height)
        )
        bare(axes, sides=("bottom", "left"))
        axes.set_xlim(*edges)
        axes.set_ylim(*edges)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_locator(FixedLocator([float(ndtri(tick)) for tick in ticks]))
            axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(FuncFormatter(lambda _, i: f"{100 * ticks[i or 0]:g} %"))
        axes.plot(edges, edges, color=ROLES["faint"], lw=0.8, ls=(0, (3, 2.5)), zorder=1)
        axes.set_xlabel("false alarms", color=ROLES["soft"], fontsize=SMALL, labelpad=5)
        axes.set_ylabel("misses", color=ROLES["soft"], fontsize=SMALL, labelpad=5)
        styles = iter(_OTHERS * len(curves))
        row = 0.0
        for curve in curves:
            role, dashes = ("accent", "-") if curve.strong else next(styles)
            thick = 1.9 if len(curve.runs) == 1 else 1.0
            for false_alarm, miss in curve.runs:
                x, y = _thinned(false_alarm, miss, edges)
                axes.plot(
                    x, y, color=ROLES[role], lw=thick, ls=dashes, zorder=3 if curve.strong else 2
                )
            at = float(ndtri(np.clip(curve.eer, low, high)))
            axes.scatter([at], [at], s=34, color=ROLES[role], linewidths=0, zorder=4, clip_on=False)
            text = textwrap.fill(f"{curve.label}, {METRICS['eer']} {number(curve.eer)}", 34)
            axes.annotate(
                text,
                (1, 1),
                xycoords="axes fraction",
                xytext=(-34, -6 - row),
                textcoords="offset points",
                ha="right",
                va="top",
                linespacing=1.15,
                color=ROLES[role],
                fontsize=SMALL,
                fontweight="bold" if curve.strong else "normal",
            )
            axes.plot(
                [1 - 28 / side, 1 - 4 / side],
                [1 - (13 + row) / side] * 2,
                transform=axes.transAxes,
                color=ROLES[role],
                lw=1.9,
                ls=dashes,
            )
            row += 18 + 14 * text.count("\n")
        return finish(name, figure, width, height)


def _readable(ticks: Sequence[float], per_unit: float) -> list[float]:
    """The ticks without those whose labels would touch the one before."""
    kept = [ticks[0]]
    for tick in ticks[1:]:
        if per_unit * (ndtri(tick) - ndtri(kept[-1])) > _TICK_GAP:
            kept.append(tick)
    return kept


def _thinned(
    false_alarm: Floats, miss: Floats, edges: tuple[float, float]
) -> tuple[Floats, Floats]:
    """The curve on normal-deviate scales, as at most 300 points evenly along it."""
    with np.errstate(divide="ignore"):
        x, y = (
            np.clip(ndtri(rates), edges[0] - 0.5, edges[1] + 0.5) for rates in (false_alarm, miss)
        )
    along = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    kept = np.unique(np.searchsorted(along, np.linspace(0, along[-1], _POINTS)))
    return x[kept], y[kept]
