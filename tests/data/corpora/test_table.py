"""A person's own table: the forms it may have, and a sentence for each fault, all at once."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from crosstone.data.corpora import CORPORA
from crosstone.errors import CorpusError

NOISE = np.random.default_rng(0).normal(0, 0.1, 32000).astype(np.float32)


def clip(path: Path, seconds: float = 1.0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, NOISE[: round(16000 * seconds)], 16000)


def prepare(tmp_path: Path, content: str | bytes, name: str = "my.csv", **options):
    table = tmp_path / name
    table.write_bytes(content.encode() if isinstance(content, str) else content)
    return CORPORA["table"](table, tmp_path / "out", **options)


def faults(tmp_path: Path, content: str | bytes, name: str = "my.csv", **options) -> list[str]:
    with pytest.raises(CorpusError) as caught:
        prepare(tmp_path, content, name, **options)
    head, *found = str(caught.value).split("\n  ")
    assert head == f"{tmp_path / name}: {len(found)} fault{'s' if len(found) > 1 else ''}"
    assert not (tmp_path / "out").exists()
    return found


def test_names_lose_the_blanks_around_them(tmp_path):
    corpus = prepare(
        tmp_path, "text,id,speaker,session,mood\nhi, a,Ann ,s1 , glad\nhi,b,Ann,s1,glad\n"
    )
    assert list(corpus.ids) == ["a", "b"]
    assert set(corpus.speakers) == {"Ann"}
    assert set(corpus.groups) == {"s1"}
    assert {each.labels["mood"] for each in corpus} == {"glad"}


def test_every_column(tmp_path):
    clip(tmp_path / "wav" / "a.wav", 2.0)
    corpus = prepare(
        tmp_path,
        "audio,text,id,start,end,speaker,session,split,emotion,arousal\n"
        'wav/a.wav,"Well, ""yes""",one,0.5,1.25,Ann,s1,train,happy,3.5\n'
        "wav/a.wav,,two,,,Bob,s2,,,-1\n"
        ",只有文字,three,,,,,,sad,\n",
        name="my.csv",
    )
    one, two, three = corpus
    assert (one.id, one.audio, one.text, one.text_source) == (
        "one",
        "wav/a.wav",
        'Well, "yes"',
        "gold",
    )
    assert (one.start, one.end, one.duration) == (0.5, 1.25, 0.75)
    assert (one.speaker, one.group, one.split) == ("Ann", "s1", "train")
    assert one.labels == {"emotion": "happy", "arousal": 3.5}
    assert (two.text, two.text_source, two.duration) == (None, None, 2.0)
    assert (two.split, two.labels) == (None, {"arousal": -1.0})
    assert (three.audio, three.text, three.duration) == (None, "只有文字", None)
    assert corpus.name == "my"
    assert corpus.extras == {"table": "my.csv", "labels": ["emotion", "arousal"]}
    assert corpus.audio_path(one) == (tmp_path / "wav" / "a.wav").resolve()


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_delimiters_encodings_and_line_ends(tmp_path, delimiter, encoding, newline):
    rows = [(" Text ", "Emotion"), ('"one\nline, two; |\t"', "fröhlich"), ("", ""), ("ok", "x")]
    content = newline.join(delimiter.join(row) for row in rows if any(row)) + newline * 2
    corpus = prepare(tmp_path, content.encode(encoding))
    assert [row.labels for row in corpus] == [{"Emotion": "fröhlich"}, {"Emotion": "x"}]
    assert corpus[0].text == "one\nline, two; |\t"


def test_jsonl(tmp_path):
    clip(tmp_path / "a.wav")
    lines = [
        {
            "audio": "a.wav",
            "text": "hi\u2028there",
            "id": 1234567,
            "emotion": "happy",
            "valence": 2,
        },
        {"text": "ho", "emotion": None, "valence": 0.5, "session": "", "id": "b"},
    ]
    content = "".join(json.dumps(line, ensure_ascii=False) + "\r\n" for line in lines)
    first, second = prepare(tmp_path, content, "my.jsonl")
    assert (first.id, first.text, first.duration) == ("1234567", "hi\u2028there", 1.0)
    assert first.labels == {"emotion": "happy", "valence": 2.0}
    assert (second.group, second.labels) == (None, {"valence": 0.5})
    assert len(prepare(tmp_path, content, "other.txt")) == 2


def test_labels_are_every_other_column_or_those_named(tmp_path):
    content = "text,emotion,note,speaker\nhi,happy,x,Ann\n"
    assert prepare(tmp_path, content)[0].labels == {"emotion": "happy", "note": "x"}
    assert prepare(tmp_path, content, labels=("emotion",))[0].labels == {"emotion": "happy"}
    both = prepare(tmp_path, content, labels="emotion, speaker", name="x.csv")
    assert both[0].labels == {"emotion": "happy", "speaker": "Ann"}
    assert both[0].speaker == "Ann"


def test_numbers_that_are_names(tmp_path):
    content = "text,class\nhi,0\nho,1\n"
    assert [row.labels for row in prepare(tmp_path, content)] == [{"class": 0.0}, {"class": 1.0}]
    for options in ({"classes": "class"}, {"label_values": {"class": ["0", "1"]}}):
        corpus = prepare(tmp_path, content, **options)
        assert corpus.labels("class") == {"0": 1, "1": 1}
        assert corpus[0].labels == {"class": "0"}


def test_ids_tell_rows_apart(tmp_path):
    for name in ("x/a.wav", "y/a.wav", "y/b.wav", "c.wav"):
        clip(tmp_path / name)
    corpus = prepare(
        tmp_path,
        "audio,text,start\nx/a.wav,,\ny/a.wav,,\ny/b.wav,,\nc.wav,,0.25\nc.wav,,\n,words,\n",
    )
    assert list(corpus.ids) == ["x/a.wav", "y/a.wav", "b", "c@0.25", "c@0", "row-6"]


def test_audio_paths_are_relative_to_the_table_or_absolute(tmp_path):
    clip(tmp_path / "in" / "wav" / "a.wav")
    clip(tmp_path / "away.wav")
    inside = (tmp_path / "in" / "wav" / "a.wav").absolute()
    paths = ["wav\\a.wav", inside, "../away.wav", (tmp_path / "away.wav").absolute()]
    rows = [f"{i},{path}" for i, path in enumerate(paths)]
    corpus = prepare(tmp_path / "in", "\n".join(["id,audio", *rows]))
    assert [row.audio for row in corpus] == [
        "wav/a.wav",
        "wav/a.wav",
        "../away.wav",
        (tmp_path / "away.wav").absolute().as_posix(),
    ]
    assert [row.duration for row in corpus] == [1.0] * 4


def test_durations_are_known_where_the_recording_is(tmp_path):
    clip(tmp_path / "a.wav")
    corpus = prepare(tmp_path, "audio,start,end\na.wav,0.5,\na.wav,,9\na.wav,2,3\ngone.wav,,\n")
    np.testing.assert_array_equal(corpus.durations, [0.5, 1.0, np.nan, np.nan])


def test_all_faults_of_all_rows_at_once(tmp_path):
    content = (
        "audio,text,id,start,end,emotion,arousal\n"
        "a.wav,hi,u1,zero,1,happy,1\n"
        "a.wav,hi,u2,-1,1,hapy,2\n"
        "a.wav,hi,u1,2,1,zzz,high\n"
        ",,u3,,,happy,\n"
        "a.wav,well, then,u4,,,sad,4\n"
        "a.wav,hi,u1,0,1,sad,nan\n"
    )
    found = faults(tmp_path, content, label_values={"emotion": ["happy", "sad"]})
    assert sorted(found) == sorted(
        [
            "line 6: expected 7 cells, found 8; put quotes around a text that holds ',' or a line "
            "break",
            "line 2: start: expected seconds as a number from 0, like 12.5, found 'zero'",
            "line 3: start: expected seconds as a number from 0, like 12.5, found '-1'",
            "line 4: expected start < end, found start 2 and end 1",
            "line 3: emotion: expected one of happy, sad, found 'hapy'; did you mean 'happy'?",
            "line 4: emotion: expected one of happy, sad, found 'zzz'",
            "line 5: neither audio nor text; fill one or delete the row",
            "line 4: arousal: expected a number, as in 2 other rows, found 'high'; leave the cell "
            "empty where it is unknown, or name the column with the option classes",
            "line 7: arousal: expected a number, as in 2 other rows, found 'nan'; leave the cell "
            "empty where it is unknown, or name the column with the option classes",
            "lines 2, 4, 7: 3 rows have the id 'u1'; give each its own in a column 'id'",
        ]
    )


def test_duplicate_audio_and_start_need_ids(tmp_path):
    found = faults(tmp_path, "audio,start\na.wav,1\na.wav,1.0\n")
    assert found == ["lines 2, 3: 2 rows have the id 'a@1'; give each its own in a column 'id'"]


def test_a_missing_column_and_its_nearest_names(tmp_path):
    assert faults(tmp_path, "sound,mood\na.wav,happy\n") == [
        "expected a column 'audio' or 'text', found neither; columns here: sound, mood"
    ]
    assert faults(tmp_path, "audoi,text,emotion\na.wav,hi,happy\n") == [
        "no column 'audio', but 'audoi' looks like it; rename it to 'audio', or name the label "
        "columns with the option labels"
    ]
    assert faults(tmp_path, "path,transcript\na.wav,hi\n") == [
        "no column 'audio', but 'path' looks like it; rename it to 'audio', or name the label "
        "columns with the option labels",
        "no column 'text', but 'transcript' looks like it; rename it to 'text', or name the label "
        "columns with the option labels",
    ]
    assert faults(tmp_path, "text,emotion\nhi,happy\n", labels="emotoin,zzz") == [
        "no label column 'emotoin'; nearest: emotion",
        "no label column 'zzz'; columns here: text, emotion",
    ]
    assert faults(tmp_path, "text,emotion\nhi,happy\n", classes=["motion"]) == [
        "no label column 'motion'; nearest: emotion"
    ]


def test_column_names_twice_or_without_a_name(tmp_path):
    assert faults(tmp_path, "text,mood,mood,,\nhi,a,b,c,d\n") == [
        "column 'mood' stands there twice; rename one",
        "column 4 has no name; name or delete it",
    ]


def test_quotes_that_do_not_close(tmp_path):
    (found,) = faults(tmp_path, 'text,emotion\nhi,happy\n"ho,sad\nhm,sad\n')
    assert found.startswith("line 3: not CSV (")
    assert found.endswith("double each quote inside a quoted text, and end it")


def test_faulty_lines_of_jsonl(tmp_path):
    lines = ['{"text":"hi"', "[1]", '{"text":"hi","emotion":true}', "", '{"text":["hi"]}']
    found = faults(tmp_path, "\n".join(lines), "my.jsonl")
    assert found[0].startswith("line 1: not one JSON object (")
    assert found[1:] == [
        "line 2: expected a JSON object, found list",
        "line 3: emotion: expected a string or a number, found true",
        'line 5: text: expected a string or a number, found ["hi"]',
        "line 5: neither audio nor text; fill one or delete the row",
    ]


def test_no_rows(tmp_path):
    assert faults(tmp_path, "text,emotion\n\n") == ["no rows under the columns text, emotion"]


def test_what_is_no_table(tmp_path):
    expected = "expected a table as a CSV or JSONL file"
    with pytest.raises(CorpusError, match=rf"{expected}, cannot read it \(No such file"):
        CORPORA["table"](tmp_path / "none.csv", tmp_path / "out")
    with pytest.raises(CorpusError, match=rf"{expected}, found a folder; name the file in it"):
        CORPORA["table"](tmp_path, tmp_path / "out")
    with pytest.raises(
        CorpusError, match=rf"{expected} in UTF-8, found other bytes in line 2; save"
    ):
        prepare(tmp_path, "text\ncafé\n".encode("latin-1"))
    with pytest.raises(CorpusError, match=r"the table is empty; expected a line of column names"):
        prepare(tmp_path, " \n")


def test_when_no_recording_is_found_the_folder_is_wrong(tmp_path):
    with pytest.raises(CorpusError) as caught:
        prepare(tmp_path, "audio,emotion\nx.wav,happy\ny.wav,sad\n")
    assert str(caught.value) == (
        f"{tmp_path / 'my.csv'}: none of its 2 audio files exists; the first was looked for at "
        f"{tmp_path / 'x.wav'}; paths must be absolute or relative to the table's folder"
    )


def test_ten_thousand_rows_are_read_in_one_pass(tmp_path):
    rows = [f"sentence {i},{('happy', 'sad')[i % 2]},{i % 7}" for i in range(10000)]
    corpus = prepare(tmp_path, "text,emotion,score\n" + "\n".join(rows))
    assert len(corpus) == 10000
    assert corpus.labels("emotion") == {"happy": 5000, "sad": 5000}
