"""A trained model calibrated on a corpus that did not train it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crosstone.data.corpus import Corpus
from crosstone.data.text import load_tokenizer
from crosstone.errors import ConfigError
from crosstone.inference.calibration import CALIBRATION, Calibration
from crosstone.inference.placement import device_of
from crosstone.inference.predictor import Predictor
from crosstone.models.checkpoint import load_task, model_folder
from crosstone.runs.calibration import answered, calibration_of
from crosstone.runs.corpora import fingerprints_of
from crosstone.runs.evaluate import labelled_of
from crosstone.runs.items import items_for
from crosstone.runs.provenance import stages_of_model


def calibrate(
    model: Path,
    corpus: Corpus,
    *,
    head: str | None = None,
    method: str = "auto",
    protocol: str | None = None,
    unit: str = "group",
    force: bool = False,
    device: str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Calibration:
    """Calibrate a model on the labelled utterances of a corpus, and write that into its folder.

    Every kind of utterance that the model accepts is calibrated by itself, the others of an
    utterance of both modalities taken away. head: which of the model's, the first that answers if
    none; the folder holds the calibration of one. protocol, device: as in `evaluate`. unit: what is
    kept together where one part is judged by the others: group, speaker or utterance. Raises
    ConfigError where labels of some of these utterances trained the model, or chose its epoch, and
    unless `force` where a head is calibrated already.
    """
    folder = model_folder(model)
    bare = load_task(folder).to(device_of(device))  # as it is, whatever calibration it carries
    tokenizer = load_tokenizer(folder) if bare.backbone.text_encoder is not None else None
    predictor = Predictor(bare, tokenizer, head=head, name=str(folder))
    labelled, target, _left_out = labelled_of(predictor, corpus, protocol, model)
    prints = fingerprints_of(labelled)
    _refuse_trained(folder, labelled, prints)
    if not force:
        _refuse_calibrated(folder, target.name)
    items = items_for(predictor.model, predictor.tokenizer, labelled, targets=[target])
    found = answered(predictor.model, items, target, unit=unit, progress=progress)
    calibration = calibration_of(
        found,
        target,
        method,
        rule=f"{labelled.name}, utterances that neither trained it nor chose its epoch",
        corpus=labelled,
        fingerprints=prints,
    )
    calibration.write(folder)
    return calibration


def _refuse_calibrated(folder: Path, head: str) -> None:
    """Raises ConfigError where the folder holds a calibration, of this head or another,
    CheckpointError where that is damaged."""
    earlier = Calibration.read(folder)
    if earlier is None:
        return
    found = f"{folder / CALIBRATION}: expected none yet, found how certain the model is of"
    if earlier.head == head:
        raise ConfigError(f"{found} '{head}' by an earlier fit; --force replaces it")
    raise ConfigError(
        f"{found} '{earlier.head}', and a folder holds that of one head; --force puts that of "
        f"'{head}' in its place, and leaves answers of '{earlier.head}' uncalibrated"
    )


def _refuse_trained(folder: Path, corpus: Corpus, prints: NDArray[np.int64]) -> None:
    """Raises ConfigError where labels of these utterances trained the model or chose its epoch."""
    stages = [stage for stage in stages_of_model(folder) if stage.uses_labels]
    for known, did in (
        ([stage.fingerprints for stage in stages], "trained it"),
        ([stage.chose for stage in stages], "chose its epoch"),
    ):
        met = np.isin(prints, np.concatenate(known)) if known else np.zeros(len(prints), bool)
        if met.any():
            first = [corpus.ids[int(row)] for row in np.flatnonzero(met)[:3]]
            raise ConfigError(
                f"{folder}: labels of {int(met.sum())} of {len(corpus)} utterances of "
                f"{corpus.name} {did} ({', '.join(first)} …), so its certainty of them says "
                "nothing of others; calibrate it on others, or fine-tune with calibrate=auto, "
                "which keeps some aside"
            )
