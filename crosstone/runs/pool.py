"""Runs side by side, each in a process of its own."""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from crosstone.runs.recipe import Recipe
from crosstone.runs.run import Progress
from crosstone.runs.runset import run
from crosstone.training import peak_memory_mib

Work = Callable[[Progress], Path]
"""What a process of a pool does: told where to say how far it is, it gives the folder it fills."""


@dataclass(frozen=True)
class Done:
    """A folder that a pool has filled, and what it took."""

    folder: Path
    seconds: float
    process: int
    peak_memory_mib: float


class RunPool:
    """Fills run sets two or more at a time, sharing the cores.

    A small model spends its time between operations, which a second thread does not shorten. Use
    as a context manager; progress is called from a thread of this process.
    """

    def __init__(self, size: int, progress: Callable[[str, int, int], None] | None = None) -> None:
        context = multiprocessing.get_context("spawn")
        self._messages: Any = context.Queue()
        self._progress = progress
        threads = max(1, (os.cpu_count() or 1) // size)
        self._pool = ProcessPoolExecutor(size, context, _begin, (self._messages, threads))
        self._relay = threading.Thread(target=self._pass_on, daemon=True)

    def __enter__(self) -> "RunPool":
        self._relay.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._pool.shutdown(cancel_futures=True)
        self._messages.put(None)
        self._relay.join()

    def submit(self, recipe: Recipe, out: Path) -> "Future[Done]":
        """Queue one run set; its error is raised by the future's result."""
        return self.call(partial(_fill, recipe, out))

    def call(self, work: Work) -> "Future[Done]":
        """Queue any work that a process can be sent; its error is raised by the future's result."""
        return self._pool.submit(_do, work)

    def _pass_on(self) -> None:
        while (message := self._messages.get()) is not None:
            if self._progress is not None:
                self._progress(*message)


class _Teller:
    """Where a worker process says how far it is."""

    messages: Any = None

    def __call__(self, title: str, done: int, total: int) -> None:
        self.messages.put((title, done, total))


_TELL = _Teller()


def _begin(messages: Any, threads: int) -> None:
    _TELL.messages = messages
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would go on filling a folder that the next one takes up."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


def _fill(recipe: Recipe, out: Path, progress: Progress) -> Path:
    return run(recipe, out, progress=progress)


def _do(work: Work) -> Done:
    begun = time.monotonic()
    folder = work(_TELL)
    return Done(folder, time.monotonic() - begun, os.getpid(), peak_memory_mib() or 0.0)
