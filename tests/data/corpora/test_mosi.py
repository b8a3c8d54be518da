"""CMU-MOSI from a small tree in its true form."""

from pathlib import Path

import pytest

from crosstone.data.corpora import CORPORA
from crosstone.data.corpus import Corpus
from crosstone.data.faults import find_faults
from crosstone.errors import CorpusError

LABELS = {
    "03bSnISJMiM": [
        (3.5, 5.0, [2.4000000953674316]),
        (0.0, 1.5, [-0.2]),
        (5.0, 5.0, [1.75]),
        (5.5, 5.59, [0.0]),
    ],
    "_dI--eQ6qVU": [(1.0, 2.0, [-3.0])],
}
TEXTS = {
    "03bSnISJMiM": ["ANYHOW IT WAS REALLY GOOD", "THEY DIDN'T", "UM", "AH"],
    "_dI--eQ6qVU": ["AWFUL"],
}


@pytest.fixture
def tree(tmp_path, write_csd, write_wav) -> Path:
    """Raw archive, labels, timed words and folds under one folder."""
    root = tmp_path / "CMU_MOSI"
    write_csd(root / "CMU_MOSI_Opinion_Labels.csd", LABELS, root="Opinion Segment Labels")
    timed = [(0.3, 0.6, b"anyhow"), (1.5, 1.6, b"good"), (4.0, 4.5, b"thay"), (5.0, 5.2, b"didnt")]
    write_csd(
        root / "CMU_MOSI_TimestampedWords.csd", {"03bSnISJMiM": timed}, root="words", dtype="S12"
    )
    (root / "cmu_mosi_std_folds.py").write_text(
        "standard_train_fold=['03bSnISJMiM']\n\nstandard_valid_fold=['_dI--eQ6qVU']\n\n"
        "standard_test_fold=[]\n"
    )
    folder = root / "Raw/Transcript/Segmented"
    folder.mkdir(parents=True)
    for video, texts in TEXTS.items():
        lines = [f"{number}_DELIM_{text}\n" for number, text in enumerate(texts, start=1)]
        (folder / f"{video}.annotprocessed").write_text("".join(lines))
        write_wav(root / f"Raw/Audio/WAV_16000/Full/{video}.wav", 7.0, channels=2)
        write_wav(root / f"Raw/Audio/WAV_16000/Segmented/{video}_1.wav", 0.5)
    return root


def prepare(root: Path, **options) -> Corpus:
    return CORPORA["mosi"](root, root.parent / "out", **options)


def test_the_corpus(tree):
    corpus = prepare(tree)
    assert [(row.start, row.text, row.labels["sentiment"]) for row in corpus] == [
        (3.5, "THEY DIDN'T", 2.4),
        (0.0, "ANYHOW IT WAS REALLY GOOD", -0.2),
        (5.0, "UM", 1.75),
        (5.5, "AH", 0.0),
        (1.0, "AWFUL", -3.0),
    ]
    assert [row.split for row in corpus] == ["train"] * 4 + ["valid"]
    assert corpus[0].audio == "Raw/Audio/WAV_16000/Full/03bSnISJMiM.wav"
    assert corpus.extras["texts"] == {"numbered lines": 5, "timed words": 0}


def test_a_segment_of_no_length_stays_without_audio(tree):
    corpus = prepare(tree)
    still, short = corpus[2], corpus[3]
    assert (still.audio, still.duration, still.start, still.end) == (None, None, 5.0, 5.0)
    assert short.audio is not None
    assert corpus.extras["clamped"]["segments of no length, without audio"] == 1
    errors = {fault.kind for fault in find_faults(corpus) if fault.severity == "error"}
    assert errors == {"incomplete"}


def test_timed_words_stand_in_for_transcripts(tree):
    for path in (tree / "Raw/Transcript/Segmented").iterdir():
        path.unlink()
    (tree / "Raw/Audio/WAV_16000/Full/_dI--eQ6qVU.wav").unlink()
    corpus = prepare(tree, partial=True)
    assert [row.text for row in corpus] == ["thay didnt", "anyhow good", "", ""]
    assert corpus.extras["texts"] == {"numbered lines": 0, "timed words": 4}


def test_numbers_in_another_order_are_found_out(tree):
    path = tree / "Raw/Transcript/Segmented/03bSnISJMiM.annotprocessed"
    path.write_text("1_DELIM_UM\n2_DELIM_AH\n3_DELIM_THEY DIDN'T\n4_DELIM_ANYHOW GOOD\n")
    with pytest.raises(CorpusError, match="03bSnISJMiM: only 0 of 4 timed words stand in"):
        prepare(tree)
    path.write_text("1_DELIM_UM\n2_DELIM_AH\n")
    with pytest.raises(CorpusError, match=r"expected 4 lines numbered without a gap.*found 2"):
        prepare(tree)


def test_labels_from_segments_csv(tree):
    (tree / "CMU_MOSI_Opinion_Labels.csd").unlink()
    (tree / "cmu_mosi_std_folds.py").unlink()
    (tree / "segments.csv").write_text(
        "Filename,Start,End,Score,Sentiment,Type\n_dI--eQ6qVU_1,1.0,2.0,0.0,positive,test\n"
    )
    (row,) = prepare(tree)
    assert (row.labels, row.split, row.text) == ({"sentiment": 0.0}, "test", "AWFUL")


def test_a_recording_that_ends_before_its_labels_is_told_by_check(tree, write_wav):
    write_wav(tree / "Raw/Audio/WAV_16000/Full/_dI--eQ6qVU.wav", 0.8)
    corpus = prepare(tree)
    faults = {fault.id: fault.kind for fault in find_faults(corpus) if fault.severity == "error"}
    assert faults["_dI--eQ6qVU@1.00-2.00"] == "stretch"
    assert corpus[4].duration is None
