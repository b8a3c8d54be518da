"""Numbers as bars on round edges."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

NUM_BARS = 30
MOST_STEPS = 60
"""A scale of no more steps than this has a bar for each."""
TAIL = 0.005
"""Share at either end that is gathered in the outermost bars."""


def histogram(
    values: NDArray[np.float64], least: float = 0.0, whole: bool = False
) -> dict[str, Any]:
    """`count`, `min`, `median`, `mean`, `max`, and `edges` and `counts` of even bars, as JSON.

    values: (n,) finite; whole where they are whole numbers. A scale of few steps has a bar around
    each; else there are about 30 bars whose width is 1, 2 or 5 times a power of ten, `least` or
    more. A bar holds its lower edge, not its upper one; the outermost hold also what lies beyond.
    """
    least = max(least, float(whole))
    if not len(values):
        return {"count": 0, "edges": [], "counts": []}
    low = float(np.quantile(values, TAIL, method="lower"))
    high = float(np.quantile(values, 1 - TAIL, method="higher"))
    step = _scale_step(values[(low <= values) & (values <= high)])
    if whole:
        step = 1.0 if high - low < MOST_STEPS else None
    if step is not None:
        begin, width, num_bars = low - step / 2, step, round((high - low) / step) + 1
    else:
        width = _round_step(max((high - low) / NUM_BARS, least))
        first = int(np.floor(low / width + 1e-9))
        begin, num_bars = first * width, int(np.floor(high / width + 1e-9)) + 1 - first
    places = np.floor((values - begin) / width + 1e-9)
    return {
        "count": len(values),
        "min": float(values.min()),
        "median": float(np.median(values)),
        "mean": float(values.mean()),
        "max": float(values.max()),
        "edges": [float(f"{begin + bar * width:.7g}") for bar in range(num_bars + 1)],
        "counts": np.bincount(
            np.clip(places, 0, num_bars - 1).astype(np.int64), minlength=num_bars
        ).tolist(),
    }


def _scale_step(values: NDArray[np.float64]) -> float | None:
    """The step of the scale that all values are on, None where it has too many or one."""
    distinct = np.unique(np.round(values, 6))
    if not 1 < len(distinct) <= MOST_STEPS or len(values) < 2 * len(distinct):
        return None
    step = float(np.diff(distinct).min())
    steps = (distinct - distinct[0]) / step
    is_scale = steps[-1] < MOST_STEPS and np.abs(steps - np.round(steps)).max() < 0.05
    return step if is_scale else None


def _round_step(width: float) -> float:
    if width <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(width))
    return float(next(m * power for m in (1, 2, 5, 10) if m * power >= width * (1 - 1e-9)))
