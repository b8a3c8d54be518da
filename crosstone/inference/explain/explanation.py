"""What an explanation says, and with what settings it was made."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosstone.errors import CrosstoneError
from crosstone.inference.explain.attention import Attention
from crosstone.inference.explain.gradients import MOST_STEPS
from crosstone.inference.explain.occlusion import Fill, Without
from crosstone.inference.explain.quantity import Scale

SHORTEST_WINDOW = 0.02


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How an answer is explained."""

    words: Without | None = None
    """What becomes of a word that is taken away: it is left out, or the mask token stands there;
    None for the mask token of models whose past says that they were trained with it."""
    fill: Fill = "noise"
    """What becomes of a stretch: noise of its level that falls as speech does, or silence."""
    window: float | None = None
    """Seconds of a stretch; None for 0.2, or for a hundredth of what is longer than 20 s."""
    draws: int = 4
    """Of the noise; their mean is taken."""
    scale: Scale = "log-odds"
    """Of a class: its log odds, or its probability."""
    steps: int = 32
    """Of the integral, at first."""
    randomised: int = 3
    """Models with shuffled weights that are explained too, to see that it matters."""
    seed: int = 0

    def __post_init__(self) -> None:
        for name, low, high in (
            ("window", SHORTEST_WINDOW, float("inf")),
            ("draws", 1, 1000),
            ("steps", 2, MOST_STEPS),
            ("randomised", 0, 100),
        ):
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                most = "" if high == float("inf") else f" and at most {high}"
                raise CrosstoneError(
                    f"explain: expected {name} to be at least {low}{most}, found {value:g}"
                )


@dataclass(frozen=True)
class WordEffect:
    """What one word did."""

    word: str
    start: float | None
    end: float | None
    """Seconds; None where its time is not known."""
    is_read: bool
    """False where the text was cut before it, or the tokenizer leaves it out."""
    occlusion: float
    """What the score loses without it."""
    probability: float | None
    """Of the label, without it; None for a value."""
    gradients: float
    """Its part of what the score is above that of the baseline."""


@dataclass(frozen=True)
class StretchEffect:
    """What one stretch of the recording did; fields as of a word."""

    start: float
    end: float
    occlusion: float
    spread: float
    """Deviation of it over draws of the noise."""
    probability: float | None
    gradients: float


@dataclass(frozen=True)
class ModalityEffect:
    """What one of two modalities did."""

    modality: str
    how: str
    """How it was taken away: "absent", as in part of training, or "neutral": it says nothing."""
    loss: float
    """What the score loses without it."""
    share: float | None
    """Of both losses, by their size; None where neither loses anything."""
    probability: float | None
    label: str | None
    """What the answer is without it; None for a value."""
    gradients: float
    """The sum over its words or stretches."""


@dataclass(frozen=True)
class Completeness:
    """Whether integrated gradients hand out what they should."""

    baseline: float
    """The score of words without embeddings and of silence."""
    difference: float
    """The score less that."""
    total: float
    """What words and stretches have together."""
    residual: float
    tolerance: float
    steps: int
    is_complete: bool
    """Whether the residual is within the tolerance."""


@dataclass(frozen=True)
class Randomised:
    """Rank correlation of the explanation with those of models with shuffled weights."""

    models: int
    correlation: dict[str, float | None]
    """Mean over the models, by what is explained and how: words.occlusion, …, None where there are
    too few parts."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Explanation:
    """What each word and each stretch of a recording did to an answer."""

    id: str
    model: str
    head: str
    used: tuple[str, ...]
    """The modalities the answer is from: audio, text or both."""
    answer: dict[str, Any]
    """The prediction, as `Prediction.as_dict` gives it."""
    label: str | None
    """The class that is explained; None for a value."""
    quantity: str
    """What is explained, in words; effects are in its units."""
    score: float
    probability: float | None
    """Of the label, as the model says it, before calibration; None for a value."""
    text: str | None
    seconds: float | None
    words: tuple[WordEffect, ...]
    stretches: tuple[StretchEffect, ...]
    modalities: tuple[ModalityEffect, ...]
    """Both, or none where the answer is from one alone."""
    completeness: Completeness
    attention: tuple[Attention, ...]
    """Where it was asked for and the family has it."""
    randomised: Randomised | None
    settings: dict[str, Any]
    """What was done, with its numbers."""
    samples: NDArray[Any] | None
    """What was heard, (N,), at `sampling_rate`."""
    sampling_rate: int

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, without the samples; numbers with six digits."""
        fields = {
            name: getattr(self, name)
            for name in ("id", "model", "head", "used", "answer", "label", "quantity", "score")
        }
        fields |= {name: getattr(self, name) for name in ("probability", "text", "seconds")}
        for name in ("words", "stretches", "modalities"):
            fields[name] = [asdict(effect) for effect in getattr(self, name)]
        fields["completeness"] = asdict(self.completeness)
        fields["attention"] = [
            {"stream": a.stream, "block": a.block, "weights": a.weights.tolist()}
            for a in self.attention
        ]
        fields["randomised"] = None if self.randomised is None else asdict(self.randomised)
        fields["settings"] = self.settings
        rounded: dict[str, Any] = _rounded(fields)
        return rounded


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(np.format_float_positional(value, 6, fractional=False)) if value else 0.0
    if isinstance(value, dict):
        return {key: _rounded(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(each) for each in value]
    return value
