"""What a ground is."""

from abc import ABC, abstractmethod

from crosstone.studies.steps import Step, Trained
from crosstone.studies.study import Study, System

NESTED = "protocol.selection=nested"


class Ground(ABC):
    """A corpus, or kind of corpus, with the recipes of every family on it."""

    name: str
    quick: bool

    @property
    def is_made(self) -> bool:
        """Whether all that it stands on is made on the spot, and so always the same."""
        return False

    def fitted(self, study: Study) -> Study:
        """The study as it is here: with the claims that only this corpus allows."""
        return study

    @abstractmethod
    def finetuned(self, study: Study, system: System, seed: int) -> Trained:
        """The last stage of a system, which needs all the others."""

    @abstractmethod
    def lacks(self, system: System) -> str:
        """Why a system cannot be trained here; "" where it can."""

    def elsewhere(self, system: System) -> tuple[tuple[str, Step], ...]:
        """The other corpora that it is tested on, by the names that the system gives them."""
        return ()


def one_fold(study: Study) -> tuple[str, ...]:
    """Overrides of a protocol in a quick run; units that validate where the study's rule wants
    them."""
    rule = "best_valid" if NESTED in study.protocol else "last"
    return ("protocol.kind=holdout", f"protocol.selection={rule}")
