"""The training loop, on Hugging Face Accelerate: one process, or several by torchrun."""

import dataclasses
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object
from torch import Tensor, nn

from crosstone.data.sampling import BatchPlan, BatchStream, Indexed
from crosstone.errors import CheckpointError, ConfigError, CrosstoneError
from crosstone.training.checkpoint import (
    Checkpoints,
    Position,
    Snapshot,
    capture_rng,
    load_trained_weights,
    restore_rng,
    seed_rng,
    trained_weights,
    weights_fingerprint,
)
from crosstone.training.engine import build_accelerator, release, repeatable_kernels
from crosstone.training.log import RunLog, peak_memory_mib
from crosstone.training.optim import OptimSpec, Schedule, build_optimizer
from crosstone.training.spec import FitResult, Probe, Progress, Score, TrainingSpec
from crosstone.training.step import Stepper, StepResult

if TYPE_CHECKING:  # every process that trains would else import transformers and scikit-learn
    from crosstone.data.batch import Batch
    from crosstone.objectives.base import Objective

_MAY_CHANGE = ("workers", "checkpoint_every", "keep_checkpoints")
"""What a resumed run may set otherwise in its TrainingSpec: it changes no weight and no line."""


def fit(
    model: nn.Module,
    *,
    items: Indexed,
    collate: "Callable[[list[Any]], Batch]",
    objective: "Objective",
    training: TrainingSpec,
    optim: OptimSpec,
    out: Path,
    seed: int,
    resume: bool = False,
    score: Score | None = None,
    selection: Literal["last", "best"] = "last",
    watch: str = "loss",
    higher_is_better: bool = False,
    probe: Probe | None = None,
    probe_every: int = 0,
    progress: Progress | None = None,
    identity: Mapping[str, Any] | None = None,
) -> FitResult:
    """Trains a model and leaves in it the weights of the last or of the best epoch.

    Seeds the global random generators of torch, numpy and Python, each process its own way.
    Writes out/log.jsonl and out/checkpoints; `out` must be seen by all processes. The final
    checkpoint stays until clear_checkpoints(out), so that resuming a finished run gives its
    weights at once. With `resume`, goes on from the newest checkpoint, or starts where there is
    none: weights and log end as those of a run that never stopped.

    collate makes a Batch, not yet corrupted, of a list of items; neither may draw random numbers.
    watch names the score that selection "best" and a plateau schedule go by. probe is called every
    probe_every steps, at the end only where that is 0. identity (JSON) is anything else that a
    resumed run must share, such as the corpus's hash.

    Raises CrosstoneError on a loss that is not finite, on a full disk, on nothing to train with;
    CheckpointError where `out` holds another run's checkpoint.
    """
    if not len(items):
        raise CrosstoneError(f"{out}: expected items to train on, found none; look at the split")
    if score is None and (selection == "best" or optim.schedule == "plateau"):
        asking = "selection 'best'" if selection == "best" else "schedule 'plateau'"
        raise ConfigError(f"{asking} expects validation scores, found none; keep items to validate")
    accelerator = build_accelerator(training)
    plan = BatchPlan(
        items=len(items),
        seed=seed,
        batch_size=training.batch_size,
        batch_seconds=training.batch_seconds,
        max_batch_items=training.max_batch_items,
        micro_batch_size=training.micro_batch_size,
        micro_batch_seconds=training.micro_batch_seconds,
        rank=accelerator.process_index,
        world=accelerator.num_processes,
        lengths=_lengths(items, training),
        pool=training.pool,
    )
    spec = {k: v for k, v in dataclasses.asdict(training).items() if k not in _MAY_CHANGE}
    fingerprint = {
        "training": spec,
        "optim": dataclasses.asdict(optim),
        "selection": [selection, watch, higher_is_better] if score else None,
        "probe_every": probe_every,
        "seed": seed,
        "items": len(items),
        "processes": plan.world,
        "device": accelerator.device.type,
        "weights": weights_fingerprint(model),
        "identity": dict(identity or {}),
    }
    total = training.steps or plan.num_steps(range(1, (training.epochs or 0) + 1))
    if training.precision == "float64":
        model.double()
    optimizer = build_optimizer(model, optim)
    prepared, optimizer = accelerator.prepare(model, optimizer)
    run = _Run(
        accelerator=accelerator,
        bare=model,
        model=prepared,
        optimizer=optimizer,
        schedule=Schedule(optimizer, optim, total, higher_is_better=higher_is_better),
        stream=BatchStream(items, collate, plan, workers=training.workers),
        stepper=Stepper(
            accelerator,
            prepared,
            optimizer,
            objective,
            seed=seed,
            dtype=torch.float64 if training.precision == "float64" else None,
            clip=optim.clip,
        ),
        training=training,
        total=total,
        seed=seed,
        checkpoints=Checkpoints(out, fingerprint, keep=training.keep_checkpoints),
        log_path=out / "log.jsonl",
        score=score,
        keep_best=selection == "best",
        must_watch=selection == "best" or optim.schedule == "plateau",
        watch=watch,
        sign=1.0 if higher_is_better else -1.0,
        probe=probe,
        probe_every=probe_every,
        progress=progress,
    )
    trainable = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    about = {**fingerprint, "weights": {"trainable": trainable}, "steps": total}
    try:
        with repeatable_kernels(accelerator.device, training.deterministic):
            return run.go(resume, about)
    finally:
        run.log.close()
        release(model)


def _lengths(items: Indexed, training: TrainingSpec) -> Any:
    """What each item costs, where that is known; in seconds, where seconds are asked for."""
    asks_seconds = training.batch_seconds is not None or training.micro_batch_seconds is not None
    if asks_seconds and not getattr(items, "hears", True):
        return None
    return getattr(items, "lengths", None)


@dataclass(kw_only=True)
class _Run:
    """One run on one process: its parts, and how far it has come."""

    accelerator: Accelerator
    bare: nn.Module
    model: nn.Module
    optimizer: Any
    schedule: Schedule
    stream: "BatchStream[Batch]"
    stepper: Stepper
    training: TrainingSpec
    total: int
    seed: int
    checkpoints: Checkpoints
    log_path: Path
    score: Score | None
    keep_best: bool
    must_watch: bool
    watch: str
    sign: float
    probe: Probe | None
    probe_every: int
    progress: Progress | None
    log: RunLog = field(default_factory=lambda: RunLog(None))
    position: Position = field(default_factory=Position)
    best: dict[str, Tensor] | None = None
    seconds_before: float = 0.0
    started: float = field(default_factory=time.monotonic)
    logged: tuple[float, int] = (0.0, 0)

    def go(self, resume: bool, about: dict[str, Any]) -> FitResult:
        """The run from its start or its newest checkpoint to its end."""
        if resume and (snapshot := self.checkpoints.load()) is not None:
            self._take_up(snapshot)
        else:
            self._begin(about)
        self.logged = (time.monotonic(), self.position.samples)
        while not self.position.finished:
            self._train_epoch()
        if self.best is not None:
            load_trained_weights(self.bare, self.best)
        at = self.position
        return FitResult(at.step, at.seconds, at.samples, at.best_epoch, at.best_score)

    def _begin(self, about: dict[str, Any]) -> None:
        if (found := self.checkpoints.newest()) is not None:
            raise CheckpointError(
                f"{found}: expected no checkpoint of an earlier run; go on with it by --resume, "
                "remove it, or choose another folder"
            )
        process_seed = np.random.SeedSequence([self.seed, self.accelerator.process_index])
        seed_rng(int(process_seed.generate_state(1)[0]))
        self._open_log(0)
        self._write("start", time=time.time(), **about)

    def _take_up(self, snapshot: Snapshot) -> None:
        self.position, self.best = snapshot.position, snapshot.best
        self.seconds_before = snapshot.position.seconds
        load_trained_weights(self.bare, snapshot.weights)
        self.optimizer.load_state_dict(snapshot.state["optimizer"])
        self.schedule.load_state_dict(snapshot.state["schedule"])
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(snapshot.state["scaler"])
        rng = snapshot.state["rng"][self.accelerator.process_index]
        restore_rng(rng, self.accelerator.device)
        if not snapshot.position.finished:
            self._open_log(snapshot.log_bytes)

    def _open_log(self, length: int) -> None:
        if self.accelerator.is_main_process:
            self.log = RunLog(self.log_path, length=length)

    def _train_epoch(self) -> None:
        at, epoch = self.position, self.position.epoch
        steps_in_epoch = self.stream.plan.num_steps([epoch])
        self.model.train()
        for micro_batches in self.stream.epoch(epoch, at.batch):
            rate = self.schedule.set_rate(at.step)
            taken = self.stepper.take(micro_batches, epoch=epoch, number=at.step + 1)
            at.step, at.batch, at.samples = at.step + 1, at.batch + 1, at.samples + taken.samples
            at.epoch_loss += taken.loss
            at.seconds = self.seconds_before + time.monotonic() - self.started
            finished = at.step == self.total
            if finished or at.step % self.training.log_every == 0:
                self._log_step(taken, rate)
            due = at.step % self.probe_every == 0 if self.probe_every else finished
            if self.probe is not None and due:
                self._write("probe", step=at.step, **self._ask(self.probe, at.step))
            epoch_over = finished or at.batch == steps_in_epoch
            scored = epoch_over and self._end_epoch()
            if finished:
                self._write("end", step=at.step, best_epoch=at.best_epoch, seconds=at.seconds)
            if finished or scored or at.step % self.training.checkpoint_every == 0:
                self._save(finished)
            if self.progress is not None and self.accelerator.is_main_process:
                info = {"epoch": epoch, "loss": taken.loss, "lr": rate}
                self.progress(at.step, self.total, info)
            if finished:
                break

    def _log_step(self, taken: StepResult, rate: float) -> None:
        at, now = self.position, time.monotonic()
        then, samples_then = self.logged
        self.logged = (now, at.samples)
        padding = {} if taken.padding is None else {"padding": taken.padding}
        memory = {"peak_memory_mib": peak_memory_mib()}
        if self.accelerator.device.type == "cuda":
            memory["peak_device_memory_mib"] = torch.cuda.max_memory_allocated() / 2**20
        self._write(
            "step",
            step=at.step,
            epoch=at.epoch,
            loss=taken.loss,
            parts=taken.parts,
            lr=rate,
            grad_norm=taken.grad_norm,
            **padding,
            seconds=at.seconds,
            samples_per_second=(at.samples - samples_then) / max(now - then, 1e-9),
            **memory,
        )

    def _end_epoch(self) -> bool:
        """Logs an epoch, scores it where due, and moves to the next; whether it was scored."""
        at = self.position
        due = at.step == self.total or at.epoch % self.training.eval_every_epochs == 0
        valid = self._ask(self.score) if self.score is not None and due else None
        line = {"epoch": at.epoch, "step": at.step, "loss": at.epoch_loss / at.batch}
        self._write("epoch", **line, **({} if valid is None else {"valid": valid}))
        if valid is not None:
            self._judge(valid)
        at.epoch, at.batch, at.epoch_loss = at.epoch + 1, 0, 0.0
        return valid is not None

    def _judge(self, valid: Mapping[str, float]) -> None:
        at, value = self.position, valid.get(self.watch)
        if value is None or not math.isfinite(value):
            if not self.must_watch:
                return
            found = f"{value}" if value is not None else ", ".join(valid)
            raise CrosstoneError(
                f"epoch {at.epoch}: expected a finite validation score '{self.watch}', found "
                f"{found}; watch another score or validate on more items"
            )
        self.schedule.watch(value)
        if at.best_score is None or self.sign * (value - at.best_score) > 0:
            at.best_epoch, at.best_score = at.epoch, value
            self.best = trained_weights(self.bare) if self.keep_best else None

    def _ask(self, question: Score | Probe, *details: int) -> dict[str, float]:
        """What a score or probe says of the model, on every process; training notices nothing."""
        answer: dict[str, float] = {}
        if self.accelerator.is_main_process:
            rng = capture_rng(self.accelerator.device)
            self.model.eval()
            with torch.no_grad():
                found = question(self.bare, *details)
            answer = {name: float(value) for name, value in found.items()}
            restore_rng(rng, self.accelerator.device)
            self.model.train()
        answers: list[dict[str, float]] = broadcast_object_list([answer])
        return answers[0]

    def _save(self, finished: bool) -> None:
        self.position.finished = finished
        scaler = self.accelerator.scaler
        state = {
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "scaler": None if scaler is None else scaler.state_dict(),
            "rng": gather_object([capture_rng(self.accelerator.device)]),
        }
        if self.accelerator.is_main_process:
            with self._disk():
                self.log.sync()
            snapshot = Snapshot(
                position=self.position,
                log_bytes=self.log.length,
                weights=trained_weights(self.bare),
                best=self.best,
                state=state,
            )
            self.checkpoints.save(snapshot)
        self.accelerator.wait_for_everyone()

    def _write(self, event: str, **values: Any) -> None:
        with self._disk():
            self.log.write(event, **values)

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self.checkpoints.write_error(self.log_path, error) from error
