"""The one number of an answer that is explained, and a model asked for it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crosstone.data.batch import Item, collate
from crosstone.errors import CrosstoneError
from crosstone.models.headspec import HeadSpec
from crosstone.models.task import TaskModel

Scale = Literal["log-odds", "probability"]
Floats = NDArray[np.float64]
Done = Callable[[int], None]

BATCH_SIZE = 16
BATCH_SECONDS = 120.0
"""Sound in one batch at most."""


@dataclass(frozen=True)
class Quantity:
    """Of classes the log odds, or the probability, of one; else the value."""

    head: str
    kind: str
    """Of the head."""
    label: str | None = None
    index: int = 0
    """Of the label among the head's."""
    scale: Scale = "log-odds"

    def __call__(self, logits: Tensor) -> Tensor:
        """(B,), differentiable, from the head's logits."""
        if self.label is None:
            return logits
        odds = self._odds(logits)
        return odds.sigmoid() if self.scale == "probability" else odds

    def probability(self, logits: Tensor) -> Tensor | None:
        """(B,) that of the label, as the model says it; None for a value."""
        return None if self.label is None else self._odds(logits).sigmoid()

    def _odds(self, logits: Tensor) -> Tensor:
        if self.kind == "one_vs_rest":
            pairs = logits.reshape(len(logits), -1, 2)[:, self.index]
            return pairs[:, 1] - pairs[:, 0]
        others = torch.cat([logits[:, : self.index], logits[:, self.index + 1 :]], 1)
        return logits[:, self.index] - others.logsumexp(1)

    @property
    def said(self) -> str:
        """In words."""
        if self.label is None:
            return f"the value of {self.head}"
        of = "log odds" if self.scale == "log-odds" else "probability"
        rest = "by its own head" if self.kind == "one_vs_rest" else "against the other classes"
        return f"the {of} of {self.label} {rest}"


def quantity_of(
    head: str, spec: HeadSpec, *, answer: str | None, label: str | None, scale: Scale
) -> Quantity:
    """What is explained of a head: the label that is asked for, else the answer's.

    Raises CrosstoneError for a label that the head has not.
    """
    if label is not None and label not in spec.labels:
        if not spec.labels:
            raise CrosstoneError(
                f"explain --label: {head} is a value and has no labels, found {label!r}; leave it "
                "out"
            )
        raise CrosstoneError(
            f"explain --label: expected one of {', '.join(spec.labels)}, found {label!r}"
        )
    if not spec.labels:
        return Quantity(head, spec.kind)
    label = label or answer
    assert label is not None
    return Quantity(head, spec.kind, label, spec.labels.index(label), scale)


@dataclass(frozen=True)
class Scores:
    """What a model said of items."""

    score: Floats
    """(N,) of the quantity."""
    probability: Floats | None
    """(N,) of the label; None for a value."""


def batch_size_of(item: Item, sampling_rate: int, seconds: float = BATCH_SECONDS) -> int:
    """How many items of this length stand side by side."""
    length = 0.0 if item.audio is None else len(item.audio) / sampling_rate
    return max(1, min(BATCH_SIZE, int(seconds / max(length, 1e-6))))


@torch.inference_mode()
def ask(
    model: TaskModel,
    quantity: Quantity,
    items: Iterable[Item],
    size: int,
    done: Done | None = None,
) -> Scores:
    """What a model in eval mode says of items of like length, `size` at a time."""
    parameter = next(model.parameters())
    none = torch.zeros(0, dtype=torch.float64)
    scores, probabilities = [none], [none]
    left = iter(items)
    while part := list(islice(left, size)):
        batch = collate(part).to(parameter.device, parameter.dtype)
        logits = model(**batch.inputs()).logits[quantity.head].cpu().double()
        scores.append(quantity(logits))
        probability = quantity.probability(logits)
        if probability is not None:
            probabilities.append(probability)
        if done is not None:
            done(len(part))
    said = torch.cat(probabilities).numpy() if quantity.label is not None else None
    return Scores(torch.cat(scores).numpy(), said)
