"""Encoders: padding changes nothing, frozen ones sleep, nothing is masked unasked."""

from typing import Any

import pytest
import torch
from transformers import (
    Data2VecAudioConfig,
    HubertConfig,
    HubertModel,
    PreTrainedConfig,
    RobertaConfig,
    Wav2Vec2Config,
    WavLMConfig,
)

from crosstone.nn.encoders import AudioEncoder, TextEncoder, frame_stride
from crosstone.nn.logmel import LogMelConfig, LogMelModel
from crosstone.nn.masking import LEARNED, Corruption
from crosstone.sequence import Sequence

SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "conv_dim": (16,) * 7,
}
POSITIONS = {"num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
LARGE_STYLE = {"feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True}
CONFIGS: dict[str, PreTrainedConfig] = {
    "hubert-large": HubertConfig(**SMALL, **POSITIONS, **LARGE_STYLE),
    "hubert-base": HubertConfig(**SMALL, **POSITIONS),
    "wav2vec2-large": Wav2Vec2Config(**SMALL, **POSITIONS, **LARGE_STYLE),
    "wavlm-large": WavLMConfig(**SMALL, **POSITIONS, **LARGE_STYLE),
    "wavlm-base": WavLMConfig(**SMALL, **POSITIONS),
    "data2vec-audio": Data2VecAudioConfig(**SMALL),
    "logmel": LogMelConfig(hidden_size=32, intermediate_size=64),
}
TEXT = RobertaConfig(
    vocab_size=60,
    hidden_size=24,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=48,
    max_position_embeddings=40,
    type_vocab_size=1,
)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("normalize", [False, True])
def test_padding_changes_nothing_on_real_frames(name: str, normalize: bool) -> None:
    torch.manual_seed(0)
    encoder = AudioEncoder(CONFIGS[name], normalize=normalize).eval()
    waveforms = [torch.randn(n) * 0.3 for n in (5000, 9000, 3000, 5000)]
    together = encoder(Sequence.pad(waveforms))
    for row, waveform in enumerate(waveforms):
        alone = encoder(Sequence.pad([waveform]))
        length = int(together.lengths[row])
        assert length == encoder.num_frames(len(waveform)) == alone.values.shape[1]
        torch.testing.assert_close(
            together.values[row, :length], alone.values[0], atol=2e-5, rtol=1e-4
        )


def test_base_style_would_move_real_frames_were_it_padded() -> None:
    """Why `padding_safe` exists: the group norm runs over time."""
    torch.manual_seed(0)
    encoder = AudioEncoder(CONFIGS["hubert-base"]).eval()
    assert not encoder.padding_safe
    waveforms = [torch.randn(9000), torch.randn(3000)]
    honest = encoder(Sequence.pad(waveforms)).values
    encoder.padding_safe = True
    padded = encoder(Sequence.pad(waveforms)).values
    assert (honest[1, :8] - padded[1, :8]).abs().max() > 0.1


def test_equals_the_hugging_face_model_with_its_weights() -> None:
    torch.manual_seed(0)
    theirs = HubertModel(CONFIGS["hubert-large"]).eval()
    ours = AudioEncoder(CONFIGS["hubert-large"], layer=1).eval()
    ours.model.load_state_dict(theirs.state_dict())
    waveform = torch.randn(2, 6000)
    expected = theirs(waveform, output_hidden_states=True).hidden_states[1]
    found = ours(Sequence(waveform, torch.ones_like(waveform, dtype=torch.bool)))
    torch.testing.assert_close(found.values, expected)


@pytest.mark.parametrize("name", ["hubert-large", "hubert-base", "logmel"])
def test_masks_what_it_is_told_and_nothing_else(name: str) -> None:
    torch.manual_seed(0)
    encoder = AudioEncoder(CONFIGS[name])
    encoder.model.config.mask_time_prob_seen = getattr(encoder.model.config, "mask_time_prob", 0.0)
    assert encoder.model.config.mask_time_prob_seen == 0.0
    encoder.eval()
    audio = Sequence.pad([torch.randn(9000), torch.randn(6000)])
    plain = encoder(audio)
    masked = torch.zeros_like(plain.mask)
    masked[0, 2:5] = True
    changed = encoder(audio, masked)
    assert (plain.values[0] - changed.values[0]).abs().max() > 1e-3
    torch.testing.assert_close(plain.values[1], changed.values[1])


def test_frozen_encoder_is_in_eval_mode_and_gives_no_gradient() -> None:
    encoder = AudioEncoder(CONFIGS["hubert-base"], freeze="all").train()
    audio = Sequence.pad([torch.randn(6000)])
    assert not encoder.model.training
    first, second = encoder(audio), encoder(audio)
    assert torch.equal(first.values, second.values)
    assert not first.values.requires_grad
    assert not any(p.requires_grad for p in encoder.parameters())


def test_frozen_convolutions_leave_the_rest_trained() -> None:
    for name, prefix in (("hubert-base", "feature_extractor."), ("logmel", "convolutions.")):
        encoder = AudioEncoder(CONFIGS[name], freeze="convolutions")
        frozen = {n for n, p in encoder.model.named_parameters() if not p.requires_grad}
        assert frozen
        assert frozen == {n for n, _ in encoder.model.named_parameters() if n.startswith(prefix)}


def test_a_waveform_too_short_for_a_frame_is_padded_to_one() -> None:
    encoder = AudioEncoder(CONFIGS["hubert-base"]).eval()
    assert encoder.min_samples == 400
    states = encoder(Sequence.pad([torch.randn(90), torch.randn(4000)]))
    assert states.lengths.tolist() == [1, 12]
    assert encoder.num_frames(400) == 1


def test_an_item_without_audio_has_no_frames() -> None:
    for name in ("hubert-large", "hubert-base", "logmel"):
        encoder = AudioEncoder(CONFIGS[name]).eval()
        states = encoder(Sequence.pad([torch.randn(4000), torch.zeros(0)]))
        assert states.lengths.tolist() == [int(encoder.num_frames(4000)), 0]
        assert states.values.isfinite().all()


def test_stride_counts_samples_between_frames() -> None:
    assert frame_stride(CONFIGS["hubert-base"]) == 320
    assert frame_stride(CONFIGS["logmel"]) == 640


def test_text_padding_changes_nothing_and_corruption_reaches_the_ids() -> None:
    torch.manual_seed(0)
    encoder = TextEncoder(TEXT).eval()
    rows = [torch.randint(5, 60, (n,)) for n in (9, 4)]
    together = encoder(Sequence.pad(rows, 1))
    for row, ids in enumerate(rows):
        alone = encoder(Sequence.pad([ids], 1))
        torch.testing.assert_close(
            together.values[row, : len(ids)], alone.values[0], atol=1e-5, rtol=0
        )
    positions = torch.zeros(2, 9, dtype=torch.bool)
    positions[0, 1], positions[0, 2], positions[1, 0] = True, True, True
    replacement = torch.full((2, 9), LEARNED)
    replacement[0, 2] = 7
    by_hand = Sequence.pad(rows, 1).values.clone()
    by_hand[0, 1], by_hand[0, 2], by_hand[1, 0] = 4, 7, 4
    mask = Sequence.pad(rows).mask
    found = encoder(Sequence.pad(rows, 1), Corruption(positions, replacement), mask_token=4)
    torch.testing.assert_close(found.values, encoder(Sequence(by_hand, mask)).values)


def test_empty_bands_are_not_blown_up() -> None:
    """Telephone speech has nothing above 4 kHz: single and double precision agree on it."""
    torch.manual_seed(0)
    spectrum = torch.fft.rfft(torch.randn(1, 16_000, dtype=torch.float64))
    spectrum[:, 4000:] = 0
    wave = 0.1 * torch.fft.irfft(spectrum)
    model = LogMelModel(LogMelConfig(hidden_size=32, intermediate_size=64)).eval()
    single = model(wave.float()).last_hidden_state
    double = model.double()(wave).last_hidden_state
    torch.testing.assert_close(single.double(), double, atol=1e-3, rtol=1e-3)
