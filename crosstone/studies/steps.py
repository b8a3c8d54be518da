"""The steps of a study: a corpus, a codebook, a run set, a measurement, each in its own folder."""

import dataclasses
import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from crosstone.data.corpora import CORPORA
from crosstone.data.corpus import Corpus
from crosstone.errors import CheckpointError
from crosstone.runs.codes import make_codebook
from crosstone.runs.recipe import RECIPE, Recipe, load_recipe, recipe_tree
from crosstone.runs.run import Progress, dump_recipe
from crosstone.runs.runset import run
from crosstone.studies.measures import MEASURES

CODEBOOK = "codebook.safetensors"
"""File of a step that fits codewords."""

GENERATION = 1
"""Part of every key. Raised with each change of the code or of a default that moves what a step
leaves (in the changelog, under Numbers): steps of different generations are never pooled."""


@dataclass(frozen=True)
class Step(ABC):
    """One thing that is done once, in a folder named by what goes into it."""

    title: str

    @property
    def needs(self) -> tuple["Step", ...]:
        """The steps that must be done before."""
        return ()

    @property
    @abstractmethod
    def key(self) -> str:
        """Hash of all that decides what the step leaves, titles and folders aside."""

    @property
    @abstractmethod
    def kind(self) -> str:
        """What its folder is called before the key: nothing that a study alone decides."""

    def folder(self, root: Path) -> Path:
        """Where the step stands below a root that studies share."""
        return root / "steps" / f"{self.kind}-{self.key[:12]}"

    def output(self, root: Path) -> Path:
        """What other steps are given of it."""
        return self.folder(root)

    @abstractmethod
    def fill(self, root: Path, progress: Progress | None) -> None:
        """Do it; what was cut off goes on."""


@dataclass(frozen=True)
class Given(Step):
    """A corpus that a person prepared; nothing is left to do."""

    path: Path

    @property
    def kind(self) -> str:
        return "corpus"

    @cached_property
    def key(self) -> str:
        return _hash({"corpus": Corpus.open(self.path).hash})

    def folder(self, root: Path) -> Path:
        return self.path

    def fill(self, root: Path, progress: Progress | None) -> None:
        return


@dataclass(frozen=True)
class GivenFile(Given):
    """A file that a person has, such as a codebook."""

    @property
    def kind(self) -> str:
        return "file"

    @cached_property
    def key(self) -> str:
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


@dataclass(frozen=True)
class Made(Step):
    """A corpus that is made on the spot."""

    corpus: str
    options: Mapping[str, Any]

    @property
    def kind(self) -> str:
        return self.corpus

    @cached_property
    def key(self) -> str:
        return _hash({"corpus": self.corpus, **self.options})

    def output(self, root: Path) -> Path:
        return self.folder(root) / "corpus"

    def fill(self, root: Path, progress: Progress | None) -> None:
        tick = (lambda done, total: progress(self.title, done, total)) if progress else None
        CORPORA[self.corpus](root, self.output(root), progress=tick, **self.options)


@dataclass(frozen=True)
class Codewords(Step):
    """Codewords fitted on a part of a corpus."""

    corpus: Step
    split: str | None
    options: Mapping[str, Any]

    @property
    def needs(self) -> tuple[Step, ...]:
        return (self.corpus,)

    @property
    def kind(self) -> str:
        return "codebook"

    @cached_property
    def key(self) -> str:
        return _hash({"of": self.corpus.key, "split": self.split, **self.options})

    def output(self, root: Path) -> Path:
        return self.folder(root) / CODEBOOK

    def fill(self, root: Path, progress: Progress | None) -> None:
        corpus = Corpus.open(self.corpus.output(root))
        if self.split is not None:
            corpus = corpus.where(lambda utterance: utterance.split == self.split)
        tick = (lambda done, total: progress(self.title, done, total)) if progress else None
        make_codebook(corpus, self.output(root), progress=tick, **self.options)


@dataclass(frozen=True)
class Trained(Step):
    """A run set of one seed: a recipe, what lies over it, and what it is given of other steps."""

    recipe: str
    overrides: tuple[str, ...]
    given: tuple[tuple[str, Step], ...]
    """Field of the recipe → the step whose output it names."""

    @property
    def needs(self) -> tuple[Step, ...]:
        return tuple(step for _, step in self.given)

    @property
    def kind(self) -> str:
        return Path(self.recipe).stem

    @cached_property
    def key(self) -> str:
        tree = recipe_tree(self.recipe, self._laid(self._keys()))
        tree.pop("name", None)
        return _hash(tree)

    @cached_property
    def described(self) -> Recipe:
        """The recipe, with keys where folders will stand."""
        return load_recipe(self.recipe, self._laid(self._keys()))

    def resolved(self, root: Path) -> Recipe:
        """The recipe as it is run, the same from wherever the root and a corpus are named."""
        places = {field: str(step.output(root).absolute()) for field, step in self.given}
        return load_recipe(self.recipe, self._laid(places))

    def fill(self, root: Path, progress: Progress | None) -> None:
        recipe, begun = self.resolved(root), self.output(root) / RECIPE
        if begun.is_file() and begun.read_text(encoding="utf-8") != dump_recipe(recipe):
            raise CheckpointError(
                f"{self.folder(root)}: expected a step begun by this version with its root and "
                f"corpora where they are now, found another recipe in {begun.name}; move them "
                "back, or remove that folder and ask again"
            )
        run(recipe, self.output(root), resume=True, progress=progress)

    def output(self, root: Path) -> Path:
        return self.folder(root) / "run"

    def _keys(self) -> dict[str, str]:
        return {field: step.key for field, step in self.given}

    def _laid(self, places: Mapping[str, str]) -> list[str]:
        return [*self.overrides, *(f"{field}={place}" for field, place in places.items())]


@dataclass(frozen=True)
class Measured(Step):
    """One measurement of a run set, in measure.json."""

    measure: str
    of: Trained
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    beside: tuple[tuple[str, Step], ...] = ()
    """Other corpora that the measure looks at, by name."""

    @property
    def needs(self) -> tuple[Step, ...]:
        return (self.of, *(step for _, step in self.beside))

    @property
    def kind(self) -> str:
        return self.measure

    @cached_property
    def key(self) -> str:
        beside = {"beside": {name: step.key for name, step in self.beside}} if self.beside else {}
        return _hash({"measure": self.measure, "of": self.of.key, **self.options, **beside})

    def fill(self, root: Path, progress: Progress | None) -> None:
        options = dict(self.options)
        if self.beside:
            options["beside"] = {name: step.output(root) for name, step in self.beside}
        MEASURES[self.measure](
            self.of.output(root), self.of.resolved(root), self.folder(root), **options
        )


def _hash(tree: Mapping[str, Any]) -> str:
    text = json.dumps({"generation": GENERATION, **tree}, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()
