"""What run.json says of corpus and protocol, so that every table can print it."""

from typing import Any

import numpy as np

from crosstone.data.corpus import Corpus
from crosstone.data.faults import brief
from crosstone.data.votes import rater_agreement
from crosstone.protocols import Plan, ProtocolSpec


def corpus_facts(corpus: Corpus) -> dict[str, Any]:
    """The part of a corpus that was used: name, size, content hash, ceilings, what it lacks; and
    size and hash of the copy that it is a part of."""
    whole = Corpus.open(corpus.folder)
    return {
        "name": corpus.name,
        "hash": corpus.hash,
        "utterances": len(corpus),
        "copy": {"hash": whole.hash, "utterances": len(whole)},
        "ceilings": corpus.extras.get("ceilings"),
        "incomplete": brief(corpus.extras.get("incomplete") or ()),
    }


def human_facts(spec: ProtocolSpec, plan: Plan) -> dict[str, Any] | None:
    """How far the raters of the scored utterances agree on the target, and how one of them fares
    against the others (`Judgements.agreement`); None where it was not judged.

    spec: with the classes spelt out.
    """
    if spec.task == "verification":
        return None
    scored = np.unique(np.concatenate([fold.test for fold in plan.folds]))
    return rater_agreement(plan.corpus.select(scored), spec.target, spec.labels)


def protocol_facts(spec: ProtocolSpec, plan: Plan, transductive: bool) -> dict[str, Any]:
    """How the numbers were made: protocol, selection rule, classes, counts, and what is odd."""
    sides = {"train": "train", "valid": "valid", "test": spec.scored}
    return {
        "name": spec.name or spec.kind,
        "kind": spec.kind,
        "source": spec.source,
        "unit": spec.unit,
        "folds": len(plan.folds),
        "selection": spec.selection,
        "scored": spec.scored,
        "headline": spec.metric,
        "target": spec.target,
        "task": spec.task,
        "labels": list(spec.labels),
        "label_map": dict(spec.label_map),
        "train_fraction": spec.train_fraction,
        "ambiguous": spec.ambiguous,
        "ge2e_seed": spec.ge2e_seed,
        "transductive": transductive,
        "counts": {
            said: sum(len(getattr(fold, part)) for fold in plan.folds)
            for part, said in sides.items()
        },
        "classes": dict(plan.found.labels) if spec.task == "classification" else {},
        "is_whole": plan.is_whole,
        "checked": plan.checked,
        "left_out": dict(plan.left_out),
        "notes": list(plan.notes),
    }
