"""The corpus `twokey`, made on the spot."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import soundfile

from crosstone.data.corpora.twokey.ceilings import ceilings
from crosstone.data.corpora.twokey.law import CUES, LAWS, Law
from crosstone.data.corpora.twokey.script import Entry, write_script
from crosstone.data.corpora.twokey.speech import Progress, require_engine, synthesise_lines
from crosstone.data.corpora.twokey.voices import SPEAKERS, UNLABELLED_SPEAKERS
from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.errors import CorpusError


def prepare(
    root: Path | str | None,
    out: Path | str,
    *,
    law: str = "interplay",
    blur: float | None = None,
    seed: int = 0,
    labelled: int = 3000,
    unlabelled: int = 2400,
    text_only: int = 0,
    speakers: int = SPEAKERS,
    unlabelled_speakers: int = UNLABELLED_SPEAKERS,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Corpus:
    """The corpus with two keys, written and spoken in `out`; `root` is not used.

    Splits: `labelled` (emotion, sentiment in [-3, 3]; groups session-1 to session-5), `unlabelled`
    (other voices, other sentences), `text` (sentences that nobody says). The labels valence_key
    and delivery_key are there to diagnose with: to train on them is to cheat. blur: the share
    of utterances in which a key is blurred (`Law.blur`); None is the law's own. extras["ceilings"]:
    the best accuracy of five kinds of listener (`ceilings.ceilings`). The same options give the
    same table; the recordings are as alike as the synthesiser makes them. jobs and progress:
    `speech.synthesise_lines`. Raises CrosstoneError without the demo extra, CorpusError for
    options that do not fit.
    """
    version = require_engine()
    if law not in LAWS:
        raise CorpusError(f"twokey: expected law to be one of {', '.join(LAWS)}, found '{law}'")
    if blur is not None and not 0 <= blur <= 1:
        raise CorpusError(f"twokey: expected blur to be a share from 0 to 1, found {blur}")
    chosen = LAWS[law] if blur is None else replace(LAWS[law], blur=blur)
    counts = {
        "labelled": labelled,
        "unlabelled": unlabelled,
        "text_only": text_only,
        "speakers": speakers,
        "unlabelled_speakers": unlabelled_speakers,
    }
    script = write_script(chosen, seed=seed, **counts)
    out = Path(out)
    lines = [entry.line for entry in script if entry.line is not None]
    recordings = iter(synthesise_lines(lines, out, jobs=jobs, progress=progress))
    utterances = []
    for number, entry in enumerate(script):
        audio = next(recordings) if entry.line is not None else None
        utterances.append(_utterance(entry, number, audio, out))
    return Corpus.write(
        out,
        name="twokey",
        root=out,
        source=Source(
            url="https://github.com/espeak-ng/espeak-ng",
            version=f"espeakng-loader {version}",
            licence="sentences and labels Apache-2.0; spoken by eSpeak NG, a GPL-3.0 program",
        ),
        utterances=utterances,
        extras={"seed": seed, "counts": counts, **describe_law(chosen)},
    )


def describe_law(law: Law) -> dict[str, Any]:
    """What a report says of a law: its name, table, blur, cues and ceilings, as JSON."""
    return {
        "law": law.name,
        "table": [list(row) for row in law.table],
        "blur": law.blur,
        "cues": {cue.name: cue.spread for cue in CUES},
        "ceilings": ceilings(law),
    }


def _utterance(entry: Entry, number: int, audio: str | None, root: Path) -> Utterance:
    speaker = entry.speaker
    return Utterance(
        id=f"{entry.split}-{number:06d}",
        audio=audio,
        duration=None if audio is None else soundfile.info(root / audio).duration,
        text=entry.sentence.text,
        text_source="gold",
        speaker=None if speaker is None else speaker.name,
        group=None if speaker is None else speaker.group,
        split=entry.split,
        labels=entry.labels,
    )
