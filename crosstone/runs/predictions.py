"""Predictions of a side of a corpus: asked of a model, scored for a choice, and as lines."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from torch import nn

from crosstone.data.batch import Items, Target
from crosstone.data.corpus import Corpus
from crosstone.data.item_view import ItemView
from crosstone.inference.calibration import Calibration
from crosstone.inference.prediction import Prediction
from crosstone.inference.predictor import Predictor
from crosstone.metrics import (
    classification_scores,
    classification_statistics,
    regression_scores,
    regression_statistics,
)


def predict_items(
    model: nn.Module,
    items: Items | ItemView,
    target: Target,
    progress: Callable[[int, int], None] | None = None,
    calibration: Calibration | None = None,
) -> dict[str, Prediction]:
    """A task model's predictions by utterance id, calibrated where a calibration is given."""
    predictor = Predictor(model, head=target.name, calibration=calibration)  # type: ignore[arg-type]
    return {p.id: p for p in predictor.predict_items(items, progress=progress)}


def score_items(model: nn.Module, items: Items, target: Target) -> dict[str, float]:
    """The metrics of a task model on labelled items, as an epoch may be chosen by them."""
    predictions = predict_items(model, items, target)
    ordered = [predictions[identity] for identity in items.corpus.ids]
    labels = [utterance.labels[target.name] for utterance in items.corpus]
    if not target.labels:
        values = [p.value for p in ordered]
        truth = np.array([float(label) for label in labels])
        table = regression_statistics(truth, np.array(values, dtype=np.float64)).sum(0)
        return {k: float(v) for k, v in regression_scores(table).items()}
    guessed = [target.labels.index(p.label or "") for p in ordered]
    expected = [target.labels.index(str(label)) for label in labels]
    table = classification_statistics(expected, guessed, len(target.labels)).sum(0)
    return {k: float(v) for k, v in classification_scores(table).items()}


def prediction_lines(
    predictions: Mapping[str, Prediction],
    corpus: Corpus,
    target: Target,
    fold: int,
    seed: int,
    *,
    split: str = "test",
) -> list[dict[str, Any]]:
    """Lines of predictions.jsonl, in the order of the corpus, with the answers of two-way heads
    beside the probabilities where there are such, and calibrated ones beside those that are not.

    split: what the scored side is called, as `ProtocolSpec.scored` says.
    """
    lines = []
    for utterance in corpus:
        prediction = predictions[utterance.id]
        label = utterance.labels[target.name]
        answer: dict[str, Any] = (
            {"target": str(label), "probabilities": prediction.probabilities}
            if target.labels
            else {"target": float(label), "value": prediction.value}
        )
        if prediction.uncalibrated is not None:
            answer["uncalibrated"] = prediction.uncalibrated
        if prediction.heads is not None:
            answer["heads"] = prediction.heads
        lines.append(
            {
                "id": utterance.id,
                "group": utterance.group,
                "speaker": utterance.speaker,
                "fold": fold,
                "seed": seed,
                "split": split,
                **answer,
            }
        )
    return lines
