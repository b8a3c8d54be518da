"""The term that keeps two modalities' vectors apart (CMT 2022, eq. 7 and 8; CTAL 2021, §3.3.1)."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from crosstone.data.batch import Batch
from crosstone.errors import ConfigError
from crosstone.models.base import CrossModalModel
from crosstone.models.task import TaskOutput
from crosstone.objectives.base import Loss, Part, at_least_single, nothing


@dataclass(frozen=True, kw_only=True)
class Orthogonality:
    """α · |cos| between a view of the audio and one of the text, summed over the family's pairs.

    Of a family that pairs the means, `text` chooses the mean of the real tokens, as CMT's eq. 7's
    bar has it, or the `first`, eq. 6's h_w0. `form` is the family's: with `code` the audio's norm
    stands for both, as in CTAL's released code. Only utterances with both modalities count.
    """

    pairs: tuple[tuple[str, str], ...] = (("audio_mean", "text_mean"),)
    """Names of views."""

    form: str = "paper"
    alpha: float = 10.0
    text: Literal["mean", "first"] = "mean"

    def check(self, model: CrossModalModel) -> None:
        """Raise ConfigError where the two vectors have no common width or one is missing."""
        if not model.orthogonal_pairs:
            raise ConfigError(
                f"objectives.orthogonality: needs audio and text, this model has only "
                f"{' and '.join(model.modalities)}; set objectives.orthogonality=null"
            )
        widths = model.audio_width, model.text_width
        if widths[0] != widths[1]:
            raise ConfigError(
                f"objectives.orthogonality: expected encoders of equal width, found audio "
                f"{widths[0]} and text {widths[1]}; choose others or set "
                "objectives.orthogonality=null"
            )

    def corrupt(self, batch: Batch, *, seed: int, epoch: int) -> Batch:
        """The batch as it is."""
        return batch

    def counts(self, batch: Batch) -> dict[str, float]:
        """Utterances with both modalities."""
        both = _has_both(batch)
        return {"orthogonality": float(both.sum()) if both is not None else 0.0}

    def __call__(self, output: TaskOutput, batch: Batch) -> Loss:
        """|cos| summed over utterances with both modalities."""
        both = _has_both(batch)
        if both is None:
            return Loss({"orthogonality": Part(nothing(output), 0.0, self.alpha)})
        views = output.backbone.views
        terms = [
            self._closeness(
                at_least_single(views[audio]),
                at_least_single(views[f"text_{self.text}" if text == "text_mean" else text]),
            )
            for audio, text in self.pairs
        ]
        total = torch.stack(terms).sum(0)[both].sum()
        return Loss({"orthogonality": Part(total, float(both.sum()), self.alpha)})

    def _closeness(self, audio: Tensor, text: Tensor) -> Tensor:
        if self.form == "code":
            return ((audio * text).sum(-1) / audio.square().sum(-1).clamp(min=1e-16)).abs()
        return F.cosine_similarity(audio, text, dim=-1).abs()


def _has_both(batch: Batch) -> Tensor | None:
    if batch.audio is None or batch.text is None:
        return None
    return batch.audio.mask.any(1) & batch.text.mask.any(1)
