"""The parts of a loss, each with the count that normalises it."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from crosstone.data.batch import Batch
from crosstone.models.task import TaskOutput
from crosstone.sequence import Sequence as Padded


@dataclass(frozen=True)
class Part:
    """One part: the sum over what is counted, that count in this batch, and the part's weight."""

    sum: Tensor
    count: float
    weight: float


@dataclass(frozen=True)
class Loss:
    """The parts by name.

    The loss of an optimizer step is Σ weight · sum / count, where sums and counts run over all its
    micro-batches and processes: masked tokens and masked frames differ in number.
    """

    parts: dict[str, Part]


class Objective(Protocol):
    """What training needs of an objective."""

    def corrupt(self, batch: Batch, *, seed: int, epoch: int) -> Batch:
        """The batch with what is masked and by what, a function of (seed, epoch, utterance)."""

    def counts(self, batch: Batch) -> dict[str, float]:
        """How much each part will count in this (corrupted) batch; the same names every time."""

    def __call__(self, output: TaskOutput, batch: Batch) -> Loss:
        """The parts of the loss."""


class Objectives:
    """Several objectives as one."""

    def __init__(self, objectives: Sequence[Objective]) -> None:
        self.objectives = tuple(objectives)

    def corrupt(self, batch: Batch, *, seed: int, epoch: int) -> Batch:
        """Every objective's corruption, one after the other."""
        for objective in self.objectives:
            batch = objective.corrupt(batch, seed=seed, epoch=epoch)
        return batch

    def counts(self, batch: Batch) -> dict[str, float]:
        """Every objective's counts."""
        return {k: v for objective in self.objectives for k, v in objective.counts(batch).items()}

    def __call__(self, output: TaskOutput, batch: Batch) -> Loss:
        """Every objective's parts."""
        parts: dict[str, Part] = {}
        for objective in self.objectives:
            parts |= objective(output, batch).parts
        return Loss(parts)


def draws(seed: int, epoch: int, purpose: str, identity: str) -> np.random.Generator:
    """The random numbers of one utterance in one epoch, whatever its neighbours and workers."""
    key = hashlib.blake2b(f"{seed}|{epoch}|{purpose}|{identity}".encode(), digest_size=16)
    return np.random.default_rng(int.from_bytes(key.digest(), "little"))


def frames_of(
    audio: Padded, num_frames: Callable[[Tensor], Tensor], min_samples: int
) -> tuple[Tensor, int]:
    """Frames that leave the speech encoder for each item, (B,), and for the padded batch.

    audio: waveforms (B, N), of which the encoder pads shorter ones to min_samples, or states
    (B, T, D), which are frames already. num_frames: samples (B,) → frames (B,).
    """
    if audio.values.ndim == 3:
        return audio.lengths, audio.values.shape[1]
    padded = audio.lengths.new_tensor([audio.values.shape[1]])
    *frames, width = num_frames(torch.cat([audio.lengths, padded]).clamp(min=min_samples))
    return torch.stack(frames), int(width)


def nothing(output: TaskOutput) -> Tensor:
    """A sum over nothing that still has a gradient, so that a step of nothing else can go back."""
    return output.backbone.pooled.sum() * 0.0


def at_least_single(logits: Tensor) -> Tensor:
    """Logits of half precision as float32, others as they are."""
    return logits.float() if logits.dtype in (torch.float16, torch.bfloat16) else logits
