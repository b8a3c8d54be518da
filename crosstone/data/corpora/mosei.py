"""CMU-MOSEI: 23,259 segments of 3,293 videos in which people speak to a camera about anything.

Each segment has a sentiment in [-3, 3] and six emotions (happy, sad, anger, surprise, disgust,
fear) in [0, 3], the mean of three raters. The standard folds hold 22,860 of the segments; the other
399 are of 68 videos in no fold. Toolkits count them differently: see VARIANTS.

Paper: Zadeh, A. et al. (2018). Multimodal Language Analysis in the Wild: CMU-MOSEI Dataset and
Interpretable Dynamic Fusion Graph. ACL.
Licence: for research; the videos belong to those who made them (see the SDK's terms).
To obtain it: https://github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK names the raw archive
(Raw/Audio/Full/WAV_16000/<video>.wav, Raw/Transcript/Segmented/Combined/<video>.txt), the labels
(CMU_MOSEI_Labels.csd) and the folds (cmu_mosei_std_folds.py). Put them under one folder, in any
arrangement, and give that folder.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from crosstone.data.corpora.cmusdk.labels import (
    Segment,
    is_score_table,
    read_scores,
    settled_scores,
)
from crosstone.data.corpora.cmusdk.preparation import (
    Draft,
    identity,
    labelled_segments,
    with_folds,
    write_draft,
)
from crosstone.data.corpora.cmusdk.transcripts import Line, join_by_time, read_lines
from crosstone.data.corpora.cmusdk.tree import Tree, walk
from crosstone.data.corpus import Corpus, Source, Utterance

SOURCE = Source(
    url="https://github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK",
    licence="for research; the videos belong to those who made them",
    citation=(
        "Zadeh et al. (2018). Multimodal Language Analysis in the Wild: CMU-MOSEI Dataset and "
        "Interpretable Dynamic Fusion Graph. ACL"
    ),
)
EXPECTED: dict[str, Any] = {
    "utterances": 23259,
    "groups": 3293,
    "splits": {"train": 16327, "valid": 1871, "test": 4662},
}
VARIANTS = {
    "sdk": {"train": 16327, "valid": 1871, "test": 4662},
    "mult": {"train": 16326, "valid": 1871, "test": 4659},
    "jbls": {"train": 16090, "valid": 1859, "test": 4586},
}
"""Published counts of the standard folds: all that the SDK has; as MulT and MMSA; as JBLS."""


def prepare(
    root: Path,
    out: Path,
    *,
    labels: str | None = None,
    folds: str | None = None,
    scores: str | None = None,
    audio: bool = True,
    text: bool = True,
    partial: bool = False,
    unlabelled: bool = False,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Corpus:
    """Write the corpus of the labelled segments under root, grouped by video, to out.

    labels: the .csd file or table of labels, folds: the SDK's .py file or a JSON file, scores: a
    table without times (label_file_*.csv), or a folder of them; each by default the one under root.
    audio, text: false for a corpus without recordings or without transcripts. partial: leave out
    segments that lack one of them. unlabelled: keep transcribed segments without labels, those of
    validation and test videos left out, as split "unlabelled". Raises CorpusError that lists every
    fault.
    """
    tree = walk(Path(root), transcripts=".txt")
    draft = Draft(tree, labelled_segments(tree, "mosei", labels))
    _settle(draft, scores)
    with_folds(draft, folds)
    others = _join(draft) if text else []
    fold_of = {segment.video: segment.split for segment in draft.segments}
    lines = [line for line in others if fold_of.get(line.video) not in ("valid", "test")]
    kept = [_without_labels(line) for line in lines] if unlabelled else []
    if len(others) > len(kept):
        draft.left_out["transcribed segments without labels"] = len(others) - len(kept)
    expected, draft.notes["variant"] = _expected(draft.segments)
    if kept:
        expected["utterances"] += len(kept)
        expected.pop("groups", None)
    return write_draft(
        draft,
        out,
        name="mosei",
        source=SOURCE,
        expected=expected,
        audio=audio,
        text=text,
        partial=partial,
        unlabelled=kept,
        workers=workers,
        progress=progress,
    )


def _settle(draft: Draft, given: str | None) -> None:
    """Add the scores of tables without times to segments of which only the bin is known."""
    if given is not None and Path(given).is_dir():
        paths = [path for path in sorted(Path(given).glob("*.csv")) if is_score_table(path)]
    elif given is not None:
        paths = [Path(given)]
    else:
        paths = [path for path in draft.tree.tables if is_score_table(path)]
    if paths and not any("sentiment" in segment.labels for segment in draft.segments):
        draft.segments = settled_scores(draft.segments, read_scores(paths))
        settled = sum("sentiment" in segment.labels for segment in draft.segments)
        draft.notes["segments_with_a_settled_score"] = settled


def _join(draft: Draft) -> list[Line]:
    """Give the segments their transcripts, and return the lines that belong to none."""
    lines = [
        line
        for path in _transcripts(draft.tree, draft.segments)
        for line in read_lines(path, draft.faults)
    ]
    joined = join_by_time(draft.segments, lines, draft.faults)
    draft.texts = {i: line.text for i, line in joined.items()}
    used = {(line.video, line.number) for line in joined.values()}
    return [line for line in lines if (line.video, line.number) not in used]


def _transcripts(tree: Tree, segments: Sequence[Segment]) -> list[Path]:
    """The transcripts of labelled videos and of videos with a recording: no README."""
    videos = {segment.video for segment in segments} | set(tree.recordings)
    return [path for stem, path in sorted(tree.transcripts.items()) if stem in videos]


def _without_labels(line: Line) -> Utterance:
    return Utterance(
        id=identity(line.video, line.start, line.end),
        start=line.start,
        end=line.end,
        text=line.text,
        text_source="gold",
        group=line.video,
        split="unlabelled",
    )


def _expected(segments: Sequence[Segment]) -> tuple[dict[str, Any], str]:
    """The counts that the segments should have, and the name of the variant that has them."""
    counts = Counter(segment.split for segment in segments if segment.split is not None)
    for name, splits in VARIANTS.items():
        if name != "sdk" and counts == splits:
            without = sum(segment.split is None for segment in segments)
            return {"utterances": sum(splits.values()) + without, "splits": dict(splits)}, name
    return dict(EXPECTED), "sdk"
