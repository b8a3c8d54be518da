"""CREMA-D: names, votes from each of its tables, ties, and what is missing."""

from pathlib import Path

import pytest

from crosstone.data.corpora import CORPORA
from crosstone.data.corpora.cremad import EXPECTED, INTENDED, SENTENCES
from crosstone.errors import CorpusError

prepare = CORPORA["cremad"]
SHARED = Path(__file__).parents[5] / "shared" / "data" / "votes_cremad"
SUMMARY = '"","FileName","VoiceVote","VoiceLevel","FaceVote","FaceLevel","MultiModalVote",'
SUMMARY += '"MultiModalLevel"\n'
SUMMARY += '"1","1001_IEO_NEU_XX","N","69.1","N","92.22","N","64.78"\n'
SUMMARY += '"2","1001_DFA_ANG_XX","A:S","62:58","A","80","A","81"\n'
COUNTS = '"","A","D","F","H","N","S","fileName","numResponses","agreement","emoVote"\n'
COUNTS += '"100001",0,0,0,1,2,0,"1001_IEO_NEU_XX",3,0.67,"N"\n'
COUNTS += '"100002",2,0,0,0,0,2,"1001_DFA_ANG_XX",4,0.5,"A:S"\n'
COUNTS += '"200001",0,0,0,0,1,0,"1001_IEO_NEU_XX",1,1,"N"\n'
COUNTS += '"200002",1,0,0,0,0,0,"1001_DFA_ANG_XX",1,1,"A"\n'
COUNTS += '"300001",0,0,0,0,0,0,"1001_IEO_NEU_XX",0,0,""\n'
RESPONSES = '"","localid","pos","ans","ttr","queryType","numTries","clipNum","questNum","subType",'
RESPONSES += '"clipName","sessionNums","respEmo","respLevel","dispEmo","dispVal","dispLevel"\n'
ROW = '"1","{}",8,"N_71",5161,{},0,1,2,4,"{}",1,"{}",{},"N","X",""\n'
ACTORS = '"ActorID","Age","Sex","Race","Ethnicity"\n1001,51,"Male","Caucasian","Not Hispanic"\n'


@pytest.fixture
def clone(tmp_path, write_wav) -> Path:
    """Two clips of one actor and the tables of a clone, the responses left out."""
    root = tmp_path / "CREMA-D"
    (root / "processedResults").mkdir(parents=True)
    (root / "processedResults" / "tabulatedVotes.csv").write_text(COUNTS)
    (root / "processedResults" / "summaryTable.csv").write_text(SUMMARY)
    (root / "VideoDemographics.csv").write_text(ACTORS)
    write_wav(root / "AudioWAV" / "1001_IEO_NEU_XX.wav", 0.2)
    write_wav(root / "AudioWAV" / "1001_DFA_ANG_XX.wav", 0.3)
    return tmp_path


def test_a_clip_with_a_majority_and_one_with_a_tie(clone, tmp_path):
    tied, first = prepare(clone, tmp_path / "out")
    assert (first.id, first.audio, first.duration) == (
        "1001_IEO_NEU_XX",
        "CREMA-D/AudioWAV/1001_IEO_NEU_XX.wav",
        0.2,
    )
    assert (first.text, first.speaker, first.group) == ("It's eleven o'clock", "1001", "1001")
    actor = {
        "gender": "male",
        "age": 51.0,
        "race": "caucasian",
        "ethnicity": "not hispanic",
    }
    assert first.labels == {
        "emotion": "neutral",
        "emotion_face": "neutral",
        "emotion_intended": "neutral",
        "intensity": "unspecified",
        "sentence": "IEO",
        **actor,
    }
    assert first.votes == {
        "emotion": {
            "anonymous-01": ("happy",),
            "anonymous-02": ("neutral",),
            "anonymous-03": ("neutral",),
        },
        "emotion_face": {"anonymous-01": ("neutral",)},
        "emotion_multimodal": {},
    }
    assert tied.labels == {
        "emotion_face": "anger",
        "emotion_multimodal": "anger",
        "emotion_intended": "anger",
        "intensity": "unspecified",
        "sentence": "DFA",
        **actor,
    }
    assert sorted(tied.votes["emotion"].values()) == [("anger",)] * 2 + [("sad",)] * 2


def test_what_is_known_of_the_votes_is_noted(clone, tmp_path):
    extras = prepare(clone, tmp_path / "out").extras
    assert (extras["ties"], extras["raters"], extras["other_majorities"]) == (1, "anonymous", 0)
    assert "expected 3897 utterances with emotion 'neutral', found 1" in str(extras["incomplete"])
    path = clone / "CREMA-D" / "processedResults" / "summaryTable.csv"
    path.write_text(SUMMARY.replace('"N","69.1"', '"H","69.1"'))
    assert prepare(clone, tmp_path / "out").extras["other_majorities"] == 1


def test_named_raters_are_preferred_with_their_levels(clone, tmp_path):
    rows = [
        ROW.format("11", 1, "1001_IEO_NEU_XX", "N", 71),
        ROW.format("12", 1, "1001_IEO_NEU_XX", "S", 20.5),
        ROW.format("13", 1, "1001_IEO_NEU_XX", "S", ""),
        ROW.format("11", 2, "1001_DFA_ANG_XX", "A", 80),
    ]
    (clone / "CREMA-D" / "finishedResponses.csv").write_text(RESPONSES + "".join(rows))
    corpus = prepare(clone, tmp_path / "out")
    tied, first = corpus
    assert first.votes == {
        "emotion": {"11": ("neutral",), "12": ("sad",), "13": ("sad",)},
        "level": {"11": (71.0,), "12": (20.5,)},
    }
    assert first.labels["emotion"] == "sad"
    assert tied.votes == {"emotion_face": {"11": ("anger",)}, "level_face": {"11": (80.0,)}}
    assert corpus.extras["raters"] == "named"
    assert corpus.extras["other_majorities"] == 1


def test_the_summary_alone_gives_majorities_without_votes(clone, tmp_path):
    (clone / "CREMA-D" / "processedResults" / "tabulatedVotes.csv").unlink()
    tied, first = prepare(clone, tmp_path / "out")
    assert (first.labels["emotion"], first.votes) == ("neutral", {})
    assert "emotion" not in tied.labels


def test_without_tables_only_the_names_speak(tmp_path, write_wav):
    for name in ("AudioWAV/1040_ITH_SAD_X", "other/1040_ITH_SAD_XX", "AudioWAV/1091_WSI_HAP_HI"):
        write_wav(tmp_path / f"{name}.wav", 0.1)
    write_wav(tmp_path / "AudioWAV" / "1091_WSI_JOY_HI.wav", 0.1)
    (tmp_path / "AudioWAV" / "._1091_WSI_SAD_XX.wav").write_bytes(b"\x00\x05\x16\x07")
    corpus = prepare(tmp_path, tmp_path / "out")
    assert {row.id: row.audio for row in corpus} == {
        "1040_ITH_SAD_XX": "AudioWAV/1040_ITH_SAD_X.wav",
        "1091_WSI_HAP_HI": "AudioWAV/1091_WSI_HAP_HI.wav",
    }
    assert corpus[1].labels == {
        "emotion_intended": "happy",
        "intensity": "high",
        "sentence": "WSI",
    }
    assert corpus.extras["left_out"] == {"recordings without a CREMA-D name": 1}
    assert "ties" not in corpus.extras


def test_holes_are_listed_or_left_out(clone, tmp_path, write_wav):
    (clone / "CREMA-D" / "AudioWAV" / "1001_DFA_ANG_XX.wav").unlink()
    write_wav(clone / "CREMA-D" / "AudioWAV" / "1002_DFA_ANG_XX.wav", 0.1)
    with pytest.raises(CorpusError) as caught:
        prepare(clone, tmp_path / "out")
    assert str(caught.value).splitlines()[1:] == [
        "  1 clips without a recording: 1001_DFA_ANG_XX; complete AudioWAV, prepare texts and "
        "votes alone with --set audio=false, or leave them out with --set partial=true",
        "  1 clips without votes: 1002_DFA_ANG_XX; complete processedResults, or leave them out "
        "with --set partial=true",
    ]
    corpus = prepare(clone, tmp_path / "out", partial=True)
    assert list(corpus.ids) == ["1001_IEO_NEU_XX"]
    assert corpus.extras["left_out"] == {"clips without a recording": 1, "clips without votes": 1}
    mute = prepare(clone, tmp_path / "out", audio=False)
    assert [(row.id, row.audio) for row in mute] == [
        ("1001_DFA_ANG_XX", None),
        ("1001_IEO_NEU_XX", None),
    ]


def test_pointers_of_git_lfs_are_no_recordings(clone, tmp_path):
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 79518\n"
    (clone / "CREMA-D" / "AudioWAV" / "1001_DFA_ANG_XX.wav").write_bytes(pointer)
    with pytest.raises(
        CorpusError, match=r"1 recordings are pointers .*ANG_XX.wav\); run `git lfs"
    ):
        prepare(clone, tmp_path / "out")


def test_every_faulty_row_is_listed(clone, tmp_path):
    root = clone / "CREMA-D"
    (root / "VideoDemographics.csv").write_text(ACTORS.replace("51", "old"))
    (root / "processedResults" / "tabulatedVotes.csv").write_text(
        COUNTS.replace('"100001"', '"1"').replace("0,0,0,1,2,0", "0,0,0,-1,2,0")
    )
    summary = root / "processedResults" / "summaryTable.csv"
    summary.write_text(SUMMARY.replace('"A:S"', '"A/S"') + '"3","x"\n')
    with pytest.raises(CorpusError) as caught:
        prepare(clone, tmp_path / "out", audio=False)
    assert str(caught.value).splitlines()[1:] == [
        "  tabulatedVotes.csv: line 2: expected a row number from 100001 to 399999 and six counts, "
        "found '1' and 0, 0, 0, -1, 2, 0",
        "  summaryTable.csv: line 3: expected letters of A, D, F, H, N, S with colons between, "
        "found 'A/S'",
        "  summaryTable.csv: line 4: expected 8 cells, found 2",
        "  VideoDemographics.csv: line 2: Age: expected a number, found 'old'",
    ]
    rows = ROW.format("11", 4, "1001_IEO_NEU_XX", "X", "loud")
    (root / "finishedResponses.csv").write_text(RESPONSES + rows)
    summary.write_text(SUMMARY.replace("VoiceVote", "Voice"))
    with pytest.raises(CorpusError) as caught:
        prepare(clone, tmp_path / "out", audio=False)
    assert [line.strip() for line in str(caught.value).splitlines()[1:5]] == [
        "finishedResponses.csv: line 2: queryType: expected 1, 2 or 3, found '4'",
        "finishedResponses.csv: line 2: respEmo: expected one of A, D, F, H, N, S, found 'X'",
        "finishedResponses.csv: line 2: respLevel: expected a number, found 'loud'",
        "summaryTable.csv: expected the columns FileName, VoiceVote, FaceVote, MultiModalVote, "
        "found no VoiceVote among , FileName, Voice, VoiceLevel, FaceVote, FaceLevel, "
        "MultiModalVote, MultiModalLevel",
    ]


def test_a_folder_without_clips(tmp_path):
    with pytest.raises(CorpusError, match=r"expected AudioWAV/1001_DFA_ANG_XX.wav or tabulatedV"):
        prepare(tmp_path, tmp_path / "out")


def test_the_published_counts_agree_with_each_other():
    labels = EXPECTED["labels"]
    assert sum(labels["emotion_intended"].values()) == sum(labels["intensity"].values()) == 7442
    assert sum(labels["emotion"].values()) == 7442 - 644
    assert (len(SENTENCES), set(labels["emotion"])) == (12, set(INTENDED.values()))


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared copy of CREMA-D's votes is not here")
@pytest.mark.parametrize("with_counts", [True, False])
def test_the_real_votes(tmp_path, with_counts):
    names = ["summaryTable.csv", *(["tabulatedVotes.csv"] if with_counts else [])]
    for name in names:
        (tmp_path / name).write_bytes((SHARED / name).read_bytes())
    corpus = prepare(tmp_path, tmp_path / "out", audio=False)
    assert len(corpus) == 7442
    assert corpus.extras["incomplete"] == []
    assert (corpus.extras["ties"], corpus.extras["other_majorities"]) == (644, 0)
    assert sum("emotion" not in row.labels for row in corpus) == 644
    assert all(bool(row.votes) is with_counts for row in corpus)
