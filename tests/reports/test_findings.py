"""The sentences above a report's figures: never more than `compare` would say."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from crosstone.reports.comparison import comparisons, read_systems
from crosstone.reports.findings import findings
from crosstone.reports.page import Paragraph
from crosstone.reports.verdicts import judge

LABELS = ["angry", "sad"]


def make(folder: Path, rate: float, draw: int, groups: int = 0) -> Path:
    """400 items right at this rate, of 20 speakers or of so many groups and no known speaker."""
    generator = np.random.default_rng(draw)
    folder.mkdir()
    rows: list[dict[str, Any]] = []
    for k in range(400):
        said = LABELS[k % 2 if generator.random() < rate else 1 - k % 2]
        unit = {"group": f"s{k % groups}"} if groups else {"speaker": f"p{k % 20}"}
        rows.append(
            {
                "id": f"u{k}",
                "fold": 0,
                "seed": 0,
                "split": "test",
                "target": LABELS[k % 2],
                "probabilities": {label: 0.8 if label == said else 0.2 for label in LABELS},
                **unit,
            }
        )
    text = "\n".join(map(json.dumps, rows))
    (folder / "predictions.jsonl").write_text(text, encoding="utf-8")
    return folder


def said_of(folders: list[Path]) -> str:
    (comparison,) = comparisons(read_systems(folders, replicates=400))
    return " ".join(b.text for b in findings(comparison) if isinstance(b, Paragraph))


def test_what_is_ahead_is_what_compare_calls_real(tmp_path: Path) -> None:
    rates = (0.75, 0.655, 0.645, 0.635, 0.40)
    folders = [make(tmp_path / f"s{k}", rate, k) for k, rate in enumerate(rates)]
    systems = read_systems(folders, replicates=400)
    (comparison,) = comparisons(systems)
    best = comparison.best.name
    alone = {d.second for d in comparison.differences if d.metrics["ua"].excludes(0.0)}
    real = {
        {v.first: v.second, v.second: v.first}[best]
        for v in judge(systems).verdicts
        if v.real and best in (v.first, v.second)
    }
    assert real
    assert real < alone  # one interval at a time claims more
    text = said_of(folders)
    (ahead,) = (part for part in text.split(". ") if "it is ahead of" in part)
    assert {f"s{k}" for k in range(5) if f"s{k} (" in ahead} == real
    assert "by exchanging 20 speakers between two, corrected over 10 pairs (Holm)" in ahead
    assert "the difference may be chance" in text
    assert "of one seed: others may differ" in text


def test_what_too_few_groups_cannot_tell_is_not_called_chance(tmp_path: Path) -> None:
    folders = [make(tmp_path / f"s{k}", rate, k, groups=5) for k, rate in enumerate((0.9, 0.4))]
    text = said_of(folders)
    assert "it cannot be told with 5 groups (the least p is 0.0625)" in text
    assert "chance" not in text
    assert "ahead" not in text


def test_one_system_alone_is_ahead_of_none(tmp_path: Path) -> None:
    assert "Paired" not in said_of([make(tmp_path / "s0", 0.9, 0)])
