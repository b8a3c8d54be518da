"""The grounds that a study can stand on: which recipe trains which system there, from what."""

from collections.abc import Mapping
from pathlib import Path

from crosstone.data.corpus import Corpus
from crosstone.errors import ConfigError
from crosstone.studies.grounds.base import Ground
from crosstone.studies.grounds.paper import PAPER, PROTOCOLS, Paper
from crosstone.studies.grounds.several import Several
from crosstone.studies.grounds.table import Table
from crosstone.studies.grounds.twokey import Twokey

__all__ = ["PAPER", "Ground", "Paper", "Several", "Table", "Twokey", "ground_of"]

OPTIONS: Mapping[str, str] = {
    "corpora": "two or more prepared corpora, a comma between them, for study transfer",
    "unlabelled": "a prepared corpus for the stages that need no labels",
    "codebook": "file that crosstone codebook wrote, for a paper's own corpus",
    "target": "the label that is predicted, by default emotion",
    "unit": "what no fold may split: group or speaker",
    "folds": "how many",
}
"""What can be said of a ground besides its corpus."""


def ground_of(corpus: str | None = None, *, quick: bool = False, **options: str) -> Ground:
    """The ground of a corpus that a person named; by default `twokey`, made on the spot.

    options: of OPTIONS. iemocap, mosei, mosi and librispeech are trained by their papers' recipes,
    twokey by its own, any other by small ones. Raises ConfigError for an option that this ground
    has no use for.
    """
    if "corpora" in options:
        if corpus is not None:
            raise ConfigError("study: expected corpus= or corpora=, found both; leave one out")
        folders = tuple(Path(name.strip()) for name in options.pop("corpora").split(","))
        _refuse_unused("several corpora", options, ())
        return Several.of(folders, quick=quick)
    if corpus is None or corpus == "twokey":
        _refuse_unused("twokey", options, ())
        return Twokey(quick=quick)
    path = Path(corpus)
    name = Corpus.open(path).name
    if name == "twokey":
        _refuse_unused(name, options, ())
        return Twokey(quick=quick, path=_of_the_demo(path))
    if name in PROTOCOLS and not {"target", "unit", "folds"} & set(options):
        _refuse_unused(name, options, ("unlabelled", "codebook"))
        heard, codes = (
            Path(options[key]) if key in options else None for key in ("unlabelled", "codebook")
        )
        return Paper(name, path, quick=quick, unlabelled=heard, codebook=codes)
    _refuse_unused(name, options, ("unlabelled", "target", "unit", "folds"))
    unlabelled, unit, folds = (options.get(key) for key in ("unlabelled", "unit", "folds"))
    return Table(
        quick=quick,
        path=path,
        name=name,
        unlabelled=None if unlabelled is None else Path(unlabelled),
        target=options.get("target", "emotion"),
        unit=unit,
        folds=None if folds is None else _count(folds),
    )


def _of_the_demo(path: Path) -> Path:
    """A prepared twokey of the demo's law; ConfigError for another, which the claims are not of."""
    law = Corpus.open(path).extras.get("law")
    if law != "interplay":
        raise ConfigError(
            f"study: expected a twokey under interplay in {path}, found {law}; leave corpus= out, "
            "and what a study needs is made"
        )
    return path


def _count(folds: str) -> int:
    if not folds.isdigit():
        raise ConfigError(f"study: folds expects a number, found '{folds}'")
    return int(folds)


def _refuse_unused(ground: str, options: Mapping[str, str], used: tuple[str, ...]) -> None:
    if strange := sorted(set(options) - set(used)):
        known = ", ".join(used) or "no option"
        raise ConfigError(f"study: of {ground} expected {known}, found {', '.join(strange)}")
