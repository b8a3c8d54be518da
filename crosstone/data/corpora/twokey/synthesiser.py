"""The child process that speaks: one job as JSON on standard input, one FLAC file per line.

eSpeak NG is loaded here and nowhere else: it keeps a history that cannot be reset, it may end the
process it lives in, and its licence is the GPL.
"""

import ctypes
import json
import os
import sys
from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

SAMPLING_RATE = 16000
LOUDNESS = 0.07
"""Root mean square of every utterance: loudness tells nothing."""
PEAK = 0.98
SILENCE = 10.0 ** (-40 / 20)
"""Of the peak; quieter is cut off at both ends, but for MARGIN."""
MARGIN = 0.03
"""Seconds"""

SYNCHRONOUS, UTF8, DO_NOT_EXIT = 2, 1, 0x8000
RATE, PITCH, RANGE = 1, 3, 4
"""Of eSpeak's speak_lib.h."""


class _Voice(ctypes.Structure):
    _fields_ = (
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
    )


class Engine:
    """eSpeak NG as espeakng-loader brings it.

    Raises RuntimeError where it does not start, lacks a voice or refuses a parameter.
    """

    def __init__(self) -> None:
        import espeakng_loader

        data = Path(espeakng_loader.get_data_path())
        self._library = ctypes.CDLL(str(espeakng_loader.get_library_path()))
        os.chdir(data.parent)  # its own buffer holds 160 characters of path: give it one
        self.sampling_rate = int(self._library.espeak_Initialize(SYNCHRONOUS, 0, b".", DO_NOT_EXIT))
        if self.sampling_rate <= 0:
            raise RuntimeError(f"eSpeak NG does not start from {data}")
        self._library.espeak_GetCurrentVoice.restype = ctypes.POINTER(_Voice)
        self._blocks: list[bytes] = []
        prototype = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)
        self._callback = prototype(self._take)
        self._library.espeak_SetSynthCallback(self._callback)

    def _take(self, samples: int | None, count: int, _events: int | None) -> int:
        if samples and count > 0:
            self._blocks.append(ctypes.string_at(samples, 2 * count))
        return 0

    def speak(
        self, text: str, voice: str, *, rate: int, pitch: int, range: int
    ) -> NDArray[np.float32]:
        """(N,) samples in [-1, 1] at the engine's own rate."""
        self._choose_voice(voice)
        for parameter, value in ((RATE, rate), (PITCH, pitch), (RANGE, range)):
            if self._library.espeak_SetParameter(parameter, value, 0) != 0:
                raise RuntimeError(f"eSpeak NG refuses {value} for parameter {parameter}")
        self._blocks.clear()
        encoded = text.encode()
        status = self._library.espeak_Synth(
            encoded, ctypes.c_size_t(len(encoded) + 1), 0, 1, 0, UTF8, None, None
        )
        if status != 0:
            raise RuntimeError(f"eSpeak NG does not speak '{text}' (status {status})")
        samples = np.frombuffer(b"".join(self._blocks), np.int16)
        return np.asarray(samples / 32768, np.float32)

    def _choose_voice(self, voice: str) -> None:
        """A missing language is an error to eSpeak, a missing variant is left out in silence: so
        ask for what was set."""
        status = self._library.espeak_SetVoiceByName(voice.encode())
        current = self._library.espeak_GetCurrentVoice().contents.identifier or b""
        variant = voice.partition("+")[2]
        found = current.decode(errors="replace").partition("+")[2]
        if status != 0 or found != variant:
            raise RuntimeError(f"eSpeak NG has no voice '{voice}' (status {status})")


def shape(samples: NDArray[np.float32], sampling_rate: int) -> NDArray[np.float32]:
    """The utterance without silence around it, at 16 kHz and of one loudness.

    Raises RuntimeError where there is nothing to hear.
    """
    level = np.abs(samples)
    if not level.size or level.max() == 0:
        raise RuntimeError("eSpeak NG gave no sound")
    loud = np.flatnonzero(level > SILENCE * level.max())
    margin = int(MARGIN * sampling_rate)
    cut = samples[max(0, loud[0] - margin) : loud[-1] + margin]
    sound = np.asarray(soxr.resample(cut, sampling_rate, SAMPLING_RATE), np.float32)
    gain = min(LOUDNESS / float(np.sqrt(np.mean(sound**2))), PEAK / float(np.abs(sound).max()))
    return np.asarray(sound * gain, np.float32)


def main() -> None:
    """Speak a job {"lines": [{"path", "text", "voice", "rate", "pitch", "range"}]} in order.

    All lines are spoken, so that each has the same history whatever there is already; files that
    exist are left alone. Prints the number of lines done after each.
    """
    job = json.load(sys.stdin)
    paths = [Path(line.pop("path")).absolute() for line in job["lines"]]
    engine = Engine()
    for done, (path, line) in enumerate(zip(paths, job["lines"], strict=True), 1):
        samples = engine.speak(**line)
        if not path.exists():
            part = path.with_name(f"{path.name}.{os.getpid()}.part")
            sound = shape(samples, engine.sampling_rate)
            soundfile.write(part, sound, SAMPLING_RATE, format="FLAC", subtype="PCM_16")
            part.replace(path)
        print(done, flush=True)


if __name__ == "__main__":
    try:
        main()
    except (RuntimeError, OSError, ImportError) as error:
        sys.exit(f"{error}")
