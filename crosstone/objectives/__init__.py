"""What a model is asked to do: (output, batch) → Loss, and how a batch is corrupted for it."""

from crosstone.objectives.base import Loss, Objective, Objectives, Part
from crosstone.objectives.masked_audio import MaskedAudio
from crosstone.objectives.masked_frames import MaskedFrames
from crosstone.objectives.masked_text import MaskedText
from crosstone.objectives.modality_dropout import ModalityDropout
from crosstone.objectives.orthogonality import Orthogonality
from crosstone.objectives.supervised import Supervised

__all__ = [
    "Loss",
    "MaskedAudio",
    "MaskedFrames",
    "MaskedText",
    "ModalityDropout",
    "Objective",
    "Objectives",
    "Orthogonality",
    "Part",
    "Supervised",
]
