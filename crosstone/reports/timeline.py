"""A timeline drawn over the waveform: a picture, and a page with a table of its segments."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from crosstone.reports.drawing import ROLES, SMALL, TEXT, canvas, finish, text_width
from crosstone.reports.figures import bare
from crosstone.reports.page import (
    Block,
    Cell,
    Facts,
    Figure,
    Heading,
    Page,
    Paragraph,
    Table,
    TableRow,
)
from crosstone.reports.wording import count

WIDTH, NARROW = 720.0, 360.0
WAVE = 64.0
ROW = 22.0
VALUES = 120.0
HEAD, GAP, FOOT, RIGHT = 34.0, 10.0, 44.0, 14.0
COLUMNS = 1200
"""Columns of the picture of probabilities."""
FOOTER = "Written by `crosstone predict --segments`."

_CUTS = {
    "vad": "by pauses between stretches of speech",
    "fixed": "into windows of {window:g} s",
    "transcript": "as the cues of the transcript",
}


@dataclass(frozen=True)
class Drawn:
    """What a drawing of one recording shows."""

    name: str
    model: str
    moments: Sequence[Mapping[str, Any]]
    """Its segments, as `Moment.as_dict` gives them; at least one."""
    peaks: NDArray[Any]
    """The waveform: the largest sample of each of so many equal parts."""
    seconds: float
    labels: Sequence[str]
    """Classes; none for a value."""
    cut: Mapping[str, Any]
    """Fields of the cut: kind, window, stay_seconds."""


def timeline_picture(drawn: Drawn) -> bytes:
    """A PNG file."""
    height = HEAD + _height(drawn)
    with canvas(WIDTH, height) as figure:
        _draw(figure, drawn, WIDTH, height)
        figure.text(
            8 / WIDTH, 1 - 8 / height, drawn.name, va="top", color=ROLES["ink"], fontsize=TEXT
        )
        figure.patch.set_visible(True)
        figure.patch.set_facecolor("white")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=144, facecolor="white")
        return buffer.getvalue()


def timeline_page(drawn: Drawn) -> bytes:
    """A self-contained HTML file."""
    height = _height(drawn)
    drawings = []
    for name, width in (("timeline", WIDTH), ("timeline-narrow", NARROW)):
        with canvas(width, height) as figure:
            _draw(figure, drawn, width, height)
            drawings.append(finish(name, figure, width, height))
    turns = [moment for moment in drawn.moments if moment["turn"]]
    what = "class" if drawn.labels else "value"
    shown = ", the stronger its colour, the more probable" if drawn.labels else ""
    caption = (
        f"The waveform, and below it what the model says of each segment{shown}. The line is the "
        f"smoothed {what}, a {what} being taken to last {drawn.cut['stay_seconds']:g} s; dashes "
        "stand where it turns."
    )
    blocks: list[Block] = [
        Facts(tuple(_facts(drawn, len(turns)))),
        Figure(
            caption,
            (drawings[0],),
            (f"Timeline of {drawn.name}: {_told(turns, drawn)}",),
            narrow=drawings[1],
        ),
        Heading("Turning points"),
    ]
    if turns:
        blocks.append(_table("Where the smoothed path turns.", turns, drawn, folded=False))
    else:
        blocks.append(Paragraph("None: the smoothed path is one from beginning to end."))
    blocks += [
        Heading("Segments"),
        _table("Every segment.", drawn.moments, drawn, folded=len(drawn.moments) > 30),
    ]
    return Page(drawn.name, blocks, FOOTER).html().encode()


def clock(seconds: float) -> str:
    """Seconds as 1:05 or 2:01:05."""
    minutes, second = divmod(round(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours else f"{minute}:{second:02}"


def _facts(drawn: Drawn, num_turns: int) -> list[tuple[str, str]]:
    unanswered = sum("unanswered" in moment for moment in drawn.moments)
    without = f", {unanswered} of them without an answer" if unanswered else ""
    return [
        ("Model", drawn.model),
        ("Length", clock(drawn.seconds)),
        ("Cut", _CUTS[drawn.cut["kind"]].format(**drawn.cut)),
        ("Segments", f"{count(len(drawn.moments), 'segment')}{without}"),
        ("Turning points", str(num_turns)),
    ]


def _told(turns: Sequence[Mapping[str, Any]], drawn: Drawn) -> str:
    begins = drawn.moments[0].get("smoothed")
    if not drawn.labels or begins is None:
        return count(len(turns), "turning point")
    said = [f"{begins} from the beginning"]
    said += [f"{turn['smoothed']} from {clock(turn['start'])}" for turn in turns[:20]]
    return ", ".join(said)


def _table(
    caption: str, moments: Sequence[Mapping[str, Any]], drawn: Drawn, *, folded: bool
) -> Table:
    has_text = any(moment.get("text") for moment in moments)
    answer = "Class" if drawn.labels else "Value"
    columns = ("From", "To", answer, "Smoothed", *(("Words",) if has_text else ()))
    rows = []
    for moment in moments:
        cells = [Cell(clock(moment["start"])), Cell(clock(moment["end"])), _answer(moment)]
        smoothed = moment.get("smoothed", "–")
        cells.append(Cell(smoothed if isinstance(smoothed, str) else f"{smoothed:.2f}"))
        if has_text:
            cells.append(Cell(moment.get("text", "")))
        rows.append(TableRow(tuple(cells)))
    return Table(caption, columns, tuple(rows), prose=True, folded=folded)


def _answer(moment: Mapping[str, Any]) -> Cell:
    if "label" in moment:
        return Cell(moment["label"], f"{max(moment['probabilities'].values()):.2f}")
    if "value" in moment:
        return Cell(f"{moment['value']:.2f}")
    return Cell("–", moment["unanswered"])


def _height(drawn: Drawn) -> float:
    return WAVE + GAP + (ROW * len(drawn.labels) if drawn.labels else VALUES) + FOOT


def _draw(figure: Canvas, drawn: Drawn, width: float, height: float) -> None:
    named = [*drawn.labels] if drawn.labels else ["-0.00"]
    left = 16.0 + max(text_width(label, SMALL) for label in named)
    below = _height(drawn) - FOOT - WAVE - GAP

    def axes_at(bottom: float, tall: float) -> Axes:
        box = (left / width, bottom / height, (width - left - RIGHT) / width, tall / height)
        axes = figure.add_axes(box)
        axes.set_xlim(0, drawn.seconds)
        return axes

    wave = axes_at(FOOT + below + GAP, WAVE)
    bare(wave, sides=())
    wave.set_xticks([])
    wave.set_yticks([])
    at = (np.arange(len(drawn.peaks)) + 0.5) * drawn.seconds / len(drawn.peaks)
    loudest = max(float(drawn.peaks.max(initial=0.0)), 1e-6)
    wave.set_ylim(-1.05, 1.05)
    wave.fill_between(
        at, -drawn.peaks / loudest, drawn.peaks / loudest, color=ROLES["soft"], linewidth=0
    )
    said = axes_at(FOOT, below)
    bare(said, sides=("bottom",))
    if drawn.labels:
        _draw_classes(said, drawn)
    else:
        _draw_values(said, drawn)
    for moment in drawn.moments:
        if moment["turn"]:
            for axes in (wave, said):
                axes.axvline(moment["start"], color=ROLES["second"], lw=0.8, ls=(0, (3, 2.5)))
    said.xaxis.set_major_locator(MaxNLocator(8 if width > NARROW else 4, steps=[1, 1.5, 3, 6, 10]))
    said.xaxis.set_major_formatter(lambda value, _: clock(value))
    said.set_xlabel("minutes:seconds", color=ROLES["soft"], fontsize=SMALL, labelpad=4)


def _draw_classes(axes: Axes, drawn: Drawn) -> None:
    """A row for each class, as dark as it is probable, and the path through the rows."""
    shade = np.zeros((len(drawn.labels), COLUMNS))
    for moment in drawn.moments:
        if "probabilities" in moment:
            first, last = (
                round(moment[side] / drawn.seconds * COLUMNS) for side in ("start", "end")
            )
            said = [[moment["probabilities"][label]] for label in drawn.labels]
            shade[:, first : max(last, first + 1)] = said
    picture = np.empty((*shade.shape, 4), np.float32)
    picture[..., :3], picture[..., 3] = to_rgb(ROLES["accent"]), 0.85 * shade
    axes.imshow(
        picture,
        aspect="auto",
        interpolation="none",
        extent=(0, drawn.seconds, len(drawn.labels), 0),
    )
    axes.set_yticks(np.arange(len(drawn.labels)) + 0.5, list(drawn.labels))
    axes.tick_params(axis="y", length=0, labelcolor=ROLES["ink"])
    rows = {label: row + 0.5 for row, label in enumerate(drawn.labels)}
    at = [*(moment["start"] for moment in drawn.moments), drawn.moments[-1]["end"]]
    path = [rows[str(moment["smoothed"])] for moment in drawn.moments]
    axes.step(at, [*path, path[-1]], where="post", color=ROLES["second"], lw=1.6)


def _draw_values(axes: Axes, drawn: Drawn) -> None:
    """A dot for each segment, and the smoothed value as a line."""
    told = [moment for moment in drawn.moments if "value" in moment]
    middles = [(moment["start"] + moment["end"]) / 2 for moment in told]
    axes.scatter(middles, [m["value"] for m in told], s=8, color=ROLES["faint"], linewidths=0)
    axes.plot(middles, [m["smoothed"] for m in told], color=ROLES["second"], lw=1.6)
    axes.yaxis.set_major_locator(MaxNLocator(4))
