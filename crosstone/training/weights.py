"""The weights that training changes: copied, put back, and gathered where they are sharded."""

import zlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn


def trained_weights(model: nn.Module) -> dict[str, Tensor]:
    """Copies, on the CPU, of all that training changes: trainable parameters and buffers.

    Of a sharded model whole ones; every process must ask then.
    """
    return {name: copied(tensor) for name, tensor in _trained(model).items()}


def load_trained_weights(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Puts trained_weights() back into a model of the same fingerprint."""
    with torch.no_grad():
        for name, tensor in _trained(model).items():
            tensor.copy_(like(weights[name], tensor))


def copied(tensor: Tensor) -> Tensor:
    """A copy on the CPU, gathered from all processes where the tensor is sharded."""
    gather = getattr(tensor.detach(), "full_tensor", None)
    whole: Tensor = tensor.detach() if gather is None else gather()
    return whole.to("cpu", copy=True).contiguous()


def like(whole: Tensor, tensor: Tensor) -> Tensor:
    """A whole tensor as one that may be sharded, its part of this process then."""
    if not hasattr(tensor, "full_tensor"):
        return whole
    from torch.distributed.tensor import DTensor, distribute_tensor

    assert isinstance(tensor, DTensor)
    mesh = tensor.device_mesh
    return distribute_tensor(whole.to(mesh.device_type), mesh, tensor.placements)


def optimizer_state(optimizer: Any) -> dict[str, Any]:
    """The state of an optimizer, whole and on the CPU; of a sharded model every process asks."""
    state: dict[str, Any] = optimizer.state_dict()
    kept = {
        index: {k: copied(v) if isinstance(v, Tensor) else v for k, v in values.items()}
        for index, values in state["state"].items()
    }
    return {**state, "state": kept}


def load_optimizer_state(optimizer: Any, state: Mapping[str, Any]) -> None:
    """Takes up what optimizer_state() gave, on any number of processes."""
    weights = [weight for group in optimizer.param_groups for weight in group["params"]]
    placed = {
        index: {
            name: like(value, weights[index])
            if isinstance(value, Tensor) and value.shape == weights[index].shape and value.ndim
            else value
            for name, value in values.items()
        }
        for index, values in state["state"].items()
    }
    optimizer.load_state_dict({**state, "state": placed})


def weights_fingerprint(model: nn.Module) -> dict[str, Any]:
    """The names and shapes of a model's trainable parameters and a checksum of the frozen ones.

    Frozen parameters are no part of a checkpoint: a resumed run must bring the same.
    """
    frozen = 0
    trainable: dict[str, list[int]] = {}
    for name, weight in model.named_parameters():
        if weight.requires_grad:
            trainable[name] = list(weight.shape)
        else:
            raw = weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
            frozen = zlib.crc32(raw.numpy().data, zlib.crc32(name.encode(), frozen))
    return {"trainable": trainable, "frozen": f"{frozen:08x}"}


def _trained(model: nn.Module) -> dict[str, Tensor]:
    trainable = {name: w for name, w in model.named_parameters() if w.requires_grad}
    return {**trainable, **dict(model.named_buffers())}
