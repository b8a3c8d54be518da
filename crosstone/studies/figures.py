"""The figures of a study: scores over a factor of its systems, against what bounds them."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure as Canvas
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

STYLES = (
    *(("accent", "-", "o"), ("second", "-", "s"), ("ink", "-", "^"), ("soft", "-", "D")),
    *(("accent", "--", "v"), ("second", "--", "P"), ("ink", "--", "X"), ("soft", "--", "*")),
)
"""Colour, line and marker of each line: no two share line and marker."""

_BOUND = (0, (1.5, 2.0))
_FULL, _HALF = 720.0, 350.0
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
        if bounds:
            caption += f" Dotted: the exact ceilings of {METRICS[bounded]}."
        if not _is_even(sorted({point.x for point in points})):
            caption += " The axis counts its values, and is not to scale."
        labels = tuple(f"{asked.caption} {panel}".strip() for panel in panels)
        blocks.append(Figure(caption, wide, labels, narrow, top=True))
    if blocks:
        blocks.insert(0, Heading("In figures"))
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
    """One panel; every panel of a drawing has the same lines, places and limits."""
    lines = list(dict.fromkeys(point.line for point in points))
    places = sorted({point.x for point in points})
    place = {x: x if _is_even(places) else float(k) for k, x in enumerate(places)}
    kinds = list(dict.fromkeys(bound.kind for bound in bounds if bound.panel == panel))
    named = [*(line for line in lines if line), *(_named(kind) for kind in kinds)]
    right = 14.0 + max((text_width(text, SMALL) + 30 for text in named), default=0.0)
    title = textwrap.fill(panel, int(width / 7))
    head = 26.0 + 17.0 * bool(panel) + 15.0 * title.count("\n")
    plot = max(0.42 * width, 15.0 * len(named) + 12)
    height = head + plot + 44.0
    with canvas(width, height) as figure:
        axes = figure.add_axes(
            (46 / width, 42 / height, (width - 46 - right) / width, plot / height)
        )
        bare(axes, sides=("bottom", "left"))
        _limit(axes, list(place.values()), points, bounds)
        per_x = (width - 46 - right) / float(np.diff(axes.get_xlim())[0])
        ends: list[tuple[float, str, tuple[str, object, str]]] = []
        for k, line in enumerate(lines):
            own = sorted((p for p in points if (p.panel, p.line) == (panel, line)), key=_x)
            if own:
                colour, dashes, marker = style = STYLES[k % len(STYLES)]
                aside = (k - (len(lines) - 1) / 2) * 5 / per_x
                x = [place[p.x] + aside for p in own]
                y = [p.score.value for p in own]
                _draw_line(axes, x, own, ROLES[colour], dashes, marker)
                ends.append((y[-1], line, style))
        for kind in kinds:
            mine = sorted((b for b in bounds if (b.panel, b.kind) == (panel, kind)), key=_x)
            x, y = [place[b.x] for b in mine], [b.value for b in mine]
            if len(set(y)) == 1:
                x, y = list(axes.get_xlim()), [y[0], y[0]]
            axes.plot(x, y, color=ROLES["soft"], lw=1, ls=_BOUND, zorder=1)
            ends.append((y[-1], _named(kind), ("soft", _BOUND, "")))
        _ticks(axes, place, width)
        axes.set_xlabel(asked.axis, color=ROLES["soft"], fontsize=SMALL, labelpad=4)
        _name_lines(axes, ends, plot)
        if panel:
            _write(figure, title, 1 - 6 / height, "ink", TEXT)
        _write(figure, score, 1 - (head - 20) / height, "soft", SMALL)
        return finish(name, figure, width, height)


def _x(entry: Point | Bound) -> float:
    return entry.x


def _named(kind: str) -> str:
    return f"{kind.replace('_', ' ')} ceiling"


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


def _draw_line(
    axes: Axes,
    x: Sequence[float],
    points: Sequence[Point],
    colour: str,
    dashes: str,
    marker: str,
) -> None:
    for place, point in zip(x, points, strict=True):
        axes.plot([place, place], [point.score.low, point.score.high], color=colour, lw=1.2)
    y = [point.score.value for point in points]
    axes.plot(x, y, color=colour, lw=1.6, ls=dashes, marker=marker, ms=5.5, mew=0, zorder=3)


def _ticks(axes: Axes, place: Mapping[float, float], width: float) -> None:
    if len(place) <= (10 if width > _HALF else 6):
        said = {at: number(x, trim=True) for x, at in place.items()}
        axes.xaxis.set_major_locator(FixedLocator(list(said)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: said.get(at, "")))
    else:
        axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.yaxis.set_major_locator(MaxNLocator(5))


def _name_lines(
    axes: Axes, ends: Sequence[tuple[float, str, tuple[str, object, str]]], plot: float
) -> None:
    """Every line's own stroke and name at the right, as near to its end as the others leave it."""
    named = [end for end in ends if end[1]]
    if not named:
        return
    bottom, top = axes.get_ylim()
    per_pixel = (top - bottom) / plot
    heights = spread_apart([y for y, _, _ in named], 14.5 * per_pixel)
    over = max(0.0, max(heights) - (top - 4 * per_pixel))
    under = max(0.0, bottom + 4 * per_pixel - min(heights))
    for height, (_, text, (role, dashes, marker)) in zip(heights, named, strict=True):
        y = (height - over + under - bottom) / (top - bottom)
        pixel = 1 / axes.bbox.width
        axes.plot(
            [1 + 6 * pixel, 1 + 26 * pixel],
            [y, y],
            transform=axes.transAxes,
            color=ROLES[role],
            lw=1.0 if role == "soft" and not marker else 1.6,
            ls=dashes,
            clip_on=False,
        )
        if marker:
            axes.plot(
                [1 + 16 * pixel],
                [y],
                transform=axes.transAxes,
                color=ROLES[role],
                marker=marker,
                ms=5.5,
                mew=0,
                clip_on=False,
            )
        axes.text(
            1 + 30 * pixel,
            y,
            text,
            transform=axes.transAxes,
            va="center",
            color=ROLES[role],
            fontsize=SMALL,
        )


def _write(figure: Canvas, text: str, y: float, role: str, size: float) -> None:
    x = 8 / (figure.get_figwidth() * figure.dpi)
    figure.text(x, y, text, va="top", linespacing=1.15, color=ROLES[role], fontsize=size)
