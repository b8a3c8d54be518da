"""EmoEvaluation and transcriptions: what raters said of each turn, and what was said in it.

A block of EmoEvaluation is a summary line and one line per rater, as many as there were::

    [5.3661 - 9.6150]	Ses02F_impro01_F000	neu	[4.0000, 3.0000, 2.0000]
    C-E1:	Excited;	()
    C-F2:	Neutral; Anger;	(curious, at first)
    A-E4:	val 4; act 4; dom  3;	(optimistic, cheerful, polite)
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from crosstone.data.corpora.collection import text_lines

CODES = ("ang", "dis", "exc", "fea", "fru", "hap", "neu", "oth", "sad", "sur", "xxx")
"""The categories; xxx where the raters from outside have no majority."""
CATEGORIES = {
    "anger": "ang",
    "disgust": "dis",
    "excited": "exc",
    "fear": "fea",
    "frustration": "fru",
    "happiness": "hap",
    "neutral": "neu",
    "neutral state": "neu",
    "other": "oth",
    "sadness": "sad",
    "surprise": "sur",
}
"""What raters call them; another name is kept as it is, in small letters."""
SCALES = {"val": "valence", "act": "arousal", "dom": "dominance"}
"""The release's activation is arousal everywhere else."""
DIALOGUE = r"Ses0[1-5][FM]_(?:impro|script)\w+"
_NUMBER = r"\s*(\d+(?:\.\d*)?)\s*"
_SUMMARY = re.compile(
    rf"\[{_NUMBER}-{_NUMBER}\]\s+(\S+)\s+(\w+)\s+\[{_NUMBER},{_NUMBER},{_NUMBER}\]"
)
_JUDGEMENT = re.compile(r"([CA])-(\w+):\s*([^(]*?)\s*(?:\((.*?)\)?)?")
_SCALE = re.compile(rf"({'|'.join(SCALES)})\s*(\d+(?:\.\d+)?)?")
_TRANSCRIPT = re.compile(r"(\S+)\s+\[[^\]]*\]:\s*(.*)")
_TURN = re.compile(rf"{DIALOGUE}_[FM]\d+")
_OVERLAP = re.compile(rf"{DIALOGUE}_[FM]XX\d+")


@dataclass
class Turn:
    """What the evaluation says of one turn."""

    name: str
    start: float
    """Seconds from the beginning of the dialogue."""
    emotion: str
    scales: dict[str, float]
    """Means over the raters from outside, 1 to 5."""
    votes: dict[str, dict[str, tuple[str | float, ...]]] = field(default_factory=dict)

    @property
    def dialogue(self) -> str:
        """The turn's name without its last field."""
        return self.name.rpartition("_")[0]

    @property
    def speaker(self) -> str:
        """F or M, of the last field: the letter before it says who wore the markers."""
        return self.name.rpartition("_")[2][:1]


def read_evaluation(path: Path, faults: list[str], odd: Counter[str]) -> Iterator[Turn]:
    """The turns of one file; odd: counts lines of a rater in no known form, which are not kept."""
    turn: Turn | None = None
    for number, line in text_lines(path):
        where = f"{path.name}, line {number}"
        if line.startswith("["):
            if turn is not None:
                yield turn
            turn = _summary(line, path.stem, where, faults)
        elif line.startswith("%"):
            continue
        elif turn is None or not _judge(turn, line):
            odd["lines of EmoEvaluation in no known form"] += 1
    if turn is not None:
        yield turn


def _summary(line: str, dialogue: str, where: str, faults: list[str]) -> Turn | None:
    match = _SUMMARY.fullmatch(line)
    if match is None:
        faults.append(
            f"{where}: expected '[start - end]', turn, code and '[V, A, D]', found '{line[:80]}'"
        )
        return None
    start, end, name, code, *values = match.groups()
    found = []
    if _TURN.fullmatch(name) is None or not name.startswith(f"{dialogue}_"):
        found.append(f"expected a turn named like {dialogue}_F000, found '{name}'")
    if code.lower() not in CODES:
        found.append(f"{name}: expected one of {', '.join(CODES)}, found '{code}'")
    if float(end) <= float(start):
        found.append(f"{name}: expected start < end, found {start} and {end}")
    if found:
        faults += [f"{where}: {fault}" for fault in found]
        return None
    scales = dict(zip(SCALES.values(), map(float, values), strict=True))
    return Turn(name, float(start), code.lower(), scales)


def _judge(turn: Turn, line: str) -> bool:
    """Add the line of a rater to the votes; False where it is none or the rater's second."""
    match = _JUDGEMENT.fullmatch(line)
    if match is None:
        return False
    kind, rater, judged, comment = match.groups()
    parts = [part.strip() for part in judged.split(";") if part.strip()]
    found: dict[str, tuple[str | float, ...]] = {}
    if kind == "C":
        found["emotion"] = tuple(CATEGORIES.get(part.lower(), part.lower()) for part in parts)
    else:
        matches = [_SCALE.fullmatch(part) for part in parts]
        if not all(matches):
            return False
        values = [each.groups() for each in matches if each is not None]
        found = {SCALES[name]: (float(value),) for name, value in values if value is not None}
    if comment:
        found["comment" if kind == "C" else "comment_on_scales"] = (comment,)
    suffix = "" if rater.startswith("E") else "_self"
    if any(rater in turn.votes.get(name + suffix, {}) for name in found):
        return False
    for name, choices in found.items():
        turn.votes.setdefault(name + suffix, {})[rater] = choices
    return True


def read_transcript(path: Path, faults: list[str], odd: Counter[str]) -> dict[str, str]:
    """Turn → what was said; odd: counts what belongs to no turn that could have a recording."""
    texts: dict[str, str] = {}
    for number, line in text_lines(path):
        match = _TRANSCRIPT.fullmatch(line)
        name = "" if match is None else match[1]
        if match is not None and _TURN.fullmatch(name):
            if texts.setdefault(name, match[2]) != match[2]:
                faults.append(f"{path.name}, line {number}: another text for {name}; keep one")
        elif _OVERLAP.fullmatch(name):
            odd["transcribed overlaps (…XX0)"] += 1
        elif re.match(r"[FM]:", line):
            odd["transcribed lines of a speaker without a turn (M:, F:)"] += 1
        else:
            odd["lines of transcriptions in no known form"] += 1
    return texts
