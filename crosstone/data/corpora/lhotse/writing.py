"""A corpus becomes a cut set: one cut with one supervision for each utterance that is heard."""

import gzip
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crosstone.data.audio import Header, read_header
from crosstone.data.corpus import Corpus
from crosstone.data.utterance import Utterance, to_record
from crosstone.errors import AudioError, CorpusError
from crosstone.files import whole

NUM_SHOWN = 20


@dataclass(frozen=True)
class Exported:
    """What an export wrote."""

    num_cuts: int
    left_out: Mapping[str, int]
    """Reason → utterances that a cut set cannot hold."""


def write_cuts(
    corpus: Corpus,
    path: Path,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Exported:
    """Write the corpus as cuts to path, gzipped where its name ends in .gz, whole or not at all.

    A supervision's `custom` holds labels, votes, group, split and text_source. An end past its
    recording becomes the recording's; paths are absolute. progress: called with how many of how
    many utterances are done. Raises CorpusError that names the recordings that cannot be read.
    """
    headers = _headers(corpus, workers)
    left_out: Counter[str] = Counter()
    num_cuts = 0
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole(path) as temporary, temporary.open("wb") as raw:
        zipped = path.name.endswith(".gz")
        file = gzip.GzipFile(path.stem, "wb", fileobj=raw, mtime=0) if zipped else raw
        with file:
            for row, utterance in enumerate(corpus):
                if utterance.audio is None:
                    left_out["utterances without audio"] += 1
                else:
                    cut = _cut(corpus, utterance, headers[utterance.audio])
                    line = json.dumps(cut, ensure_ascii=False, allow_nan=False)
                    file.write(line.encode() + b"\n")
                    num_cuts += 1
                if progress is not None:
                    progress(row + 1, len(corpus))
    return Exported(num_cuts, dict(left_out))


def _headers(corpus: Corpus, workers: int | None) -> dict[str, Header]:
    """Path → header of each recording, read once."""
    paths = list(dict.fromkeys(u.audio for u in corpus if u.audio is not None))
    faults: list[str] = []

    def read(audio: str) -> Header | str:
        try:
            return read_header(corpus.root / audio)
        except AudioError as error:
            return str(error)

    headers: dict[str, Header] = {}
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        for audio, header in zip(paths, pool.map(read, paths), strict=True):
            if isinstance(header, str):
                faults.append(header)
            else:
                headers[audio] = header
    if faults:
        shown = faults[:NUM_SHOWN]
        if len(faults) > NUM_SHOWN:
            shown.append(f"… and {len(faults) - NUM_SHOWN} more")
        raise CorpusError(
            "\n  ".join([f"{corpus.name}: {len(faults)} recordings cannot be read", *shown])
        )
    return headers


def _cut(corpus: Corpus, utterance: Utterance, header: Header) -> dict[str, Any]:
    channels = list(range(header.num_channels))
    channel: int | list[int] = 0 if len(channels) == 1 else channels
    start = utterance.start or 0.0
    end = min(header.seconds if utterance.end is None else utterance.end, header.seconds)
    stretch = {"start": start, "duration": end - start, "channel": channel}
    recording = {
        "id": utterance.audio,
        "sources": [
            {"type": "file", "channels": channels, "source": str(corpus.audio_path(utterance))}
        ],
        "sampling_rate": header.sampling_rate,
        "num_samples": header.num_samples,
        "duration": header.seconds,
        "channel_ids": channels,
    }
    supervision = {
        "id": utterance.id,
        "recording_id": utterance.audio,
        **stretch,
        "start": 0.0,
        **dict(_said(utterance)),
        "custom": _custom(utterance),
    }
    return {
        "id": utterance.id,
        **stretch,
        "supervisions": [supervision],
        "recording": recording,
        "type": "MonoCut" if len(channels) == 1 else "MultiCut",
    }


def _said(utterance: Utterance) -> Iterator[tuple[str, str]]:
    if utterance.text is not None:
        yield "text", utterance.text
    if utterance.speaker is not None:
        yield "speaker", utterance.speaker


def _custom(utterance: Utterance) -> dict[str, Any]:
    record = to_record(utterance)
    kept = ("votes", "group", "split", "text_source")
    return {
        "labels": record.get("labels", {}),
        **{key: record[key] for key in kept if key in record},
    }
