"""What is done to a model's transformer layers while it trains: recomputed, compiled, sharded."""

import contextlib
import functools
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from crosstone.errors import ConfigError


def blocks_of(model: nn.Module, *, frozen: bool = False) -> list[nn.Module]:
    """The transformer layers of a model that train: its encoders' and its family's own.

    frozen: those that do not train too. Raises ConfigError where none trains.
    """
    from transformers.modeling_layers import GradientCheckpointingLayer

    layers = [m for m in model.modules() if isinstance(m, GradientCheckpointingLayer)]
    trained = [m for m in layers if any(weight.requires_grad for weight in m.parameters())]
    if not trained:
        raise ConfigError(
            "training: compile, activation_checkpointing and fsdp work on transformer layers that "
            f"train, found none in this {type(model).__name__}; leave them out"
        )
    return layers if frozen else trained


def recompute_activations(blocks: list[nn.Module]) -> None:
    """Lets each layer keep its input alone in training, and run again in the backward pass.

    Random numbers are drawn again as they were, so losses and gradients stay the same.
    """
    again = functools.partial(checkpoint, use_reentrant=False)
    for block in blocks:
        marked: Any = block
        marked.gradient_checkpointing, marked._gradient_checkpointing_func = True, again


def compile_blocks(blocks: list[nn.Module], device: torch.device) -> None:
    """Compiles each layer for itself, on first use; layers alike share what is compiled.

    Raises ConfigError where torch cannot compile for this device.
    """
    try:
        torch.compile(_probe, fullgraph=True)(torch.ones(8, device=device))
    except Exception as error:  # whatever a missing compiler makes of itself
        reason = " ".join(str(error).split())[:160]
        raise ConfigError(
            f"training.compile: torch cannot compile for {device.type} here ({reason}); install a "
            "C++ compiler (on a GPU, triton), or leave compile out"
        ) from error
    for block in blocks:
        block.compile()


def uncompiled(was: bool) -> contextlib.AbstractContextManager[Any]:
    """A while in which nothing compiled runs, where something was."""
    return torch.compiler.set_stance("force_eager") if was else contextlib.nullcontext()


def _probe(values: torch.Tensor) -> torch.Tensor:
    return values * 2 + 1


_HUNG = ("gradient_checkpointing", "_gradient_checkpointing_func", "_compiled_call_impl")


def restore_blocks(model: nn.Module) -> None:
    """Takes off a model's layers what the two above hung on them."""
    for module in model.modules():
        for name in _HUNG:
            module.__dict__.pop(name, None)
