"""Losses and gradients that leap: seen before the weights follow them."""

import math
from collections import deque
from collections.abc import Mapping
from statistics import median
from typing import Any, NamedTuple

WINDOW = 64
"""Steps over which the median runs."""
LEAST = 16
"""Steps that must have been taken before any leap is seen."""


class Spike(NamedTuple):
    """A value that leapt."""

    name: str
    value: float
    median: float


class Spikes:
    """Compares values of each step with `factor` times their median over the last 64 steps.

    factor None sees none. Values that are not finite, as fp16's scaler skips them, are left out.
    """

    def __init__(self, factor: float | None) -> None:
        self.factor = factor
        self._seen: dict[str, deque[float]] = {}

    def take(self, values: Mapping[str, float]) -> Spike | None:
        """The first value that leapt; where none did, all are remembered."""
        if self.factor is None:
            return None
        finite = {name: value for name, value in values.items() if math.isfinite(value)}
        for name, value in finite.items():
            seen = self._seen.setdefault(name, deque(maxlen=WINDOW))
            if len(seen) >= LEAST and value > self.factor * median(seen) > 0:
                return Spike(name, value, median(seen))
        for name, value in finite.items():
            self._seen[name].append(value)
        return None

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must keep."""
        return {name: list(seen) for name, seen in self._seen.items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes up where state_dict() was asked."""
        self._seen = {name: deque(values, maxlen=WINDOW) for name, values in state.items()}
