"""Bars: how often numbers fall where, and how often names occur."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.ticker import MaxNLocator

from crosstone.reports.drawing import ROLES, SMALL, TEXT, Drawing, canvas, finish, text_width
from crosstone.reports.figures import bare

BAR = 22.0


def histogram_panel(
    name: str, title: str, found: Mapping[str, Any], *, x_axis: str, width: float = 340.0
) -> Drawing:
    """A histogram with its median marked.

    found: `edges` (n + 1) and `counts` (n) of even bars, n of at least 1, and their `median`.
    """
    edges, counts = found["edges"], found["counts"]
    head, foot = 30.0, 44.0
    left = 14.0 + text_width(f"{max(counts):,}", SMALL)
    height = head + 120.0 + foot
    with canvas(width, height) as figure:
        axes = figure.add_axes(
            (left / width, foot / height, (width - left - 10) / width, 120.0 / height)
        )
        bare(axes, sides=("bottom",))
        step = edges[1] - edges[0]
        middles = [edge + step / 2 for edge in edges[:-1]]
        axes.bar(middles, counts, width=0.9 * step, color=ROLES["accent"], linewidth=0)
        axes.set_xlim(edges[0], edges[-1])
        axes.set_ylim(0, max(1, *counts) * 1.06)
        axes.axvline(found["median"], color=ROLES["second"], lw=1, ls=(0, (3, 2.5)))
        axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
        axes.yaxis.set_major_locator(MaxNLocator(3, integer=True))
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
        axes.set_xlabel(x_axis, color=ROLES["soft"], fontsize=SMALL, labelpad=4)
        figure.text(8 / width, 1 - 6 / height, title, va="top", color=ROLES["ink"], fontsize=TEXT)
        return finish(name, figure, width, height)


def bar_chart(
    name: str,
    title: str,
    counts: Sequence[tuple[str, int]],
    *,
    expected: Mapping[str, int] | None = None,
    width: float = 340.0,
) -> Drawing:
    """A bar for each name with its count behind it, and a mark where the expected count lies."""
    labels = [textwrap.shorten(label, 28, placeholder="…") or "–" for label, _ in counts]
    wanted = dict(expected or {})
    left = 18.0 + max(text_width(label, SMALL) for label in labels)
    right = 14.0 + max(text_width(f"{count:,}", SMALL) for _, count in counts)
    head = 30.0
    height = head + BAR * len(counts) + 8.0
    most = max(1, *(count for _, count in counts), *wanted.values())
    with canvas(width, height) as figure:
        axes = figure.add_axes(
            (
                left / width,
                8.0 / height,
                (width - left - right) / width,
                BAR * len(counts) / height,
            )
        )
        bare(axes, sides=())
        axes.set_xticks([])
        axes.set_yticks([])
        axes.set_xlim(0, most)
        axes.set_ylim(len(counts), 0)
        per_x = (width - left - right) / most
        for place, (label, (key, count)) in enumerate(zip(labels, counts, strict=True)):
            middle = place + 0.5
            axes.barh(middle, count, height=0.66, color=ROLES["accent"], linewidth=0)
            axes.text(
                -6 / per_x,
                middle,
                label,
                ha="right",
                va="center_baseline",
                color=ROLES["ink"],
                fontsize=SMALL,
            )
            axes.text(
                count + 6 / per_x,
                middle,
                f"{count:,}",
                va="center_baseline",
                color=ROLES["soft"],
                fontsize=SMALL,
            )
            if key in wanted and wanted[key] != count:
                axes.plot(
                    [wanted[key]] * 2,
                    [middle - 0.42, middle + 0.42],
                    color=ROLES["second"],
                    lw=2,
                    clip_on=False,
                )
        figure.text(8 / width, 1 - 6 / height, title, va="top", color=ROLES["ink"], fontsize=TEXT)
        return finish(name, figure, width, height)
