"""What every figure is drawn with: role colours, a canvas, text widths, places for labels."""

import io
import re
import unicodedata
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any

import matplotlib
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

ROLES = {
    "ink": "#1c1d21",
    "soft": "#5f636c",
    "faint": "#b3b6bd",
    "rule": "#dcdee2",
    "accent": "#235a8c",
    "second": "#a8521f",
    "paper": "#fefefe",
}
"""Colour of each role in a drawing that stands alone."""

_FONTS = "'DejaVu Sans', sans-serif"
_STANDALONE_FONTS = "'Helvetica Neue', Helvetica, Arial, sans-serif"
SMALL, TEXT = 11.0, 12.5


@dataclass(frozen=True, slots=True)
class Drawing:
    """An SVG in role colours; `name` makes its ids unique in a page."""

    name: str
    svg: str
    width: float
    height: float

    def inline(self, label: str, css_class: str = "") -> str:
        """The svg element in the colours of the page that holds it (variables --ink, --soft, …)."""
        text = self.svg
        for role, colour in ROLES.items():
            text = text.replace(colour, f"var(--{role})")
        text = text.replace(f"font-family: {_FONTS}", "font-family: inherit")
        return (
            f'<svg class="{escape(css_class)}" role="img" aria-label="{escape(label)}" '
            f'viewBox="0 0 {self.width:g} {self.height:g}" style="max-width:{self.width:g}px">'
            f"{text}</svg>"
        )

    def standalone(self) -> str:
        """A whole SVG file on a white ground."""
        text = self.svg.replace(f"font-family: {_FONTS}", f"font-family: {_STANDALONE_FONTS}")
        return (
            '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'width="{self.width:g}" height="{self.height:g}" '
            f'viewBox="0 0 {self.width:g} {self.height:g}">'
            f'<rect width="100%" height="100%" fill="#ffffff"/>{text}</svg>\n'
        )


@contextmanager
def _any_script() -> Iterator[None]:
    """No warnings of glyphs that DejaVu Sans lacks, since the reader's fonts draw the text."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        yield


@contextmanager
def canvas(width: float, height: float) -> Iterator[Figure]:
    """A figure of so many CSS pixels, its text kept as text; draw and `finish` it inside."""
    settings: Any = {
        "svg.fonttype": "none",
        "svg.hashsalt": "crosstone",
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "text.parse_math": False,
    }
    with matplotlib.rc_context(settings), _any_script():
        figure = Figure(figsize=(width / 72, height / 72), dpi=72)
        FigureCanvasAgg(figure)
        figure.patch.set_visible(False)
        yield figure


def finish(name: str, figure: Figure, width: float, height: float) -> Drawing:
    """The drawn figure; every id in it begins with `name`."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None})
    whole = buffer.getvalue()
    body = whole[whole.index("<defs>") : whole.rindex("</svg>")]
    body = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', body)
    body = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', body)
    body = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", body)
    return Drawing(name, body, width, height)


def text_width(text: str, size: float = TEXT, bold: bool = False) -> float:
    """Pixels that a line takes in DejaVu Sans, a wide face: in most others it takes less."""
    wide = sum(unicodedata.east_asian_width(letter) in "WF" for letter in text)
    narrow = "".join(letter for letter in text if unicodedata.east_asian_width(letter) not in "WF")
    if not narrow.strip():
        return wide * size
    face = FontProperties(family="DejaVu Sans", weight="bold" if bold else "normal")
    with _any_script():
        box = TextPath((0, 0), narrow.replace("$", "S"), size=size, prop=face).get_extents()
    return float(box.width) + wide * size


def place_labels(
    positions: Sequence[float], widths: Sequence[float], limit: float
) -> list[tuple[float, int]]:
    """(centre, level) of each label, on the fewest levels where no label touches another or a line.

    A label stands over its line, or just left or right of it; the line of a label on a higher level
    passes the lower ones. Labels may stand out by 8 pixels on either side of [0, limit].
    """

    def candidates(i: int) -> list[float]:
        half = widths[i] / 2
        aside = half + 4
        return [
            float(np.clip(positions[i] + shift, half - 8, max(limit - half + 8, half - 8)))
            for shift in (0.0, -aside, aside)
        ]

    def fits(placed: list[tuple[float, int]], i: int, centre: float, level: int) -> bool:
        for j, (other, other_level) in enumerate(placed):
            if level == other_level and abs(centre - other) < (widths[i] + widths[j]) / 2 + 8:
                return False
            if level > other_level and abs(positions[i] - other) < widths[j] / 2 + 3:
                return False
            if level < other_level and abs(positions[j] - centre) < widths[i] / 2 + 3:
                return False
        return True

    def place(placed: list[tuple[float, int]], levels: int) -> list[tuple[float, int]] | None:
        i = len(placed)
        if i == len(positions):
            return placed
        for level in range(levels):
            for centre in candidates(i):
                if fits(placed, i, centre, level):
                    found = place([*placed, (centre, level)], levels)
                    if found is not None:
                        return found
        return None

    for levels in range(1, len(positions) + 1):
        found = place([], levels)
        if found is not None:
            return found
    return [(position, level) for level, position in enumerate(positions)]


def spread_apart(positions: Sequence[float], gap: float) -> list[float]:
    """The positions moved apart until neighbours are at least a gap from each other."""
    order = np.argsort(positions, kind="stable")
    moved = np.asarray(positions, dtype=float)[order]
    for _ in range(20):
        for i in range(len(moved) - 1):
            lack = gap - (moved[i + 1] - moved[i])
            if lack > 0:
                moved[i] -= lack / 2
                moved[i + 1] += lack / 2
    out = np.empty_like(moved)
    out[order] = moved
    return [float(value) for value in out]
