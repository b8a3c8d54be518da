"""A run on one process: its epochs, its log, its scores and its checkpoints."""

import dataclasses
import math
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, gather_object
from torch import Tensor, nn

from crosstone.data.sampling import BatchStream
from crosstone.errors import CheckpointError, CrosstoneError
from crosstone.training.averaging import Averages
from crosstone.training.blocks import uncompiled
from crosstone.training.checkpoint import (
    Checkpoints,
    Position,
    Snapshot,
    capture_rng,
    restore_rng,
    seed_rng,
)
from crosstone.training.log import RunLog
from crosstone.training.meter import Meter, memory_peaks
from crosstone.training.optim import Schedule
from crosstone.training.spec import FitResult, Probe, Progress, Score, TrainingSpec
from crosstone.training.spikes import Spikes
from crosstone.training.step import StepError, Stepper, StepResult
from crosstone.training.tracking import close_trackers, open_trackers, track
from crosstone.training.weights import (
    load_optimizer_state,
    load_trained_weights,
    optimizer_state,
    trained_weights,
)

if TYPE_CHECKING:  # every process that trains would else import transformers and scikit-learn
    from crosstone.data.batch import Batch


@dataclass(kw_only=True)
class Sitting:
    """One run on one process, from its start or a checkpoint: its parts and how far it came."""

    accelerator: Accelerator
    bare: nn.Module
    """What is scored and left: whole, on every process."""
    trained: nn.Module
    """What is trained: the same, or its shards."""
    model: nn.Module
    optimizer: Any
    schedule: Schedule
    stream: "BatchStream[Batch]"
    stepper: Stepper
    spikes: Spikes
    averages: Averages
    meter: Meter
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
    record: Probe | None
    progress: Progress | None
    hears: bool
    log: RunLog = field(default_factory=lambda: RunLog(None))
    position: Position = field(default_factory=Position)
    best: dict[str, Tensor] | None = None
    seconds_before: float = 0.0
    started: float = field(default_factory=time.monotonic)

    def go(self, resume: bool, about: dict[str, Any]) -> FitResult:
        """The run from its start or its newest checkpoint to its end."""
        if resume and (snapshot := self.checkpoints.load()) is not None:
            self._take_up(snapshot, about)
        else:
            self._begin(about)
        at = self.position
        self.meter = dataclasses.replace(
            self.meter, step=at.step, flops_per_place=at.flops_per_place
        )
        while not at.finished:
            self._train_epoch()
        final = self.best if self.best is not None else self._to_keep()
        if final is not None:
            load_trained_weights(self.bare, final)
        return FitResult(at.step, at.seconds, at.samples, at.best_epoch, at.best_score)

    def close(self) -> None:
        """Closes the log and whoever else is told it."""
        self.log.close()
        close_trackers(self.accelerator)

    def _begin(self, about: dict[str, Any]) -> None:
        if (found := self.checkpoints.newest()) is not None:
            raise CheckpointError(
                f"{found}: expected no checkpoint of an earlier run; go on with it by --resume, "
                "remove it, or choose another folder"
            )
        process_seed = np.random.SeedSequence([self.seed, self.accelerator.process_index])
        seed_rng(int(process_seed.generate_state(1)[0]))
        self._open_log(0, about)
        peak = {} if self.meter.tflops is None else {"peak_tflops": self.meter.tflops}
        self._write("start", time=time.time(), **about, **peak)

    def _take_up(self, snapshot: Snapshot, about: dict[str, Any]) -> None:
        self.position, self.best = snapshot.position, snapshot.best
        self.seconds_before = snapshot.position.seconds
        load_trained_weights(self.trained, snapshot.weights)
        load_optimizer_state(self.optimizer, snapshot.state["optimizer"])
        self.schedule.load_state_dict(snapshot.state["schedule"])
        self.spikes.load_state_dict(snapshot.state["spikes"])
        self.averages.load_state_dict(snapshot.averages)
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(snapshot.state["scaler"])
        states, rank = snapshot.state["rng"], self.accelerator.process_index
        if rank < len(states):
            restore_rng(states[rank], self.accelerator.device)
        else:  # a process that the run did not have before
            sequence = np.random.SeedSequence([self.seed, rank, self.position.step])
            seed_rng(int(sequence.generate_state(1)[0]))
        if not snapshot.position.finished:
            self._open_log(snapshot.log_bytes, about)
            if len(states) != self.accelerator.num_processes:
                now = {"was": len(states), "processes": self.accelerator.num_processes}
                self._write("processes", step=self.position.step, **now)

    def _open_log(self, length: int, about: dict[str, Any]) -> None:
        if self.accelerator.is_main_process:
            self.log = RunLog(self.log_path, length=length)
        if self.training.trackers:
            open_trackers(self.accelerator, about)

    def _train_epoch(self) -> None:
        at, epoch = self.position, self.position.epoch
        plan = self.stream.plan
        speech = plan.seconds(epoch) if self.hears else None
        steps_in_epoch = plan.num_steps([epoch])
        self.model.train()
        for micro_batches in self.stream.epoch(epoch, at.batch):
            rate = self.schedule.set_rate(at.step)
            taken = self._take(micro_batches, epoch)
            heard = None if speech is None else float(speech[at.batch])
            self.meter.take(taken, heard)
            if heard is not None:
                at.speech = (at.speech or 0.0) + heard
            at.step, at.batch, at.samples = at.step + 1, at.batch + 1, at.samples + taken.samples
            at.epoch_loss += taken.loss
            at.seconds = self.seconds_before + time.monotonic() - self.started
            self.averages.after_step(at.step)
            finished = at.step == self.total
            if finished or at.step % self.training.log_every == 0:
                self._log_step(taken, rate)
            due = at.step % self.probe_every == 0 if self.probe_every else finished
            if self.probe is not None and due:
                self._write(
                    "probe", step=at.step, **self._ask(self.probe, self._to_keep(), at.step)
                )
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

    def _take(self, micro_batches: "list[tuple[Batch, bool]]", epoch: int) -> StepResult:
        """One step; the first of all counts its operations where utilisation is asked for."""
        at, counts = self.position, False
        if self.meter.tflops is not None and at.flops_per_place is None:
            counts = True
        try:
            taken = self.stepper.take(
                micro_batches, epoch=epoch, number=at.step + 1, count_flops=counts
            )
        except StepError as error:
            self._write("stopped", step=at.step + 1, reason=str(error), items=error.items)
            raise
        if taken.flops is not None and taken.places:
            at.flops_per_place = self.meter.flops_per_place = taken.flops / taken.places
        return taken

    def _to_keep(self) -> dict[str, Tensor] | None:
        """The weights that are scored and saved; None where they are those of `bare`."""
        averaged = self.averages.weights()
        if averaged is None and self.trained is not self.bare:
            return trained_weights(self.trained)
        return averaged

    def _log_step(self, taken: StepResult, rate: float) -> None:
        at = self.position
        padding = {} if taken.padding is None else {"padding": taken.padding}
        speech = {} if at.speech is None else {"speech": at.speech}
        self._write(
            "step",
            step=at.step,
            epoch=at.epoch,
            loss=taken.loss,
            parts=taken.parts,
            lr=rate,
            grad_norm=taken.grad_norm,
            **padding,
            samples=at.samples,
            **speech,
            seconds=at.seconds,
            **self.meter.read(),
            **memory_peaks(self.accelerator.device),
        )

    def _end_epoch(self) -> bool:
        """Logs an epoch, scores it where due, and moves to the next; whether it was scored."""
        at = self.position
        due = at.step == self.total or at.epoch % self.training.eval_every_epochs == 0
        if due:
            self.averages.after_epoch()
        kept = self._to_keep() if due else None
        if self.record is not None and due:
            self._ask(self.record, kept, at.epoch)
        valid = self._ask(self.score, kept) if self.score is not None and due else None
        line = {"epoch": at.epoch, "step": at.step, "loss": at.epoch_loss / at.batch}
        self._write("epoch", **line, **({} if valid is None else {"valid": valid}))
        if valid is not None:
            self._judge(valid, kept)
        at.epoch, at.batch, at.epoch_loss = at.epoch + 1, 0, 0.0
        return valid is not None

    def _judge(self, valid: Mapping[str, float], kept: dict[str, Tensor] | None) -> None:
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
            if self.keep_best:
                self.best = kept if kept is not None else trained_weights(self.bare)

    def _ask(
        self, question: Score | Probe, weights: dict[str, Tensor] | None, *details: int
    ) -> dict[str, float]:
        """What a score or probe says of the model with these weights (None: its own), on every
        process; training notices nothing."""
        answer: dict[str, float] = {}
        if self.accelerator.is_main_process:
            rng = capture_rng(self.accelerator.device)
            own = trained_weights(self.bare) if weights is not None else None
            if weights is not None:
                load_trained_weights(self.bare, weights)
            self.bare.eval()
            with torch.no_grad(), uncompiled(self.training.compile):
                found = question(self.bare, *details)
            answer = {name: float(value) for name, value in found.items()}
            if own is not None:
                load_trained_weights(self.bare, own)
            restore_rng(rng, self.accelerator.device)
            self.model.train()
        answers: list[dict[str, float]] = broadcast_object_list([answer])
        return answers[0]

    def _save(self, finished: bool) -> None:
        self.position.finished = finished
        scaler = self.accelerator.scaler
        rng = gather_object([capture_rng(self.accelerator.device)])
        if self.accelerator.is_main_process or self.trained is not self.bare:
            snapshot = Snapshot(
                position=self.position,
                log_bytes=self.log.length,
                weights=trained_weights(self.trained),
                best=self.best,
                state={
                    "optimizer": optimizer_state(self.optimizer),
                    "schedule": self.schedule.state_dict(),
                    "spikes": self.spikes.state_dict(),
                    "scaler": None if scaler is None else scaler.state_dict(),
                    "rng": rng,
                },
                averages=self.averages.state_dict(),
            )
            if self.accelerator.is_main_process:
                with self._disk():
                    self.log.sync()
                self.checkpoints.save(snapshot)
        self.accelerator.wait_for_everyone()

    def _write(self, event: str, **values: Any) -> None:
        with self._disk():
            self.log.write(event, **values)
        if self.accelerator.trackers:
            track(self.accelerator, event, values)

    @contextmanager
    def _disk(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self.checkpoints.write_error(self.log_path, error) from error
