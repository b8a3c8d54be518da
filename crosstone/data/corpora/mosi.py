"""CMU-MOSI: 2,199 segments of 93 videos in which people tell their opinion of a film.

Each segment has a sentiment in [-3, 3], the mean of five raters. One segment has no length
(2WGyTLYerpo): it is kept, without audio.

Paper: Zadeh, A., Zellers, R., Pincus, E. & Morency, L.-P. (2016). MOSI: Multimodal Corpus of
Sentiment Intensity and Subjectivity Analysis in Online Opinion Videos. arXiv:1606.06259.
Licence: for research; the videos belong to those who made them (see the SDK's terms).
To obtain it: https://github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK names the raw archive
(Raw/Audio/WAV_16000/Full/<video>.wav, Raw/Transcript/Segmented/<video>.annotprocessed), the labels
(CMU_MOSI_Opinion_Labels.csd) and the folds (cmu_mosi_std_folds.py). Put them under one folder, in
any arrangement, and give that folder. The ready-cut files in Audio/…/Segmented are not used: their
lengths are not those of the labels.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from crosstone.data.corpora.cmusdk.preparation import (
    Draft,
    labelled_segments,
    with_folds,
    write_draft,
)
from crosstone.data.corpora.cmusdk.transcripts import (
    disagreements,
    join_by_order,
    read_numbered,
    read_words,
    words_of,
)
from crosstone.data.corpora.cmusdk.tree import walk
from crosstone.data.corpus import Corpus, Source

SOURCE = Source(
    url="https://github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK",
    licence="for research; the videos belong to those who made them",
    citation=(
        "Zadeh, Zellers, Pincus & Morency (2016). MOSI: Multimodal Corpus of Sentiment Intensity "
        "and Subjectivity Analysis in Online Opinion Videos. arXiv:1606.06259"
    ),
)
EXPECTED: dict[str, Any] = {
    "utterances": 2199,
    "groups": 93,
    "splits": {"train": 1284, "valid": 229, "test": 686},
}


def prepare(
    root: Path,
    out: Path,
    *,
    labels: str | None = None,
    folds: str | None = None,
    words: str | None = None,
    audio: bool = True,
    text: bool = True,
    partial: bool = False,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Corpus:
    """Write the corpus of the labelled segments under root, grouped by video, to out.

    A transcript (<video>.annotprocessed) numbers its lines and has no times: line by line they are
    the video's segments in order of time, which is checked against the timed words where there are
    any (CMU_MOSI_TimestampedWords.csd); those words stand in where there is no transcript.

    labels: the .csd file or table of labels, folds: the SDK's .py file or a JSON file, words: the
    .csd file of timed words; each by default the one under root. audio, text: false for a corpus
    without recordings or without transcripts. partial: leave out segments that lack one of them.
    Raises CorpusError that lists every fault.
    """
    tree = walk(Path(root), transcripts=".annotprocessed")
    draft = Draft(tree, labelled_segments(tree, "mosi", labels))
    with_folds(draft, folds)
    if text:
        _join(draft, words)
    return write_draft(
        draft,
        out,
        name="mosi",
        source=SOURCE,
        expected=EXPECTED,
        audio=audio,
        text=text,
        partial=partial,
        workers=workers,
        progress=progress,
    )


def _join(draft: Draft, given: str | None) -> None:
    """Give the segments their texts, and say where these are from."""
    tree, segments = draft.tree, draft.segments
    named = [path for path in tree.sequences if "words" in path.name.lower()]
    path = tree.one("words", named, given)
    words = {} if path is None else read_words(path)
    videos = {segment.video for segment in segments}
    numbered = {
        video: read_numbered(path, draft.faults)
        for video, path in sorted(tree.transcripts.items())
        if video in videos
    }
    draft.texts = join_by_order(segments, numbered, draft.faults)
    draft.faults += disagreements(segments, draft.texts, words)
    timed = {
        i: words_of(segment, words[segment.video])
        for i, segment in enumerate(segments)
        if segment.video in words and segment.video not in numbered
    }
    draft.notes["texts"] = {"numbered lines": len(draft.texts), "timed words": len(timed)}
    draft.texts |= timed
