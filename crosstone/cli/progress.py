"""Progress on standard error: a bar with the time left on a terminal, a line a step elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_LINE_EVERY = 10.0


class Bars:
    """One bar at a time, named after what is being done."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None
        self._title = ""
        self._said = 0.0

    def __call__(self, title: str, done: int, total: int) -> None:
        """Show that `done` of `total` are done."""
        if not self._progress.console.is_terminal:
            self._line(title, done, total)
            return
        if title != self._title or self._task is None:
            if self._task is not None:
                self._progress.remove_task(self._task)
            self._task = self._progress.add_task(title, total=total)
            self._title = title
        self._progress.update(self._task, completed=done, total=total)

    def _line(self, title: str, done: int, total: int) -> None:
        now = time.monotonic()
        if title != self._title or done == total or now - self._said > _LINE_EVERY:
            if title != self._title or done == total:
                print(f"{title}: {done}/{total}", file=sys.stderr, flush=True)
            self._title, self._said = title, now


@contextmanager
def bars() -> Iterator[Bars]:
    """Bars that leave the screen when they end."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        yield Bars(progress)
