"""MELD: its tables, where people keep its clips, and the holes that are its own."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from crosstone.data.corpora import CORPORA
from crosstone.data.corpora.meld import EXPECTED
from crosstone.errors import CorpusError

prepare = CORPORA["meld"]
HEADER = (
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,"
    "EndTime\n"
)
TRAIN = (
    '1,"Oh my God, he’s lost it. He’s totally lost it.",Phoebe,sadness,negative,0,0,4,7,'
    '"00:20:57,256","00:21:00,049"\n'
    '2,"""Wanted.""  Nice!",Mrs. Green,surprise,negative,0,1,4,7,"0:21:01,927","0:21:03,261"\n'
)
DEV = 'What?,Monica,surprise,negative,0,0,4,7,"00:21:01,927","00:26:06,867"\n'
SHARED = Path(__file__).parents[4] / "shared" / "data" / "text_meld"


@pytest.fixture
def write_table(tmp_path) -> Callable[..., None]:
    """`write_table("dev", rows)` as the release's dev_sent_emo.csv."""

    def write(part: str, rows: str, header: str = HEADER, folder: str = ".") -> None:
        path = tmp_path / "MELD.Raw" / folder / f"{part}_sent_emo.csv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(header + rows, encoding="utf-8")

    return write


@pytest.fixture
def release(tmp_path, write_table, write_wav) -> Path:
    """Three utterances that are all dialogue 0, each part in the release's folder."""
    write_table("train", TRAIN)
    write_table("dev", "1," + DEV)
    write_table("test", "1," + DEV.replace("00:26:06,867", "00:21:01,927"))
    for name, seconds in {
        "train/train_splits/dia0_utt0": 0.2,
        "train/train_splits/dia0_utt1": 0.3,
        "dev_splits_complete/dia0_utt0": 0.4,
        "output_repeated_splits_test/dia0_utt0": 0.5,
    }.items():
        write_wav(tmp_path / "MELD.Raw" / f"{name}.wav", seconds)
    return tmp_path


def test_ids_begin_again_in_each_part(release, tmp_path):
    corpus = prepare(release, tmp_path / "out")
    assert list(corpus.ids) == [
        "train-dia0_utt0",
        "train-dia0_utt1",
        "dev-dia0_utt0",
        "test-dia0_utt0",
    ]
    assert corpus.splits.tolist() == ["train", "train", "valid", "test"]
    assert corpus.groups.tolist() == ["train-dia0", "train-dia0", "dev-dia0", "test-dia0"]
    assert corpus.durations.tolist() == pytest.approx([0.2, 0.3, 0.4, 0.5])
    first, second, *_ = corpus
    assert first.audio == "MELD.Raw/train/train_splits/dia0_utt0.wav"
    assert first.text == "Oh my God, he’s lost it. He’s totally lost it."
    assert (first.start, first.end, first.text_source) == (None, None, "gold")
    assert first.labels == {
        "emotion": "sadness",
        "sentiment": "negative",
        "season": "4",
        "episode": "7",
    }
    assert (second.text, second.speaker) == ('"Wanted."  Nice!', "Mrs. Green")
    assert corpus.extras["times"] == {"longer than 30 s": 1, "of no length": 1}
    assert corpus.extras["expected"] == EXPECTED


def test_what_has_no_line_or_no_place_is_left_out_and_counted(release, tmp_path, write_wav):
    for name in ("dev/dia66_utt9", "elsewhere/dia0_utt0", "test/final_videos_testdia0_utt0"):
        write_wav(release / "MELD.Raw" / f"{name}.wav", 0.1)
    (release / "MELD.Raw" / "dev" / "._dia0_utt0.wav").write_bytes(b"\x00\x05\x16\x07")
    corpus = prepare(release, tmp_path / "out")
    assert len(corpus) == 4
    assert corpus.extras["left_out"] == {
        "recordings in no folder of train, dev or test": 1,
        "recordings of another name": 1,
        "recordings without a line in the tables": 1,
    }


def test_a_missing_recording_is_a_fault_that_says_how_to_make_it(release, tmp_path):
    (release / "MELD.Raw" / "dev_splits_complete" / "dia0_utt0.wav").unlink()
    (release / "MELD.Raw" / "train" / "train_splits" / "dia0_utt1.wav").unlink()
    with pytest.raises(CorpusError) as caught:
        prepare(release, tmp_path / "out")
    head, fault = str(caught.value).splitlines()
    assert head == f"{release}: 1 fault"
    assert fault == (
        "  2 utterances without a WAV file: train-dia0_utt1, dev-dia0_utt0; take the sound out of "
        "the clips: find . -name 'dia*.mp4' -exec sh -c 'ffmpeg -nostdin -i \"$1\" -vn -ac 1 -ar "
        '16000 "${1%.mp4}.wav"\' sh {} \\; (or prepare the texts alone with --set audio=false), '
        "or leave them out with --set partial=true"
    )
    assert len(prepare(release, tmp_path / "out", partial=True)) == 2
    mute = prepare(release, tmp_path / "out", audio=False)
    assert [row.audio for row in mute] == [None] * 4
    assert "without_audio" not in mute.extras


def test_the_two_clips_that_the_release_lacks_are_kept_without_audio(tmp_path, write_table):
    write_table("train", TRAIN.splitlines()[1].replace(",0,1,4", ",125,3,4"))
    write_table("dev", "7," + DEV.replace(",0,0,4", ",110,7,4"))
    corpus = prepare(tmp_path, tmp_path / "out")
    assert {row.id: row.audio for row in corpus} == {
        "train-dia125_utt3": None,
        "dev-dia110_utt7": None,
    }
    assert corpus.extras["without_audio"] == 2
    assert corpus.extras["incomplete"][0].startswith("meld: expected 13708 utterances, found 2")


def test_every_faulty_row_is_listed(tmp_path, write_table, write_wav):
    write_table("dev", "1," + DEV.replace("surprise", "Surprise").replace(",0,0,4", ",0,x,4"))
    write_table("test", "1,,Ross,neutral,positve,0,0,1,1,a,b\n")
    write_table("train", "1,Hi.,Ross\n", header="Sr No.,Utterance,Speaker\n")
    write_wav(tmp_path / "dev" / "dia0_utt0.wav", 0.1)
    write_wav(tmp_path / "MELD.Raw" / "dev" / "dia0_utt0.wav", 0.1)
    with pytest.raises(CorpusError) as caught:
        prepare(tmp_path, tmp_path / "out")
    assert str(caught.value).splitlines()[1:] == [
        "  dev-dia0_utt0: expected one recording, found dev/dia0_utt0.wav and "
        "MELD.Raw/dev/dia0_utt0.wav; keep one",
        "  train_sent_emo.csv: expected the columns Utterance, Speaker, Emotion, Sentiment, "
        "Dialogue_ID, Utterance_ID, found no Emotion, Sentiment, Dialogue_ID, Utterance_ID among "
        "Sr No., Utterance, Speaker",
        "  dev_sent_emo.csv: line 2: Emotion: expected one of anger, disgust, fear, joy, neutral, "
        "sadness, surprise, found 'Surprise'",
        "  dev_sent_emo.csv: line 2: Utterance_ID: expected a number, found 'x'",
        "  test_sent_emo.csv: line 2: no Utterance",
        "  test_sent_emo.csv: line 2: Sentiment: expected one of negative, neutral, positive, "
        "found 'positve'",
    ]


def test_tables_that_are_missing_or_stand_there_twice(tmp_path, write_table):
    with pytest.raises(CorpusError, match=r"expected train_sent_emo.csv, dev_sent_emo.csv and"):
        prepare(tmp_path, tmp_path / "out")
    write_table("dev", "1," + DEV, folder="a")
    write_table("dev", "1," + DEV, folder="b/c")
    assert len(prepare(tmp_path, tmp_path / "out", audio=False)) == 1
    write_table("dev", "1," + DEV, folder="b")
    with pytest.raises(
        CorpusError, match=r"expected one dev_sent_emo.csv, found .* and .*give the"
    ):
        prepare(tmp_path, tmp_path / "out", audio=False)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared excerpt of MELD's tables is not here")
def test_all_rows_of_the_real_tables(tmp_path, write_table):
    """The excerpt's columns, written back in the release's form."""
    rows: dict[str, list[list[str]]] = {"train": [], "dev": [], "test": []}
    with (
        (SHARED / "manifest.csv").open(encoding="utf-8", newline="") as texts,
        (SHARED / "meta.csv").open(encoding="utf-8", newline="") as places,
    ):
        for said, at in zip(csv.DictReader(texts), csv.DictReader(places), strict=True):
            hours, seconds = divmod(float(said["duration"]), 3600)
            minutes, seconds = divmod(seconds, 60)
            end = f"{int(hours):02d}:{int(minutes):02d}:{seconds:06.3f}".replace(".", ",")
            line = [said["text"], said["speaker"], said["label"], at["sentiment"]]
            line += [at[key] for key in ("dialogue", "utterance", "season", "episode")]
            rows[at["split"]].append(["1", *line, "00:00:00,000", end])
    for part, lines in rows.items():
        path = tmp_path / f"{part}_sent_emo.csv"
        with path.open("w", encoding="utf-8", newline="") as file:
            file.write(HEADER)
            csv.writer(file).writerows(lines)
    corpus = prepare(tmp_path, tmp_path / "out", audio=False)
    assert len(corpus) == 13708
    assert (corpus.extras["incomplete"], corpus.extras["left_out"]) == ([], {})
    assert corpus.extras["times"] == {"of no length": 1, "longer than 30 s": 3}
    assert sum("’" in (row.text or "") for row in corpus) > 3000
