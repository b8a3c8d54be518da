"""What a preparation has gathered: its utterances, and every hole and fault it met on the way."""

import logging
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from crosstone.data.audio import measure_durations
from crosstone.data.corpus import Corpus, Source, Trial, Utterance
from crosstone.data.faults import brief, missing_counts
from crosstone.errors import CorpusError

NUM_NAMED = 10
_LOG = logging.getLogger(__name__)


@dataclass
class Collection:
    """A corpus on its way from a raw copy under `root`."""

    name: str
    root: Path
    utterances: list[Utterance] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """Sentences; with one of them nothing is written."""
    left_out: Counter[str] = field(default_factory=Counter)
    """What of the raw copy is not in the corpus, and how often."""
    notes: dict[str, Any] = field(default_factory=dict)
    """What else the corpus remembers of its preparation, as JSON."""

    def lack(self, what: str, ids: Sequence[str], *, partial: bool, remedy: str) -> None:
        """Utterances that lack something: left out of a copy that may be partial, else a fault.

        what: a phrase that their number stands before ("turns without a recording").
        """
        if not ids:
            return
        if partial:
            lacking = set(ids)
            kept = [each for each in self.utterances if each.id not in lacking]
            self.left_out[what] += len(self.utterances) - len(kept)
            self.utterances = kept
        else:
            self.faults.append(
                f"{len(ids)} {what}: {named(ids)}; {remedy}, or leave them out with "
                "--set partial=true"
            )

    def refuse_faults(self) -> None:
        """Raise CorpusError that lists the faults, where there are any."""
        if self.faults:
            count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
            raise CorpusError("\n  ".join([f"{self.root}: {count}", *self.faults]))

    def write(
        self,
        out: Path,
        *,
        source: Source,
        expected: Mapping[str, Any],
        trials: Iterable[Trial] = (),
        workers: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> Corpus:
        """Measure the recordings and `store` the corpus; raises CorpusError with every fault."""
        self.refuse_faults()
        heard = [i for i, each in enumerate(self.utterances) if each.audio is not None]
        paths = [self.root / str(self.utterances[i].audio) for i in heard]
        durations = measure_durations(paths, workers=workers, progress=progress)
        for i, duration in zip(heard, durations, strict=True):
            self.utterances[i] = replace(self.utterances[i], duration=duration)
        return self.store(out, source=source, expected=expected, trials=trials)

    def store(
        self,
        out: Path,
        *,
        source: Source,
        expected: Mapping[str, Any],
        trials: Iterable[Trial] = (),
    ) -> Corpus:
        """Write the corpus as it is.

        extras: `expected`; `incomplete`, a sentence for each count that differs from it;
        `left_out`; and the notes. That it is incomplete, and what is left out, is logged (warning).
        """
        incomplete = missing_counts(self.name, expected, self.utterances)
        for sentence in brief(incomplete):
            _LOG.warning("%s", sentence)
        for what, count in self.left_out.items():
            _LOG.warning("%s: left out %d %s", self.name, count, what)
        return Corpus.write(
            out,
            name=self.name,
            root=self.root,
            source=source,
            utterances=self.utterances,
            extras={
                "expected": expected,
                "incomplete": incomplete,
                "left_out": dict(self.left_out),
                **self.notes,
            },
            trials=trials,
        )


def raw_files(root: Path, *suffixes: str) -> Iterator[Path]:
    """The files under root whose names end so (in any case), highest first, links followed.

    Not those that macOS leaves on other disks (`._name`, `__MACOSX`), nor hidden ones. Raises
    CorpusError where root is no folder.
    """
    if not root.is_dir():
        found = "a file" if root.exists() else "nothing"
        raise CorpusError(f"{root}: expected the folder of the raw corpus, found {found}")
    seen: set[str] = set()
    found_files: list[Path] = []
    for folder, inner, names in os.walk(root, followlinks=True):
        seen.add(os.path.realpath(folder))
        inner[:] = [
            name
            for name in inner
            if not name.startswith(".")
            and name != "__MACOSX"
            and os.path.realpath(Path(folder, name)) not in seen
        ]
        found_files += [
            Path(folder, name)
            for name in names
            if not name.startswith(".") and name.lower().endswith(suffixes)
        ]
    yield from sorted(found_files, key=lambda path: (len(path.parts), path.as_posix()))


def decoded(path: Path) -> str:
    """The text of a file in UTF-8 or, where it is not, as older Windows programs wrote it.

    Raises CorpusError where it cannot be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CorpusError(f"{path}: cannot read it ({error.strerror})") from error
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            return content.decode(encoding)
        except UnicodeDecodeError:
            continue
    return content.decode("latin-1")


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of each line that is not blank, without its end."""
    text = decoded(path).replace("\r\n", "\n").replace("\r", "\n")
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield number, line.strip()


def named(ids: Sequence[str]) -> str:
    """The first ten, and how many more there are."""
    more = f" and {len(ids) - NUM_NAMED} more" if len(ids) > NUM_NAMED else ""
    return ", ".join(ids[:NUM_NAMED]) + more
