"""Reconstruction of masked segments of features (CTAL 2021, §3.2.2)."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from crosstone.data.batch import Batch
from crosstone.models.task import TaskOutput
from crosstone.nn.masking import LEARNED, Corruption
from crosstone.objectives.base import Loss, Part, at_least_single, draws, nothing


@dataclass(frozen=True, kw_only=True)
class MaskedFrames:
    """Rebuild masked segments of features; the loss is the mean distance over all their values."""

    head: str
    num_frames: Callable[[Tensor], Tensor]
    """Samples of each item (B,) → frames (B,)."""

    min_samples: int = 1
    """A shorter waveform is padded to this by the encoder."""

    probability: float = 0.15
    min_span: int = 20
    max_span: int = 50
    style: str = "paper"
    weight: float = 1.0

    def corrupt(self, batch: Batch, *, seed: int, epoch: int) -> Batch:
        """Write the masked frames and what stands in for them."""
        if batch.audio is None:
            return batch
        frames = self.num_frames(batch.audio.lengths.clamp(min=self.min_samples))
        width = int(
            self.num_frames(torch.tensor([max(batch.audio.values.shape[1], self.min_samples)]))[0]
        )
        positions = np.zeros((len(batch), width), bool)
        for row, identity in enumerate(batch.ids):
            rng = draws(seed, epoch, "frames", identity)
            count = int(frames[row]) if batch.audio.mask[row, 0] else 0
            positions[row, :count] = rng.random(count) < self.probability
        corruption = Corruption(
            torch.from_numpy(positions), torch.full(positions.shape, LEARNED, dtype=torch.int64)
        )
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
