"""CREMA-D: 7,442 clips of 91 actors who say twelve sentences in six emotions.

2,443 people said what they heard or saw in a clip, about ten of them by the voice alone. `emotion`
is the voice's majority; 644 clips have none, since two or more emotions tie: they keep their votes
and no `emotion`, so that a protocol says what becomes of them. What the actor was asked for is
`emotion_intended`, and often not what is heard.

Paper: Cao, H., Cooper, D. G., Keutmann, M. K., Gur, R. C., Nenkova, A. & Verma, R. (2014). CREMA-D:
crowd-sourced emotional multimodal actors dataset. IEEE Transactions on Affective Computing 5(4).
Licence: Open Database License 1.0 (ODbL).
To obtain it: clone https://github.com/CheyneyComputerScience/CREMA-D with git-lfs, without which
the recordings are text files of three lines; give its folder, or any above it. Read are
AudioWAV/1001_DFA_ANG_XX.wav, VideoDemographics.csv, processedResults/summaryTable.csv, and of the
votes finishedResponses.csv (rater by rater) or else processedResults/tabulatedVotes.csv (counts).
"""

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from crosstone.data.corpora.collection import Collection, raw_files
from crosstone.data.corpora.cremad.votes import (
    RESPONSES,
    SUMMARISED,
    TABULATED,
    TARGETS,
    Judgements,
    read_judgements,
)
from crosstone.data.corpora.rows import read_rows
from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.errors import CorpusError

SOURCE = Source(
    url="https://github.com/CheyneyComputerScience/CREMA-D",
    licence="ODbL 1.0",
    citation=(
        "Cao, Cooper, Keutmann, Gur, Nenkova & Verma (2014). CREMA-D: crowd-sourced emotional "
        "multimodal actors dataset. IEEE Transactions on Affective Computing 5(4)"
    ),
)
SENTENCES = {
    "DFA": "Don't forget a jacket",
    "IEO": "It's eleven o'clock",
    "IOM": "I'm on my way to the meeting",
    "ITH": "I think I have a doctor's appointment",
    "ITS": "I think I've seen this before",
    "IWL": "I would like a new alarm clock",
    "IWW": "I wonder what this is about",
    "MTI": "Maybe tomorrow it will be cold",
    "TAI": "The airplane is almost full",
    "TIE": "That is exactly what happened",
    "TSI": "The surface is slick",
    "WSI": "We'll stop in a couple of minutes",
}
INTENDED = {
    "ANG": "anger",
    "DIS": "disgust",
    "FEA": "fear",
    "HAP": "happy",
    "NEU": "neutral",
    "SAD": "sad",
}
INTENSITIES = {"XX": "unspecified", "LO": "low", "MD": "medium", "HI": "high"}
EXPECTED: dict[str, Any] = {
    "utterances": 7442,
    "speakers": 91,
    "labels": {
        "emotion": {
            "anger": 986,
            "disgust": 547,
            "fear": 645,
            "happy": 353,
            "neutral": 3897,
            "sad": 370,
        },
        "emotion_intended": {
            "anger": 1271,
            "disgust": 1271,
            "fear": 1271,
            "happy": 1271,
            "neutral": 1087,
            "sad": 1271,
        },
        "intensity": {"high": 455, "low": 455, "medium": 455, "unspecified": 6077},
    },
}
DEMOGRAPHICS = "VideoDemographics.csv"
LABELS_OF_ACTORS = {"Sex": "gender", "Race": "race", "Ethnicity": "ethnicity"}
POINTER = b"version https://git-lfs"
_NAME = re.compile(
    rf"(10\d\d)_({'|'.join(SENTENCES)})_({'|'.join(INTENDED)})_({'|'.join(INTENSITIES)})"
)


def prepare(
    root: Path,
    out: Path,
    *,
    audio: bool = True,
    partial: bool = False,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Corpus:
    """Write the corpus of the clips under root, grouped by actor, to out.

    Labels: emotion (where one has most votes by voice), emotion_face, emotion_multimodal,
    emotion_intended, intensity, sentence (code), and where known gender, age, race, ethnicity.
    Votes: emotion, emotion_face, emotion_multimodal and, of named raters, level, level_face and
    level_multimodal. A clip of the tables without a recording, or the other way round, is a fault.

    audio: false for a corpus of texts and votes. partial: leave such clips out instead.
    extras: `ties`, clips without an emotion since several tie; `raters`, named or anonymous;
    `other_majorities`, clips where the summary's majority is not that of the votes.
    """
    collection = Collection("cremad", Path(root))
    tables = _tables(collection.root)
    judgements = read_judgements(tables, collection.faults)
    actors = _actors(tables.get(DEMOGRAPHICS), collection.faults)
    recordings = _recordings(collection) if audio else {}
    clips = sorted(recordings.keys() | {c for c in judgements.clips if _NAME.fullmatch(c)})
    if others := len(judgements.clips - set(clips)):
        collection.left_out["clips of the tables without a CREMA-D name"] = others
    if not clips and not collection.faults:
        raise CorpusError(
            f"{root}: expected AudioWAV/1001_DFA_ANG_XX.wav or {TABULATED}, found none; clone "
            f"{SOURCE.url} there"
        )
    collection.utterances = [
        _utterance(clip, recordings.get(clip), collection.root, judgements, actors)
        for clip in clips
    ]
    if audio:
        collection.lack(
            "clips without a recording",
            [clip for clip in clips if clip not in recordings],
            partial=partial,
            remedy="complete AudioWAV, prepare texts and votes alone with --set audio=false",
        )
    if judgements.clips:
        collection.lack(
            "clips without votes",
            [clip for clip in clips if clip not in judgements.clips],
            partial=partial,
            remedy="complete processedResults",
        )
        collection.notes["ties"] = sum(
            len(judgements.winners(each.id, "emotion")) > 1 for each in collection.utterances
        )
        collection.notes["raters"] = judgements.raters
        collection.notes["other_majorities"] = judgements.num_disagreements()
    return collection.write(
        out, source=SOURCE, expected=EXPECTED, workers=workers, progress=progress
    )


def _tables(root: Path) -> dict[str, Path]:
    """Name → table, the highest up."""
    names = {name.lower(): name for name in (RESPONSES, TABULATED, SUMMARISED, DEMOGRAPHICS)}
    tables: dict[str, Path] = {}
    for path in raw_files(root, ".csv"):
        if path.name.lower() in names:
            tables.setdefault(names[path.name.lower()], path)
    return tables


def _recordings(collection: Collection) -> dict[str, Path]:
    """Clip → recording, that in AudioWAV where there are several."""
    found: dict[str, Path] = {}
    for path in raw_files(collection.root, ".wav", ".flac"):
        # one file of the corpus as it was long published lacks its last letter
        clip = path.stem + "X" if path.stem.endswith("_X") else path.stem
        if _NAME.fullmatch(clip) is None:
            collection.left_out["recordings without a CREMA-D name"] += 1
        elif clip not in found or (
            path.parent.name == "AudioWAV" and found[clip].parent.name != "AudioWAV"
        ):
            found[clip] = path
    pointers = [clip for clip, path in sorted(found.items()) if _is_pointer(path)]
    if pointers:
        collection.faults.append(
            f"{len(pointers)} recordings are pointers of git-lfs, not sound (first: "
            f"{found[pointers[0]].relative_to(collection.root)}); run `git lfs pull` there"
        )
    return found


def _is_pointer(path: Path) -> bool:
    if path.stat().st_size > 1000:
        return False
    return path.read_bytes().startswith(POINTER)


def _actors(path: Path | None, faults: list[str]) -> dict[str, dict[str, str | float]]:
    """Actor → gender, age, race and ethnicity."""
    if path is None:
        return {}
    columns = ("ActorID", "Age", *LABELS_OF_ACTORS)
    found, rows, wrong = read_rows(path, known=())
    wrong += [f"no column '{column}'" for column in columns if column not in found]
    faults += [f"{path.name}: {fault}" for fault in wrong]
    actors: dict[str, dict[str, str | float]] = {}
    for row in rows if not wrong else ():
        age = row.text("Age")
        if age is not None and not age.isdecimal():
            faults.append(f"{path.name}: line {row.line}: Age: expected a number, found '{age}'")
            continue
        actors[row.text("ActorID") or ""] = {
            **({} if age is None else {"age": float(age)}),
            **{
                label: str(row.cells[column]).lower()
                for column, label in LABELS_OF_ACTORS.items()
                if column in row.cells
            },
        }
    return actors


def _utterance(
    clip: str,
    recording: Path | None,
    root: Path,
    judgements: Judgements,
    actors: Mapping[str, Mapping[str, str | float]],
) -> Utterance:
    speaker, sentence, intended, intensity = clip.split("_")
    majorities = {target: judgements.winners(clip, target) for target in TARGETS.values()}
    return Utterance(
        id=clip,
        audio=None if recording is None else recording.relative_to(root).as_posix(),
        text=SENTENCES[sentence],
        text_source="gold",
        speaker=speaker,
        group=speaker,
        labels={
            **{target: names[0] for target, names in majorities.items() if len(names) == 1},
            "emotion_intended": INTENDED[intended],
            "intensity": INTENSITIES[intensity],
            "sentence": sentence,
            **actors.get(speaker, {}),
        },
        votes=judgements.votes.get(clip, {}),
    )
