"""Computational sequences: the SDK's .csd files, which are HDF5.

`/<root>/data/<video>/{features (n, d), intervals (n, 2)}` with times in seconds; the root is the
first key, whatever its name. `/<root>/metadata/<key>` holds a string, meant to be JSON, that in
real files may be anything. Sequences that the SDK has aligned call a video `video[3]`.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosstone.errors import CorpusError

REMEDY = "fetch the .csd file again (an interrupted download cannot be read)"


@dataclass(frozen=True, slots=True)
class Stretches:
    """What a sequence says of one video: n stretches, in the file's own order."""

    video: str
    features: NDArray[Any]
    """(n, d) numbers, or bytes where the features are words."""
    intervals: NDArray[np.float64]
    """(n, 2) seconds."""


def read_sequence(path: Path) -> Iterator[Stretches]:
    """The videos of a .csd file, one by one; an aligned file gives one for each `video[i]`.

    Raises CorpusError where it is none, and with every entry that is not of the form.
    """
    faults = []
    with _root(path) as root:
        data = root.get("data")
        if not hasattr(data, "items"):
            raise CorpusError(f"{path}: expected a group 'data' of videos, found none; {REMEDY}")
        for key, entry in data.items():
            found = _stretches(str(key), entry)
            if isinstance(found, str):
                faults.append(f"{key}: {found}")
            else:
                yield found
    if faults:
        raise CorpusError("\n  ".join([f"{path}: {len(faults)} faults; {REMEDY}", *faults]))


def dimension_names(path: Path) -> list[str] | None:
    """The names of the features' columns, None where the metadata have none that can be read."""
    with _root(path) as root:
        stored = root.get("metadata", {}).get("dimension names")
        if stored is None or not hasattr(stored, "shape"):
            return None
        value = np.ravel(stored[()])
        text = value[0] if value.size else b""
        try:
            names = json.loads(text.decode() if isinstance(text, bytes) else str(text))
        except ValueError:
            return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return None
    return names


@contextmanager
def _root(path: Path) -> Iterator[Any]:
    try:
        import h5py
    except ImportError as error:
        raise CorpusError(
            f"{path}: reading .csd files needs h5py; pip install 'crosstone[mosei]'"
        ) from error
    expected = "expected a computational sequence (HDF5)"
    try:
        file = h5py.File(path, "r")
    except OSError as error:
        raise CorpusError(f"{path}: {expected}, cannot read it ({error}); {REMEDY}") from error
    with file:
        name = next(iter(file), None)
        if name is None or not hasattr(file[name], "get"):
            raise CorpusError(f"{path}: {expected}, found no sequence in it; {REMEDY}")
        yield file[name]


def _stretches(key: str, entry: Any) -> Stretches | str:
    """The stretches of an entry, or what is wrong with it."""
    if not hasattr(entry, "get") or "features" not in entry or "intervals" not in entry:
        return "expected features and intervals"
    features = np.asarray(entry["features"][()])
    intervals = np.asarray(entry["intervals"][()])
    if intervals.ndim != 2 or intervals.shape[1] != 2 or intervals.dtype.kind not in "fiu":
        return f"expected intervals of shape (n, 2), found {intervals.shape} {intervals.dtype}"
    if features.ndim != 2 or len(features) != len(intervals):
        return f"expected {len(intervals)} rows of features, found shape {features.shape}"
    times = intervals.astype(np.float64)
    if not np.isfinite(times).all():
        return "expected times in seconds, found some that are not finite"
    return Stretches(key.split("[")[0], features, times)
