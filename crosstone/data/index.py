"""Where each line of a JSONL file begins, and the columns that are asked for without parsing it."""

import hashlib
import json
import zipfile
from array import array
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from crosstone.data.utterance import Utterance
from crosstone.files import whole

VERSION = 1
DIGEST_BYTES = 16
NAMED = ("speaker", "group", "split")
Stamp = tuple[int, int]
"""Size in bytes and time of change in nanoseconds of the file that an index belongs to."""


class PackedStrings(Sequence[str]):
    """A sequence of strings kept as one run of UTF-8 and the offsets into it."""

    def __init__(self, packed: NDArray[np.uint8], offsets: NDArray[np.int64]) -> None:
        self.packed = packed
        self.offsets = offsets

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[row] for row in range(*index.indices(len(self)))]
        row = range(len(self))[index]
        return self.packed[self.offsets[row] : self.offsets[row + 1]].tobytes().decode(**_ANY_TEXT)


@dataclass(frozen=True, slots=True)
class Index:
    """Offsets and columns of N lines."""

    offsets: NDArray[np.int64]
    """(N + 1,): line i is the bytes from offsets[i] to offsets[i + 1]."""
    durations: NDArray[np.float32]
    """(N,) seconds, NaN where unknown."""
    codes: dict[str, NDArray[np.int32]]
    """For speaker, group and split: (N,) positions in `names`, -1 where unknown."""
    names: dict[str, tuple[str, ...]]
    """For speaker, group and split: the distinct names in order of appearance."""
    ids: PackedStrings
    """(N,)"""
    digests: NDArray[np.uint8]
    """(N, 16): the beginning of the SHA-256 of each canonical line."""

    def column(self, name: str) -> NDArray[np.object_]:
        """The strings of speaker, group or split, None where unknown; the strings are shared."""
        lookup = np.array([*self.names[name], None], dtype=object)
        return lookup[self.codes[name]]


class IndexBuilder:
    """Gathers an index line by line, in a few dozen bytes per line."""

    def __init__(self) -> None:
        self.offsets = array("q", [0])
        self.durations = array("f")
        self.codes = {name: array("i") for name in NAMED}
        self.names: dict[str, dict[str, int]] = {name: {} for name in NAMED}
        self.ids = bytearray()
        self.id_offsets = array("q", [0])
        self.digests = bytearray()

    def add(self, utterance: Utterance, canonical: bytes, num_bytes: int) -> None:
        """Take in the utterance of a line that holds num_bytes bytes in the file."""
        self.offsets.append(self.offsets[-1] + num_bytes)
        duration = utterance.duration
        self.durations.append(float("nan") if duration is None else min(duration, _FLOAT32_MAX))
        for name in NAMED:
            value = getattr(utterance, name)
            known = self.names[name]
            self.codes[name].append(-1 if value is None else known.setdefault(value, len(known)))
        self.ids += utterance.id.encode(**_ANY_TEXT)
        self.id_offsets.append(len(self.ids))
        self.digests += hashlib.sha256(canonical).digest()[:DIGEST_BYTES]

    def build(self) -> Index:
        """The index of all lines so far."""
        digests = np.frombuffer(bytes(self.digests), np.uint8).reshape(-1, DIGEST_BYTES)
        return Index(
            offsets=np.array(self.offsets, np.int64),
            durations=np.array(self.durations, np.float32),
            codes={name: np.array(codes, np.int32) for name, codes in self.codes.items()},
            names={name: tuple(known) for name, known in self.names.items()},
            ids=PackedStrings(
                np.frombuffer(bytes(self.ids), np.uint8), np.array(self.id_offsets, np.int64)
            ),
            digests=digests,
        )


def save_index(path: Path, index: Index, stamp: Stamp) -> None:
    """Keep the index at path, where the disk takes it: it is a cache, built again where absent."""
    names = json.dumps(index.names).encode("ascii")
    columns: dict[str, Any] = {f"{name}_codes": index.codes[name] for name in NAMED}
    with suppress(OSError), whole(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            stamp=np.array([VERSION, *stamp], np.int64),
            offsets=index.offsets,
            durations=index.durations,
            ids=index.ids.packed,
            id_offsets=index.ids.offsets,
            digests=index.digests,
            names=np.frombuffer(names, np.uint8),
            **columns,
        )


def load_index(path: Path, stamp: Stamp) -> Index | None:
    """The index at path, or None where there is none that belongs to `stamp`."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            if stored["stamp"].tolist() != [VERSION, *stamp]:
                return None
            names = json.loads(stored["names"].tobytes())
            return Index(
                offsets=stored["offsets"],
                durations=stored["durations"],
                codes={name: stored[f"{name}_codes"] for name in NAMED},
                names={name: tuple(names[name]) for name in NAMED},
                ids=PackedStrings(stored["ids"], stored["id_offsets"]),
                digests=stored["digests"],
            )
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        return None  # absent or damaged: the file it indexes is the truth, and is read again


_FLOAT32_MAX = float(np.finfo(np.float32).max)
_ANY_TEXT = {"encoding": "utf-8", "errors": "surrogatepass"}
