"""A verification model asked how alike two utterances are."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from crosstone.data.batch import Items, collate
from crosstone.data.corpus import Trial
from crosstone.data.text import load_tokenizer
from crosstone.errors import CrosstoneError
from crosstone.inference.placement import device_of
from crosstone.models.checkpoint import load_task, model_folder
from crosstone.models.task import TaskModel

Vectors = NDArray[np.float32]

_TRIALS = 4096
"""Trials whose vectors are held side by side at once."""


@dataclass(frozen=True)
class Embedder:
    """A task model whose pooled vector stands for the speaker of an utterance.

    It is what the family pools of all modalities that it takes: the representation before the
    classifier (CTAL 2021, §4.2.3). Raises CrosstoneError for a model that was not trained on
    speakers.
    """

    model: TaskModel
    tokenizer: Any = None
    name: str = ""

    def __post_init__(self) -> None:
        if self.model.head_of("speakers") is None:
            raise CrosstoneError(
                f"{self.name or 'model'}: expected a head of speakers, found "
                f"{', '.join(self.model.specs) or 'none'}; fine-tune it for verification "
                "(crosstone finetune cmt-base-verification)"
            )

    @classmethod
    def load(cls, folder: Path | str, *, device: str | None = None) -> "Embedder":
        """The model of a folder, or of the `model/` inside a run folder.

        device: as for `Predictor.load`.
        """
        place = device_of(device)
        folder = model_folder(Path(folder))
        model = load_task(folder).to(place)
        reads = model.backbone.text_encoder is not None
        return cls(model, load_tokenizer(folder) if reads else None, str(folder))

    @torch.inference_mode()
    def embed(
        self,
        items: Items,
        *,
        batch_size: int = 32,
        progress: Callable[[int, int], None] | None = None,
    ) -> Vectors:
        """The vector of each item, of length 1, in their order, (N, D); each item is run once."""
        was_training = self.model.training
        self.model.eval()
        parameter = next(self.model.parameters())
        vectors: dict[int, NDArray[np.float32]] = {}
        order = np.argsort(np.nan_to_num(items.corpus.durations), kind="stable")
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size].tolist()
            batch = collate([items[row] for row in rows]).to(parameter.device, parameter.dtype)
            pooled = self.model(**batch.inputs()).backbone.pooled.cpu().double()
            unit = torch.nn.functional.normalize(pooled, dim=-1).float().numpy()
            vectors |= dict(zip(rows, unit, strict=True))
            if progress is not None:
                progress(start + len(rows), len(order))
        self.model.train(was_training)
        return np.stack([vectors[row] for row in range(len(items))])


def cosines(vectors: Vectors, ids: Iterable[str], trials: Iterable[Trial]) -> NDArray[np.float64]:
    """How alike the two sides of each trial are, from -1 to 1, (M,).

    vectors (N, D) of length 1, of the utterances with these ids.
    """
    row_of = {identity: row for row, identity in enumerate(ids)}
    pairs = [(row_of[trial.enrol], row_of[trial.test]) for trial in trials]
    scores = []
    for start in range(0, len(pairs), _TRIALS):
        enrol, test = np.array(pairs[start : start + _TRIALS], np.int64).T
        wide = (vectors[side].astype(np.float64) for side in (enrol, test))
        scores.append(np.einsum("md,md->m", *wide))
    return np.concatenate(scores)
