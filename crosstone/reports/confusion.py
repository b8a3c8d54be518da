"""Confusion matrices, drawn."""

import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from crosstone.reports.drawing import ROLES, SMALL, TEXT, Drawing, canvas, finish, text_width


def confusion_plot(
    name: str, title: str, labels: Sequence[str], counts: NDArray[np.float64]
) -> Drawing:
    """A confusion matrix in percent of each row's targets, with the number of targets beside it."""
    size = len(labels)
    cell = float(np.clip(144 / size, 30, 48))
    longest = max(text_width(label, SMALL) for label in labels)
    slanted = longest > cell - 4
    left = 12 + longest
    width = left + cell * size + 30
    title = textwrap.fill(title, int(width / 7))
    head = 20.0 + 15 * (title.count("\n") + 1) + (0.72 * longest if slanted else 12)
    height = head + cell * size + 12
    support = counts.sum(axis=1)
    shares = counts / np.maximum(support[:, None], 1)
    with canvas(width, height) as figure:
        axes = figure.add_axes(
            (left / width, 12 / height, cell * size / width, cell * size / height)
        )
        axes.set_xlim(0, size)
        axes.set_ylim(size, 0)
        axes.axis("off")
        for row in range(size):
            for column in range(size):
                share = shares[row, column]
                axes.add_patch(
                    Rectangle(
                        (column + 0.02, row + 0.02),
                        0.96,
                        0.96,
                        facecolor=ROLES["accent"],
                        alpha=0.05 + 0.95 * float(share),
                        linewidth=0,
                    )
                )
                axes.text(
                    column + 0.5,
                    row + 0.5,
                    f"{100 * share:.0f}" if support[row] else "–",
                    ha="center",
                    va="center_baseline",
                    fontsize=SMALL,
                    color=ROLES["paper" if share > 0.5 else "ink"],
                )
        for index, label in enumerate(labels):
            axes.text(
                -6 / cell,
                index + 0.5,
                label,
                ha="right",
                va="center_baseline",
                fontsize=SMALL,
                color=ROLES["ink"],
            )
            axes.text(
                index + (0.3 if slanted else 0.5),
                -5 / cell,
                label,
                ha="left" if slanted else "center",
                va="bottom",
                rotation=42 if slanted else 0,
                rotation_mode="anchor",
                fontsize=SMALL,
                color=ROLES["ink"],
            )
            axes.text(
                size + 8 / cell,
                index + 0.5,
                f"{support[index]:.0f}",
                va="center_baseline",
                fontsize=SMALL - 1,
                color=ROLES["soft"],
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
        return finish(name, figure, width, height)
