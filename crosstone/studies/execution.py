"""The steps of a plan done, several at a time, each once however many studies need it."""

import json
import os
import time
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from pathlib import Path

from filelock import FileLock

from crosstone import __version__
from crosstone.errors import CrosstoneError
from crosstone.files import write_text
from crosstone.runs.pool import Done, RunPool
from crosstone.runs.run import Progress
from crosstone.studies.plan import DONE, is_done
from crosstone.studies.steps import Step


def execute(
    steps: Iterable[Step], root: Path, *, jobs: int | None = None, progress: Progress | None = None
) -> None:
    """Do every step that is not done, each after what it needs, `jobs` at a time.

    jobs: processes; by default two, or one on a single core. What others do at the same time below
    the same root is waited for. A step that fails takes with it those that need it, the rest is
    done, and then CrosstoneError names each that failed.
    """
    waiting = {step.key: step for step in steps if not is_done(step, root)}
    total, done = len(waiting), 0
    if not waiting:
        return
    failed: dict[str, str] = {}
    running: dict[Future[Done], Step] = {}
    with RunPool(jobs or min(2, os.cpu_count() or 1), progress) as pool:
        while waiting or running:
            for step in _ready(waiting, running.values()):
                del waiting[step.key]
                running[pool.call(partial(do_step, step, root))] = step
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                step = running.pop(future)
                if (error := future.exception()) is not None:
                    if isinstance(error, BrokenProcessPool):
                        raise CrosstoneError(
                            f"study: a process ended at '{step.title}' before it was done, as when "
                            "memory runs out; what is done stays done, so ask again with --jobs 1"
                        ) from error
                    if not isinstance(error, CrosstoneError | OSError):
                        raise error
                    failed[step.key] = f"{step.title} ({step.folder(root).name}): {error}"
                    _give_up(step, waiting)
                done += 1
                if progress is not None:
                    progress("steps", done, total)
    if failed:
        raise CrosstoneError(
            f"study: {len(failed)} of {total} steps failed, and with them what needs them; what is "
            f"done stays done, so mend the cause and ask again: {'; '.join(failed.values())}"
        )


def do_step(step: Step, root: Path, progress: Progress | None) -> Path:
    """One step in this process, unless it is done; gives its folder.

    Raises CrosstoneError where what it needs is not done.
    """
    folder = step.folder(root)
    lacking = [need for need in step.needs if not is_done(need, root)]
    if lacking:
        names = ", ".join(f"{need.title} ({need.folder(root).name})" for need in lacking)
        raise CrosstoneError(f"{step.title}: expected what it needs to be done, found not: {names}")
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        if is_done(step, root):
            return folder
        begun = time.monotonic()
        step.fill(root, progress)
        said = {
            "title": step.title,
            "key": step.key,
            "seconds": time.monotonic() - begun,
            "crosstone": __version__,
        }
        write_text(folder / DONE, json.dumps(said, indent=2))
    return folder


def _ready(waiting: dict[str, Step], running: Iterable[Step]) -> list[Step]:
    """The steps that need nothing which is still to be done."""
    ahead = {*waiting, *(step.key for step in running)}
    return [s for s in waiting.values() if not any(need.key in ahead for need in s.needs)]


def _give_up(failed: Step, waiting: dict[str, Step]) -> None:
    """Drop the steps that need a failed one."""
    lost = {failed.key}
    while found := [s for s in waiting.values() if any(n.key in lost for n in s.needs)]:
        for step in found:
            lost.add(step.key)
            del waiting[step.key]
