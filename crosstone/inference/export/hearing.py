"""Recordings and samples as an exported model hears them, refused as `crosstone predict` does."""

from __future__ import annotations

import math
import os
import stat
import sys
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

if __package__:
    from crosstone.data.container import missing_part
else:  # in an exported folder, where a copy of that file lies beside this one
    sys.path.insert(0, str(Path(__file__).parent))
    from container import missing_part  # type: ignore[import-not-found, no-redef]

SILENCE = 10 ** (-90 / 20)
LOUDEST = 4.0
SHORTEST_SECONDS = 0.05
HIGHEST_RATE = 384_000
MP3_SHARE = 0.95  # the length of an MP3 may be an estimate


class Unanswerable(ValueError):
    """A question without an answer; the message says why."""


def read(path: str | Path, sampling_rate: int, max_seconds: float, hear_seconds: float) -> Any:
    """Mono samples (N,) float32 of a recording in [-1, 1]; raises Unanswerable.

    hear_seconds: of what is longer only the beginning, as if it ended there.
    """
    path = Path(path)
    refuse_file(path)
    try:
        with soundfile.SoundFile(os.fsencode(path) if os.name == "posix" else path) as sound:
            rate = sound.samplerate
            refuse_header(path, sound.frames, rate, max_seconds, hear_seconds)
            samples = decode(path, sound, round(min(sound.frames, hear_seconds * rate)))
    except (soundfile.LibsndfileError, TypeError) as error:
        raise Unanswerable(
            f"{path}: expected audio (WAV, FLAC, Ogg, MP3 or AIFF), found something else or a "
            "damaged file; convert it, for example with `ffmpeg -i IN OUT.wav`"
        ) from error
    return at_rate(mixed(path, samples), rate, sampling_rate)


def resampled(
    samples: Any, rate: Any, sampling_rate: int, max_seconds: float, hear_seconds: float
) -> Any:
    """Given mono samples (N,) as float32 in [-1, 1] at another rate, as many as `read` hears;
    raises Unanswerable."""
    if rate is None:
        raise Unanswerable("samples: expected their sampling_rate in Hz, found none; give it")
    is_number = isinstance(rate, Real) and not isinstance(rate, bool)
    if not is_number or not 0 < rate <= HIGHEST_RATE:
        raise Unanswerable(
            f"samples: expected a sampling_rate above 0 and at most {HIGHEST_RATE} Hz, found "
            f"{rate!r}; correct it"
        )
    samples = on_scale(samples, hear_seconds * rate)
    seconds = min(len(samples) / rate, hear_seconds)
    if seconds > max_seconds:
        raise Unanswerable(
            f"samples: last {seconds:.1f} s, expected at most {max_seconds:g} s; cut them into "
            "utterances"
        )
    if seconds < SHORTEST_SECONDS:
        raise Unanswerable(
            f"samples: last {seconds:.4f} s, expected at least {SHORTEST_SECONDS:g} s; leave them "
            "out"
        )
    return at_rate(samples, rate, sampling_rate)


def refuse_header(
    path: Path, num_samples: int, rate: int, max_seconds: float, hear_seconds: float
) -> None:
    """Raise Unanswerable for what the header of a recording promises."""
    seconds = min(num_samples / rate, hear_seconds)
    if rate > HIGHEST_RATE:
        raise Unanswerable(
            f"{path}: expected at most {HIGHEST_RATE} Hz, found {rate}; convert it, for example "
            "with `ffmpeg -i IN -ar 48000 OUT.wav`"
        )
    if not num_samples:
        raise Unanswerable(f"{path}: holds a header and no samples; fetch it again")
    if seconds > max_seconds:
        raise Unanswerable(
            f"{path}: lasts {seconds:.1f} s, expected at most {max_seconds:g} s; cut it into "
            "utterances (start and end)"
        )
    if seconds < SHORTEST_SECONDS:
        raise Unanswerable(
            f"{path}: lasts {seconds:.4f} s, expected at least {SHORTEST_SECONDS:g} s; leave it out"
        )


def refuse_file(path: Path) -> None:
    """Raise Unanswerable for a file that is missing, empty or truncated, or is none."""
    try:
        status = path.stat()
        is_regular = stat.S_ISREG(status.st_mode)
        missing = missing_part(path) if is_regular and status.st_size else None
    except FileNotFoundError:
        raise Unanswerable(f"{path}: no such file; is its path right?") from None
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise Unanswerable(f"{path}: cannot be read ({said})") from error
    if stat.S_ISDIR(status.st_mode):
        raise Unanswerable(
            f"{path}: expected an audio file, found a folder; name the recordings in it"
        )
    if not is_regular:
        raise Unanswerable(f"{path}: expected an audio file, found something that is not a file")
    if not status.st_size:
        raise Unanswerable(f"{path}: the file is empty (0 bytes); fetch it again")
    if missing is not None:
        raise Unanswerable(f"{path}: truncated: {missing}; fetch it again")


def decode(path: Path, sound: Any, last: int) -> Any:
    """The samples (last, channels); raises Unanswerable where the file breaks off before."""
    parts, at, is_broken = [], 0, False
    try:
        while at < last:
            part = sound.read(min(10 * sound.samplerate, last - at), "float32", True)
            if not len(part):
                break
            at += len(part)
            parts.append(part)
    except soundfile.LibsndfileError:
        is_broken = True
    if is_broken or at < (MP3_SHARE if sound.format == "MP3" else 1.0) * last:
        raise Unanswerable(
            f"{path}: truncated or damaged: expected {last / sound.samplerate:.2f} s, "
            f"could decode no more than the first {at / sound.samplerate:.2f} s; fetch it again"
        )
    return np.concatenate(parts)


def mixed(path: Path, samples: Any) -> Any:
    """The mean of the channels, (N, channels) → (N,); raises Unanswerable where none is heard."""
    bad = int(np.any(~np.isfinite(samples), axis=1).sum())
    if bad:
        raise Unanswerable(
            f"{path}: {bad} of {len(samples)} samples are NaN or infinite; make the file again "
            "from its source"
        )
    mono, loudest = samples.mean(axis=1, dtype=np.float32), float(np.abs(samples).max())
    if loudest > LOUDEST:
        raise Unanswerable(
            f"{path}: expected samples within [-1, 1], found a peak of {loudest:.4g}; scale the "
            "float file before saving it"
        )
    if np.abs(mono).max() < SILENCE:
        what = "silent (peak below -90 dBFS)"
        if loudest >= SILENCE:
            what = f"silent once its {samples.shape[1]} channels, in opposite phase, are averaged"
        raise Unanswerable(f"{path}: {what}; record it again or leave it out")
    return mono


def on_scale(given: Any, most: float) -> Any:
    """Samples (N,) as float32, so many at most, those of 16 bits scaled; raises Unanswerable for
    what is none."""
    try:
        given = np.asarray(given)
    except (TypeError, ValueError) as error:
        raise Unanswerable(
            f"samples: expected numbers of shape (N,), found none: {error}"
        ) from None
    if given.dtype.kind != "f" and given.dtype != np.int16:
        raise Unanswerable(
            f"samples: expected floats in [-1, 1] or int16, found {given.dtype}; scale them to "
            "[-1, 1]"
        )
    if given.ndim != 1 or not len(given):
        raise Unanswerable(
            f"samples: expected finite mono samples of shape (N,), found shape {given.shape}; "
            "give one channel"
        )
    given = given[: round(min(len(given), most))]
    with np.errstate(over="ignore"):
        samples = given.astype(np.float32)
    if not np.isfinite(samples).all():
        raise Unanswerable(
            f"samples: expected finite mono samples of shape (N,), found shape {samples.shape} "
            "with NaN or infinity; make them again from their source"
        )
    if given.dtype == np.int16:
        samples /= 32768
    peak = float(np.abs(samples).max())
    if peak > LOUDEST:
        raise Unanswerable(
            f"samples: expected them within [-1, 1], found a peak of {peak:.4g}; scale them"
        )
    if peak < SILENCE:
        raise Unanswerable(
            "samples: silent (peak below -90 dBFS); record them again or leave them out"
        )
    return samples


def at_rate(samples: Any, rate: Any, wanted: int) -> Any:
    """Samples (N,) in [-1, 1] at the rate that is wanted."""
    return np.clip(samples if rate == wanted else change_rate(samples, rate, wanted), -1.0, 1.0)


def change_rate(samples: Any, rate: Any, wanted: int) -> Any:
    """Samples at another rate: by soxr, or without it by their spectrum, its top rolled off, where
    the rate is whole; raises Unanswerable where it is not."""
    try:
        import soxr
    except ImportError:
        pass
    else:
        return soxr.resample(samples, rate, wanted)
    if rate != int(rate):
        raise Unanswerable(
            f"samples: expected a whole sampling_rate, as soxr is not installed, found {rate!r}; "
            "install it (pip install soxr)"
        )
    rate = int(rate)
    step = rate // math.gcd(rate, wanted)  # so many samples take a whole number at both rates
    front = step * math.ceil(rate / (4 * step))
    total = step * math.ceil((len(samples) + 2 * front) / step)
    padded = np.zeros(total)
    padded[front : front + len(samples)] = samples
    num_samples = total * wanted // rate
    spectrum = np.fft.rfft(padded)[: num_samples // 2 + 1]
    share = np.arange(len(spectrum)) / min(num_samples, total) * 2
    spectrum *= np.cos(np.clip((share - 0.913) / 0.087, 0, 1) * np.pi / 2) ** 2
    resampled = np.fft.irfft(spectrum, num_samples) * (wanted / rate)
    first = front * wanted // rate
    length = round(len(samples) * wanted / rate)
    return resampled[first : first + length].astype(np.float32)
