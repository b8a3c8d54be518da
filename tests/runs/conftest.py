"""A corpus of noise and words, written in a moment, and recipes small enough to finish in one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from transformers import HubertConfig, HubertModel, RobertaConfig, RobertaModel

from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.data.text import train_tokenizer


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


@pytest.fixture
def encoders(tmp_path: Path) -> Path:
    """A group-norm HuBERT, which must run unpadded, and a RoBERTa, in folders."""
    torch.manual_seed(0)
    HubertModel(
        HubertConfig(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=48,
            conv_dim=(8,) * 7,
            num_conv_pos_embeddings=8,
            num_conv_pos_embedding_groups=2,
        )
    ).save_pretrained(tmp_path / "hubert")
    tokenizer = train_tokenizer(["a good day", "a bad night"] * 20, 280)
    tokenizer.save_pretrained(tmp_path / "roberta")
    RobertaModel(
        RobertaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=48,
            max_position_embeddings=40,
            pad_token_id=1,
            initializer_range=0.2,
        )
    ).save_pretrained(tmp_path / "roberta")
    return tmp_path
