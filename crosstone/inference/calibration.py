"""How certain a model's answers are, as its folder carries it, and what may be promised of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosstone.errors import CheckpointError, CrosstoneError
from crosstone.files import write_text
from crosstone.metrics.conformal import (
    abstention_threshold,
    conformal_quantile,
    fewest_for,
    highest_accuracy,
)
from crosstone.metrics.scaling import Scaling

CALIBRATION = "calibration.json"
"""File of a model folder."""

UNSURE = "unsure"
"""The answer of a model that abstains."""

Floats = NDArray[np.float64]
_NONE: Floats = np.empty(0)


@dataclass(frozen=True, kw_only=True, eq=False)
class Certainty:
    """What is known of the answers to one kind of utterance, from n that did not train them."""

    scaling: Scaling | None = None
    """Of classes; None for a value."""

    strangeness: Floats
    """(n,) how far each answer was from the truth: 1 less the probability of the true class, or
    the distance of the value."""

    confidence: Floats = field(default_factory=_NONE.copy)
    """(n,) of classes, the largest probability; scaled, as strangeness is, by a fit to others."""

    hits: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))
    """(n,) of classes, whether the most probable one was true."""

    speakers: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """(n,) who spoke, by number; where it does not say, nothing tells them apart."""

    before: Mapping[str, float] = field(default_factory=dict)
    """Of classes, ece, brier, nll and aurc of the n as the model says them."""

    after: Mapping[str, float] = field(default_factory=dict)
    """The same of the n, each scaled by a fit to others."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration:
    """What a model's folder says of the certainty of one head."""

    head: str
    method: str
    """temperature, vector, or residuals of a value."""

    rule: str
    """On what it was fitted, in words."""

    corpus: str
    labels: tuple[str, ...] = ()
    kinds: Mapping[str, Certainty]
    """By kind of utterance, as in TaskConfig.heard."""

    fingerprints: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    """Of the utterances it was fitted on, sorted."""

    def write(self, folder: Path) -> Path:
        """Its file in a model folder, whole or not at all."""
        path = folder / CALIBRATION
        write_text(path, json.dumps(self._document(), indent=1))
        return path

    @classmethod
    def read(cls, folder: Path) -> "Calibration | None":
        """That of a model folder; None where it carries none, CheckpointError for a damaged one."""
        path = folder / CALIBRATION
        if not path.is_file():
            return None
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            return cls(
                **{name: document[name] for name in ("head", "method", "rule", "corpus")},
                labels=tuple(document["labels"]),
                kinds={kind: _certainty(entry) for kind, entry in document["kinds"].items()},
                fingerprints=np.array(document["fingerprints"], np.int64),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise CheckpointError(
                f"{path}: expected what crosstone calibrate writes, found something else "
                f"({error!r}); calibrate the model again (--force)"
            ) from error

    def applied(self, kind: str, answer: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a prediction with its probabilities calibrated, and as they were beside
        them; a kind that it does not know, and a value, as they are."""
        known = self.kinds.get(kind)
        raw = answer.get("probabilities")
        if known is None or known.scaling is None or raw is None:
            return dict(answer)
        scaled = known.scaling.apply([raw[label] for label in self.labels])
        calibrated = dict(zip(self.labels, scaled.tolist(), strict=True))
        own = {"probabilities": calibrated, "uncalibrated": raw, "calibrated": self.method}
        return {**answer, **own}

    def summary(self) -> dict[str, Any]:
        """What a table says of it: how, on what, and of each kind the scores before and after."""
        kinds = {
            kind: {"utterances": len(c.strangeness), "before": c.before, "after": c.after}
            for kind, c in self.kinds.items()
        }
        return {"method": self.method, "rule": self.rule, "corpus": self.corpus, "kinds": kinds}

    def _document(self) -> dict[str, Any]:
        return {
            "head": self.head,
            "method": self.method,
            "rule": self.rule,
            "corpus": self.corpus,
            "labels": list(self.labels),
            "kinds": {
                kind: {
                    "utterances": len(known.strangeness),
                    "before": dict(known.before),
                    "after": dict(known.after),
                    "scale": list(known.scaling.scale) if known.scaling else None,
                    "bias": list(known.scaling.bias) if known.scaling else None,
                    "strangeness": known.strangeness.tolist(),
                    "confidence": known.confidence.tolist(),
                    "hits": known.hits.tolist(),
                    "speakers": known.speakers.tolist(),
                }
                for kind, known in self.kinds.items()
            },
            "fingerprints": self.fingerprints.tolist(),
        }


def _certainty(entry: Mapping[str, Any]) -> Certainty:
    scaling = None
    if entry["scale"] is not None:
        scaling = Scaling(tuple(map(float, entry["scale"])), tuple(map(float, entry["bias"])))
    return Certainty(
        scaling=scaling,
        strangeness=np.array(entry["strangeness"], np.float64),
        confidence=np.array(entry["confidence"], np.float64),
        hits=np.array(entry["hits"], np.bool_),
        speakers=np.array(entry["speakers"], np.int64),
        before=entry["before"],
        after=entry["after"],
    )


class Promises:
    """What is promised of each answer: an accuracy where it answers at all, or a coverage.

    abstain: of the answers given, this share is right, and the others are "unsure". coverage: this
    share of the intervals, or sets of labels, hold the truth, in the mean over speakers. head: the
    one that answers; another's calibration is left out. Raises CrosstoneError that says what is
    missing where a promise cannot be kept for any kind of utterance.
    """

    def __init__(
        self,
        calibration: Calibration | None,
        *,
        abstain: float | None = None,
        coverage: float | None = None,
        name: str = "",
        head: str | None = None,
    ) -> None:
        other = None
        if calibration is not None and head not in (None, calibration.head):
            other, calibration = calibration.head, None
        self.calibration, self.abstain, self.coverage = calibration, abstain, coverage
        self.name = name or "model"
        self.thresholds: dict[str, float] = {}
        """By kind of utterance, the least confidence that is answered."""
        self.bounds: dict[str, float] = {}
        """By kind of utterance, the strangeness that a true answer keeps."""
        if abstain is None and coverage is None:
            return
        if other is not None:
            raise CrosstoneError(
                f"{self.name}: carries a calibration of '{other}' alone, found '{head}' asked; ask "
                f"for that (--head {other}), or put one of '{head}' in its place (crosstone "
                f"calibrate MODEL --corpus DIR --head {head} --force)"
            )
        if calibration is None:
            raise CrosstoneError(
                f"{self.name}: carries no calibration, so nothing can be promised of its answers; "
                "calibrate it on labelled utterances that did not train it (crosstone calibrate "
                "MODEL --corpus DIR)"
            )
        if abstain is not None:
            self.thresholds = self._thresholds(calibration, abstain)
        if coverage is not None:
            self.bounds = self._bounds(calibration, coverage)

    def check(self, kind: str) -> None:
        """Raise CrosstoneError for a kind of utterance of which nothing is promised."""
        for asked, known in ((self.abstain, self.thresholds), (self.coverage, self.bounds)):
            if asked is not None and kind not in known:
                raise CrosstoneError(
                    f"{self.name}: expected utterances of {' or '.join(known)}, of which it was "
                    f"calibrated well enough to promise {asked:g}, found {kind}; calibrate it on "
                    "more of these (crosstone calibrate)"
                )

    def kept(self, kind: str, answer: Mapping[str, Any]) -> dict[str, Any]:
        """The fields of a prediction, calibrated, with `unsure`, `interval` or `label_set` beside
        them."""
        out = dict(answer) if self.calibration is None else self.calibration.applied(kind, answer)
        probabilities = out.get("probabilities")
        if kind in self.thresholds and probabilities is not None:
            out["unsure"] = max(probabilities.values()) < self.thresholds[kind]
        bound = self.bounds.get(kind)
        if bound is None:
            return out
        if probabilities is None:
            out["interval"] = (answer["value"] - bound, answer["value"] + bound)
        else:
            held = [label for label, p in probabilities.items() if 1 - p <= bound]
            out["label_set"] = tuple(held)
        return out

    def _thresholds(self, calibration: Calibration, accuracy: float) -> dict[str, float]:
        if not calibration.labels:
            raise CrosstoneError(
                f"{self.name}: --abstain is for classes, and it answers with a value; ask for an "
                "interval (--coverage)"
            )
        found = {
            kind: abstention_threshold(
                known.confidence, known.hits, accuracy, units=_speakers(known)
            )
            for kind, known in calibration.kinds.items()
        }
        held = {kind: threshold for kind, threshold in found.items() if threshold is not None}
        if not held:
            raise CrosstoneError(
                f"{self.name}: an accuracy of {accuracy:g} cannot be promised from the "
                f"{_counts(calibration)} that it was calibrated on, whatever it leaves unanswered; "
                f"{_highest(calibration)}calibrate on more"
            )
        return held

    def _bounds(self, calibration: Calibration, coverage: float) -> dict[str, float]:
        found = {
            kind: conformal_quantile(known.strangeness, coverage, units=_speakers(known))
            for kind, known in calibration.kinds.items()
        }
        held = {kind: bound for kind, bound in found.items() if np.isfinite(bound)}
        if not held:
            raise CrosstoneError(
                f"{self.name}: a coverage of {coverage:g} needs {fewest_for(coverage)} speakers to "
                f"calibrate on, found {_voices(calibration)}; ask for less, or calibrate on more"
            )
        return held


def _counts(calibration: Calibration) -> str:
    return ", ".join(f"{len(c.strangeness)} of {kind}" for kind, c in calibration.kinds.items())


def _highest(calibration: Calibration) -> str:
    """What accuracy can be promised, of each kind of which any can; "" where none can."""
    found = {
        kind: highest_accuracy(known.confidence, known.hits, units=_speakers(known))
        for kind, known in calibration.kinds.items()
    }
    most = [f"{accuracy:g} of {kind}" for kind, accuracy in found.items() if accuracy is not None]
    return f"at most {' and '.join(most)} can; ask for that, or " if most else ""


def _voices(calibration: Calibration) -> str:
    kinds = calibration.kinds.items()
    return ", ".join(f"{len(np.unique(_speakers(c)))} of {kind}" for kind, c in kinds)


def _speakers(known: Certainty) -> NDArray[np.int64]:
    """Who spoke, one for all where it does not say."""
    missing = len(known.speakers) != len(known.strangeness)
    return np.zeros(len(known.strangeness), np.int64) if missing else known.speakers
