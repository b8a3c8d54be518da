"""Lines become recordings: fixed chunks, one child process for each, files kept by content."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

from crosstone.data.corpora.twokey.script import Line
from crosstone.errors import AudioError, CrosstoneError

CHILD = "crosstone.data.corpora.twokey.synthesiser"
CHUNK = 300
"""Lines to one child. What eSpeak gives depends on what it said before, so a chunk always starts
in a new process and is spoken whole."""
MAKING = 1
"""Counts up when the synthesiser shapes sound in another way."""

Progress = Callable[[int, int], None]


def require_engine() -> str:
    """The version of the speech synthesiser; raises CrosstoneError where it is not installed."""
    if find_spec("espeakng_loader") is None:
        raise CrosstoneError("twokey needs espeakng-loader: pip install 'crosstone[demo]'")
    return metadata.version("espeakng-loader")


def synthesise_lines(
    lines: Sequence[Line], root: Path, *, jobs: int | None = None, progress: Progress | None = None
) -> list[str]:
    """Speak what `root` does not hold yet; the recordings' paths relative to `root`, in order.

    16 kHz, 16 bits, mono FLAC. jobs: children at a time, by default one for each core. progress:
    called with lines done and lines in all. Raises AudioError with what the child said.
    """
    version = require_engine()
    names = [_file_name(line, version) for line in lines]
    distinct = dict(zip(names, lines, strict=True))
    items = list(distinct.items())
    chunks = [items[first : first + CHUNK] for first in range(0, len(items), CHUNK)]
    for folder in sorted({(root / name).parent for name in names}):
        folder.mkdir(parents=True, exist_ok=True)
    counter = _Counter(len(items), progress)
    with ThreadPoolExecutor(jobs or os.cpu_count() or 1) as pool:
        tasks = [pool.submit(_speak_chunk, chunk, root, counter) for chunk in chunks]
        try:
            for task in tasks:
                task.result()
        finally:
            counter.stopped.set()
    return names


class _Counter:
    """Lines done by all children together."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.stopped = threading.Event()
        self._done, self._total, self._progress = 0, total, progress
        self._lock = threading.Lock()

    def add(self, count: int) -> None:
        with self._lock:
            self._done += count
            if self._progress is not None:
                self._progress(self._done, self._total)


def _speak_chunk(chunk: Sequence[tuple[str, Line]], root: Path, counter: _Counter) -> None:
    if counter.stopped.is_set():
        return
    if all((root / name).is_file() for name, _ in chunk):
        counter.add(len(chunk))
        return
    job = {"lines": [{"path": str(root / name), **asdict(line)} for name, line in chunk]}
    path = os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(
            [sys.executable, "-m", CHILD],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=complaints,
            env={**os.environ, "PYTHONPATH": path},
            text=True,
            encoding="utf-8",
        ) as child,
    ):
        try:
            _feed(child, json.dumps(job))
            done = 0
            for _ in child.stdout or ():
                done += 1
                counter.add(1)
                if counter.stopped.is_set():
                    break
        finally:
            if counter.stopped.is_set():
                child.kill()
        status = child.wait()
        complaints.seek(0)
        said = complaints.read().decode(errors="replace").strip()
    if done < len(chunk) and not counter.stopped.is_set():
        raise AudioError(
            f"twokey: expected {len(chunk)} recordings from the speech synthesiser, found {done} "
            f"(exit {status}): {said or 'no message'}"
        )


def _feed(child: "subprocess.Popen[str]", job: str) -> None:
    """Hand the job over; a child that is gone already is found by what it leaves undone."""
    try:
        if child.stdin is not None:
            child.stdin.write(job)
            child.stdin.close()
    except BrokenPipeError:
        return


def _file_name(line: Line, version: str) -> str:
    content = json.dumps([MAKING, version, asdict(line)], sort_keys=True)
    digest = hashlib.sha256(content.encode()).hexdigest()[:32]
    return f"audio/{digest[:2]}/{digest}.flac"
