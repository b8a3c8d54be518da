"""Where a model answers, and how precisely it computes."""

from typing import Literal

import torch
from torch import nn
from torch.nn.utils.parametrize import is_parametrized

from crosstone.errors import CrosstoneError
from crosstone.nn.quantizer import VQWav2VecModel

Precision = Literal["float32", "bf16"]
"""bf16: matrix products and convolutions in bfloat16, all else in float32 (torch's autocast)."""


def device_of(asked: str | None) -> torch.device:
    """The device of that name; None: the first CUDA device where there is one, else the CPU.

    Raises CrosstoneError for a name that torch does not know or a device that is not here.
    """
    if asked is None:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(asked)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise CrosstoneError(
            f"device: expected cpu, cuda, cuda:N or mps as this machine has it, found '{asked}'; "
            "leave it out for what is here"
        ) from error
    return device


def halve(model: nn.Module) -> None:
    """Keep the weights of linear layers and convolutions in bfloat16, as autocast would read them
    anew in each call; those that are made of others stay, and a tokenizer's, which no autocast
    reaches."""
    tokenizers = [module for module in model.modules() if isinstance(module, VQWav2VecModel)]
    kept = {part for tokenizer in tokenizers for part in tokenizer.modules()}
    for module in model.modules():
        is_product = isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d))
        if is_product and module not in kept and not is_parametrized(module):
            module.to(torch.bfloat16)


def refuse_rounded(precision: Precision, verb: str) -> None:
    """Raise CrosstoneError for what a verb cannot make of weights that were rounded."""
    if precision != "float32":
        raise CrosstoneError(
            f"{verb}: expected a model that computes in float32, found {precision}; load it "
            "without precision"
        )
