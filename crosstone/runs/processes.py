"""The processes that torchrun started, as one group before anything else asks for them."""

from datetime import timedelta

import torch
from accelerate import PartialState


def join_processes(*, cpu: bool = False) -> PartialState:
    """This process's place in the group; on a machine without an accelerator the group is a CPU's.

    Whoever asks Accelerate first decides, and without `cpu` it takes several CPU processes for
    single ones. Others wait up to two hours while the first predicts and writes.
    """
    has_device = torch.cuda.is_available() or torch.backends.mps.is_available()
    return PartialState(cpu=cpu or not has_device, timeout=timedelta(hours=2))
