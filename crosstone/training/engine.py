"""Hugging Face Accelerate as used here: one run after another, whole or sharded weights."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import (
    DistributedDataParallelKwargs,
    DistributedType,
    InitProcessGroupKwargs,
)
from torch import nn

from crosstone.errors import ConfigError
from crosstone.training.blocks import restore_blocks
from crosstone.training.spec import TrainingSpec
from crosstone.training.tracking import check_trackers


def build_accelerator(training: TrainingSpec, out: Path) -> Accelerator:
    """Accelerate's view of the processes and the device, with this run's precision.

    Accelerate keeps one precision for the life of a process; its record is cleared first, so that
    runs of different precision can follow each other. Trackers write into `out`. Raises ConfigError
    for DeepSpeed, for a precision that the device does not have and for an unknown tracker.
    """
    check_trackers(training.trackers)
    in_group = torch.distributed.is_available() and torch.distributed.is_initialized()
    AcceleratorState._reset_state(reset_partial_state=not in_group)
    # DDP may otherwise regroup gradients after its first step, and sum them in another order
    # after a resume; and the other processes wait while the first one scores.
    handlers = [
        DistributedDataParallelKwargs(find_unused_parameters=True),
        InitProcessGroupKwargs(timeout=timedelta(hours=2)),
    ]
    precision = training.precision if training.precision in ("bf16", "fp16") else "no"
    accelerator = Accelerator(
        cpu=training.cpu,
        mixed_precision=precision,
        kwargs_handlers=handlers,
        log_with=list(training.trackers) or None,
        project_dir=out,
    )
    if accelerator.distributed_type in (DistributedType.FSDP, DistributedType.DEEPSPEED):
        raise ConfigError(
            f"training: expected processes that torchrun started, found Accelerate's own "
            f"{accelerator.distributed_type.value}, of which no checkpoint resumes bit for bit; "
            "start with torchrun alone, and set training.fsdp=true to shard weights"
        )
    device = accelerator.device.type
    if training.precision == "float64" and device == "mps":
        raise ConfigError(
            "training.precision: expected float32 on mps, found float64; set training.cpu=true"
        )
    if precision != "no" and not accelerator.native_amp:  # Accelerate would train in float32
        raise ConfigError(
            f"training.precision: expected float32, bf16 or float64 on {device}, found {precision}"
        )
    return accelerator


@contextmanager
def repeatable_kernels(device: torch.device, wanted: bool) -> Iterator[None]:
    """Holds CUDA to deterministic kernels for a while, with a warning where torch has none."""
    if device.type != "cuda" or not wanted:
        yield
        return
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    benchmark = torch.backends.cudnn.benchmark
    enabled = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    torch.backends.cudnn.benchmark = False
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
        torch.backends.cudnn.benchmark = benchmark


def release(model: nn.Module) -> None:
    """Takes off a model what training hung on it: Accelerate's autocasting forward and marks, what
    recomputes and compiles its layers."""
    restore_blocks(model)
    for name in ("forward", "_original_forward", "_is_accelerate_prepared"):
        model.__dict__.pop(name, None)
