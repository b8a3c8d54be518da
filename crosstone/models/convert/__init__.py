"""Weights that others released, in our form: one table of names for each source."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crosstone.config import apply_overrides, build
from crosstone.errors import ConfigError
from crosstone.models.convert.bert_kmeans import BertKmeansOptions, convert_bert_kmeans
from crosstone.models.convert.ctal import CTALOptions, convert_ctal
from crosstone.models.convert.hubert_head import HubertHeadOptions, convert_hubert_head
from crosstone.models.convert.imported import Companions, Imported
from crosstone.models.convert.jbls import JBLSOptions, convert_jbls
from crosstone.models.convert.mult import MulTOptions, convert_mult
from crosstone.models.convert.reading import ForeignFile, read_foreign
from crosstone.models.convert.vq_wav2vec import VQWav2VecOptions, convert_vq_wav2vec


@dataclass(frozen=True)
class Source:
    """One kind of foreign file."""

    convert: Callable[[ForeignFile, Any, Companions], Imported]
    options: type[Any]
    """What a person may say of it, as key=value."""

    beside: tuple[str, ...] = ()
    """What may be given with it: dictionary, tokenizer."""


SOURCES: Mapping[str, Source] = {
    "ctal": Source(convert_ctal, CTALOptions, ("tokenizer",)),
    "vq-wav2vec": Source(convert_vq_wav2vec, VQWav2VecOptions),
    "bert-kmeans": Source(convert_bert_kmeans, BertKmeansOptions, ("dictionary", "tokenizer")),
    "hubert-head": Source(convert_hubert_head, HubertHeadOptions, ("dictionary",)),
    "mult": Source(convert_mult, MulTOptions),
    "jbls": Source(convert_jbls, JBLSOptions),
}
"""By the name that `crosstone import` takes."""


def convert(
    source: str,
    path: Path,
    overrides: Sequence[str] = (),
    *,
    dictionary: Path | None = None,
    tokenizer: Path | str | None = None,
) -> tuple[Imported, ForeignFile]:
    """A foreign file in our form, and the file as it was read; nothing in it is run.

    overrides: `key=value` of the source's options. Raises ConfigError where what is asked does not
    go with the source, CheckpointError where the file cannot be used.
    """
    if source not in SOURCES:
        raise ConfigError(f"import: expected one of {', '.join(SOURCES)}, found '{source}'")
    kind = SOURCES[source]
    given = {
        name for name, value in (("dictionary", dictionary), ("tokenizer", tokenizer)) if value
    }
    surplus = sorted(given - {*kind.beside})
    if surplus:
        raise ConfigError(f"import {source}: takes no --{' and no --'.join(surplus)}")
    if dictionary is not None and not dictionary.is_file():
        raise ConfigError(f"{dictionary}: no such dictionary; it lies beside the checkpoint")
    options = build(kind.options, apply_overrides({}, overrides), f"import {source}")
    file = read_foreign(path)
    beside = Companions(dictionary=dictionary, tokenizer=tokenizer)
    return kind.convert(file, options, beside), file


__all__ = ["SOURCES", "Companions", "ForeignFile", "Imported", "Source", "convert"]
