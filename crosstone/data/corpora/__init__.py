"""The corpora that can be prepared, by name; each is imported when it is asked for."""

import inspect
from collections.abc import Callable
from importlib import import_module
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


def _mosei(root: Path, out: Path, **options: Any) -> Corpus:
    """CMU-MOSEI: sentiment and six emotions in 23,259 video segments (Zadeh et al. 2018)."""
    from crosstone.data.corpora.mosei import prepare

    return prepare(root, out, **options)


def _mosi(root: Path, out: Path, **options: Any) -> Corpus:
    """CMU-MOSI: sentiment in 2,199 video segments about films (Zadeh et al. 2016)."""
    from crosstone.data.corpora.mosi import prepare

    return prepare(root, out, **options)


def _lhotse(root: Path, out: Path, **options: Any) -> Corpus:
    """A Lhotse cut set: a JSONL file of cuts with their recordings and supervisions."""
    from crosstone.data.corpora.lhotse import prepare

    return prepare(root, out, **options)


def _iemocap(root: Path, out: Path, **options: Any) -> Corpus:
    """IEMOCAP: 10,039 turns of ten actors in five sessions, with votes (Busso et al. 2008)."""
    from crosstone.data.corpora.iemocap import prepare

    return prepare(root, out, **options)


def _librispeech(root: Path, out: Path, **options: Any) -> Corpus:
    """LibriSpeech: any of its subsets, with verification trials (Panayotov et al. 2015)."""
    from crosstone.data.corpora.librispeech import prepare

    return prepare(root, out, **options)


def _meld(root: Path, out: Path, **options: Any) -> Corpus:
    """MELD: 13,708 utterances of Friends, seven emotions (Poria et al. 2019)."""
    from crosstone.data.corpora.meld import prepare

    return prepare(root, out, **options)


def _emodb(root: Path, out: Path, **options: Any) -> Corpus:
    """EmoDB: ten German sentences by ten actors in seven emotions (Burkhardt et al. 2005)."""
    from crosstone.data.corpora.emodb import prepare

    return prepare(root, out, **options)


def _cremad(root: Path, out: Path, **options: Any) -> Corpus:
    """CREMA-D: 7,442 clips of 91 actors, with the votes of a crowd (Cao et al. 2014)."""
    from crosstone.data.corpora.cremad import prepare

    return prepare(root, out, **options)


def _twokey(root: Path, out: Path, **options: Any) -> Corpus:
    """The embedded corpus, synthesised on the spot: words and delivery decide the emotion."""
    from crosstone.data.corpora.twokey import prepare

    return prepare(root, out, **options)


CORPORA: dict[str, Callable[..., Corpus]] = {
    "table": _table,
    "ravdess": _ravdess,
    "mosei": _mosei,
    "mosi": _mosi,
    "lhotse": _lhotse,
    "iemocap": _iemocap,
    "librispeech": _librispeech,
    "meld": _meld,
    "emodb": _emodb,
    "cremad": _cremad,
    "twokey": _twokey,
}
"""Name → prepare(root, out, **options) -> Corpus; the docstring says what the corpus is."""


def options_of(name: str) -> tuple[str, ...]:
    """What a corpus may be asked for: the keyword arguments of its prepare."""
    prepare = import_module(f"{__name__}.{name}").prepare
    return tuple(sorted({*inspect.signature(prepare).parameters} - {"root", "out", "progress"}))
