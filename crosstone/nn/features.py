"""Features of a waveform that nothing has to learn: log-mel energies and cepstra."""

import math
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

LARGE = 2**18
"""Numbers that go into the Fourier transforms of an item from which on they are made in pieces."""

PIECE = 256
"""Frames of a piece at most: on a CPU their spectra stay in its cache."""


def mel_filterbank(sampling_rate: int, n_fft: int, num_mels: int) -> Tensor:
    """Triangular filters on Slaney's mel scale with unit area, (num_mels, n_fft // 2 + 1).

    Equal to `librosa.filters.mel` with its defaults.
    """
    step, knee = 200.0 / 3, 1000.0
    log_step = math.log(6.4) / 27.0

    def to_mel(hz: float) -> float:
        return hz / step if hz < knee else knee / step + math.log(hz / knee) / log_step

    mels = np.linspace(0.0, to_mel(sampling_rate / 2), num_mels + 2)
    above = knee * np.exp(log_step * (mels - knee / step))
    edges = np.where(mels < knee / step, mels * step, above)
    hertz = np.linspace(0.0, sampling_rate / 2, n_fft // 2 + 1)
    rising = (hertz - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - hertz) / np.diff(edges)[1:, None]
    filters = np.maximum(0.0, np.minimum(rising, falling))
    filters *= (2.0 / (edges[2:] - edges[:-2]))[:, None]
    return torch.from_numpy(filters)


def num_windows(num_samples: Any, window: int, hop: int) -> Any:
    """Whole windows in that many samples (an int or a tensor of ints), at least 1."""
    if isinstance(num_samples, Tensor):
        return ((num_samples - window) // hop + 1).clamp(min=1)
    return max(1, (num_samples - window) // hop + 1)


class LogMel(nn.Module):
    """Log of the mel energies of the power spectrum (Hann window, no centring, no pre-emphasis).

    Frame t covers the samples [t · hop, t · hop + window); a waveform shorter than one window is
    padded with zeros to one. n_fft is the next power of two unless given.
    """

    filters: Tensor
    window: Tensor

    def __init__(
        self, sampling_rate: int, window: int, hop: int, num_mels: int, *, n_fft: int | None = None
    ) -> None:
        super().__init__()
        self.window_size, self.hop = window, hop
        self.n_fft = n_fft or 1 << (window - 1).bit_length()
        filters = mel_filterbank(sampling_rate, self.n_fft, num_mels)
        self.register_buffer("filters", filters.float())
        self.register_buffer("window", torch.hann_window(window))

    def num_frames(self, num_samples: Any) -> Any:
        """Frames of a waveform of that many samples (an int or a tensor of ints), at least 1."""
        return num_windows(num_samples, self.window_size, self.hop)

    def forward(self, waveform: Tensor) -> Tensor:
        """waveform (B, N) in [-1, 1] → natural log energies (B, T, num_mels)."""
        short = self.window_size - waveform.shape[-1]
        if short > 0:
            waveform = F.pad(waveform, (0, short))
        frames = waveform.unfold(-1, self.window_size, self.hop)
        filters = self.filters.to(waveform.dtype).T
        if (
            frames.device.type == "cpu"
            and not frames.requires_grad
            and not torch.compiler.is_compiling()
            and frames.shape[1] * self.n_fft > LARGE
        ):
            return self._energies_in_pieces(frames, filters).add_(1e-6).log_()
        return torch.log(self._power(frames) @ filters + 1e-6)

    def _power(self, frames: Tensor) -> Tensor:
        spectrum = torch.fft.rfft(frames * self.window.to(frames.dtype), n=self.n_fft)
        squares = torch.view_as_real(spectrum).square()  # side by side: faster than one by one
        return squares[..., 0] + squares[..., 1]

    def _energies_in_pieces(self, frames: Tensor, filters: Tensor) -> Tensor:
        """The same without gradients: each piece is windowed into one room that ends in zeros, and
        squared where its spectrum lies."""
        window = self.window.to(frames.dtype)
        energies = frames.new_empty(*frames.shape[:2], filters.shape[1])
        count = -(-frames.shape[1] // PIECE)
        room = frames.new_zeros(PIECE, self.n_fft)
        power = frames.new_empty(PIECE, self.n_fft // 2 + 1)
        for item, found in zip(frames, energies, strict=True):
            for piece, energy in zip(
                item.tensor_split(count), found.tensor_split(count), strict=True
            ):
                size = len(piece)
                torch.mul(piece, window, out=room[:size, : self.window_size])
                squares = torch.view_as_real(torch.fft.rfft(room[:size])).square_()
                torch.add(squares[..., 0], squares[..., 1], out=power[:size])
                torch.mm(power[:size], filters, out=energy)
        return energies


class MFCC(nn.Module):
    """Mel-frequency cepstra with first and second differences, normalised per utterance.

    The features HuBERT's first iteration clusters (Hsu et al. 2021, §III-B): 13 coefficients and
    their derivatives, here over 40 mel bands, differences over ± 2 frames, and each dimension
    brought to zero mean and unit deviation so that codewords name sounds and not speakers.
    """

    basis: Tensor

    def __init__(
        self, sampling_rate: int, hop: int, *, window: int = 400, num_coefficients: int = 13
    ) -> None:
        super().__init__()
        num_mels = 40
        self.log_mel = LogMel(sampling_rate, window, hop, num_mels)
        k = torch.arange(num_coefficients)[:, None]
        basis = torch.cos(math.pi * k * (torch.arange(num_mels) + 0.5) / num_mels)
        self.register_buffer("basis", basis * math.sqrt(2.0 / num_mels))

    def forward(self, waveform: Tensor) -> Tensor:
        """waveform (N,) of one utterance → (T, 3 · num_coefficients)."""
        cepstra = self.log_mel(waveform[None])[0] @ self.basis.T
        first = _differences(cepstra)
        features = torch.cat([cepstra, first, _differences(first)], dim=-1)
        centred = features - features.mean(0)
        return centred / (centred.square().mean(0).sqrt() + 1e-5)


def _differences(values: Tensor) -> Tensor:
    padded = F.pad(values.T[None], (2, 2), mode="replicate")[0].T
    return (2 * (padded[4:] - padded[:-4]) + padded[3:-1] - padded[1:-3]) / 10
