"""Masked cross-modal acoustic modelling: hidden frames are rebuilt (CTAL 2021, §3.2.2)."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crosstone.data.batch import Batch
from crosstone.models.task import TaskOutput
from crosstone.nn.masking import LEARNED, Corruption
from crosstone.objectives.base import Loss, Part, at_least_single, draws, frames_of, nothing


@dataclass(frozen=True, kw_only=True)
class MaskedFrames:
    """Rebuild masked frames of features; the loss is the mean distance over all their values.

    A frame gives way to zeros (80 %), to another frame of its clean utterance (10 %), or stays
    (10 %); all three are to be rebuilt. `paper` decides this for a whole segment, as §3.2.2 does,
    `code` for each frame of spans that may overlap, as the released code does. Against that code we
    do better in two things: it counts the frames whose features do not sum to 0, here lengths are
    known; and it leaves utterances in which nothing was masked out of the batch, here they stay.
    """

    head: str
    num_frames: Callable[[Tensor], Tensor]
    """Samples of each item (B,) → frames (B,)."""

    min_samples: int = 1
    """A shorter waveform is padded to this by the encoder."""

    probability: float = 0.15
    """Share of the frames that is to be rebuilt; `code` comes to 0.14 in long utterances."""

    min_span: int = 20
    max_span: int = 50
    """Frames of a segment, drawn evenly once for each utterance, both ends included."""

    style: str = "paper"
    weight: float = 1.0

    def corrupt(self, batch: Batch, *, seed: int, epoch: int) -> Batch:
        """Write the masked frames and what stands in for them; LEARNED means zeros."""
        if batch.audio is None:
            return batch
        frames, width = frames_of(batch.audio, self.num_frames, self.min_samples)
        positions = np.zeros((len(batch), width), bool)
        replacement = np.full((len(batch), width), LEARNED, np.int64)
        draw = draw_segments if self.style == "paper" else draw_overlapping
        for row, identity in enumerate(batch.ids):
            if not batch.audio.mask[row, 0]:
                continue
            rng = draws(seed, epoch, "frames", identity)
            length = int(frames[row])
            span = int(rng.integers(self.min_span, self.max_span + 1))
            positions[row, :length], replacement[row, :length] = draw(
                rng, length, span, self.probability
            )
        corruption = Corruption(torch.from_numpy(positions), torch.from_numpy(replacement))
        return dataclasses.replace(batch, corruption={**batch.corruption, "audio": corruption})

    def counts(self, batch: Batch) -> dict[str, float]:
        """Masked frames."""
        corruption = batch.corruption.get("audio")
        return {self.head: float(corruption.positions.sum()) if corruption else 0.0}

    def __call__(self, output: TaskOutput, batch: Batch) -> Loss:
        """Absolute differences, averaged over the features, summed over masked frames."""
        corruption, features = batch.corruption.get("audio"), output.backbone.features
        if corruption is None or features is None:
            return Loss({self.head: Part(nothing(output), 0.0, self.weight)})
        found = at_least_single(output.logits[self.head])
        wanted = at_least_single(features.values[corruption.positions])
        total = (found - wanted).abs().mean(-1).sum()
        return Loss({self.head: Part(total, float(len(wanted)), self.weight)})


Draw = tuple[NDArray[np.bool_], NDArray[np.int64]]
"""Which frames are masked and what stands in for each, as in a Corruption, (length,) both."""


def draw_segments(rng: np.random.Generator, length: int, span: int, probability: float) -> Draw:
    """Whole segments of an utterance that is cut every `span` frames, the last one shorter.

    p · segments of them, rounded up or down by chance, so that the expected share is p at every
    length, in utterances of a single segment too. Each as a whole is zeroed, or replaced by frames
    drawn from outside it (from inside where it is all there is), or kept.
    """
    positions, replacement = np.zeros(length, bool), np.full(length, LEARNED, np.int64)
    starts = np.arange(0, length, span)
    count = int(probability * len(starts) + rng.random())
    for start in rng.choice(starts, size=min(count, len(starts)), replace=False):
        own = np.arange(start, min(start + span, length))
        positions[own] = True
        fate = rng.random()
        if fate >= 0.9:
            replacement[own] = own
        elif fate >= 0.8:
            others = np.setdiff1d(np.arange(length), own)
            others = others if len(others) else own
            replacement[own] = rng.choice(others, size=len(own), replace=len(others) < len(own))
    return positions, replacement


def draw_overlapping(rng: np.random.Generator, length: int, span: int, probability: float) -> Draw:
    """Spans at distinct starts, as the released code draws them.

    p · length / span spans, a half rounded to the even number: none in a short utterance. They may
    overlap and never reach the last frame. Each frame of each span draws its own fate; where spans
    overlap, replacement holds over zeros, and zeros over keeping.
    """
    positions, replacement = np.zeros(length, bool), np.arange(length)
    room = max(length - span, 1)
    starts = rng.permutation(room)[: round(length * probability / span)]
    listed = (starts[:, None] + np.arange(span)).flatten()
    listed = listed[listed < length]
    positions[listed] = True
    fates = rng.random(len(listed))
    replacement[listed[fates < 0.8]] = LEARNED
    moved = listed[(fates >= 0.8) & (fates < 0.9)]
    replacement[moved] = _drawn(rng, length, len(moved))
    return positions, replacement


def _drawn(rng: np.random.Generator, length: int, count: int) -> NDArray[np.int64]:
    """Frames without replacement; overlapping spans may ask for more than there are."""
    return np.resize(rng.permutation(length), count)
