"""Mel frames with derivatives, against librosa."""

import librosa
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import AutoConfig, AutoModel

from crosstone.nn.encoders import AudioEncoder
from crosstone.nn.mel import MelConfig, MelModel, slopes, standardise
from crosstone.sequence import Sequence


def speech_like(num_samples: int, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    swell = 0.1 + 0.1 * np.sin(np.arange(num_samples) / 900)
    return (rng.normal(0, 0.3, num_samples) * swell).astype(np.float32)


def by_librosa(waveform: NDArray[np.float32]) -> NDArray[np.float64]:
    """The released front end as described: log-mel, delta, mean and deviation over time.

    Of exactly 9 frames a derivative is the same in all, and its deviation rounding.
    """
    mel = librosa.feature.melspectrogram(
        y=waveform, sr=16_000, n_fft=2048, win_length=800, hop_length=200, n_mels=80
    )
    logged = np.log(mel + 1e-6)
    features = np.concatenate([logged, librosa.feature.delta(logged)]).astype(np.float64)
    centred = features - features.mean(1, keepdims=True)
    return (centred / (features.std(1, keepdims=True) + 1e-16)).T


@pytest.mark.filterwarnings("ignore:n_fft=2048 is too large")
@pytest.mark.parametrize("num_samples", [1800, 1999, 8000, 16_123])
def test_frames_equal_librosa(num_samples: int) -> None:
    waveform = speech_like(num_samples)
    found = MelModel(MelConfig())(torch.from_numpy(waveform)[None]).last_hidden_state[0]
    expected = by_librosa(waveform)
    assert found.shape == expected.shape == (num_samples // 200 + 1, 160)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    double = MelModel(MelConfig()).double()(torch.from_numpy(waveform.astype(np.float64))[None])
    np.testing.assert_allclose(double.last_hidden_state[0], expected, atol=1e-4)


@pytest.mark.parametrize("length", [9, 10, 12, 40])
def test_derivatives_equal_librosa_edges_too(length: int) -> None:
    values = np.random.default_rng(length).normal(size=(3, length))
    found = slopes(torch.from_numpy(values.T)[None], torch.tensor([length]))[0]
    np.testing.assert_allclose(found.T, librosa.feature.delta(values), atol=1e-12)


def test_derivatives_of_items_that_end_early() -> None:
    values = torch.randn(4, 30, 2, dtype=torch.float64)
    together = slopes(values, torch.tensor([30, 13, 9, 5]))
    for row, length in enumerate((30, 13, 9, 5)):
        alone = slopes(values[row : row + 1, :length], torch.tensor([length]))
        torch.testing.assert_close(together[row : row + 1, :length], alone)


def test_fewer_than_nine_frames_have_the_slope_of_their_line() -> None:
    values = torch.tensor([2.0, 4.0, 6.0, 8.0])[None, :, None]
    assert slopes(values, torch.tensor([4])).flatten().tolist() == [2.0] * 4
    assert slopes(values, torch.tensor([2])).flatten().tolist() == [2.0] * 4
    assert slopes(values, torch.tensor([1])).flatten().tolist() == [0.0] * 4
    bent = torch.tensor([0.0, 1.0, 5.0])[None, :, None]
    assert slopes(bent, torch.tensor([3])).flatten().tolist() == [2.5] * 3


def test_standardise_by_hand() -> None:
    values = torch.tensor([[[1.0, 7.0], [3.0, 7.0], [99.0, 99.0]]])
    mask = torch.tensor([[True, True, False]])
    expected = torch.tensor([[[-1.0, 0.0], [1.0, 0.0], [0.0, 0.0]]])
    torch.testing.assert_close(standardise(values, mask), expected)


@pytest.mark.parametrize("waveform", [torch.zeros(1, 5000), torch.randn(1, 1), torch.randn(1, 700)])
def test_silence_and_very_short_clips_are_finite(waveform: Tensor) -> None:
    frames = MelModel(MelConfig())(waveform).last_hidden_state
    assert frames.isfinite().all()
    assert (frames[..., 80:] == 0).all()
    assert frames.shape[1] == MelConfig().num_frames(waveform.shape[1])


def test_padding_changes_nothing() -> None:
    encoder = AudioEncoder(MelConfig()).eval()
    waveforms = [torch.from_numpy(speech_like(n, n)) for n in (9000, 4100, 1500, 1)]
    together = encoder(Sequence.pad(waveforms))
    assert together.lengths.tolist() == [46, 21, 8, 1]
    for row, waveform in enumerate(waveforms):
        alone = encoder(Sequence.pad([waveform]))
        length = alone.values.shape[1]
        torch.testing.assert_close(
            together.values[row, :length], alone.values[0], atol=1e-4, rtol=0
        )
        assert (together.values[row, length:] == 0).all()


def test_a_mask_that_is_full_changes_nothing_to_the_last_bit() -> None:
    model = MelModel(MelConfig())
    waveforms = torch.from_numpy(speech_like(18_000)).view(2, 9000)
    masked = model(waveforms, attention_mask=torch.ones(2, 9000).long()).last_hidden_state
    assert torch.equal(model(waveforms).last_hidden_state, masked)


def test_a_tower_without_parameters_whose_width_follows_its_bands() -> None:
    config = MelConfig(num_mels=10)
    again = AutoConfig.for_model(**config.to_dict())
    model = AutoModel.from_config(again)
    assert (again.hidden_size, again.num_mels, again.frame_stride) == (20, 10, 200)
    assert not list(model.parameters())
    assert model(torch.randn(2, 4000)).last_hidden_state.shape == (2, 21, 20)


def test_frames_that_are_hidden_are_zero() -> None:
    hidden = torch.zeros(1, 21, dtype=torch.bool)
    hidden[0, 3:6] = True
    model = MelModel(MelConfig())
    waveform = torch.from_numpy(speech_like(4000))[None]
    plain = model(waveform).last_hidden_state
    masked = model(waveform, mask_time_indices=hidden, output_hidden_states=True)
    assert (masked.hidden_states[0][hidden] == 0).all()
    torch.testing.assert_close(masked.last_hidden_state[~hidden], plain[~hidden])
