"""A model of the demo's size: one clip, and a thousand of them."""

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import soundfile
import torch

from benchmarks.measurement import Goal, Row
from crosstone.data.text import train_tokenizer
from crosstone.inference.prediction import Prediction
from crosstone.inference.predictor import Predictor
from crosstone.models import CMTConfig, CMTModel, HeadSpec
from crosstone.models.builtin import BUILTIN_AUDIO, BUILTIN_TEXT
from crosstone.models.task import TaskModel, build_task

SECONDS = 4.0
"""Of a clip."""

LABELS = ("angry", "happy", "neutral", "sad")
WORDS = "I never said that I would come in so late tonight"
TOLERANCE = 1e-4
"""How far the probabilities of a clip alone and beside others may differ."""


def make_model() -> tuple[TaskModel, object]:
    """CMT as the demo fine-tunes it, with random weights, and a tokenizer."""
    torch.manual_seed(0)
    tokenizer = train_tokenizer([WORDS] * 4, 1000)
    config = CMTConfig(
        audio_config=BUILTIN_AUDIO["logmel-mini"](),
        text_config=BUILTIN_TEXT["roberta-mini"](vocab_size=1000),
        num_layers=2,
        num_heads=2,
        intermediate_ratio=2,
    )
    head = HeadSpec(kind="classification", labels=LABELS)
    return build_task(CMTModel(config), {"emotion": head}, heard=["audio+text"]), tokenizer


def make_predictor() -> Predictor:
    """That model, ready to answer."""
    model, tokenizer = make_model()
    return Predictor(model.eval(), tokenizer)


def write_clips(folder: Path, count: int, seconds: float = SECONDS) -> list[Path]:
    """So many recordings of noise that swells, 16 kHz and 16 bits."""
    rng = np.random.default_rng(0)
    time = np.arange(round(seconds * 16_000)) / 16_000
    paths = [folder / f"{i}.wav" for i in range(count)]
    for path in paths:
        swell = 0.05 + 0.1 * np.sin(rng.uniform(2, 6) * time) ** 2
        soundfile.write(path, swell * rng.standard_normal(len(time)).clip(-4, 4), 16_000)
    return paths


def ask_all(predictor: Predictor, paths: list[Path]) -> list[Prediction]:
    """The answers to all, as `crosstone predict` asks."""
    asked = [{"audio": path, "text": WORDS} for path in paths]
    return [found for found in predictor.predict_many(asked) if isinstance(found, Prediction)]


def check_equal(predictor: Predictor, paths: list[Path]) -> None:
    """Raises ValueError where a clip alone has another answer than beside the others."""
    together = ask_all(predictor, paths)
    alone = [predictor.predict(path, text=WORDS) for path in paths]
    if len(together) != len(paths):
        raise ValueError(f"answers: expected {len(paths)}, found {len(together)}")
    for one, other in zip(alone, together, strict=True):
        gap = max(
            abs(one_ - other_) for one_, other_ in zip(*map(_values, (one, other)), strict=True)
        )
        if not gap <= TOLERANCE:
            raise ValueError(f"answers: expected equal probabilities, found them {gap} apart")


def _values(prediction: Prediction) -> list[float]:
    return list((prediction.probabilities or {}).values())


def times_of(work: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Medians of the seconds and of the processor time of a call."""
    seconds, processor = [], []
    for _ in range(repeats):
        began, used = time.perf_counter(), time.process_time()
        work()
        seconds.append(time.perf_counter() - began)
        processor.append(time.process_time() - used)
    return median(seconds), median(processor)


def run(*, quick: bool = False) -> list[Row]:
    """Seconds from a file to its answer, and seconds of sound answered in a second."""
    count = 20 if quick else 1000
    predictor = make_predictor()
    with tempfile.TemporaryDirectory() as folder:
        paths = write_clips(Path(folder), count)
        check_equal(predictor, paths[:8])
        alone = times_of(lambda: predictor.predict(paths[0], text=WORDS), 3 if quick else 50)
        together = times_of(lambda: ask_all(predictor, paths), 2 if quick else 3)
    sound = count * SECONDS
    return [
        Row(
            bench="answers",
            what=f"seconds for a clip of {SECONDS:g} s",
            ours=alone[0],
            goal=Goal(value=0.05, at_least=False),
            notes=(
                "CMT over logmel-mini and roberta-mini: a WAV file and its words to probabilities; "
                f"{alone[1]:.4f} s of processor time",
            ),
        ),
        Row(
            bench="answers",
            what=f"times real time, {count} clips of {SECONDS:g} s",
            ours=sound / together[0],
            goal=Goal(value=50),
            notes=(f"{sound / together[1]:.0f} times in processor time",),
        ),
    ]
