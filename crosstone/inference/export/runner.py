"""An exported model asked about recordings and words: python runner.py call.wav --text "…".

Needs onnxruntime, numpy, soundfile, and for words tokenizers; soxr, where it is installed, changes
sampling rates as crosstone does. One line of JSON each on standard output; what cannot be answered
is refused as `crosstone predict` refuses it: said on standard error, and the exit code is 2.
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

if __package__:
    from crosstone.inference.export.hearing import Unanswerable, read, resampled
else:  # in an exported folder, where copies of what it needs lie beside this file
    sys.path.insert(0, str(Path(__file__).parent))
    from hearing import Unanswerable, read, resampled  # type: ignore[import-not-found, no-redef]


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
        self.hear_seconds = self.about.get("hear_seconds") or math.inf
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
        words = words_of(answer["id"], text)
        samples = None
        if audio is not None and self.hears:
            limits = self.about["sampling_rate"], self.about["max_seconds"], self.hear_seconds
            samples = read(audio, *limits) if is_file else resampled(audio, sampling_rate, *limits)
            seconds = len(samples) / self.about["sampling_rate"]
            answer |= {"start": 0.0, "end": round(seconds, 3)}
        tokens = self.tokenise(words, answer["id"]) if words and self.reads else None
        kind = kind_of(samples, tokens)
        self.accept(kind)
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
            kind = kind_of(samples, tokens)
            is_unsure = max(probabilities) < self.about["thresholds"].get(kind, 0.0)
            answer = {
                "label": "unsure" if is_unsure else labels[int(np.argmax(probabilities))],
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

    def accept(self, kind: str) -> None:
        """Raise Unanswerable for a kind of utterance that training never showed, or of which the
        accuracy that the folder was exported with is not promised."""
        heard, promised = self.about["heard"], self.about["thresholds"]
        if kind in heard:
            if self.about["abstain"] is not None and kind not in promised:
                raise Unanswerable(
                    f"{self.folder}: expected utterances of {' or '.join(promised)}, of which it "
                    f"was calibrated well enough to promise {self.about['abstain']:g}, found "
                    f"{kind}; calibrate it on more of these (crosstone calibrate)"
                )
            return
        found = f"{self.folder}: expected {' or '.join(heard)}, found"
        if not kind:
            parts = [set(each.split("+")) for each in heard]
            least = [
                each for each in heard if not any(part < set(each.split("+")) for part in parts)
            ]
            raise Unanswerable(f"{found} nothing it can use; add {' or '.join(map(named, least))}")
        raise Unanswerable(
            f"{found} {kind}: never trained without the rest, so its answer would mean nothing; "
            f"add {named('text' if kind == 'audio' else 'audio')} or fine-tune one for {kind}"
        )

    def tokenise(self, text: str, name: str = "utterance") -> Any:
        """Token ids (T,) of words; raises Unanswerable for more than the model takes."""
        tokens, limit = self.tokenizer.encode(text).ids, self.about["max_tokens"]
        if len(tokens) > limit and not self.about["cut_texts"]:
            raise Unanswerable(
                f"expected texts of at most {limit} tokens, which is what the text encoder takes; "
                f"found longer: {name} ({len(text.split())} words, {len(tokens)} tokens); split "
                "the recording or its text, or train with data.cut_texts=true"
            )
        return np.array(
            tokens if len(tokens) <= limit else [*tokens[: limit - 1], tokens[-1]], np.int64
        )


def kind_of(samples: Any, tokens: Any) -> str:
    """What an utterance is of: audio, text, audio+text, or "" for neither."""
    there = (("audio", samples), ("text", tokens))
    return "+".join(name for name, values in there if values is not None)


def named(kind: str) -> str:
    """What a kind of utterance brings, in words."""
    names = {"audio": "a recording", "text": "a transcript (--text)"}
    return " and ".join(names[part] for part in kind.split("+"))


def words_of(name: str, text: Any) -> str:
    """What is said, blanks evened out; raises Unanswerable where that is no text."""
    if text is None:
        return ""
    if not isinstance(text, str):
        raise Unanswerable(
            f"{name}: text: expected what is said as a string, found {type(text).__name__}; give "
            "the words"
        )
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise Unanswerable(
            f"{name}: the text is not Unicode text (lone surrogates); decode its source as UTF-8"
        )
    return " ".join(text.split())


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
