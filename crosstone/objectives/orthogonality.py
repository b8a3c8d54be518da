"""The term that keeps the two modalities' vectors apart (CMT 2022, eq. 7 and 8)."""

from dataclasses import dataclass
from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from crosstone.data.batch import Batch
from crosstone.errors import ConfigError
from crosstone.models.base import CrossModalModel
from crosstone.models.task import TaskOutput
from crosstone.objectives.base import Loss, Part, at_least_single, nothing


@dataclass(frozen=True, kw_only=True)
class Orthogonality:
    """α · |cos| between the mean of the audio and a view of the text.

    `text` is the mean of the real tokens by default, as eq. 7's bar has it; `first` is eq. 6's
    h_w0. Only utterances with both modalities count.
    """

    alpha: float = 10.0
    text: Literal["mean", "first"] = "mean"

    def check(self, model: CrossModalModel) -> None:
        """Raise ConfigError where the two vectors have no common width or one is missing."""
        if model.audio_encoder is None or model.text_encoder is None:
            raise ConfigError(
                f"objectives.orthogonality: needs audio and text, this model has only "
                f"{' and '.join(model.modalities)}; set objectives.orthogonality=null"
            )
        widths = model.audio_encoder.width, model.text_encoder.width
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
        audio = at_least_single(output.backbone.views["audio_mean"])
        text = at_least_single(output.backbone.views[f"text_{self.text}"])
        cosine = F.cosine_similarity(audio, text, dim=-1).abs()[both]
        return Loss({"orthogonality": Part(cosine.sum(), float(both.sum()), self.alpha)})


def _has_both(batch: Batch) -> Tensor | None:
    if batch.audio is None or batch.text is None:
        return None
    return batch.audio.mask.any(1) & batch.text.mask.any(1)
