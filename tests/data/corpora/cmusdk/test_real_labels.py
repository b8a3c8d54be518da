"""Facts of the real tables of CMU-MOSEI, where a folder `shared` beside the repository has them."""

from collections import Counter, defaultdict
from itertools import combinations
from pathlib import Path

import pytest

from crosstone.data.corpora.cmusdk.folds import read_folds
from crosstone.data.corpora.cmusdk.labels import (
    read_scores,
    read_segments,
    settled_scores,
    seven_bin,
)
from crosstone.data.corpora.mosei import EXPECTED

REAL = Path(__file__).parents[5] / "shared" / "data" / "labels_mosei"
pytestmark = pytest.mark.skipif(
    not REAL.is_dir(), reason="the shared tables of CMU-MOSEI are not here"
)


def test_the_real_segments_have_the_known_counts():
    segments = read_segments(REAL / "s3prl_CMU_MOSEI_Labels.csv")
    folds = read_folds(REAL / "standard_folds.json")
    splits = Counter(segment.split for segment in segments)
    assert splits == {**EXPECTED["splits"], None: 399}
    assert len(segments) == EXPECTED["utterances"]
    assert len({segment.video for segment in segments}) == EXPECTED["groups"]
    assert all(folds.get(segment.video) == segment.split for segment in segments)
    assert Counter(folds.values()) == {"train": 2249, "valid": 300, "test": 678}
    assert len(set(folds) - {segment.video for segment in segments}) == 2
    assert sum(segment.start < 0 for segment in segments) == 239
    lengths = [segment.end - segment.start for segment in segments]
    assert (round(min(lengths), 2), round(max(lengths), 1)) == (0.12, 109.4)
    starts = defaultdict(list)
    for segment in segments:
        starts[segment.video].append((segment.start, segment.end))
    assert any(video.startswith("-") for video in starts)
    assert any(video.startswith("_") for video in starts)
    assert any(video.isdigit() for video in starts)
    apart = min(
        max(abs(a[0] - b[0]), abs(a[1] - b[1]))
        for found in starts.values()
        for a, b in combinations(found, 2)
    )
    assert apart == pytest.approx(0.22, abs=1e-6)  # what JOIN_SECONDS rests on


def test_the_real_scores_are_those_of_the_segments_in_another_order():
    segments = read_segments(REAL / "s3prl_CMU_MOSEI_Labels.csv")
    scores = read_scores(sorted(REAL.glob("mosei_label_*.csv")))
    assert sum(map(len, scores.values())) == 22860
    bins = defaultdict(list)
    for segment in segments:
        bins[segment.video].append(segment.labels["sentiment7"])
    binned = {video: [*map(seven_bin, found)] for video, found in scores.items()}
    same = [video for video in scores if sorted(binned[video]) == sorted(bins[video])]
    in_order = [video for video in scores if binned[video] == bins[video]]
    assert (len(scores), len(same), len(in_order)) == (3225, 3225, 1118)
    settled = settled_scores(segments, scores)
    assert sum("sentiment" in segment.labels for segment in settled) == 9943
    thirds = [3 * score for found in scores.values() for score in found]
    assert sum(abs(third - round(third)) > 1e-5 for third in thirds) == 50
