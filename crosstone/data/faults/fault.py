"""What is wrong with an utterance or a corpus, and what training does about it."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from crosstone.data.corpus import Corpus
from crosstone.errors import CorpusError

WHOLE_CORPUS = "(corpus)"
"""The id of a fault that no single utterance has."""
NUM_SHOWN = 5
NUM_WARNINGS = 10
_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with one utterance, or with the corpus."""

    id: str
    """The utterance's id, or WHOLE_CORPUS."""
    kind: str
    """One word for counting: missing, truncated, silent, duplicate-id, …"""
    severity: Literal["error", "warning"]
    """Training refuses errors."""
    sentence: str
    """Where, what was expected, what was found, what to do."""


def format_faults(faults: Sequence[Fault]) -> str:
    """The faults as lines, errors first, under a line that counts them by kind.

    Every error has its line; of a kind of warning only the first NUM_WARNINGS have.
    """
    if not faults:
        return "no faults"
    lines = [f"{len(faults)} {'fault' if len(faults) == 1 else 'faults'}: {count_kinds(faults)}"]
    for severity in ("error", "warning"):
        said: Counter[str] = Counter()
        for fault in (fault for fault in faults if fault.severity == severity):
            said[fault.kind] += 1
            if severity == "error" or said[fault.kind] <= NUM_WARNINGS:
                lines.append(f"{severity} [{fault.kind}] {fault.id}: {fault.sentence}")
        if severity == "warning":
            lines += [
                f"warning [{kind}] and {count - NUM_WARNINGS} more"
                for kind, count in said.items()
                if count > NUM_WARNINGS
            ]
    return "\n".join(lines)


def count_kinds(faults: Sequence[Fault]) -> str:
    """How many faults of each kind, the most frequent first: "3 silent, 1 missing"."""
    kinds = Counter(fault.kind for fault in faults)
    return ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())


def refuse_faulty(corpus: Corpus, faults: Sequence[Fault], skip: bool = False) -> Corpus:
    """The corpus to train on: itself without errors, or, with skip, the view without faulty ones.

    Logs (warning) how many it left out and why. Raises CorpusError where there are errors and
    skip is False, or where skipping would leave nothing.
    """
    errors = [fault for fault in faults if fault.severity == "error"]
    if not errors:
        return corpus
    faulty = {fault.id for fault in errors}
    kept = corpus.select([i for i, identity in enumerate(corpus.ids) if identity not in faulty])
    left_out = len(corpus) - len(kept)
    number = "1 fault" if len(errors) == 1 else f"{len(errors)} faults"
    summary = f"{number} ({count_kinds(errors)}) in {left_out} of {len(corpus)} utterances"
    shown = [f"  {fault.id}: {fault.sentence}" for fault in errors[:NUM_SHOWN]]
    if len(errors) > NUM_SHOWN:
        shown.append(f"  … and {len(errors) - NUM_SHOWN} more")
    listed = "\n".join(shown)
    if not skip:
        raise CorpusError(
            f"{corpus.name}: {summary}\n{listed}\n"
            f"See them all with `crosstone check {corpus.folder}`, and mend them or leave them out "
            "with `--skip-faulty`"
        )
    if len(kept) == 0:
        raise CorpusError(
            f"{corpus.name}: {summary}, so none is left\n{listed}\n"
            f"See them all with `crosstone check {corpus.folder}`"
        )
    _LOG.warning(
        "%s: left out %d utterances, %d remain: %s", corpus.name, left_out, len(kept), summary
    )
    return kept
