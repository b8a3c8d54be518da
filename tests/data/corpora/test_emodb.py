"""EmoDB: what its names say, and its counts."""

import pytest

from crosstone.data.corpora import CORPORA
from crosstone.data.corpora.emodb import EMOTIONS, EXPECTED, SENTENCES, SPEAKERS
from crosstone.errors import CorpusError

prepare = CORPORA["emodb"]


def test_a_name_is_read_field_by_field(tmp_path, write_wav):
    for stem in ("16b10Tb", "03a01Fa", "08a05Wc"):
        write_wav(tmp_path / "download" / "wav" / f"{stem}.wav", 0.2)
    first, second, third = prepare(tmp_path, tmp_path / "out")
    assert (first.id, first.audio, first.duration) == (
        "03a01Fa",
        "download/wav/03a01Fa.wav",
        0.2,
    )
    assert (first.text, first.text_source) == ("Der Lappen liegt auf dem Eisschrank.", "gold")
    assert (first.speaker, first.group, first.split) == ("03", "03", None)
    assert first.labels == {
        "emotion": "happiness",
        "gender": "male",
        "age": 31.0,
        "sentence": "a01",
        "take": "a",
    }
    assert (second.labels["emotion"], second.labels["gender"]) == ("anger", "female")
    assert second.text == "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück."
    assert (third.labels["emotion"], third.speaker) == ("sadness", "16")


def test_what_does_not_belong_is_left_out_and_counted(tmp_path, write_wav):
    names = (
        "wav/03a01Fa",
        "copy/wav/03a01Fa",
        "wav/17a01Fa",
        "wav/03a03Fa",
        "wav/03a01Xa",
        "noise",
    )
    for name in names:
        write_wav(tmp_path / f"{name}.wav", 0.1)
    (tmp_path / "wav" / "._03a01Na.wav").write_bytes(b"\x00\x05\x16\x07")
    corpus = prepare(tmp_path, tmp_path / "out")
    assert [row.audio for row in corpus] == ["wav/03a01Fa.wav"]
    assert corpus.extras["left_out"] == {"files without an EmoDB name": 4, "second copies": 1}
    assert corpus.extras["incomplete"][0] == (
        "emodb: expected 535 utterances, found 1; is every file there?"
    )
    assert (
        "emodb: expected 49 utterances of speaker '03', found 1" in corpus.extras["incomplete"][1]
    )


def test_the_published_counts_agree_with_each_other():
    assert sum(EXPECTED["speakers"].values()) == 535
    assert sum(EXPECTED["labels"]["emotion"].values()) == 535
    assert set(EXPECTED["labels"]["emotion"]) == set(EMOTIONS.values())
    assert (len(SENTENCES), set(SPEAKERS)) == (10, set(EXPECTED["speakers"]))


def test_a_folder_without_clips(tmp_path):
    with pytest.raises(CorpusError, match=r"expected clips named like 03a01Fa.wav, found none;"):
        prepare(tmp_path, tmp_path / "out")
