"""The figures of a report: interval plots and curves, as SVG.

Sizes are in CSS pixels. Colours are roles: a drawing takes the page's own (light and dark) when it
is put into one, and fixed light ones when it stands alone in a file.
"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from crosstone.metrics import Interval
from crosstone.reports.drawing import (
    ROLES,
    SMALL,
    TEXT,
    Drawing,
    canvas,
    finish,
    place_labels,
    spread_apart,
    text_width,
)
from crosstone.reports.wording import bracket, number


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of an interval plot; a row without a value is a heading."""

    label: str
    value: float | None = None
    low: float = float("nan")
    high: float = float("nan")
    dots: Sequence[float] = ()
    strong: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """A vertical line with its label above."""

    label: str
    x: float
    role: str = "second"


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Line:
    """One curve of a panel; a faint one stands behind the others and has no label."""

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    label: str = ""
    role: str = "accent"
    dashed: bool = False
    faint: bool = False


def interval_plot(
    name: str,
    rows: Sequence[Row],
    *,
    axis: str,
    marks: Sequence[Mark] = (),
    narrow: bool = False,
    signed: bool = False,
) -> Drawing:
    """Values with intervals, one row each, and labelled vertical marks behind them.

    narrow: for a phone, with each label above its interval. signed: numbers carry their sign and
    zero is drawn.
    """
    width = 350.0 if narrow else 720.0
    labels = [textwrap.fill(row.label, 30 if narrow else 34) for row in rows]
    left = 10.0 if narrow else 16.0 + _widest(rows, labels)
    right = 10.0 if narrow else 138.0
    heights = [
        (24.0 if row.value is None else 46.0 if narrow else 27.0) + 15.0 * label.count("\n")
        for row, label in zip(rows, labels, strict=True)
    ]
    edges = np.concatenate([[0.0], np.cumsum(heights)])
    y = float(edges[-1])
    low, high = _limits(rows, [mark.x for mark in marks] + [0.0] * signed)
    plot_width = width - left - right
    placed = place_labels(
        [(m.x - low) / (high - low) * plot_width for m in marks],
        [text_width(_said(m), SMALL) for m in marks],
        plot_width,
    )
    top = 10.0 + 15.0 * max((level + 1 for _, level in placed), default=0)
    height = top + y + 44.0
    with canvas(width, height) as figure:
        axes = figure.add_axes((left / width, 44.0 / height, plot_width / width, y / height))
        axes.set_xlim(low, high)
        axes.set_ylim(y, 0)
        bare(axes, sides=("bottom",))
        axes.set_yticks([])
        axes.xaxis.set_major_locator(MaxNLocator(4 if narrow else 6, steps=[1, 2, 5, 10]))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: number(v, signed, trim=True)))
        axes.set_xlabel(axis, color=ROLES["soft"], fontsize=SMALL, labelpad=5)
        per_x = plot_width / (high - low)
        if signed:
            axes.axvline(0, color=ROLES["soft"], lw=1)
        for mark, (centre, level) in zip(marks, placed, strict=True):
            rise = 5.0 + 15.0 * level
            beside = abs(low + centre / per_x - mark.x) * per_x > 0.45 * text_width(_said(mark))
            axes.plot(
                [mark.x, mark.x],
                [-rise - 11.0 * beside, y],
                color=ROLES[mark.role],
                lw=0.9,
                ls=(0, (3, 2.5)),
                clip_on=False,
                zorder=1,
            )
            axes.text(
                low + centre / per_x,
                -rise - 3.5,
                _said(mark),
                ha="center",
                va="bottom",
                color=ROLES[mark.role],
                fontsize=SMALL,
            )
        for row, label, start, end in zip(rows, labels, edges[:-1], edges[1:], strict=True):
            _draw_row(axes, row, label, (start, end), (left, right), per_x, narrow, signed)
        return finish(name, figure, width, height)


def curve_panel(
    name: str,
    title: str,
    lines: Sequence[Line],
    *,
    x_axis: str,
    y_axis: str,
    y_limits: tuple[float, float] | None = None,
    width: float = 226.0,
) -> Drawing:
    """Curves over steps or epochs, each labelled at its end."""
    title = textwrap.fill(title, int(width / 7))
    head = 42.0 + 15 * title.count("\n")
    height = head + 0.45 * width + 70.0
    right = 12.0 + max((text_width(line.label, SMALL) for line in lines if line.label), default=0)
    with canvas(width, height) as figure:
        axes = figure.add_axes(
            (46 / width, 42 / height, (width - 46 - right) / width, 1 - (42 + head) / height)
        )
        bare(axes, sides=("bottom", "left"))
        for line in lines:
            axes.plot(
                line.x,
                line.y,
                color=ROLES["faint" if line.faint else line.role],
                lw=0.8 if line.faint else 1.7,
                ls=(0, (4, 2)) if line.dashed else "-",
                marker="o" if len(line.x) == 1 else None,
                ms=3,
                zorder=2 if line.faint else 3,
                clip_on=False,
            )
        if y_limits is not None:
            axes.set_ylim(*y_limits)
        axes.margins(x=0.01)
        axes.xaxis.set_major_locator(MaxNLocator(4 if width < 300 else 6, integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.set_xlabel(x_axis, color=ROLES["soft"], fontsize=SMALL, labelpad=4)
        bottom, top = axes.get_ylim()
        named = [line for line in lines if line.label and line.y.size]
        for line, y in zip(
            named, spread_apart([n.y[-1] for n in named], (top - bottom) / 9), strict=True
        ):
            axes.annotate(
                line.label,
                (axes.get_xlim()[1], y),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                color=ROLES[line.role],
                fontsize=SMALL,
                annotation_clip=False,
            )
        figure.text(
            8 / width,
            1 - 6 / height,
            title,
            va="top",
            linespacing=1.15,
            color=ROLES["ink"],
            fontsize=TEXT,
        )
        figure.text(
            8 / width,
            1 - (head - 17) / height,
            y_axis,
            va="top",
            color=ROLES["soft"],
            fontsize=SMALL,
        )
        return finish(name, figure, width, height)


def _draw_row(
    axes: Axes,
    row: Row,
    label: str,
    rows: tuple[float, float],
    margins: tuple[float, float],
    per_x: float,
    narrow: bool,
    signed: bool,
) -> None:
    low, high = axes.get_xlim()
    left, right = margins
    heading = row.value is None
    colour = ROLES["soft" if heading else "accent" if row.strong else "ink"]
    mark_y = rows[1] - 15 if narrow else sum(rows) / 2
    label_y = (rows[0] + rows[1] - 23) / 2 if narrow and not heading else sum(rows) / 2
    ground = {"facecolor": ROLES["paper"], "edgecolor": "none", "pad": 1.0} if narrow else None
    axes.text(
        low if narrow else low - left / per_x + 2 / per_x,
        label_y,
        label,
        va="center_baseline" if "\n" not in label else "center",
        color=colour,
        fontsize=SMALL if heading else TEXT,
        fontweight="bold" if row.strong else "normal",
        style="italic" if heading else "normal",
        linespacing=1.15,
        bbox=ground,
    )
    if row.value is None or not np.isfinite(row.value):
        return
    axes.scatter(
        row.dots, [mark_y + 7] * len(row.dots), s=10, color=ROLES["faint"], linewidths=0, zorder=2
    )
    axes.plot([row.low, row.high], [mark_y, mark_y], color=colour, lw=1.7, zorder=3)
    axes.scatter([row.value], [mark_y], s=34, color=colour, linewidths=0, zorder=4)
    said = f"{number(row.value, signed)}  {bracket(Interval(row.value, row.low, row.high), signed)}"
    axes.text(
        high if narrow else high + right / per_x - 2 / per_x,
        label_y,
        said,
        ha="right",
        va="center_baseline",
        color=colour if row.strong else ROLES["soft"],
        fontsize=SMALL,
        bbox=ground,
    )


def _widest(rows: Sequence[Row], labels: Sequence[str]) -> float:
    return max(
        text_width(part, SMALL if row.value is None else TEXT, row.strong)
        for row, label in zip(rows, labels, strict=True)
        for part in label.split("\n")
    )


def _limits(rows: Sequence[Row], extra: Sequence[float]) -> tuple[float, float]:
    numbers = [x for r in rows if r.value is not None for x in (r.value, r.low, r.high, *r.dots)]
    finite = [x for x in [*numbers, *extra] if np.isfinite(x)] or [0.0, 1.0]
    margin = max(0.04 * (max(finite) - min(finite)), 0.005)
    return min(finite) - margin, max(finite) + margin


def _said(mark: Mark) -> str:
    return f"{mark.label} {number(mark.x, trim=True)}"


def bare(axes: Axes, sides: Sequence[str]) -> None:
    """Leave of the frame only these sides, in the colours of the page."""
    for side, spine in axes.spines.items():
        spine.set_visible(side in sides)
        spine.set_color(ROLES["faint"])
        spine.set_linewidth(0.8)
    axes.tick_params(
        colors=ROLES["soft"], labelsize=SMALL, length=3, width=0.8, color=ROLES["faint"], pad=3
    )
    axes.patch.set_visible(False)
