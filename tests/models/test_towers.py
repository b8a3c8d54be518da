"""Encoders enter by one door: built-in, a Hugging Face folder, our own folders."""

from pathlib import Path

import pytest
import torch
from transformers import (
    HubertConfig,
    HubertModel,
    RobertaConfig,
    RobertaForMaskedLM,
    Wav2Vec2FeatureExtractor,
)

from crosstone.errors import CheckpointError
from crosstone.models import BUILTIN_AUDIO, BUILTIN_TEXT, BaselineModel, CMTModel, HeadSpec
from crosstone.models.task import build_task
from crosstone.models.towers import (
    audio_tower,
    from_encoders,
    max_tokens,
    text_tower,
)


@pytest.fixture
def hubert(tmp_path: Path) -> Path:
    """A tiny HuBERT of the large style, with the extractor of a released one."""
    torch.manual_seed(0)
    config = HubertConfig(
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=48,
        conv_dim=(16,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
    )
    HubertModel(config).save_pretrained(tmp_path / "hubert")
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(tmp_path / "hubert")
    return tmp_path / "hubert"


@pytest.fixture
def roberta(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    config = RobertaConfig(
        vocab_size=50,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=66,
    )
    RobertaForMaskedLM(config).save_pretrained(tmp_path / "roberta")
    return tmp_path / "roberta"


def test_released_form_folders_bring_their_weights_and_preparation(
    hubert: Path, roberta: Path
) -> None:
    audio, text = audio_tower(hubert), text_tower(roberta)
    assert (audio.normalize, audio.sampling_rate) == (True, 16_000)
    model = from_encoders(CMTModel, audio=audio, text=text, num_layers=1)
    assert model.config.normalize_audio
    theirs = HubertModel.from_pretrained(hubert).state_dict()
    for name, tensor in model.audio_encoder.model.state_dict().items():
        assert torch.equal(tensor, theirs[name])
    embeddings = RobertaForMaskedLM.from_pretrained(roberta).roberta.embeddings
    assert torch.equal(model.text_encoder.embeddings, embeddings.word_embeddings.weight)
    assert max_tokens(text.config) == 64


def test_without_an_extractor_the_norm_style_decides(hubert: Path) -> None:
    (hubert / "preprocessor_config.json").unlink()
    assert audio_tower(hubert).normalize


@pytest.mark.parametrize("inside_run", [True, False])
def test_a_tower_that_a_stage_trained_comes_back(
    tmp_path: Path, hubert: Path, inside_run: bool
) -> None:
    family = from_encoders(BaselineModel, audio=audio_tower(hubert))
    task = build_task(family, {"audio_codes": HeadSpec(kind="codes", num_codes=4)})
    folder = tmp_path / "run"
    task.save_pretrained(folder / "model" if inside_run else folder)
    tower = audio_tower(folder)
    assert tower.normalize
    for name, tensor in family.audio_encoder.model.state_dict().items():
        assert torch.equal(tower.weights[name], tensor)
    with pytest.raises(CheckpointError, match="expected a model that reads, found one that hears"):
        text_tower(folder)


@pytest.mark.parametrize("name", BUILTIN_AUDIO)
def test_built_in_speech_encoders_build(name: str) -> None:
    model = from_encoders(BaselineModel, audio=audio_tower(name)).eval()
    waveform = torch.randn(1, 8000)
    output = model(audio=waveform, audio_mask=torch.ones_like(waveform, dtype=torch.bool))
    assert output.pooled.shape == (1, BUILTIN_AUDIO[name]().hidden_size)


@pytest.mark.parametrize("name", BUILTIN_TEXT)
def test_built_in_text_encoders_take_the_tokenizers_vocabulary(name: str) -> None:
    assert text_tower(name, 321).config.vocab_size == 321


def test_what_is_no_encoder_is_refused(tmp_path: Path, roberta: Path) -> None:
    with pytest.raises(CheckpointError, match="no encoder can be loaded from here"):
        audio_tower(tmp_path / "none")
    with pytest.raises(CheckpointError, match="expected a speech encoder that takes a waveform"):
        audio_tower(roberta)
