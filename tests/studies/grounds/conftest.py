"""Corpora in the prepared format that hold names, labels and words, and no recordings."""

from collections.abc import Callable
from pathlib import Path

import pytest

from crosstone.data.corpus import Corpus, Source, Utterance

WriteCorpus = Callable[..., Path]


@pytest.fixture
def write_corpus(tmp_path: Path) -> WriteCorpus:
    """`write_corpus(name, label=…, values=…, **extras)`: eight utterances of four speakers."""

    def write(
        name: str,
        label: str = "emotion",
        values: tuple[str | float, ...] = ("angry", "sad"),
        texts: int = 8,
        **extras: str,
    ) -> Path:
        folder = tmp_path / name
        utterances = [
            Utterance(
                id=f"u{i}",
                audio=f"{i}.wav",
                duration=1.0,
                text=f"sentence {i // len(values) % texts}",
                speaker=f"s{i // 2}",
                group=f"g{i // 2}",
                split=("train", "valid", "test", "train")[i // 2],
                labels={label: values[i % len(values)]} if label else {},
            )
            for i in range(8)
        ]
        source = Source(url="", version="", licence="", citation="")
        Corpus.write(
            folder, name=name, root=folder, source=source, utterances=utterances, extras=extras
        )
        return folder

    return write
