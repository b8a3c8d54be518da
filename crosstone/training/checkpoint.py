"""Checkpoints: all a killed run needs to go on, bit for bit, as if it had never stopped."""

import json
import os
import random
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from crosstone.errors import CheckpointError, CrosstoneError

FORMAT = 2
_AVERAGE = "average-"

_UNREADABLE = (
    *(OSError, EOFError, ValueError, KeyError, TypeError, RuntimeError),
    *(UnpicklingError, SafetensorError),
)


@dataclass(kw_only=True)
class Position:
    """How far a run has come: between two optimizer steps, never within one."""

    step: int = 0
    """Optimizer steps taken."""
    epoch: int = 1
    """The epoch of the next step, counted from 1."""
    batch: int = 0
    """Batches of that epoch already taken."""
    samples: int = 0
    seconds: float = 0.0
    speech: float | None = None
    """Seconds of speech trained on, where they are known."""
    flops_per_place: float | None = None
    """Of a padded place of the input, forwards and backwards, where they were counted."""
    epoch_loss: float = 0.0
    """Sum of the losses of that epoch's steps."""
    best_epoch: int | None = None
    best_score: float | None = None
    finished: bool = False


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """What a checkpoint holds beside its name."""

    position: Position
    log_bytes: int
    """Length of log.jsonl when it was taken."""
    weights: dict[str, Tensor]
    """trained_weights() of the model."""
    best: dict[str, Tensor] | None
    """trained_weights() after the best epoch, where the best is selected."""
    state: dict[str, Any]
    """States of optimizer, schedule, loss scaler, spikes and, by process, the random number
    generators."""
    averages: Mapping[str, Mapping[str, Tensor]] = field(default_factory=dict)
    """Weights that are being averaged, by name."""


class Checkpoints:
    """The folder `checkpoints` of a run, which all its processes must be able to read.

    A checkpoint is written under a temporary name, synced and renamed to step-00000123, so
    whatever bears such a name is complete; then those beyond the newest `keep` are removed.
    The last one, marked finished, stays until clear_checkpoints().
    """

    def __init__(self, out: Path, fingerprint: Mapping[str, Any], *, keep: int = 1) -> None:
        self.folder = out / "checkpoints"
        self.fingerprint = json.loads(json.dumps(fingerprint))
        self.keep = keep

    def newest(self) -> Path | None:
        """The newest complete checkpoint."""
        return max(self.folder.glob("step-*"), default=None)

    def save(self, snapshot: Snapshot) -> Path:
        """Writes a checkpoint and removes those it makes superfluous.

        Raises CrosstoneError where it cannot be written; nothing of it is left then.
        """
        final = self.folder / f"step-{snapshot.position.step:08d}"
        partial = self.folder / f".writing-{final.name}"
        try:
            self.discard_partial()
            partial.mkdir(parents=True)
            self._write(partial, snapshot)
            os.replace(partial, final)  # noqa: PTH105 (one call to fail in a test)
            _sync(self.folder)
        except (OSError, SafetensorError) as error:
            shutil.rmtree(partial, ignore_errors=True)
            raise self.write_error(final, error) from error
        for old in sorted(self.folder.glob("step-*"))[: -self.keep]:
            _remove(old)
        return final

    def _write(self, folder: Path, snapshot: Snapshot) -> None:
        save_file(snapshot.weights, folder / "weights.safetensors")
        if snapshot.best is not None:
            save_file(snapshot.best, folder / "best.safetensors")
        for name, weights in snapshot.averages.items():
            save_file(dict(weights), folder / f"{_AVERAGE}{name}.safetensors")
        with (folder / "state.pt").open("wb") as file:
            torch.save(snapshot.state, file)
        about = {
            "format": FORMAT,
            "position": asdict(snapshot.position),
            "log_bytes": snapshot.log_bytes,
            "fingerprint": self.fingerprint,
        }
        (folder / "checkpoint.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
        for file_written in folder.iterdir():
            _sync(file_written)
        _sync(folder)

    def load(self) -> Snapshot | None:
        """The newest checkpoint; None where there is none.

        Raises CheckpointError where it cannot be read, or belongs to a run with another
        fingerprint; the message lists every difference.
        """
        path = self.newest()
        if path is None:
            return None
        try:
            about = json.loads((path / "checkpoint.json").read_text(encoding="utf-8"))
            if about["format"] != FORMAT:
                raise ValueError(f"format {about['format']}, this version reads {FORMAT}")
            differing = _differences(about["fingerprint"], self.fingerprint)
            if differing:
                raise CheckpointError(
                    f"{path}: belongs to another run: {'; '.join(differing)}; resume with what it "
                    "was started with, or choose another folder"
                )
            best = path / "best.safetensors"
            return Snapshot(
                position=Position(**about["position"]),
                log_bytes=about["log_bytes"],
                weights=load_file(path / "weights.safetensors"),
                best=load_file(best) if best.exists() else None,
                state=torch.load(path / "state.pt", map_location="cpu", weights_only=True),
                averages={
                    file.stem.removeprefix(_AVERAGE): load_file(file)
                    for file in path.glob(f"{_AVERAGE}*.safetensors")
                },
            )
        except _UNREADABLE as error:
            reason = f"{type(error).__name__}: {error}".partition(". ")[0].partition("\n")[0]
            raise CheckpointError(
                f"{path}: cannot be read ({reason}); remove this folder to resume from an older "
                "checkpoint or from the start"
            ) from error

    def write_error(self, what: Path, error: Exception) -> CrosstoneError:
        """The sentence for a file of the run that could not be written, a full disk above all."""
        newest = self.newest()
        intact = (
            f"the last complete checkpoint, {newest.name}, is intact"
            if newest is not None
            else "no checkpoint was complete yet, so training will start over"
        )
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        return CrosstoneError(
            f"{what}: could not be written ({reason}); {intact}: make room and start again with "
            "--resume"
        )

    def discard_partial(self) -> None:
        """Removes what a killed process left half written or half removed."""
        for partial in self.folder.glob(".*-step-*"):
            shutil.rmtree(partial)


def clear_checkpoints(out: Path) -> None:
    """Removes the checkpoints of a run, once its results are safe elsewhere."""
    folder = out / "checkpoints"
    if folder.exists():
        for path in sorted(folder.glob("step-*")):
            _remove(path)
        shutil.rmtree(folder)


def seed_rng(seed: int) -> None:
    """Seeds every global random number generator a model may draw from."""
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002
    torch.manual_seed(seed)


def capture_rng(device: torch.device) -> dict[str, Any]:
    """The state of every global random number generator a model may draw from in this process."""
    _, keys, place, has_gauss, gauss = np.random.get_state()  # noqa: NPY002 (state, not drawing)
    version, numbers, second = random.getstate()
    state = {
        "torch": torch.get_rng_state(),
        "numpy": [torch.from_numpy(np.asarray(keys, np.int64)), place, has_gauss, gauss],
        "python": [version, torch.tensor(numbers), second],
    }
    if device.type in ("cuda", "mps"):
        state["device"] = getattr(torch, device.type).get_rng_state()
    return state


def restore_rng(state: Mapping[str, Any], device: torch.device) -> None:
    """Puts back what capture_rng() gave."""
    torch.set_rng_state(state["torch"])
    keys, place, has_gauss, gauss = state["numpy"]
    np.random.set_state(  # noqa: NPY002
        ("MT19937", keys.numpy().astype(np.uint32), place, has_gauss, gauss)
    )
    version, numbers, second = state["python"]
    random.setstate((version, tuple(numbers.tolist()), second))
    if "device" in state:
        getattr(torch, device.type).set_rng_state(state["device"])


def _differences(recorded: Any, found: Any, at: str = "") -> list[str]:
    if isinstance(recorded, dict) and isinstance(found, dict):
        dot = f"{at}." if at else ""
        return [
            difference
            for key in sorted(recorded.keys() | found.keys())
            for difference in _differences(recorded.get(key), found.get(key), f"{dot}{key}")
        ]
    return [] if recorded == found else [f"{at} was {recorded}, is {found}"]


def _remove(path: Path) -> None:
    """Takes the complete name away first, so that a half removed checkpoint is never read."""
    doomed = path.with_name(f".removing-{path.name}")
    path.rename(doomed)
    shutil.rmtree(doomed)


def _sync(path: Path) -> None:
    if path.is_dir() and os.name == "nt":
        return
    descriptor = os.open(path, os.O_RDWR if path.is_file() else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
