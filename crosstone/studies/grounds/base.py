"""What a ground is."""

from crosstone.studies.steps import Step, Trained
from crosstone.studies.study import Study, System


class Ground:
    """A corpus, or kind of corpus, with the recipes of every family on it."""

    name: str
    quick: bool

    def fitted(self, study: Study) -> Study:
        """The study as it is here: with the claims that only this corpus allows."""
        return study

    def finetuned(self, study: Study, system: System, seed: int) -> Trained:
        """The last stage of a system, which needs all the others."""
        raise NotImplementedError

    def lacks(self, system: System) -> str:
        """Why a system cannot be trained here; "" where it can."""
        raise NotImplementedError

    def elsewhere(self, system: System) -> tuple[tuple[str, Step], ...]:
        """The other corpora that it is tested on, by the names that the system gives them."""
        return ()
