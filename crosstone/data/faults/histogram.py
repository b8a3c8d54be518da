"""Numbers as bars on round edges."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

NUM_BARS = 30
TAIL = 0.005
"""Share at either end that is gathered in the outermost bars."""


def histogram(values: NDArray[np.float64], step: float | None = None) -> dict[str, Any]:
    """`count`, `min`, `median`, `mean`, `max`, and `edges` and `counts` of about 30 bars, as JSON.

    values: (n,) finite. step: the width of a bar, by default 1, 2 or 5 times a power of ten.
    A bar holds its lower edge, not its upper one; the outermost hold also what lies beyond.
    """
    if not len(values):
        return {"count": 0, "edges": [], "counts": []}
    low = float(np.quantile(values, TAIL, method="lower"))
    high = float(np.quantile(values, 1 - TAIL, method="higher"))
    width = step or _round_step((high - low) / NUM_BARS)
    first = int(np.floor(low / width + 1e-9))
    last = int(np.floor(high / width + 1e-9)) + 1
    places = np.clip(np.floor(values / width + 1e-9).astype(np.int64), first, last - 1) - first
    return {
        "count": len(values),
        "min": float(values.min()),
        "median": float(np.median(values)),
        "mean": float(values.mean()),
        "max": float(values.max()),
        "edges": [float(f"{edge * width:.10g}") for edge in range(first, last + 1)],
        "counts": np.bincount(places, minlength=last - first).tolist(),
    }


def _round_step(width: float) -> float:
    if width <= 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(width))
    return float(next(m * power for m in (1, 2, 5, 10) if m * power >= width * (1 - 1e-9)))
