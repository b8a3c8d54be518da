"""Verification trials for corpora that have none: drawn with a seed, or read from a list."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from crosstone.data.corpora.collection import named, text_lines
from crosstone.data.corpus import Trial, Utterance
from crosstone.errors import CorpusError

TARGETS = {"1": True, "target": True, "0": False, "nontarget": False}
"""How lists say whether one person speaks both."""
Rows = NDArray[np.int64]


def draw_trials(
    utterances: Sequence[Utterance], *, number: int, seed: int = 0, same_gender: bool = False
) -> list[Trial]:
    """As many pairs of one speaker as of two, all distinct, in random order.

    Pairs of one speaker are spread as evenly over the speakers as these have utterances; pairs of
    two are drawn uniformly from all there are, with same_gender from those with one label `gender`.
    Raises CorpusError where there are not enough, or speakers or genders are unknown.
    """
    if isinstance(number, bool) or not isinstance(number, int) or number < 2 or number % 2:
        raise CorpusError(f"trials: expected an even number from 2, found {number}")
    unknown = [each.id for each in utterances if each.speaker is None]
    if same_gender:
        unknown += [each.id for each in utterances if "gender" not in each.labels]
    if unknown:
        lacking = "speaker and gender" if same_gender else "speaker"
        raise CorpusError(f"trials: expected every {lacking}, found none of {named(unknown)}")
    rng = np.random.default_rng(seed)
    targets = _same_speaker(utterances, number // 2, rng)
    others = _two_speakers(utterances, number // 2, same_gender, rng)
    pairs = rng.permuted(np.concatenate([targets, others]), axis=1)
    return [
        Trial(utterances[i].id, utterances[j].id, bool(row < len(targets)))
        for row in rng.permutation(len(pairs))
        for i, j in [pairs[row]]
    ]


def _same_speaker(utterances: Sequence[Utterance], number: int, rng: np.random.Generator) -> Rows:
    """(number, 2) rows of utterances."""
    rows_of: dict[str, list[int]] = defaultdict(list)
    for row, utterance in enumerate(utterances):
        rows_of[str(utterance.speaker)].append(row)
    groups = [np.array(rows, np.int64) for rows in rows_of.values() if len(rows) > 1]
    there = [len(rows) * (len(rows) - 1) // 2 for rows in groups]
    _check(number, sum(there), "of one speaker", len(rows_of))
    pairs = []
    for rows, capacity, share in zip(groups, there, _spread(number, there, rng), strict=True):
        i, j = np.triu_indices(len(rows), 1)
        chosen = rng.choice(capacity, share, replace=False)
        pairs.append(np.stack([rows[i[chosen]], rows[j[chosen]]], axis=1))
    return np.concatenate(pairs)


def _two_speakers(
    utterances: Sequence[Utterance], number: int, same_gender: bool, rng: np.random.Generator
) -> Rows:
    """(number, 2) rows of utterances."""
    speakers = _codes([str(each.speaker) for each in utterances])
    genders = _codes([str(each.labels["gender"]) if same_gender else "" for each in utterances])

    def num_pairs(codes: NDArray[np.int64]) -> int:
        return sum(int(n) * (int(n) - 1) // 2 for n in np.unique(codes, return_counts=True)[1])

    there = num_pairs(genders) - num_pairs(_codes(list(zip(genders, speakers, strict=True))))
    of_two = "of two speakers of one gender" if same_gender else "of two speakers"
    _check(number, there, of_two, len(set(speakers.tolist())))

    def allowed(i: Rows, j: Rows) -> NDArray[np.bool_]:
        fitting: NDArray[np.bool_] = (speakers[i] != speakers[j]) & (genders[i] == genders[j])
        return fitting

    if 4 * number > there:
        i, j = np.triu_indices(len(utterances), 1)
        every = np.stack([i, j], axis=1)[allowed(i, j)]
        return every[rng.choice(len(every), number, replace=False)]
    found: dict[tuple[int, int], None] = {}
    while len(found) < number:
        drawn = np.sort(rng.integers(len(utterances), size=(2 * number, 2)), axis=1)
        for i, j in drawn[allowed(drawn[:, 0], drawn[:, 1])].tolist():
            found[i, j] = None
    return np.array(list(found)[:number], np.int64)


def _spread(number: int, there: Sequence[int], rng: np.random.Generator) -> list[int]:
    """Shares that add up to number, as even as what is there permits; odd ones by lot."""
    shares = [0] * len(there)
    order = [int(i) for i in rng.permutation(len(there))]
    while number:
        order = [i for i in order if shares[i] < there[i]]
        each = max(1, number // len(order))
        for i in order:
            taken = min(each, there[i] - shares[i], number)
            shares[i] += taken
            number -= taken
    return shares


def _check(wanted: int, there: int, kind: str, num_speakers: int) -> None:
    if wanted > there:
        raise CorpusError(
            f"trials: expected {wanted} pairs {kind}, found {there} among {num_speakers} "
            f"speakers; ask for at most {2 * there} trials, or for more subsets"
        )


def _codes(names: Sequence[object]) -> NDArray[np.int64]:
    known: dict[object, int] = {}
    return np.array([known.setdefault(name, len(known)) for name in names], np.int64)


def read_trial_list(
    path: Path, speakers: Mapping[str, str | None], faults: list[str]
) -> Iterator[Trial]:
    """The trials of a list with lines `label enrol test` (VoxCeleb) or `enrol test label` (Kaldi).

    An utterance is named by its id, or by a path whose last part without its ending is the id. A
    label is 1, 0, target or nontarget. speakers: id → speaker; a label that they contradict is a
    fault, as are an id that is not among them and a pair that is listed again, either way round.
    """
    unknown: dict[str, None] = {}
    lines: dict[frozenset[str], int] = {}
    for number, line in text_lines(path):
        where = f"{path.name}: line {number}"
        fields = line.split()
        if len(fields) == 3 and fields[0] in TARGETS:
            label, *sides = fields
        elif len(fields) == 3 and fields[2] in TARGETS:
            *sides, label = fields
        else:
            faults.append(
                f"{where}: expected 'label enrol test' or 'enrol test label' with a label of "
                f"{', '.join(TARGETS)}, found '{line[:80]}'"
            )
            continue
        enrol, test = (_identity(side, speakers) for side in sides)
        if missing := [each for each in (enrol, test) if each not in speakers]:
            unknown.update(dict.fromkeys(missing))
            continue
        first = lines.setdefault(frozenset((enrol, test)), number)
        if first != number:
            faults.append(
                f"{where}: {enrol} and {test} stand in line {first} already; list each pair once"
            )
            continue
        is_target = speakers[enrol] == speakers[test]
        if TARGETS[label] != is_target:
            one = "one speaker" if is_target else "two speakers"
            faults.append(f"{where}: says '{label}' of {enrol} and {test}, which are of {one}")
        else:
            yield Trial(enrol, test, is_target)
    if unknown:
        faults.append(
            f"{path.name}: {len(unknown)} utterances are not in the corpus: "
            f"{named(list(unknown))}; add their subsets, or shorten the list"
        )


def _identity(side: str, speakers: Mapping[str, str | None]) -> str:
    name = side.replace("\\", "/").rpartition("/")[2]
    return side if side in speakers else name if name in speakers else Path(name).stem
