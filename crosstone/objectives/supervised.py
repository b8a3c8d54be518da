"""The loss on labels: cross entropy for classes, squared or absolute error for a value."""

from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from crosstone.data.batch import IGNORED, Batch
from crosstone.models.task import TaskOutput
from crosstone.objectives.base import Loss, Part, at_least_single

Criterion = Literal["cross_entropy", "mse", "l1"]


@dataclass(frozen=True, kw_only=True)
class Supervised:
    """One head against the target of its own name; unlabelled utterances do not count."""

    head: str
    criterion: Criterion
    weight: float = 1.0

    def corrupt(self, batch: Batch, *, seed: int, epoch: int) -> Batch:
        """The batch as it is."""
        return batch

    def _labelled(self, targets: Tensor) -> Tensor:
        return targets != IGNORED if self.criterion == "cross_entropy" else ~targets.isnan()

    def counts(self, batch: Batch) -> dict[str, float]:
        """Labelled utterances."""
        return {self.head: float(self._labelled(batch.targets[self.head]).sum())}

    def __call__(self, output: TaskOutput, batch: Batch) -> Loss:
        """The criterion summed over labelled utterances."""
        targets = batch.targets[self.head]
        labelled = self._labelled(targets)
        logits, targets = at_least_single(output.logits[self.head])[labelled], targets[labelled]
        if self.criterion == "cross_entropy":
            total = F.cross_entropy(logits, targets, reduction="sum")
        elif self.criterion == "mse":
            total = F.mse_loss(logits, targets, reduction="sum")
        else:
            total = F.l1_loss(logits, targets, reduction="sum")
        return Loss({self.head: Part(total, float(len(targets)), self.weight)})
