"""One utterance, and the line of JSON that holds it; the source of a corpus."""

import difflib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NoReturn

TEXT_SOURCES = ("gold", "asr")


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where a corpus comes from and on what terms; "" where nothing is known."""

    url: str = ""
    version: str = ""
    licence: str = ""
    citation: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Utterance:
    """What was said, where it can be heard, and what is known about it."""

    id: str
    """Unique within its corpus."""
    audio: str | None = None
    """POSIX path relative to the corpus root."""
    start: float | None = None
    """Seconds into the file; None is its beginning."""
    end: float | None = None
    """Seconds into the file; None is its end."""
    duration: float | None = None
    """Seconds between start and end, as measured when the corpus was prepared."""
    text: str | None = None
    """The transcript; "" is a transcript without words, None is no transcript."""
    text_source: str | None = None
    """"gold" where a person wrote the transcript, "asr" where a recogniser did."""
    speaker: str | None = None
    """Who speaks."""
    group: str | None = None
    """Session, dialogue or video: what no fold may split."""
    split: str | None = None
    """The corpus's own partition ("train", "test", "unlabelled"), where it has one."""
    labels: Mapping[str, str | float] = field(default_factory=dict, hash=False)
    """The corpus's own label names and scales."""
    votes: Mapping[str, Mapping[str, tuple[str | float, ...]]] = field(
        default_factory=dict, hash=False
    )
    """What was judged → rater → what that rater chose: several labels, one number, or nothing.

    A speaker's judgement of himself stands under a name that ends in "_self" ("emotion_self").
    """


FIELDS = tuple(item.name for item in fields(Utterance))
SECONDS = ("start", "end", "duration")
STRINGS = ("audio", "text", "text_source", "speaker", "group", "split")


def to_record(utterance: Utterance) -> dict[str, Any]:
    """The utterance as a JSON object in canonical order: no absent fields, numbers as floats."""
    record: dict[str, Any] = {}
    for name in FIELDS:
        value = getattr(utterance, name)
        if value is None:
            continue
        if name == "labels":
            if value:
                record[name] = {key: _as_float(value[key]) for key in sorted(value, key=str)}
        elif name == "votes":
            if value:
                record[name] = _votes_record(value)
        else:
            record[name] = _as_float(value) if name in SECONDS else value
    return record


def to_line(record: Mapping[str, Any]) -> bytes:
    """The canonical line of a record: UTF-8 JSON without spaces, ended by a newline."""
    text = json.dumps(record, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        return text.encode() + b"\n"
    except UnicodeEncodeError:  # a lone surrogate, as a file name in a foreign encoding has
        return json.dumps(record, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def from_line(line: bytes) -> Utterance:
    """The utterance of a line that `read_line` has found faultless."""
    return from_record(json.loads(line))


def from_record(record: dict[str, Any]) -> Utterance:
    """The utterance of a faultless record."""
    for name in SECONDS:
        if name in record and record[name] is not None:
            record[name] = float(record[name])
    labels = record.get("labels") or {}
    record["labels"] = {key: _as_float(value) for key, value in labels.items()}
    record["votes"] = {
        target: {rater: tuple(map(_as_float, chosen)) for rater, chosen in raters.items()}
        for target, raters in (record.get("votes") or {}).items()
    }
    return Utterance(**record)


def read_line(line: bytes) -> tuple[dict[str, Any], list[str]]:
    """The record of a line, of use only without faults, and its faults, each a clause."""
    record, faults = read_object(line)
    return record, faults or record_faults(record)


def read_object(line: bytes) -> tuple[dict[str, Any], list[str]]:
    """The JSON object of a line, empty where it has faults, and those, each a clause."""
    try:
        record = json.loads(
            line.decode(), object_pairs_hook=_distinct_pairs, parse_constant=_refuse_constant
        )
    except UnicodeDecodeError as error:
        return {}, [f"not UTF-8 (byte {error.start})"]
    except (ValueError, RecursionError) as error:
        return {}, [f"not one JSON object ({error})" if line.strip() else "empty"]
    if not isinstance(record, dict):
        return {}, [f"expected a JSON object, found {_found(record)}"]
    return record, []


def record_faults(record: Mapping[str, Any]) -> list[str]:
    """Every fault of a record, each a clause: missing id, unknown key, wrong type, no content."""
    faults = []
    for key in record:
        if key not in FIELDS:
            near = difflib.get_close_matches(str(key), FIELDS, n=1)
            hint = f"did you mean '{near[0]}'?" if near else f"known: {', '.join(FIELDS)}"
            faults.append(f"unknown key '{key}' ({hint})")
    identity = record.get("id")
    if identity is None:
        faults.append("no id")
    elif not isinstance(identity, str) or not identity:
        faults.append(f"id: expected a string that is not empty, found {_found(identity)}")
    for name in STRINGS:
        value = record.get(name)
        if value is not None and not isinstance(value, str):
            faults.append(f"{name}: expected a string, found {_found(value)}")
    for name in SECONDS:
        value = record.get(name)
        if value is not None and not _is_finite_number(value):
            faults.append(f"{name}: expected a finite number of seconds, found {_found(value)}")
    source = record.get("text_source")
    if isinstance(source, str) and source not in TEXT_SOURCES:
        faults.append(f"text_source: expected one of {', '.join(TEXT_SOURCES)}, found '{source}'")
    if record.get("audio") is None and record.get("text") is None:
        faults.append("neither audio nor text")
    return faults + _label_faults(record.get("labels")) + _vote_faults(record.get("votes"))


def _label_faults(labels: Any) -> list[str]:
    if labels is None:
        return []
    if not isinstance(labels, Mapping):
        return [f"labels: expected an object of names and values, found {_found(labels)}"]
    return [
        f"label '{name}': expected a string or a finite number, found {_found(value)}"
        for name, value in labels.items()
        if not (isinstance(value, str) or _is_finite_number(value))
    ] + [
        f"label name: expected a string, found {_found(name)}"
        for name in labels
        if not isinstance(name, str)
    ]


def _votes_record(votes: Mapping[str, Any]) -> dict[str, Any]:
    """Votes in canonical order; what is not of their form stays, for `record_faults` to judge."""

    def choices(chosen: Any) -> Any:
        is_listed = isinstance(chosen, (tuple, list))
        return [_as_float(choice) for choice in chosen] if is_listed else chosen

    return {
        target: {rater: choices(raters[rater]) for rater in sorted(raters, key=str)}
        if isinstance(raters, Mapping)
        else raters
        for target, raters in sorted(votes.items(), key=lambda item: str(item[0]))
    }


def _vote_faults(votes: Any) -> list[str]:
    if votes is None:
        return []
    if not isinstance(votes, Mapping):
        return [f"votes: expected an object of what was judged, found {_found(votes)}"]
    faults = [
        f"vote name: expected a string, found {_found(name)}"
        for name in votes
        if not isinstance(name, str)
    ]
    for target, raters in votes.items():
        if not isinstance(raters, Mapping):
            faults.append(f"votes '{target}': expected an object of raters, found {_found(raters)}")
            continue
        for rater, chosen in raters.items():
            if not isinstance(rater, str):
                faults.append(f"votes '{target}': rater: expected a string, found {_found(rater)}")
            if not isinstance(chosen, (list, tuple)) or not all(
                isinstance(choice, str) or _is_finite_number(choice) for choice in chosen
            ):
                faults.append(
                    f"votes '{target}' of '{rater}': expected a list of strings or finite "
                    f"numbers, found {_found(chosen)}"
                )
    return faults


def _is_finite_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _as_float(value: Any) -> Any:
    """Numbers, numpy's too, as floats; all else as it is, for `record_faults` to judge."""
    if isinstance(value, (str, bool)) or not hasattr(value, "__float__"):
        return value
    try:
        return float(value)
    except (OverflowError, TypeError, ValueError):
        return value


def _found(value: Any) -> str:
    shown = repr(value)
    return f"{shown if len(shown) <= 60 else shown[:57] + '...'} ({type(value).__name__})"


def _distinct_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(f"key given twice: {', '.join(twice)}")
    return record


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
