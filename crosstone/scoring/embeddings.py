"""What a verification run made of each utterance, and the score that needs more than trials."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crosstone.errors import CorpusError
from crosstone.files import whole
from crosstone.metrics import ge2e_eer

EMBEDDINGS = "embeddings.npz"
"""File of a run, beside its predictions.jsonl."""

MIN_SPEAKERS = 4
"""As many are drawn together."""


@dataclass(frozen=True, slots=True, eq=False)
class Embeddings:
    """One vector for each utterance of a test side."""

    ids: NDArray[np.str_]
    """(N,) utterances."""
    speakers: NDArray[np.str_]
    """(N,) who speaks."""
    vectors: NDArray[np.float32]
    """(N, D), of length 1."""

    def write(self, folder: Path) -> Path:
        """Puts embeddings.npz into the folder, whole or not at all."""
        path = folder / EMBEDDINGS
        with whole(path) as temporary, temporary.open("wb") as file:
            np.savez(file, ids=self.ids, speakers=self.speakers, vectors=self.vectors)
        return path


def read_embeddings(path: Path) -> Embeddings:
    """The embeddings of a file; raises CorpusError where it holds anything else."""
    try:
        with np.load(path) as arrays:
            found = Embeddings(*(arrays[name] for name in ("ids", "speakers", "vectors")))
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CorpusError(
            f"{path}: expected the arrays ids, speakers and vectors, found {error}; run `crosstone "
            "finetune` again"
        ) from error
    if (
        found.vectors.ndim != 2
        or len({len(found.ids), len(found.speakers), len(found.vectors)}) > 1
    ):
        raise CorpusError(
            f"{path}: expected one speaker and one vector for each id, found shapes "
            f"{found.ids.shape}, {found.speakers.shape} and {found.vectors.shape}; run `crosstone "
            "finetune` again"
        )
    return found


def ge2e_by_run(
    folder: Path, runs: Sequence[tuple[int, int]], seed: int
) -> tuple[list[float], str]:
    """`ge2e_eer` of each (fold, seed) of a run set, or of the one run in its folder; and a note.

    seed: of the draws, the same for all. Empty, with a note that says why, where a run has left no
    embeddings or was tested on too few speakers.
    """
    rates = []
    for fold, run_seed in runs:
        path = folder / f"fold-{fold}-seed-{run_seed}" / EMBEDDINGS
        if len(runs) == 1 and not path.is_file():
            path = folder / EMBEDDINGS
        if not path.is_file():
            return [], f"ge2e_eer is left out: {path} is missing, which `crosstone finetune` writes"
        found = read_embeddings(path)
        num_speakers = len(np.unique(found.speakers))
        if num_speakers < MIN_SPEAKERS:
            return [], (
                f"ge2e_eer is left out: it draws {MIN_SPEAKERS} speakers at a time, and "
                f"{num_speakers} were tested"
            )
        rates.append(ge2e_eer(found.vectors, found.speakers, seed=seed))
    return rates, (
        f"ge2e_eer is the score of CTAL's released code, by draws of {MIN_SPEAKERS} speakers "
        f"against centroids with seed {seed}: far easier than pairs, and no eer"
    )
