"""The page of an examination: every count is on it, and it stands alone."""

import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.data.faults import examine
from crosstone.reports.checkup import checkup_lines, checkup_page
from crosstone.reports.histograms import bar_chart, histogram_panel

LINE = "I <b>told</b> you & him so"


def make(folder: Path, num_speakers: int = 3, **extras: Any) -> dict[str, Any]:
    """The findings of ten utterances, the first two of one recording."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(10):
        name = f"{max(i, 1)}.wav"
        soundfile.write(folder / name, rng.normal(0, 0.1, 8000 + 400 * i), 8000)
        rows.append(
            Utterance(
                id=f"u{i}",
                audio=name,
                text=LINE if i < 4 else f"line {i} of this",
                speaker=f"s{i % num_speakers}",
                group=f"g{i % 2}",
                split=("train", "test", "test")[i % 3],
                labels={"emotion": ("sad", "glad")[i % 2], "valence": i / 4},
            )
        )
    corpus = Corpus.write(
        folder,
        name="tiny",
        root=folder,
        source=Source(licence="CC0"),
        utterances=rows,
        extras=extras,
    )
    found = examine(corpus)
    return {**found.findings, "faults": [asdict(fault) for fault in found.faults]}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    expected = {"utterances": 10, "splits": {"train": 5}, "labels": {"emotion": {"sad": 6}}}
    left_out = {"without a recording": 3}
    return make(tmp_path_factory.mktemp("tiny"), expected=expected, left_out=left_out)


def test_every_count_is_on_the_page(found: dict[str, Any]) -> None:
    page = checkup_page(found).html()
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))
    for said in (
        "tiny: 10 utterances",
        "3 without a recording",
        "CC0",
        found["hash"],
        "2 faults and",
        "expected 5 utterances of split &#x27;train&#x27;, found 4",
        "the same recording, sample for sample, as &#x27;u0&#x27;",
        "Counts as published and as found: 2 of 3 differ.",
        "emotion by split.",
        "3 speakers, 3 to 4 utterances, median 3 each; 2 groups, 5 utterances each.",
        "2 groups in both test and train: g0 and g1.",
        "10 of 10 can be heard",
        "8,000 Hz 10",
        "I &lt;b&gt;told&lt;/b&gt; you &amp; him so",
    ):
        assert said in text, said


def test_the_page_stands_alone(found: dict[str, Any]) -> None:
    page = checkup_page(found).html()
    assert not re.search(r'(src|href)="(?!#)', page)
    assert "<script" not in page
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    assert page.count("<svg") == 7  # two labels, speakers, three of sound, words


def test_many_speakers_become_a_histogram_and_a_folded_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crosstone.reports.checkup.MOST_ROWS", 2)
    page = checkup_page(make(tmp_path)).html()
    assert "Every speaker." in page
    assert page.count("<details>") == 1
    assert "utterances of a speaker" in page


def test_a_corpus_of_words_alone(tmp_path: Path) -> None:
    rows = [Utterance(id="1", text="hm")]
    corpus = Corpus.write(tmp_path, name="w", root=tmp_path, source=Source(), utterances=rows)
    found = {**examine(corpus).findings, "faults": []}
    page = checkup_page(found).html()
    for said in ("No faults were found.", "No utterance has a label.", "No utterance has audio."):
        assert said in page
    assert "No utterance says its speaker; no utterance says its group." in page
    assert list(checkup_lines(found))[1:] == ["text: 1 transcript, 1 word, 0 empty"]


def test_the_lines(found: dict[str, Any]) -> None:
    lines = list(checkup_lines(found))
    assert lines[0] == f"tiny: 10 utterances, 12 s, 3 speakers, 2 groups, hash {found['hash']}"
    assert lines[1:4] == [
        "emotion: glad 5, sad 5",
        "valence: 10 numbers, 0 to 2.25, mean 1.12",
        "splits: test 6, train 4",
    ]
    assert lines[4].startswith(
        "audio: 1.05 to 1.45 s, median 1.23; 10 of 10 can be heard; 8,000 Hz"
    )
    assert lines[5:] == [
        "text: 10 transcripts, 4 to 6 words, median 4, 0 empty",
        "left out: 3 without a recording",
    ]


def test_drawings_of_odd_counts() -> None:
    lone = {"edges": [0.0, 1.0], "counts": [0], "median": 0.5}
    assert histogram_panel("a", "t", lone, x_axis="x").svg
    chart = bar_chart("b", "t", [("", 0), ("a" * 80, 3)], expected={"": 2})
    assert "aaa…" not in chart.svg
    assert "…" in chart.svg
