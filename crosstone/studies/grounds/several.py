"""Several prepared corpora as a ground: trained on one, tested on the others."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from crosstone.data.corpus import Corpus
from crosstone.errors import ConfigError
from crosstone.studies.grounds.base import Ground
from crosstone.studies.grounds.table import Table
from crosstone.studies.labels import LABEL_MAPS
from crosstone.studies.steps import Given, Step, Trained
from crosstone.studies.study import Study, System
from crosstone.studies.transfer import CORPUS, between


@dataclass(frozen=True)
class Several(Ground):
    """Corpora whose labels are read as the same four emotions."""

    name: str
    members: tuple[Table, ...]
    quick: bool = False

    @classmethod
    def of(cls, folders: Sequence[Path], *, quick: bool = False) -> "Several":
        """The ground of these prepared corpora; ConfigError for fewer than two, two of one name,
        and one whose labels are not declared."""
        names = [Corpus.open(folder).name for folder in folders]
        if len(set(names)) < 2 or len(set(names)) < len(names):
            raise ConfigError(
                f"study: expected corpora of two or more names, found {', '.join(names)}"
            )
        if strange := [name for name in names if name not in LABEL_MAPS]:
            raise ConfigError(
                f"study: expected corpora whose emotions are declared ({', '.join(LABEL_MAPS)}), "
                f"found {', '.join(strange)}; add them to LABEL_MAPS in studies/labels.py"
            )
        members = tuple(
            Table(quick=quick, path=folder, name=name, label_map=LABEL_MAPS[name])
            for name, folder in zip(names, folders, strict=True)
        )
        return cls("+".join(names), members, quick)

    def fitted(self, study: Study) -> Study:
        if study.name != "transfer":
            raise ConfigError(
                f"study {study.name}: is about one corpus, found {self.name}; name one as corpus=, "
                "or run study transfer"
            )
        return between(study, {m.name: {CORPUS: m.name} for m in self.members})

    def lacks(self, system: System) -> str:
        return self._member(system.corpus[CORPUS]).lacks(_alone(system))

    def finetuned(self, study: Study, system: System, seed: int) -> Trained:
        return self._member(system.corpus[CORPUS]).finetuned(study, _alone(system), seed)

    def elsewhere(self, system: System) -> tuple[tuple[str, Step], ...]:
        found = ((n, self._member(options[CORPUS])) for n, options in system.elsewhere.items())
        return tuple((name, Given(member.name, member.path)) for name, member in found)

    def _member(self, name: str) -> Table:
        return next(member for member in self.members if member.name == name)


def _alone(system: System) -> System:
    return replace(system, corpus={})
