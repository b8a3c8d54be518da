"""An epoch of LibriSpeech's size and lengths against random batches padded to the longest."""

from collections.abc import Callable, Iterable, Sequence
from statistics import median

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray

from benchmarks.machine import synchronise
from benchmarks.measurement import Goal, Row, compare
from crosstone.data.batch import Item, collate
from crosstone.data.sampling import BatchPlan
from crosstone.models import BUILTIN_AUDIO, BaselineConfig, BaselineModel, HeadSpec
from crosstone.models.task import build_task
from crosstone.objectives import Supervised
from crosstone.training.optim import OptimSpec, build_optimizer
from crosstone.training.step import Stepper

UTTERANCES = 281_000
"""As many as LibriSpeech's 960 hours have."""

BATCH_SECONDS = 200.0
"""Seconds of a batch, padding included: about 16 utterances."""

LARGER_SECONDS = 400.0
"""About 32: the more there are, the longer is the longest of those drawn at random."""

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


def make_plans(lengths: NDArray[np.float32], seconds: float) -> tuple[BatchPlan, BatchPlan]:
    """Ours, by a budget of seconds, and random batches of as many items as ours have in mean."""
    ours = BatchPlan(items=len(lengths), seed=0, batch_seconds=seconds, lengths=lengths, pool=64)
    size = round(len(lengths) / len(ours.batches(1)))
    return ours, BatchPlan(items=len(lengths), seed=0, batch_size=size)


def drawn_from(plan: BatchPlan, lengths: NDArray[np.float32], count: int) -> list[list[int]]:
    """Batches that stand for an epoch: of all, by their longest item, every n-th, `count` of them;
    all where there are no more."""
    batches = sorted(plan.batches(1), key=lambda batch: float(lengths[batch].max()))
    count = min(count, len(batches))
    places = ((np.arange(count) + 0.5) / count * len(batches)).astype(int)
    return [batches[place].tolist() for place in places]


def share_padded(
    batches: Iterable[Sequence[int] | NDArray[np.int64]], lengths: NDArray[np.float32]
) -> float:
    """Share of the seconds of these batches that is padding."""
    each = [lengths[np.asarray(batch)].astype(np.float64) for batch in batches]
    return 1.0 - float(sum(e.sum() for e in each) / sum(len(e) * e.max() for e in each))


def make_epoch(clips: Clips, batches: list[list[int]], encoder: str) -> Callable[[], int]:
    """Trains a speech encoder on these batches once; gives on how many clips it was trained."""
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
        for number, batch in enumerate(batches, start=1):
            collated = collate([clips[i] for i in batch])
            seen += stepper.take([(collated, True)], epoch=1, number=number).samples
        synchronise()
        return seen

    return epoch


def check_equal(count: int, encoder: str) -> None:
    """Raises ValueError where an epoch of either side leaves a clip out or takes one twice."""
    lengths = like_librispeech(count)
    for plan in make_plans(lengths, BATCH_SECONDS):
        batches = drawn_from(plan, lengths, count)
        seen = make_epoch(Clips(np.minimum(lengths, 1.5)), batches, encoder)()
        if seen != count or sorted(i for batch in batches for i in batch) != list(range(count)):
            raise ValueError(f"epoch: expected each of {count} clips once, found {seen}")


def run(*, quick: bool = False) -> list[Row]:
    """Utterances per second, by how many seconds a batch has."""
    count, encoder = (24, "logmel-mini") if quick else (UTTERANCES, "logmel-small")
    check_equal(24, "logmel-mini")
    lengths = like_librispeech(count)
    clips = Clips(lengths)
    return [
        _row(clips, encoder, seconds, batches, repeats=2 if quick else 5)
        for seconds, batches in ((BATCH_SECONDS, 2 if quick else 20), (LARGER_SECONDS, 10))
    ]


def _row(clips: Clips, encoder: str, seconds: float, steps: int, *, repeats: int) -> Row:
    lengths = clips.lengths
    plans = make_plans(lengths, seconds)
    sides = [drawn_from(plan, lengths, steps) for plan in plans]
    ours, random = (make_epoch(clips, batches, encoder) for batches in sides)
    compared = compare(ours, random, repeats=repeats)
    taken = [sum(map(len, batches)) for batches in sides]
    more = taken[0] / taken[1]
    processor = compared.processor_ratio
    drawn = [f"{share_padded(batches, lengths):.1%}" for batches in sides]
    whole = [f"{share_padded(plan.batches(1), lengths):.1%}" for plan in plans]
    return Row(
        bench="epoch",
        what=f"utterances a second, batches of {seconds:g} s",
        ours=taken[0] / median(compared.ours),
        against=taken[1] / median(compared.against),
        ratio=more * compared.ratio,
        spread=(more * compared.spread[0], more * compared.spread[1]),
        processor=None if processor is None else more * processor,
        goal=Goal(value=1.6),
        notes=(
            f"{encoder}; of an epoch of {len(lengths):,} clips {len(sides[0])} batches of "
            f"{seconds:g} s that stand for it, against {plans[1].batch_size} clips at random; "
            f"padding {drawn[0]} against {drawn[1]}, of the whole epoch {whole[0]} and {whole[1]}",
        ),
    )
