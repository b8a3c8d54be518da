"""EmoDB, the Berlin Database of Emotional Speech: ten German sentences in seven emotions.

Ten actors (five women) in an anechoic chamber; 535 of about 800 takes are published, those that a
listening test found natural and recognised, so classes and speakers are unequal.

Paper: Burkhardt, F., Paeschke, A., Rolfes, M., Sendlmeier, W. & Weiss, B. (2005). A database of
German emotional speech. Interspeech 2005.
Licence: free for research, by the site that offers it; no licence text of its own.
To obtain it: http://emodb.bilderbar.info/download/download.zip; unpack it and give the folder that
holds wav, or any folder above it. A name like 03a01Fa.wav says speaker (03), sentence (a01),
emotion (F, Freude) and take (a).
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from crosstone.data.corpora.collection import Collection, raw_files
from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.errors import CorpusError

SOURCE = Source(
    url="http://emodb.bilderbar.info",
    version="1",
    licence="free for research, by the site that offers it",
    citation=(
        "Burkhardt, Paeschke, Rolfes, Sendlmeier & Weiss (2005). A database of German emotional "
        "speech. Interspeech 2005"
    ),
)
EMOTIONS = {
    "W": "anger",
    "L": "boredom",
    "E": "disgust",
    "A": "fear",
    "F": "happiness",
    "T": "sadness",
    "N": "neutral",
}
"""Ärger (Wut), Langeweile, Ekel, Angst, Freude, Trauer; N is neutral in both languages."""
SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}
SPEAKERS = {
    "03": ("male", 31.0),
    "08": ("female", 34.0),
    "09": ("female", 21.0),
    "10": ("male", 32.0),
    "11": ("male", 26.0),
    "12": ("male", 30.0),
    "13": ("female", 32.0),
    "14": ("female", 35.0),
    "15": ("male", 25.0),
    "16": ("female", 31.0),
}
"""Gender and age in years."""
EXPECTED: dict[str, Any] = {
    "utterances": 535,
    "speakers": {
        "03": 49,
        "08": 58,
        "09": 43,
        "10": 38,
        "11": 55,
        "12": 35,
        "13": 61,
        "14": 69,
        "15": 56,
        "16": 71,
    },
    "labels": {
        "emotion": {
            "anger": 127,
            "boredom": 81,
            "disgust": 46,
            "fear": 69,
            "happiness": 71,
            "neutral": 79,
            "sadness": 62,
        }
    },
}
_NAME = re.compile(rf"({'|'.join(SPEAKERS)})({'|'.join(SENTENCES)})[{''.join(EMOTIONS)}][a-z]")


def prepare(
    root: Path,
    out: Path,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Corpus:
    """Write the corpus of the clips under root, grouped by speaker, to out.

    Labels: emotion, gender, age (years), sentence (code), take.
    """
    collection = Collection("emodb", Path(root))
    clips: dict[str, Path] = {}
    for path in raw_files(collection.root, ".wav", ".flac"):
        if _NAME.fullmatch(path.stem) is None:
            collection.left_out["files without an EmoDB name"] += 1
        elif clips.setdefault(path.stem, path) is not path:
            collection.left_out["second copies"] += 1
    if not clips:
        raise CorpusError(
            f"{root}: expected clips named like 03a01Fa.wav, found none; unpack the download from "
            f"{SOURCE.url} there"
        )
    collection.utterances = [
        _utterance(stem, path.relative_to(collection.root).as_posix())
        for stem, path in sorted(clips.items())
    ]
    return collection.write(
        out, source=SOURCE, expected=EXPECTED, workers=workers, progress=progress
    )


def _utterance(stem: str, audio: str) -> Utterance:
    speaker, sentence, emotion, take = stem[:2], stem[2:5], stem[5], stem[6]
    gender, age = SPEAKERS[speaker]
    return Utterance(
        id=stem,
        audio=audio,
        text=SENTENCES[sentence],
        text_source="gold",
        speaker=speaker,
        group=speaker,
        labels={
            "emotion": EMOTIONS[emotion],
            "gender": gender,
            "age": age,
            "sentence": sentence,
            "take": take,
        },
    )
