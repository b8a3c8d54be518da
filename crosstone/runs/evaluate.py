"""A trained model on a whole corpus: predictions, facts and scores in a folder."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crosstone.data.batch import Target
from crosstone.data.corpus import Corpus
from crosstone.errors import ConfigError, CorpusError
from crosstone.inference.predictor import Predictor, kinds_of
from crosstone.protocols import labelled_view, named_protocol
from crosstone.runs.corpora import fingerprints_of
from crosstone.runs.facts import corpus_facts
from crosstone.runs.predictions import predict_items, prediction_lines
from crosstone.runs.provenance import describe_encounters, encounters, stages_of_model
from crosstone.runs.run import Progress, items_for, write_lines
from crosstone.scoring.score import Scores, score_predictions


def evaluate(
    model: Path,
    corpus: Corpus,
    out: Path,
    *,
    protocol: str | None = None,
    progress: Progress | None = None,
) -> Scores:
    """Predict every labelled utterance of a corpus and score it.

    protocol: the named one whose labels are asked for: it merges some, and leaves others out and
    counts them. Writes predictions.jsonl, run.json and scores.json. Where a stage of the model or
    of its encoders was trained on some of these utterances, speakers or groups, with or without
    labels, run.json's `seen` and the protocol's name and notes say so: such a number is no test.
    Raises ConfigError where `out` holds other files, or where
    the model does not predict the protocol's target.
    """
    if out.exists() and any(out.iterdir()):
        raise ConfigError(f"{out}: expected an empty or new folder, found files; choose another")
    predictor = Predictor.load(model)
    target = Target(predictor.head, predictor.spec.labels)
    left_out: Mapping[str, int] = {}
    if protocol is None:
        labelled = corpus.where(lambda utterance: predictor.head in utterance.labels)
    else:
        spec = named_protocol(protocol)
        if (spec.target, set(spec.labels)) != (target.name, set(target.labels)):
            raise ConfigError(
                f"{model}: predicts {target.name} ({', '.join(target.labels) or 'a value'}), "
                f"expected what {protocol} asks for: {spec.target} "
                f"({', '.join(spec.labels) or 'a value'}); choose another protocol or model"
            )
        view = labelled_view(corpus, spec)
        labelled, left_out = view.corpus, view.left_out
    if not len(labelled):
        raise CorpusError(
            f"{corpus.name}: expected utterances with the label '{predictor.head}', found none"
        )
    items = items_for(predictor.model, predictor.tokenizer, labelled, targets=[target])
    unheard = sorted(set(kinds_of(items)) - set(predictor.model.config.heard or []))
    if unheard:
        raise ConfigError(
            f"{corpus.name}: holds utterances of {', '.join(unheard)}, which {model} was never "
            "trained on; leave them out or evaluate a model that was"
        )
    tick = None
    if progress is not None:
        tick = lambda done, total: progress("predicting", done, total)  # noqa: E731
    predictions = predict_items(predictor.model, items, target, tick)
    out.mkdir(parents=True, exist_ok=True)
    write_lines(out / "predictions.jsonl", prediction_lines(predictions, labelled, target, 0, 0))
    facts = _facts(predictor, labelled)
    if protocol is not None:
        facts["protocol"]["name"] += f", labels of {protocol}"
        facts["protocol"]["left_out"] = dict(left_out)
    (out / "run.json").write_text(json.dumps(facts, indent=2), encoding="utf-8")
    scores = score_predictions(out)
    scores.write(out / "scores.json")
    return scores


def _facts(predictor: Predictor, corpus: Corpus) -> dict[str, Any]:
    stages = stages_of_model(Path(predictor.name))
    met = encounters(stages, corpus, fingerprints_of(corpus))
    is_class = bool(predictor.spec.labels)
    return {
        "name": predictor.name,
        "stage": "evaluate",
        "family": predictor.model.backbone.config.model_type.removeprefix("crosstone-"),
        "corpus": corpus_facts(corpus),
        "protocol": {
            "name": "whole corpus, partly seen in training" if met else "whole corpus",
            "unit": "speaker",
            "folds": 1,
            "selection": "last",
            "headline": "ua" if is_class else "mae",
            "target": predictor.head,
            "task": "classification" if is_class else "regression",
            "labels": list(predictor.spec.labels),
            "train_fraction": None,
            "transductive": False,
            "counts": {"test": len(corpus)},
            "notes": describe_encounters(met, corpus),
        },
        "seen": {
            "utterances": len({identity for encounter in met for identity in encounter.ids}),
            "speakers": sorted({name for encounter in met for name in encounter.speakers}),
        },
        "history": [dict(stage.facts) for stage in stages],
    }
