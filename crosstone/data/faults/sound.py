"""What a recording sounds like, measured as it is decoded, block by block."""

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosstone.data.audio import audio_blocks

FRAME_SECONDS = 0.02
QUIET_DB = 40.0
"""A frame this far below the loudest one is quiet."""
FULL_SCALE = 0.999
"""A sample from here on stands at the limit of its file."""


@dataclass(frozen=True, slots=True)
class Sound:
    """One utterance's recording in numbers."""

    seconds: float
    sampling_rate: int
    """Hz"""
    num_channels: int
    peak: float
    """Largest absolute sample of the channels' mean."""
    level: float
    """dBFS of the root of the mean square."""
    clipped: float
    """Share of the samples at full scale."""
    quiet: float
    """Share of the frames of 20 ms that are 40 dB or more below the loudest."""
    digest: int
    """64 bits of the samples: equal for the same sound at the same rate."""


def digest_of(samples: NDArray[np.float32]) -> int:
    """What tells the mono samples of a recording at its own rate, as `Sound.digest`."""
    return _number(hashlib.sha1(np.ascontiguousarray(samples).data, usedforsecurity=False))


def _number(digest: Any) -> int:
    return int.from_bytes(digest.digest()[:8], "little", signed=True)


def hear(path: Path, *, start: float | None, end: float | None, max_seconds: float | None) -> Sound:
    """The sound of a recording or its stretch (seconds); raises AudioError as `read_audio` does."""
    num_samples = num_clipped = 0
    peak = square = 0.0
    energies = []
    digest = hashlib.sha1(usedforsecurity=False)
    with audio_blocks(path, start=start, end=end, max_seconds=max_seconds) as (header, blocks):
        frame = max(1, round(FRAME_SECONDS * header.sampling_rate))
        for block in blocks:
            digest.update(np.ascontiguousarray(block).data)
            loudness = np.abs(block)
            num_samples += len(block)
            num_clipped += int(np.count_nonzero(loudness >= FULL_SCALE))
            peak = max(peak, float(loudness.max(initial=0.0)))
            square += float(np.dot(block, block))
            frames = block[: len(block) // frame * frame].reshape(-1, frame)
            energies.append(np.einsum("ij,ij->i", frames, frames))
    energy = np.concatenate(energies)
    limit = float(energy.max(initial=0.0)) * 10.0 ** (-QUIET_DB / 10.0)
    return Sound(
        seconds=num_samples / header.sampling_rate,
        sampling_rate=header.sampling_rate,
        num_channels=header.num_channels,
        peak=peak,
        level=10.0 * math.log10(max(square / num_samples, 1e-12)),
        clipped=num_clipped / num_samples,
        quiet=float(np.mean(energy <= limit)) if len(energy) else 0.0,
        digest=_number(digest),
    )
