"""The recordings of a corpus as samples, by position; what fits into memory stays there."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosstone.data.audio import count_samples, read_audio
from crosstone.data.corpus import Corpus


class Recordings:
    """Mono samples of each utterance that has a recording; decoded ones are kept up to cache_mib.

    hear_seconds: only the beginning of a longer one.
    """

    def __init__(
        self,
        corpus: Corpus,
        *,
        sampling_rate: int,
        max_seconds: float,
        hear_seconds: float | None,
        cache_mib: int,
    ) -> None:
        self.corpus, self.sampling_rate = corpus, sampling_rate
        self.max_seconds, self.hear_seconds = max_seconds, hear_seconds
        self._room = cache_mib * 2**20
        self._kept: dict[int, NDArray[Any]] = {}

    def __getitem__(self, i: int) -> NDArray[np.float32]:
        """Samples (N,); raises AudioError for a recording that cannot be read."""
        kept = self._kept.get(i)
        if kept is not None:
            return _unpacked(kept)
        audio = read_audio(**self._stretch(i), max_seconds=self.max_seconds)
        if audio.nbytes // 2 <= self._room:
            packed = _packed(audio)
            if packed.nbytes <= self._room:
                self._room -= packed.nbytes
                self._kept[i] = packed
        return audio

    def num_samples(self, i: int) -> int:
        """How many samples there are, by the header alone."""
        return count_samples(**self._stretch(i))

    def _stretch(self, i: int) -> dict[str, Any]:
        """What is heard: its file, the first and last second of it, and at which rate."""
        utterance = self.corpus[i]
        path = self.corpus.audio_path(utterance)
        assert path is not None
        return {
            "path": path,
            "start": utterance.start,
            "end": utterance.end,
            "sampling_rate": self.sampling_rate,
            "hear_seconds": self.hear_seconds,
        }


def _packed(audio: NDArray[np.float32]) -> NDArray[Any]:
    """Samples as 16-bit integers where that loses nothing, as with most files at their own rate."""
    if np.abs(audio).max(initial=0.0) <= 1.0:
        packed = np.clip(np.round(audio * 32_768), -32_768, 32_767).astype(np.int16)
        if np.array_equal(_unpacked(packed), audio):
            return packed
    return audio


def _unpacked(packed: NDArray[Any]) -> NDArray[np.float32]:
    samples: NDArray[np.float32] = packed.astype(np.float32, copy=False)
    return samples / np.float32(32_768) if packed.dtype == np.int16 else samples
