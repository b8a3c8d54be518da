"""What a model says of one utterance, and of which kind of utterance."""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from crosstone.data.batch import Items
from crosstone.inference.calibration import UNSURE
from crosstone.models.headspec import HeadSpec


@dataclass(frozen=True)
class Prediction:
    """What a model says of one utterance."""

    id: str
    used: tuple[str, ...]
    """The modalities it had: audio, text or both."""

    probabilities: dict[str, float] | None = None
    """By class, summing to one; None for a value."""

    heads: dict[str, float] | None = None
    """By class, that it is of that class and not of the rest, where each class has such a two-way
    head of its own; None where it has not."""

    value: float | None = None
    """The score, on the training labels' scale; None for classes."""

    calibrated: str | None = None
    """How the probabilities were calibrated; None where they stand as the model says them."""

    uncalibrated: dict[str, float] | None = None
    """The probabilities as the model says them, where they were calibrated."""

    unsure: bool = False
    """Whether it abstains, since it is not certain enough to keep the accuracy that was asked."""

    interval: tuple[float, float] | None = None
    """Lowest and highest value, of the coverage that was asked."""

    label_set: tuple[str, ...] | None = None
    """The classes that it may be, of the coverage that was asked."""

    start: float | None = None
    end: float | None = None
    """The stretch of the recording that was heard, in seconds."""

    text: str | None = None
    """What was read."""

    text_source: str | None = None
    """Where that comes from: given, sidecar, column, asr or what a manifest says."""

    @property
    def label(self) -> str | None:
        """The most probable class, or "unsure" where it abstains; None for a value."""
        if self.probabilities is None:
            return None
        if self.unsure:
            return UNSURE
        return max(self.probabilities, key=self.probabilities.__getitem__)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, without what does not apply."""
        answer: dict[str, Any] = {"id": self.id, "start": self.start, "end": self.end}
        answer |= {"used": list(self.used), "label": self.label}
        answer |= {"probabilities": self.probabilities, "calibrated": self.calibrated}
        answer |= {"heads": self.heads, "value": self.value, "label_set": self.label_set}
        low, high = self.interval or (None, None)
        answer |= {"low": low, "high": high}
        answer |= {"text": self.text, "text_source": self.text_source}
        return {key: value for key, value in answer.items() if value is not None}


def kinds_of(items: Items) -> list[str]:
    """The kinds of utterance in a training set, as TaskConfig.heard records them."""
    kinds = set()
    for i, utterance in enumerate(items.corpus):
        kinds.add(kind_of(items.hears and utterance.audio is not None, items.has_text(i)))
    return sorted(kinds - {""})


def kind_of(has_audio: bool, has_text: bool) -> str:
    """What an utterance is of: audio, text, audio+text, or "" for neither."""
    return "+".join(n for n, has in (("audio", has_audio), ("text", has_text)) if has)


def answers_of(logits: Tensor, spec: HeadSpec) -> list[dict[str, Any]]:
    """Fields of each prediction that a head's logits (B, …) make.

    Of two-way heads, probabilities over the classes are the softmax of the log odds that it is
    of each: the head that says so loudest is the label.
    """
    labels = spec.labels
    if not labels:
        return [{"value": value} for value in logits.tolist()]
    is_each = spec.kind == "one_vs_rest"
    if is_each:
        pairs = logits.reshape(len(logits), -1, 2)
        logits = pairs[..., 1] - pairs[..., 0]
    answers = [
        {"probabilities": dict(zip(labels, row, strict=True))}
        for row in logits.softmax(-1).tolist()
    ]
    if is_each:
        for answer, row in zip(answers, logits.sigmoid().tolist(), strict=True):
            answer["heads"] = dict(zip(labels, row, strict=True))
    return answers
