"""Answers as JSON lines, CSV, SubRip or Audacity labels, in a file that can be gone on with."""

import csv
import io
import json
import shutil
from codecs import BOM_UTF8
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal, TextIO

from crosstone.errors import CrosstoneError
from crosstone.files import whole

Format = Literal["jsonl", "csv", "srt", "audacity"]
OF_ONE_RECORDING = ("srt", "audacity")
"""Forms whose times are of one recording; they are not gone on with."""

_PREDICTION = (
    *("id", "start", "end", "used", "label", "calibrated", "label_set"),
    *("value", "low", "high", "text", "text_source"),
)
_TIMELINE = ("segment", "smoothed", "turn", "unanswered", "last")
_PROSE = ("text", "unanswered")


class Writer:
    """Writes answers, as `as_dict` gives them, one by one to a stream.

    labels: the classes, each a column of CSV, as p(name) where its name is a column's already.
    is_timeline: whether the answers are segments. A cell of CSV has no line break: in text and
    reasons all blanks become one, elsewhere a break stands as JSON would escape it.
    """

    def __init__(
        self,
        stream: TextIO,
        form: Format,
        *,
        labels: Sequence[str] = (),
        is_timeline: bool = False,
        has_header: bool = False,
    ) -> None:
        self._stream, self._form, self._labels = stream, form, labels
        self._columns = _columns(is_timeline)
        self._number = 0
        if form == "csv" and not has_header:
            self._write(_csv_line(_header(labels, is_timeline)))

    def write(self, answer: Mapping[str, Any]) -> None:
        """One answer, in the stream at once."""
        if self._form == "jsonl":
            self._write(json.dumps(answer, ensure_ascii=False) + "\n")
        elif self._form == "csv":
            lists = {k: "+".join(answer.get(k, ())) for k in ("used", "label_set")}
            shown = {**answer, **lists}
            probabilities = answer.get("probabilities") or {}
            cells = [_cell(name, shown.get(name)) for name in self._columns]
            self._write(_csv_line(cells + [probabilities.get(name) for name in self._labels]))
        elif answer.get("label") is not None or answer.get("value") is not None:
            self._number += 1
            self._write(self._label(answer))

    def _label(self, answer: Mapping[str, Any]) -> str:
        if answer.get("start") is None or answer.get("end") is None:
            raise CrosstoneError(
                f"{answer['id']}: {self._form} labels need times, which words alone have not; "
                "use --format jsonl"
            )
        start, end = float(answer["start"]), float(answer["end"])
        if answer.get("label") is not None:  # beside "unsure" the largest probability
            said = f"{answer['label']} {max(answer['probabilities'].values()):.2f}"
        else:
            said = f"{answer['value']:.2f}"
        if self._form == "audacity":
            return f"{start:.6f}\t{end:.6f}\t{said}\n"
        text = f"\n{answer['text']}" if answer.get("text") else ""
        return f"{self._number}\n{_srt_time(start)} --> {_srt_time(end)}\n{said}{text}\n\n"

    def _write(self, text: str) -> None:
        # a file's name may be no text: its odd bytes stand as JSON would escape them
        self._stream.write(text.encode("utf-8", "backslashreplace").decode("utf-8"))
        self._stream.flush()


def on_one_line(name: str) -> str:
    """A name without line breaks, and without bytes that are no text: as JSON would escape them."""
    line = name.replace("\r", "\\r").replace("\n", "\\n")
    return line.encode("utf-8", "backslashreplace").decode("utf-8")


def _cell(column: str, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return " ".join(value.split()) if column in _PROSE else on_one_line(value)


def _columns(is_timeline: bool) -> tuple[str, ...]:
    return (*_PREDICTION, *(_TIMELINE if is_timeline else ()))


def _header(labels: Sequence[str], is_timeline: bool) -> list[str]:
    columns = _columns(is_timeline)
    classes = (f"p({each})" if each in columns else each for each in labels)
    return [*columns, *map(on_one_line, classes)]


def _csv_line(cells: Sequence[Any]) -> str:
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\n").writerow(cells)
    return line.getvalue()


def _srt_time(seconds: float) -> str:
    minutes, milliseconds = divmod(round(seconds * 1000), 60_000)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{milliseconds // 1000:02},{milliseconds % 1000:03}"


def go_on(
    path: Path,
    form: Literal["jsonl", "csv"],
    *,
    labels: Sequence[str] = (),
    is_timeline: bool = False,
) -> set[str]:
    """The ids, each `on_one_line`, that a file of answers has whole; all other lines are taken out.

    A line that broke off goes, and so does a timeline without its last segment, wherever it stands.
    labels, is_timeline: as for `Writer`. Raises CrosstoneError, and takes nothing out, for a file
    of another form, of other columns (CSV), or of timelines where answers are none, or the other
    way round.
    """
    done: set[str] = set()
    finished = 0
    columns: list[str] = []
    with (
        whole(path.resolve()) as temporary,  # a link stays one
        path.open("rb") as file,
        temporary.open("wb") as kept,
    ):
        shutil.copymode(path, temporary)
        for number, line in enumerate(file, 1):
            if not line.endswith(b"\n"):
                break
            if form == "csv" and number == 1:
                columns = _header(labels, is_timeline)
                _accept_header(path, line, columns, is_timeline)
                finished = kept.write(line)
                continue
            answer = _answer(path, number, line, form, columns)
            if form == "jsonl":
                _accept_kind(path, "segment" in answer, is_timeline)
            if is_timeline and str(answer["segment"]) == "0":
                kept.seek(finished)  # over one that has no end
            kept.write(line)
            if not is_timeline or str(answer.get("last")).lower() == "true":
                done.add(on_one_line(str(answer["id"])))
                finished = kept.tell()
        kept.truncate(finished)
    return done


def _accept_kind(path: Path, has_timelines: bool, is_timeline: bool) -> None:
    if has_timelines != is_timeline:
        kinds = ("one answer for each recording", "timelines")
        raise CrosstoneError(
            f"{path}: expected {kinds[is_timeline]}, found {kinds[has_timelines]}; go on "
            f"{'without' if is_timeline else 'with'} --segments, or choose another --out"
        )


def _accept_header(path: Path, line: bytes, expected: Sequence[str], is_timeline: bool) -> None:
    try:
        found = _cells(line.removeprefix(BOM_UTF8))
    except ValueError:
        found = []
    begin, end = len(_PREDICTION), len(_PREDICTION + _TIMELINE)
    if tuple(found[:begin]) != _PREDICTION:
        raise _something_else(path, 1, "csv")
    _accept_kind(path, tuple(found[begin:end]) == _TIMELINE, is_timeline)
    for number, (one, other) in enumerate(zip_longest(expected, found, fillvalue="none"), 1):
        if one != other:
            raise CrosstoneError(
                f"{path}: column {number}: expected {one}, found {other}; go on with the model and "
                "--head that began it, or choose another --out"
            )


def _answer(
    path: Path, number: int, line: bytes, form: Format, columns: Sequence[str]
) -> Mapping[str, Any]:
    try:
        if form == "csv":
            answer = dict(zip(columns, _cells(line), strict=True))
        else:
            answer = json.loads(line)
        if isinstance(answer, dict) and "id" in answer:
            return answer
    except (ValueError, RecursionError):
        pass
    raise _something_else(path, number, form)


def _cells(line: bytes) -> list[str]:
    """The cells of a row; ValueError where it is none."""
    try:
        return next(csv.reader([line.decode()]))
    except csv.Error as error:
        raise ValueError(error) from None


def _something_else(path: Path, number: int, form: Format) -> CrosstoneError:
    return CrosstoneError(
        f"{path}: line {number}: expected an answer of crosstone predict as {form}, found "
        "something else; choose another --out"
    )
