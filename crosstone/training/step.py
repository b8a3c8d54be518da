"""One optimizer step, equal however its batch is cut into processes and micro-batches."""

import contextlib
import math
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import convert_to_fp32, gather_object
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from crosstone.errors import CrosstoneError
from crosstone.training.blocks import uncompiled
from crosstone.training.sharding import Uses
from crosstone.training.spikes import Spike, Spikes
from crosstone.training.weights import copied

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
    places: int
    """Places of the audio, or of the text where there is no audio, the padded ones included."""
    flops: float | None
    """Floating-point operations, forwards and backwards; None where they were not counted."""


class StepError(CrosstoneError):
    """A step that must not be taken, with all items of what is at fault."""

    def __init__(self, sentence: str, items: list[str]) -> None:
        super().__init__(sentence)
        self.items = items


class _Counts(NamedTuple):
    """What is known of a batch before the forward pass, over all processes."""

    parts: dict[str, float]
    samples: int
    padding: float | None
    places: int


class Stepper:
    """Takes optimizer steps with a prepared model.

    Each part of the loss is divided by its own count over all processes and micro-batches, known
    before the first forward pass: the mean of micro-batch means would weigh their items unequally.
    dtype is what floating inputs are turned to; None leaves them. uses: of a sharded model,
    which autocasts nothing by itself.
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
        spikes: Spikes | None = None,
        uses: Uses | None = None,
    ) -> None:
        self.accelerator, self.model, self.optimizer = accelerator, model, optimizer
        self.objective, self.seed, self.dtype, self.clip = objective, seed, dtype, clip
        self.spikes, self.uses = spikes or Spikes(None), uses
        self._trained = [weight for weight in model.parameters() if weight.requires_grad]
        self._sum_dtype = torch.float32 if accelerator.device.type == "mps" else torch.float64

    def take(
        self,
        micro_batches: "list[tuple[Batch, bool]]",
        *,
        epoch: int,
        number: int,
        count_flops: bool = False,
    ) -> StepResult:
        """Step `number` (from 1) on this process's micro-batches, each with whether it is real.

        Operations are counted by torch.utils.flop_counter, layers not compiled for that step; what
        activation checkpointing does again counts again. Raises StepError, before any weight moves,
        where the loss is not finite or leaps; a gradient that is not finite is an error too, except
        in fp16, whose scaler skips the step.
        """
        batches = [
            self.objective.corrupt(batch, seed=self.seed, epoch=epoch) for batch, _ in micro_batches
        ]
        shares = [1.0 if real else 0.0 for _, real in micro_batches]
        counts = self._count(batches, shares)
        self.optimizer.zero_grad()
        counter = FlopCounterMode(display=False) if count_flops else None
        with contextlib.ExitStack() as around:
            if counter is not None:
                around.enter_context(uncompiled(True))
                around.enter_context(counter)
            sums, weights = self._run(batches, shares, counts.parts)
        totals = self._over_processes(torch.stack(sums).sum(0))
        means = {
            name: total / count
            for (name, count), total in zip(counts.parts.items(), totals, strict=True)
        }
        value = sum(weights[name] * mean for name, mean in means.items())
        if not math.isfinite(value):
            self._refuse(number, "loss", value, batches, sums)
        if self.uses is not None:
            self.uses.forget_unused(self.accelerator)
        clipped = self.accelerator.clip_grad_norm_(self._trained, self.clip or math.inf)
        norm = float(copied(clipped))
        if not math.isfinite(norm) and self.accelerator.scaler is None:
            self._refuse(number, "norm of the gradients", norm, batches, sums)
        if spike := self.spikes.take({"loss": value, "norm of the gradients": norm}):
            self._refuse_spike(number, spike, batches)
        self.optimizer.step()
        flops = None
        if counter is not None:
            (flops,) = self._over_processes(torch.tensor([float(counter.get_total_flops())]))
        return StepResult(value, means, norm, counts.samples, counts.padding, counts.places, flops)

    def _run(
        self, batches: "list[Batch]", shares: list[float], counts: dict[str, float]
    ) -> tuple[list[Tensor], dict[str, float]]:
        """All micro-batches forwards and backwards: the sums of the parts of each, and the parts'
        weights."""
        sums: list[Tensor] = []
        weights: dict[str, float] = {}
        for i, (batch, share) in enumerate(zip(batches, shares, strict=True), start=1):
            with nullcontext() if i == len(batches) else self.accelerator.no_sync(self.model):
                moved = batch.to(self.accelerator.device, self.dtype)
                parts = self.objective(self._forward(moved), moved).parts
                weights = {name: parts[name].weight for name in counts}
                loss = sum((weights[n] / count) * parts[n].sum for n, count in counts.items())
                # gradients are averaged over processes, and an echo must weigh nothing
                self.accelerator.backward(loss * (share * self.accelerator.num_processes))
            detached = [parts[name].sum.detach().to(self._sum_dtype) for name in counts]
            sums.append(share * torch.stack(detached))
        return sums, weights

    def _forward(self, batch: "Batch") -> Any:
        if self.uses is None:
            return self.model(**batch.inputs())
        with self.accelerator.autocast():
            return convert_to_fp32(self.model(**batch.inputs()))

    def _count(self, batches: "list[Batch]", shares: list[float]) -> _Counts:
        counts = [self.objective.counts(batch) for batch in batches]
        names = sorted(counts[0])
        rows = []
        for batch, count in zip(batches, counts, strict=True):
            mask = None if batch.audio is None else batch.audio.mask
            if mask is None:
                places = [0, 0, 0 if batch.text is None else batch.text.mask.numel()]
            else:
                places = [int(mask.sum()), mask.numel(), mask.numel()]
            rows.append([*(count[name] for name in names), len(batch.ids), *places])
        summed = np.asarray(shares) @ np.asarray(rows, np.float64)
        *totals, samples, real, heard, all_places = self._over_processes(torch.from_numpy(summed))
        return _Counts(
            parts={name: max(total, 1.0) for name, total in zip(names, totals, strict=True)},
            samples=round(samples),
            padding=1.0 - real / heard if heard else None,
            places=round(all_places),
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
        raise StepError(
            f"step {number}: expected a finite {what}, found {value} on items {_named(ids)}; look "
            "at these, lower optim.lr or set optim.clip",
            ids,
        )

    def _refuse_spike(self, number: int, spike: Spike, batches: "list[Batch]") -> NoReturn:
        """Stops every process with the items of the step, an echo's once."""
        ids = list(dict.fromkeys(gather_object([item for b in batches for item in b.ids])))
        raise StepError(
            f"step {number}: expected a {spike.name} of at most {self.spikes.factor:g} times its "
            f"median of late, {spike.median:.4g}, found {spike.value:.4g} on items {_named(ids)}; "
            "look at these, lower optim.lr, set optim.clip or raise training.spike_factor",
            ids,
        )


def _named(ids: list[str]) -> str:
    return ", ".join(ids[:8]) + (" …" if len(ids) > 8 else "")
