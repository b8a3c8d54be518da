"""DET curves: which systems have one, and that it passes where it should."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtri

from crosstone.metrics import det_points
from crosstone.reports.comparison import comparisons, read_systems
from crosstone.reports.detection import DetCurve, _readable, _thinned, det_plot, detection
from crosstone.reports.page import Figure
from crosstone.reports.report import write_report

FAST = {"replicates": 50}


def run_set(folder: Path, name: str, gap: float, seeds: int = 1) -> Path:
    """All pairs of six speakers' four utterances; scores of one speaker are higher by `gap`."""
    lines = []
    names = [f"{s}{i}" for s in "abcdef" for i in range(4)]
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        for i, one in enumerate(names):
            for other in names[:i]:
                target = one[0] == other[0]
                lines.append(
                    {
                        "enrol": one,
                        "test": other,
                        "target": target,
                        "score": float(rng.normal() + gap * target),
                        "fold": 0,
                        "seed": seed,
                        "split": "test",
                        "enrol_speaker": one[0],
                        "test_speaker": other[0],
                    }
                )
    folder.mkdir()
    (folder / "predictions.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    protocol = {
        "name": "librispeech-verification",
        "kind": "trials",
        "unit": "speaker",
        "task": "verification",
        "target": "speaker",
        "headline": "eer",
        "selection": "last",
        "counts": {"train": 99, "valid": 0, "test": 24},
    }
    corpus = {"name": "librispeech", "hash": "ab", "utterances": 123}
    facts = {"name": name, "family": "audio", "corpus": corpus, "protocol": protocol}
    (folder / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder


def test_a_report_of_verification(tmp_path: Path) -> None:
    folders = [
        run_set(tmp_path / "one", "good ears", 3.0),
        run_set(tmp_path / "two", "poor ears", 0.5, seeds=2),
    ]
    files = write_report(folders, tmp_path / "report", **FAST)
    text = files.markdown.read_text(encoding="utf-8")
    assert text.startswith("# Speaker on librispeech")
    assert "good ears has the lowest EER" in text
    assert "276 trials scored" in text
    assert "99 train, 0 valid, 24 tested in trials" in text
    assert "276 trials of 6 speakers" in text
    assert "poor ears" in text
    assert "Each fold and seed has a curve of its own" in text
    assert "Of 36 trials of the rarer kind, none shows a rate below 2.78%" in text
    (drawn,) = files.figures.glob("*-det.svg")
    assert "good ears, EER 0." in drawn.read_text(encoding="utf-8")
    assert "Confusion" not in text


def test_others_have_no_such_figure(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    rows = [
        {"id": f"u{i}", "fold": 0, "seed": 0, "split": "test", "target": "ab"[i % 2]}
        | {"probabilities": {"a": 0.6, "b": 0.4}}
        for i in range(6)
    ]
    (folder / "predictions.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (found,) = comparisons(read_systems([folder], **FAST))
    assert detection(found, "r0") == []


def test_one_figure_holds_all_systems(tmp_path: Path) -> None:
    folders = [run_set(tmp_path / str(i), f"system {i}", float(i)) for i in range(5)]
    (found,) = comparisons(read_systems(folders, **FAST))
    _, figure = detection(found, "r0")
    assert isinstance(figure, Figure)
    (drawing,) = figure.drawings
    assert all(f"system {i}, EER" in drawing.svg for i in range(5))


def test_a_thinned_curve_keeps_its_ends_and_its_rates() -> None:
    rng = np.random.default_rng(0)
    target = rng.random(5000) < 0.5
    _, false_alarm, miss = det_points(target, rng.normal(size=5000) + target)
    edges = (float(ndtri(0.001)), float(ndtri(0.95)))
    x, y = _thinned(false_alarm, miss, edges)
    assert len(x) == len(y) <= 300
    assert (x[0], y[0]) == (edges[1] + 0.5, edges[0] - 0.5)  # nothing rejected: past the corner
    assert (x[-1], y[-1]) == (edges[0] - 0.5, edges[1] + 0.5)
    assert (np.diff(x) <= 0).all()
    assert (np.diff(y) >= 0).all()
    points = set(zip(ndtri(false_alarm), ndtri(miss), strict=True))
    inside = (x > edges[0]) & (x < edges[1]) & (y > edges[0]) & (y < edges[1])
    assert set(zip(x[inside], y[inside], strict=True)) <= points


@pytest.mark.parametrize("rates", [([1.0, 0.0], [0.0, 1.0]), ([1.0, 0.0, 0.0], [0.0, 0.0, 1.0])])
def test_the_worst_and_the_best_can_be_drawn(rates: tuple[list[float], list[float]]) -> None:
    runs = [tuple(np.array(side) for side in rates)]
    drawing = det_plot("d", [DetCurve(label="x", runs=runs, eer=0.0)], floor=1.0)
    assert "x, EER 0.000" in drawing.svg


def test_ticks_that_would_touch_are_left_out() -> None:
    assert _readable([0.01, 0.011, 0.5], 100.0) == [0.01, 0.5]
