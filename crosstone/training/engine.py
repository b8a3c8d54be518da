"""Hugging Face Accelerate as used here: plain data parallelism, one run after another."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

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
from crosstone.training.spec import TrainingSpec


def build_accelerator(training: TrainingSpec) -> Accelerator:
    """Accelerate's view of the processes and the device, with this run's precision.

    Accelerate keeps one precision for the life of a process; its record is cleared first, so that
    runs of different precision can follow each other. Raises ConfigError for sharded training and
    for a precision that the device does not have.
    """
    in_group = torch.distributed.is_available() and torch.distributed.is_initialized()
    AcceleratorState._reset_state(reset_partial_state=not in_group)
    # DDP may otherwise regroup gradients after its first step, and sum them in another order
    # after a resume; and the other processes wait while the first one scores.
    handlers = [
        DistributedDataParallelKwargs(find_unused_parameters=True),
        InitProcessGroupKwargs(timeout=timedelta(hours=2)),
    ]
    precision = training.precision if training.precision in ("bf16", "fp16") else "no"
    accelerator = Accelerator(cpu=training.cpu, mixed_precision=precision, kwargs_handlers=handlers)
    if accelerator.distributed_type in (DistributedType.FSDP, DistributedType.DEEPSPEED):
        raise ConfigError(
            f"training: expected plain data parallelism, found {accelerator.distributed_type.value}"
            ", of which no checkpoint resumes bit for bit; start with torchrun alone"
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
    """Takes off a model what Accelerate hung on it: the autocasting forward and its marks."""
    for name in ("forward", "_original_forward", "_is_accelerate_prepared"):
        model.__dict__.pop(name, None)
