"""A model's card: what it is, what it has seen, how well it did, and what it is not for."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from crosstone.errors import ConfigError, CorpusError
from crosstone.inference.calibration import Calibration
from crosstone.models.checkpoint import model_folder, read_task_config
from crosstone.models.headspec import HeadSpec
from crosstone.models.task import TaskConfig
from crosstone.reports.wording import (
    METRICS,
    enumerate_words,
    number,
    percent,
    protocol_counts,
    protocol_name,
    remarks,
    selection_rule,
)
from crosstone.runs.provenance import IMPORT, describe_import, stages_of_model
from crosstone.runs.runset import run_set_of
from crosstone.scoring.score import read_facts

_SHOWN = 3
"""Metrics of a run set that stand in the table, the headline first."""


def write_card(
    model: Path,
    out: Path | None = None,
    *,
    runs: Sequence[Path] = (),
    licence: str | None = None,
    force: bool = False,
) -> Path:
    """Write the card of a model folder, or of the model in a run set, as Hugging Face reads it.

    out: by default README.md in the model folder. runs: run sets and evaluations whose scores the
    card gives; by default the run set that the model stands in. licence: of the model, as the hub
    names it. Raises CheckpointError where there is no model, CorpusError where a run has no
    scores, ConfigError where `out` exists and force is False.
    """
    folder = model_folder(model)
    out = out or folder / "README.md"
    if out.exists() and not force:
        raise ConfigError(f"{out}: a card stands here; replace it with --force or choose --out")
    config = read_task_config(folder)
    own = run_set_of(folder)
    chosen = list(runs) or ([] if own is None else [own])
    documents = [_scores(run) for run in chosen]
    is_final = own == folder.parent and own.resolve() in [run.resolve() for run in chosen]
    stages = [stage.facts for stage in stages_of_model(folder)]
    data = _front_matter(config, documents, stages, licence)
    is_of_fold = own == folder.parent.parent and own.resolve() in [run.resolve() for run in chosen]
    made = Calibration.read(folder)
    text = "\n\n".join(_sections(config, documents, stages, is_final, is_of_fold, made))
    ModelCard(f"---\n{data.to_yaml()}\n---\n\n{text}\n").save(out)
    return out


def _scores(run: Path) -> dict[str, Any]:
    """The scores of a run set or evaluation, with what run.json says it has `seen` of the items."""
    path = run / "scores.json"
    if not path.is_file():
        raise CorpusError(
            f"{run}: no scores.json; give a run set or an evaluation (crosstone evaluate)"
        )
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return document | {"seen": read_facts(run).get("seen") or {}}


def _marks(document: Mapping[str, Any]) -> list[str]:
    """What a reader must know where the number stands."""
    marks = []
    if document["scored"] != "test" or document["selection"] == "best_test":
        marks.append("selected on test")
    if document["transductive"]:
        marks.append("adapted on the test side too")
    if (models := len(document["runs"])) > 1:
        marks.append(f"mean of {models} models")
    return marks


def _is_of_others(document: Mapping[str, Any]) -> bool:
    """Whether the scored items neither trained, nor adapted, nor chose the epoch."""
    seen = document["seen"]
    return not (
        document["scored"] != "test"
        or document["selection"] == "best_test"
        or document["transductive"]
        or seen.get("utterances")
        or seen.get("chose_epoch")
    )


def _pipeline(config: TaskConfig) -> str | None:
    """The hub's name of what the model does; None where it has none."""
    of_classes = ("classification", "one_vs_rest")
    if all(fields["kind"] not in of_classes for fields in (config.heads or {}).values()):
        return None
    hears = any("audio" in kind for kind in config.heard or [])
    return "audio-classification" if hears else "text-classification"


def _front_matter(
    config: TaskConfig,
    documents: Sequence[Mapping[str, Any]],
    stages: Sequence[Mapping[str, Any]],
    licence: str | None,
) -> ModelCardData:
    pipeline = _pipeline(config)
    results = [
        EvalResult(
            task_type=(pipeline if document["task"] == "classification" else None) or "other",
            dataset_type=str(document["corpus"]["name"]),
            dataset_name=str(document["corpus"]["name"]),
            dataset_revision=str(document["corpus"]["hash"]),
            metric_type=document["headline"]["metric"],
            metric_name=", ".join((_title(document["headline"]["metric"]), *_marks(document))),
            metric_value=document["headline"]["value"],
        )
        for document in documents
        if document["corpus"]
        and document["headline"]["value"] is not None
        and _is_of_others(document)
    ]
    return ModelCardData(
        license=licence or "other",
        library_name="crosstone",
        pipeline_tag=pipeline,
        tags=["crosstone", "speech", "audio-text", *sorted(config.heads or {})],
        datasets=sorted({str(s["corpus"]) for s in stages if s["stage"] != IMPORT}),
        base_model=_released_encoders(stages) or None,
        model_name="crosstone model",
        eval_results=results or None,
        ignore_metadata_errors=True,
    )


def _released_encoders(stages: Sequence[Mapping[str, Any]]) -> list[str]:
    """Hub ids of the encoders that the stages began with."""
    named = {name for stage in stages for name in (stage.get("encoders") or {}).values()}
    return sorted(n for n in named if n.count("/") == 1 and not Path(n).exists())


def _sections(
    config: TaskConfig,
    documents: Sequence[Mapping[str, Any]],
    stages: Sequence[Mapping[str, Any]],
    is_final: bool,
    is_of_fold: bool,
    calibration: Calibration | None,
) -> Iterable[str]:
    """Paragraphs and tables; is_final: the scores are those of the folds' models, not its own;
    is_of_fold: they are those of all models of its run set."""
    names = [str(d["name"]) for d in documents if d.get("name") and d.get("family")]
    heads = {
        name: HeadSpec(**{**fields, "labels": tuple(fields.get("labels") or ())})
        for name, fields in (config.heads or {}).items()
    }
    yield f"# {names[0] if names else 'A crosstone model'}"
    yield "\n".join(_abilities(config, heads))
    compares = any(head.kind == "speakers" for head in heads.values())
    yield "## Use\n\n" + (_COMPARING if compares else _ANSWERING.format(_call(config.heard or [])))
    yield "## What it has seen"
    yield from (describe_import(stage) for stage in stages if stage["stage"] == IMPORT)
    if (trained := [s for s in stages if s["stage"] != IMPORT]) or not stages:
        yield "\n".join(_data_table(trained))
    if encoders := _released_encoders(stages):
        yield (
            f"It began with {enumerate_words(encoders)}; what those have seen stands on their own "
            "cards and is not checked here."
        )
    yield "## How well it does\n\n" + "\n".join(_score_table(documents))
    if is_final:
        yield (
            "These are the numbers of the models that each left a part out to be scored on; this "
            "one was trained the same way on all of it, so nothing was left to score it on."
        )
    if is_of_fold and any(len(document["runs"]) > 1 for document in documents):
        yield (
            "This is the model of one fold and seed: a mean is that of all models of its run set, "
            "not its own number."
        )
    if calibration is not None:
        yield f"Its certainty ({calibration.method}) was fitted on {calibration.rule}."
    yield "## What it is not for\n\n" + (_LIMITS_OF_VOICES if compares else _LIMITS) + _UNTESTED


def _call(heard: Sequence[str]) -> str:
    if heard == ["audio"]:
        return 'print(model.predict("call.wav"))'
    if heard == ["text"]:
        return 'print(model.predict(text="what is said"))'
    return 'print(model.predict("call.wav", text="what is said in it"))'


def _abilities(config: TaskConfig, heads: Mapping[str, HeadSpec]) -> Iterable[str]:
    kinds = {"audio+text": "audio with its words", "audio": "audio alone", "text": "words alone"}
    heard = [kinds.get(kind, kind) for kind in config.heard or []]
    yield f"It was trained on {enumerate_words(heard) if heard else 'inputs it does not name'}."
    for name, head in heads.items():
        if head.kind in ("classification", "one_vs_rest"):
            yield f"- `{name}`: one of {enumerate_words(head.labels)}."
        elif head.kind == "regression":
            yield f"- `{name}`: a number on the scale of its training labels."
        elif head.kind == "speakers":
            yield (
                f"- `{name}`: how alike two voices are, from -1 to 1, as the cosine of the vectors "
                f"that tell its {len(head.labels):,} training speakers apart."
            )
        else:
            yield f"- `{name}`: a head of kind {head.kind}."


def _data_table(stages: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    yield "| stage | corpus | utterances | speakers | groups | licence | content hash |"
    yield "|---|---|---|---|---|---|---|"
    for stage in stages:
        name = str(stage["corpus"]) + (" (test side too)" if stage["transductive"] else "")
        yield (
            f"| {stage['stage']} | {name} | {stage['utterances']:,} | {len(stage['speakers'])} | "
            f"{len(stage['groups'])} | {stage.get('licence') or 'not stated'} | `{stage['hash']}` |"
        )
    yield ""
    yield (
        "`seen.safetensors` holds a fingerprint of each utterance, by which `crosstone evaluate` "
        "finds those that come again."
    )


def _score_table(documents: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    if not documents:
        yield "No scores were given with this card (`crosstone card --scores RUN`)."
        return
    yield "| scored on | metric | value | interval |"
    yield "|---|---|---|---|"
    said = []
    for document in documents:
        corpus, protocol = document["corpus"] or {}, document["protocol"] or {}
        place = f"{corpus.get('name', '?')}: {protocol.get('name', 'protocol not stated')}"
        marked = "; ".join((place, *_marks(document)))
        headline, intervals = document["headline"]["metric"], document["intervals"]
        for name in [headline, *(n for n in document["metrics"] if n != headline)][:_SHOWN]:
            value = document["metrics"][name]
            ends = [value["low"], value["high"]]
            interval = "–"
            if None not in ends:
                level = percent(intervals["level"])
                interval = f"{number(ends[0])} to {number(ends[1])} ({level})"
            shown = "–" if value["value"] is None else number(value["value"])
            yield f"| {marked} | {_title(name)} | {shown} | {interval} |"
        said.append(
            f"- {place}: {protocol_name(protocol)}; {protocol_counts(protocol)}; "
            f"{selection_rule(protocol)}; content hash `{corpus.get('hash', '?')}`; intervals over "
            f"{intervals['clusters']} {intervals['by']}s."
        )
        said += [f"  - {remark}." for remark in remarks(corpus, protocol)]
        said += [f"  - {note}." for note in document["notes"]]
    yield ""
    yield from said


def _title(metric: str) -> str:
    return METRICS.get(metric, metric)


_ANSWERING = """\
```python
import crosstone

model = crosstone.load("FOLDER")
{}
```"""

_COMPARING = """\
```
crosstone evaluate FOLDER --corpus CORPUS --out SCORES
```
asks it about the trials of a corpus: `SCORES/predictions.jsonl` holds a score for each pair."""

_LIMITS = """\
It answers what raters like those of its training data would say of recordings like theirs. It does
not know what a person feels. Do not use it for decisions about a person: not for hiring, grading,
policing, insurance, credit, diagnosis or access to anything. In the European Union, inferring
emotions at work and in education is prohibited outside medicine and safety (Regulation (EU)
2024/1689, Article 5(1)(f)); where they are inferred elsewhere, people must be told (Article 50)."""

_LIMITS_OF_VOICES = """\
It says how alike two recordings sound, and not who speaks. It misses some pairs of one speaker and
accepts some of two, and more where a person is heard on two days or two devices than in trials of
one recording. It was not tested against imitated, replayed or synthetic voices. Do not use it for
decisions about a person: not as proof of identity, for access to anything, for policing or for
watching people. In the European Union a voice that is used to identify someone is biometric data
(Regulation (EU) 2016/679, Article 9)."""

_UNTESTED = """
Other languages, ages, microphones and situations than those above are untested: measure it on your
own labelled recordings first (`crosstone evaluate`)."""
