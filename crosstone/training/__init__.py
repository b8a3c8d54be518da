"""The one training loop, its optimizers, checkpoints and log."""

from crosstone.training.checkpoint import clear_checkpoints
from crosstone.training.log import VOLATILE, read_log
from crosstone.training.loop import fit
from crosstone.training.meter import measured_tflops, peak_memory_mib
from crosstone.training.optim import BertAdam, OptimSpec, Schedule, build_optimizer
from crosstone.training.spec import FitResult, TrainingSpec

__all__ = [
    "VOLATILE",
    "BertAdam",
    "FitResult",
    "OptimSpec",
    "Schedule",
    "TrainingSpec",
    "build_optimizer",
    "clear_checkpoints",
    "fit",
    "measured_tflops",
    "peak_memory_mib",
    "read_log",
]
