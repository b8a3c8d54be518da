"""Masked language modelling with the other modality to look at (CMT 2022, §3.2.2)."""

import dataclasses
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from crosstone.data.batch import Batch
from crosstone.models.task import TaskOutput
from crosstone.nn.masking import LEARNED, Corruption
from crosstone.objectives.base import Loss, Part, at_least_single, draws, nothing


@dataclass(frozen=True, kw_only=True)
class MaskedText:
    """Predict masked tokens.

    Each token that is not special is chosen with `probability`. Of the chosen, 80 % give way to the
    learned vector (at inputs level the mask token), 10 % to another: at outputs level the state of
    another real place of the same item, at inputs level a random token; 10 % stay (RoBERTa's rule).
    """

    head: str
    level: str
    """outputs or inputs, as the family applies it."""

    vocab_size: int
    special_ids: frozenset[int]
    probability: float = 0.15
    weight: float = 1.0

    def corrupt(self, batch: Batch, *, seed: int, epoch: int) -> Batch:
        """Write the places and their replacements."""
        if batch.text is None:
            return batch
        ids, mask = batch.text.values.numpy(), batch.text.mask.numpy()
        eligible = mask & ~np.isin(ids, list(self.special_ids))
        positions = np.zeros(ids.shape, bool)
        replacement = np.full(ids.shape, LEARNED, np.int64)
        for row, identity in enumerate(batch.ids):
            rng = draws(seed, epoch, "text", identity)
            places = np.flatnonzero(eligible[row])
            chosen = places[rng.random(len(places)) < self.probability]
            positions[row, chosen] = True
            fate = rng.random(len(chosen))
            for place, luck in zip(chosen, fate, strict=True):
                if luck >= 0.9:
                    replacement[row, place] = place if self.level == "outputs" else ids[row, place]
                elif luck >= 0.8:
                    replacement[row, place] = self._other(rng, places, int(place))
        corruption = Corruption(torch.from_numpy(positions), torch.from_numpy(replacement))
        return dataclasses.replace(batch, corruption={**batch.corruption, "text": corruption})

    def _other(self, rng: np.random.Generator, places: np.ndarray, place: int) -> int:
        if self.level == "outputs":
            others = places[places != place]
            return int(rng.choice(others)) if len(others) else place
        while (token := int(rng.integers(self.vocab_size))) in self.special_ids:
            pass
        return token

    def counts(self, batch: Batch) -> dict[str, float]:
        """Masked tokens."""
        corruption = batch.corruption.get("text")
        return {self.head: float(corruption.positions.sum()) if corruption else 0.0}

    def __call__(self, output: TaskOutput, batch: Batch) -> Loss:
        """Cross entropy summed over masked tokens."""
        corruption = batch.corruption.get("text")
        if corruption is None or batch.text is None:
            return Loss({self.head: Part(nothing(output), 0.0, self.weight)})
        logits = at_least_single(output.logits[self.head])
        targets = batch.text.values[corruption.positions]
        total = F.cross_entropy(logits, targets, reduction="sum")
        return Loss({self.head: Part(total, float(len(targets)), self.weight)})
