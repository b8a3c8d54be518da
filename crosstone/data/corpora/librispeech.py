"""LibriSpeech: 1,000 hours of read English by 2,484 people, in seven subsets.

Readings of public-domain books for LibriVox, cut into utterances, with upper-case transcripts.
"clean" and "other" are the halves that a recogniser found easier and harder.

Paper: Panayotov, V., Chen, G., Povey, D. & Khudanpur, S. (2015). Librispeech: an ASR corpus based
on public domain audio books. ICASSP 2015.
Licence: CC BY 4.0.
To obtain it: https://www.openslr.org/12; unpack the subsets you want (test-clean.tar.gz, …) and
give the folder LibriSpeech, which holds SPEAKERS.TXT, or any folder above it. A group is a
chapter: one reader's recording of it.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from crosstone.data.corpora.collection import Collection, raw_files, text_lines
from crosstone.data.corpora.pairs import draw_trials, read_trial_list
from crosstone.data.corpus import Corpus, Source, Trial, Utterance
from crosstone.errors import CorpusError

SOURCE = Source(
    url="https://www.openslr.org/12",
    licence="CC BY 4.0",
    citation=(
        "Panayotov, Chen, Povey & Khudanpur (2015). Librispeech: an ASR corpus based on public "
        "domain audio books. ICASSP 2015"
    ),
)
EXPECTED = {
    "train-clean-100": (28539, 251),
    "train-clean-360": (104014, 921),
    "train-other-500": (148688, 1166),
    "dev-clean": (2703, 40),
    "dev-other": (2864, 33),
    "test-clean": (2620, 40),
    "test-other": (2939, 33),
}
"""Utterances and speakers of each subset; no one speaks in two."""
SPLITS = {"train": "train", "dev": "valid", "test": "test"}
"""The split of a subset by the first word of its name."""
GENDERS = {"F": "female", "M": "male"}
SPEAKERS = "SPEAKERS.TXT"
_LOG = logging.getLogger(__name__)


def prepare(
    root: Path,
    out: Path,
    *,
    subsets: Sequence[str] | str | None = None,
    trials: int | str | None = None,
    trial_subsets: Sequence[str] | str | None = None,
    same_gender: bool = False,
    seed: int = 0,
    audio: bool = True,
    partial: bool = False,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Corpus:
    """Write the corpus of the subsets under root, grouped by chapter, to out.

    Labels: subset, gender (from SPEAKERS.TXT). A transcript without a recording is a fault, and a
    recording without a transcript too.

    subsets: which of those under root, in a list or with commas between; by default all. trials: a
    number of verification trials to draw (half of them of one speaker), or a file that lists them,
    from here or from root. trial_subsets: what to draw from; by default the subsets whose split is
    test, or all where there is none. same_gender: draw pairs of two speakers from one gender only.
    audio: false for a corpus of texts. partial: leave utterances out that lack one side.
    extras: `trials`, how they were made.
    """
    collection = Collection("librispeech", Path(root))
    files = _Files(collection, _listed(subsets))
    genders = _genders(files.speakers, collection.faults)
    texts: dict[str, str] = {}
    for path in files.transcripts:
        _read_chapter(path, texts, collection.faults)
    recordings = files.recordings if audio else {}
    collection.utterances = [
        _utterance(
            identity,
            texts.get(identity),
            recordings.get(identity),
            collection.root,
            files.subset_of[identity.rpartition("-")[0]],
            genders,
        )
        for identity in sorted(texts.keys() | recordings.keys(), key=_in_order)
    ]
    if genders:
        strangers = {each.speaker for each in collection.utterances} - genders.keys()
        if strangers:
            collection.faults.append(
                f"{SPEAKERS}: expected every speaker, found no line for "
                f"{', '.join(sorted(map(str, strangers)))}"
            )
    if audio:
        collection.lack(
            "transcripts without a recording",
            [identity for identity in texts if identity not in recordings],
            partial=partial,
            remedy="unpack the archive again, prepare texts alone with --set audio=false",
        )
    collection.lack(
        "recordings without a transcript",
        [identity for identity in recordings if identity not in texts],
        partial=partial,
        remedy="unpack the archive again",
    )
    collection.refuse_faults()
    return collection.write(
        out,
        source=SOURCE,
        expected=_expected(collection.utterances),
        trials=_trials(collection, trials, _listed(trial_subsets), same_gender, seed),
        workers=workers,
        progress=progress,
    )


class _Files:
    """Where transcripts, recordings and the table of speakers lie."""

    def __init__(self, collection: Collection, wanted: Sequence[str]) -> None:
        root = collection.root
        self.transcripts: list[Path] = []
        self.recordings: dict[str, Path] = {}
        self.subset_of: dict[str, str] = {}
        """Speaker and chapter ("1089-134686") → subset."""
        self.speakers: Path | None = None
        found: Counter[str] = Counter()
        doubled: dict[str, str] = {}
        for path in raw_files(root, ".trans.txt", ".flac", ".wav", SPEAKERS.lower()):
            if path.name.upper() == SPEAKERS:
                self.speakers = self.speakers or path
                continue
            subset, speaker, chapter = ("", "", *path.absolute().parent.parts)[-3:]
            begins = f"{speaker}-{chapter}"
            is_transcript = path.name.endswith(".trans.txt")
            name = path.name.removesuffix(".trans.txt") if is_transcript else path.stem
            if not (name == begins if is_transcript else name.startswith(f"{begins}-")):
                collection.left_out["files outside <subset>/<speaker>/<chapter>"] += 1
                continue
            found[subset] += 1
            if wanted and subset not in wanted:
                continue
            if self.subset_of.setdefault(begins, subset) != subset:
                doubled[begins] = f"in {self.subset_of[begins]} and in {subset}"
            elif is_transcript:
                self.transcripts.append(path)
            else:
                self.recordings[name] = path
        collection.faults += [
            f"chapter {chapter}: is {places}; keep one" for chapter, places in doubled.items()
        ]
        if lacking := [subset for subset in wanted if subset not in found]:
            raise CorpusError(
                f"{root}: expected the subsets {', '.join(wanted)}, found no {', '.join(lacking)} "
                f"among {', '.join(sorted(found)) or 'none'}"
            )
        if not self.transcripts and not collection.faults:
            raise CorpusError(
                f"{root}: expected test-clean/1089/134686/1089-134686.trans.txt and the like, "
                f"found none; unpack subsets from {SOURCE.url} there"
            )


def _listed(names: Sequence[str] | str | None) -> list[str]:
    parts = names.split(",") if isinstance(names, str) else names or []
    return [part.strip() for part in parts if part.strip()]


def _genders(path: Path | None, faults: list[str]) -> dict[str, str]:
    """Speaker → gender; names, in the last field, may hold bars."""
    if path is None:
        _LOG.warning("librispeech: no %s, so no genders", SPEAKERS)
        return {}
    genders: dict[str, str] = {}
    for number, line in text_lines(path):
        if line.startswith(";"):
            continue
        fields = [field.strip() for field in line.split("|", 4)]
        if len(fields) < 5 or fields[1] not in GENDERS:
            faults.append(
                f"{path.name}: line {number}: expected 'speaker | F or M | subset | minutes | "
                f"name', found '{line[:80]}'"
            )
        else:
            genders[fields[0]] = GENDERS[fields[1]]
    return genders


def _read_chapter(path: Path, texts: dict[str, str], faults: list[str]) -> None:
    begins = path.name.removesuffix(".trans.txt") + "-"
    for number, line in text_lines(path):
        identity, _, text = line.partition(" ")
        if not identity.startswith(begins) or not text.strip():
            faults.append(
                f"{path.name}: line {number}: expected '{begins}0000 WORDS', found '{line[:80]}'"
            )
        elif identity in texts:
            faults.append(f"{path.name}: line {number}: {identity} stands there twice; keep one")
        else:
            texts[identity] = text.strip()


def _in_order(identity: str) -> tuple[tuple[int, str], ...]:
    """Numbers by size: 61 before 1089."""
    return tuple((len(part), part) for part in identity.split("-"))


def _utterance(
    identity: str,
    text: str | None,
    recording: Path | None,
    root: Path,
    subset: str,
    genders: Mapping[str, str],
) -> Utterance:
    speaker, _, _ = identity.partition("-")
    gender = genders.get(speaker)
    return Utterance(
        id=identity,
        audio=None if recording is None else recording.relative_to(root).as_posix(),
        text=text,
        text_source=None if text is None else "gold",
        speaker=speaker,
        group=identity.rpartition("-")[0],
        split=SPLITS.get(subset.partition("-")[0]),
        labels={"subset": subset, **({} if gender is None else {"gender": gender})},
    )


def _expected(utterances: Sequence[Utterance]) -> dict[str, Any]:
    """The counts of the subsets that are there; of all together only where each is known."""
    there = dict.fromkeys(str(each.labels["subset"]) for each in utterances)
    known = {subset: EXPECTED[subset] for subset in there if subset in EXPECTED}
    expected: dict[str, Any] = {
        "labels": {"subset": {subset: number for subset, (number, _) in known.items()}}
    }
    if len(known) == len(there):
        expected["utterances"] = sum(number for number, _ in known.values())
        expected["speakers"] = sum(number for _, number in known.values())
    return expected


def _trials(
    collection: Collection,
    trials: int | str | None,
    subsets: Sequence[str],
    same_gender: bool,
    seed: int,
) -> list[Trial]:
    if trials is None:
        return []
    utterances = collection.utterances
    if isinstance(trials, str):
        path = next((p for p in (Path(trials), collection.root / trials) if p.exists()), None)
        if path is None:
            raise CorpusError(
                f"trials: expected a number or a file, found '{trials}', which is neither here nor "
                f"in {collection.root}"
            )
        speakers = {each.id: each.speaker for each in utterances}
        listed = list(read_trial_list(path, speakers, collection.faults))
        collection.refuse_faults()
        collection.notes["trials"] = {"list": path.name, "trials": len(listed)}
        return listed
    there = {str(each.labels["subset"]): each.split for each in utterances}
    if lacking := [subset for subset in subsets if subset not in there]:
        raise CorpusError(
            f"trial_subsets: found no {', '.join(lacking)} among {', '.join(sorted(there))}"
        )
    chosen = subsets or [s for s, split in there.items() if split == "test"] or list(there)
    drawn = draw_trials(
        [each for each in utterances if each.labels["subset"] in chosen],
        number=trials,
        seed=seed,
        same_gender=same_gender,
    )
    collection.notes["trials"] = {
        "drawn_from": sorted(chosen),
        "trials": len(drawn),
        "seed": seed,
        "same_gender": same_gender,
    }
    return drawn
