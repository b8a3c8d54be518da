"""The corpora that can be prepared, by name; each is imported when it is asked for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from crosstone.data.corpus import Corpus


def _table(root: Path, out: Path, **options: Any) -> Corpus:
    """Your own CSV or JSONL file with the columns audio, text and labels."""
    from crosstone.data.corpora.table import prepare

    return prepare(root, out, **options)


def _ravdess(root: Path, out: Path, **options: Any) -> Corpus:
    """RAVDESS speech: 24 actors, two sentences, eight emotions (Livingstone & Russo 2018)."""
    from crosstone.data.corpora.ravdess import prepare

    return prepare(root, out, **options)


def _twokey(root: Path, out: Path, **options: Any) -> Corpus:
    """The embedded corpus, synthesised on the spot: words and delivery decide the emotion."""
    from crosstone.data.corpora.twokey import prepare

    return prepare(root, out, **options)


CORPORA: dict[str, Callable[..., Corpus]] = {
    "table": _table,
    "ravdess": _ravdess,
    "twokey": _twokey,
}
"""Name → prepare(root, out, **options) -> Corpus; the docstring says what the corpus is."""
