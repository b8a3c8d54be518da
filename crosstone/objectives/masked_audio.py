"""Prediction of the codewords of masked frames (HuBERT 2021; CMT 2022, §3.2.2)."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from crosstone.data.batch import IGNORED, Batch
from crosstone.models.task import TaskOutput
from crosstone.nn.masking import LEARNED, Corruption
from crosstone.objectives.base import Loss, Part, at_least_single, draws, frames_of, nothing


@dataclass(frozen=True, kw_only=True)
class MaskedAudio:
    """Predict the codewords of masked spans.

    `start_probability` is the share of frames that start a span, wav2vec 2.0's p: with 0.075 and
    spans of 10 about 54 % of frames are masked (fairseq's mask_prob 0.75; taken as the masked
    fraction itself, the usual mistake, 0.075 would mask 7 %). Counts are per item: fairseq thins
    every item of a batch to the smallest count, which a padded batch of unequal lengths cannot
    afford.
    """

    head: str
    num_frames: Callable[[Tensor], Tensor]
    """Samples of each item (B,) → frames that leave the encoder (B,)."""

    min_samples: int = 1
    """A shorter waveform is padded to this by the encoder."""

    start_probability: float = 0.075
    span: int = 10
    min_spans: int = 2
    weight: float = 1.0

    def corrupt(self, batch: Batch, *, seed: int, epoch: int) -> Batch:
        """Write the masked frames; the learned vector replaces them all."""
        if batch.audio is None or batch.codes is None:
            return batch
        frames, width = frames_of(batch.audio, self.num_frames, self.min_samples)
        labelled = (batch.codes != IGNORED).sum(1)
        positions = np.zeros((len(batch), width), bool)
        for row, identity in enumerate(batch.ids):
            usable = int(min(frames[row], labelled[row])) if batch.audio.mask[row, 0] else 0
            rng = draws(seed, epoch, "audio", identity)
            positions[row, :usable] = draw_spans(
                rng, usable, self.start_probability, self.span, self.min_spans
            )
        corruption = Corruption(
            torch.from_numpy(positions), torch.full(positions.shape, LEARNED, dtype=torch.int64)
        )
        return dataclasses.replace(batch, corruption={**batch.corruption, "audio": corruption})

    def counts(self, batch: Batch) -> dict[str, float]:
        """Masked frames."""
        corruption = batch.corruption.get("audio")
        return {self.head: float(corruption.positions.sum()) if corruption else 0.0}

    def __call__(self, output: TaskOutput, batch: Batch) -> Loss:
        """Cross entropy summed over masked frames."""
        corruption = batch.corruption.get("audio")
        if corruption is None or batch.codes is None:
            return Loss({self.head: Part(nothing(output), 0.0, self.weight)})
        logits = at_least_single(output.logits[self.head])
        targets = masked_codes(batch.codes, corruption.positions)
        total = F.cross_entropy(logits, targets, reduction="sum")
        return Loss({self.head: Part(total, float(len(targets)), self.weight)})


def masked_codes(codes: Tensor, positions: Tensor) -> Tensor:
    """Codewords at the masked places, (M,), whichever of the two is the longer in time."""
    width = min(codes.shape[1], positions.shape[1])
    return codes[:, :width][positions[:, :width]]


def draw_spans(
    rng: np.random.Generator, length: int, start_probability: float, span: int, min_spans: int
) -> NDArray[np.bool_]:
    """Which of `length` frames are masked, (length,).

    As fairseq's compute_mask_indices: max(min_spans, ⌊p · length + U[0, 1)⌋) starts without
    replacement among the first length − span frames; spans may overlap. In an item too short for
    that a span covers half of it, so that something is left to hear.
    """
    masked = np.zeros(length, bool)
    if length < 2:
        return masked
    if length <= span:
        start = int(rng.integers(length - length // 2 + 1))
        masked[start : start + length // 2] = True
        return masked
    count = max(min_spans, int(start_probability * length + rng.random()))
    starts = rng.choice(length - span, size=min(count, length - span), replace=False)
    for start in starts:
        masked[start : start + span] = True
    return masked
