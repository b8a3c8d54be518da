"""The one door for files of others' making: tensors and plain values come in, code does not."""

import argparse
import hashlib
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from crosstone.errors import CheckpointError


class Shell:
    """What is left of an object whose class is not here: its values, and none of its code."""


def _shell(full_name: str) -> type[Shell]:
    module, _, name = full_name.rpartition(".")
    return type(name, (Shell,), {"__module__": module, "__qualname__": name})


SHELLS = (
    "fairseq.data.dictionary.Dictionary",
    "fairseq.meters.AverageMeter",
    "fairseq.meters.StopwatchMeter",
    "fairseq.meters.TimeMeter",
)
"""Classes beside the weights in fairseq's files: HuBERT's keep their dictionary, those of before
2020 how fast they were trained. Each becomes a Shell."""

SAFE_GLOBALS: tuple[type, ...] = (argparse.Namespace, *map(_shell, SHELLS))
"""What a pickle may name beyond torch's own tensors and containers."""

_NEEDED = re.compile(r"GLOBAL (\w[\w.]*)")

_UNREADABLE = (OSError, EOFError, ValueError, KeyError, TypeError, AttributeError, IndexError)


@dataclass(frozen=True)
class ForeignFile:
    """A file that was read through this door."""

    path: Path
    content: Any
    """What it holds: tensors, strings, numbers, containers, Namespaces and Shells."""

    sha256: str
    """Of its bytes, in hex."""

    @property
    def state(self) -> dict[str, Tensor]:
        """Its weights by name: the file itself, or fairseq's `model` in it.

        Raises CheckpointError where it holds none.
        """
        held = self.content
        if isinstance(held, Mapping) and isinstance(held.get("model"), Mapping):
            held = held["model"]
        return state_in(held, self.path)

    @property
    def arguments(self) -> dict[str, Any]:
        """What fairseq was called with, where the file says it: `args`, or `model` of `cfg`."""
        if not isinstance(self.content, Mapping):
            return {}
        args, config = self.content.get("args"), self.content.get("cfg")
        if isinstance(args, argparse.Namespace):
            return dict(vars(args))
        inner = config.get("model") if isinstance(config, Mapping) else None
        if isinstance(inner, argparse.Namespace):
            return dict(vars(inner))
        return dict(inner) if isinstance(inner, Mapping) else {}


def state_in(held: Any, where: Path | str) -> dict[str, Tensor]:
    """A mapping of names to tensors; CheckpointError where it is something else."""
    if not isinstance(held, Mapping) or not held:
        raise CheckpointError(
            f"{where}: expected weights by name, found {_described(held)}; save the model's "
            "state_dict()"
        )
    odd = [str(k) for k, v in held.items() if not isinstance(v, Tensor)]
    if odd:
        raise CheckpointError(
            f"{where}: expected weights by name, found other things under {', '.join(odd[:6])}"
            f"{' …' if len(odd) > 6 else ''}; is it a file of this source?"
        )
    return {str(name): tensor for name, tensor in held.items()}


def read_foreign(path: Path) -> ForeignFile:
    """A .safetensors file, or a file of torch.save, of which only values are taken.

    Nothing in it is run: of classes it may name those of SAFE_GLOBALS. Raises CheckpointError with
    what it needs beyond them, or where it is damaged.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file; give the checkpoint that was released")
    if path.suffix == ".safetensors":
        try:
            content: Any = load_file(path)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(f"{path}: {_damaged(error)}") from error
    else:
        content = _unpickled(path)
    with path.open("rb") as file:
        digest = hashlib.sha256()
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return ForeignFile(path, content, digest.hexdigest())


def _unpickled(path: Path) -> Any:
    try:
        with warnings.catch_warnings(), torch.serialization.safe_globals([*SAFE_GLOBALS]):
            warnings.simplefilter("ignore")
            return torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:
        raise CheckpointError(f"{path}: {_refused(str(error))}") from None
    except RuntimeError as error:
        if "TorchScript" in str(error):
            raise CheckpointError(f"{path}: {_refused('GLOBAL torch.jit.ScriptModule')}") from None
        raise CheckpointError(f"{path}: {_damaged(error)}") from error
    except _UNREADABLE as error:
        raise CheckpointError(f"{path}: {_damaged(error)}") from error


def _refused(reason: str) -> str:
    """Why an unpickler stopped, and what to do about it."""
    found = _NEEDED.search(reason)
    if found is None:
        return (
            "expected weights and plain values, found something else, or a pickle that is not read "
            "without running it; where it was made, save the weights alone "
            "(torch.save(model.state_dict(), FILE))"
        )
    needed = found[1]
    remedy = "where it was made, save the weights alone (torch.save(model.state_dict(), FILE))"
    if needed.startswith(("omegaconf.", "fairseq.")):
        remedy = (
            "where fairseq is installed, load it and save its weights alone "
            "(torch.save({'model': checkpoint['model']}, FILE))"
        )
    elif _names_a_class(needed):
        remedy = (
            "if it is a whole model, save its state_dict() instead "
            "(torch.save(model.state_dict(), FILE))"
        )
    return (
        f"expected weights and plain values, found a pickle that needs {needed}, which is code and "
        f"is not run; {remedy}"
    )


def _names_a_class(name: str) -> bool:
    return "." in name and name.rpartition(".")[2][:1].isupper()


def _damaged(error: Exception) -> str:
    reason = " ".join(str(error).split()).partition(". ")[0][:200]
    said = f" ({reason})" if reason and not isinstance(error, KeyError) else ""
    return (
        f"expected a .safetensors file or one of torch.save, found something cut short or of "
        f"another kind{said}; fetch it again"
    )


def _described(held: Any) -> str:
    if isinstance(held, Mapping):
        return "none"
    return f"a {type(held).__name__}"
