"""The grounds that a study can stand on: which recipe trains which system there, from what."""

from pathlib import Path

from crosstone.data.corpus import Corpus
from crosstone.errors import ConfigError
from crosstone.studies.grounds.base import Ground
from crosstone.studies.grounds.twokey import Twokey

__all__ = ["Ground", "Twokey", "ground_of"]


def ground_of(corpus: str | None, *, quick: bool = False) -> Ground:
    """The ground of a corpus that a person named; by default `twokey`, made on the spot."""
    if corpus is None or corpus == "twokey":
        return Twokey(quick=quick)
    found = Corpus.open(Path(corpus))
    if found.name == "twokey":
        return Twokey(quick=quick, path=Path(corpus))
    raise ConfigError(f"study: no recipes for a corpus named '{found.name}'")
