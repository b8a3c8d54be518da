"""What a protocol expects of a file of predictions, and what the file makes of it."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from crosstone.audit.submission import Line, Submission
from crosstone.data.corpus import Corpus
from crosstone.protocols import ProtocolSpec, plan_folds
from crosstone.protocols.base import Counts

_SHOWN = 5


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One thing that a protocol asks of predictions."""

    what: str
    passed: bool | None
    """None where it cannot be known from what was given."""
    sentence: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What the corpus says of one scored item."""

    fold: int
    target: str | float | bool
    speaker: str | None = None
    other_speaker: str | None = None
    group: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Expectation:
    """The scored items of a protocol on a corpus."""

    items: Mapping[str, Known]
    """By id; a trial's is both utterances with a blank between them."""
    folds: int
    checks: tuple[Check, ...]
    facts: Mapping[str, Any]
    """The corpus, as run.json says it."""


def expect(corpus: Corpus, spec: ProtocolSpec) -> Expectation:
    """Who is tested in which fold; raises CorpusError as `plan_folds` does, but for counts."""
    plan = plan_folds(corpus, replace(spec, enforce=False))
    items: dict[str, Known] = {}
    view = plan.corpus
    if spec.task == "verification":
        speakers = dict(zip(view.ids, view.speakers, strict=True))
        for trial in plan.folds[0].test_trials:
            one, other = speakers.get(trial.enrol), speakers.get(trial.test)
            items[f"{trial.enrol} {trial.test}"] = Known(
                fold=0, target=trial.target, speaker=one, other_speaker=other
            )
    for fold in plan.folds if not items else ():
        for utterance in view.select(fold.test):
            label = utterance.labels[spec.target]
            items[utterance.id] = Known(
                fold=fold.index,
                target=float(label) if spec.task == "regression" else str(label),
                speaker=utterance.speaker,
                group=utterance.group,
            )
    whole = None if plan.is_whole is False and not spec.enforce else plan.is_whole
    said = plan.checked or f"{len(view):,} utterances; no counts are known to compare with"
    return Expectation(
        items=items,
        folds=len(plan.folds),
        checks=(Check(what="corpus", passed=whole, sentence=said),),
        facts={"name": corpus.name, "hash": corpus.hash, "utterances": len(view)},
    )


def check_against(submission: Submission, expected: Expectation) -> list[Check]:
    """Ids, folds and targets of a file against those of a corpus."""
    lines, items = submission.lines, expected.items
    unknown = [line.id for line in lines if line.id not in items]
    faults = []
    for seed, own in _by_seed(lines).items():
        missing = sorted(items.keys() - {line.id for line in own})
        if missing:
            where = f" in seed {seed}" if "seed" in submission.columns else ""
            faults.append(f"{len(missing)} of {len(items):,} are missing{where} {_some(missing)}")
    if unknown:
        stems = sum(PurePosixPath(name).stem in items for name in unknown)
        hint = f"; without folder and suffix {stems} of them would be" if stems else ""
        faults.append(f"{len(unknown)} are not tested by the protocol {_some(unknown)}{hint}")
    faults += _repeats(lines)
    said = "; ".join(faults) or f"all {len(items):,} that the protocol tests, each once a seed"
    checks = [*expected.checks, Check(what="ids", passed=not faults, sentence=said)]
    checks.append(_folds_against(submission, expected))
    if "target" in submission.columns:
        wrong = [
            f"{line.id} {line.target}, not {items[line.id].target}"
            for line in lines
            if line.id in items and not _same(line.target, items[line.id].target)
        ]
        said = (
            f"{len(wrong)} differ from the corpus {_some(wrong)}" if wrong else "as in the corpus"
        )
        checks.append(Check(what="targets", passed=not wrong, sentence=said))
    return checks


def check_alone(submission: Submission, spec: ProtocolSpec) -> list[Check]:
    """The counts of a file against those that the protocol expects, without the corpus."""
    lines = submission.lines
    versions = [_tested(version, spec) for version in spec.expected or ()]
    sets = {seed: {line.id for line in own} for seed, own in _by_seed(lines).items()}
    faults = _repeats(lines)
    if len({frozenset(ids) for ids in sets.values()}) > 1:
        faults.append("the seeds do not predict the same items")
    said = "; ".join(faults) or f"{len(set().union(*sets.values())):,}, each once a seed"
    checks = [
        Check(what="ids", passed=not faults, sentence=f"{said}; which they are needs --corpus")
    ]
    checks += _agreement(lines)
    found = len(next(iter(sets.values())))
    totals = [v.utterances for v in versions if v.utterances is not None]
    if totals:
        wanted = " or ".join(f"{total:,}" for total in totals)
        said = f"{found:,} scored, expected {wanted}"
        passed = found in totals or (False if spec.enforce else None)
        checks.append(Check(what="counts", passed=passed, sentence=said))
    first = next(iter(_by_seed(lines).values()))
    labels = [version.labels for version in versions if version.labels]
    if labels and "target" in submission.columns:
        there = Counter(str(line.target) for line in first)
        said = ", ".join(f"{n:,} {name}" for name, n in sorted(there.items()))
        wanted = " or ".join(", ".join(f"{n:,} {k}" for k, n in v.items()) for v in labels)
        passed = any(dict(there) == dict(version) for version in labels)
        checks.append(Check(what="classes", passed=passed, sentence=f"{said}; expected {wanted}"))
    checks.append(_folds_alone(submission, spec, versions))
    return checks


def _folds_against(submission: Submission, expected: Expectation) -> Check:
    if "fold" not in submission.columns:
        said = "taken from the corpus" if expected.folds > 1 else "one, as the protocol has"
        return Check(what="folds", passed=None if expected.folds > 1 else True, sentence=said)
    mixed: list[str] = []
    names: dict[str | None, Counter[int]] = {}
    for line in submission.lines:
        known = expected.items.get(line.id)
        if known is not None:
            names.setdefault(line.fold, Counter())[known.fold] += 1
    for name, counter in names.items():
        if len(counter) > 1:
            mixed.append(f"fold {name} holds items of {len(counter)} folds of the protocol")
    if not mixed and len(names) != expected.folds:
        mixed.append(f"{len(names)} folds, the protocol has {expected.folds}")
    said = "; ".join(mixed[:_SHOWN]) or f"{expected.folds}, those of the protocol"
    return Check(what="folds", passed=not mixed, sentence=said)


def _folds_alone(submission: Submission, spec: ProtocolSpec, versions: Sequence[Counts]) -> Check:
    several = spec.kind in ("leave-one-group-out", "grouped-kfold")
    if "fold" not in submission.columns:
        said = "no column fold: all is one run, so the mean over folds is not among the numbers"
        return Check(
            what="folds", passed=None if several else True, sentence=said * several or "one"
        )
    first = next(iter(_by_seed(submission.lines).values()))
    sizes = Counter(line.fold for line in first)
    faults = []
    unit = "speaker" if spec.unit == "speaker" else "group"
    held: dict[str, set[str | None]] = {}
    for line in first:
        if name := getattr(line, unit):
            held.setdefault(name, set()).add(line.fold)
    split = sorted(name for name, folds in held.items() if len(folds) > 1)
    if split:
        faults.append(f"{len(split)} {unit}s stand in several folds {_some(split)}")
    units = [sorted(v.units.values()) for v in versions if v.units]
    if spec.kind == "leave-one-group-out" and units and sorted(sizes.values()) not in units:
        wanted = " or ".join(", ".join(f"{n:,}" for n in sizes_) for sizes_ in units)
        found = ", ".join(f"{n:,}" for n in sorted(sizes.values()))
        faults.append(f"folds of {found} items, expected {wanted}")
    elif spec.kind == "grouped-kfold" and len(sizes) != spec.folds:
        faults.append(f"{len(sizes)} folds, the protocol has {spec.folds}")
    elif not several and len(sizes) > 1:
        faults.append(f"{len(sizes)} folds, the protocol has one")
    said = "; ".join(faults) or f"{len(sizes)}, of {', '.join(map(str, sizes.values()))} items"
    return Check(what="folds", passed=not faults, sentence=said)


def _tested(version: Counts, spec: ProtocolSpec) -> Counts:
    """The part of the expected counts that a whole run scores."""
    if version.splits and spec.kind in ("predefined", "holdout"):
        return Counts(utterances=version.splits.get("test"))
    return version


def _repeats(lines: Iterable[Line]) -> list[str]:
    seen = Counter((line.id, line.seed) for line in lines)
    again = sorted({name for (name, _), count in seen.items() if count > 1})
    return [f"{len(again)} are predicted more than once a seed {_some(again)}"] * bool(again)


def _agreement(lines: Sequence[Line]) -> list[Check]:
    """Whether the lines of an item, of all seeds, say the same of it."""
    faults = []
    for column in ("target", "fold", "group", "speaker", "other_speaker"):
        first: dict[str, str | float | bool] = {}
        odd = dict[str, None]()
        for line in lines:
            value = getattr(line, column)
            if value is not None and not _same(value, first.setdefault(line.id, value)):
                odd[line.id] = None
        if odd:
            name = column.replace("other_", "second ")
            faults.append(f"{len(odd)} have more than one {name} {_some(sorted(odd))}")
    if not faults and len(_by_seed(lines)) == 1:
        return []
    said = "; ".join(faults) or "the seeds say the same of targets, folds, groups and speakers"
    return [Check(what="agreement", passed=not faults, sentence=said)]


def _by_seed(lines: Iterable[Line]) -> dict[int, list[Line]]:
    out: dict[int, list[Line]] = {}
    for line in lines:
        out.setdefault(line.seed, []).append(line)
    return out


def _same(one: str | float | bool | None, other: str | float | bool) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        return abs(one - other) < 1e-4  # scores of thirds are rounded by many
    return one is None or one == other


def _some(names: Sequence[str]) -> str:
    return f"({', '.join(names[:_SHOWN])}{' …' if len(names) > _SHOWN else ''})"
