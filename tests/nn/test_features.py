"""Log-mel and cepstra against librosa."""

import librosa
import numpy as np
import pytest
import torch

from crosstone.nn import features
from crosstone.nn.features import MFCC, LogMel, mel_filterbank


@pytest.mark.parametrize("num_mels", [40, 80])
def test_filterbank_equals_librosa(num_mels: int) -> None:
    expected = librosa.filters.mel(sr=16_000, n_fft=512, n_mels=num_mels)
    np.testing.assert_allclose(mel_filterbank(16_000, 512, num_mels), expected, atol=1e-7)


def test_log_mel_equals_librosa() -> None:
    rng = np.random.default_rng(0)
    waveform = rng.normal(0, 0.1, 8000).astype(np.float32)
    mel = librosa.feature.melspectrogram(
        y=waveform, sr=16_000, n_fft=512, hop_length=320, window="hann", center=False, n_mels=80
    )
    found = LogMel(16_000, 512, 320, 80)(torch.from_numpy(waveform)[None])[0]
    np.testing.assert_allclose(found.T, np.log(mel + 1e-6), atol=2e-5)
    assert found.shape[0] == LogMel(16_000, 512, 320, 80).num_frames(8000)


@pytest.mark.parametrize("piece", [16, 128])
def test_pieces_change_nothing_to_the_last_bit(monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    log_mel = LogMel(16_000, 400, 160, 40)
    waveform = torch.randn(3, 9000, generator=torch.Generator().manual_seed(0))
    whole = log_mel(waveform)
    monkeypatch.setattr(features, "LARGE", 1)
    monkeypatch.setattr(features, "PIECE", piece)
    assert torch.equal(log_mel(waveform), whole)
    assert torch.equal(log_mel(waveform.requires_grad_()), whole)


def test_a_waveform_shorter_than_a_window_gives_one_frame() -> None:
    log_mel = LogMel(16_000, 512, 320, 80)
    assert log_mel(torch.randn(1, 100)).shape == (1, 1, 80)
    assert log_mel.num_frames(100) == 1
    assert log_mel.num_frames(torch.tensor([100, 512, 832])).tolist() == [1, 1, 2]


def test_cepstra_are_normalised_and_blind_to_loudness() -> None:
    waveform = torch.randn(16_000) * 0.1
    mfcc = MFCC(16_000, 320)
    features = mfcc(waveform)
    assert features.shape == (49, 39)
    torch.testing.assert_close(features.mean(0), torch.zeros(39), atol=1e-5, rtol=0)
    torch.testing.assert_close(mfcc(waveform * 3), features, atol=1e-2, rtol=0)
