"""MELD: 13,708 utterances of the series Friends, with seven emotions and a sentiment.

Dialogues of several speakers; three raters each; the corpus has its own split by dialogue, and its
six friends speak in all three parts. Some names are no person's ("Woman", "All").

Paper: Poria, S., Hazarika, D., Majumder, N., Naik, G., Cambria, E. & Mihalcea, R. (2019). MELD: a
multimodal multi-party dataset for emotion recognition in conversations. ACL 2019.
Licence: annotations and code GPL-3.0; the recordings belong to those who made the series.
To obtain it: MELD.Raw.tar.gz, named at https://github.com/declare-lab/MELD, holds clips as MP4 and
the tables train_sent_emo.csv, dev_sent_emo.csv and test_sent_emo.csv. Unpack it and the archives
within, and take the sound out of the clips, each beside its own, in the folder that holds them::

    find . -name 'dia*.mp4' -exec sh -c \\
        'ffmpeg -nostdin -i "$1" -vn -ac 1 -ar 16000 "${1%.mp4}.wav"' sh {} \\;

Then give a folder above both tables and clips. The clips lie where the release has them
(train_splits, dev_splits_complete, output_repeated_splits_test) or in other folders with train, dev
(or valid) and test in their names. Dialogue numbers begin again in each part: dia0_utt0.wav is
three recordings.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from crosstone.data.corpora.collection import Collection, raw_files
from crosstone.data.corpora.rows import Row, read_rows
from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.errors import CorpusError

SOURCE = Source(
    url="https://github.com/declare-lab/MELD",
    licence="annotations and code GPL-3.0; the recordings belong to those who made the series",
    citation=(
        "Poria et al. (2019). MELD: a multimodal multi-party dataset for emotion recognition in "
        "conversations. ACL 2019"
    ),
)
SPLITS = {"train": "train", "dev": "valid", "test": "test"}
"""What MELD calls its parts, and what we do."""
EMOTIONS = ("anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise")
SENTIMENTS = ("negative", "neutral", "positive")
EXPECTED: dict[str, Any] = {
    "utterances": 13708,
    "speakers": 304,
    "groups": 1432,
    "splits": {"train": 9989, "valid": 1109, "test": 2610},
    "labels": {
        "emotion": {
            "anger": 1607,
            "disgust": 361,
            "fear": 358,
            "joy": 2308,
            "neutral": 6436,
            "sadness": 1002,
            "surprise": 1636,
        },
        "sentiment": {"negative": 4184, "neutral": 6436, "positive": 3088},
    },
}
WITHOUT_CLIP = ("train-dia125_utt3", "dev-dia110_utt7")
"""The release's clip is damaged, or is not there (issues 39 and 27 of its repository)."""
LONGEST_SECONDS = 30.0
"""A line of the series that lasts longer has wrong times (three in the tables)."""
COLUMNS = ("Utterance", "Speaker", "Emotion", "Sentiment", "Dialogue_ID", "Utterance_ID")
EXTRACT = (
    "take the sound out of the clips: find . -name 'dia*.mp4' -exec sh -c 'ffmpeg -nostdin -i "
    '"$1" -vn -ac 1 -ar 16000 "${1%.mp4}.wav"\' sh {} \\;'
)
_CLIP = re.compile(r"dia(\d+)_utt(\d+)")


def prepare(
    root: Path,
    out: Path,
    *,
    audio: bool = True,
    partial: bool = False,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Corpus:
    """Write the corpus of the tables and WAV files under root, grouped by dialogue, to out.

    Labels: emotion, sentiment, season, episode. Ids and groups name the part: dev-dia3_utt0 of
    dev-dia3. Times in the tables are those in the episode; they are only looked at. An utterance
    without its WAV file is a fault, unless the release has none: then it is kept without audio.

    audio: false for a corpus of texts. partial: leave utterances without a WAV file out.
    extras: `without_audio`, how many are kept so; `times`, how many have none or wrong ones.
    """
    collection = Collection("meld", Path(root))
    clips = _clips(collection) if audio else {}
    for part, path in _tables(collection.root).items():
        _read_part(collection, part, path, clips)
    ids = {utterance.id for utterance in collection.utterances}
    if orphans := len(clips.keys() - ids):
        collection.left_out["recordings without a line in the tables"] = orphans
    if audio:
        silent = [each.id for each in collection.utterances if each.audio is None]
        known = [identity for identity in silent if identity in WITHOUT_CLIP]
        collection.notes["without_audio"] = len(known)
        collection.lack(
            "utterances without a WAV file",
            [identity for identity in silent if identity not in WITHOUT_CLIP],
            partial=partial,
            remedy=f"{EXTRACT} (or prepare the texts alone with --set audio=false)",
        )
    return collection.write(
        out, source=SOURCE, expected=EXPECTED, workers=workers, progress=progress
    )


def _tables(root: Path) -> dict[str, Path]:
    """Part → its table, the highest up; raises CorpusError where there is none, or no highest."""
    found: dict[str, list[Path]] = {part: [] for part in SPLITS}
    for path in raw_files(root, "_sent_emo.csv"):
        part = path.name.lower().removesuffix("_sent_emo.csv")
        if part in found:
            found[part].append(path)
    if not any(found.values()):
        raise CorpusError(
            f"{root}: expected train_sent_emo.csv, dev_sent_emo.csv and test_sent_emo.csv, found "
            f"none; they are in the release and at {SOURCE.url} (data/MELD)"
        )
    for paths in found.values():
        if len(paths) > 1 and len(paths[0].parts) == len(paths[1].parts):
            raise CorpusError(
                f"{root}: expected one {paths[0].name}, found {paths[0].relative_to(root)} and "
                f"{paths[1].relative_to(root)}; give the folder of one"
            )
    return {part: paths[0] for part, paths in found.items() if paths}


def _clips(collection: Collection) -> dict[str, Path]:
    """Id → WAV file, by the part that the nearest folder above it names."""
    clips: dict[str, Path] = {}
    for path in raw_files(collection.root, ".wav", ".flac"):
        match = _CLIP.fullmatch(path.stem)
        part = _part_of(path.relative_to(collection.root).parent)
        if match is None:
            collection.left_out["recordings of another name"] += 1
        elif part is None:
            collection.left_out["recordings in no folder of train, dev or test"] += 1
        elif (first := clips.setdefault(f"{part}-{path.stem}", path)) is not path:
            collection.faults.append(
                f"{part}-{path.stem}: expected one recording, found "
                f"{first.relative_to(collection.root)} and {path.relative_to(collection.root)}; "
                "keep one"
            )
    return clips


def _part_of(folder: Path) -> str | None:
    for name in reversed(folder.parts):
        parts = [
            part
            for part, words in (("train", ("train",)), ("dev", ("dev", "val")), ("test", ("test",)))
            if any(word in name.lower() for word in words)
        ]
        if len(parts) == 1:
            return parts[0]
    return None


def _read_part(collection: Collection, part: str, path: Path, clips: Mapping[str, Path]) -> None:
    columns, rows, faults = read_rows(path, known=())
    lacking = [column for column in COLUMNS if column not in columns]
    if lacking:
        faults.append(
            f"expected the columns {', '.join(COLUMNS)}, found no {', '.join(lacking)} among "
            f"{', '.join(columns)}"
        )
        rows = []
    times: Counter[str] = Counter(collection.notes.get("times", {}))
    for row in rows:
        found = _row_faults(row)
        if found:
            faults += [f"line {row.line}: {fault}" for fault in found]
            continue
        times.update(_odd_times(row))
        dialogue = f"{part}-dia{row.cells['Dialogue_ID']}"
        identity = f"{dialogue}_utt{row.cells['Utterance_ID']}"
        clip = clips.get(identity)
        collection.utterances.append(
            Utterance(
                id=identity,
                audio=None if clip is None else clip.relative_to(collection.root).as_posix(),
                text=row.text("Utterance"),
                text_source="gold",
                speaker=row.text("Speaker"),
                group=dialogue,
                split=SPLITS[part],
                labels={
                    name.lower(): str(row.cells[name])
                    for name in ("Emotion", "Sentiment", "Season", "Episode")
                    if name in row.cells
                },
            )
        )
    collection.notes["times"] = dict(times)
    collection.faults += [f"{path.name}: {fault}" for fault in faults]


def _row_faults(row: Row) -> list[str]:
    faults = [f"no {column}" for column in COLUMNS if column not in row.cells]
    for column, names in (("Emotion", EMOTIONS), ("Sentiment", SENTIMENTS)):
        value = row.text(column)
        if value is not None and value not in names:
            faults.append(f"{column}: expected one of {', '.join(names)}, found '{value}'")
    for column in ("Dialogue_ID", "Utterance_ID"):
        value = row.text(column)
        if value is not None and not value.isdecimal():
            faults.append(f"{column}: expected a number, found '{value}'")
    return faults


def _odd_times(row: Row) -> list[str]:
    """What is wrong with a row's times, in words to count."""
    begin, end = _seconds(row.text("StartTime")), _seconds(row.text("EndTime"))
    if begin is None or end is None:
        return ["unreadable"]
    if end <= begin:
        return ["of no length"]
    return [f"longer than {LONGEST_SECONDS:g} s"] if end - begin > LONGEST_SECONDS else []


def _seconds(time: str | None) -> float | None:
    """Seconds of a time like 00:20:57,256."""
    match = re.fullmatch(r"(\d+):(\d+):(\d+)[,.](\d+)", (time or "").strip())
    if match is None:
        return None
    hours, minutes, seconds, fraction = match.groups()
    return 3600 * int(hours) + 60 * int(minutes) + float(f"{seconds}.{fraction}")
