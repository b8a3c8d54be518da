"""Every family takes what its encoders made before in place of waveforms and ids."""

import pytest
import torch

from crosstone.models import FAMILIES
from crosstone.models.towers import audio_tower, from_encoders, text_tower


@pytest.mark.parametrize("name", list(FAMILIES))
def test_states_give_what_waveforms_and_ids_give(name: str) -> None:
    family = FAMILIES[name]
    torch.manual_seed(0)
    model = from_encoders(
        family.model,
        audio=audio_tower(family.audio_tower) if family.hears else None,
        text=text_tower(family.text_tower, 60) if family.reads else None,
        freeze_audio="all",
        freeze_text="all",
        **family.small,
    ).eval()
    inputs, states = {}, {}
    if family.hears:
        mask = torch.arange(12_000) < torch.tensor([[12_000], [7000]])
        inputs |= {"audio": 0.1 * torch.randn(2, 12_000) * mask, "audio_mask": mask}
        made = model.encode_audio(inputs["audio"], mask)
        states |= {"audio": made.values, "audio_mask": made.mask}
    if family.reads:
        mask = torch.arange(7) < torch.tensor([[7], [4]])
        inputs |= {"text": torch.randint(5, 60, (2, 7)), "text_mask": mask}
        made = model.encode_text(inputs["text"], mask)
        states |= {"text": made.values, "text_mask": made.mask}
    with torch.no_grad():
        found, wanted = model(**states), model(**inputs)
    torch.testing.assert_close(found.pooled, wanted.pooled)
    for modality in family.modalities:
        torch.testing.assert_close(
            getattr(found, modality).values, getattr(wanted, modality).values
        )
