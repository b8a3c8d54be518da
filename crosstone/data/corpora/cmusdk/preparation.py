"""From labelled segments, folds, transcripts and recordings to a corpus, with every hole told."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from crosstone.data.audio import measure_durations
from crosstone.data.corpora.cmusdk.folds import read_folds
from crosstone.data.corpora.cmusdk.labels import Segment, is_label_table, read_segments
from crosstone.data.corpora.cmusdk.tree import Tree
from crosstone.data.corpora.collection import Collection, named
from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.errors import CorpusError


@dataclass
class Draft:
    """A corpus on its way: segments, what is said in them, and what was found wrong."""

    tree: Tree
    segments: list[Segment]
    texts: dict[int, str] = field(default_factory=dict)
    """Position of a segment → its transcript."""
    faults: list[str] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    """Reason → how many segments are not in the corpus."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What else the corpus remembers of its preparation, as JSON."""

    def hole(self, reason: str, names: Sequence[str], partial: bool, num_segments: int) -> None:
        """Count what is missing as left out, where the copy may be partial; else it is a fault."""
        if not names:
            return
        if partial:
            self.left_out[reason] += num_segments
            return
        self.faults.append(
            f"{num_segments} {reason}: {named(names)}; complete the copy, or leave them out with "
            "--set partial=true"
        )


def labelled_segments(tree: Tree, name: str, given: Path | str | None) -> list[Segment]:
    """The segments of the label file that was given, or of the only one under the root."""
    sequences = [path for path in tree.sequences if "label" in path.name.lower()]
    tables = [path for path in tree.tables if is_label_table(path)]
    path = tree.one("labels", sequences or tables, given)
    if path is None:
        raise CorpusError(
            f"{tree.root}: expected the labels of {name}, a file whose name ends in Labels.csd or "
            "a table with video, start, end and sentiment, found neither; name one with "
            "--set labels=FILE"
        )
    return read_segments(path)


def with_folds(draft: Draft, given: Path | str | None) -> None:
    """Give each segment its video's fold, None where it is in none.

    A fold that a label table states must be the same; without a folds file it stands alone.
    """
    path = draft.tree.one("folds", draft.tree.folds, given)
    if path is None:
        if all(segment.split is None for segment in draft.segments):
            draft.faults.append(
                "no folds: expected the SDK's cmu_…_std_folds.py or a standard_folds.json there; "
                "name one with --set folds=FILE"
            )
        return
    folds = read_folds(path)
    for i, segment in enumerate(draft.segments):
        fold = folds.get(segment.video)
        if segment.split is not None and segment.split != fold:
            draft.faults.append(
                f"video '{segment.video}': {segment.split} in the labels, "
                f"{fold or 'in no fold'} in {path.name}"
            )
        draft.segments[i] = replace(segment, split=fold)
    without = sorted(set(folds) - {segment.video for segment in draft.segments})
    if without:
        draft.notes["videos_in_folds_without_labels"] = len(without)


def write_draft(
    draft: Draft,
    out: Path,
    *,
    name: str,
    source: Source,
    expected: Mapping[str, Any],
    audio: bool,
    text: bool,
    partial: bool,
    unlabelled: Sequence[Utterance] = (),
    workers: int | None,
    progress: Callable[[int, int], None] | None,
) -> Corpus:
    """Write the corpus; raises CorpusError that lists every fault of the draft and every hole.

    extras: `expected`, `incomplete`, `left_out`, `clamped` and the draft's notes.
    """
    rows = _whole_rows(draft, audio, text, partial)
    collection = Collection(
        name, draft.tree.root, faults=draft.faults, left_out=draft.left_out, notes=draft.notes
    )
    collection.refuse_faults()
    videos = sorted({draft.segments[i].video for i in rows} | {u.group or "" for u in unlabelled})
    paths = [draft.tree.recordings[v] for v in videos if audio and v in draft.tree.recordings]
    measured = measure_durations(paths, workers=workers, progress=progress)
    seconds = {path.stem: found for path, found in zip(paths, measured, strict=True)}
    collection.utterances = [_utterance(draft, i, audio, seconds) for i in rows]
    collection.utterances += [_placed(draft.tree, u, audio, seconds) for u in unlabelled]
    clamped = sum(draft.segments[i].start < 0 for i in rows)
    empty = sum(draft.segments[i].end <= max(0.0, draft.segments[i].start) for i in rows)
    odd = {"negative starts": clamped, "segments of no length, without audio": empty}
    collection.notes = {"clamped": odd, **draft.notes}
    return collection.store(out, source=source, expected=expected)


def identity(video: str, start: float, end: float) -> str:
    """The id of a stretch: its place in time, since a number means another one in every toolkit."""
    return f"{video}@{start:.2f}-{end:.2f}"


def _whole_rows(draft: Draft, audio: bool, text: bool, partial: bool) -> list[int]:
    """Positions of the segments that have all that is asked for; the others are holes."""
    rows = list(range(len(draft.segments)))
    if audio:
        there = draft.tree.recordings
        silent = [i for i in rows if draft.segments[i].video not in there]
        names = sorted({draft.segments[i].video for i in silent})
        draft.hole("segments whose video has no recording (.wav)", names, partial, len(silent))
        if partial:
            rows = [i for i in rows if draft.segments[i].video in there]
    if text:
        mute = [i for i in rows if i not in draft.texts]
        names = [identity(s.video, s.start, s.end) for s in map(draft.segments.__getitem__, mute)]
        draft.hole("segments without a line of transcript", names, partial, len(mute))
        if partial:
            rows = [i for i in rows if i in draft.texts]
    if partial and not rows:
        draft.faults.append("no segment has all it needs: is this the folder of the raw copy?")
    return rows


def _utterance(draft: Draft, i: int, audio: bool, seconds: Mapping[str, float | None]) -> Utterance:
    segment = draft.segments[i]
    said = draft.texts.get(i)
    return _placed(
        draft.tree,
        Utterance(
            id=identity(segment.video, segment.start, segment.end),
            start=segment.start,
            end=segment.end,
            text=said,
            text_source=None if said is None else "gold",
            group=segment.video,
            split=segment.split,
            labels=segment.labels,
        ),
        audio,
        seconds,
    )


def _placed(
    tree: Tree, utterance: Utterance, audio: bool, seconds: Mapping[str, float | None]
) -> Utterance:
    """The utterance in its recording: from no earlier than 0, with the length that is there."""
    video = utterance.group or ""
    start, end = max(0.0, utterance.start or 0.0), max(0.0, utterance.end or 0.0)
    path = tree.recordings.get(video) if audio and end > start else None
    whole = seconds.get(video)
    last = end if whole is None else min(end, whole)
    return replace(
        utterance,
        audio=None if path is None else path.relative_to(tree.root).as_posix(),
        start=start,
        end=end,
        duration=last - start if last > start else None,
    )
