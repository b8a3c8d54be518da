"""A toy corpus, model and objective, and runs of them in processes that tests start.

python toy_training.py killed FOLDER            runs killed and resumed; weights and logs
torchrun … toy_training.py processes FOLDER     runs on several processes; weights
"""

import contextlib
import os
import random
import signal
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from crosstone.errors import AudioError
from crosstone.sequence import Sequence


@dataclass(frozen=True)
class ToyBatch:
    ids: tuple[str, ...]
    audio: Sequence
    target: Tensor
    hidden: Tensor

    def to(self, device: torch.device, dtype: torch.dtype | None = None) -> "ToyBatch":
        return ToyBatch(
            self.ids,
            self.audio.to(device, dtype),
            self.target.to(device, dtype),
            self.hidden.to(device),
        )

    def inputs(self) -> dict[str, Any]:
        return {"values": self.audio.values, "mask": self.audio.mask, "hidden": self.hidden}


class ToyItems:
    """Item i is a row of 1 to 5 frames; `faulty` cannot be read, `broken` holds a NaN."""

    def __init__(
        self, count: int = 20, *, pause: float = 0.0, faulty: int = -1, broken: int = -1
    ) -> None:
        self.count, self.pause, self.faulty, self.broken = count, pause, faulty, broken
        self.lengths = np.array([1 + index % 5 for index in range(count)], np.float32)

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> tuple[str, Tensor, Tensor]:
        time.sleep(self.pause)
        if index == self.faulty:
            raise AudioError(f"item {index}: expected sound, found silence")
        generator = torch.Generator().manual_seed(index)
        frames = torch.randn(1 + index % 5, 3, generator=generator)
        if index == self.broken:
            frames[0, 0] = float("nan")
        return f"item-{index}", frames, frames.sum()


def collate(items: list[tuple[str, Tensor, Tensor]]) -> ToyBatch:
    audio = Sequence.pad([frames for _, frames, _ in items])
    target = torch.stack([target for _, _, target in items])
    return ToyBatch(tuple(i for i, _, _ in items), audio, target, torch.zeros_like(audio.mask))


class ToyModel(nn.Module):
    """Predicts an item's sum; `mark` is used only where a frame is hidden, `idle` never.

    num_blocks: transformer layers between the frames and the head.
    """

    def __init__(self, dropout: float = 0.0, num_blocks: int = 0) -> None:
        super().__init__()
        blocks = []
        if num_blocks:  # spawned workers can do without
            from crosstone.nn.transformer import TransformerBlock

            blocks = [TransformerBlock(8, 2, 16, dropout=dropout) for _ in range(num_blocks)]
        generator = torch.Generator().manual_seed(7)
        self.frozen = nn.Linear(3, 3)
        self.frame = nn.Linear(3, 8)
        self.norm = nn.LayerNorm(8)
        self.head = nn.Linear(8, 1)
        self.mark = nn.Parameter(torch.zeros(3))
        self.idle = nn.Parameter(torch.ones(2))
        self.dropout = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(blocks)
        self.register_buffer("passes", torch.zeros(1))
        with torch.no_grad():
            for weight in self.parameters():
                weight.copy_(0.3 * torch.randn(weight.shape, generator=generator))
        self.frozen.requires_grad_(False)

    def forward(self, values: Tensor, mask: Tensor, hidden: Tensor) -> dict[str, Tensor]:
        if self.training:
            self.passes += 1
        values = self.frozen(values)
        if hidden.any():
            values = torch.where(hidden[..., None], self.mark, values)
        states = self.norm(self.dropout(torch.tanh(self.frame(values))))
        for block in self.blocks:
            states, _ = block(states, mask)
        states = states * mask[..., None]
        return {"states": states, "value": self.head(states.sum(1)).squeeze(-1)}


class Part(NamedTuple):
    sum: Tensor
    count: float
    weight: float


class Loss(NamedTuple):
    parts: dict[str, Part]


class ToyObjective:
    """Squared error by item; the states' size by hidden frame, of which there may be none."""

    def __init__(self, stop_in_epoch: int | None = None) -> None:
        self.stop_in_epoch = stop_in_epoch

    def corrupt(self, batch: ToyBatch, *, seed: int, epoch: int) -> ToyBatch:
        if epoch == self.stop_in_epoch:
            raise InterruptedError
        first = [random.Random(f"{seed} {epoch} {item}").random() < 0.2 for item in batch.ids]
        hidden = torch.zeros_like(batch.audio.mask)
        hidden[:, 0] = torch.tensor(first)
        return replace(batch, hidden=hidden)

    def counts(self, batch: ToyBatch) -> dict[str, float]:
        return {"value": float(len(batch.ids)), "size": float(batch.hidden.sum())}

    def __call__(self, output: dict[str, Tensor], batch: ToyBatch) -> Loss:
        counts = self.counts(batch)
        errors = (output["value"] - batch.target).square().sum()
        size = output["states"][batch.hidden].square().sum()
        return Loss(
            {
                "value": Part(errors, counts["value"], 1.0),
                "size": Part(size, counts["size"], 0.5),
            }
        )


def toy_score(model: nn.Module) -> dict[str, float]:
    """The mean error on items not trained on; it draws random numbers, as no score should."""
    assert not model.training
    torch.rand(3)
    weight = next(model.parameters())
    batch = collate([ToyItems(40)[i] for i in range(20, 40)]).to(weight.device, weight.dtype)
    output = model(**batch.inputs())
    return {"error": float((output["value"] - batch.target).square().mean())}


def toy_fit(out: Path, *, model: nn.Module, **options: Any) -> Any:
    """fit() on the toys; keywords replace the defaults below."""
    # here, since spawned workers can do without
    from crosstone.training import OptimSpec, TrainingSpec, fit

    training = {"batch_size": 6, "epochs": 3, "log_every": 1, "checkpoint_every": 3, "cpu": True}
    training.update(options.pop("training", {}))
    optim = {"lr": 0.02, "warmup": 0.2, "clip": 1.0, **options.pop("optim", {})}
    defaults: dict[str, Any] = {
        "items": ToyItems(),
        "collate": collate,
        "objective": ToyObjective(),
        "training": TrainingSpec(**training),
        "optim": OptimSpec(**optim),
        "out": out,
        "seed": 3,
    }
    return fit(model, **{**defaults, **options})


def resumable(out: Path, *, pause: float = 0.0, **training: Any) -> None:
    """The run that is killed: dropout, accumulation, the best epoch kept, a probe; then weights."""
    model = ToyModel(dropout=0.3)
    toy_fit(
        out,
        model=model,
        items=ToyItems(pause=pause),
        training={"micro_batch_size": 4, "epochs": 6, **training},
        optim={"schedule": "plateau", "plateau_patience": 0, "lr": 0.1},
        score=toy_score,
        selection="best",
        watch="error",
        probe=lambda model, step: {"at": float(step), **toy_score(model)},
        probe_every=5,
        resume=True,
    )
    save_file(model.state_dict(), out / "final.safetensors")


def run_killed(folder: Path) -> None:
    """Lives of one run, each child of this process: one whole, others killed at chosen moments."""
    torch.set_num_threads(1)
    resumable(folder / "warm")  # imports, once for all children
    moments = random.Random(5)
    lives: dict[str, list[tuple[int, dict[str, Any]]]] = {
        "whole": [],
        "killed": [(lines, {}) for lines in range(0, 30, 2)],
        "workers": [(8, {}), (15, {"workers": 2})],
    }
    kills = 0
    for name, sittings in lives.items():
        out = folder / name
        out.mkdir()
        for lines, training in sittings:
            kills += _kill(_sitting(out, pause=0.002, **training), out, lines, moments.random())
        status = os.waitpid(_sitting(out), 0)[1]
        assert status == 0, (name, status)
    (folder / "kills.txt").write_text(str(kills))


def _kill(child: int, out: Path, lines: int, chance: float) -> bool:
    """Kills a child a moment after its log has so many lines; whether it was still at work."""
    while _lines(out) < lines:
        if os.waitpid(child, os.WNOHANG)[0]:
            return False
        time.sleep(0.001)
    time.sleep(chance * 0.04)
    os.kill(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def _sitting(out: Path, **options: Any) -> int:
    child = os.fork()
    if child == 0:
        try:
            resumable(out, **options)
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    return child


def _lines(out: Path) -> int:
    log = out / "log.jsonl"
    return log.read_bytes().count(b"\n") if log.exists() else 0


UNEVEN: dict[str, Any] = {"precision": "float64", "batch_size": 8, "epochs": 2, "log_every": 1}
"""With 17 items an epoch's last batch holds one, fewer than there are processes."""


def uneven(out: Path, num_blocks: int = 0, **training: Any) -> ToyModel:
    """The run whose weights must not depend on the number of processes."""
    model = ToyModel(num_blocks=num_blocks)
    uneven_fit(out, model, training)
    return model


def uneven_fit(out: Path, model: ToyModel, training: dict[str, Any], **options: Any) -> None:
    """The same on a model of one's own."""
    toy_fit(
        out,
        model=model,
        items=ToyItems(17),
        training={**UNEVEN, **training},
        score=toy_score,
        watch="error",
        **{"selection": "best", **options},
    )


def run_processes(folder: Path) -> None:
    """On every process: the uneven run; a run with dropout, whole and interrupted; a NaN."""
    first = os.environ["RANK"] == "0"
    models = {name: uneven(folder / name, **batch, **cut) for name, (batch, cut) in CUTS.items()}
    models["whole"] = ToyModel(dropout=0.3)
    toy_fit(folder / "whole", model=models["whole"])
    try:
        toy_fit(
            folder / "resumed", model=ToyModel(dropout=0.3), objective=ToyObjective(stop_in_epoch=3)
        )
    except InterruptedError:
        models["resumed"] = ToyModel(dropout=0.3)
        toy_fit(folder / "resumed", model=models["resumed"], resume=True)
    models["fsdp"] = uneven(folder / "fsdp", **FSDP)
    for name, spec in (("fewer", {}), ("fewer-fsdp", FSDP)):
        cut = {k: v for k, v in spec.items() if k != "num_blocks"}
        model = ToyModel(num_blocks=spec.get("num_blocks", 0))
        with contextlib.suppress(InterruptedError):
            uneven_fit(folder / name, model, cut, objective=ToyObjective(stop_in_epoch=2))
    try:
        toy_fit(folder / "nan", model=ToyModel(), items=ToyItems(17, broken=4))
    except Exception as error:
        (folder / f"nan-{os.environ['RANK']}.txt").write_text(str(error))
    if first:
        for name, model in models.items():
            save_file(model.state_dict(), folder / f"{name}.safetensors")
    torch.distributed.destroy_process_group()


SECONDS: dict[str, Any] = {"batch_size": None, "batch_seconds": 14.0, "length_pool": 2}
CUTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "one": ({}, {}),
    "three": ({}, {"micro_batch_size": 3}),
    "seconds": (SECONDS, {"micro_batch_seconds": 5.0}),
}
"""By name, what makes a batch, and how two processes cut it."""
FSDP: dict[str, Any] = {"num_blocks": 2, "fsdp": True, "micro_batch_size": 3, "ema": 0.9}
"""The sharded run, averaged as it goes."""


if __name__ == "__main__":
    {"killed": run_killed, "processes": run_processes}[sys.argv[1]](Path(sys.argv[2]))
