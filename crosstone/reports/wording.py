"""How a report says things: names of metrics, rules and ceilings, and numbers as text."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from crosstone.metrics import Interval

METRICS = {
    "wa": "WA",
    "ua": "UA",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "mae": "MAE",
    "pearson": "Pearson r",
    "ccc": "CCC",
    "acc7_round": "Acc7",
    "acc7_sdk": "Acc7 (SDK bins)",
    "acc5": "Acc5",
    "acc2_nonneg": "Acc2 (≥ 0)",
    "f1_nonneg": "F1 (≥ 0)",
    "acc2_nonzero": "Acc2 (≠ 0)",
    "f1_nonzero": "F1 (≠ 0)",
    "ece": "ECE",
    "ece_mass": "ECE (equal mass)",
    "brier": "Brier score",
    "nll": "NLL",
    "aurc": "AURC",
    "eer": "EER",
    "min_dcf": "minDCF (0.01)",
    "ge2e_eer": "EER of CTAL's draw",
    "head_accuracy": "accuracy of two-way heads",
    "head_weighted_f1": "weighted F1 of two-way heads",
}
"""Metrics by what a reader calls them; others by their own names."""

_SELECTION = {
    "nested": "epoch chosen on one whole part of the training side, which the next fold tests "
    "(nested)",
    "last": "weights of the last epoch (last)",
    "best_valid": "epoch chosen on a part that neither trains nor tests (best_valid)",
    "best_test": "epoch chosen on the scored items themselves (best_test)",
}

CEILINGS = {
    "words": "what is said, and nothing of how",
    "delivery": "how it is said, and nothing of the words",
    "additive": "both, added as a linear head over two views does",
    "additive_best": "both, added in the best way: bounds every additive listener",
    "joint": "both together: bounds every system",
}

_PROTOCOLS = {
    "holdout": "one hold-out",
    "grouped-kfold": "{folds} folds",
    "leave-one-group-out": "leave one {unit} out",
    "predefined": "the corpus's own splits",
    "trials": "a list of trials",
}


def protocol_name(protocol: Mapping[str, Any]) -> str:
    """The protocol by name and in words, with its folds and the unit that they keep whole."""
    name, unit = str(protocol.get("name") or ""), str(protocol.get("unit") or "")
    kind = str(protocol.get("kind") or name)
    if not name:
        return "protocol not stated"
    if kind not in _PROTOCOLS:
        return name
    said = _PROTOCOLS[kind].format(folds=protocol.get("folds") or "?", unit=unit or "group")
    if unit:
        said += f", no {unit} on both sides"
    if altered := protocol.get("altered"):
        said += f"; altered: {', '.join(altered)}"
    return said if name == kind else f"{name} ({said})"


def protocol_counts(protocol: Mapping[str, Any]) -> str:
    """How many train, validate and are scored in a fold, and how that compares with a whole copy;
    "" where neither is stated."""
    counts, folds = protocol.get("counts") or {}, int(protocol.get("folds") or 1)
    tested = "tested in trials" if protocol.get("task") == "verification" else "scored"
    said = ", ".join(
        f"{round(number / folds):,} {part if part in ('train', 'valid') else tested}"
        for part, number in counts.items()
    )
    if said and folds > 1:
        said += " per fold"
    checked = str(protocol.get("checked") or "")
    return "; ".join(part for part in (said, checked) if part)


def remarks(corpus: Mapping[str, Any], protocol: Mapping[str, Any]) -> list[str]:
    """What a reader must know of a corpus and its folds: what is missing, left out, on both sides.

    Each is a sentence without its full stop.
    """
    said = [str(sentence) for sentence in corpus.get("incomplete") or ()]
    if left_out := protocol.get("left_out"):
        said.append("Left out: " + ", ".join(f"{n:,} {why}" for why, n in left_out.items()))
    return said + [str(note) for note in protocol.get("notes") or ()]


def selection_rule(protocol: Mapping[str, Any]) -> str:
    """Which weights were scored, and on what they were chosen."""
    return _SELECTION.get(str(protocol.get("selection")), "selection rule not stated")


def common(what: str, texts: Iterable[str]) -> str:
    """The text, where all say the same; otherwise that they differ, and each of them once."""
    distinct = list(dict.fromkeys(texts))
    return distinct[0] if len(distinct) == 1 else f"{what} differs: {' or '.join(distinct)}"


def number(value: float, signed: bool = False, trim: bool = False) -> str:
    """Three decimals with a true minus; a dash for what is undefined.

    trim: without the zeros at the end, as on an axis.
    """
    if not math.isfinite(value):
        return "–"
    value = round(value, 3) + 0.0
    text = f"{value:+.3f}" if signed and value else f"{value:.3f}"
    return (text.rstrip("0").rstrip(".") if trim else text).replace("-", "−")


def bracket(interval: Interval, signed: bool = False) -> str:
    """The ends of an interval, or nothing where it has none."""
    if not math.isfinite(interval.low):
        return ""
    return f"[{number(interval.low, signed)}, {number(interval.high, signed)}]"


def count(amount: int, noun: str) -> str:
    """A number with its noun, in the plural where there are more."""
    return f"{amount:,} {noun}" if amount == 1 else f"{amount:,} {noun}s"


def percent(part: float) -> str:
    """A share in percent."""
    return f"{100 * part:g} %"


def amount(value: object, scale: float, unit: str) -> str:
    """A quantity in a unit of so many, with three digits; a dash where it is not known."""
    if not isinstance(value, int | float):
        return "–"
    scaled = value / scale
    return f"{scaled:,.0f} {unit}" if scaled >= 100 else f"{scaled:.3g} {unit}"


def duration(seconds: object) -> str:
    """Seconds below two minutes, minutes below two hours, then hours."""
    if not isinstance(seconds, int | float):
        return "–"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def enumerate_words(words: Sequence[str]) -> str:
    """a; a and b; a, b and c; with semicolons where a word holds a comma."""
    if len(words) < 2:
        return "".join(words)
    comma = "; " if any("," in word for word in words) else ", "
    return f"{comma.join(words[:-1])}{';' if comma == '; ' else ''} and {words[-1]}"
