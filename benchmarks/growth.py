"""Time and memory of what handles metadata alone, from a thousand utterances to a hundred times."""

import csv
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks.measurement import Goal, Row, in_child, peak_mib

FEW, MANY = 1_000, 100_000
QUICK_MANY = 4_000

WORDS = ("well", "then", "we", "shall", "see", "what", "comes", "of", "it", "tomorrow")


def write_table(path: Path, count: int) -> None:
    """A table of utterances in which nobody speaks twice of the same."""
    with path.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["id", "text", "speaker", "session", "split", "emotion"])
        for i in range(count):
            words = " ".join(WORDS[(i // 10**k) % 10] for k in range(6))
            speaker = f"s{i % 200}"
            split = ("train", "valid", "test")[i % 3]
            rows.writerow([f"u{i}", f"{words} {i}", speaker, f"g{i % 50}", split, WORDS[i % 4]])


def prepare(folder: str) -> dict[str, Any]:
    """`crosstone prepare table` (in a child)."""
    from crosstone.data.corpora.table import prepare as prepare_table

    base = peak_mib()
    began = time.perf_counter()
    prepare_table(Path(folder) / "table.csv", Path(folder) / "corpus")
    return {"seconds": time.perf_counter() - began, "base_mib": base}


def check(folder: str) -> dict[str, Any]:
    """`crosstone check --no-listen` (in a child)."""
    from crosstone.data.corpus import Corpus
    from crosstone.data.faults import examine

    base = peak_mib()
    began = time.perf_counter()
    examine(Corpus.open(Path(folder) / "corpus"), listen=False)
    return {"seconds": time.perf_counter() - began, "base_mib": base}


def sampling(folder: str) -> dict[str, Any]:
    """Opening a corpus and planning an epoch by seconds (in a child)."""
    import numpy as np

    from crosstone.data.corpus import Corpus
    from crosstone.data.sampling import BatchPlan

    base = peak_mib()
    began = time.perf_counter()
    corpus = Corpus.open(Path(folder) / "corpus")
    lengths = np.random.default_rng(0).uniform(1, 16, len(corpus)).astype(np.float32)
    plan = BatchPlan(items=len(corpus), seed=0, batch_seconds=200.0, lengths=lengths, pool=64)
    sum(1 for _ in plan.steps(1))
    return {"seconds": time.perf_counter() - began, "base_mib": base}


def run(*, quick: bool = False) -> list[Row]:
    """Time an utterance, many against few, and memory each."""
    many, stages = QUICK_MANY if quick else MANY, ("prepare", "check", "sampling")
    found: dict[tuple[str, int], dict[str, Any]] = {}
    for count in (FEW, many):
        with tempfile.TemporaryDirectory() as folder:
            write_table(Path(folder) / "table.csv", count)
            for stage in stages:
                found[stage, count] = in_child("growth", stage, folder=folder)
    rows = []
    for stage in stages:
        few, much = found[stage, FEW], found[stage, many]
        each = [1e6 * one["seconds"] / count for one, count in ((much, many), (few, FEW))]
        grown = [one["peak_mib"] - one["base_mib"] for one in (much, few)]
        rows += [
            Row(
                bench="growth",
                what=f"{stage}: µs an utterance of {many:,}, of {FEW:,}",
                ours=each[0],
                against=each[1],
                ratio=each[0] / each[1],
                goal=Goal(value=1.5, at_least=False),
                notes=("linear where the ratio is at most 1; more than 1.5 counts as not",),
            ),
            Row(
                bench="growth",
                what=f"{stage}: KiB an utterance",
                ours=max(0.0, grown[0] - grown[1]) * 1024 / (many - FEW),
                goal=Goal(value=2.0, at_least=False),
                memory=(much["peak_mib"], few["peak_mib"]),
            ),
        ]
    return rows
