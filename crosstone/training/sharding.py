"""Weights, gradients and optimizer states spread over the processes (FSDP2)."""

import copy
import functools
from typing import Any, cast

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from crosstone.errors import ConfigError
from crosstone.training.blocks import blocks_of


def sharded(model: nn.Module, accelerator: Accelerator) -> nn.Module:
    """A copy of a model of which each process holds its share of every weight.

    Each transformer layer is gathered when it runs, all else for the whole pass. Gradients are
    reduced after every micro-batch, since a whole gradient would take what sharding spares.
    Accelerate shards on GPUs alone, so torch is asked itself; weights stay in their precision, and
    autocasting is what it is without sharding. Raises ConfigError for a torch that is too old.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FSDPModule, fully_shard

    if not hasattr(FSDPModule, "set_reduce_scatter_unused_params"):
        raise ConfigError(
            f"training.fsdp: expected torch 2.13 or newer, found {torch.__version__}, which waits "
            "for ever where processes use other weights; update torch or leave fsdp out"
        )
    parts = copy.deepcopy(model).to(accelerator.device)
    mesh = init_device_mesh(accelerator.device.type, (accelerator.num_processes,))
    for block in blocks_of(parts, frozen=True):
        fully_shard(block, mesh=mesh)
    root = fully_shard(parts, mesh=mesh)
    root.set_reduce_scatter_unused_params(True)
    return parts


class Uses:
    """Which weights of a sharded model took part in a step, on any process.

    Sharding gives a weight that no process used a gradient of zero, where plain data parallelism
    gives none; it would be decayed, and its moments with it.
    """

    def __init__(self, model: nn.Module) -> None:
        from torch.distributed.fsdp import FSDPModule

        self._weights = {n: w for n, w in model.named_parameters() if w.requires_grad}
        self._used: set[str] = set()
        for name, module in model.named_modules():
            if isinstance(module, FSDPModule):
                self._watch(cast(nn.Module, module), f"{name}." if name else "")

    def _watch(self, module: nn.Module, prefix: str) -> None:
        """Marks the module's weights when they get a gradient, from its first pass on, in which
        they are gathered for the first time."""

        def gathered(module: nn.Module, _inputs: Any) -> None:
            for name, weight in module.named_parameters():
                if weight.requires_grad and not hasattr(weight, "full_tensor"):
                    hooked: Any = weight
                    hooked.register_hook(functools.partial(self._mark, prefix + name))
            handle.remove()

        handle = module.register_forward_pre_hook(gathered)

    def _mark(self, name: str, _gradient: Tensor) -> None:
        self._used.add(name)

    def forget_unused(self, accelerator: Accelerator) -> None:
        """Removes the gradients of what took part nowhere since this was last asked."""
        own = [float(name in self._used) for name in self._weights]
        counts = accelerator.reduce(torch.tensor(own, device=accelerator.device), "sum").tolist()
        for weight, count in zip(self._weights.values(), counts, strict=True):
            if not count:
                weight.grad = None
        self._used.clear()
