"""A cut set becomes a corpus: one utterance for each supervision."""

import gzip
import json
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.errors import CorpusError

DECIMALS = 10
"""Of sums of seconds: what a start and a length in binary give back of a decimal end."""
WHOLE_SECONDS = 0.0005
"""A stretch that lacks no more than this of its recording is all of it."""
OWN = ("labels", "votes", "group", "split", "text_source")
"""Fields of a supervision's `custom` that have a meaning here; its other values are labels."""


def prepare(
    root: Path,
    out: Path,
    *,
    group: str = "group",
    name: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Corpus:
    """Write the corpus of the cuts in the file root (.jsonl or .jsonl.gz) to out.

    Each supervision is an utterance: its stretch of the recording, within its cut; a cut without
    one is an utterance without text. Labels: `custom.labels`; without it every other string or
    number of the supervision's `custom`, and its gender and language. group: the field of `custom`
    that no fold may split. A relative path is looked for from the cut set's folder, then from here.
    progress: called once, at the end. Raises CorpusError that lists every cut that cannot be taken.
    """
    path = Path(root)
    utterances: list[Utterance] = []
    faults: list[str] = []
    for number, line in _lines(path):
        try:
            utterances += _utterances(_cut(line), path.parent, group)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            said = f"no '{error.args[0]}'" if isinstance(error, KeyError) else str(error)
            faults.append(f"line {number}: {said}")
    if not utterances and not faults:
        faults.append("no cuts")
    if faults:
        count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
        raise CorpusError("\n  ".join([f"{path}: {count}", *faults]))
    folder = _common_folder(utterances, path.parent)
    corpus = Corpus.write(
        out,
        name=name or path.name.split(".")[0],
        root=folder,
        source=Source(),
        utterances=(_relative(utterance, folder) for utterance in utterances),
        extras={"cuts": path.name},
    )
    if progress is not None:
        progress(len(corpus), len(corpus))
    return corpus


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    expected = "expected a cut set (.jsonl or .jsonl.gz)"
    try:
        with path.open("rb") as raw:
            is_zipped = raw.read(2) == b"\x1f\x8b"
        with gzip.open(path) if is_zipped else path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line.decode().strip()
    except UnicodeDecodeError as error:
        raise CorpusError(f"{path}: {expected}, found other bytes than UTF-8") from error
    except (OSError, EOFError, zlib.error) as error:
        raise CorpusError(f"{path}: {expected}, cannot read it ({error})") from error


def _cut(line: str) -> dict[str, Any]:
    cut = json.loads(line)
    if not isinstance(cut, dict):
        raise ValueError(f"expected a cut, found {line[:60]}")
    if "sources" in cut or "recording_id" in cut:
        kind = "recording" if "sources" in cut else "supervision"
        raise ValueError(
            f"expected a cut, found a {kind}; `lhotse cut simple` makes cuts of recordings and "
            "supervisions"
        )
    return cut


def _utterances(cut: Mapping[str, Any], folder: Path, group: str) -> Iterator[Utterance]:
    """The utterances of a cut, their audio an absolute path; raises ValueError or KeyError."""
    where = f"cut '{cut['id']}'"
    kind = cut.get("type", "MonoCut")
    if kind not in ("MonoCut", "MultiCut"):
        raise ValueError(f"{where} is a {kind}, expected a MonoCut; save it as audio first")
    recording = cut.get("recording")
    if recording is None:
        raise ValueError(f"{where} has no recording; features alone cannot be listened to")
    audio = _audio(where, cut, recording, folder)
    supervisions = cut.get("supervisions") or [None]
    for supervision in supervisions:
        if supervision is None:
            yield _placed(cut, recording, Utterance(id=cut["id"], audio=audio))
            continue
        custom = supervision.get("custom") or {}
        known = {key: custom.get(key) for key in ("split", "text_source")}
        utterance = Utterance(
            id=supervision["id"],
            audio=audio,
            start=supervision["start"],
            end=supervision["start"] + supervision["duration"],
            text=supervision.get("text"),
            speaker=supervision.get("speaker"),
            group=custom.get(group),
            labels=_labels(supervision, custom, group),
            votes=_votes(custom),
            **known,
        )
        yield _placed(cut, recording, utterance)


def _audio(where: str, cut: Mapping[str, Any], recording: Mapping[str, Any], folder: Path) -> str:
    sources = recording["sources"]
    if len(sources) != 1 or sources[0]["type"] != "file":
        kinds = ", ".join(source["type"] for source in sources) or "none"
        raise ValueError(f"{where}: expected one audio file, found {kinds}; save it as audio first")
    if recording.get("transforms"):
        raise ValueError(f"{where}: its recording is transformed when read; save it as audio first")
    channels = cut.get("channel", 0)
    taken = sorted(channels if isinstance(channels, list) else [channels])
    there = sorted(sources[0]["channels"])
    if taken != there:
        raise ValueError(
            f"{where} takes channel {', '.join(map(str, taken))} of {len(there)}, expected all of "
            "them; save it as audio first"
        )
    path = Path(sources[0]["source"])
    for base in (folder, Path.cwd()):
        if not path.is_absolute() and (base / path).exists():
            path = base / path
    return str(path if path.is_absolute() else folder.absolute() / path)


def _placed(
    cut: Mapping[str, Any], recording: Mapping[str, Any], utterance: Utterance
) -> Utterance:
    """The utterance, given in seconds of its cut or not at all, in seconds of its recording."""
    length = float(cut["duration"])
    first = cut["start"] + max(0.0, utterance.start or 0.0)
    last = cut["start"] + (length if utterance.end is None else min(length, utterance.end))
    start, end = round(float(first), DECIMALS), round(float(last), DECIMALS)
    if start <= WHOLE_SECONDS and end >= recording["duration"] - WHOLE_SECONDS:
        return replace(utterance, start=None, end=None, duration=float(recording["duration"]))
    return replace(utterance, start=start, end=end, duration=round(end - start, DECIMALS))


def _labels(
    supervision: Mapping[str, Any], custom: Mapping[str, Any], group: str
) -> dict[str, str | float]:
    if isinstance(custom.get("labels"), Mapping):
        return dict(custom["labels"])
    known = {key: supervision.get(key) for key in ("gender", "language")}
    values = {**known, **{key: custom[key] for key in custom if key not in (*OWN, group)}}
    return {
        key: value
        for key, value in values.items()
        if isinstance(value, str | int | float) and not isinstance(value, bool)
    }


def _votes(custom: Mapping[str, Any]) -> dict[str, dict[str, tuple[str | float, ...]]]:
    return {
        target: {rater: tuple(chosen) for rater, chosen in raters.items()}
        for target, raters in (custom.get("votes") or {}).items()
    }


def _common_folder(utterances: list[Utterance], default: Path) -> Path:
    folders = {os.path.dirname(utterance.audio) for utterance in utterances if utterance.audio}  # noqa: PTH120
    try:
        return Path(os.path.commonpath(folders)) if folders else default
    except ValueError as error:  # two drives, on Windows
        raise CorpusError(f"the recordings of a corpus must be on one drive ({error})") from error


def _relative(utterance: Utterance, folder: Path) -> Utterance:
    path = None if utterance.audio is None else Path(utterance.audio).relative_to(folder)
    return replace(utterance, audio=None if path is None else path.as_posix())
