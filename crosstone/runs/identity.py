"""What a run was begun with: its data, its start and its codewords, so that it goes on with it."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from crosstone.data.codebook import Codebook
from crosstone.data.corpora.lhotse.shards import Shar
from crosstone.data.corpus import Corpus
from crosstone.errors import ConfigError
from crosstone.protocols import Fold
from crosstone.runs.recipe import Recipe

IDENTITY = "identity.json"
"""File of a run: hashes of what it was begun with."""


def identity_of(
    recipe: Recipe, corpus: Corpus | Shar, fold: Fold | None, init: Path | None
) -> dict[str, str | None]:
    """Hashes of the sides of a run, of the weights it starts from and of its codebook."""
    sides = {"training side": corpus.hash}
    if fold is not None and isinstance(corpus, Corpus):
        sides = {
            f"{said} side": corpus.select(rows).hash
            for said, rows in (
                ("training", fold.train),
                ("validation", fold.valid),
                ("test", fold.test),
            )
        }
    masked = recipe.objectives.masked_audio
    return {
        **sides,
        "model.init": _hash_of(init / "model.safetensors") if init is not None else None,
        "codebook": Codebook.load(masked.codebook).hash if masked is not None else None,
    }


def refuse_other(folder: Path, identity: Mapping[str, str | None]) -> None:
    """Raises ConfigError where a run in a folder began with something else; one without such a
    record is taken as it is."""
    path = folder / IDENTITY
    if not path.is_file():
        return
    begun = json.loads(path.read_text(encoding="utf-8"))
    differ = [name for name in identity if identity[name] != begun.get(name)]
    if differ:
        raise ConfigError(
            f"{folder}: began with another {', '.join(differ)} than stands there now (hashes in "
            f"{IDENTITY}), and one run set must not mix both; restore what it began with, or "
            "choose another folder"
        )


def _hash_of(path: Path) -> str | None:
    if not path.is_file():
        return None
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()[:16]
