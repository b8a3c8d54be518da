"""LibriSpeech: its tree, its table of speakers, and the trials made from it."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from crosstone.data.corpora import CORPORA
from crosstone.data.corpora.librispeech import EXPECTED
from crosstone.errors import CorpusError

prepare = CORPORA["librispeech"]
SPEAKERS = """\
; Some pipe(|) separated metadata about all LibriVox readers, whose work was used
;ID  |SEX| SUBSET           |MINUTES| NAME
60   | M | train-clean-100  | 20.18 | |CBW|Simon
61   | M | test-clean       | 8.08  | Gregg Margarite
121  | F | test-clean       | 8.13  | Nikolle Doolin
1089 | M | test-clean       | 8.03  | Peter Bobbé"""
SHARED = Path(__file__).parents[4] / "shared" / "data" / "libri"


@pytest.fixture
def write_chapter(tmp_path, write_wav) -> Callable[..., None]:
    """`write_chapter("test-clean", "1089-134686", 2)`: as many utterances, as the archive holds."""

    def write(subset: str, chapter: str, size: int) -> None:
        folder = tmp_path / "LibriSpeech" / subset / chapter.replace("-", "/")
        for i in range(size):
            write_wav(folder / f"{chapter}-{i:04d}.flac", 0.1)
        lines = [f"{chapter}-{i:04d} IT'S LINE {i} OF {chapter}" for i in range(size)]
        (folder / f"{chapter}.trans.txt").write_text("\n".join(lines))

    return write


@pytest.fixture
def release(tmp_path, write_chapter) -> Path:
    """Four speakers, three of them in test-clean, without newlines at the ends of files."""
    for subset, chapter, size in (
        ("test-clean", "1089-134686", 2),
        ("test-clean", "121-121726", 3),
        ("test-clean", "61-70968", 3),
        ("train-clean-100", "60-121082", 2),
    ):
        write_chapter(subset, chapter, size)
    (tmp_path / "LibriSpeech" / "SPEAKERS.TXT").write_text(SPEAKERS, encoding="utf-8")
    (tmp_path / "LibriSpeech" / "README.TXT").write_text("not a transcript")
    return tmp_path


def test_a_tree_of_subsets(release, tmp_path):
    corpus = prepare(release, tmp_path / "out")
    assert len(corpus) == 10
    first, second, third, *_, last = corpus
    assert (first.id, first.duration) == ("60-121082-0000", 0.1)  # by number, not by letter
    assert first.audio == "LibriSpeech/train-clean-100/60/121082/60-121082-0000.flac"
    assert (first.text, first.text_source) == ("IT'S LINE 0 OF 60-121082", "gold")
    assert (first.speaker, first.group, first.split) == ("60", "60-121082", "train")
    assert first.labels == {"subset": "train-clean-100", "gender": "male"}
    assert (second.id, third.id) == ("60-121082-0001", "61-70968-0000")
    assert (last.id, last.split, last.text) == (
        "1089-134686-0001",
        "test",
        "IT'S LINE 1 OF 1089-134686",
    )
    assert corpus.labels("gender") == {"female": 3, "male": 7}
    assert corpus.extras["expected"] == {
        "utterances": 28539 + 2620,
        "speakers": 251 + 40,
        "labels": {"subset": {"train-clean-100": 28539, "test-clean": 2620}},
    }
    assert (list(corpus.trials), corpus.extras["left_out"]) == ([], {})


def test_any_subsets(release, tmp_path):
    both = prepare(release, tmp_path / "out", subsets="test-clean, train-clean-100")
    assert both.labels("subset") == {"test-clean": 8, "train-clean-100": 2}
    for subsets in ("test-clean", ["test-clean"]):
        corpus = prepare(release, tmp_path / "out", subsets=subsets)
        assert corpus.labels("subset") == {"test-clean": 8}
    inner = prepare(release / "LibriSpeech" / "test-clean", tmp_path / "out")
    assert inner[0].labels == {"subset": "test-clean"}  # without a table of speakers
    with pytest.raises(CorpusError, match=r"found no dev-clean among test-clean, train-clean-100"):
        prepare(release, tmp_path / "out", subsets="dev-clean")


def test_a_subset_of_ones_own_has_no_split_and_no_expected_total(release, tmp_path):
    (release / "LibriSpeech" / "train-clean-100").rename(release / "LibriSpeech" / "mine")
    corpus = prepare(release, tmp_path / "out")
    assert (corpus[0].split, corpus[0].labels["subset"]) == (None, "mine")
    assert corpus.extras["expected"] == {"labels": {"subset": {"test-clean": 2620}}}


def test_trials_are_drawn_from_the_test_subsets(release, tmp_path):
    corpus = prepare(release, tmp_path / "out", trials=14, seed=3)
    assert len(corpus.trials) == 14
    assert sum(trial.target for trial in corpus.trials) == 7
    assert all(row.split == "test" for row in corpus.where(lambda row: row.id in named(corpus)))
    assert corpus.extras["trials"] == {
        "drawn_from": ["test-clean"],
        "trials": 14,
        "seed": 3,
        "same_gender": False,
    }
    again = prepare(release, tmp_path / "again", trials=14, seed=3)
    assert again.hash == corpus.hash != prepare(release, tmp_path / "b", trials=14, seed=4).hash
    men = prepare(release, tmp_path / "men", trials=8, same_gender=True)
    genders = {row.id: row.labels["gender"] for row in men}
    assert all(genders[trial.enrol] == genders[trial.test] for trial in men.trials)
    mixed = prepare(
        release, tmp_path / "mixed", trials=2, trial_subsets="train-clean-100,test-clean"
    )
    assert mixed.extras["trials"]["drawn_from"] == ["test-clean", "train-clean-100"]
    with pytest.raises(CorpusError, match=r"expected 8 pairs of one speaker, found 7 among 3"):
        prepare(release, tmp_path / "out", trials=16)
    with pytest.raises(CorpusError, match="trial_subsets: found no dev-clean among test-clean, tr"):
        prepare(release, tmp_path / "out", trials=2, trial_subsets="dev-clean")


def named(corpus) -> set[str]:
    return {identity for trial in corpus.trials for identity in (trial.enrol, trial.test)}


def test_trials_are_read_from_a_list(release, tmp_path):
    (release / "list.txt").write_text(
        "1 61/70968/61-70968-0000.flac 61/70968/61-70968-0001.flac\n"
        "0 61/70968/61-70968-0000.flac 121/121726/121-121726-0000.flac"
    )
    corpus = prepare(release, tmp_path / "out", trials="list.txt")
    assert [(t.enrol, t.test, t.target) for t in corpus.trials] == [
        ("61-70968-0000", "61-70968-0001", True),
        ("61-70968-0000", "121-121726-0000", False),
    ]
    assert corpus.extras["trials"] == {"list": "list.txt", "trials": 2}
    with pytest.raises(CorpusError, match=r"list.txt: 3 utterances are not in the corpus: 61-7"):
        prepare(release, tmp_path / "out", trials="list.txt", subsets="train-clean-100")
    with pytest.raises(CorpusError, match=r"expected a number or a file, found 'none.txt', which"):
        prepare(release, tmp_path / "out", trials="none.txt")


def test_missing_sides_are_listed_or_left_out(release, tmp_path):
    folder = release / "LibriSpeech" / "test-clean" / "61" / "70968"
    (folder / "61-70968-0000.flac").unlink()
    transcript = folder / "61-70968.trans.txt"
    transcript.write_text("\n".join(transcript.read_text().splitlines()[:2]))
    with pytest.raises(CorpusError) as caught:
        prepare(release, tmp_path / "out")
    assert str(caught.value).splitlines() == [
        f"{release}: 2 faults",
        "  1 transcripts without a recording: 61-70968-0000; unpack the archive again, prepare "
        "texts alone with --set audio=false, or leave them out with --set partial=true",
        "  1 recordings without a transcript: 61-70968-0002; unpack the archive again, or leave "
        "them out with --set partial=true",
    ]
    corpus = prepare(release, tmp_path / "out", partial=True)
    assert len(corpus) == 8
    assert corpus.extras["left_out"] == {
        "transcripts without a recording": 1,
        "recordings without a transcript": 1,
    }
    assert len(prepare(release, tmp_path / "out", audio=False)) == 9


def test_every_faulty_line_is_listed(release, tmp_path, write_chapter):
    root = release / "LibriSpeech"
    (root / "SPEAKERS.TXT").write_text("60 | X | mine | 1 | Jo\n61 | M | test-clean | 1 | Jo\n")
    (root / "test-clean" / "61" / "70968" / "61-70968.trans.txt").write_text(
        "61-70968-0000 ONE\n61-70969-0001 TWO\n61-70968-0002\n61-70968-0000 ONE\n"
    )
    write_chapter("dev-clean", "121-121726", 1)
    with pytest.raises(CorpusError) as caught:
        prepare(release, tmp_path / "out", partial=True)
    assert str(caught.value).splitlines()[1:] == [
        "  chapter 121-121726: is in dev-clean and in test-clean; keep one",
        "  SPEAKERS.TXT: line 1: expected 'speaker | F or M | subset | minutes | name', found "
        "'60 | X | mine | 1 | Jo'",
        "  61-70968.trans.txt: line 2: expected '61-70968-0000 WORDS', found '61-70969-0001 TWO'",
        "  61-70968.trans.txt: line 3: expected '61-70968-0000 WORDS', found '61-70968-0002'",
        "  61-70968.trans.txt: line 4: 61-70968-0000 stands there twice; keep one",
        "  SPEAKERS.TXT: expected every speaker, found no line for 1089, 121, 60",
    ]


def test_what_lies_elsewhere_is_left_out_and_counted(release, tmp_path, write_wav, caplog):
    write_wav(release / "LibriSpeech" / "noise.wav", 0.1)
    chapter = release / "LibriSpeech" / "test-clean" / "61" / "70968"
    (chapter / "._61-70968-0000.flac").write_bytes(b"\x00\x05\x16\x07")
    (release / "LibriSpeech" / "SPEAKERS.TXT").unlink()
    with caplog.at_level(logging.WARNING):
        corpus = prepare(release, tmp_path / "out")
    assert corpus.extras["left_out"] == {"files outside <subset>/<speaker>/<chapter>": 1}
    assert "librispeech: no SPEAKERS.TXT, so no genders" in caplog.text
    assert "gender" not in corpus[0].labels


def test_a_folder_without_subsets(tmp_path):
    with pytest.raises(CorpusError, match=r"expected test-clean/1089/134686/1089-134686.trans.txt"):
        prepare(tmp_path, tmp_path / "out")


def test_the_published_counts():
    assert sum(number for number, _ in EXPECTED.values()) == 292367
    assert sum(number for _, number in EXPECTED.values()) == 2484


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared excerpt of LibriSpeech is not here")
def test_a_real_excerpt(tmp_path):
    corpus = prepare(SHARED, tmp_path / "out", trials=100)
    assert len(corpus) == 104
    assert corpus.labels("subset") == {"test-clean": 4, "test-other": 100}
    genders = {row.speaker: row.labels["gender"] for row in corpus}
    assert (genders["1089"], genders["1688"], len(genders)) == ("male", "male", 11)
    stuff = corpus.where(lambda row: row.id == "1089-134686-0001")[0]
    assert stuff.text == "STUFF IT INTO YOU HIS BELLY COUNSELLED HIM"
    assert (corpus.durations > 0).all()
