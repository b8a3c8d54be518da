"""A run's log: one JSON object a line, cut back to a checkpoint's length on resume."""

import json
import math
import os
from pathlib import Path
from typing import Any

from crosstone.errors import CheckpointError

VOLATILE = frozenset(
    {
        *("time", "seconds", "seconds_left", "samples_per_second", "speech_per_second"),
        *("utilisation", "peak_tflops", "peak_memory_mib", "peak_device_memory_mib"),
    }
)
"""Keys that tell of time, speed and memory: all that a resumed run's log may differ in."""


class RunLog:
    """Writes log.jsonl, every line handed to the system before `write` returns.

    path None writes nothing, as on all processes but the first. An existing file is cut to
    `length` bytes; CheckpointError where it holds fewer. A failed write raises OSError.
    """

    def __init__(self, path: Path | None, *, length: int = 0) -> None:
        self.path = path
        self.length = length
        self._file = None
        if path is None:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        found = path.stat().st_size if path.exists() else 0
        if found < length:
            raise CheckpointError(
                f"{path}: expected the {length} bytes written up to the checkpoint, found {found}; "
                "restore the log or train again into an empty folder"
            )
        self._file = path.open("ab", buffering=0)
        self._file.truncate(length)

    def write(self, event: str, **values: Any) -> None:
        """Appends {"event": event, …}; numbers that are not finite become null."""
        if self._file is None:
            return
        text = json.dumps({"event": event, **_finite(values)}, ensure_ascii=False, allow_nan=False)
        line = memoryview(text.encode() + b"\n")
        while line:
            written = self._file.write(line)
            self.length += written
            line = line[written:]

    def sync(self) -> None:
        """Waits until what was written is on the disk."""
        if self._file is not None:
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Closes the file; nothing can be written after."""
        if self._file is not None:
            self._file.close()


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log, oldest first."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
