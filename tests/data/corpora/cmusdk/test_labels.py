"""Labelled segments from every form they come in."""

from pathlib import Path

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from crosstone.data.corpora.cmusdk.labels import (
    Segment,
    is_label_table,
    is_score_table,
    read_scores,
    read_segments,
    settled_scores,
    seven_bin,
)
from crosstone.errors import CorpusError

S3PRL = """,file,index,start,end,label2a,label2b,label6,label7,split
0,--qXJuDtHPw,0,23.199,30.325,1,1,0,1,1
1,-3g5yACwYnA,0,82.753,100.555,1,1,0,2,0
2,267278,2,-0.45760090702900003,4.1043083900226754,1,0,0,0,2
3,-9YyBTjo1zo,1,4.84,14.052,0,-1,5,-3,3
"""


def table(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_seven_columns_of_a_label_sequence(tmp_path, write_csd):
    row = [-0.3333333432674408, 0, 0.6666666865348816, 3, 0, 0, 0.3333333432674408]
    path = write_csd(tmp_path / "CMU_MOSEI_Labels.csd", {"267278": [(-0.4576, 4.1, row)]})
    (segment,) = read_segments(path)
    assert (segment.video, segment.start, segment.end) == ("267278", -0.4576, 4.1)
    assert segment.labels == {
        "sentiment": -0.33333334,  # the fewest digits of the same 32 bits
        "happy": 0.0,
        "sad": 0.6666667,
        "anger": 3.0,
        "surprise": 0.0,
        "disgust": 0.0,
        "fear": 0.33333334,
    }


def test_dimension_names_are_believed_where_they_fit(tmp_path, write_csd):
    names = b'["Fear", "sentiment"]'
    path = write_csd(
        tmp_path / "a.csd", {"v": [(0, 1, [2, -3])]}, metadata={"dimension names": names}
    )
    assert read_segments(path)[0].labels == {"fear": 2.0, "sentiment": -3.0}
    unnamed = write_csd(tmp_path / "b.csd", {"v": [(0, 1, [2, -3])]})
    with pytest.raises(CorpusError, match="v: expected 1 or 6 or 7 columns of numbers, found 2"):
        read_segments(unnamed)


def test_float_noise(tmp_path, write_csd):
    path = write_csd(
        tmp_path / "a.csd",
        {"v": [(0, 1, [2.4000000953674316]), (1, 2, [0.2])]},
        dtype="float64",
    )
    assert [s.labels["sentiment"] for s in read_segments(path)] == [2.4, 0.2]


def test_the_table_of_s3prl(tmp_path):
    path = table(tmp_path / "CMU_MOSEI_Labels.csv", S3PRL)
    assert is_label_table(path)
    segments = read_segments(path)
    assert segments[0] == Segment("--qXJuDtHPw", 23.199, 30.325, {"sentiment7": 1.0}, "valid")
    assert [s.split for s in segments] == ["valid", "train", "test", None]
    assert segments[2].start == -0.457600907029
    assert {name for s in segments for name in s.labels} == {"sentiment7"}  # label6 is a trap


def test_segments_csv_counts_from_1_and_calls_0_positive(tmp_path):
    path = table(
        tmp_path / "segments.csv",
        "Filename,Start,End,Score,Sentiment,Type\n"
        "_dI--eQ6qVU_1,0.0,2.5,0.0,positive,valid\n"
        "_dI--eQ6qVU_2,2.5,4.0,2.4000000953674316,positive,valid\n",
    )
    first, second = read_segments(path)
    assert first == Segment("_dI--eQ6qVU", 0.0, 2.5, {"sentiment": 0.0}, "valid", 1)
    assert (second.labels, second.number) == ({"sentiment": 2.4}, 2)


def test_the_table_without_a_header(tmp_path):
    path = table(
        tmp_path / "OpinionLevelSentiment.csv",
        "51.904533,55.945350,03bSnISJMiM,1,2.4000000954\n56,60.5,03bSnISJMiM,2,-0.2\n",
    )
    assert is_label_table(path)
    assert read_segments(path) == [
        Segment("03bSnISJMiM", 51.904533, 55.94535, {"sentiment": 2.4000000954}, None, 1),
        Segment("03bSnISJMiM", 56.0, 60.5, {"sentiment": -0.2}, None, 2),
    ]


def test_one_s_own_table(tmp_path):
    path = table(
        tmp_path / "all.csv",
        "video_id,start,end,sentiment,happy,fear,split\n267278,0.5,2,-1,0.5,,test\n",
    )
    labels = {"sentiment": -1.0, "happy": 0.5}
    assert read_segments(path) == [Segment("267278", 0.5, 2.0, labels, "test")]


def test_every_fault_of_a_table_is_listed(tmp_path):
    path = table(
        tmp_path / "a.csv",
        "file,start,end,sentiment,split\n"
        "a,0,1,1,0\na,0,1,2,0\na,one,2,1,0\na,1,2,high,0\na,2,1,1,0\na,3,4,1,dev\na,3\n",
    )
    with pytest.raises(CorpusError) as caught:
        read_segments(path)
    assert [line.strip() for line in str(caught.value).splitlines()[1:]] == [
        "line 4: expected a video, start and end in seconds, found a,one,2,1,0",
        "line 5: sentiment: expected a number, found 'high'",
        "line 7: split: expected train, valid, test or 0 to 3, found 'dev'",
        "line 8: expected 5 cells, found 2",
        "video 'a' from 0 to 1 s stands there twice",
        "video 'a' ends at 1 s, before it starts at 2",
    ]


def test_what_is_no_label_table(tmp_path):
    other = table(
        tmp_path / "mturk.csv", '"HITId","Input.VIDEO_ID","Answer.sentiment"\n"3","v",1\n'
    )
    assert not is_label_table(other)
    with pytest.raises(CorpusError, match="expected columns for video, start, end and sentiment"):
        read_segments(other)
    with pytest.raises(CorpusError, match="found nothing; known tables"):
        read_segments(table(tmp_path / "empty.csv", "\n"))
    with pytest.raises(CorpusError, match="no segments"):
        read_segments(table(tmp_path / "head.csv", S3PRL.splitlines()[0]))


def test_scores_without_times_settle_what_is_beyond_doubt(tmp_path):
    train = table(
        tmp_path / "label_file_train.csv",
        "FileName,sentiment_score\n_26JmJnPKfM_0,0.3333333432674408\n_26JmJnPKfM_1,1.0\n"
        "_26JmJnPKfM_2,-2.0\n267278_0,0.0\n267278_1,0.0\n",
    )
    assert is_score_table(train)
    assert not is_label_table(train)
    scores = read_scores([train])
    assert scores == {"_26JmJnPKfM": [0.33333334, 1.0, -2.0], "267278": [0.0, 0.0]}
    segments = [
        Segment("_26JmJnPKfM", 5.0, 6.0, {"sentiment7": 1.0}),
        Segment("_26JmJnPKfM", 0.0, 1.0, {"sentiment7": -2.0}),
        Segment("_26JmJnPKfM", 2.0, 3.0, {"sentiment7": 1.0}),
        Segment("267278", 0.0, 1.0, {"sentiment7": 0.0}),
        Segment("267278", 1.0, 2.0, {"sentiment7": 0.0}),
        Segment("elsewhere", 1.0, 2.0, {"sentiment7": 0.0}),
    ]
    settled = [segment.labels.get("sentiment") for segment in settled_scores(segments, scores)]
    assert settled == [None, -2.0, None, 0.0, 0.0, None]
    with pytest.raises(CorpusError, match="video '267278': 2 scores, bins of 1 rows"):
        settled_scores(segments[:4], scores)


def test_scores_of_another_form(tmp_path):
    path = table(tmp_path / "a.csv", "FileName,sentiment_score\nvideo,1\nv_1,high\n")
    with pytest.raises(CorpusError, match="2 faults in the scores"):
        read_scores([path])


@given(st.floats(-3, 3))
@settings(deadline=None)
def test_the_seven_bins_are_odd_and_never_fall(score):
    assert seven_bin(-score) == -seven_bin(score)
    assert abs(score) <= abs(seven_bin(score)) or abs(score) > 2
    assert (seven_bin(score) == 0) == (score == 0)
