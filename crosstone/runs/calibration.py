"""Calibration of a model from its answers to what did not train it."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosstone.data.batch import Items, Target
from crosstone.data.corpus import Corpus
from crosstone.data.item_view import KINDS, only
from crosstone.errors import ConfigError, CrosstoneError
from crosstone.inference.calibration import Calibration, Certainty
from crosstone.inference.prediction import Prediction, kind_of
from crosstone.metrics import calibration_scores, calibration_statistics, risk_coverage
from crosstone.metrics.scaling import FEWEST, Method, fit_apart, fit_scaling
from crosstone.models.task import TaskModel
from crosstone.runs.corpora import fingerprints_of
from crosstone.runs.predictions import predict_items

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Answered:
    """One utterance with what was answered, and what is true."""

    id: str
    unit: str
    """What belongs together."""
    speaker: str
    kind: str
    target: Any
    prediction: Prediction


def answered(
    model: TaskModel,
    items: Items,
    target: Target,
    *,
    unit: str = "group",
    progress: Callable[[str, int, int], None] | None = None,
) -> list[Answered]:
    """What a model says of labelled items, of each kind that it accepts and they can be."""
    out = []
    for kind in model.config.heard or []:
        side = only(items, kind)
        tick = None
        if progress is not None:
            tick = lambda done, total, kind=kind: progress(f"asking {kind}", done, total)  # noqa: E731
        predictions = predict_items(model, side, target, tick)
        units = units_of(side.corpus, unit)
        for utterance, own in zip(side.corpus, units, strict=True):
            truth = utterance.labels[target.name]
            said = predictions[utterance.id]
            speaker = utterance.speaker or utterance.id
            out.append(Answered(utterance.id, own, speaker, kind, truth, said))
    return out


def units_of(corpus: Corpus, unit: str) -> list[str]:
    """What belongs together of each utterance: its group or speaker, itself where it has none.

    Where all are of one group, as where one session validates, speakers take its place, and where
    all are of one speaker, utterances.
    """
    columns = {"group": corpus.groups, "speaker": corpus.speakers}
    for name in dict.fromkeys((unit, "speaker")) if unit in columns else ():
        names = [str(n) if n else own for n, own in zip(columns[name], corpus.ids, strict=True)]
        if len(set(names)) > 1:
            return names
    return list(corpus.ids)


def calibration_of(
    answers: Sequence[Answered],
    target: Target,
    method: str,
    *,
    rule: str,
    corpus: Corpus,
    fingerprints: NDArray[np.int64],
) -> Calibration:
    """The calibration of each kind of utterance in answers to what did not train the model.

    Raises CrosstoneError where no kind has enough.
    """
    chosen = method_of(method, target)
    kinds: dict[str, Certainty] = {}
    faults = []
    for kind in KINDS:
        own = [answer for answer in answers if answer.kind == kind]
        if not own:
            continue
        try:
            kinds[kind] = _certainty(own, target, chosen)
        except CrosstoneError as error:
            faults.append(f"{kind}: {error}")
    if not kinds:
        nothing = "expected utterances that the model accepts, found none; calibrate it on others"
        raise CrosstoneError(f"{corpus.name}: {'; '.join(faults) or nothing}")
    return Calibration(
        head=target.name,
        method=chosen,
        rule=rule,
        corpus=corpus.name,
        labels=target.labels,
        kinds=kinds,
        fingerprints=np.unique(fingerprints),
    )


def method_of(asked: str, target: Target) -> str:
    """What is fitted: temperature or vector of classes, residuals of a value.

    Raises ConfigError for scaling of a value.
    """
    if not target.labels:
        if asked in ("temperature", "vector"):
            raise ConfigError(
                f"calibration: {asked} is for classes, and '{target.name}' is a value; leave the "
                "method out, its distances from the truth are kept"
            )
        return "residuals"
    return "temperature" if asked == "auto" else asked


def _certainty(answers: Sequence[Answered], target: Target, method: str) -> Certainty:
    if not target.labels:
        if len(answers) < FEWEST:
            raise CrosstoneError(
                f"expected at least {FEWEST} labelled utterances, found {len(answers)}"
            )
        away = [abs(float(a.target) - float(a.prediction.value or 0.0)) for a in answers]
        return Certainty(strangeness=np.array(away), speakers=_numbers(answers))
    raw = np.array([_raw(a.prediction, target.labels) for a in answers])
    truth = np.array([target.labels.index(str(a.target)) for a in answers])
    how: Method = "vector" if method == "vector" else "temperature"
    apart = fit_apart(how, truth, raw, [a.unit for a in answers])
    return Certainty(
        scaling=fit_scaling(how, truth, raw),
        strangeness=1 - apart[np.arange(len(truth)), truth],
        confidence=apart.max(1),
        hits=apart.argmax(1) == truth,
        speakers=_numbers(answers),
        before=_scores(truth, raw),
        after=_scores(truth, apart),
    )


def _numbers(answers: Sequence[Answered]) -> NDArray[np.int64]:
    names = [answer.speaker for answer in answers]
    return np.unique(names, return_inverse=True)[1].ravel().astype(np.int64)


def _raw(prediction: Prediction, labels: Iterable[str]) -> list[float]:
    known = prediction.uncalibrated or prediction.probabilities or {}
    return [known[label] for label in labels]


def _scores(target: NDArray[np.int64], probabilities: NDArray[np.float64]) -> dict[str, float]:
    sums = calibration_statistics(target, probabilities).sum(0)
    found = {name: float(value) for name, value in calibration_scores(sums).items()}
    return {**found, "aurc": risk_coverage(target, probabilities).aurc}


def calibrate_fold(
    model: TaskModel, items: Items, target: Target, *, method: str, unit: str, has_chosen: bool
) -> Calibration | None:
    """A fold's model on the items that validate, which neither train nor test; None, with a
    warning, where they are too few.

    has_chosen: its epoch was chosen on them too, so that it is a little surer of them than of
    others; the rule says so.
    """
    rule = "the fold's validation groups"
    try:
        return calibration_of(
            answered(model, items, target, unit=unit),
            target,
            method,
            rule=f"{rule}, the groups that chose the epoch" if has_chosen else rule,
            corpus=items.corpus,
            fingerprints=fingerprints_of(items.corpus),
        )
    except CrosstoneError as error:
        _LOG.warning("not calibrated: %s", error)
        return None


def calibrate_final(
    folder: Path,
    corpus: Corpus,
    target: Target,
    lines: Sequence[Mapping[str, Any]],
    *,
    method: str,
    unit: str,
    takes: Sequence[str],
) -> Calibration | None:
    """The model of all groups, by what each fold's model said of the groups that did not train it.

    The final model has no such group left, and is taken to be as certain as they are. lines: of
    predictions.jsonl, one an utterance; takes: its modalities. None, with a warning, where there
    are too few.
    """
    by_id = {line["id"]: line for line in lines}
    answers = []
    for utterance, own in zip(corpus, units_of(corpus, unit), strict=True):
        line = by_id.get(utterance.id)
        if line is None:
            continue
        kind = kind_of(
            "audio" in takes and utterance.audio is not None,
            "text" in takes and bool(utterance.text),
        )
        said = Prediction(
            utterance.id,
            (),
            probabilities=line.get("uncalibrated") or line.get("probabilities"),
            value=line.get("value"),
        )
        speaker = utterance.speaker or utterance.id
        answers.append(Answered(utterance.id, own, speaker, kind, line["target"], said))
    try:
        calibration = calibration_of(
            answers,
            target,
            method,
            rule="answers of the folds' models to groups that did not train them",
            corpus=corpus,
            fingerprints=fingerprints_of(corpus),
        )
    except CrosstoneError as error:
        _LOG.warning("%s: not calibrated: %s", folder, error)
        return None
    calibration.write(folder)
    return calibration
