"""CMU-MOSEI from a small tree in its true form, with what is known to break parsers."""

import json
import logging
from pathlib import Path

import pytest

from crosstone.data.corpora import CORPORA
from crosstone.data.corpora.cmusdk.labels import Segment
from crosstone.data.corpora.mosei import VARIANTS, _expected
from crosstone.data.corpus import Corpus
from crosstone.data.faults import find_faults
from crosstone.errors import CorpusError

LABELS = {
    # in the order of the sequence, which is not that of time
    "--qXJuDtHPw": [
        (7.814, 13.882, [-1.3333333730697632, 0, 2, 0, 0, 0, 0.3333333432674408]),
        (0.0, 8.025, [1.0, 0, 0, 0, 0, 0, 0]),
        (-0.4576009, 4.1043083900226754, [0, 0, 0, 0, 0, 0, 0]),
    ],
    "_26JmJnPKfM": [(0.5, 2.5, [3, 3, 0, 0, 0, 0, 0])],
    "267278": [(1.0, 3.0, [-2, 0, 0, 1, 0, 1, 0])],
    "-9YyBTjo1zo": [(0.25, 1.0, [0.5, 0, 0, 0, 0, 0, 0])],
}
TRANSCRIPTS = {
    "--qXJuDtHPw": [
        (0, "-0.4576009", "4.1043083900226754", "Right _____ so ..."),
        (1, "0", "8.025", "Deloitte announced it."),
        (2, "7.814", "13.882", "He’s served."),
        (3, "13.531", "15.0", "No label here."),
    ],
    "_26JmJnPKfM": [(0, "0.5", "2.5", "Great"), (1, "2.5", "3.5", "No label in a test video.")],
    "267278": [(4, "1.0", "3.0", "Bad")],
    "-9YyBTjo1zo": [(0, "0.25", "1.0", "Hm")],
    "zzzzzzzzzzz": [(0, "0.0", "1.0", "A video without labels.")],
}
FOLDS = """standard_train_fold=['--qXJuDtHPw', '7l3BNtSE0xc']
standard_valid_fold=['267278']
standard_test_fold=['_26JmJnPKfM']
"""


@pytest.fixture
def tree(tmp_path, write_csd, write_wav) -> Path:
    """Raw archive, labels and folds under one folder."""
    root = tmp_path / "CMU_MOSEI"
    write_csd(root / "CMU_MOSEI_Labels.csd", LABELS, metadata={"dimension names": b"asdfasdfasd"})
    write_csd(root / "CMU_MOSEI_TimestampedWords.csd", {"v": [(0, 1, b"sp")]}, dtype="S12")
    (root / "cmu_mosei_std_folds.py").write_text(FOLDS)
    folder = root / "Raw/Transcript/Segmented/Combined"
    folder.mkdir(parents=True)
    for video, lines in TRANSCRIPTS.items():
        content = "\n".join(f"{video}___{n}___{a}___{b}___{text}" for n, a, b, text in lines)
        (folder / f"{video}.txt").write_text(content, encoding="utf-8")
        write_wav(root / f"Raw/Audio/Full/WAV_16000/{video}.wav", 16.0)
    full = root / "Raw/Transcript/Full/Combined"
    full.mkdir(parents=True)
    (full / "267278.txt").write_text("the whole text of the video")
    (root / "Raw/Readme.txt").write_text("not a transcript")
    (root / "Raw/Labels").mkdir()
    (root / "Raw/Labels/mturk_extra_v2.csv").write_text('"HITId","Input.VIDEO_ID"\n')
    (root / "._CMU_MOSEI_Labels.csd").write_bytes(b"Mac OS X")
    write_wav(root / "Raw/Audio/Segmented/267278.wav", 2.0)
    return root


def prepare(root: Path, **options) -> Corpus:
    return CORPORA["mosei"](root, root.parent / "out", **options)


def test_the_corpus(tree, caplog):
    with caplog.at_level(logging.WARNING):
        corpus = prepare(tree)
    rows = {utterance.id: utterance for utterance in corpus}
    assert list(rows) == [
        "--qXJuDtHPw@7.81-13.88",
        "--qXJuDtHPw@0.00-8.03",
        "--qXJuDtHPw@-0.46-4.10",
        "-9YyBTjo1zo@0.25-1.00",
        "267278@1.00-3.00",
        "_26JmJnPKfM@0.50-2.50",
    ]
    late = rows["--qXJuDtHPw@7.81-13.88"]
    assert (late.audio, late.start, late.end) == (
        "Raw/Audio/Full/WAV_16000/--qXJuDtHPw.wav",
        7.814,
        13.882,
    )
    assert (late.text, late.text_source, late.speaker) == ("He’s served.", "gold", None)
    assert (late.group, late.split) == ("--qXJuDtHPw", "train")
    assert late.labels == {
        "sentiment": -1.3333334,
        "happy": 0.0,
        "sad": 2.0,
        "anger": 0.0,
        "surprise": 0.0,
        "disgust": 0.0,
        "fear": 0.33333334,
    }
    assert rows["267278@1.00-3.00"].audio == "Raw/Audio/Full/WAV_16000/267278.wav"
    assert [row.split for row in corpus] == ["train"] * 3 + [None, "valid", "test"]
    assert "mosei: expected 23259 utterances, found 6; 4 more counts differ" in caplog.text
    incomplete = str(corpus.extras["incomplete"])
    assert "mosei: expected 16327 utterances of split 'train', found 3" in incomplete


def test_negative_starts_are_clamped_and_counted(tree):
    corpus = prepare(tree)
    early = corpus[2]
    assert (early.start, early.end, early.text) == (0.0, 4.1043083900226754, "Right _____ so ...")
    assert early.duration == 4.1043083900226754
    assert corpus.extras["clamped"]["negative starts"] == 1
    kinds = {fault.kind for fault in find_faults(corpus) if fault.severity == "error"}
    assert kinds == {"incomplete"}


def test_what_is_left_out_is_counted(tree):
    corpus = prepare(tree)
    assert corpus.extras["left_out"] == {"transcribed segments without labels": 3}
    assert corpus.extras["videos_in_folds_without_labels"] == 1


def test_unlabelled_segments_on_request(tree):
    corpus = prepare(tree, unlabelled=True)
    texts = [row.text for row in corpus if row.split == "unlabelled"]
    assert texts == ["No label here.", "A video without labels."]  # none of a test video
    assert corpus.extras["left_out"] == {"transcribed segments without labels": 1}
    assert corpus.extras["expected"]["utterances"] == 23259 + 2


def test_a_hole_is_a_fault_unless_the_copy_is_partial(tree):
    (tree / "Raw/Audio/Full/WAV_16000/--qXJuDtHPw.wav").unlink()
    path = tree / "Raw/Transcript/Segmented/Combined/267278.txt"
    path.write_text("267278___4___1.02___3.0___too far from its labels")
    with pytest.raises(CorpusError) as caught:
        prepare(tree)
    assert str(caught.value).splitlines()[1:] == [
        "  3 segments whose video has no recording (.wav): --qXJuDtHPw; complete the copy, or "
        "leave them out with --set partial=true",
        "  1 segments without a line of transcript: 267278@1.00-3.00; complete the copy, or leave "
        "them out with --set partial=true",
    ]
    corpus = prepare(tree, partial=True)
    assert len(corpus) == 2
    left_out = corpus.extras["left_out"]
    assert left_out["segments whose video has no recording (.wav)"] == 3
    assert left_out["segments without a line of transcript"] == 1


def test_words_alone_and_sound_alone(tree):
    said = prepare(tree, audio=False)
    assert {row.audio for row in said} == {None}
    assert said[0].text == "He’s served."
    heard = prepare(tree, text=False)
    assert {row.text for row in heard} == {None}
    assert heard[0].audio


def test_labels_from_the_table_of_s3prl_with_scores_apart(tree):
    (tree / "CMU_MOSEI_Labels.csd").unlink()
    (tree / "CMU_MOSEI_Labels.csv").write_text(
        ",file,index,start,end,label2a,label2b,label6,label7,split\n"
        "0,--qXJuDtHPw,0,7.814,13.882,0,-1,0,-2,0\n1,--qXJuDtHPw,1,0.0,8.025,1,1,0,1,0\n"
        "2,267278,0,1.0,3.0,1,0,0,0,1\n3,-9YyBTjo1zo,0,0.25,1.0,1,1,0,1,3\n"
    )
    (tree / "label_file_train.csv").write_text(
        "FileName,sentiment_score\n--qXJuDtHPw_0,1.0\n--qXJuDtHPw_1,-1.3333333730697632\n"
    )
    corpus = prepare(tree)
    assert [(row.group, row.split, dict(row.labels)) for row in corpus] == [
        ("--qXJuDtHPw", "train", {"sentiment7": -2.0, "sentiment": -1.3333334}),
        ("--qXJuDtHPw", "train", {"sentiment7": 1.0, "sentiment": 1.0}),
        ("267278", "valid", {"sentiment7": 0.0}),
        ("-9YyBTjo1zo", None, {"sentiment7": 1.0}),
    ]
    assert corpus.extras["segments_with_a_settled_score"] == 2
    by_name = prepare(tree, scores=str(tree / "label_file_train.csv"))
    assert by_name.hash == corpus.hash == prepare(tree, scores=str(tree)).hash


def test_labels_and_folds_must_agree(tree):
    (tree / "CMU_MOSEI_Labels.csd").unlink()
    (tree / "labels.csv").write_text("file,start,end,sentiment,split\n267278,1.0,3.0,-2,test\n")
    with pytest.raises(CorpusError, match="video '267278': test in the labels, valid in cmu_mosei"):
        prepare(tree)


def test_folds_are_needed(tree, tmp_path):
    (tree / "cmu_mosei_std_folds.py").unlink()
    with pytest.raises(CorpusError, match="no folds: expected the SDK's cmu_…_std_folds"):
        prepare(tree)
    given = tmp_path / "elsewhere.json"
    given.write_text(json.dumps({"train": [], "valid": [], "test": list(LABELS)}))
    assert {row.split for row in prepare(tree, folds=str(given))} == {"test"}


def test_which_labels_must_be_clear(tree, write_csd):
    write_csd(tree / "CMU_MOSEI_LabelsEmotions.csd", {"v": [(0, 1, [1] * 6)]})
    with pytest.raises(CorpusError) as caught:
        prepare(tree)
    assert str(caught.value) == (
        f"{tree}: expected one file of labels, found 2: CMU_MOSEI_Labels.csd, "
        "CMU_MOSEI_LabelsEmotions.csd; name one with --set labels=FILE"
    )
    assert len(prepare(tree, labels="CMU_MOSEI_Labels.csd")) == 6


def test_folders_that_hold_no_corpus(tmp_path):
    with pytest.raises(CorpusError, match="expected the folder of the raw corpus, found no folder"):
        prepare(tmp_path / "gone")
    with pytest.raises(CorpusError, match="expected the labels of mosei, a file whose name ends"):
        prepare(tmp_path)


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_published_counts_are_told_apart(name):
    segments = [
        Segment(f"{split}{i}", 0.0, 1.0, {}, split)
        for split, count in VARIANTS[name].items()
        for i in range(count)
    ] + [Segment(f"none{i}", 0.0, 1.0, {}, None) for i in range(399)]
    expected, variant = _expected(segments)
    assert variant == name
    assert expected["splits"] == VARIANTS[name]
    assert expected["utterances"] == len(segments)
