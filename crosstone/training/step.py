"""One optimizer step, equal however its batch is cut into processes and micro-batches."""

import math
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn

from crosstone.errors import CrosstoneError

if TYPE_CHECKING:  # every process that trains would else import transformers and scikit-learn
    from crosstone.data.batch import Batch
    from crosstone.objectives.base import Objective


class StepResult(NamedTuple):
    """What a step came to, over all processes."""

    loss: float
    """The weighted sum of the parts."""
    parts: dict[str, float]
    """Each part's mean over what it counts (tokens, frames, items)."""
    grad_norm: float
    """The norm of all gradients together, before clipping."""
    samples: int
    """Items in the batch."""
    padding: float | None
    """Share of the audio's places that are padded, in [0, 1); None without audio."""


class _Counts(NamedTuple):
    """What is known of a batch before the forward pass, over all processes."""

    parts: dict[str, float]
    samples: int
    padding: float | None


class Stepper:
    """Takes optimizer steps with a prepared model.

    Each part of the loss is divided by its own count over all processes and micro-batches, known
    before the first forward pass: the mean of micro-batch means would weigh their items unequally.
    dtype is what floating inputs are turned to; None leaves them.
    """

    def __init__(
        self,
        accelerator: Accelerator,
        model: nn.Module,
        optimizer: Any,
        objective: "Objective",
        *,
        seed: int,
        dtype: torch.dtype | None = None,
        clip: float | None = None,
    ) -> None:
        self.accelerator, self.model, self.optimizer = accelerator, model, optimizer
        self.objective, self.seed, self.dtype, self.clip = objective, seed, dtype, clip
        self._trained = [weight for weight in model.parameters() if weight.requires_grad]
        self._sum_dtype = torch.float32 if accelerator.device.type == "mps" else torch.float64

    def take(
        self, micro_batches: "list[tuple[Batch, bool]]", *, epoch: int, number: int
    ) -> StepResult:
        """Step `number` (from 1) on this process's micro-batches, each with whether it is real.

        Raises CrosstoneError, before any weight moves, where the loss is not finite; a gradient
        that is not finite is an error too, except in fp16, whose scaler skips the step.
        """
        batches = [
            self.objective.corrupt(batch, seed=self.seed, epoch=epoch) for batch, _ in micro_batches
        ]
        shares = [1.0 if real else 0.0 for _, real in micro_batches]
        counts = self._count(batches, shares)
        self.optimizer.zero_grad()
        sums: list[Tensor] = []
        weights: dict[str, float] = {}
        for i, (batch, share) in enumerate(zip(batches, shares, strict=True), start=1):
            with nullcontext() if i == len(batches) else self.accelerator.no_sync(self.model):
                moved = batch.to(self.accelerator.device, self.dtype)
                parts = self.objective(self.model(**moved.inputs()), moved).parts
                weights = {name: parts[name].weight for name in counts.parts}
                loss = sum((weights[n] / count) * parts[n].sum for n, count in counts.parts.items())
                # gradients are averaged over processes, and an echo must weigh nothing
                self.accelerator.backward(loss * (share * self.accelerator.num_processes))
            detached = [parts[name].sum.detach().to(self._sum_dtype) for name in counts.parts]
            sums.append(share * torch.stack(detached))
        totals = self._over_processes(torch.stack(sums).sum(0))
        means = {
            name: total / count
            for (name, count), total in zip(counts.parts.items(), totals, strict=True)
        }
        value = sum(weights[name] * mean for name, mean in means.items())
        if not math.isfinite(value):
            self._refuse(number, "loss", value, batches, sums)
        norm = float(self.accelerator.clip_grad_norm_(self._trained, self.clip or math.inf))
        if not math.isfinite(norm) and self.accelerator.scaler is None:
            self._refuse(number, "norm of the gradients", norm, batches, sums)
        self.optimizer.step()
        return StepResult(value, means, norm, counts.samples, counts.padding)

    def _count(self, batches: "list[Batch]", shares: list[float]) -> _Counts:
        counts = [self.objective.counts(batch) for batch in batches]
        names = sorted(counts[0])
        rows = []
        for batch, count in zip(batches, counts, strict=True):
            mask = None if batch.audio is None else batch.audio.mask
            places = [0, 0] if mask is None else [int(mask.sum()), mask.numel()]
            rows.append([*(count[name] for name in names), len(batch.ids), *places])
        summed = np.asarray(shares) @ np.asarray(rows, np.float64)
        *totals, samples, real, places_all = self._over_processes(torch.from_numpy(summed))
        return _Counts(
            parts={name: max(total, 1.0) for name, total in zip(names, totals, strict=True)},
            samples=round(samples),
            padding=1.0 - real / places_all if places_all else None,
        )

    def _over_processes(self, values: Tensor) -> list[float]:
        if self.accelerator.num_processes > 1:
            on_device = values.to(self.accelerator.device, self._sum_dtype)
            values = self.accelerator.reduce(on_device, "sum")
        numbers: list[float] = values.tolist()
        return numbers

    def _refuse(
        self, number: int, what: str, value: float, batches: "list[Batch]", sums: list[Tensor]
    ) -> NoReturn:
        """Stops every process with the items of the micro-batches that are at fault."""
        finite = [bool(part_sums.isfinite().all()) for part_sums in sums]
        faulty = [b for b, fine in zip(batches, finite, strict=True) if not fine]
        ids = gather_object([item for batch in faulty for item in batch.ids])
        if not ids:
            ids = gather_object([item for batch in batches for item in batch.ids])
        raise CrosstoneError(
            f"step {number}: expected a finite {what}, found {value} on items {', '.join(ids[:8])}"
            f"{' …' if len(ids) > 8 else ''}; look at these, lower optim.lr or set optim.clip"
        )
