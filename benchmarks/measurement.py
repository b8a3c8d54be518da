"""How two sides are timed against each other, and what a bench reports."""

import importlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parent.parent
"""The clone."""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What a ratio is to reach."""

    value: float
    at_least: bool = True

    def holds(self, found: float) -> bool:
        """Whether the ratio that was found reaches it."""
        return found >= self.value if self.at_least else found <= self.value

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.value:g}"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the table."""

    bench: str
    what: str
    """What was measured, with its unit."""

    ours: float
    against: float | None = None
    ratio: float | None = None
    """How the two compare: times faster for what takes time, else ours over the other."""

    spread: tuple[float, float] | None = None
    """Lowest and highest ratio of the repeats."""

    processor: float | None = None
    """The ratio in processor time, which moves less while other programs run."""

    goal: Goal | None = None
    """Of the ratio, or where there is none of `ours`."""

    memory: tuple[float, float] | None = None
    """Peak resident memory of either side in a process of its own, in MiB."""

    notes: tuple[str, ...] = field(default=())

    @property
    def met(self) -> bool | None:
        """Whether the goal is reached; None without one."""
        if self.goal is None:
            return None
        return self.goal.holds(self.ours if self.ratio is None else self.ratio)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**vars(self), "goal": str(self.goal) if self.goal else None, "met": self.met}


@dataclass(frozen=True)
class Compared:
    """Two sides that ran in turn."""

    ours: Sequence[float]
    against: Sequence[float]
    """Seconds of each repeat."""

    processor: Sequence[tuple[float, float]] = ()
    """Seconds of processor time of each repeat, ours and the other side's."""

    @property
    def ratios(self) -> list[float]:
        """How many times faster ours was, for each pair of neighbours."""
        return [theirs / own for own, theirs in zip(self.ours, self.against, strict=True)]

    @property
    def ratio(self) -> float:
        """The median of them: what slows the machine for a while slows both of a pair."""
        return median(self.ratios)

    @property
    def spread(self) -> tuple[float, float]:
        """The lowest and the highest of them."""
        return min(self.ratios), max(self.ratios)

    @property
    def processor_ratio(self) -> float | None:
        """How many times less processor time ours took, the median of the pairs; None where the
        clock is too coarse to say."""
        if not self.processor or not all(own > 0 for own, _ in self.processor):
            return None
        return median(theirs / own for own, theirs in self.processor)


def compare(
    ours: Callable[[], object], against: Callable[[], object], *, repeats: int, warmups: int = 1
) -> Compared:
    """Both sides by turns, `repeats` times each, the first of each pair changing."""
    for _ in range(warmups):
        ours()
        against()
    own: list[tuple[float, float]] = []
    theirs: list[tuple[float, float]] = []
    for turn in range(repeats):
        pairs = [(ours, own), (against, theirs)]
        for side, times in reversed(pairs) if turn % 2 else pairs:
            began = time.process_time()
            seconds = timed(side)
            times.append((seconds, time.process_time() - began))
    return Compared(
        [seconds for seconds, _ in own],
        [seconds for seconds, _ in theirs],
        [(mine[1], other[1]) for mine, other in zip(own, theirs, strict=True)],
    )


def timed(work: Callable[[], object]) -> float:
    """Seconds of one call."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def in_child(module: str, function: str, **arguments: Any) -> dict[str, Any]:
    """What benchmarks.MODULE.FUNCTION(**arguments) gives in a process of its own, and its peak.

    The function gives a dict of JSON values; `peak_mib` is added.
    """
    command = [sys.executable, "-m", "benchmarks.measurement", module, function]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [*command, json.dumps(arguments)],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def peak_mib() -> float:
    """Most memory this process has held at once, in MiB.

    Where Linux tells it of this program alone, that: ru_maxrss begins with what the parent held.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) / 1024
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if platform.system() == "Darwin" else 1024)


def main(arguments: Sequence[str]) -> None:
    """The child's side of `in_child`."""
    module, function, given = arguments
    work: Callable[..., Mapping[str, Any]] = getattr(
        importlib.import_module(f"benchmarks.{module}"), function
    )
    found = work(**json.loads(given))
    print(json.dumps({**found, "peak_mib": peak_mib()}))


if __name__ == "__main__":
    main(sys.argv[1:])
