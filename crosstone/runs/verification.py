"""Trials asked of a model: one vector an utterance, one score a trial."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosstone.data.batch import Items
from crosstone.data.corpus import Corpus, Trial
from crosstone.inference.embedder import Embedder, cosines
from crosstone.metrics import eer, min_dcf
from crosstone.models.task import TaskModel
from crosstone.scoring.embeddings import Embeddings


@dataclass(frozen=True, eq=False)
class Answers:
    """What a model says of the trials of one side of a corpus."""

    side: Corpus
    trials: Sequence[Trial]
    vectors: NDArray[np.float32]
    """(N, D) of length 1, in the order of the side."""
    scores: NDArray[np.float64]
    """(M,) cosine of each trial."""

    @property
    def embeddings(self) -> Embeddings:
        """The vectors with their utterances and speakers."""
        speakers = [str(speaker) for speaker in self.side.speakers]
        return Embeddings(np.array(list(self.side.ids)), np.array(speakers), self.vectors)

    def error_rates(self) -> dict[str, float]:
        """The metrics that an epoch may be chosen by."""
        targets = [trial.target for trial in self.trials]
        return {"eer": eer(targets, self.scores), "min_dcf": min_dcf(targets, self.scores)}

    def lines(self, fold: int, seed: int, *, split: str = "test") -> list[dict[str, Any]]:
        """Lines of predictions.jsonl, in the order of the trials.

        split: what the scored side is called, as `ProtocolSpec.scored` says.
        """
        speaker_of = dict(zip(self.side.ids, self.side.speakers, strict=True))
        return [
            {
                "enrol": trial.enrol,
                "test": trial.test,
                "target": trial.target,
                "score": float(score),
                "fold": fold,
                "seed": seed,
                "split": split,
                "enrol_speaker": speaker_of[trial.enrol],
                "test_speaker": speaker_of[trial.test],
            }
            for trial, score in zip(self.trials, self.scores, strict=True)
        ]


def ask_trials(
    model: TaskModel,
    items: Items,
    trials: Sequence[Trial],
    progress: Callable[[int, int], None] | None = None,
) -> Answers:
    """The cosine of each trial between the vectors of its two utterances, both among the items."""
    vectors = Embedder(model).embed(items, progress=progress)
    return Answers(items.corpus, trials, vectors, cosines(vectors, items.corpus.ids, trials))
