"""A trained model out of torch, with what its quantised form loses on a corpus."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crosstone.data.batch import Item, Items, Target
from crosstone.data.corpus import Corpus
from crosstone.errors import ConfigError, CorpusError
from crosstone.inference.export import Exported, export_onnx
from crosstone.inference.predictor import Predictor
from crosstone.metrics import (
    classification_scores,
    classification_statistics,
    regression_scores,
    regression_statistics,
)
from crosstone.runs.corpora import fingerprints_of, words_of
from crosstone.runs.items import items_for
from crosstone.runs.provenance import encounters, stages_of_model
from crosstone.runs.run import Progress

NUM_CLIPS = 16
"""Utterances of a corpus that a graph is checked on, from the shortest to the longest."""

_SHOWN = {True: ("wa", "ua"), False: ("mae", "pearson")}


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What the quantised graph answers on a corpus, beside torch."""

    corpus: str
    num_utterances: int
    num_changed: int
    """Utterances that get another label; of a value none."""
    num_seen: int = 0
    """Utterances that trained the model: on these it answers better than on others."""
    before: dict[str, float]
    """Metrics of torch in fp32."""
    after: dict[str, float]
    """The same metrics of the quantised graph."""


def export_model(
    model: Path,
    out: Path,
    *,
    corpus: Corpus | None = None,
    head: str | None = None,
    int8: bool = False,
    abstain: float | None = None,
    progress: Progress | None = None,
) -> tuple[Exported, Loss | None]:
    """Write a model as an ONNX folder, checked on clips of a corpus, quantised too where asked.

    Torch answers on the CPU, as the graph does. What int8 loses is measured on the corpus's
    labelled utterances, none of them left unanswered, and stands in the folder's config.json.
    abstain: as for `Predictor.load`. Raises ConfigError where int8 is asked for without a corpus,
    and as `export_onnx` does.
    """
    if int8 and corpus is None:
        raise ConfigError(
            "export --int8: expected --corpus, a labelled corpus on which its loss of accuracy is "
            "measured, found none"
        )
    predictor = Predictor.load(model, head=head, abstain=abstain, device="cpu")
    losses: list[Loss] = []

    def measure(folder: Path) -> None:
        assert corpus is not None
        tick = None if progress is None else _titled(progress, "weighing int8")
        losses.append(int8_loss(predictor, folder, corpus, tick))
        path = folder / "config.json"
        about = json.loads(path.read_text(encoding="utf-8"))
        about["int8"] = vars(losses[0])
        path.write_text(json.dumps(about, indent=1), encoding="utf-8")

    exported = export_onnx(
        predictor,
        out,
        clips=[] if corpus is None else list(_clips(predictor, corpus)),
        int8=int8,
        finish=measure if int8 else None,
    )
    return exported, losses[0] if losses else None


def int8_loss(
    predictor: Predictor,
    folder: Path,
    corpus: Corpus,
    progress: Callable[[int, int], None] | None = None,
) -> Loss:
    """Torch and the quantised graph of a folder on the labelled utterances of a corpus."""
    from crosstone.inference.export.runner import Runner

    labels = predictor.spec.labels
    target = Target(predictor.head, labels)
    labelled = corpus.where(
        lambda u: (
            predictor.head in u.labels and (not labels or str(u.labels[predictor.head]) in labels)
        )
    )
    if not len(labelled):
        raise CorpusError(
            f"{corpus.name}: expected utterances with the label '{predictor.head}', on which the "
            "loss of int8 is measured, found none; choose another corpus"
        )
    items = items_for(predictor.model, predictor.tokenizer, labelled, targets=[target])
    runner = Runner(folder, int8=True)
    before: list[Any] = [None] * len(items)
    places = {identity: row for row, identity in enumerate(labelled.ids)}
    for found in predictor.predict_items(items):
        before[places[found.id]] = _likeliest(found.probabilities) if labels else found.value
    after: list[Any] = []
    for row in range(len(items)):
        answer = runner.answers([(items[row].audio, items[row].text)])[0]
        after.append(_likeliest(answer["probabilities"]) if labels else answer["value"])
        if progress is not None:
            progress(row + 1, len(items))
    truth = [utterance.labels[target.name] for utterance in labelled]
    return Loss(
        corpus=corpus.name,
        num_utterances=len(items),
        num_changed=sum(a != b for a, b in zip(before, after, strict=True)) if labels else 0,
        num_seen=_num_seen(predictor, labelled),
        before=_scores(truth, before, labels),
        after=_scores(truth, after, labels),
    )


def _likeliest(probabilities: Mapping[str, float] | None) -> str:
    assert probabilities is not None
    return max(probabilities, key=probabilities.__getitem__)


def _num_seen(predictor: Predictor, corpus: Corpus) -> int:
    """Utterances that a stage of the model, with or without labels, was trained on."""
    stages = stages_of_model(Path(predictor.name))
    met = encounters(stages, corpus, fingerprints_of(corpus), words_of(corpus))
    return len({identity for encounter in met for identity in encounter.ids})


def _scores(truth: list[Any], answers: list[Any], labels: tuple[str, ...]) -> dict[str, float]:
    if labels:
        places = [labels.index(str(label)) for label in truth]
        guessed = [labels.index(answer) for answer in answers]
        scores = classification_scores(
            classification_statistics(places, guessed, len(labels)).sum(0)
        )
    else:
        numbers = np.array([float(value) for value in truth])
        scores = regression_scores(regression_statistics(numbers, np.array(answers)).sum(0))
    return {name: float(scores[name]) for name in _SHOWN[bool(labels)]}


def _clips(predictor: Predictor, corpus: Corpus) -> Iterator[Item]:
    usable = corpus.where(
        lambda u: (predictor.hears and u.audio is not None) or (predictor.reads and bool(u.text))
    )
    items: Items = items_for(predictor.model, predictor.tokenizer, usable)
    order = np.argsort(items.lengths, kind="stable")
    for place in np.unique(np.linspace(0, len(order) - 1, NUM_CLIPS).round().astype(int)):
        yield items[int(order[place])]


def _titled(progress: Progress, title: str) -> Callable[[int, int], None]:
    return lambda done, total: progress(title, done, total)
