"""An epoch over lengths like LibriSpeech's against random batches padded to the longest."""

from collections.abc import Callable
from statistics import median

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray

from benchmarks.machine import synchronise
from benchmarks.measurement import Goal, Row, compare
from crosstone.data.batch import Batch, Item, collate
from crosstone.data.sampling import BatchPlan
from crosstone.models import BUILTIN_AUDIO, BaselineConfig, BaselineModel, HeadSpec
from crosstone.models.task import build_task
from crosstone.objectives import Supervised
from crosstone.training.optim import OptimSpec, build_optimizer
from crosstone.training.step import Stepper

BATCH_SECONDS = 200.0
"""Seconds of a batch, padding included: about 16 utterances."""

RATE = 16_000


def like_librispeech(count: int) -> NDArray[np.float32]:
    """Seconds as LibriSpeech's 960 hours have them: most from 12 to 16, some short, few to 35."""
    rng = np.random.default_rng(5)
    kinds = rng.choice(3, count, p=[0.7, 0.28, 0.02])
    drawn = np.choose(
        kinds,
        [rng.normal(14.2, 1.3, count), rng.uniform(1.3, 14, count), rng.uniform(16, 35, count)],
    )
    lengths: NDArray[np.float32] = np.clip(drawn, 1.3, 35).astype(np.float32)
    return lengths


class Clips:
    """Utterances of given lengths, stretches of one noise, each with a class."""

    def __init__(self, lengths: NDArray[np.float32]) -> None:
        self.lengths = lengths
        rng = np.random.default_rng(0)
        self.noise = rng.normal(0, 0.1, round(float(lengths.max()) * RATE) + 1).astype(np.float32)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> Item:
        samples = self.noise[: round(float(self.lengths[index]) * RATE)]
        return Item(id=str(index), audio=samples, text=None, targets={"class": index % 4})


def make_plans(lengths: NDArray[np.float32]) -> tuple[BatchPlan, BatchPlan]:
    """Ours, by a budget of seconds, and random batches of as many items as ours have in mean."""
    ours = BatchPlan(
        items=len(lengths), seed=0, batch_seconds=BATCH_SECONDS, lengths=lengths, pool=64
    )
    size = round(len(lengths) / len(ours.batches(1)))
    return ours, BatchPlan(items=len(lengths), seed=0, batch_size=size)


def padded_share(plan: BatchPlan, lengths: NDArray[np.float32]) -> float:
    """Share of an epoch's seconds that is padding."""
    whole = sum(len(batch) * float(lengths[batch].max()) for batch in plan.batches(1))
    return 1.0 - float(lengths.sum()) / whole


def make_epoch(clips: Clips, plan: BatchPlan, encoder: str) -> Callable[[], int]:
    """Trains a speech encoder on every clip once; gives how many it was trained on."""
    torch.manual_seed(0)
    accelerator = Accelerator()
    backbone = BaselineModel(
        BaselineConfig(audio_config=BUILTIN_AUDIO[encoder](), freeze_audio="none")
    )
    head = HeadSpec(kind="classification", labels=("a", "b", "c", "d"))
    model = build_task(backbone, {"class": head})
    prepared, optimizer = accelerator.prepare(model, build_optimizer(model, OptimSpec()))
    prepared.train()
    objective = Supervised(head="class", criterion="cross_entropy")
    stepper = Stepper(accelerator, prepared, optimizer, objective, seed=0)

    def epoch() -> int:
        seen = 0
        for number, micro_batches in enumerate(plan.steps(1), start=1):
            batches: list[tuple[Batch, bool]] = [
                (collate([clips[i] for i in micro.indices]), micro.real) for micro in micro_batches
            ]
            seen += stepper.take(batches, epoch=1, number=number).samples
        synchronise()
        return seen

    return epoch


def check_equal(count: int, encoder: str) -> None:
    """Raises ValueError where an epoch of either side leaves a clip out or takes one twice."""
    lengths = like_librispeech(count)
    for plan in make_plans(lengths):
        taken = np.concatenate(plan.batches(1))
        seen = make_epoch(Clips(np.minimum(lengths, 1.5)), plan, encoder)()
        if seen != count or not np.array_equal(np.sort(taken), np.arange(count)):
            raise ValueError(f"epoch: expected each of {count} clips once, found {seen}")


def run(*, quick: bool = False) -> list[Row]:
    """Utterances per second."""
    count, encoder = (24, "logmel-mini") if quick else (256, "logmel-small")
    check_equal(24, "logmel-mini")
    lengths = like_librispeech(count)
    clips, plans = Clips(lengths), make_plans(lengths)
    ours, random = (make_epoch(clips, plan, encoder) for plan in plans)
    compared = compare(ours, random, repeats=2 if quick else 3)
    speeds = [count / median(times) for times in (compared.ours, compared.against)]
    shares = [padded_share(plan, lengths) for plan in plans]
    return [
        Row(
            bench="epoch",
            what="utterances a second",
            ours=speeds[0],
            against=speeds[1],
            ratio=compared.ratio,
            spread=compared.spread,
            goal=Goal(value=1.6),
            notes=(
                f"{encoder}, {count} clips, batches of {BATCH_SECONDS:g} s against "
                f"{plans[1].batch_size} at random; {shares[0]:.1%} and {shares[1]:.1%} padding",
            ),
        )
    ]
