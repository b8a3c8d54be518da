"""What stands in for a modality that an item lacks."""

import torch
from torch import Tensor, nn

from crosstone.sequence import Sequence


class AbsentTokens(nn.Module):
    """A learned vector for each of two modalities."""

    def __init__(self, audio_width: int, text_width: int) -> None:
        super().__init__()
        self.audio = nn.Parameter(torch.zeros(audio_width))
        self.text = nn.Parameter(torch.zeros(text_width))

    def stand_in(self, states: Sequence, vector: Tensor) -> Sequence:
        """The same, where a row of `states` (B, T, D) has no real place with the vector (D,) at its
        first, which then is real. All of the others stay as they are."""
        lacking = ~states.mask.any(1)
        places = torch.zeros_like(states.mask)
        places[:, 0] = lacking
        values = torch.where(places[..., None], vector.to(states.values.dtype), states.values)
        return Sequence(values, states.mask | places)
