"""Logs read back as curves: losses, validation scores, and the probe of cross-modal pretraining."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosstone.errors import CorpusError

Floats = NDArray[np.float64]
Events = Sequence[Mapping[str, Any]]

_MAX_POINTS = 60


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Curve:
    """A value over steps or epochs."""

    x: Floats
    y: Floats


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Probe:
    """Accuracy on masked text tokens and audio frames, with the matching and a shuffled partner."""

    name: str
    curves: Mapping[str, Curve]
    """text_matched, text_shuffled, audio_matched, audio_shuffled, as far as they were logged."""

    def last(self, key: str) -> float:
        """The value at the last probe; NaN if it was not logged."""
        curve = self.curves.get(key)
        return float(curve.y[-1]) if curve is not None else float("nan")


def read_logs(folder: Path) -> dict[str, Events]:
    """The events of each run of a run set (or of the one run in the folder), by the run's name.

    Raises CorpusError with the line that is not JSON.
    """
    paths = [folder / "log.jsonl", *sorted(folder.glob("fold-*/log.jsonl"))]
    return {path.parent.name: _events(path) for path in paths if path.is_file()}


def loss_curve(events: Events) -> Curve | None:
    """The training loss over steps, averaged into at most 60 points."""
    steps = [e for e in events if e.get("event") == "step"]
    curve = _curve([e.get("step") for e in steps], [e.get("loss") for e in steps])
    return None if curve is None else _binned(curve)


def valid_curve(events: Events, metric: str) -> Curve | None:
    """A validation metric over epochs."""
    epochs = [e for e in events if e.get("event") == "epoch"]
    values = [(e.get("valid") or {}).get(metric) for e in epochs]
    return _curve([e.get("epoch") for e in epochs], values)


def read_probe(name: str, events: Events) -> Probe | None:
    """The probe's curves over steps; None if the log has none."""
    probes = [e for e in events if e.get("event") == "probe"]
    curves = {}
    for modality in ("text", "audio"):
        for partner in ("matched", "shuffled"):
            key = f"{modality}_{partner}"
            curve = _curve([e.get("step") for e in probes], [e.get(key) for e in probes])
            if curve is not None:
                curves[key] = curve
    return Probe(name=name, curves=curves) if curves else None


def mean_curve(curves: Sequence[Curve]) -> Curve:
    """The mean of several curves where all of them run, on the x of the longest."""
    longest = max(curves, key=lambda curve: curve.x.size)
    low = max(curve.x[0] for curve in curves)
    high = min(curve.x[-1] for curve in curves)
    x = longest.x[(longest.x >= low) & (longest.x <= high)]
    x = x if x.size else longest.x[:1]
    return Curve(x=x, y=np.mean([np.interp(x, curve.x, curve.y) for curve in curves], axis=0))


def _events(path: Path) -> Events:
    events = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            event = json.loads(line)
        except ValueError as error:
            raise CorpusError(
                f"{path}, line {number}: expected one JSON object, found {error}; "
                "resume the run, which cuts an unfinished line"
            ) from error
        if isinstance(event, dict):
            events.append(event)
    return events


def _curve(x: Sequence[Any], y: Sequence[Any]) -> Curve | None:
    points = [
        (float(a), float(b))
        for a, b in zip(x, y, strict=True)
        if isinstance(a, int | float) and isinstance(b, int | float)
    ]
    if not points:
        return None
    table = np.asarray(points, dtype=np.float64)
    return Curve(x=table[:, 0], y=table[:, 1])


def _binned(curve: Curve) -> Curve:
    if curve.x.size <= _MAX_POINTS:
        return curve
    parts = np.array_split(np.arange(curve.x.size), _MAX_POINTS)
    return Curve(
        x=np.array([curve.x[part].mean() for part in parts]),
        y=np.array([curve.y[part].mean() for part in parts]),
    )
