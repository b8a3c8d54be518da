"""Calls of two moods with known boundaries, and a model that hears which is which."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from transformers import HubertConfig

from crosstone.data.batch import Item, collate
from crosstone.models import BaselineConfig, BaselineModel, HeadSpec
from crosstone.models.task import TaskModel, build_task

RATE = 16_000
MOODS = ("calm", "tense")
QUIET = 3e-4
"""Of the noise in pauses."""


@dataclass(frozen=True)
class Turn:
    """A stretch of speech in a call, in seconds."""

    start: float
    end: float
    mood: str


def syllables(mood: str, seconds: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Four swells a second, calm of a low voice with overtones, tense of a hiss."""
    time = np.arange(round(seconds * RATE)) / RATE
    pitch = 130 * rng.uniform(0.9, 1.1)
    voice = sum(np.sin(2 * np.pi * pitch * k * time + k) / k for k in range(1, 9))
    breath = rng.normal(0, 1.0 if mood == "tense" else 0.02, len(time))
    swell = 0.25 + np.abs(np.sin(np.pi * 4 * time))
    return (0.12 * swell * (breath if mood == "tense" else voice + breath)).astype(np.float32)


def join_turns(
    path: Path,
    moods: list[str],
    *,
    seconds: tuple[float, float] = (1.5, 3.5),
    pause: tuple[float, float] = (0.6, 1.2),
    seed: int = 0,
) -> list[Turn]:
    """Write a call in which the moods follow each other after pauses with a little noise."""
    rng = np.random.default_rng(seed)
    turns, at = [], 0
    with soundfile.SoundFile(path, "w", RATE, 1) as file:
        for mood in moods:
            quiet = rng.normal(0, 3e-4, round(RATE * rng.uniform(*pause)))
            said = syllables(mood, rng.uniform(*seconds), rng)
            file.write(quiet)
            file.write(said)
            begin = at + len(quiet)
            at = begin + len(said)
            turns.append(Turn(begin / RATE, at / RATE, mood))
        file.write(rng.normal(0, QUIET, RATE))
    return turns


def mood_listener() -> TaskModel:
    """A small listener to the waveform, whose head was fitted to the two moods."""
    torch.manual_seed(0)
    config = HubertConfig(
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        conv_dim=(16,) * 7,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
    )
    heads = {"mood": HeadSpec(kind="classification", labels=MOODS)}
    model = build_task(BaselineModel(BaselineConfig(audio_config=config)), heads, heard=["audio"])
    rng = np.random.default_rng(1)
    named = [(mood, i) for i in range(30) for mood in MOODS]
    items = []
    for mood, i in named:
        quiet = rng.normal(0, QUIET, (2, RATE * (i % 3) // 4)).astype(np.float32)
        voice = syllables(mood, rng.uniform(0.5, 1.5), rng)
        items.append(Item(f"{mood}{i}", np.concatenate([quiet[0], voice, quiet[1]]), None))
    with torch.inference_mode():
        pooled = model.eval()(**collate(items).inputs()).backbone.pooled.numpy()
    fitted = LogisticRegression(C=100, max_iter=1000).fit(pooled, [mood for mood, _ in named])
    side, bias = torch.tensor(fitted.coef_[0]).float(), torch.tensor(fitted.intercept_).float()
    head = model.heads["mood"]
    head.weight.data, head.bias.data = torch.stack([0 * side, side]), torch.cat([0 * bias, bias])
    return model
