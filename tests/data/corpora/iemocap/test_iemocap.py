"""IEMOCAP: the release's tree and files with all that makes parsers stumble."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from crosstone.data.corpora import CORPORA
from crosstone.data.corpora.iemocap import EXPECTED
from crosstone.errors import CorpusError

prepare = CORPORA["iemocap"]
HEADER = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]\n\n"
IMPRO = """\
[5.3661 - 9.6150]	Ses02F_impro01_F000	neu	[4.0000, 3.0000, 2.0000]
C-E1:	Excited;	()
C-E6:	Neutral;	()
C-F2:	Neutral; Anger;	()
A-E4:	val 4; act 4; dom  3;	(optimistic, cheerful, polite)
A-E1:	val 4; act 2; dom  1;	()
A-F2:	val 3; act 1; dom  ;	()

[23.3690 - 26.0214]	Ses02F_impro01_M002	xxx	[3.0000, 2.5000, 2.0000]
C-E1:	Frustration; Other;	(confusion (mild))
C-E2:	Neutral state;	()
C-E6:	Puzzled;	()
C-F2:	;	()

[10.1000 - 12.0000]	Ses02F_impro01_F001	FRU	[2.0000, 2.5000, 2.5]
C-E1:	Frustration;	()
C-E1:	Anger;	()
A-E1:	calm;	()
"""
SPOKEN = """\
Ses02F_impro01_F000 [005.3661-009.6150]: Excuse me: is [this]: the line?
Ses02F_impro01_FXX0 [009.0000-010.0000]: Hm.
M: [LAUGHTER]
Ses02F_impro01_F001 [010.1000-012.0000]: Yes, it’s here.
Ses02F_impro01_M001 [012.1000-012.5000]: Heard, never judged.
Ses02F_impro01_M002 [023.3690-026.0214]: What\x92s your name?
"""


def evaluated(*turns: str) -> str:
    """One short block per turn, without the header that derived copies lack."""
    return "\n".join(
        f"[{i}.0000 - {i}.5000]\t{turn}\tsad\t[2.0000, 2.0000, 2.0000]\nC-E2:\tSadness;\t()\n"
        for i, turn in enumerate(turns, start=1)
    )


def spoken(*turns: str) -> str:
    return "\n".join(f"{turn} [001.0000-001.5000]: {turn} said so." for turn in turns)


@pytest.fixture
def write_dialogue(tmp_path, write_wav) -> Callable[..., None]:
    """`write_dialogue(name, evaluation, transcript, recordings)` into the release's tree."""

    def write(name: str, evaluation: str | bytes, transcript: str | bytes, wavs=()) -> None:
        session = tmp_path / "IEMOCAP_full_release" / f"Session{name[4]}"
        for kind, text in (("EmoEvaluation", evaluation), ("transcriptions", transcript)):
            path = session / "dialog" / kind / f"{name}.txt"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        for wav in wavs:
            write_wav(session / "sentences" / "wav" / name / f"{wav}.wav", 0.1)

    return write


@pytest.fixture
def improvised(write_dialogue, tmp_path) -> Path:
    """One dialogue of session 2, in latin-1, with what else lies in its folders."""
    turns = [f"Ses02F_impro01_{turn}" for turn in ("F000", "F001", "M002")]
    write_dialogue(
        "Ses02F_impro01", HEADER + IMPRO, SPOKEN.replace("’", "\x92").encode("latin-1"), turns
    )
    folder = tmp_path / "IEMOCAP_full_release" / "Session2" / "dialog" / "EmoEvaluation"
    for name in (
        "Attribute/Ses02F_impro01_e2_atr",
        "Categorical/Ses02F_impro01",
        "._Ses02F_impro01",
    ):
        (folder / f"{name}.txt").parent.mkdir(exist_ok=True)
        (folder / f"{name}.txt").write_bytes(b"\x00\x05\x16\x07 Ses02F_impro01_F000 :act 2;\n")
    (folder / "README.txt").write_text("[1 - 2] not a dialogue")
    return tmp_path


def test_a_block_is_read_whatever_its_length(improvised, tmp_path):
    first, second, third = prepare(improvised, tmp_path / "out")
    assert first.id == "Ses02F_impro01_F000"
    assert first.audio == (
        "IEMOCAP_full_release/Session2/sentences/wav/Ses02F_impro01/Ses02F_impro01_F000.wav"
    )
    assert (first.duration, first.text_source) == (0.1, "gold")
    assert (first.speaker, first.group, first.split) == ("Ses02_F", "Session2", None)
    assert first.labels == {
        "emotion": "neu",
        "valence": 4.0,
        "arousal": 3.0,
        "dominance": 2.0,
        "dialogue": "Ses02F_impro01",
        "style": "improvised",
        "gender": "female",
    }
    assert first.votes == {
        "emotion": {"E1": ("exc",), "E6": ("neu",)},
        "emotion_self": {"F2": ("neu", "ang")},
        "valence": {"E1": (4.0,), "E4": (4.0,)},
        "arousal": {"E1": (2.0,), "E4": (4.0,)},
        "dominance": {"E1": (1.0,), "E4": (3.0,)},
        "valence_self": {"F2": (3.0,)},
        "arousal_self": {"F2": (1.0,)},
        "comment_on_scales": {"E4": ("optimistic, cheerful, polite",)},
    }
    # in order of time, though it stands last, its code in capitals and its rater twice
    assert (second.id, second.labels["emotion"]) == ("Ses02F_impro01_F001", "fru")
    assert second.votes == {"emotion": {"E1": ("fru",)}}
    assert (third.speaker, third.labels["gender"]) == ("Ses02_M", "male")
    assert third.votes == {
        "emotion": {"E1": ("fru", "oth"), "E2": ("neu",), "E6": ("puzzled",)},
        "emotion_self": {"F2": ()},
        "comment": {"E1": ("confusion (mild)",)},
    }


def test_means_and_majorities_are_those_of_the_raters_from_outside(improvised, tmp_path):
    first = prepare(improvised, tmp_path / "out")[0]
    for scale in ("valence", "arousal", "dominance"):
        votes = [vote for (vote,) in first.votes[scale].values()]
        assert np.mean(votes) == first.labels[scale]


def test_texts_are_split_once_and_older_encodings_are_read(improvised, tmp_path):
    texts = [row.text for row in prepare(improvised, tmp_path / "out")]
    assert texts == [
        "Excuse me: is [this]: the line?",
        "Yes, it’s here.",
        "What’s your name?",
    ]


def test_what_is_left_out_is_counted(improvised, tmp_path, caplog, write_wav):
    session = improvised / "IEMOCAP_full_release" / "Session2" / "sentences" / "wav"
    write_wav(session / "Ses02F_impro01" / "Ses02F_impro01_M009.wav", 0.1)
    (session / "Ses02F_impro01" / "._Ses02F_impro01_M010.wav").write_bytes(b"\x00\x05\x16\x07")
    with caplog.at_level(logging.WARNING):
        corpus = prepare(improvised, tmp_path / "out")
    assert corpus.extras["left_out"] == {
        "lines of EmoEvaluation in no known form": 2,
        "transcribed overlaps (…XX0)": 1,
        "transcribed lines of a speaker without a turn (M:, F:)": 1,
        "transcribed turns without an evaluation": 1,
        "recordings without an evaluation": 1,
    }
    assert "iemocap: left out 1 recordings without an evaluation" in caplog.text
    assert "iemocap: expected 10039 utterances, found 3; " in caplog.text
    incomplete = str(corpus.extras["incomplete"])
    assert "expected 1811 utterances of group 'Session2', found 3" in incomplete
    assert "expected 362 utterances of group 'Session2' with emotion 'neu', found 1" in incomplete
    assert corpus.extras["expected"] == EXPECTED


def test_names_that_begin_alike_and_letters_that_mislead(write_dialogue, tmp_path):
    for name in ("Ses05M_script01_1", "Ses05M_script01_1b", "Ses03M_impro05a", "Ses03M_impro08b"):
        turns = [f"{name}_F000", f"{name}_M000"]
        write_dialogue(name, evaluated(*turns), spoken(*turns), turns)
    corpus = prepare(tmp_path, tmp_path / "out")
    assert len(corpus) == 8
    assert {row.id: (row.speaker, row.labels["style"], row.text) for row in corpus} == {
        turn: (speaker, style, f"{turn} said so.")
        for name, style in (
            ("Ses03M_impro05a", "improvised"),
            ("Ses03M_impro08b", "improvised"),
            ("Ses05M_script01_1", "scripted"),
            ("Ses05M_script01_1b", "scripted"),
        )
        for letter in "FM"
        for turn, speaker in [(f"{name}_{letter}000", f"{name[:5]}_{letter}")]
    }
    assert corpus.groups.tolist() == ["Session3"] * 4 + ["Session5"] * 4
    assert corpus[0].audio.startswith(
        "IEMOCAP_full_release/Session3/sentences/wav/Ses03M_impro05a/"
    )


def test_missing_recordings_and_transcripts_are_listed_or_left_out(write_dialogue, tmp_path):
    turns = [f"Ses01F_impro01_F{i:03d}" for i in range(14)]
    write_dialogue("Ses01F_impro01", evaluated(*turns), spoken(*turns[1:]), turns[:2])
    with pytest.raises(CorpusError) as caught:
        prepare(tmp_path, tmp_path / "out")
    named = ", ".join(turns[2:12])
    assert str(caught.value).splitlines() == [
        f"{tmp_path}: 2 faults",
        f"  12 turns without a recording: {named} and 2 more; complete sentences/wav, prepare "
        "texts and votes alone with --set audio=false, or leave them out with --set partial=true",
        "  1 turns without a transcript: Ses01F_impro01_F000; complete dialog/transcriptions, or "
        "leave them out with --set partial=true",
    ]
    assert not (tmp_path / "out").exists()
    corpus = prepare(tmp_path, tmp_path / "out", partial=True)
    assert list(corpus.ids) == turns[1:2]
    assert corpus.extras["left_out"] == {
        "turns without a recording": 12,
        "turns without a transcript": 1,
    }
    mute = prepare(tmp_path, tmp_path / "mute", audio=False, partial=True)
    assert list(mute.ids) == turns[1:]
    assert {row.audio for row in mute} == {None}


def test_every_faulty_line_is_listed(write_dialogue, tmp_path):
    lines = [
        "[1.0 - 2.0]\tSes01F_impro01_F000\tneu",
        "[1.0 - 2.0]\tSes01F_impro02_F000\tneu\t[2.5, 2.5, 2.5]",
        "[1.0 - 2.0]\tSes01F_impro01_F001\tjoy\t[2.5, 2.5, 2.5]",
        "[3.0 - 2.0]\tSes01F_impro01_F002\tneu\t[2.5, 2.5, 2.5]",
    ]
    twice = "Ses01F_impro01_F003 [1-2]: One.\nSes01F_impro01_F003 [1-2]: Two."
    write_dialogue("Ses01F_impro01", "\n".join(lines), twice)
    with pytest.raises(CorpusError) as caught:
        prepare(tmp_path, tmp_path / "out")
    assert str(caught.value).splitlines()[1:] == [
        "  Ses01F_impro01.txt, line 1: expected '[start - end]', turn, code and '[V, A, D]', found "
        f"'{lines[0]}'",
        "  Ses01F_impro01.txt, line 2: expected a turn named like Ses01F_impro01_F000, found "
        "'Ses01F_impro02_F000'",
        "  Ses01F_impro01.txt, line 3: Ses01F_impro01_F001: expected one of ang, dis, exc, fea, "
        "fru, hap, neu, oth, sad, sur, xxx, found 'joy'",
        "  Ses01F_impro01.txt, line 4: Ses01F_impro01_F002: expected start < end, found 3.0 and "
        "2.0",
        "  Ses01F_impro01.txt, line 2: another text for Ses01F_impro01_F003; keep one",
    ]


def test_a_folder_that_is_not_the_release(write_dialogue, tmp_path):
    with pytest.raises(CorpusError, match=r"expected the folder of the raw corpus, found nothing"):
        prepare(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(CorpusError, match=r"found none; unpack IEMOCAP_full_release \(https"):
        prepare(tmp_path, tmp_path / "out")
    write_dialogue("Ses01F_impro01", evaluated("Ses01F_impro01_F000"), "")
    (tmp_path / "IEMOCAP_full_release").rename(tmp_path / "copy")
    write_dialogue("Ses01F_impro01", evaluated("Ses01F_impro01_F000"), "")
    with pytest.raises(
        CorpusError, match=r"expected one copy of the release, found IEMOCAP_.* and"
    ):
        prepare(tmp_path, tmp_path / "out")


def test_the_published_counts_agree_with_each_other():
    labels = EXPECTED["labels"]["emotion"]
    assert sum(labels.values()) == sum(EXPECTED["groups"].values()) == EXPECTED["utterances"]
    assert sum(EXPECTED["labels"]["style"].values()) == 10039
    sessions = EXPECTED["labels_by_group"]["emotion"]
    assert {name: sum(counts.values()) for name, counts in sessions.items()} == {
        "Session1": 1085,
        "Session2": 1023,
        "Session3": 1151,
        "Session4": 1031,
        "Session5": 1241,
    }
    for code in ("ang", "exc", "hap", "neu", "sad"):
        assert sum(counts[code] for counts in sessions.values()) == labels[code]
