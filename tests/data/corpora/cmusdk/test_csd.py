"""Computational sequences as they really are: odd names, odd metadata, aligned keys."""

import numpy as np
import pytest

from crosstone.data.corpora.cmusdk.csd import dimension_names, read_sequence
from crosstone.errors import CorpusError


def test_the_first_root_is_read_whatever_its_name(tmp_path, write_csd):
    path = write_csd(tmp_path / "a.csd", {"267278": [(0.0, 1.5, [1, 2])]}, root="Öpinion 7")
    (found,) = read_sequence(path)
    assert (found.video, found.features.tolist()) == ("267278", [[1.0, 2.0]])
    assert found.intervals.tolist() == [[0.0, 1.5]]
    assert found.intervals.dtype == np.float64


def test_metadata_need_not_be_json(tmp_path, write_csd):
    rows = {"-a_b": [(0.0, 1.0, [0.5])]}
    for number, said in enumerate([b"asdfasdfasd", b"7", b'{"a": 1}', b"[1, 2]"]):
        path = tmp_path / f"{number}.csd"
        write_csd(path, rows, metadata={"dimension names": said, "md5": b"None"})
        assert dimension_names(path) is None
        assert len(list(read_sequence(path))) == 1
    named = write_csd(tmp_path / "named.csd", rows, metadata={"dimension names": b'["sentiment"]'})
    assert dimension_names(named) == ["sentiment"]
    assert dimension_names(write_csd(tmp_path / "none.csd", rows)) is None


def test_aligned_keys_are_of_their_video(tmp_path, write_csd):
    rows = {f"_26JmJnPKfM[{i}]": [(i, i + 1, [i])] for i in (0, 1, 10)}
    path = write_csd(tmp_path / "a.csd", rows)
    assert {found.video for found in read_sequence(path)} == {"_26JmJnPKfM"}


def test_words_are_bytes_of_twelve(tmp_path, write_csd):
    rows = {"v": [(0.0, 0.4, b"ive"), (0.4, 0.5, b"sp"), (0.5, 1.0, b"unbelievable")]}
    (found,) = read_sequence(write_csd(tmp_path / "words.csd", rows, root="words", dtype="S12"))
    assert found.features.dtype == np.dtype("S12")
    assert found.features.shape == (3, 1)
    assert found.features[2, 0] == b"unbelievable"


def test_what_is_no_sequence(tmp_path, write_csd):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "cut.csd"
    path.write_bytes(b"\x89HDF\r\n\x1a\n and then nothing")
    with pytest.raises(CorpusError, match=r"cut\.csd: expected a computational sequence \(HDF5\)"):
        list(read_sequence(path))
    with h5py.File(path, "w"):
        pass
    with pytest.raises(CorpusError, match=r"found no sequence in it; fetch the \.csd file again"):
        list(read_sequence(path))
    with h5py.File(path, "w") as file:
        file.create_group("labels")
    with pytest.raises(CorpusError, match="expected a group 'data' of videos"):
        list(read_sequence(path))


def test_every_entry_of_another_form_is_listed(tmp_path, write_csd):
    h5py = pytest.importorskip("h5py")
    path = write_csd(tmp_path / "a.csd", {"good": [(0, 1, [1])], "late": [(0, np.nan, [1])]})
    with h5py.File(path, "a") as file:
        data = file["All Labels/data"]
        data.create_group("bare")
        data["short/features"] = np.zeros((2, 1))
        data["short/intervals"] = np.zeros((3, 2))
        data["wide/features"] = np.zeros((2, 1))
        data["wide/intervals"] = np.zeros((2, 3))
    with pytest.raises(CorpusError) as caught:
        list(read_sequence(path))
    assert str(caught.value).splitlines()[1:] == [
        "  bare: expected features and intervals",
        "  late: expected times in seconds, found some that are not finite",
        "  short: expected 3 rows of features, found shape (2, 1)",
        "  wide: expected intervals of shape (n, 2), found (2, 3) float64",
    ]
