"""The figures of a study: scores over a factor of its systems, against what bounds them."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from crosstone.metrics import Interval
from crosstone.reports import drawing as ground
from crosstone.reports.comparison import System, gathered
from crosstone.reports.drawing import ROLES, SMALL, TEXT, canvas, finish, spread_apart, text_width
from crosstone.reports.figures import bare
from crosstone.reports.page import Figure, Heading, Paragraph
from crosstone.reports.wording import METRICS, number, percent
from crosstone.studies.shown import Shown
from crosstone.studies.study import Drawing, Study


@dataclass(frozen=True, slots=True)
class Style:
    """How a line looks, in colour and without."""

    role: str
    marker: str
    dashes: Any = "-"
    width: float = 1.6


STYLES = (
    *(Style("accent", "o"), Style("second", "s"), Style("ink", "^"), Style("soft", "D")),
    *(Style("accent", "v", "-."), Style("second", "P", "-.")),
    *(Style("ink", "X", "-."), Style("soft", "*", "-.")),
)
"""Of the lines of a drawing in their order: no two have the same marker."""

_BOUND = Style("soft", "", (0, (3, 2.5)), 0.9)
_FULL, _HALF = 720.0, 350.0
_LEFT, _STROKE = 46.0, 30.0
_MOST_UNEVEN = 20.0
"""Largest over smallest distance of values on an axis that is still drawn to scale."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Point:
    """One system of a drawing."""

    panel: str
    line: str
    x: float
    system: str
    score: Interval


@dataclass(frozen=True, kw_only=True, slots=True)
class Bound:
    """The best score that a listener of a kind can reach where the corpus is that of x."""

    panel: str
    kind: str
    x: float
    value: float


def drawn(study: Study, systems: Mapping[str, System], name: str) -> Shown:
    """Every drawing of a study; the names of its files begin with `name`."""
    blocks: list[Heading | Paragraph | Figure] = []
    data: dict[str, Sequence[Mapping[str, object]]] = {}
    for index, asked in enumerate(study.drawings):
        points = points_of(asked, study, systems)
        if not points:
            continue
        bounds, bounded = _bounds(asked, study, systems)
        metric = next(s for s in systems.values() if s.name == points[0].system).scores.headline
        panels = list(dict.fromkeys(point.panel for point in points))
        stem = f"{name}{index}"
        width = _FULL if len(panels) == 1 else _HALF
        for part, panel in enumerate(panels):
            data[f"{stem}-{part}"] = _rows(metric, bounded, points, bounds, panel)
        wide = tuple(
            _panel(f"{stem}-{part}", panel, asked, METRICS[metric], points, bounds, width)
            for part, panel in enumerate(panels)
        )
        narrow = None
        if len(panels) == 1:
            narrow = _panel(
                f"{stem}-narrow", panels[0], asked, METRICS[metric], points, bounds, _HALF
            )
        level = percent(next(iter(systems.values())).scores.level)
        caption = f"{asked.caption} {METRICS[metric]}, with its {level} interval."
        if bounds and "ceiling" not in caption:
            caption += f" Dashed: the exact ceilings of {METRICS[bounded]}."
        if not _is_even(sorted({point.x for point in points})):
            caption += " The axis counts its values, and is not to scale."
        labels = tuple(f"{asked.caption} {panel}".strip() for panel in panels)
        blocks.append(Figure(caption, wide, labels, narrow, top=True))
    if blocks:
        blocks.insert(0, Heading("Figures"))
    return Shown(tuple(blocks), data)


def points_of(asked: Drawing, study: Study, systems: Mapping[str, System]) -> list[Point]:
    """The trained systems that have the factors of a drawing, in the order of the study."""
    wanted = [factor for factor in (asked.x, asked.line, asked.panel) if factor]
    return [
        Point(
            panel=str(system.factors.get(asked.panel, "")) if asked.panel else "",
            line=str(system.factors.get(asked.line, "")) if asked.line else "",
            x=float(system.factors[asked.x]),
            system=systems[system.name].name,
            score=systems[system.name].headline,
        )
        for system in study.systems
        if system.name in systems and all(factor in system.factors for factor in wanted)
    ]


def _bounds(asked: Drawing, study: Study, systems: Mapping[str, System]) -> tuple[list[Bound], str]:
    """The ceilings at each place of a drawing, unless two corpora share it; and their metric."""
    points = points_of(asked, study, systems)
    by_name = {system.name: system for system in systems.values()}
    found: dict[tuple[str, str, float], set[float]] = {}
    metric = ""
    for point in points:
        (alone,) = gathered([by_name[point.system]])
        metric = alone.ceiling_metric
        for kind, value in alone.ceilings.items():
            found.setdefault((point.panel, kind, point.x), set()).add(value)
    if any(len(values) > 1 for values in found.values()):
        return [], ""
    return [
        Bound(panel=panel, kind=kind, x=x, value=next(iter(values)))
        for (panel, kind, x), values in found.items()
    ], metric


def _rows(
    metric: str, bounded: str, points: Sequence[Point], bounds: Sequence[Bound], panel: str
) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = [
        {
            "panel": panel,
            "line": p.line,
            "x": p.x,
            "system": p.system,
            "metric": metric,
            "value": p.score.value,
            "low": p.score.low,
            "high": p.score.high,
        }
        for p in points
        if p.panel == panel
    ]
    rows += [
        {
            "panel": panel,
            "line": f"ceiling: {b.kind}",
            "x": b.x,
            "system": "",
            "metric": bounded,
            "value": b.value,
            "low": b.value,
            "high": b.value,
        }
        for b in bounds
        if b.panel == panel
    ]
    return rows


def _is_even(values: Sequence[float]) -> bool:
    gaps = np.diff(values)
    return len(gaps) == 0 or float(gaps.max() / gaps.min()) <= _MOST_UNEVEN


def _panel(
    name: str,
    panel: str,
    asked: Drawing,
    score: str,
    points: Sequence[Point],
    bounds: Sequence[Bound],
    width: float,
) -> ground.Drawing:
    """One panel; every panel of a drawing has the same lines, places and limits.

    Its lines are named at their ends, or below where there is no room beside.
    """
    lines = list(dict.fromkeys(point.line for point in points))
    style = {line: STYLES[k % len(STYLES)] for k, line in enumerate(lines)}
    places = sorted({point.x for point in points})
    place = {x: x if _is_even(places) else float(k) for k, x in enumerate(places)}
    kinds = list(dict.fromkeys(bound.kind for bound in bounds if bound.panel == panel))
    beside = [*(line for line in lines if line and width > _HALF), *map(_named, kinds)]
    below = [line for line in lines if line and width <= _HALF]
    columns = _columns(below, width)
    right = 14.0 + max((text_width(text, SMALL) + _STROKE for text in beside), default=0.0)
    title = textwrap.fill(panel, int(width / 7))
    head = 24.0 + (17.0 + 15.0 * title.count("\n")) * bool(panel)
    plot = max(0.58 * width if below else 0.42 * width, 15.0 * len(beside) + 12)
    foot = 44.0 + 15.0 * math.ceil(len(below) / columns)
    height = head + plot + foot
    with canvas(width, height) as figure:
        across = width - _LEFT - right
        axes = figure.add_axes((_LEFT / width, foot / height, across / width, plot / height))
        bare(axes, sides=("bottom", "left"))
        _limit(axes, list(place.values()), points, bounds)
        per_x = across / float(np.diff(axes.get_xlim())[0])
        ends: list[tuple[float, str, Style]] = []
        for k, line in enumerate(lines):
            own = sorted((p for p in points if (p.panel, p.line) == (panel, line)), key=_x)
            if own:
                aside = (k - (len(lines) - 1) / 2) * 5 / per_x
                _draw_line(axes, [place[p.x] + aside for p in own], own, style[line])
                ends.append((own[-1].score.value, line, style[line]))
        for kind in kinds:
            mine = sorted((b for b in bounds if (b.panel, b.kind) == (panel, kind)), key=_x)
            x, y = [place[b.x] for b in mine], [b.value for b in mine]
            if len(set(y)) == 1:
                x, y = list(axes.get_xlim()), [y[0], y[0]]
            axes.plot(x, y, color=ROLES["soft"], lw=_BOUND.width, ls=_BOUND.dashes, zorder=1)
            ends.append((y[-1], _named(kind), _BOUND))
        _ticks(axes, place, width)
        axes.set_xlabel(asked.axis, color=ROLES["soft"], fontsize=SMALL, labelpad=4)
        named = [end for end in ends if end[1] in beside]
        for above, (_, text, of) in zip(_heights(axes, named, plot), named, strict=True):
            _name(figure, text, of, width - right + 6, foot + above)
        for k, line in enumerate(below):
            row, column = divmod(k, columns)
            across, down = column * (width - 16) / columns, 49.0 + 15.0 * row
            _name(figure, line, style[line], 8 + across, foot - down)
        if panel:
            _write(figure, title, 1 - 6 / height, "ink", TEXT)
        _write(figure, score, 1 - (head - 18) / height, "soft", SMALL)
        return finish(name, figure, width, height)


def _columns(names: Sequence[str], width: float) -> int:
    """Into how many columns names fit below a panel, each behind its stroke."""
    widest = max((text_width(name, SMALL) for name in names), default=0.0) + _STROKE + 12
    return max(1, min(3, int((width - 16) / widest)))


def _x(entry: Point | Bound) -> float:
    return entry.x


def _named(kind: str) -> str:
    return kind.replace("_", " ")


def _limit(
    axes: Axes, x: Sequence[float], points: Sequence[Point], bounds: Sequence[Bound]
) -> None:
    values = [v for p in points for v in (p.score.value, p.score.low, p.score.high)]
    values += [b.value for b in bounds]
    finite = [v for v in values if np.isfinite(v)] or [0.0, 1.0]
    rise = max(0.06 * (max(finite) - min(finite)), 0.005)
    axes.set_ylim(min(finite) - rise, max(finite) + rise)
    aside = 0.08 * (max(x) - min(x)) or 0.5
    axes.set_xlim(min(x) - aside, max(x) + aside)


def _draw_line(axes: Axes, x: Sequence[float], points: Sequence[Point], style: Style) -> None:
    colour = ROLES[style.role]
    for place, point in zip(x, points, strict=True):
        axes.plot([place, place], [point.score.low, point.score.high], color=colour, lw=1.2)
    y = [point.score.value for point in points]
    axes.plot(
        *(x, y),
        color=colour,
        lw=style.width,
        ls=style.dashes,
        marker=style.marker,
        ms=5.5,
        mew=0,
        zorder=3,
    )


def _ticks(axes: Axes, place: Mapping[float, float], width: float) -> None:
    if len(place) <= (10 if width > _HALF else 6):
        said = {at: number(x, trim=True) for x, at in place.items()}
        axes.xaxis.set_major_locator(FixedLocator(list(said)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: said.get(at, "")))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))


def _heights(axes: Axes, ends: Sequence[tuple[float, str, Style]], plot: float) -> list[float]:
    """Pixels above the axis at which names stand, as near to their lines' ends as others leave."""
    if not ends:
        return []
    bottom, top = axes.get_ylim()
    heights = spread_apart([(y - bottom) / (top - bottom) * plot for y, _, _ in ends], 14.5)
    over, under = max(0.0, max(heights) - plot + 4), max(0.0, 4 - min(heights))
    return [height - over + under for height in heights]


def _name(figure: Canvas, text: str, style: Style, x: float, y: float) -> None:
    """A line's own stroke, and its name behind it."""
    width, height = (size * figure.dpi for size in figure.get_size_inches())
    colour = ROLES[style.role]
    for at, marker, dashes in (((x, x + 20), "", style.dashes), ((x + 10,), style.marker, "")):
        figure.add_artist(
            Line2D(
                [one / width for one in at],
                [y / height] * len(at),
                color=colour,
                lw=style.width,
                ls=dashes,
                marker=marker,
                ms=5.5,
                mew=0,
            )
        )
    figure.text((x + 24) / width, y / height, text, va="center", color=colour, fontsize=SMALL)


def _write(figure: Canvas, text: str, y: float, role: str, size: float) -> None:
    x = 8 / (figure.get_figwidth() * figure.dpi)
    figure.text(x, y, text, va="top", linespacing=1.15, color=ROLES[role], fontsize=size)
