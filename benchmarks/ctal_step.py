"""One pretraining step of CTAL base against the same mathematics written plainly."""

from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.machine import BareProducts, synchronise
from benchmarks.measurement import Goal, Row, compare, in_child
from benchmarks.plain_ctal import PlainCTAL, plain_name
from crosstone.data.batch import Batch
from crosstone.models import BUILTIN_TEXT, CTALConfig, CTALModel, HeadSpec, TaskModel
from crosstone.models.task import build_task
from crosstone.objectives import MaskedFrames, MaskedText, Objectives
from crosstone.sequence import Sequence
from crosstone.training.optim import OptimSpec, build_optimizer
from crosstone.training.step import Stepper

TOLERANCE = 1e-5
"""How far the losses of the two sides may differ, relatively, before anything is timed."""

OPTIM = OptimSpec(lr=5e-5, clip=1.0)


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a step is made of."""

    batch: int = 4
    frames: int = 800
    features: int = 160
    tokens: int = 48
    width: int = 768
    layers: int = 3
    heads: int = 12
    vocabulary: int = 30_000

    @property
    def linear_layers(self) -> list[tuple[int, int, int]]:
        """(m, k, n) of the products of an audio block: the four square ones, and the two wide."""
        rows, width = self.batch * self.frames, self.width
        return [(rows, width, width)] * 6 + [(rows, width, 4 * width), (rows, 4 * width, width)]


QUICK = Shape(batch=2, frames=300, tokens=48, width=96, layers=1, heads=4, vocabulary=500)
"""Enough to see that everything runs; no figure of it is worth quoting."""


def make_model(shape: Shape, *, dropout: float = 0.1) -> TaskModel:
    """CTAL with both pretraining heads, fresh weights."""
    torch.manual_seed(0)
    text = BUILTIN_TEXT["roberta-ctal-base"](vocab_size=shape.vocabulary)
    text.hidden_size, text.intermediate_size = shape.width, 4 * shape.width
    text.num_hidden_layers, text.num_attention_heads = shape.layers, shape.heads
    text.hidden_dropout_prob = text.attention_probs_dropout_prob = dropout
    config = CTALConfig(
        audio_features=shape.features,
        text_config=text,
        num_layers=shape.layers,
        num_heads=shape.heads,
        intermediate_size=4 * shape.width,
        max_frames=max(3000, shape.frames),
        dropout=dropout,
        attention_dropout=dropout,
        fusion="none",
        mask_token_id=4,
    )
    heads = {
        "text_tokens": HeadSpec(kind="tokens", style="tied", norm_eps=config.norm_eps),
        "audio_frames": HeadSpec(kind="frames", norm_eps=config.norm_eps),
    }
    return build_task(CTALModel(config), heads)


def make_batch(shape: Shape) -> Batch:
    """Features and tokens out of a generator, nothing padded."""
    rng = torch.Generator().manual_seed(0)
    audio = torch.randn(shape.batch, shape.frames, shape.features, generator=rng)
    text = torch.randint(5, shape.vocabulary, (shape.batch, shape.tokens), generator=rng)
    return Batch(
        ids=tuple(f"utterance-{i}" for i in range(shape.batch)),
        audio=Sequence(audio, torch.ones(audio.shape[:2], dtype=torch.bool)),
        text=Sequence(text, torch.ones(text.shape, dtype=torch.bool)),
        targets={},
    )


def make_objective(shape: Shape) -> Objectives:
    """Masked tokens and masked frames, as the paper weighs them: alike."""
    return Objectives(
        [
            MaskedText(
                head="text_tokens",
                level="inputs",
                vocab_size=shape.vocabulary,
                special_ids=frozenset(range(5)),
            ),
            MaskedFrames(head="audio_frames", num_frames=lambda lengths: lengths),
        ]
    )


class Ours:
    """A step as training takes it."""

    def __init__(self, shape: Shape, *, dropout: float = 0.1) -> None:
        model = make_model(shape, dropout=dropout)
        self.batch, objective = make_batch(shape), make_objective(shape)
        accelerator = Accelerator()
        self.model, optimizer = accelerator.prepare(model, build_optimizer(model, OPTIM))
        self.model.train()
        self.stepper = Stepper(
            accelerator, self.model, optimizer, objective, seed=0, clip=OPTIM.clip
        )

    def step(self) -> float:
        """One step; gives its loss."""
        loss = self.stepper.take([(self.batch, True)], epoch=1, number=1).loss
        synchronise()
        return loss


class Plain:
    """The same step of PlainCTAL, with an optimizer that takes weight after weight."""

    def __init__(self, shape: Shape, *, dropout: float = 0.1) -> None:
        model = make_model(shape, dropout=dropout)
        self.batch, self.objective = make_batch(shape), make_objective(shape)
        names = {id(weight): plain_name(name) for name, weight in model.named_parameters()}
        groups = [
            (group["weight_decay"], [names[id(weight)] for weight in group["params"]])
            for group in build_optimizer(model, OPTIM).param_groups
        ]
        self.device = Accelerator().device
        self.model = PlainCTAL(model).to(self.device).train()
        weights = dict(self.model.named_parameters())
        self.optimizer = torch.optim.AdamW(
            [
                {"params": [weights[name] for name in own], "weight_decay": decay}
                for decay, own in groups
            ],
            lr=OPTIM.lr,
            foreach=False,
            fused=False,
        )

    def step(self) -> float:
        """One step; gives its loss."""
        batch = self.objective.corrupt(self.batch, seed=0, epoch=1).to(self.device)
        loss = torch.stack(self.model(**batch.inputs())).sum()
        self.optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        assert OPTIM.clip is not None
        nn.utils.clip_grad_norm_(self.model.parameters(), OPTIM.clip, foreach=False)
        self.optimizer.step()
        synchronise()
        return float(loss.detach())


def check_equal(shape: Shape, *, steps: int = 2) -> list[tuple[float, float]]:
    """The losses of both sides over some steps without dropout; the second sees the gradients.

    Raises ValueError where they differ by more than TOLERANCE.
    """
    ours, plain = Ours(shape, dropout=0.0), Plain(shape, dropout=0.0)
    losses = [(ours.step(), plain.step()) for _ in range(steps)]
    for own, theirs in losses:
        if not abs(own - theirs) <= TOLERANCE * abs(theirs):
            raise ValueError(f"ctal_step: expected equal losses, found {own} and {theirs}")
    return losses


def count_flops(shape: Shape) -> float:
    """Floating-point operations of a step's matrix products, forward and back, in GFLOP.

    What our step needs, heads at masked places alone, nothing counted twice that is computed twice.
    """
    side = Ours(shape, dropout=0.0)
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        side.step()
    return float(counter.get_total_flops()) / 1e9


def run_alone(side: str, *, quick: bool, steps: int = 3) -> dict[str, Any]:
    """Some steps of one side, for its peak memory (`in_child`)."""
    shape = QUICK if quick else Shape()
    taken = Ours(shape) if side == "ours" else Plain(shape)
    for _ in range(steps):
        taken.step()
    return {"steps": steps}


def run(*, quick: bool = False) -> list[Row]:
    """How much faster, in how much less memory, and how near to bare matrix products."""
    shape = QUICK if quick else Shape()
    peaks = [in_child("ctal_step", "run_alone", side=s, quick=quick) for s in ("ours", "plain")]
    check_equal(shape)
    gflop = count_flops(shape)
    ours, plain, repeats = Ours(shape), Plain(shape), 2 if quick else 7
    compared = compare(ours.step, plain.step, repeats=repeats)
    bare = BareProducts(shape.linear_layers, device=plain.device)
    beside = compare(ours.step, bare.run, repeats=repeats)
    shares = [gflop / bare.gflop * ratio for ratio in beside.ratios]
    memory = (peaks[0]["peak_mib"], peaks[1]["peak_mib"])
    setup = (
        f"batch {shape.batch} × {shape.frames} frames × {shape.features}, {shape.tokens} tokens, "
        "fp32, dropout 0.1"
    )
    return [
        Row(
            bench="ctal_step",
            what="seconds a step",
            ours=median(compared.ours),
            against=median(compared.against),
            ratio=compared.ratio,
            spread=compared.spread,
            processor=compared.processor_ratio,
            goal=Goal(value=1.6),
            notes=(setup,),
        ),
        Row(
            bench="ctal_step",
            what="peak memory, MiB",
            ours=memory[0],
            against=memory[1],
            ratio=memory[0] / memory[1],
            goal=Goal(value=0.6, at_least=False),
            memory=memory,
        ),
        Row(
            bench="ctal_step",
            what="GFLOP/s, of bare products",
            ours=gflop / median(beside.ours),
            against=bare.gflop / median(beside.against),
            ratio=median(shares),
            spread=(min(shares), max(shares)),
            goal=Goal(value=0.75),
            notes=(f"{gflop:.0f} GFLOP a step",),
        ),
    ]
