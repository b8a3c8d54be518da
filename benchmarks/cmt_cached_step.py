"""One pretraining step of CMT base on cached states against encoders that run in each step."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch
from accelerate import Accelerator
from transformers import HubertConfig, PreTrainedConfig, RobertaConfig

from benchmarks.machine import BareProducts, synchronise
from benchmarks.measurement import Goal, Row, compare, timed
from crosstone.data.batch import Batch
from crosstone.models import CMTConfig, CMTModel, HeadSpec, TaskModel
from crosstone.models.task import build_task
from crosstone.objectives import MaskedAudio, MaskedText, Objectives
from crosstone.sequence import Sequence
from crosstone.training.optim import OptimSpec, build_optimizer
from crosstone.training.step import Stepper

TOLERANCE = 1e-3
"""How far the losses may differ, relatively: states are kept in fp16."""

CODES = 500


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What a step is made of, and the encoders under it: HuBERT large and RoBERTa large."""

    batch: int = 4
    seconds: float = 4.0
    tokens: int = 16
    width: int = 1024
    encoder_layers: int = 24
    channels: int = 512
    vocabulary: int = 50_265


QUICK = Shape(batch=2, seconds=1.0, width=64, encoder_layers=1, channels=32, vocabulary=500)


def audio_config(shape: Shape) -> PreTrainedConfig:
    """HuBERT large, or smaller in the same manner."""
    return HubertConfig(
        hidden_size=shape.width,
        num_hidden_layers=shape.encoder_layers,
        num_attention_heads=max(4, shape.width // 64),
        intermediate_size=4 * shape.width,
        conv_dim=(shape.channels,) * 7,
        conv_bias=True,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        layerdrop=0.0,
    )


def text_config(shape: Shape) -> PreTrainedConfig:
    """RoBERTa large, or smaller in the same manner."""
    return RobertaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        num_hidden_layers=shape.encoder_layers,
        num_attention_heads=max(4, shape.width // 64),
        intermediate_size=4 * shape.width,
        max_position_embeddings=514,
        type_vocab_size=1,
    )


def make_model(shape: Shape, *, dropout: float = 0.1) -> TaskModel:
    """CMT base with both pretraining heads over frozen encoders, all weights random."""
    torch.manual_seed(0)
    config = CMTConfig(
        audio_config=audio_config(shape),
        text_config=text_config(shape),
        freeze_audio="all",
        freeze_text="all",
        normalize_audio=True,
        dropout=dropout,
        attention_dropout=dropout,
    )
    heads = {
        "text_tokens": HeadSpec(kind="tokens"),
        "audio_codes": HeadSpec(kind="codes", num_codes=CODES),
    }
    return build_task(CMTModel(config), heads)


def make_batch(shape: Shape, num_frames: int) -> Batch:
    """Waveforms, tokens and codes out of a generator, nothing padded."""
    rng = torch.Generator().manual_seed(0)
    audio = 0.1 * torch.randn(shape.batch, round(shape.seconds * 16_000), generator=rng)
    text = torch.randint(5, shape.vocabulary, (shape.batch, shape.tokens), generator=rng)
    return Batch(
        ids=tuple(f"utterance-{i}" for i in range(shape.batch)),
        audio=Sequence(audio, torch.ones(audio.shape, dtype=torch.bool)),
        text=Sequence(text, torch.ones(text.shape, dtype=torch.bool)),
        targets={},
        codes=torch.randint(0, CODES, (shape.batch, num_frames), generator=rng),
    )


@torch.inference_mode()
def as_cached(model: TaskModel, batch: Batch) -> Batch:
    """The batch as the cache gives it: states of the frozen encoders in fp16."""
    backbone = model.backbone.eval()
    assert batch.audio is not None
    assert batch.text is not None
    device = backbone.device
    audio = backbone.encode_audio(batch.audio.values.to(device), batch.audio.mask.to(device))
    text = backbone.encode_text(batch.text.values.to(device), batch.text.mask.to(device))
    model.train()
    return Batch(
        ids=batch.ids,
        audio=Sequence(audio.values.half().cpu().clone(), audio.mask.cpu().clone()),
        text=batch.text,
        text_states=Sequence(text.values.half().cpu().clone(), text.mask.cpu().clone()),
        targets={},
        codes=batch.codes,
    )


def make_stepper(model: TaskModel, accelerator: Accelerator, *, cached: bool) -> Stepper:
    """Steps of that model as training takes them."""
    config, tower = model.backbone.config.text_config, model.backbone.audio_encoder
    assert tower is not None
    tokens = MaskedText(
        head="text_tokens",
        level="outputs",
        vocab_size=config.vocab_size,
        special_ids=frozenset(range(5)),
    )

    def frames(lengths: torch.Tensor) -> torch.Tensor:
        return lengths if cached else tower.num_frames(lengths)

    codes = MaskedAudio(head="audio_codes", num_frames=frames)
    spec = OptimSpec(lr=1e-4, clip=1.0)
    prepared, optimizer = accelerator.prepare(model, build_optimizer(model, spec))
    prepared.train()
    return Stepper(
        accelerator, prepared, optimizer, Objectives([tokens, codes]), seed=0, clip=spec.clip
    )


def make_sides(
    shape: Shape, *, dropout: float = 0.1, shared: bool = True
) -> tuple[Callable[[], float], Callable[[], float]]:
    """A step on cached states and one that runs the encoders, of the same batch.

    shared: whether they train the same model, of which a machine may hold one alone, or two that
    begin alike.
    """
    accelerator = Accelerator()
    model = make_model(shape, dropout=dropout).to(accelerator.device)
    assert model.backbone.audio_encoder is not None
    frames = int(model.backbone.audio_encoder.num_frames(round(shape.seconds * 16_000)))
    batch = make_batch(shape, frames)
    other = model if shared else copy.deepcopy(model)

    def step_of(trained: TaskModel, *, cached: bool) -> Callable[[], float]:
        given = as_cached(trained, batch) if cached else batch
        stepper = make_stepper(trained, accelerator, cached=cached)

        def step() -> float:
            loss = stepper.take([(given, True)], epoch=1, number=1).loss
            synchronise()
            return loss

        return step

    return step_of(model, cached=True), step_of(other, cached=False)


def check_equal(shape: Shape, *, steps: int = 2) -> list[tuple[float, float]]:
    """The losses of both sides over some steps without dropout.

    Raises ValueError where they differ by more than TOLERANCE.
    """
    cached, whole = make_sides(shape, dropout=0.0, shared=False)
    losses = [(cached(), whole()) for _ in range(steps)]
    for own, theirs in losses:
        if not abs(own - theirs) <= TOLERANCE * abs(theirs):
            raise ValueError(f"cmt_cached_step: expected equal losses, found {own} and {theirs}")
    return losses


def run(*, quick: bool = False) -> list[Row]:
    """How many times faster; on a GPU also what share of its matrix throughput."""
    shape = QUICK if quick else Shape()
    check_equal(QUICK)
    cached, whole = make_sides(shape)
    compared = compare(cached, whole, repeats=2 if quick else 5)
    setup = (
        f"HuBERT large and RoBERTa large, {shape.batch} × {shape.seconds:g} s and {shape.tokens} "
        "tokens, fp32"
    )
    rows = [
        Row(
            bench="cmt_cached_step",
            what="seconds a step",
            ours=median(compared.ours),
            against=median(compared.against),
            ratio=compared.ratio,
            spread=compared.spread,
            processor=compared.processor_ratio,
            goal=Goal(value=4.0),
            notes=("not the true shapes" if quick else setup,),
        )
    ]
    if torch.cuda.is_available():
        del cached, whole
        rows.append(on_gpu(quick=quick))
    return rows


def on_gpu(*, quick: bool) -> Row:
    """Steps of 256 utterances of 12 s on cached states in bf16, as a share of bare products."""
    accelerator = Accelerator(mixed_precision="bf16")
    shape = QUICK if quick else Shape(batch=64, seconds=12.0, tokens=48, encoder_layers=1)
    model = make_model(shape).to(accelerator.device)
    assert model.backbone.audio_encoder is not None
    frames = int(model.backbone.audio_encoder.num_frames(round(shape.seconds * 16_000)))
    batch = as_cached(model, make_batch(shape, frames))
    stepper = make_stepper(model, accelerator, cached=True)
    micro_batches = [(batch, True)] * (1 if quick else 4)

    def step() -> None:
        stepper.take(micro_batches, epoch=1, number=1)
        synchronise()

    counted = stepper.take(micro_batches, epoch=1, number=1, count_flops=True).flops or 0.0
    step()
    seconds = median(timed(step) for _ in range(2 if quick else 10))
    places, width = shape.batch * frames, shape.width
    layers = [(places, width, width), (places, width, 4 * width), (places, 4 * width, width)]
    rate = BareProducts(layers, device=accelerator.device, dtype=torch.bfloat16).rate(20)
    reached = counted / seconds / 1e9
    hours = 100_000 * seconds / 3600
    return Row(
        bench="cmt_cached_step",
        what="GFLOP/s in bf16, of bare products",
        ours=reached,
        against=rate,
        ratio=reached / rate,
        goal=Goal(value=0.45),
        notes=(
            f"{shape.batch * len(micro_batches)} × {shape.seconds:g} s in {seconds:.2f} s; "
            f"100,000 such steps take {hours:.0f} hours",
        ),
    )
