"""What a ground is."""

from crosstone.studies.steps import Trained
from crosstone.studies.study import Study, System


class Ground:
    """A corpus, or kind of corpus, with the recipes of every family on it."""

    name: str
    quick: bool

    def finetuned(self, study: Study, system: System, seed: int) -> Trained:
        """The last stage of a system, which needs all the others."""
        raise NotImplementedError

    def lacks(self, system: System) -> str:
        """Why a system cannot be trained here; "" where it can."""
        raise NotImplementedError
