"""What a model is asked about, what it cannot answer, and recordings that ffmpeg opens."""

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from numbers import Real
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import soxr
from numpy.typing import NDArray

from crosstone.data.audio import (
    HIGHEST_RATE,
    LOUDEST,
    SHORTEST_SECONDS,
    SILENCE,
    SILENCE_DBFS,
    SLACK_SECONDS,
    AudioFault,
    Header,
    read_audio,
    read_header,
)
from crosstone.data.text import is_unicode
from crosstone.errors import AudioError, CorpusError, CrosstoneError

Samples = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Recording:
    """One question: a recording, what is said in it, or both."""

    id: str
    """What the answer is called."""
    audio: Path | NDArray[Any] | None = None
    """A file, or mono samples: floats in [-1, 1], or int16."""
    sampling_rate: int | None = None
    """Of samples, in Hz."""
    start: float | None = None
    """Seconds into the file or samples; None is their beginning."""
    end: float | None = None
    """Seconds into the file or samples; None is their end."""
    text: str | None = None
    """What is said."""
    text_source: str | None = None
    """Where that comes from: given, sidecar, column, asr or what a manifest says."""


@dataclass(frozen=True)
class Refusal:
    """A question without an answer."""

    id: str
    reason: str
    """The sentence that says why."""


Asked = Recording | Path | str | Mapping[str, Any]


def as_recording(asked: Asked, number: int) -> Recording:
    """The question that something stands for: a path, or a mapping as pipelines take it.

    A mapping has `audio` (or `array`, or `raw`: mono samples with their `sampling_rate`) and the
    other fields of a Recording; without an id it is called by its file, or by its number. Raises
    CrosstoneError for another key, and for what stands for no question.
    """
    if isinstance(asked, Recording):
        return asked
    if isinstance(asked, (str, Path)):
        return Recording(id=str(asked), audio=Path(asked))
    if not isinstance(asked, Mapping):
        raise CrosstoneError(
            f"question {number}: expected a path, a Recording or a mapping with 'audio' or 'text', "
            f"found {type(asked).__name__}; samples go with their sampling_rate in a mapping"
        )
    fields = dict(asked)
    for name in ("array", "raw"):
        if name in fields:
            fields["audio"] = fields.pop(name)
    known = Recording.__dataclass_fields__
    if unknown := sorted(set(map(str, fields)) - set(known)):
        raise CrosstoneError(
            f"question {number}: expected the keys {', '.join(known)}, found {', '.join(unknown)}"
        )
    audio = fields.get("audio")
    if isinstance(audio, (str, Path)):
        fields["audio"] = Path(audio)
    if fields.get("text") is not None:
        fields.setdefault("text_source", "given")
    named = str(audio) if isinstance(audio, (str, Path)) else f"utterance-{number}"
    return Recording(**{"id": named, **fields})


def read_recording(
    recording: Recording,
    *,
    sampling_rate: int,
    max_seconds: float,
    hear_seconds: float | None = None,
) -> Samples:
    """Mono samples (N,) in [-1, 1]; raises AudioError for what cannot be heard.

    hear_seconds: of what is longer only the beginning, as if it ended there.
    """
    audio = recording.audio
    assert audio is not None
    _check_times(recording)
    if isinstance(audio, Path):
        with readable(audio) as file:
            return read_audio(
                file,
                start=recording.start,
                end=recording.end,
                sampling_rate=sampling_rate,
                max_seconds=max_seconds,
                hear_seconds=hear_seconds,
            )
    rate = _rate_of(recording)
    samples = _on_scale(_stretch(_array(audio), recording, rate, hear_seconds))
    seconds = len(samples) / rate
    if hear_seconds is not None:
        seconds = min(seconds, hear_seconds)  # which may end within a sample
    if seconds > max_seconds:
        raise AudioFault(
            f"samples: last {seconds:.1f} s, expected at most {max_seconds:g} s; cut them into "
            "utterances",
            "long",
        )
    if seconds < SHORTEST_SECONDS:
        raise AudioFault(
            f"samples: last {seconds:.4f} s, expected at least {SHORTEST_SECONDS:g} s; leave them "
            "out",
            "short",
        )
    if rate != sampling_rate:
        samples = soxr.resample(samples, rate, sampling_rate)
    return np.clip(samples, -1.0, 1.0)


def _check_times(recording: Recording) -> None:
    for name in ("start", "end"):
        value = getattr(recording, name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, Real)):
            raise AudioFault(
                f"{recording.id}: {name}: expected seconds, found {value!r}; give a number",
                "stretch",
            )


def _rate_of(recording: Recording) -> float:
    rate: Any = recording.sampling_rate
    if rate is None:
        raise AudioError("samples: expected their sampling_rate in Hz, found none; give it")
    is_number = isinstance(rate, Real) and not isinstance(rate, bool)
    if not is_number or not 0 < rate <= HIGHEST_RATE:
        raise AudioError(
            f"samples: expected a sampling_rate above 0 and at most {HIGHEST_RATE} Hz, found "
            f"{rate!r}; correct it"
        )
    return float(rate)


def _array(audio: Any) -> NDArray[Any]:
    """Samples as they are given, of one channel; raises AudioError for what is none."""
    try:
        given = np.asarray(audio)
    except (TypeError, ValueError) as error:
        raise AudioError(f"samples: expected numbers of shape (N,), found none: {error}") from None
    if given.dtype.kind != "f" and given.dtype != np.int16:
        raise AudioError(
            f"samples: expected floats in [-1, 1] or int16, found {given.dtype}; scale them to "
            "[-1, 1]"
        )
    if given.ndim != 1 or not len(given):
        raise AudioError(
            f"samples: expected finite mono samples of shape (N,), found shape {given.shape}; "
            "give one channel"
        )
    return given


def _stretch(
    given: NDArray[Any], recording: Recording, rate: float, hear_seconds: float | None
) -> NDArray[Any]:
    """The samples from start to end; raises AudioFault for a stretch outside them, as of a file."""
    seconds = len(given) / rate
    begin = 0.0 if recording.start is None else recording.start
    finish = seconds if recording.end is None else recording.end
    if not 0 <= begin < finish <= seconds + SLACK_SECONDS or begin >= seconds:
        raise AudioFault(
            f"samples: expected 0 <= start < end <= {seconds:.2f} s, their length, found start "
            f"{begin:g} and end {finish:g}; correct them",
            "stretch",
        )
    if hear_seconds is not None:
        finish = min(finish, begin + hear_seconds)
    return given[round(begin * rate) : round(finish * rate)]


def _on_scale(given: NDArray[Any]) -> Samples:
    """Samples as float32, those of 16 bits scaled; raises AudioError as a file with them would."""
    with np.errstate(over="ignore"):
        samples: Samples = given.astype(np.float32)
    if not np.isfinite(samples).all():
        raise AudioError(
            f"samples: expected finite mono samples of shape (N,), found shape {samples.shape} "
            "with NaN or infinity; make them again from their source"
        )
    if given.dtype == np.int16:
        samples /= 32768
    peak = float(np.abs(samples).max(initial=0.0))
    if peak > LOUDEST:
        raise AudioFault(
            f"samples: expected them within [-1, 1], found a peak of {peak:.4g}; scale them",
            "out-of-scale",
        )
    if peak < SILENCE:
        raise AudioFault(
            f"samples: silent (peak below {SILENCE_DBFS:.0f} dBFS); record them again or leave "
            "them out",
            "silent",
        )
    return samples


@contextmanager
def readable(path: Path) -> Iterator[Path]:
    """A file that libsndfile reads: the recording itself, or what ffmpeg makes of it meanwhile.

    Raises AudioError for what is no recording to either, or where ffmpeg is needed and is not
    installed; an AudioError about the file that ffmpeg made names the recording.
    """
    try:
        header = read_header(path)
    except AudioFault as fault:
        if fault.kind == "missing":
            raise AudioFault(f"{path}: no such file; is its path right?", "missing") from None
        if fault.kind != "not-audio":
            raise
        if path.is_dir():
            raise AudioFault(f"{fault}; name the recordings in it", fault.kind) from None
        if not path.is_file():
            raise
        program = shutil.which("ffmpeg")
        if program is None:
            raise AudioFault(
                f"{fault}; ffmpeg, which opens more kinds, is not installed here", fault.kind
            ) from None
    else:
        check_rate(path, header)
        yield path
        return
    with TemporaryDirectory(prefix="crosstone-") as folder:
        wav = Path(folder) / "decoded.wav"
        _decode(program, path, wav)
        try:
            yield wav
        except AudioFault as fault:
            raise AudioFault(str(fault).replace(str(wav), str(path)), fault.kind) from None


def check_rate(path: Path, header: Header) -> None:
    """Raise AudioFault for a header that promises what no recorder samples."""
    if header.sampling_rate > HIGHEST_RATE:
        raise AudioFault(
            f"{path}: expected at most {HIGHEST_RATE} Hz, found {header.sampling_rate}; convert "
            "it, for example with `ffmpeg -i IN -ar 48000 OUT.wav`"
        )


def _decode(program: str, path: Path, wav: Path) -> None:
    """Let ffmpeg write the first sound of a file as WAV; it opens nothing but that file."""
    command = [program, "-nostdin", "-v", "error", "-protocol_whitelist", "file"]
    command += ["-i", f"file:{path.resolve()}", "-map", "0:a:0", "-c:a", "pcm_s16le"]
    command += ["-rf64", "auto", "-f", "wav", str(wav)]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise AudioFault(
            f"{path}: expected audio, found what ffmpeg cannot decode either "
            f"({said[-1] if said else f'exit code {done.returncode}'}); fetch it again",
            "not-audio",
        )


def words_of(recording: Recording) -> str | None:
    """What is said, blanks evened out; CorpusError where that is no text."""
    text: object = recording.text
    if text is None:
        return None
    if not isinstance(text, str):
        raise CorpusError(
            f"{recording.id}: text: expected what is said as a string, found "
            f"{type(text).__name__}; give the words"
        )
    if not is_unicode(text):
        raise CorpusError(
            f"{recording.id}: the text is not Unicode text (lone surrogates); decode its source "
            "as UTF-8"
        )
    return " ".join(text.split()) or None


def given(
    audio: Path | str | NDArray[Any] | None, text: str | None, sampling_rate: int | None
) -> Recording:
    """What was given in one call, as a recording."""
    return Recording(
        id=Path(audio).name if isinstance(audio, (str, Path)) else "utterance",
        audio=Path(audio) if isinstance(audio, str) else audio,
        sampling_rate=sampling_rate,
        text=text,
        text_source="given",
    )
