"""The trials of a protocol: those that the corpus lists, or pairs that are drawn."""

from collections import Counter
from collections.abc import Sequence

from crosstone.data.corpora.pairs import draw_trials
from crosstone.data.corpus import Corpus, Trial
from crosstone.errors import CorpusError
from crosstone.protocols.base import ProtocolSpec


def trials_of(side: Corpus, spec: ProtocolSpec) -> Sequence[Trial]:
    """The trials both of whose utterances stand on this side.

    Where the corpus lists none of them: as many pairs of one speaker as of two, all there are or
    max_trials, drawn by fold_seed. Raises CorpusError where trials of one kind are missing or
    contradict the speakers, and where speakers to draw from are unknown.
    """
    if len(side.trials):
        _check(side, side.trials)
        return side.trials
    counts = Counter(side.speakers.tolist())
    of_one = sum(n * (n - 1) // 2 for n in counts.values())
    of_two = len(side) * (len(side) - 1) // 2 - of_one
    number = 2 * min(of_one, of_two, spec.max_trials // 2)
    if not number:
        raise CorpusError(
            f"{side.name}: trials are drawn from pairs of one speaker and pairs of two, found "
            f"{of_one} and {of_two} among {len(side)} utterances of {len(counts)} speakers; test "
            "more speakers, with several utterances each"
        )
    return draw_trials(list(side), number=number, seed=spec.fold_seed)


def describe_trials(side: Corpus, trials: Sequence[Trial], spec: ProtocolSpec) -> list[str]:
    """What a reader must know of the trials of a side, a sentence each without its full stop."""
    of_one = sum(trial.target for trial in trials)
    made = "as the corpus lists them"
    if not len(side.trials):
        made = (
            f"drawn by seed {spec.fold_seed} from {len(side):,} utterances (at most "
            f"{spec.max_trials:,}), since the corpus lists none of them"
        )
    said = [f"{len(trials):,} trials, {of_one:,} of one speaker, {made}"]
    group_of = dict(zip(side.ids, side.groups, strict=True))
    within = sum(
        trial.target
        and bool(group_of[trial.enrol])
        and group_of[trial.enrol] == group_of[trial.test]
        for trial in trials
    )
    if within:
        said.append(
            f"{within:,} of the {of_one:,} trials of one speaker are within one group (session, "
            "chapter or video), whose sound and words are alike, so they are easier than others"
        )
    return said


def _check(side: Corpus, trials: Sequence[Trial]) -> None:
    speaker_of = dict(zip(side.ids, side.speakers, strict=True))
    wrong = [
        f"{trial.enrol} and {trial.test}"
        for trial in trials
        for one, other in [(speaker_of[trial.enrol], speaker_of[trial.test])]
        if one and other and trial.target != (one == other)
    ]
    if wrong:
        raise CorpusError(
            f"{side.name}: {len(wrong):,} of {len(trials):,} trials contradict the speakers of "
            f"their utterances (first: {', '.join(wrong[:3])}); correct the list of trials"
        )
    of_one = sum(trial.target for trial in trials)
    if of_one in (0, len(trials)):
        raise CorpusError(
            f"{side.name}: expected trials of one speaker and of two, found {of_one:,} of one "
            f"among {len(trials):,}; error rates need both: correct the list of trials"
        )
