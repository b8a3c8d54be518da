"""Predictions of any toolkit under a named protocol: what is wrong with them, and every number."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from crosstone.audit.expectation import Check, Expectation, check_against, check_alone, expect
from crosstone.audit.submission import Line, Submission, read_submission
from crosstone.data.corpus import Corpus
from crosstone.errors import CorpusError
from crosstone.metrics import Estimate, Sample, bootstrap, head_scores, head_statistics
from crosstone.metrics.classification import class_f1, wa, weighted_f1
from crosstone.metrics.heads import head_matrices
from crosstone.metrics.intervals import Floats
from crosstone.protocols import ProtocolSpec, named_protocol
from crosstone.scoring.clusters import Unit
from crosstone.scoring.predictions import Predictions
from crosstone.scoring.score import Scores, plain, score_columns
from crosstone.scoring.trials import Trials

_SELECTED = "selected on test"


@dataclass(frozen=True, kw_only=True, slots=True)
class Audit:
    """What a file of predictions is worth under a protocol."""

    spec: ProtocolSpec
    checks: tuple[Check, ...]
    scores: Scores
    heads: Mapping[str, Estimate]
    """Metrics of two-way heads, where the file has such."""

    @property
    def faults(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.passed is False)

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values, null for what is undefined: the checks, then as in scores.json."""
        document = self.scores.as_dict()
        document["file"] = str(self.scores.source)
        document["checks"] = [asdict(check) for check in self.checks]
        for name, estimate in self.heads.items():
            pooled = {f"pooled_{k}": v for k, v in asdict(estimate.pooled).items()}
            pooled["pooled"] = pooled.pop("pooled_value")
            numbers = {**asdict(estimate.mean), **pooled}
            document["metrics"][name] = plain(numbers)
        return document


def audit(
    path: Path,
    protocol: str,
    *,
    corpus: Corpus | None = None,
    names: Mapping[str, str] | None = None,
    heads: bool = False,
    unit: Unit | None = None,
    replicates: int = 2000,
    seed: int = 0,
) -> Audit:
    """Ids, folds and counts checked against a protocol, and every convention with its interval.

    corpus: also gives targets, folds, speakers and groups; without it targets are needed in the
    file. names: our name of a column → the file's. heads: the probabilities are those of one
    two-way head per class. Numbers are of the lines that the protocol tests. Raises CorpusError
    where the file cannot be scored.
    """
    spec = named_protocol(protocol)
    submission = read_submission(path, spec, names=names, heads=heads)
    expected = None if corpus is None else expect(corpus, spec)
    checks = [_about_selection(submission, spec), *_about_lines(submission)]
    if expected is None:
        checks += check_alone(submission, spec)
        untold = sum(line.target is None for line in submission.lines)
        if untold:
            raise CorpusError(
                f"{path}: expected a target in every line, found none in {untold} of "
                f"{len(submission.lines)}; name its column (--map target=…) or give --corpus"
            )
    else:
        checks += check_against(submission, expected)
    lines = _counted(submission, expected)
    columns = _columns(lines, submission, spec, expected)
    facts = _facts(spec, submission, expected, len(lines))
    scores = score_columns(
        columns, path, facts, unit=unit, replicates=replicates, seed=seed, each_class=True
    )
    measured: Mapping[str, Estimate] = {}
    if heads and isinstance(columns, Predictions):
        measured = _head_estimates(lines, columns, scores)
    return Audit(spec=spec, checks=tuple(checks), scores=scores, heads=measured)


def _about_selection(submission: Submission, spec: ProtocolSpec) -> Check:
    if submission.scored == _SELECTED:
        said = "the file says of its lines that the epoch was chosen on them"
        passed = spec.selection == "best_test"
        if not passed:
            said += f"; the protocol's rule is {spec.selection}, and this is no test result"
        return Check(what="selection", passed=passed, sentence=said)
    sentence = (
        f"which epoch was scored stands in no file of predictions; the protocol's rule is "
        f"{spec.selection}, and an epoch chosen on these items makes this no test result"
    )
    return Check(what="selection", passed=None, sentence=sentence)


def _about_lines(submission: Submission) -> list[Check]:
    checks = []
    if submission.set_aside:
        said = ", ".join(f"{n:,} of split '{name}'" for name, n in submission.set_aside.items())
        checks.append(Check(what="lines", passed=None, sentence=f"left aside {said}"))
    both = [x for x in submission.lines if x.probabilities is not None and x.label is not None]
    odd = [x for x in both if x.probabilities is not None and x.label != _guess(x.probabilities)]
    if both:
        said = f"{len(odd)} of {len(both):,} predictions are not the most probable class"
        checks.append(
            Check(
                what="predictions",
                passed=not odd,
                sentence=said if odd else "each is the most probable class",
            )
        )
    return checks


def _counted(submission: Submission, expected: Expectation | None) -> list[Line]:
    """The lines that the protocol tests, each id once a seed."""
    seen: set[tuple[str, int]] = set()
    lines = []
    for line in submission.lines:
        if (expected is None or line.id in expected.items) and (line.id, line.seed) not in seen:
            seen.add((line.id, line.seed))
            lines.append(line)
    if not lines:
        raise CorpusError(
            f"{submission.path}: none of its {len(submission.lines):,} ids is tested by the "
            f"protocol (first: {submission.lines[0].id}); map the column that names utterances as "
            "the corpus does (--map id=…)"
        )
    return lines


def _columns(
    lines: list[Line], submission: Submission, spec: ProtocolSpec, expected: Expectation | None
) -> Predictions | Trials:
    if expected is not None:
        known = [expected.items[line.id] for line in lines]
        folds = [item.fold for item in known]
        targets: list[Any] = [item.target for item in known]
        speakers = [item.speaker for item in known]
        others = [item.other_speaker for item in known]
        groups = [item.group for item in known]
    else:
        names = sorted({line.fold or "" for line in lines})
        folds = [names.index(line.fold or "") for line in lines]
        targets = [line.target for line in lines]
        speakers = [line.speaker for line in lines]
        others = [line.other_speaker for line in lines]
        groups = [line.group for line in lines]
    ids = tuple(line.id for line in lines)
    seeds = np.array([line.seed for line in lines], dtype=np.int64)
    if spec.task == "verification":
        return Trials(
            ids=ids,
            enrol_speakers=tuple(speakers),
            test_speakers=tuple(others),
            folds=np.array(folds, dtype=np.int64),
            seeds=seeds,
            target=np.array(targets, dtype=np.bool_),
            scores=np.array([line.value for line in lines]),
            sha256=submission.sha256,
        )
    graded = not submission.heads and all(line.probabilities is not None for line in lines)
    labels = spec.labels
    if labels:
        outputs = np.array([_row(line, labels) for line in lines])
        if not graded:
            outputs = np.eye(len(labels))[outputs.argmax(axis=1)]
        target = np.array([labels.index(str(t)) for t in targets], dtype=np.int64)
    else:
        outputs = np.array([line.value for line in lines])
        target = np.array(targets, dtype=np.float64)
    return Predictions(
        ids=ids,
        groups=tuple(groups),
        speakers=tuple(speakers),
        folds=np.array(folds, dtype=np.int64),
        seeds=seeds,
        labels=labels,
        target=target,
        outputs=outputs,
        sha256=submission.sha256,
        is_graded=graded,
    )


def _row(line: Line, labels: tuple[str, ...]) -> list[float]:
    if line.probabilities is not None:
        return [line.probabilities[label] for label in labels]
    return [float(label == line.label) for label in labels]


def _guess(probabilities: Mapping[str, float]) -> str:
    return max(probabilities, key=lambda label: probabilities[label])


def _facts(
    spec: ProtocolSpec, submission: Submission, expected: Expectation | None, num_lines: int
) -> dict[str, Any]:
    """What run.json would say."""
    return {
        "name": submission.path.name,
        "corpus": dict(expected.facts) if expected is not None else {"name": spec.corpus},
        "protocol": {
            "name": spec.name,
            "source": spec.source,
            "unit": spec.unit,
            "headline": spec.metric,
            "target": spec.target,
            "task": spec.task,
            "labels": list(spec.labels),
            "label_map": dict(spec.label_map),
            "folds": 1 if expected is None else expected.folds,
            "counts": {"scored": num_lines},
            "scored": submission.scored,
            "selection": "best_test" if submission.scored == _SELECTED else None,
        },
    }


def _head_estimates(lines: list[Line], columns: Predictions, scores: Scores) -> dict[str, Estimate]:
    """Two-way metrics as means over heads and of each head, with intervals."""
    claimed = np.array([_row(line, columns.labels) for line in lines])
    truth = np.eye(len(columns.labels), dtype=bool)[columns.target]
    sample = Sample(
        head_statistics(truth, claimed), scores.clusters.names, columns.folds, columns.seeds
    )

    def every(sums: Floats) -> dict[str, Floats]:
        out, matrices = head_scores(sums), head_matrices(sums)
        for name, values in (
            ("head_accuracy", wa(matrices)),
            ("head_weighted_f1", weighted_f1(matrices)),
            ("head_f1", class_f1(matrices)[..., 1]),
        ):
            out.update({f"{name}:{k}": values[..., c] for c, k in enumerate(columns.labels)})
        return out

    return bootstrap(
        sample, every, replicates=scores.replicates, level=scores.level, seed=scores.seed
    )
