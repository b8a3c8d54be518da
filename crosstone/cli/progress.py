"""Progress on standard error: a bar with the time left on a terminal, a line a step elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

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
    """A bar for everything that is being done, named after it; a bar that is full goes."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        self._said: dict[str, float] = {}
        self._begun: dict[str, tuple[int, float]] = {}

    def __call__(self, title: str, done: int, total: int) -> None:
        """Show that `done` of `total` are done."""
        if not self._progress.console.is_terminal:
            self._line(title, done, total)
            return
        if title not in self._tasks:
            self._tasks[title] = self._progress.add_task(title, total=total)
        self._progress.update(self._tasks[title], completed=done, total=total)
        if done >= total:
            self._progress.remove_task(self._tasks.pop(title))

    def say(self, sentence: str) -> None:
        """A line on standard error, above the bars."""
        self._progress.console.print(sentence, markup=False, highlight=False, soft_wrap=True)

    def _line(self, title: str, done: int, total: int) -> None:
        now = time.monotonic()
        first, begun = self._begun.setdefault(title, (done, now))
        if done >= total or now - self._said.get(title, -_LINE_EVERY) >= _LINE_EVERY:
            left = ""
            if first < done < total:
                seconds = (now - begun) / (done - first) * (total - done)
                left = f", {timedelta(seconds=round(seconds))} left"
            print(f"{title}: {done}/{total}{left}", file=sys.stderr, flush=True)
            self._said[title] = now


@contextmanager
def bars(*, shown: bool = True) -> Iterator[Bars]:
    """Bars that leave the screen when they end; not `shown`, only what is said."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    disabled = not (shown and console.is_terminal)
    with Progress(*columns, console=console, transient=True, disable=disabled) as progress:
        yield Bars(progress)
