"""IEMOCAP: 10,039 turns of dialogues between ten actors, improvised and scripted.

Three raters from outside and often the actors themselves chose categories, two or three rated
valence, activation (here arousal) and dominance from 1 to 5. All turns are kept with their
three-letter code, `xxx` where the raters had no majority: which classes count, and that excited is
happy, is a protocol's word. Each session has two speakers of its own, who share its dialogues.

Paper: Busso, C., Bulut, M., Lee, C.-C., Kazemzadeh, A., Mower, E., Kim, S., Chang, J. N., Lee, S. &
Narayanan, S. S. (2008). IEMOCAP: interactive emotional dyadic motion capture database. Language
Resources and Evaluation 42(4).
Licence: for research, by the release form of SAIL, University of Southern California.
To obtain it: sign the form at https://sail.usc.edu/iemocap/iemocap_release.htm; unpack
IEMOCAP_full_release and give it or any folder above it. Read are, in each Session1 … Session5,
dialog/EmoEvaluation/*.txt, dialog/transcriptions/*.txt and sentences/wav/<dialogue>/<turn>.wav.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from crosstone.data.corpora.collection import Collection, raw_files
from crosstone.data.corpora.iemocap.evaluation import (
    DIALOGUE,
    Turn,
    read_evaluation,
    read_transcript,
)
from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.errors import CorpusError

SOURCE = Source(
    url="https://sail.usc.edu/iemocap/iemocap_release.htm",
    licence="for research, by the release form of SAIL, University of Southern California",
    citation=(
        "Busso et al. (2008). IEMOCAP: interactive emotional dyadic motion capture database. "
        "Language Resources and Evaluation 42(4)"
    ),
)
EXPECTED: dict[str, Any] = {
    "utterances": 10039,
    "speakers": 10,
    "groups": {
        "Session1": 1819,
        "Session2": 1811,
        "Session3": 2136,
        "Session4": 2103,
        "Session5": 2170,
    },
    "labels": {
        "emotion": {
            "ang": 1103,
            "dis": 2,
            "exc": 1041,
            "fea": 40,
            "fru": 1849,
            "hap": 595,
            "neu": 1708,
            "oth": 3,
            "sad": 1084,
            "sur": 107,
            "xxx": 2507,
        },
        "style": {"improvised": 4784, "scripted": 5255},
    },
    "labels_by_group": {
        "emotion": {
            "Session1": {"ang": 229, "exc": 143, "hap": 135, "neu": 384, "sad": 194},
            "Session2": {"ang": 137, "exc": 210, "hap": 117, "neu": 362, "sad": 197},
            "Session3": {"ang": 240, "exc": 151, "hap": 135, "neu": 320, "sad": 305},
            "Session4": {"ang": 327, "exc": 238, "hap": 65, "neu": 258, "sad": 143},
            "Session5": {"ang": 170, "exc": 299, "hap": 143, "neu": 384, "sad": 245},
        }
    },
}
"""Counts of the whole release."""
GENDERS = {"F": "female", "M": "male"}


def prepare(
    root: Path,
    out: Path,
    *,
    audio: bool = True,
    partial: bool = False,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Corpus:
    """Write the corpus of the evaluated turns under root, grouped by session, to out.

    Labels: emotion (code), valence, arousal, dominance, dialogue, style (improvised, scripted),
    gender. Votes: emotion (codes, several or none), valence, arousal, dominance, comment and
    comment_on_scales by rater; the actors' own under names that end in "_self". Turns of a
    dialogue are in order of time. A turn without a recording or without a transcript is a fault.

    audio: false for a corpus of texts and votes. partial: leave such turns out instead.
    """
    collection = Collection("iemocap", Path(root))
    turns: list[Turn] = []
    texts: dict[str, str] = {}
    odd: Counter[str] = Counter()
    paths = list(raw_files(collection.root, ".txt", ".wav"))
    for path in _dialogues(collection.root, paths, "EmoEvaluation"):
        turns += read_evaluation(path, collection.faults, odd)
    for path in _dialogues(collection.root, paths, "transcriptions"):
        texts |= read_transcript(path, collection.faults, odd)
    if not turns and not collection.faults:
        raise CorpusError(
            f"{root}: expected Session1 … Session5 with dialog/EmoEvaluation/Ses01F_impro01.txt, "
            f"found none; unpack IEMOCAP_full_release ({SOURCE.url}) there"
        )
    recordings = {
        path.stem: path
        for path in (paths if audio else ())
        if path.suffix.lower() == ".wav" and path.parent.parent.match("sentences/wav")
    }
    collection.utterances = [
        _utterance(turn, texts.get(turn.name), recordings.get(turn.name), collection.root)
        for turn in sorted(turns, key=lambda turn: (turn.dialogue, turn.start, turn.name))
    ]
    names = {turn.name for turn in turns}
    odd["transcribed turns without an evaluation"] = len(texts.keys() - names)
    odd["recordings without an evaluation"] = len(recordings.keys() - names)
    collection.left_out += odd
    if audio:
        collection.lack(
            "turns without a recording",
            [name for name in sorted(names) if name not in recordings],
            partial=partial,
            remedy="complete sentences/wav, prepare texts and votes alone with --set audio=false",
        )
    collection.lack(
        "turns without a transcript",
        [name for name in sorted(names) if name not in texts],
        partial=partial,
        remedy="complete dialog/transcriptions",
    )
    return collection.write(
        out, source=SOURCE, expected=EXPECTED, workers=workers, progress=progress
    )


def _dialogues(root: Path, paths: Sequence[Path], kind: str) -> list[Path]:
    """The dialogues' files in dialog/<kind>, not in the folders of single raters below that."""
    found: dict[str, Path] = {}
    for path in paths:
        if (
            path.suffix.lower() == ".txt"
            and path.parent.match(f"dialog/{kind}")
            and re.fullmatch(DIALOGUE, path.stem)
        ):
            first = found.setdefault(path.stem, path)
            if first is not path:
                raise CorpusError(
                    f"{root}: expected one copy of the release, found {first.relative_to(root)} "
                    f"and {path.relative_to(root)}; give the folder of one"
                )
    return list(found.values())


def _utterance(turn: Turn, text: str | None, recording: Path | None, root: Path) -> Utterance:
    return Utterance(
        id=turn.name,
        audio=None if recording is None else recording.relative_to(root).as_posix(),
        text=text,
        text_source=None if text is None else "gold",
        speaker=f"{turn.name[:5]}_{turn.speaker}",
        group=f"Session{turn.name[4]}",
        labels={
            "emotion": turn.emotion,
            **turn.scales,
            "dialogue": turn.dialogue,
            "style": "improvised" if "_impro" in turn.name else "scripted",
            "gender": GENDERS[turn.speaker],
        },
        votes=turn.votes,
    )
