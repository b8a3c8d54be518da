"""The training loop, on Hugging Face Accelerate: one process, or several by torchrun."""

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from accelerate import Accelerator
from torch import nn

from crosstone.data.sampling import BatchPlan, BatchStream, Indexed, Plan, Planned
from crosstone.errors import ConfigError, CrosstoneError
from crosstone.training.averaging import Averages
from crosstone.training.blocks import blocks_of, compile_blocks, recompute_activations
from crosstone.training.checkpoint import Checkpoints, capture_rng, restore_rng
from crosstone.training.engine import build_accelerator, release, repeatable_kernels
from crosstone.training.meter import Meter, measured_tflops
from crosstone.training.optim import OptimSpec, Schedule, build_optimizer
from crosstone.training.sharding import Uses, sharded
from crosstone.training.sitting import Sitting
from crosstone.training.spec import FitResult, Probe, Progress, Score, TrainingSpec
from crosstone.training.spikes import Spikes
from crosstone.training.step import Stepper
from crosstone.training.weights import weights_fingerprint

if TYPE_CHECKING:  # every process that trains would else import transformers and scikit-learn
    from crosstone.data.batch import Batch
    from crosstone.objectives.base import Objective

_MAY_CHANGE = (
    *("workers", "checkpoint_every", "keep_checkpoints"),
    *("fsdp", "peak_tflops", "trackers"),
)
"""What a resumed run may set otherwise in its TrainingSpec: it changes no step that is taken."""


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
    record: Probe | None = None,
    progress: Progress | None = None,
    identity: Mapping[str, Any] | None = None,
) -> FitResult:
    """Trains a model and leaves in it the weights of the last or of the best epoch.

    Seeds the global random generators of torch, numpy and Python, each process its own way.
    Writes out/log.jsonl and out/checkpoints; `out` must be seen by all processes. The final
    checkpoint stays until clear_checkpoints(out), so that resuming a finished run gives its
    weights at once. With `resume`, goes on from the newest checkpoint, or starts where there is
    none: weights and log end as those of a run that never stopped. Another number of processes
    takes the same batches from there on; only what each draws at random, dropout above all, is then
    other than it would have been, and the log says at which step.

    collate makes a Batch, not yet corrupted, of a list of items; neither may draw random numbers.
    Items that are `Planned` are a stream, which resumes on the same number of processes only.
    watch names the score that selection "best" and a plateau schedule go by. probe is called every
    probe_every steps, at the end only where that is 0, and record with the number of every epoch
    that is scored, or would be. identity (JSON) is anything else that a resumed run must share,
    such as the corpus's hash.

    Raises CrosstoneError on a loss that is not finite, on a full disk, on nothing to train with;
    CheckpointError where `out` holds another run's checkpoint.
    """
    if not len(items):
        raise CrosstoneError(f"{out}: expected items to train on, found none; look at the split")
    if score is None and (selection == "best" or optim.schedule == "plateau"):
        asking = "selection 'best'" if selection == "best" else "schedule 'plateau'"
        raise ConfigError(f"{asking} expects validation scores, found none; keep items to validate")
    accelerator = build_accelerator(training, out)
    plan = _plan(items, training, seed, accelerator)
    spec = {k: v for k, v in dataclasses.asdict(training).items() if k not in _MAY_CHANGE}
    fingerprint = {
        "training": spec,
        "optim": dataclasses.asdict(optim),
        "selection": [selection, watch, higher_is_better] if score else None,
        "probe_every": probe_every,
        "seed": seed,
        "items": len(items),
        "device": accelerator.device.type,
        "weights": weights_fingerprint(model),
        "identity": dict(identity or {}),
        **({"stream": plan.world} if isinstance(items, Planned) else {}),
    }
    total = training.steps or plan.num_steps(range(1, (training.epochs or 0) + 1))
    if training.precision == "float64":
        model.double()
    fsdp = training.fsdp and plan.world > 1
    trained = sharded(model, accelerator) if fsdp else model
    if training.activation_checkpointing:
        recompute_activations(blocks_of(trained))
    if training.compile:
        compile_blocks(blocks_of(trained), accelerator.device)
    optimizer = build_optimizer(trained, optim)
    if fsdp:
        model.to(accelerator.device if accelerator.is_main_process else "cpu")
        prepared, optimizer = trained, accelerator.prepare(optimizer)
    else:
        prepared, optimizer = accelerator.prepare(model, optimizer)
    spikes = Spikes(training.spike_factor)
    run = Sitting(
        accelerator=accelerator,
        bare=model,
        trained=trained,
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
            spikes=spikes,
            uses=Uses(trained) if fsdp else None,
        ),
        spikes=spikes,
        averages=Averages(trained, decay=training.ema, last_epochs=training.average_checkpoints),
        meter=Meter(0, total, tflops=_peak(training, accelerator)),
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
        record=record,
        progress=progress,
        hears=plan.lengths is not None and getattr(items, "hears", True),
    )
    trainable = sum(weight.numel() for weight in model.parameters() if weight.requires_grad)
    about = {**fingerprint, "processes": plan.world, "weights": {"trainable": trainable}}
    try:
        with repeatable_kernels(accelerator.device, training.deterministic):
            return run.go(resume, {**about, "steps": total})
    finally:
        run.close()
        release(model)


def _plan(items: Indexed, training: TrainingSpec, seed: int, accelerator: Accelerator) -> Plan:
    place = {"rank": accelerator.process_index, "world": accelerator.num_processes}
    if isinstance(items, Planned):
        if training.batch_size is None or training.micro_batch_seconds is not None:
            raise ConfigError(
                "training: a stream expects batch_size and micro_batch_size, found a budget of "
                "seconds"
            )
        return items.plan(
            seed=seed,
            batch_size=training.batch_size,
            micro_batch_size=training.micro_batch_size,
            pool=training.pool,
            **place,
        )
    return BatchPlan(
        items=len(items),
        seed=seed,
        batch_size=training.batch_size,
        batch_seconds=training.batch_seconds,
        max_batch_items=training.max_batch_items,
        micro_batch_size=training.micro_batch_size,
        micro_batch_seconds=training.micro_batch_seconds,
        lengths=_lengths(items, training),
        pool=training.pool,
        **place,
    )


def _lengths(items: Indexed, training: TrainingSpec) -> Any:
    """What each item costs, where that is known; in seconds, where seconds are asked for."""
    asks_seconds = training.batch_seconds is not None or training.micro_batch_seconds is not None
    if asks_seconds and not getattr(items, "hears", True):
        return None
    return getattr(items, "lengths", None)


def _peak(training: TrainingSpec, accelerator: Accelerator) -> float | None:
    """What all processes together can do at most, in 10¹² operations a second, where asked."""
    if training.peak_tflops != "measured":
        asked = training.peak_tflops
        return None if asked is None else float(asked) * accelerator.num_processes
    kinds = {"bf16": torch.bfloat16, "fp16": torch.float16, "float64": torch.float64}
    dtype = kinds.get(training.precision, torch.float32)
    rng = capture_rng(accelerator.device)
    peak = measured_tflops(accelerator.device, dtype)
    restore_rng(rng, accelerator.device)
    return float(peak * accelerator.num_processes)
