"""RAVDESS, the Ryerson Audio-Visual Database of Emotional Speech and Song: its audio-only speech.

24 professional actors (12 female) say two sentences in eight emotions, each at normal and strong
intensity (neutral at normal only) and twice: 1,440 clips.

Paper: Livingstone, S. R. & Russo, F. A. (2018). PLoS ONE 13(5): e0196391.
Licence: CC BY-NC-SA 4.0.
To obtain it: https://zenodo.org/records/1188976, the file Audio_Speech_Actors_01-24.zip; unpack it
and give the folder that holds Actor_01 … Actor_24, or any folder above it.
"""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from crosstone.data.audio import measure_durations
from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.data.faults import brief, missing_counts
from crosstone.errors import CorpusError

SOURCE = Source(
    url="https://zenodo.org/records/1188976",
    version="1.0.0",
    licence="CC BY-NC-SA 4.0",
    citation=(
        "Livingstone & Russo (2018). The Ryerson Audio-Visual Database of Emotional Speech and "
        "Song (RAVDESS). PLoS ONE 13(5): e0196391"
    ),
)
EMOTIONS = {
    "01": "neutral",
    "02": "calm",
    "03": "happy",
    "04": "sad",
    "05": "angry",
    "06": "fearful",
    "07": "disgust",
    "08": "surprised",
}
INTENSITIES = {"01": "normal", "02": "strong"}
STATEMENTS = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
MODALITIES = {"01": "audio-video", "02": "video-only", "03": "audio-only"}
CHANNELS = {"01": "speech", "02": "song"}
ACTORS = tuple(f"{number:02d}" for number in range(1, 25))
EXPECTED = {
    "utterances": 1440,
    "speakers": 24,
    "per_speaker": 60,
    "labels": {
        "emotion": {emotion: 96 if emotion == "neutral" else 192 for emotion in EMOTIONS.values()},
        "intensity": {"normal": 768, "strong": 672},
        "gender": {"female": 720, "male": 720},
    },
}
SUFFIXES = (".wav", ".flac", ".mp4")
_LOG = logging.getLogger(__name__)


def prepare(
    root: Path,
    out: Path,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Corpus:
    """Write the corpus of the clips under root, grouped by actor, to out.

    Labels: emotion, intensity, gender. extras: `expected`; `incomplete`, a sentence for each count
    that differs from it; `skipped`, how many files were left out, by reason. Both are logged
    (warning). Raises CorpusError where there is no clip.
    """
    root = Path(root)
    if not root.is_dir():
        raise CorpusError(f"{root}: expected the folder of RAVDESS, found no folder; {_REMEDY}")
    skipped: Counter[str] = Counter()
    clips = dict(_clips(root, skipped))
    if not clips:
        left_out = f", {_counted(skipped)} left out" if skipped else ""
        raise CorpusError(
            f"{root}: expected audio-only speech clips named like 03-01-06-01-02-01-12.wav, found "
            f"none{left_out}; {_REMEDY}"
        )
    paths = [clips[stem] for stem in sorted(clips)]
    durations = measure_durations(paths, workers=workers, progress=progress)
    utterances = [
        _utterance(root, path, duration) for path, duration in zip(paths, durations, strict=True)
    ]
    incomplete = missing_counts("ravdess", EXPECTED, utterances)
    for sentence in brief(incomplete):
        _LOG.warning("%s", sentence)
    if skipped:
        _LOG.warning("ravdess: left out %s", _counted(skipped))
    return Corpus.write(
        out,
        name="ravdess",
        root=root,
        source=SOURCE,
        utterances=utterances,
        extras={"expected": EXPECTED, "incomplete": incomplete, "skipped": dict(skipped)},
    )


def _clips(root: Path, skipped: Counter[str]) -> Iterator[tuple[str, Path]]:
    """Stem and path of each clip of audio-only speech, once; the rest is counted in skipped."""
    files = [path for path in root.rglob("*") if path.suffix.lower() in SUFFIXES]
    seen: set[str] = set()
    for path in sorted(files, key=lambda file: (len(file.parts), file.as_posix())):
        reason = _reason_to_skip(path)
        if reason is None and path.stem in seen:
            reason = "second copies"
        if reason is None:
            seen.add(path.stem)
            yield path.stem, path
        else:
            skipped[reason] += 1


def _reason_to_skip(path: Path) -> str | None:
    fields = path.stem.split("-")
    tables = (MODALITIES, CHANNELS, EMOTIONS, INTENSITIES, STATEMENTS, INTENSITIES, ACTORS)
    if len(fields) != len(tables) or any(
        field not in table for field, table in zip(fields, tables, strict=True)
    ):
        return "files without a RAVDESS name"
    if path.suffix.lower() == ".mp4":
        return "video clips"
    if fields[0] != "03":
        return f"{MODALITIES[fields[0]]} clips"
    if fields[1] != "01":
        return f"{CHANNELS[fields[1]]} clips"
    return None


def _utterance(root: Path, path: Path, duration: float | None) -> Utterance:
    _, _, emotion, intensity, statement, _, actor = path.stem.split("-")
    return Utterance(
        id=path.stem,
        audio=path.relative_to(root).as_posix(),
        duration=duration,
        text=STATEMENTS[statement],
        text_source="gold",
        speaker=f"Actor_{actor}",
        group=f"Actor_{actor}",
        labels={
            "emotion": EMOTIONS[emotion],
            "intensity": INTENSITIES[intensity],
            "gender": "male" if int(actor) % 2 else "female",
        },
    )


def _counted(skipped: Counter[str]) -> str:
    return ", ".join(f"{count} {reason}" for reason, count in skipped.most_common())


_REMEDY = f"unpack Audio_Speech_Actors_01-24.zip from {SOURCE.url} there"
