"""An exported model asked about recordings and words: python runner.py call.wav --text "…".

Needs onnxruntime, numpy, soundfile, and for words tokenizers; soxr, where it is installed, changes
sampling rates as crosstone does. One line of JSON each on standard output; what cannot be answered
is said on standard error, and the exit code is 2.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import soundfile

SILENCE = 10 ** (-90 / 20)
SHORTEST_SECONDS = 0.05


class Unanswerable(ValueError):
    """A question without an answer; the message says why."""


class Runner:
    """A folder that `crosstone export --to onnx` wrote, ready to answer.

    int8: whether the quantised graph answers, where the folder holds it. threads: how many compute;
    None leaves it to onnxruntime.
    """

    def __init__(
        self, folder: str | Path = ".", *, int8: bool = False, threads: int | None = None
    ) -> None:
        self.folder = Path(folder)
        self.about: dict[str, Any] = json.loads(
            (self.folder / "config.json").read_text(encoding="utf-8")
        )
        graph = self.folder / ("model.int8.onnx" if int8 else "model.onnx")
        if not graph.is_file():
            raise Unanswerable(f"{graph}: no such file; export the model with --int8")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        if threads is not None:
            options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(
            str(graph), options, providers=["CPUExecutionProvider"]
        )
        self.inputs = [entry.name for entry in self.session.get_inputs()]
        self.outputs = [entry.name for entry in self.session.get_outputs()]
        self.hears, self.reads = "audio" in self.inputs, "text" in self.inputs
        self.tokenizer: Any = None
        if self.reads:
            from tokenizers import Tokenizer

            self.tokenizer = Tokenizer.from_file(str(self.folder / "tokenizer.json"))
            self.tokenizer.no_truncation()
            self.tokenizer.no_padding()

    def predict(
        self, audio: Any = None, *, text: str | None = None, sampling_rate: int | None = None
    ) -> dict[str, Any]:
        """What the model says of one utterance, with the keys of `crosstone predict`.

        audio: a file, or mono samples in [-1, 1] with their sampling_rate; text: what is said.
        Raises Unanswerable.
        """
        is_file = isinstance(audio, (str, Path))
        answer: dict[str, Any] = {"id": str(audio) if is_file else "utterance"}
        samples = None
        if audio is not None and self.hears:
            samples = self.read(audio) if is_file else self.resample(audio, sampling_rate)
            seconds = len(samples) / self.about["sampling_rate"]
            answer |= {"start": 0.0, "end": round(seconds, 3)}
        words = " ".join((text or "").split())
        tokens = self.tokenise(words) if words and self.reads else None
        kind = "+".join(
            name for name, there in (("audio", samples), ("text", tokens)) if there is not None
        )
        if kind not in self.about["heard"]:
            raise Unanswerable(
                f"{answer['id']}: expected {' or '.join(self.about['heard'])}, found "
                f"{kind or 'nothing'}: the model was never trained without the rest"
            )
        answer["used"] = kind.split("+")
        (found,) = self.answers([(samples, tokens)])
        answer |= found
        return {**answer, "text": words, "text_source": "given"} if tokens is not None else answer

    def answers(self, items: list[tuple[Any, Any]]) -> list[dict[str, Any]]:
        """What the model says of (samples, tokens) pairs side by side, either of them None.

        Where padding would change answers (`padding_safe` false) they are asked one by one.
        """
        if len(items) > 1 and self.hears and not self.about["padding_safe"]:
            return [self.answers([item])[0] for item in items]
        arrays = self.run(items)
        answers: list[dict[str, Any]] = []
        labels = self.about["labels"]
        for row, (samples, tokens) in enumerate(items):
            if not labels:
                answers.append({"value": float(arrays["value"][row])})
                continue
            probabilities = arrays["probabilities"][row].tolist()
            kind = "+".join(
                n for n, there in (("audio", samples), ("text", tokens)) if there is not None
            )
            answer = {
                "label": labels[int(np.argmax(probabilities))],
                "probabilities": dict(zip(labels, probabilities, strict=True)),
            }
            if "heads" in arrays:
                answer["heads"] = dict(zip(labels, arrays["heads"][row].tolist(), strict=True))
            if kind in self.about["calibrated"]:
                answer["calibrated"] = self.about["calibrated"][kind]
            answers.append(answer)
        return answers

    def run(self, items: list[tuple[Any, Any]]) -> dict[str, Any]:
        """The graph's outputs by name, (B, …), of (samples, tokens) pairs."""
        rows = {"audio": [item[0] for item in items], "text": [item[1] for item in items]}
        shortest = {"audio": self.about["min_samples"], "text": 2}
        given: dict[str, Any] = {}
        for name, count in (("audio", "audio_samples"), ("text", "text_tokens")):
            if name not in self.inputs:
                continue
            there = [0 if row is None else len(row) for row in rows[name]]
            kind = np.float32 if name == "audio" else np.int64
            given[name] = np.zeros((len(items), max(shortest[name], *there)), kind)
            given[count] = np.array(there, np.int64)
            for place, row in zip(given[name], rows[name], strict=True):
                if row is not None:
                    place[: len(row)] = row
        return dict(zip(self.outputs, self.session.run(None, given), strict=True))

    def read(self, path: str | Path) -> Any:
        """Mono samples of a recording, (N,) float32, at the model's rate."""
        try:
            samples, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
        except (soundfile.SoundFileError, OSError, TypeError) as error:
            raise Unanswerable(f"{path}: cannot be read as audio ({error})") from error
        return self.resample(samples.mean(axis=1, dtype=np.float32), rate, str(path))

    def resample(self, samples: Any, rate: int | None, name: str = "samples") -> Any:
        """Samples (N,) at the model's rate; raises Unanswerable for what cannot be heard."""
        samples = np.asarray(samples, np.float32)
        if rate is None or samples.ndim != 1 or not np.isfinite(samples).all():
            raise Unanswerable(f"{name}: expected finite mono samples (N,) and their sampling_rate")
        seconds = len(samples) / rate
        if not SHORTEST_SECONDS <= seconds <= self.about["max_seconds"]:
            raise Unanswerable(
                f"{name}: lasts {seconds:.2f} s, expected {SHORTEST_SECONDS:g} to "
                f"{self.about['max_seconds']:g} s"
            )
        if np.abs(samples).max() < SILENCE:
            raise Unanswerable(f"{name}: silent (peak below -90 dBFS)")
        if rate != self.about["sampling_rate"]:
            samples = change_rate(samples, rate, self.about["sampling_rate"])
        return np.clip(samples, -1.0, 1.0)

    def tokenise(self, text: str) -> Any:
        """Token ids (T,) of words."""
        tokens, limit = self.tokenizer.encode(text).ids, self.about["max_tokens"]
        if len(tokens) > limit and not self.about["cut_texts"]:
            raise Unanswerable(f"text: expected at most {limit} tokens, found {len(tokens)}")
        return np.array(
            tokens if len(tokens) <= limit else [*tokens[: limit - 1], tokens[-1]], np.int64
        )


def change_rate(samples: Any, rate: int, wanted: int) -> Any:
    """Samples at another rate: by soxr, or without it by their spectrum, its top rolled off."""
    try:
        import soxr
    except ImportError:
        pass
    else:
        return soxr.resample(samples, rate, wanted)
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


def main() -> int:
    """The command; its exit code."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("recordings", nargs="*", help="recordings that soundfile reads")
    parser.add_argument("--text", help="what is said, in the one recording that is given")
    parser.add_argument("--int8", action="store_true", help="let the quantised graph answer")
    asked = parser.parse_args()
    if len(asked.recordings) > 1 and asked.text is not None:
        parser.error("--text says what one recording says; ask for one at a time")
    if not asked.recordings and asked.text is None:
        parser.error("expected recordings or --text, found neither")
    failed = 0
    try:
        runner = Runner(Path(__file__).parent, int8=asked.int8)
    except Unanswerable as error:
        parser.error(str(error))
    for recording in asked.recordings or [None]:
        try:
            print(json.dumps(runner.predict(recording, text=asked.text), ensure_ascii=False))
        except Unanswerable as error:
            print(f"error: {error}", file=sys.stderr)
            failed = 2
    return failed


if __name__ == "__main__":
    sys.exit(main())
