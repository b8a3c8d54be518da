"""An exported model against torch, clip by clip on one thread, in base-size shapes."""

import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from transformers import HubertConfig, PreTrainedConfig, RobertaConfig

from benchmarks.measurement import Goal, Row, compare
from crosstone.data.batch import Item
from crosstone.data.text import train_tokenizer
from crosstone.inference.export import export_onnx
from crosstone.inference.export.runner import Runner
from crosstone.inference.predictor import Predictor
from crosstone.models import BaselineConfig, BaselineModel, CMTConfig, CMTModel, HeadSpec
from crosstone.models.task import build_task

LABELS = ("angry", "happy", "neutral", "sad")
GOALS = {
    ("text", False): 1.5,
    ("text", True): 3.0,
    ("audio", True): 1.3,
    ("pair", True): 1.4,
}
"""How many times faster than torch each is to be, by what it takes and whether it is int8."""


@dataclass(frozen=True, kw_only=True)
class Shape:
    """HuBERT base and RoBERTa base, and the clip they are asked about."""

    width: int = 768
    layers: int = 12
    channels: int = 512
    vocabulary: int = 50_265
    seconds: float = 4.0
    tokens: int = 32


QUICK = Shape(width=64, layers=1, channels=32, vocabulary=500, seconds=1.0)


def audio_config(shape: Shape) -> PreTrainedConfig:
    """HuBERT base, or smaller in the same manner."""
    return HubertConfig(
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=max(4, shape.width // 64),
        intermediate_size=4 * shape.width,
        conv_dim=(shape.channels,) * 7,
    )


def text_config(shape: Shape) -> PreTrainedConfig:
    """RoBERTa base, or smaller in the same manner."""
    return RobertaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=max(4, shape.width // 64),
        intermediate_size=4 * shape.width,
        max_position_embeddings=514,
        type_vocab_size=1,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
    )


def make_predictor(kind: str, shape: Shape) -> Predictor:
    """The text encoder, the audio encoder, or CMT base over the pair, with random weights."""
    torch.manual_seed(0)
    configs: dict[str, Any] = {}
    if kind != "text":
        configs["audio_config"] = audio_config(shape)
    if kind != "audio":
        configs["text_config"] = text_config(shape)
    backbone: Any = (
        CMTModel(CMTConfig(**configs))
        if kind == "pair"
        else BaselineModel(BaselineConfig(**configs))
    )
    heard = ["audio+text" if kind == "pair" else kind]
    model = build_task(
        backbone, {"emotion": HeadSpec(kind="classification", labels=LABELS)}, heard=heard
    )
    return Predictor(model.eval(), train_tokenizer(["come in, the door is open"] * 4, 300))


def make_clip(kind: str, shape: Shape) -> Item:
    """Noise and tokens, as far as it takes them."""
    rng = np.random.default_rng(0)
    audio = rng.normal(0, 0.1, round(shape.seconds * 16_000)).astype(np.float32)
    text = np.r_[0, rng.integers(5, shape.vocabulary, shape.tokens - 2), 2]
    return Item(
        id=kind, audio=None if kind == "text" else audio, text=None if kind == "audio" else text
    )


def check_equal(predictor: Predictor, runner: Runner, clip: Item, most: float) -> None:
    """Raises ValueError where the probabilities differ by more than `most`."""
    ours = runner.answers([(clip.audio, clip.text)])[0]["probabilities"]
    theirs = next(predictor.answers([clip])).probabilities or {}
    gap = max(abs(ours[label] - theirs[label]) for label in LABELS)
    if not gap <= most:
        raise ValueError(f"exported: expected equal probabilities, found them {gap} apart")


def rows_of(kind: str, shape: Shape, folder: Path, repeats: int) -> list[Row]:
    """Both graphs of one kind against torch."""
    predictor, clip = make_predictor(kind, shape), make_clip(kind, shape)
    done = export_onnx(predictor, folder / kind, clips=[clip], int8=True)
    rows = []
    for int8 in (False, True):
        runner = Runner(done.folder, int8=int8, threads=1)
        check_equal(predictor, runner, clip, 0.2 if int8 else 1e-3)
        compared = compare(
            partial(runner.answers, [(clip.audio, clip.text)]),
            lambda: list(predictor.answers([clip])),
            repeats=repeats,
        )
        goal = GOALS.get((kind, int8))
        rows.append(
            Row(
                bench="exported",
                what=f"seconds a clip, {kind}, {'int8' if int8 else 'fp32'}",
                ours=median(compared.ours),
                against=median(compared.against),
                ratio=compared.ratio,
                spread=compared.spread,
                processor=compared.processor_ratio,
                goal=None if goal is None else Goal(value=goal),
            )
        )
    return rows


def run(*, quick: bool = False) -> list[Row]:
    """Seconds a clip of each kind."""
    shape, threads = QUICK if quick else Shape(), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with tempfile.TemporaryDirectory() as folder:
            return [
                row
                for kind in ("text", "audio", "pair")
                for row in rows_of(kind, shape, Path(folder), 3 if quick else 9)
            ]
    finally:
        torch.set_num_threads(threads)
