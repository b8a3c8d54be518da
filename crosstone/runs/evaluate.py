"""A trained model on a whole corpus: predictions, facts and scores in a folder."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from crosstone.data.batch import Items, Target
from crosstone.data.corpus import Corpus
from crosstone.data.votes import rater_agreement
from crosstone.errors import ConfigError, CorpusError
from crosstone.files import write_lines
from crosstone.inference.calibration import Calibration
from crosstone.inference.embedder import Embedder
from crosstone.inference.prediction import kinds_of
from crosstone.inference.predictor import Predictor
from crosstone.models.checkpoint import model_folder, read_task_config
from crosstone.models.task import TaskModel
from crosstone.protocols import (
    PROTOCOLS,
    ProtocolSpec,
    describe_trials,
    labelled_view,
    named_protocol,
    trials_of,
)
from crosstone.runs.corpora import fingerprints_of, words_of
from crosstone.runs.facts import corpus_facts
from crosstone.runs.items import items_to_evaluate
from crosstone.runs.predictions import predict_items, prediction_lines
from crosstone.runs.provenance import (
    Stage,
    describe_encounters,
    encounters,
    stages_of_model,
)
from crosstone.runs.robustness import robustness
from crosstone.runs.run import Progress
from crosstone.runs.runset import run_set_of
from crosstone.runs.verification import ask_trials
from crosstone.scoring.score import Scores, score_predictions


def evaluate(
    model: Path,
    corpus: Corpus,
    out: Path,
    *,
    protocol: str | None = None,
    robust: bool = False,
    device: str | None = None,
    progress: Progress | None = None,
) -> Scores:
    """Predict every labelled utterance of a corpus, or ask its trials, and score that.

    A model that tells speakers apart is asked the corpus's trials, or pairs drawn from all of it.
    protocol: the named one whose labels are asked for: it merges some, and leaves others out and
    counts them. robust: also with less to hear or read, and with words misheard (`robustness`).
    device: as for `Predictor.load`.
    Writes predictions.jsonl, run.json and scores.json. Where a stage of the model or
    of its encoders was trained on some of these utterances, speakers or groups, with or without
    labels, run.json's `seen` and the protocol's name and notes say so: such a number is no test.
    Raises ConfigError where `out` holds other files, or where the model does not predict the
    protocol's target.
    """
    if out.exists() and any(out.iterdir()):
        raise ConfigError(f"{out}: expected an empty or new folder, found files; choose another")
    tick = None
    if progress is not None:
        tick = lambda done, total: progress("predicting", done, total)  # noqa: E731
    heads = read_task_config(model_folder(model)).heads or {}
    if any(fields["kind"] == "speakers" for fields in heads.values()):
        if robust:
            raise ConfigError(
                f"{model}: tells speakers apart, and the robustness table is of classes or a value;"
                " leave --robustness out"
            )
        return _evaluate_trials(model, corpus, out, protocol, device, tick)
    predictor = Predictor.load(model, device=device)
    labelled, target, left_out = labelled_of(predictor, corpus, protocol, model)
    folder = Path(predictor.name)
    items = items_to_evaluate(
        predictor.model, predictor.tokenizer, labelled, folder, targets=[target]
    )
    _refuse_unheard(items, predictor.model, model)
    calibration = predictor.promises.calibration
    predictions = predict_items(predictor.model, items, target, tick, calibration)
    is_class = bool(predictor.spec.labels)
    asked: dict[str, Any] = {
        "headline": "ua" if is_class else "mae",
        "target": predictor.head,
        "task": "classification" if is_class else "regression",
        "labels": list(predictor.spec.labels),
    }
    facts = _facts(predictor.model, folder, labelled, asked)
    out.mkdir(parents=True, exist_ok=True)
    scored = facts["protocol"]["scored"]
    lines = prediction_lines(predictions, labelled, target, 0, 0, split=scored)
    write_lines(out / "predictions.jsonl", lines)
    if calibration is not None:
        facts["calibration"] = {"method": calibration.method, "rule": calibration.rule}
        facts["protocol"]["notes"] += _fitted_on(calibration, labelled)
    facts["corpus"]["human"] = rater_agreement(labelled, target.name, target.labels)
    if protocol is not None:
        facts["protocol"]["name"] += f", labels of {protocol}"
        facts["protocol"]["left_out"] = dict(left_out)
    scores = _scored(out, facts)
    if robust:
        robustness(predictor, items, target, facts, out, progress=progress)
    return scores


def labelled_of(
    predictor: Predictor, corpus: Corpus, protocol: str | None, where: Path
) -> tuple[Corpus, Target, Mapping[str, int]]:
    """The utterances with a label that a model predicts, its target, and how many a protocol leaves
    out, by reason.

    Raises ConfigError for labels that it does not know and for another protocol's target,
    CorpusError where there are none.
    """
    target = Target(predictor.head, predictor.spec.labels)
    left_out: Mapping[str, int] = {}
    if protocol is None:
        labelled = corpus.where(lambda utterance: target.name in utterance.labels)
    else:
        spec = named_protocol(protocol)
        if (spec.target, set(spec.labels)) != (target.name, set(target.labels)):
            raise ConfigError(
                f"{where}: predicts {target.name} ({', '.join(target.labels) or 'a value'}), "
                f"expected what {protocol} asks for: {spec.target} "
                f"({', '.join(spec.labels) or 'a value'}); choose another protocol or model"
            )
        view = labelled_view(corpus, spec)
        labelled, left_out = view.corpus, view.left_out
    if not len(labelled):
        raise CorpusError(
            f"{corpus.name}: expected utterances with the label '{target.name}', which {where} "
            f"predicts, found {', '.join(sorted({k for u in corpus for k in u.labels})) or 'none'}"
            "; choose another corpus or model"
        )
    _refuse_strange(labelled, target, where)
    return labelled, target, left_out


def _evaluate_trials(
    model: Path,
    corpus: Corpus,
    out: Path,
    protocol: str | None,
    device: str | None,
    tick: Callable[[int, int], None] | None,
) -> Scores:
    embedder = Embedder.load(model, device=device)
    spec = ProtocolSpec(kind="trials", task="verification", unit="speaker", target="speaker")
    spec = spec if protocol is None else named_protocol(protocol)
    if spec.task != "verification":
        raise ConfigError(
            f"{model}: tells speakers apart, and {protocol} asks for {spec.target}; choose another "
            "protocol or model"
        )
    trials = trials_of(corpus, spec)
    named = {identity for trial in trials for identity in (trial.enrol, trial.test)}
    side = corpus.select([row for row, identity in enumerate(corpus.ids) if identity in named])
    items = items_to_evaluate(embedder.model, embedder.tokenizer, side, Path(embedder.name))
    _refuse_unheard(items, embedder.model, model)
    answers = ask_trials(embedder.model, items, trials, tick)
    out.mkdir(parents=True, exist_ok=True)
    if spec.ge2e_seed is not None:
        answers.embeddings.write(out)
    asked: dict[str, Any] = {
        "headline": spec.metric,
        "target": spec.target,
        "task": spec.task,
        "labels": [],
        "ge2e_seed": spec.ge2e_seed,
    }
    facts = _facts(embedder.model, Path(embedder.name), side, asked)
    scored = facts["protocol"]["scored"]
    write_lines(out / "predictions.jsonl", answers.lines(0, 0, split=scored))
    facts["protocol"]["notes"] += describe_trials(corpus, trials, spec)
    if protocol is not None:
        facts["protocol"]["name"] += f", trials of {protocol}"
    return _scored(out, facts)


def _scored(out: Path, facts: Mapping[str, Any]) -> Scores:
    (out / "run.json").write_text(json.dumps(facts, indent=2), encoding="utf-8")
    scores = score_predictions(out)
    scores.write(out / "scores.json")
    return scores


def _fitted_on(calibration: Calibration, corpus: Corpus) -> list[str]:
    """A sentence where the calibration was fitted on utterances that are scored."""
    count = int(np.isin(fingerprints_of(corpus), calibration.fingerprints).sum())
    said = (
        f"the probabilities were calibrated on {count} of {len(corpus)} of these utterances: ECE, "
        "Brier score, NLL and AURC are no test"
    )
    return [said] * bool(count)


def _refuse_strange(corpus: Corpus, target: Target, where: Path) -> None:
    """Raises ConfigError where a class is none of the model's, and names a protocol that fits."""
    strange = sorted({str(u.labels[target.name]) for u in corpus} - set(target.labels))
    if not target.labels or not strange:
        return
    fitting = [
        name
        for name, spec in PROTOCOLS.items()
        if (spec.corpus, spec.target) == (corpus.name, target.name)
        and set(spec.labels) == set(target.labels)
    ]
    remedy = "leave these out or relabel them"
    if fitting:
        remedy = f"merge them and leave them out as a protocol does (--protocol {fitting[0]})"
    raise ConfigError(
        f"{corpus.name}: holds the {target.name} {', '.join(strange)}, but {where} was trained on "
        f"{', '.join(target.labels)}; {remedy}"
    )


def _refuse_unheard(items: Items, model: TaskModel, where: Path) -> None:
    unheard = sorted(set(kinds_of(items)) - set(model.config.heard or []))
    if unheard:
        raise ConfigError(
            f"{items.corpus.name}: holds utterances of {', '.join(unheard)}, which {where} was "
            "never trained on; leave them out or evaluate a model that was"
        )


def _facts(
    model: TaskModel, folder: Path, corpus: Corpus, asked: Mapping[str, Any]
) -> dict[str, Any]:
    stages = stages_of_model(folder)
    met = encounters(stages, corpus, fingerprints_of(corpus), words_of(corpus))
    seen = {identity for encounter in met for identity in encounter.ids}
    chose = {identity for encounter in met for identity in encounter.chose}
    name = "whole corpus"
    if any(encounter.ids or encounter.speakers or encounter.groups for encounter in met):
        name += f", {'seen' if len(seen) == len(corpus) else 'partly seen'} in training"
    if chose:
        name += ", on which its epoch was chosen"
    return {
        "name": _title(folder),
        "stage": "evaluate",
        "family": model.backbone.config.model_type.removeprefix("crosstone-"),
        "corpus": corpus_facts(corpus),
        "protocol": {
            "name": name,
            "unit": "speaker",
            "folds": 1,
            "selection": _selection(stages, bool(chose)),
            "scored": "selected on test" if chose else "test",
            **asked,
            "train_fraction": None,
            "transductive": False,
            "counts": {"test": len(corpus)},
            "notes": describe_encounters(met, corpus),
        },
        "seen": {
            "utterances": len(seen),
            "chose_epoch": len(chose),
            "speakers": sorted({name for encounter in met for name in encounter.speakers}),
        },
        "history": [dict(stage.facts) for stage in stages],
    }


def _selection(stages: Sequence[Stage], has_chosen: bool) -> str | None:
    """The rule of the last stage, as it is on this corpus: an epoch chosen on some of it was chosen
    on the scored items, whatever these were to the stage; one chosen on other items was not."""
    if has_chosen:
        return "best_test"
    rule = stages[-1].facts.get("selection") if stages else None
    return "best_valid" if rule == "best_test" else rule


def _title(folder: Path) -> str:
    """What tables call a model: the name of its run set, with its fold; else that of its folder."""
    run_set = run_set_of(folder)
    if run_set is None:
        return folder.resolve().name
    name = str(json.loads((run_set / "scores.json").read_text(encoding="utf-8"))["name"])
    return name if run_set == folder.parent else f"{name}, {folder.parent.name}"
