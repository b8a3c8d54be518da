"""Which recordings a process has heard, where they are heard once and no corpus is at hand."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosstone.data.faults.sound import digest_of

_SIZE = 8


class Heard:
    """What tells the samples of each of `count` items that was read, in a file of 8 bytes an item.

    A process and its workers write to the same file, each item in its place, so that nothing is
    lost when they are killed; one that is there is gone on with.
    """

    def __init__(self, path: Path, count: int) -> None:
        self.path = path
        self._file: Any = None
        if not path.is_file() or path.stat().st_size != _SIZE * count:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                file.truncate(_SIZE * count)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_file": None}

    def note(self, number: int, samples: NDArray[np.float32]) -> None:
        """Take in the samples of an item, at the recording's own rate."""
        if self._file is None:
            self._file = self.path.open("r+b", buffering=0)
        self._file.seek(_SIZE * number)
        self._file.write(np.array([digest_of(samples)], "<i8").tobytes())

    def sync(self) -> None:
        """Let other machines see what was written."""
        with self.path.open("r+b") as file:
            os.fsync(file.fileno())


def digests_in(paths: Iterable[Path]) -> NDArray[np.int64]:
    """What tells the recordings heard that are noted in some files, sorted, each once."""
    noted = [np.fromfile(path, "<i8") for path in paths]
    digests: NDArray[np.int64] = np.setdiff1d(np.concatenate(noted), 0)
    return digests
