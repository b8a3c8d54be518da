"""What share of an epoch's frames is padding, by how its batches are cut."""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from benchmarks.epoch import BATCH_SECONDS, UTTERANCES, like_librispeech, share_padded
from benchmarks.measurement import Goal, Row
from crosstone.data.sampling import BatchPlan

BATCH_SIZE = 16


def plans_of(lengths: NDArray[np.float32]) -> dict[str, tuple[BatchPlan, Goal | None]]:
    """The batches of an epoch, by how they are cut, and what share is wanted of each; random ones
    last."""
    goal = Goal(value=0.05, at_least=False)
    plan = partial(BatchPlan, items=len(lengths), seed=0)
    by_count = partial(plan, batch_size=BATCH_SIZE)
    by_seconds = plan(batch_seconds=BATCH_SECONDS, lengths=lengths, pool=64)
    count = f"batches of {BATCH_SIZE}"
    return {
        f"batches of {BATCH_SECONDS:g} s": (by_seconds, goal),
        f"{count}, length_pool=64": (by_count(lengths=lengths, pool=64), goal),
        f"{count}, length_pool=16": (by_count(lengths=lengths, pool=16), None),
        f"{count} at random": (by_count(), None),
    }


def run(*, quick: bool = False) -> list[Row]:
    """The share of each, beside that of batches drawn at random."""
    lengths = like_librispeech(2_000 if quick else UTTERANCES)
    found = [
        (name, share_padded(plan.batches(1), lengths), goal)
        for name, (plan, goal) in plans_of(lengths).items()
    ]
    *pooled, (_, random, _) = found
    return [
        Row(
            bench="padding",
            what=f"share of padding, {name}",
            ours=share,
            against=random,
            goal=goal,
            notes=() if number else (f"{len(lengths):,} lengths drawn like LibriSpeech's",),
        )
        for number, (name, share, goal) in enumerate(pooled)
    ]
