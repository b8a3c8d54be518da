"""Corpora of rows: a few columns, no recordings."""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from crosstone.data.corpus import Corpus, Source, Utterance

Made = Callable[..., Corpus]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """`made(rows, name)` writes a corpus; a row holds fields of an utterance."""

    def write(rows: Iterable[dict[str, Any]], name: str = "made") -> Corpus:
        utterances = (Utterance(**{"id": f"u{i}", "text": "hi", **r}) for i, r in enumerate(rows))
        folder = tmp_path / name
        return Corpus.write(folder, name=name, root=folder, source=Source(), utterances=utterances)

    return write


IEMOCAP_SESSIONS = {
    "Session1": {"neu": 384, "ang": 229, "sad": 194, "hap": 135, "exc": 143, "fru": 280},
    "Session2": {"neu": 362, "ang": 137, "sad": 197, "hap": 117, "exc": 210, "fru": 325},
    "Session3": {"neu": 320, "ang": 240, "sad": 305, "hap": 135, "exc": 151, "fru": 382},
    "Session4": {"neu": 258, "ang": 327, "sad": 143, "hap": 65, "exc": 238, "fru": 481},
    "Session5": {"neu": 384, "ang": 170, "sad": 245, "hap": 143, "exc": 299, "fru": 381},
}
"""A release of the true sizes: classes by session; frustration only adds up to its total."""


@pytest.fixture
def iemocap(made: Made) -> Corpus:
    """As many utterances of each class and session as the release has, and some in no class."""
    rows = []
    for session, table in IEMOCAP_SESSIONS.items():
        for label, count in {**table, "xxx": 20}.items():
            for i in range(count):
                speaker = f"{session.replace('Session', 'Ses0')}{'FM'[i % 2]}"
                rows.append({"group": session, "speaker": speaker, "labels": {"emotion": label}})
    return made(rows, "iemocap")
