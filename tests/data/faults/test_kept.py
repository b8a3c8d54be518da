"""What was found is kept until the corpus, a recording or the limit changes."""

import os
from pathlib import Path

import numpy as np
import soundfile

from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.data.faults import examine, keep_examination, kept_examination


def make(folder: Path, text: str = "hm") -> Corpus:
    rows = [Utterance(id="a", audio="a.wav", text=text), Utterance(id="b", audio="gone.wav")]
    return Corpus.write(folder, name="x", root=folder, source=Source(), utterances=rows)


def test_kept_until_something_changes(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 8000), 8000)
    corpus = make(tmp_path)
    assert kept_examination(corpus, 60.0) is None
    found = examine(corpus)
    keep_examination(corpus, 60.0, found)
    faults, digests = kept_examination(corpus, 60.0)
    assert faults == found.faults
    assert [fault.kind for fault in faults] == ["missing", "no-text"]
    assert digests.tolist() == found.digests.tolist()
    assert (digests != 0).tolist() == [True, False]
    assert kept_examination(corpus, None) is not None
    assert kept_examination(corpus, 30.0) is None

    status = (tmp_path / "a.wav").stat()
    os.utime(tmp_path / "a.wav", ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert kept_examination(corpus, 60.0) is None
    keep_examination(corpus, 60.0, found)
    assert kept_examination(make(tmp_path, text="changed"), 60.0) is None
    assert kept_examination(make(tmp_path), 60.0) is not None
