"""The loss on labels: of classes at once, one by one or as voted; three kinds for a value."""

from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from crosstone.data.batch import IGNORED, Batch
from crosstone.models.task import TaskOutput
from crosstone.objectives.base import Loss, Part, at_least_single, nothing

Criterion = Literal["cross_entropy", "soft_cross_entropy", "kl", "one_vs_rest", "mse", "l1", "ccc"]
SOFT: tuple[Criterion, ...] = ("soft_cross_entropy", "kl")
"""Those whose targets are shares of the classes."""


@dataclass(frozen=True, kw_only=True)
class Supervised:
    """One head against the target of its own name; unlabelled utterances do not count.

    kl is the divergence of the predicted distribution from the votes': soft_cross_entropy less the
    votes' own entropy, so that it has the same gradient and 0 is perfect. one_vs_rest is the cross
    entropy of a two-way answer (not, is) for each class, summed over the classes: JBLS's code,
    whose mean is over utterances. ccc is 1 less Lin's concordance over the labelled utterances of
    the batch, with moments that divide by n; of a constant target or fewer than two, nothing is
    learnt. It is no sum over utterances: cut into micro-batches or processes it would be another
    loss, so it must not be.
    """

    head: str
    criterion: Criterion
    weight: float = 1.0
    smoothing: float = 0.0
    """Share of every target that is spread evenly over the classes, or over not and is."""

    def corrupt(self, batch: Batch, *, seed: int, epoch: int) -> Batch:
        """The batch as it is."""
        return batch

    def _labelled(self, targets: Tensor) -> Tensor:
        if self.criterion in ("cross_entropy", "one_vs_rest"):
            return targets != IGNORED
        return ~(targets.isnan().any(-1) if self.criterion in SOFT else targets.isnan())

    def counts(self, batch: Batch) -> dict[str, float]:
        """Labelled utterances; of ccc, one for the batch."""
        labelled = float(self._labelled(batch.targets[self.head]).sum())
        return {self.head: float(labelled > 1) if self.criterion == "ccc" else labelled}

    def __call__(self, output: TaskOutput, batch: Batch) -> Loss:
        """The criterion summed over labelled utterances; of ccc, the batch's."""
        targets = batch.targets[self.head]
        labelled = self._labelled(targets)
        logits, targets = at_least_single(output.logits[self.head])[labelled], targets[labelled]
        count = self.counts(batch)[self.head]
        if self.criterion == "cross_entropy":
            total = F.cross_entropy(
                logits, targets, reduction="sum", label_smoothing=self.smoothing
            )
        elif self.criterion == "one_vs_rest":
            answers = F.one_hot(targets, logits.shape[-1] // 2)
            total = F.cross_entropy(
                logits.reshape(-1, 2),
                answers.flatten(),
                reduction="sum",
                label_smoothing=self.smoothing,
            )
        elif self.criterion in SOFT:
            total = self._divergence(logits, targets)
        elif self.criterion == "mse":
            total = F.mse_loss(logits, targets, reduction="sum")
        elif self.criterion == "l1":
            total = F.l1_loss(logits, targets, reduction="sum")
        else:
            total = 1 - concordance(logits, targets) if count else nothing(output)
        return Loss({self.head: Part(total, count, self.weight)})

    def _divergence(self, logits: Tensor, shares: Tensor) -> Tensor:
        shares = (1 - self.smoothing) * shares + self.smoothing / shares.shape[-1]
        if self.criterion == "soft_cross_entropy":
            return F.cross_entropy(logits, shares, reduction="sum")
        return F.kl_div(logits.log_softmax(-1), shares, reduction="sum")


def concordance(values: Tensor, targets: Tensor) -> Tensor:
    """Lin's concordance correlation coefficient of (n,) values and targets, moments divided by n.

    0 where either is constant, with a gradient of 0 where the targets are.
    """
    about_value, about_target = values - values.mean(), targets - targets.mean()
    spread = about_value.square().mean() + about_target.square().mean()
    gap = (values.mean() - targets.mean()).square()
    together = (about_value * about_target).mean()
    smallest = 1e-12 * (1 + targets.square().mean())  # of two constants that are equal, not 0 / 0
    return 2 * together / (spread + gap + smallest)
