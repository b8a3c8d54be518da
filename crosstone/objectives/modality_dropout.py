"""Utterances that lose their recording or their words for an epoch, so that one will do."""

import dataclasses
from dataclasses import dataclass

import torch

from crosstone.data.batch import Batch
from crosstone.models.task import TaskOutput
from crosstone.objectives.base import Loss, draws
from crosstone.sequence import Sequence


@dataclass(frozen=True, kw_only=True)
class ModalityDropout:
    """Takes one modality from some of the utterances that have both, and never both.

    What is taken is drawn by seed, epoch and utterance. It stands before objectives that mask, so
    that these find nothing to mask in what was taken.
    """

    audio: float
    """Share of the utterances that lose their recording."""

    text: float
    """Share of the utterances that lose their words."""

    def corrupt(self, batch: Batch, *, seed: int, epoch: int) -> Batch:
        """The batch with what was taken marked as not real; its places stay, so shapes do."""
        if batch.audio is None or batch.text is None:
            return batch
        both = (batch.audio.mask.any(1) & batch.text.mask.any(1)).tolist()
        taken = [
            self._draw(seed, epoch, identity) if has_both else ""
            for identity, has_both in zip(batch.ids, both, strict=True)
        ]
        audio, text = (
            torch.tensor([name == modality for name in taken], device=batch.audio.mask.device)
            for modality in ("audio", "text")
        )
        states = batch.text_states
        return dataclasses.replace(
            batch,
            audio=_without(batch.audio, audio),
            text=_without(batch.text, text),
            text_states=_without(states, text) if states is not None else None,
        )

    def counts(self, batch: Batch) -> dict[str, float]:
        """Nothing: it asks for no answer."""
        return {}

    def __call__(self, output: TaskOutput, batch: Batch) -> Loss:
        """No part."""
        return Loss({})

    def _draw(self, seed: int, epoch: int, identity: str) -> str:
        place = draws(seed, epoch, "modality", identity).random()
        if place < self.audio:
            return "audio"
        return "text" if place < self.audio + self.text else ""


def _without(sequence: Sequence, rows: torch.Tensor) -> Sequence:
    """The same with nothing real in these rows, (B,), and zeros there."""
    gone = rows.view(-1, *[1] * (sequence.values.ndim - 1))
    return Sequence(sequence.values.masked_fill(gone, 0), sequence.mask & ~rows[:, None])
