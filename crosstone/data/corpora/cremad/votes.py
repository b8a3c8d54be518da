"""What the crowd of CREMA-D answered, from whichever of its tables there are."""

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crosstone.errors import CorpusError

EMOTIONS = {"A": "anger", "D": "disgust", "F": "fear", "H": "happy", "N": "neutral", "S": "sad"}
TARGETS = {"1": "emotion", "2": "emotion_face", "3": "emotion_multimodal"}
"""What was put to the rater: 1 the voice alone, 2 the face alone, 3 both."""
SUMMARY = {
    "VoiceVote": "emotion",
    "FaceVote": "emotion_face",
    "MultiModalVote": "emotion_multimodal",
}
RESPONSES, TABULATED, SUMMARISED = "finishedResponses.csv", "tabulatedVotes.csv", "summaryTable.csv"

Votes = dict[str, dict[str, tuple[str | float, ...]]]


@dataclass
class Judgements:
    """Votes and the published majorities of clips, by clip."""

    votes: dict[str, Votes] = field(default_factory=dict)
    """Clip → target → rater → what that rater chose."""
    published: dict[str, dict[str, tuple[str, ...]]] = field(default_factory=dict)
    """Clip → target → emotions that the summary names: several where they tie."""
    raters: str | None = None
    """Whether raters are "named", so that one is known again on another clip, or "anonymous"."""

    @property
    def clips(self) -> set[str]:
        """The clips of all tables."""
        return {*self.votes, *self.published}

    def winners(self, clip: str, target: str) -> tuple[str, ...]:
        """The emotions with most votes: several where they tie, none where nothing is known."""
        cast = self.votes.get(clip, {}).get(target)
        if cast is None:
            return self.published.get(clip, {}).get(target, ())
        counts = Counter(choice for chosen in cast.values() for choice in chosen)
        top = max(counts.values(), default=0)
        return tuple(sorted(str(emotion) for emotion in counts if counts[emotion] == top))

    def num_disagreements(self) -> int:
        """Clips whose published majority by voice is not that of their votes."""
        return sum(
            targets.get("emotion") != self.winners(clip, "emotion")
            for clip, targets in self.published.items()
            if clip in self.votes
        )


def read_judgements(tables: Mapping[str, Path], faults: list[str]) -> Judgements:
    """The votes of named raters where there are any, else the counts of anonymous ones.

    tables: file name → path, of RESPONSES, TABULATED and SUMMARISED those that are there.
    """
    judgements = Judgements()
    if RESPONSES in tables:
        judgements.raters = "named"
        _read_responses(tables[RESPONSES], judgements.votes, faults)
    elif TABULATED in tables:
        judgements.raters = "anonymous"
        _read_counts(tables[TABULATED], judgements.votes, faults)
    if SUMMARISED in tables:
        _read_summary(tables[SUMMARISED], judgements.published, faults)
    return judgements


def _read_responses(path: Path, votes: dict[str, Votes], faults: list[str]) -> None:
    columns = ("localid", "queryType", "clipName", "respEmo", "respLevel")
    for line, (rater, kind, name, emotion, level) in _rows(path, columns, faults):
        found = []
        if kind not in TARGETS:
            found.append(f"queryType: expected 1, 2 or 3, found '{kind}'")
        if emotion not in EMOTIONS:
            found.append(f"respEmo: expected one of {', '.join(EMOTIONS)}, found '{emotion}'")
        if level and not _is_level(level):
            found.append(f"respLevel: expected a number, found '{level}'")
        faults += [f"{path.name}: line {line}: {fault}" for fault in found]
        if found:
            continue
        target = TARGETS[kind]
        cast = votes.setdefault(Path(name).stem, {})
        raters = cast.setdefault(target, {})
        raters[rater] = (*raters.get(rater, ()), EMOTIONS[emotion])
        if level:
            strengths = cast.setdefault(target.replace("emotion", "level"), {})
            strengths[rater] = (*strengths.get(rater, ()), float(level))


def _read_counts(path: Path, votes: dict[str, Votes], faults: list[str]) -> None:
    """Counts by emotion; the column without a name is 100000 × the kind of question + a number."""
    columns = ("", "fileName", *EMOTIONS)
    for line, (row, name, *counts) in _rows(path, columns, faults):
        kind = row[:1] if len(row) == 6 else ""
        if kind not in TARGETS or not all(count.isdecimal() for count in counts):
            faults.append(
                f"{path.name}: line {line}: expected a row number from 100001 to 399999 and six "
                f"counts, found '{row}' and {', '.join(counts)}"
            )
            continue
        chosen = [
            EMOTIONS[letter]
            for letter, count in zip(EMOTIONS, counts, strict=True)
            for _ in range(int(count))
        ]
        votes.setdefault(name, {})[TARGETS[kind]] = {
            f"anonymous-{i:02d}": (emotion,) for i, emotion in enumerate(chosen, start=1)
        }


def _read_summary(
    path: Path, published: dict[str, dict[str, tuple[str, ...]]], faults: list[str]
) -> None:
    """Majorities, with a colon between those that tie ("N:S")."""
    for line, (name, *majorities) in _rows(path, ("FileName", *SUMMARY), faults):
        found: dict[str, tuple[str, ...]] = {}
        for target, letters in zip(SUMMARY.values(), majorities, strict=True):
            if not all(letter in EMOTIONS for letter in letters.split(":")):
                faults.append(
                    f"{path.name}: line {line}: expected letters of {', '.join(EMOTIONS)} with "
                    f"colons between, found '{letters}'"
                )
            else:
                found[target] = tuple(sorted(EMOTIONS[each] for each in letters.split(":")))
        published[name] = found


def _rows(
    path: Path, columns: Sequence[str], faults: list[str]
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Line and cells of the named columns, a row at a time: the responses are 220,000 rows."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = next(reader, [])
            lacking = [column for column in columns if column not in header]
            if lacking:
                faults.append(
                    f"{path.name}: expected the columns {', '.join(columns)}, found no "
                    f"{', '.join(lacking)} among {', '.join(header)}"
                )
                return
            places = [header.index(column) for column in columns]
            for cells in reader:
                if len(cells) != len(header):
                    faults.append(
                        f"{path.name}: line {reader.line_num}: expected {len(header)} cells, found "
                        f"{len(cells)}"
                    )
                else:
                    yield reader.line_num, tuple(cells[place].strip() for place in places)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CorpusError(f"{path}: cannot read it as CSV in UTF-8 ({error})") from error


def _is_level(text: str) -> bool:
    return text.replace(".", "", 1).removeprefix("-").isdecimal()
