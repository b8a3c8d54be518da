"""What a training run is told, what it asks, and what it gives back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import nn

from crosstone.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class TrainingSpec:
    """How long to train, in what portions, and what to keep on the way."""

    batch_size: int = 16
    """Items in an optimizer step, over all processes: results depend on this size alone."""
    micro_batch_size: int | None = None
    """Items that one process runs at once; None: its whole share of the batch."""
    epochs: int | None = None
    """Passes over all items; either this or `steps`."""
    steps: int | None = None
    """Optimizer steps; either this or `epochs`."""
    precision: Literal["float32", "bf16", "fp16", "float64"] = "float32"
    """bf16 and fp16 keep weights in float32 (mixed); float64 turns the model to double."""
    cpu: bool = False
    """Whether to train on the CPU even where an accelerator is at hand."""
    deterministic: bool = True
    """Whether CUDA is held to kernels that repeat bit for bit, some of them slower."""
    length_pool: int = 1
    """Batches whose items are sorted by length together, so that little is padded; 1: none are."""
    workers: int = 0
    """Processes that read items ahead, each spawned anew (0: read in the training process)."""
    checkpoint_every: int = 200
    """Steps between checkpoints; one is also taken after every scored epoch and at the end."""
    keep_checkpoints: int = 1
    """Newest checkpoints that are kept."""
    log_every: int = 10
    """Steps between lines in log.jsonl."""
    eval_every_epochs: int = 1
    """Epochs between scores; the last epoch is always scored."""

    def __post_init__(self) -> None:
        faults = [
            f"{name} expects {least} or more, found {value}"
            for name, least in (
                *((name, 1) for name in ("batch_size", "micro_batch_size", "epochs", "steps")),
                *((name, 1) for name in ("checkpoint_every", "keep_checkpoints", "log_every")),
                *(("eval_every_epochs", 1), ("workers", 0), ("length_pool", 1)),
            )
            if (value := getattr(self, name)) is not None and value < least
        ]
        if (self.epochs is None) == (self.steps is None):
            faults.append(
                f"exactly one of epochs and steps is expected, found epochs {self.epochs} and "
                f"steps {self.steps}"
            )
        if faults:
            raise ConfigError("; ".join(faults))


@dataclass(frozen=True)
class FitResult:
    """What training came to; the weights themselves are in the model."""

    steps: int
    """Optimizer steps taken."""
    seconds: float
    """Time spent, over all sittings."""
    samples: int
    """Items trained on, over all processes, repeats counted."""
    best_epoch: int | None
    """The epoch (from 1) of the best watched score; None where nothing was scored."""
    best_score: float | None
    """The watched score of that epoch."""


Score = Callable[[nn.Module], Mapping[str, float]]
"""Scores a model in eval mode; called on the first process only."""
Probe = Callable[[nn.Module, int], Mapping[str, float]]
"""Probes a model in eval mode after some step; called on the first process only."""
Progress = Callable[[int, int, Mapping[str, float]], None]
"""Told (steps done, steps in all, epoch, loss and lr); called on the first process only."""
