"""What a training run is told, what it asks, and what it gives back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from torch import nn

from crosstone.errors import ConfigError


@dataclass(frozen=True, kw_only=True)
class TrainingSpec:
    """How long to train, in what portions, and what to keep on the way."""

    batch_size: int | None = 16
    """Items in an optimizer step, over all processes: results depend on this size alone."""
    batch_seconds: float | None = None
    """Instead of batch_size: seconds of an optimizer step, its longest recording times its items,
    over all processes. A longer recording makes a step of its own."""
    max_batch_items: int | None = None
    """Items that a batch of batch_seconds never exceeds."""
    micro_batch_size: int | None = None
    """Items that one process runs at once; None: its whole share of the batch."""
    micro_batch_seconds: float | None = None
    """Seconds that one process runs at once, its longest recording times its items; None: any."""
    epochs: int | None = None
    """Passes over all items; either this or `steps`."""
    steps: int | None = None
    """Optimizer steps; either this or `epochs`."""
    precision: Literal["float32", "bf16", "fp16", "float64"] = "float32"
    """bf16 and fp16 keep weights in float32 (mixed); float64 turns the model to double."""
    compile: bool = False
    """Whether each transformer layer that trains is compiled by torch.compile, on first use."""
    activation_checkpointing: bool = False
    """Whether each transformer layer that trains keeps its input alone and runs twice: less
    memory, about a third more time, the same losses."""
    fsdp: bool = False
    """Whether several processes share weights, gradients and optimizer states (FSDP2), instead of
    each holding all. One process trains as without."""
    ema: float | None = None
    """Decay of a moving average of the weights, which is scored and saved in their place; null:
    none."""
    average_checkpoints: int | None = None
    """How many epochs' last weights are averaged, to be scored and saved in place of the newest
    (Morais et al. 2022); counted are epochs that are scored, or would be. null: none."""
    cpu: bool = False
    """Whether to train on the CPU even where an accelerator is at hand."""
    deterministic: bool = True
    """Whether CUDA is held to kernels that repeat bit for bit, some of them slower."""
    length_pool: int | None = None
    """Batches whose items are sorted by length together, so that little is padded; 1: none are.
    None: 1 where items are counted, 64 where seconds are. Of 64 less than 5 % is padding on
    speech like LibriSpeech's."""
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
    spike_factor: float | None = None
    """A loss or a norm of the gradients this many times above its median over the last 64 steps
    stops the run; null: none does."""
    peak_tflops: Literal["measured"] | float | None = None
    """What a process's device can do at most, in 10¹² operations a second, or `measured` by a
    product of matrices; then the log tells what share of it is used. null: it does not."""
    trackers: tuple[str, ...] = ()
    """Who is told the log besides log.jsonl: tensorboard (extra `track`) or another that Accelerate
    knows."""

    def __post_init__(self) -> None:
        faults = [
            f"{name} expects {least} or more, found {value}"
            for name, least in _LEAST.items()
            if (value := getattr(self, name)) is not None and value < least
        ]
        for name in ("batch_seconds", "micro_batch_seconds"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                faults.append(f"{name} expects a number above 0, found {value}")
        for first, second in (("epochs", "steps"), ("batch_size", "batch_seconds")):
            one, other = getattr(self, first), getattr(self, second)
            if (one is None) == (other is None):
                faults.append(
                    f"exactly one of {first} and {second} is expected, found {first} {one} and "
                    f"{second} {other}"
                )
        for name, least in (("spike_factor", 1), ("peak_tflops", 0)):
            value = getattr(self, name)
            if value not in (None, "measured") and value <= least:
                faults.append(f"{name} expects a number above {least}, found {value}")
        if self.ema is not None and not 0 < self.ema < 1:
            faults.append(f"ema expects a decay in (0, 1), found {self.ema}")
        if self.ema is not None and self.average_checkpoints is not None:
            faults.append("ema and average_checkpoints are two ways to average; choose one")
        if self.fsdp and self.precision == "fp16":
            faults.append("fsdp expects precision float32, bf16 or float64, found fp16")
        if self.max_batch_items is not None and self.batch_seconds is None:
            faults.append("max_batch_items bounds batch_seconds, found none; use batch_size")
        if faults:
            raise ConfigError("; ".join(faults))

    @property
    def pool(self) -> int:
        """Batches whose items are sorted by length together."""
        return self.length_pool or (64 if self.batch_size is None else 1)


_LEAST = {
    **dict.fromkeys(("batch_size", "max_batch_items", "micro_batch_size", "epochs", "steps"), 1),
    **dict.fromkeys(("checkpoint_every", "keep_checkpoints", "log_every"), 1),
    **{"eval_every_epochs": 1, "workers": 0, "length_pool": 1, "average_checkpoints": 1},
}


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
"""Told (steps done, steps in all, epoch, loss, lr); called on the first process only."""
