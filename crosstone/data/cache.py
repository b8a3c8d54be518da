"""States of frozen encoders on disk: found by content, in shards that are mapped into memory.

Arrays in, arrays out: running an encoder over a corpus is the work of runs.
"""

import hashlib
import json
import os
import platform
import time
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from crosstone.errors import CrosstoneError

Keys = NDArray[np.int64]
States = NDArray[np.floating[Any]]

SHARD_BYTES = 128 * 2**20
"""A shard is written when its states take this much."""

ABANDONED = 3600.0
"""Seconds after which nobody writes any more to a shard that was not finished."""

_INDEX = ("keys", "offsets", "checksums")
_NAMES = {"float16": "F16", "float32": "F32"}
"""What safetensors calls a type."""

_REMEDY = "delete the file and run crosstone cache again, which makes only what is missing"


def token_key(ids: NDArray[np.int64]) -> int:
    """What tells the token ids of a text from others, 64 bits, never 0."""
    digest = hashlib.sha1(ids.astype("<i8").tobytes(), usedforsecurity=False).digest()
    return int.from_bytes(digest[:8], "little", signed=True) or 1


def store_folder(root: Path, made_by: Mapping[str, Any]) -> Path:
    """Where the states lie that were made so."""
    digest = hashlib.sha256(_line(made_by).encode()).hexdigest()[:16]
    return root / f"{made_by['modality']}-{digest}"


def clear_abandoned(root: Path) -> None:
    """Remove what writers that were killed had begun, never what another one is writing."""
    for path in root.glob("*/.*.tmp"):
        try:
            if _is_abandoned(path):
                path.unlink()
        except FileNotFoundError:  # finished, or removed by another process, meanwhile
            continue


def _is_abandoned(path: Path) -> bool:
    if time.time() - path.stat().st_mtime > ABANDONED:
        return True
    host, pid = path.name.split(".")[-3:-1]
    if os.name != "posix" or host != _host():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # another user's
        return False
    return False


def _host() -> str:
    return platform.node().replace(".", "-") or "unnamed"


class StateStore:
    """The states of one encoder, by the 64-bit key of what it heard or read.

    made_by says what decides them: modality, encoder, layer, width, dtype, and what else. The
    index, 36 bytes an entry, is in memory; states stay on the disk. Shards that another process
    finishes are seen when the store is opened again. Raises CrosstoneError for a shard that is
    broken, and never makes up for it.
    """

    def __init__(self, root: Path, made_by: Mapping[str, Any]) -> None:
        self.folder, self.made_by = store_folder(root, made_by), dict(made_by)
        self._paths = sorted(self.folder.glob("[!.]*.safetensors"))
        self._open: dict[int, Any] = {}
        columns = [self._index(number) for number in range(len(self._paths))]
        keys, shards, starts, ends, checksums = (
            np.concatenate([column[i] for column in columns]) if columns else np.zeros(0, np.int64)
            for i in range(5)
        )
        order = np.argsort(keys, kind="stable")
        self._keys: Keys = keys[order]
        self._shards, self._checksums = shards[order], checksums[order]
        self._starts, self._ends = starts[order], ends[order]
        self._sound = np.zeros(len(keys), bool)

    def __len__(self) -> int:
        return len(self._keys)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_open": {}}

    def holds(self, keys: Keys) -> NDArray[np.bool_]:
        """(N,) which of the keys have states."""
        at = np.searchsorted(self._keys, keys)
        found: NDArray[np.bool_] = np.append(self._keys, 0)[at] == keys
        return found & (at < len(self._keys))

    def __getitem__(self, key: int) -> States:
        """The states of a key that it holds, (T, D); compared with their checksum the first time.

        Raises CrosstoneError where the shard has changed since it was written.
        """
        at = int(np.searchsorted(self._keys, key))
        if at == len(self._keys) or self._keys[at] != key:
            raise KeyError(key)
        number = int(self._shards[at])
        states: States = self._shard(number).get_slice("states")[
            int(self._starts[at]) : int(self._ends[at])
        ]
        if not self._sound[at]:
            if zlib.crc32(states.data) != self._checksums[at]:
                raise CrosstoneError(
                    f"{self._paths[number]}: expected states with the checksum that its index "
                    f"gives, found others; {_REMEDY}"
                )
            self._sound[at] = True
        return states

    def _shard(self, number: int) -> Any:
        if number not in self._open:
            try:
                self._open[number] = safe_open(self._paths[number], "numpy")
            except (OSError, SafetensorError) as error:
                raise CrosstoneError(
                    f"{self._paths[number]}: expected a whole shard of states, cannot read it "
                    f"({error}); {_REMEDY}"
                ) from error
        return self._open[number]

    def _index(self, number: int) -> tuple[NDArray[Any], ...]:
        """Key, shard, first and last place, and checksum of each entry of a shard."""
        shard, path = self._shard(number), self._paths[number]
        about = shard.metadata() or {}
        try:
            keys, offsets, checksums = (shard.get_tensor(name) for name in _INDEX)
            states = shard.get_slice("states")
            num_states, width = states.get_shape()
        except (SafetensorError, ValueError) as error:
            raise CrosstoneError(
                f"{path}: expected states with {', '.join(_INDEX)}, found something else "
                f"({error}); {_REMEDY}"
            ) from error
        if about.get("index") != _digest(keys, offsets, checksums) or offsets[-1] != num_states:
            raise CrosstoneError(
                f"{path}: expected the index that its header tells of, found another; {_REMEDY}"
            )
        if about.get("made_by") != _line(self.made_by):
            raise CrosstoneError(
                f"{path}: expected states made by {_line(self.made_by)}, found "
                f"{about.get('made_by')}; {_REMEDY}"
            )
        expected = (self.made_by["width"], _NAMES[self.made_by["dtype"]])
        if (width, states.get_dtype()) != expected:
            raise CrosstoneError(
                f"{path}: expected states of width {expected[0]} in {expected[1]}, found "
                f"{width} in {states.get_dtype()}; {_REMEDY}"
            )
        return keys, np.full(len(keys), number, np.int32), offsets[:-1], offsets[1:], checksums


class ShardWriter:
    """Gathers states and writes them in shards of a bounded size, each whole or not at all.

    Any number of processes may write into one folder: a shard is named after its content, so that
    work done twice is the same file or a second copy, of which either is read.
    """

    def __init__(
        self, root: Path, made_by: Mapping[str, Any], *, shard_bytes: int = SHARD_BYTES
    ) -> None:
        self.folder, self.made_by = store_folder(root, made_by), dict(made_by)
        self.shard_bytes = shard_bytes
        self._dtype = np.dtype(made_by["dtype"])
        self._clear()

    def _clear(self) -> None:
        self._keys: list[int] = []
        self._states: list[States] = []
        self._num_bytes = 0

    def add(self, key: int, states: NDArray[np.float32]) -> None:
        """Take in the states (T, D) of a key; writes a shard when enough have come together.

        Raises CrosstoneError for a value that the store's type cannot hold.
        """
        largest, limit = float(np.abs(states).max(initial=0.0)), float(np.finfo(self._dtype).max)
        if not largest <= limit:
            raise CrosstoneError(
                f"{self.folder}: expected states within ±{limit:g}, which is what {self._dtype} "
                f"holds, found {largest:g}; choose data.cache_precision=float32, or look at the "
                "encoder's weights where that is nan"
            )
        packed = np.ascontiguousarray(states, self._dtype)
        self._keys.append(key)
        self._states.append(packed)
        self._num_bytes += packed.nbytes
        if self._num_bytes >= self.shard_bytes:
            self.flush()

    def flush(self) -> None:
        """Write what has been gathered, synced, then renamed."""
        if not self._keys:
            return
        keys = np.array(self._keys, np.int64)
        offsets = np.cumsum([0, *(len(states) for states in self._states)], dtype=np.int64)
        checksums = np.array([zlib.crc32(states.data) for states in self._states], np.uint32)
        digest = _digest(keys, offsets, checksums)
        joined = np.concatenate(self._states)
        self._clear()
        path = self.folder / f"{digest[:16]}.safetensors"
        temporary = path.with_name(f".{path.stem}.{_host()}.{os.getpid()}.tmp")
        tensors = {"states": joined, "keys": keys, "offsets": offsets, "checksums": checksums}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                save_file(tensors, temporary, {"made_by": _line(self.made_by), "index": digest})
                with temporary.open("r+b") as file:  # what is read only is not synced on Windows
                    os.fsync(file.fileno())
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)
        except (OSError, SafetensorError) as error:  # the latter a full disk, in its words
            raise CrosstoneError(
                f"{path}: cannot be written ({error}); the finished shards stand, make room or "
                "give permission and run crosstone cache again"
            ) from error


def _line(made_by: Mapping[str, Any]) -> str:
    return json.dumps(dict(made_by), sort_keys=True)


def _digest(keys: Keys, offsets: NDArray[np.int64], checksums: NDArray[np.uint32]) -> str:
    return hashlib.sha256(keys.tobytes() + offsets.tobytes() + checksums.tobytes()).hexdigest()
