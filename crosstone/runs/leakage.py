"""Leaks that names do not tell: recordings on both sides, and what earlier stages have met."""

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import numpy as np

from crosstone.data.corpus import Corpus
from crosstone.errors import ConfigError, CorpusError
from crosstone.protocols import Fold, ProtocolSpec
from crosstone.protocols.base import Side
from crosstone.runs.assembly import earlier_stages
from crosstone.runs.corpora import fingerprints_of, sounds_of, words_of
from crosstone.runs.provenance import Encounter, describe_echoes, encounters
from crosstone.runs.recipe import Recipe

_SHOWN = 6


def check_recordings(corpus: Corpus, folds: Sequence[Fold], spec: ProtocolSpec) -> list[str]:
    """A sentence where recordings that are tested also train or validate under other ids and the
    protocol keeps nothing together.

    Raises CorpusError with their ids where it does keep units together.
    """
    sounds = sounds_of(corpus)
    twice: list[tuple[int, list[str]]] = []
    for fold in folds:
        others = sounds[np.concatenate([fold.train, fold.valid])]
        both = fold.test[np.isin(sounds[fold.test], others[others != 0])]
        if len(both):
            twice.append((fold.index, [corpus.ids[int(row)] for row in both]))
    if not twice:
        return []
    index, ids = twice[0]
    folds_said = f" ({len(twice)} of {len(folds)} folds)" if len(folds) > 1 else ""
    said = (
        f"{len(ids)} of the tested utterances of fold {index}{folds_said} sound exactly as "
        f"recordings that also train or validate do: {_listed(ids)}"
    )
    if spec.unit == "utterance":
        return [f"{said}; protocol.unit=utterance permits it, and the number is too high"]
    raise CorpusError(f"{corpus.name}: {said}; keep one of each, or give both the same {spec.unit}")


def check_past(
    recipe: Recipe,
    corpus: Corpus,
    folds: Sequence[Fold],
    init_of: Callable[[int, int], Path | None],
) -> tuple[bool, list[str]]:
    """Whether an earlier stage has, admittedly, met the test side without labels; and a sentence
    for what else of it such a stage has met: speakers in other utterances, words of others.

    init_of: (fold, seed) to the model that run starts from. Raises ConfigError where a stage has
    met the test side and does not say so, has used its labels, or chose its epoch on it.
    """
    assert recipe.protocol is not None
    transductive = recipe.data.transductive
    heard: dict[tuple[str, str, str], set[str]] = {}
    echoes: dict[tuple[str, str], set[str]] = {}
    past = {
        (fold.index, seed): earlier_stages(recipe, init_of(fold.index, seed))
        for fold, seed in itertools.product(folds, recipe.seeds)
    }
    if not any(past.values()):
        return transductive, []
    prints, words = fingerprints_of(corpus), words_of(corpus)
    for fold, seed in itertools.product(folds, recipe.seeds):
        test = corpus.select(fold.test)
        stages = past[fold.index, seed]
        for met in encounters(stages, test, prints[fold.test], words[fold.test]):
            stage, name = str(met.stage.facts["stage"]), str(met.stage.facts["corpus"])
            seen, did = _seen(met, fold, recipe.protocol)
            if seen and not met.stage.is_blind:
                raise ConfigError(
                    f"model.init: fold {fold.index} tests {seen}, which the stage '{stage}' of "
                    f"{init_of(fold.index, seed) or 'an encoder'} {did}; use the same protocol for "
                    "both stages, or adapt with data.transductive=true, which every table then says"
                )
            if seen:
                transductive = True
                continue
            for column, names in (("speaker", met.speakers), ("group", met.groups)):
                if names and not met.stage.uses_labels:
                    heard.setdefault((stage, name, column), set()).update(names)
            if met.echoes:
                echoes.setdefault((stage, name), set()).update(met.echoes)
    notes = [
        f"{len(names)} tested {column}{'s' if len(names) > 1 else ''} ({_listed(sorted(names))}) "
        f"met without labels, in other utterances, by the stage '{stage}' on {name}"
        for (stage, name, column), names in heard.items()
    ]
    notes += [
        describe_echoes(stage, name, len(ids), len(corpus)) for (stage, name), ids in echoes.items()
    ]
    return transductive, notes


def _seen(met: Encounter, fold: Fold, spec: ProtocolSpec) -> tuple[str, str]:
    """What of the test side an earlier stage has met that a protocol keeps apart, and what it did
    with it, in words; "" where nothing.

    Labels of a tested unit tell on whatever side the protocol does not permit; without labels only
    the unit itself counts.
    """
    names = {"speaker": met.speakers, "group": met.groups}
    if spec.unit == "utterance":
        knows = len(met.stage.fingerprints)  # else names are all there is to go by
        sides = {} if knows or not any(names.values()) else {"utterance": fold.test_units}
    else:
        others = [side for side in get_args(Side) if side != spec.unit and side not in spec.permits]
        kept = [spec.unit, *(others if met.stage.uses_labels else [])]
        sides = {side: names[side] for side in kept}
    for what, found in (*sides.items(), ("utterance", met.ids)):
        if found:
            return f"{what} {_listed(found)}", "was trained on"
    return (f"utterance {_listed(met.chose)}", "chose its epoch on") if met.chose else ("", "")


def _listed(names: Sequence[str]) -> str:
    return f"{', '.join(names[:_SHOWN])}{' …' if len(names) > _SHOWN else ''}"
