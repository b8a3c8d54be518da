"""The one training loop, its optimizers, checkpoints and log."""

from crosstone.training.checkpoint import clear_checkpoints
from crosstone.training.log import peak_memory_mib, read_log
from crosstone.training.loop import fit
from crosstone.training.optim import OptimSpec
from crosstone.training.spec import FitResult, TrainingSpec

__all__ = [
    "FitResult",
    "OptimSpec",
    "TrainingSpec",
    "clear_checkpoints",
    "fit",
    "peak_memory_mib",
    "read_log",
]
