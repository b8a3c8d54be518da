"""Answers in every form, and files that are gone on with."""

import csv
import io
import json
import os
from pathlib import Path

import pytest

from crosstone.errors import CrosstoneError
from crosstone.inference.output import Writer, go_on, on_one_line

CALM = {"calm": 0.75, "tense": 0.25}
LABELS = tuple(CALM)
FIRST = {
    "id": "a.wav",
    "start": 0.0,
    "end": 2.5,
    "used": ["audio", "text"],
    "label": "calm",
    "probabilities": CALM,
    "text": "one,\ntwo",
    "text_source": "asr",
}
SECOND = {"id": "a.wav", "start": 3661.0, "end": 3662.0004, "used": ["audio"], "value": -0.5}
NOTHING = {"id": "a.wav", "start": 5.0, "end": 6.0, "unanswered": "silent"}


def written(form: str, *answers: dict[str, object], **options: object) -> str:
    stream = io.StringIO()
    writer = Writer(stream, form, labels=LABELS, **options)  # type: ignore[arg-type]
    for answer in answers:
        writer.write(answer)
    return stream.getvalue()


def test_every_form() -> None:
    lines = written("jsonl", FIRST, SECOND).splitlines()
    assert [json.loads(line) for line in lines] == [FIRST, SECOND]
    rows = list(csv.DictReader(io.StringIO(written("csv", FIRST, SECOND))))
    assert rows[0]["used"] == "audio+text"
    assert (rows[0]["label"], rows[0]["calm"], rows[0]["text"]) == ("calm", "0.75", "one, two")
    assert (rows[1]["value"], rows[1]["tense"]) == ("-0.5", "")
    assert written("audacity", FIRST, NOTHING, SECOND) == (
        "0.000000\t2.500000\tcalm 0.75\n3661.000000\t3662.000400\t-0.50\n"
    )
    assert written("srt", FIRST, NOTHING, SECOND) == (
        "1\n00:00:00,000 --> 00:00:02,500\ncalm 0.75\none,\ntwo\n\n"
        "2\n01:01:01,000 --> 01:01:02,000\n-0.50\n\n"
    )


def test_a_class_may_have_the_name_of_a_column() -> None:
    stream = io.StringIO()
    Writer(stream, "csv", labels=("text", "calm"))
    assert stream.getvalue().endswith(",text,text_source,p(text),calm\n")


def test_words_alone_have_no_times() -> None:
    with pytest.raises(CrosstoneError, match="srt labels need times, which words alone have not"):
        written("srt", {"id": "utterance", "label": "calm", "probabilities": CALM})


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_line_that_broke_off_is_answered_again(tmp_path: Path, form: str) -> None:
    path = tmp_path / "out"
    other = {**FIRST, "id": "b.wav"}
    whole = written(form, FIRST)
    path.write_text(written(form, FIRST, other)[:-9], newline="")
    assert go_on(path, form, labels=LABELS, is_timeline=False) == {"a.wav"}  # type: ignore[arg-type]
    assert path.read_text() == whole


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_timeline_without_its_end_is_answered_again(tmp_path: Path, form: str) -> None:
    path = tmp_path / "out"
    lines = [{**FIRST, "segment": 0}, {**FIRST, "segment": 1, "last": True}]
    whole = written(form, *lines, is_timeline=True)
    other = {**FIRST, "id": "b", "segment": 0}
    path.write_text(written(form, *lines, other, is_timeline=True), newline="")
    assert go_on(path, form, labels=LABELS, is_timeline=True) == {"a.wav"}  # type: ignore[arg-type]
    assert path.read_text() == whole


@pytest.mark.parametrize("form", ["jsonl", "csv"])
def test_a_timeline_that_failed_before_others_is_taken_out(tmp_path: Path, form: str) -> None:
    def lines(identity: str, *, number: int, is_whole: bool) -> list[dict[str, object]]:
        found: list[dict[str, object]] = [
            {**FIRST, "id": identity, "segment": each} for each in range(number)
        ]
        return [*found[:-1], {**found[-1], "last": True}] if is_whole else found

    path = tmp_path / "out"
    first, last = (lines(each, number=3, is_whole=True) for each in ("a.wav", "c.wav"))
    failed = [lines(each, number=7, is_whole=False) for each in ("b.wav", "c.wav")]
    everything = [*first, *failed[0], *failed[1], *last, *failed[0]]
    path.write_text(written(form, *everything, is_timeline=True), newline="")
    for _ in range(2):
        assert go_on(path, form, labels=LABELS, is_timeline=True) == {"a.wav", "c.wav"}  # type: ignore[arg-type]
        assert path.read_text() == written(form, *first, *last, is_timeline=True)


def test_a_file_that_is_gone_on_with_stays_what_it_was(tmp_path: Path) -> None:
    if os.name != "posix":
        pytest.skip("modes, and links that anybody may make, are POSIX's")
    there, path = tmp_path / "there", tmp_path / "out"
    there.write_text(written("jsonl", FIRST, SECOND)[:-9])
    there.chmod(0o600)
    path.symlink_to(there)
    go_on(path, "jsonl")
    assert there.read_text() == written("jsonl", FIRST)
    assert (path.is_symlink(), there.stat().st_mode & 0o777) == (True, 0o600)
    assert sorted(tmp_path.iterdir()) == [path, there]


@pytest.mark.parametrize("form", ["jsonl", "csv"])
@pytest.mark.parametrize(
    "is_timeline,said",
    [
        (False, "expected timelines, found one answer for each recording; go on without --segm"),
        (True, "expected one answer for each recording, found timelines; go on with --segments"),
    ],
)
def test_timelines_and_answers_do_not_mix(
    tmp_path: Path, form: str, is_timeline: bool, said: str
) -> None:
    path = tmp_path / "out"
    answer = {**FIRST, "segment": 0, "last": True} if is_timeline else FIRST
    content = written(form, answer, is_timeline=is_timeline)
    path.write_text(content, newline="")
    with pytest.raises(CrosstoneError, match=said):
        go_on(path, form, labels=LABELS, is_timeline=not is_timeline)  # type: ignore[arg-type]
    assert path.read_text() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "form,content,said",
    [
        ("jsonl", "id,label\na,calm\n", "line 1: expected an answer of crosstone predict as jsonl"),
        ("jsonl", '{"id": "a"}\n[]\n', "line 2: expected an answer"),
        ("jsonl", '"id"\n', "line 1: expected an answer"),
        ("jsonl", f"{'[' * 200_000}\n", "line 1: expected an answer"),
        ("csv", "id,label\na,calm\n", "line 1: expected an answer of crosstone predict as csv"),
        ("csv", written("csv") + "a\n", "line 2: expected an answer of crosstone predict as csv"),
        ("csv", f"{written('csv')}{'a' * 200_000}\n", "line 2: expected an answer"),
        ("csv", "\xff" + written("csv"), "line 1: expected an answer of crosstone predict as csv"),
    ],
)
def test_files_that_cannot_be_gone_on_with(
    tmp_path: Path, form: str, content: str, said: str
) -> None:
    (tmp_path / "out").write_text(content, encoding="latin-1", newline="")
    with pytest.raises(CrosstoneError, match=said):
        go_on(tmp_path / "out", form, labels=LABELS)  # type: ignore[arg-type]
    assert (tmp_path / "out").read_text("latin-1") == content


@pytest.mark.parametrize(
    "labels,said",
    [
        (("happy", "tense"), "column 13: expected happy, found calm; go on with the model and"),
        (("tense", "calm"), "column 13: expected tense, found calm"),
        (("calm",), "column 14: expected none, found tense"),
        (("calm", "tense", "text"), r"column 15: expected p\(text\), found none"),
    ],
)
def test_rows_of_other_columns_do_not_mix(
    tmp_path: Path, labels: tuple[str, ...], said: str
) -> None:
    path = tmp_path / "out"
    path.write_text(written("csv", FIRST), newline="")
    with pytest.raises(CrosstoneError, match=said):
        go_on(path, "csv", labels=labels)
    assert path.read_text() == written("csv", FIRST)
    path.write_text("\ufeff" + written("csv", FIRST), "utf-8", newline="")
    assert go_on(path, "csv", labels=LABELS) == {"a.wav"}


@pytest.mark.parametrize("form", ["jsonl", "csv"])
@pytest.mark.parametrize("identity", ["my  call .wav", " a\tb", "a\r\nb", "a\udcff.wav", "C:\\new"])
def test_every_id_is_known_again(tmp_path: Path, form: str, identity: str) -> None:
    path = tmp_path / "out"
    path.write_text(written(form, {**FIRST, "id": identity}), "utf-8", newline="")
    done = go_on(path, form, labels=LABELS)  # type: ignore[arg-type]
    assert done == {on_one_line(identity)}
    assert on_one_line("a\r\nb\udcff \\n") == r"a\r\nb\udcff \n"
