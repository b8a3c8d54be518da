"""Tiny models, batches and files that many tests share; everything is made on the spot."""

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from transformers import RobertaConfig

sys.path.insert(0, str(Path(__file__).parent))  # for calls, the module beside this one

from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.models import CMTConfig, CMTModel
from crosstone.nn.logmel import LogMelConfig

Rows = Sequence[tuple[float, float, Any]]
WriteCsd = Callable[..., Path]


@pytest.fixture(autouse=True, scope="session")
def _two_threads() -> None:
    """At most: on a busy machine OMP_NUM_THREADS=1 is many times faster on models this small."""
    torch.set_num_threads(min(2, torch.get_num_threads()))


def audio_config(**fields: Any) -> LogMelConfig:
    return LogMelConfig(
        **{"hidden_size": 32, "intermediate_size": 64, "hidden_dropout": 0.0, **fields}
    )


def text_config(width: int = 32, vocab_size: int = 60) -> RobertaConfig:
    return RobertaConfig(
        vocab_size=vocab_size,
        hidden_size=width,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=40,
        type_vocab_size=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


@pytest.fixture
def tiny_configs() -> dict[str, Any]:
    """audio_config and text_config of two tiny encoders of equal width."""
    return {"audio_config": audio_config(), "text_config": text_config()}


@pytest.fixture
def make_cmt() -> Callable[..., CMTModel]:
    """A tiny CMT, in eval mode and without dropout; `width` is that of the text."""

    def make(width: int = 32, **fields: Any) -> CMTModel:
        torch.manual_seed(0)
        config = CMTConfig(
            audio_config=audio_config(),
            text_config=text_config(width),
            **{"initializer_range": 0.2, "dropout": 0.0, "attention_dropout": 0.0, **fields},
        )
        return CMTModel(config).eval()

    return make


@pytest.fixture
def cmt_inputs() -> Callable[[], dict[str, torch.Tensor]]:
    """Two items: 9000 and 5000 samples, 7 and 4 tokens."""

    def make() -> dict[str, torch.Tensor]:
        torch.manual_seed(1)
        audio_mask = torch.arange(9000) < torch.tensor([[9000], [5000]])
        return {
            "audio": torch.randn(2, 9000) * audio_mask,
            "audio_mask": audio_mask,
            "text": torch.randint(5, 60, (2, 7)),
            "text_mask": torch.arange(7) < torch.tensor([[7], [4]]),
        }

    return make


@pytest.fixture(scope="session")
def write_csd() -> WriteCsd:
    """`write_csd(path, {video: [(start, end, features), …]}, root=…)` as the SDK writes them."""
    h5py = pytest.importorskip("h5py")

    def write(
        path: Path,
        videos: Mapping[str, Rows],
        root: str = "All Labels",
        metadata: Mapping[str, bytes] | None = None,
        dtype: Any = np.float32,
    ) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            for key, value in (metadata or {}).items():
                # a string of any length in an array of one, as h5py stores json.dumps
                file.create_dataset(
                    f"{root}/metadata/{key}", (1,), h5py.string_dtype(), data=[value]
                )
            file.require_group(f"{root}/data")
            for video, rows in videos.items():
                features = np.array([row[2] for row in rows], dtype=dtype).reshape(len(rows), -1)
                intervals = np.array([row[:2] for row in rows], np.float64)
                file[f"{root}/data"].create_group(video)
                file[f"{root}/data/{video}/features"] = features
                file[f"{root}/data/{video}/intervals"] = intervals
        return path

    return write


@pytest.fixture
def noise_corpus(tmp_path: Path) -> Callable[..., Path]:
    """`noise_corpus(n)` writes n utterances of four speakers; pitch and words tell the label."""

    def write(count: int = 24, name: str = "noise", seed: int = 0) -> Path:
        rng = np.random.default_rng(seed)
        folder = tmp_path / name
        (folder / "audio").mkdir(parents=True)
        utterances = []
        for i in range(count):
            label = i % 2
            seconds = 0.4 + 0.02 * (i % 5)
            time = np.arange(int(16_000 * seconds)) / 16_000
            wave = 0.3 * np.sin(2 * np.pi * (200 + 400 * label) * time)
            wave += rng.normal(0, 0.02, len(time))
            soundfile.write(folder / "audio" / f"{i}.wav", wave, 16_000)
            utterances.append(
                Utterance(
                    id=f"u{i:03d}",
                    audio=f"audio/{i}.wav",
                    duration=seconds,
                    text=("a good day " if label else "a bad night ") * (1 + i % 3),
                    speaker=f"s{i // 2 % 4}",
                    group=f"g{i // 2 % 4}",
                    labels={"emotion": ("sad", "glad")[label], "score": float(label)},
                )
            )
        source = Source(url="", version="", licence="", citation="")
        Corpus.write(folder, name=name, root=folder, source=source, utterances=utterances)
        return folder

    return write
