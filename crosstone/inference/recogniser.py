"""Speech recognisers of others: a command or a model of the hub, and what they heard, kept."""

import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from crosstone.errors import CheckpointError, CrosstoneError

if TYPE_CHECKING:
    import torch

PLACE = "{audio}"
"""Stands for the recording in a command."""

Samples = NDArray[np.float32]


@dataclass(frozen=True)
class Recogniser:
    """Words heard in mono samples; what was heard before is read from a folder."""

    name: str
    """The command or hub id: another one hears anew."""
    hear: Callable[[Samples, int], str]
    folder: Path

    def __call__(self, samples: Samples, sampling_rate: int) -> str | None:
        """What is said, None without words; raises CrosstoneError where it cannot be heard."""
        sound = hashlib.sha256(np.ascontiguousarray(samples, dtype="<f4").tobytes())
        sound.update(json.dumps([self.name, sampling_rate]).encode())
        key = sound.hexdigest()
        file = self.folder / key[:2] / f"{key}.json"
        try:
            text = str(json.loads(file.read_text(encoding="utf-8"))["text"])
        except (OSError, ValueError, KeyError, TypeError):  # not there, or broken: heard again
            text = " ".join(self.hear(samples, sampling_rate).split())
            file.parent.mkdir(parents=True, exist_ok=True)
            fresh = file.with_suffix(f".{os.getpid()}")
            said = {"text": text, "asr": self.name, "seconds": len(samples) / sampling_rate}
            fresh.write_text(json.dumps(said, ensure_ascii=False), encoding="utf-8")
            fresh.replace(file)
        return text or None


def load_recogniser(
    spec: str, folder: Path | None = None, *, device: "torch.device | None" = None
) -> Recogniser:
    """The recogniser of a command that holds {audio}, or of a folder or hub id.

    The command is run without a shell, on a WAV file of the stretch that is heard; what it prints
    is what is said. folder: where texts are kept, by default in the user's cache. device: where a
    model computes; None leaves it to transformers. Raises CrosstoneError for a command that is not
    there and a model that cannot be loaded.
    """
    hear = _command(spec) if PLACE in spec or " " in spec.strip() else _model(spec, device)
    return Recogniser(spec, hear, folder or cache_folder())


def cache_folder() -> Path:
    """Where this system keeps what can be made again, and in it our texts."""
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "crosstone" / "asr"


def _command(spec: str) -> Callable[[Samples, int], str]:
    try:
        words = shlex.split(spec)
    except ValueError as error:
        raise CrosstoneError(f"--asr {spec}: not a command ({error})") from error
    if not any(PLACE in word for word in words):
        raise CrosstoneError(
            f"--asr {spec}: expected a command with {PLACE} where the recording goes, as in "
            f"'recognise {PLACE}', or a hub id"
        )
    if shutil.which(words[0]) is None:
        raise CrosstoneError(f"--asr: no such command: {words[0]}; install it or give its path")

    def hear(samples: Samples, sampling_rate: int) -> str:
        with TemporaryDirectory(prefix="crosstone-") as folder:
            wav = Path(folder) / "audio.wav"
            soundfile.write(wav, samples, sampling_rate, subtype="PCM_16")
            run = [word.replace(PLACE, str(wav)) for word in words]
            done = subprocess.run(run, capture_output=True, stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise CrosstoneError(
                f"--asr: {words[0]} failed with exit code {done.returncode}"
                f"{f' ({said[-1]})' if said else ''}"
            )
        return done.stdout.decode(errors="replace")

    return hear


def _model(name: str, device: "torch.device | None") -> Callable[[Samples, int], str]:
    from transformers import pipeline

    try:
        recognise: Any = pipeline("automatic-speech-recognition", model=name, device=device)
    except (OSError, ValueError, KeyError, ImportError, RuntimeError) as error:
        raise CheckpointError(
            f"--asr {name}: no speech recogniser can be loaded from here "
            f"({str(error).strip().splitlines()[0]}); give a folder or hub id of one (some need "
            f"`pip install crosstone[asr]`), or a command with {PLACE}"
        ) from error
    extractor = recognise.feature_extractor
    rate = int(extractor.sampling_rate)
    # longer ones Whisper goes through window by window, guided by the times that it writes
    window = int(extractor.n_samples) if recognise.type == "seq2seq_whisper" else None

    def hear(samples: Samples, sampling_rate: int) -> str:
        if sampling_rate != rate:
            samples = soxr.resample(samples, sampling_rate, rate)
        is_long = window is not None and len(samples) > window
        options = {"return_timestamps": True} if is_long else {}
        try:
            return str(recognise({"raw": samples, "sampling_rate": rate}, **options)["text"])
        except ValueError as error:
            raise CrosstoneError(
                f"--asr {name}: cannot hear {len(samples) / rate:.1f} s at once "
                f"({str(error).strip().splitlines()[0]}); cut them into utterances, or name "
                "another recogniser"
            ) from error

    return hear
