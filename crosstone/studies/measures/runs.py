"""The runs of a run set, for what is measured of each of their models."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Run:
    """A folder of a run set."""

    fold: int
    seed: int
    folder: Path


def runs_of(run_set: Path) -> Iterator[Run]:
    """Every fold and seed, in the order of their names."""
    for folder in sorted(run_set.glob("fold-*-seed-*")):
        _, fold, _, seed = folder.name.split("-")
        yield Run(int(fold), int(seed), folder)
