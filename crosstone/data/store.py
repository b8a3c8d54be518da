"""The files of a corpus folder: written whole or not at all, checked line by line when read."""

import hashlib
import json
import mmap
import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, fields
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosstone.data.index import Index, IndexBuilder, Stamp, load_index, save_index
from crosstone.data.trials import Trial, Trials, read_trials, write_trials
from crosstone.data.utterance import (
    Source,
    Utterance,
    from_line,
    from_record,
    read_line,
    record_faults,
    to_line,
    to_record,
)
from crosstone.errors import CorpusError

FORMAT = "crosstone-corpus/1"
HEADER, LINES, INDEX = "corpus.json", "utterances.jsonl", "index.npz"
TRIALS = "trials.jsonl"


class Store:
    """The files of one corpus folder, opened once and shared by all views."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        header = _read_header(folder)
        self.name: str = header["name"]
        self.root: Path = (folder.resolve() / header["root"]).resolve()
        self.source = Source(**header["source"])
        self.extras: Mapping[str, Any] = header["extras"]
        self._num_trials: int = header.get("trials", 0)
        path = folder / LINES
        try:
            with path.open("rb") as file:
                stamp = _stamp(file.fileno())
                self.lines: mmap.mmap | bytes = (
                    mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if stamp[0] else b""
                )
        except OSError as error:
            raise CorpusError(
                f"{path}: cannot read it ({error.strerror}); prepare the corpus again"
            ) from error
        index = load_index(folder / INDEX, stamp)
        if index is None:
            index = _scan_lines(self.lines, where=str(path))
            save_index(folder / INDEX, index, stamp)
        if len(index.durations) != header["utterances"]:
            raise CorpusError(
                f"{path}: expected {header['utterances']} utterances, as {HEADER} says, found "
                f"{len(index.durations)}; prepare it again, or correct 'utterances' in {HEADER} "
                "if the lines were meant to change"
            )
        self.index: Index = index

    def utterance(self, row: int) -> Utterance:
        return from_line(self.lines[self.index.offsets[row] : self.index.offsets[row + 1]])

    def digest_of(self, rows: NDArray[np.int64] | None) -> str:
        digests = self.index.digests
        return hashlib.sha256((digests if rows is None else digests[rows]).tobytes()).hexdigest()

    @cached_property
    def digest(self) -> str:
        return self.digest_of(None)

    @cached_property
    def trials(self) -> Trials:
        """The trials, read when they are first asked for."""
        if not self._num_trials:
            return Trials.of(self.index.ids, [])
        path = self.folder / TRIALS
        try:
            trials, faults = read_trials(path, self.index.ids)
        except OSError as error:
            raise CorpusError(
                f"{path}: cannot read it ({error.strerror}); prepare the corpus again"
            ) from error
        if faults:
            raise CorpusError(_listed(str(path), faults))
        if len(trials) != self._num_trials:
            raise CorpusError(
                f"{path}: expected {self._num_trials} trials, as {HEADER} says, found "
                f"{len(trials)}; prepare the corpus again, or correct 'trials' in {HEADER} if the "
                "lines were meant to change"
            )
        return trials


def write_store(
    folder: Path,
    *,
    name: str,
    root: Path,
    source: Source,
    utterances: Iterable[Utterance],
    extras: Mapping[str, Any],
    trials: Iterable[Trial] = (),
) -> None:
    """Write the files of a corpus: to temporary names, synced, then renamed.

    Raises CorpusError with every duplicate id and every fault of every utterance, then with those
    of every trial, or with the reason why the disk would not take them; the corpus that was there
    before then stands.
    """
    header = {
        "format": FORMAT,
        "name": name,
        "root": _stored_root(root, folder),
        "source": asdict(source),
        "utterances": 0,
        "extras": dict(extras),
    }
    try:
        json.dumps(header, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise CorpusError(f"{folder}: name and extras must be JSON ({error})") from error
    lines = folder / f".{LINES}.{os.getpid()}.tmp"
    headed = folder / f".{HEADER}.{os.getpid()}.tmp"
    tried = folder / f".{TRIALS}.{os.getpid()}.tmp"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            index, stamp = _write_lines(lines, utterances, where=str(folder))
            header["utterances"] = len(index.durations)
            num_trials = _write_trials(tried, trials, index, where=str(folder))
            if num_trials:
                header["trials"] = num_trials
            with headed.open("w", encoding="utf-8") as file:
                json.dump(header, file, indent=2, allow_nan=False)
                file.write("\n")
                file.flush()
                os.fsync(file.fileno())
            lines.replace(folder / LINES)
            if num_trials:
                tried.replace(folder / TRIALS)
            else:
                (folder / TRIALS).unlink(missing_ok=True)
            headed.replace(folder / HEADER)
            save_index(folder / INDEX, index, stamp)
        finally:
            lines.unlink(missing_ok=True)
            headed.unlink(missing_ok=True)
            tried.unlink(missing_ok=True)
    except OSError as error:
        raise CorpusError(
            f"{folder}: cannot write the corpus ({error}); what was there before still stands. "
            "Look at free space and permissions, or choose another --out, and prepare it again"
        ) from error


def _write_lines(path: Path, utterances: Iterable[Utterance], *, where: str) -> tuple[Index, Stamp]:
    builder = IndexBuilder()
    first: dict[str, int] = {}
    faults: list[str] = []
    with path.open("wb") as file:
        for number, utterance in enumerate(utterances, start=1):
            record = to_record(utterance)
            found = record_faults(record)
            if not found and first.setdefault(utterance.id, number) != number:
                found = [f"id '{utterance.id}' is already that of utterance {first[utterance.id]}"]
            faults += [f"utterance {number}: {fault}" for fault in found]
            if not faults:
                line = to_line(record)
                file.write(line)
                builder.add(utterance, line, len(line))
        if faults:
            raise CorpusError(_listed(f"{where}: corpus not written", faults))
        file.flush()
        os.fsync(file.fileno())
        return builder.build(), _stamp(file.fileno())


def _write_trials(path: Path, trials: Iterable[Trial], index: Index, *, where: str) -> int:
    """How many trials were written to path; no file where there are none."""
    first = next(remaining := iter(trials), None)
    if first is None:
        return 0
    number, faults = write_trials(path, chain([first], remaining), set(index.ids))
    if faults:
        raise CorpusError(_listed(f"{where}: corpus not written", faults))
    return number


def _scan_lines(lines: mmap.mmap | bytes, *, where: str) -> Index:
    builder = IndexBuilder()
    faults: list[str] = []
    begin = number = 0
    while begin < len(lines):
        number += 1
        end = lines.find(b"\n", begin) + 1 or len(lines)
        line = lines[begin:end]
        record, found = read_line(line)
        faults += [f"line {number}: {fault}" for fault in found]
        if not faults:
            utterance = from_record(record)
            builder.add(utterance, to_line(to_record(utterance)), len(line))
        begin = end
    if faults:
        raise CorpusError(_listed(where, faults))
    return builder.build()


def _read_header(folder: Path) -> dict[str, Any]:
    path = folder / HEADER
    try:
        header = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CorpusError(
            f"{folder}: expected a corpus folder with {HEADER} and {LINES}, found no readable "
            f"{HEADER} ({error.strerror}); make one with "
            f"`crosstone prepare NAME ROOT --out {folder}`"
        ) from error
    except ValueError as error:
        raise CorpusError(f"{path}: not JSON ({error}); prepare the corpus again") from error
    kinds: dict[str, type] = {
        "format": str,
        "name": str,
        "root": str,
        "source": dict,
        "utterances": int,
        "extras": dict,
    }
    if not isinstance(header, dict):
        raise CorpusError(f"{path}: expected a JSON object, found {type(header).__name__}")
    faults = [f"no '{key}'" for key in kinds if key not in header]
    kinds["trials"] = int
    faults += [f"unknown key '{key}'" for key in header if key not in kinds]
    faults += [
        f"{key}: expected {kind.__name__}, found {type(header[key]).__name__}"
        for key, kind in kinds.items()
        if key in header and not isinstance(header[key], kind)
    ]
    if header.get("format") not in (None, FORMAT):
        faults.append(f"format: expected '{FORMAT}', found '{header['format']}'")
    parts = {item.name for item in fields(Source)}
    if isinstance(header.get("source"), dict):
        faults += [f"source: unknown key '{key}'" for key in header["source"] if key not in parts]
    if faults:
        raise CorpusError(f"{path}: {'; '.join(faults)}; prepare the corpus again")
    return header


def _listed(where: str, faults: list[str]) -> str:
    count = "1 fault" if len(faults) == 1 else f"{len(faults)} faults"
    return "\n  ".join([f"{where}: {count}", *faults])


def _stored_root(root: Path, folder: Path) -> str:
    absolute, home = root.resolve(), folder.resolve()
    if root.is_absolute() and not absolute.is_relative_to(home):
        return absolute.as_posix()
    try:
        return Path(os.path.relpath(absolute, home)).as_posix()
    except ValueError:  # another drive, on Windows
        return absolute.as_posix()


def _stamp(descriptor: int) -> Stamp:
    status = os.fstat(descriptor)
    return status.st_size, status.st_mtime_ns
