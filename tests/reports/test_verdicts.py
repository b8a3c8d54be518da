"""Whether systems differ: the sentence, its numbers, and what cannot be compared."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosstone.errors import CrosstoneError
from crosstone.reports.comparison import System, read_systems
from crosstone.reports.verdicts import judge

LABELS = ["angry", "sad"]
FAST: dict[str, Any] = {"replicates": 400}


def write(folder: Path, rows: list[dict[str, Any]], **protocol: Any) -> Path:
    folder.mkdir(parents=True)
    (folder / "predictions.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    facts = {
        "name": folder.name,
        "corpus": {"name": "corpus", "hash": "9f3c"},
        "protocol": {"name": "loso", "selection": "last", "unit": "speaker", **protocol},
    }
    (folder / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder


def make(
    folder: Path,
    rate: float,
    *,
    speakers: int = 24,
    items: int = 20,
    seeds: tuple[float, ...] = (0.0,),
    draw: int = 0,
    **protocol: Any,
) -> Path:
    """Right at this rate; seeds: what each seed adds to it."""
    generator = np.random.default_rng(draw)
    rows = []
    for seed, more in enumerate(seeds):
        for k in range(speakers * items):
            target = k % 2
            said = LABELS[target if generator.random() < rate + more else 1 - target]
            rows.append(
                {
                    "id": f"u{k}",
                    "speaker": f"p{k % speakers}",
                    "group": f"s{k % 4}",
                    "fold": k % 4,
                    "seed": seed,
                    "split": "test",
                    "target": LABELS[target],
                    "probabilities": {label: 0.8 if label == said else 0.2 for label in LABELS},
                }
            )
    return write(folder, rows, **protocol)


def systems(*folders: Path, **scoring: Any) -> tuple[System, ...]:
    return read_systems(folders, **FAST, **scoring)


def test_a_clear_difference_is_real(tmp_path: Path) -> None:
    found = judge(systems(make(tmp_path / "new", 0.85), make(tmp_path / "old", 0.65, draw=1)))
    (verdict,) = found.verdicts
    assert verdict.real
    assert verdict.difference.value == pytest.approx(0.2, abs=0.06)
    assert verdict.difference.low > 0
    assert verdict.p == verdict.p_corrected < 0.001
    assert verdict.mcnemar_p is not None
    assert verdict.mcnemar_p < 0.001
    assert verdict.needed.items is not None
    assert verdict.needed.items < verdict.items == 480
    for expected in (
        "new is better than old, and the difference of these two trainings is real: new − old is ",
        "(95 % interval over 24 speakers)",
        "by exchanging 24 speakers between the two in 10,000 drawn ways",
        "(Holm over 1 pair), exact p of accuracy, whole speakers exchanged, < 0.0001; about ",
        "speakers are needed to see it with 80 % power, and there are 480.",
    ):
        assert expected in verdict.sentence, expected


def test_mcnemar_is_named_where_each_item_is_alone(tmp_path: Path) -> None:
    folders = make(tmp_path / "new", 0.85), make(tmp_path / "old", 0.65, draw=1)
    (verdict,) = judge(systems(*folders, unit="item")).verdicts
    assert "(Holm over 1 pair), McNemar's exact p of accuracy < 0.0001; about " in verdict.sentence


def test_a_small_difference_is_not_shown_and_what_it_needs_is_said(tmp_path: Path) -> None:
    one, other = make(tmp_path / "new", 0.70), make(tmp_path / "old", 0.66, draw=5)
    (verdict,) = judge(systems(one, other)).verdicts
    assert not verdict.real
    assert verdict.needed.items is not None
    assert verdict.needed.items > 480
    assert "is not shown to be better than" in verdict.sentence
    assert "speakers are needed to see it with 80 % power" in verdict.sentence
    (asked,) = judge(systems(one, other), detect=0.2).verdicts
    assert asked.needed.items is not None
    assert asked.needed.items < 480
    assert "are needed to see a difference of 0.200" in asked.sentence
    assert asked.needed.detectable == verdict.needed.detectable < 0.2


def test_of_a_value_less_is_better(tmp_path: Path) -> None:
    folders = []
    for name, error in (("near", 0.1), ("far", 0.9)):
        rows = [
            {
                "id": f"u{k}",
                "speaker": f"p{k % 24}",
                "fold": 0,
                "seed": 0,
                "split": "test",
                "target": (-1.0) ** k,
                "value": (-1.0) ** k + error * (1 + k % 3),
            }
            for k in range(120)
        ]
        folders.append(write(tmp_path / name, rows))
    found = judge(systems(*folders[::-1]))
    assert found.metric == "mae"
    assert found.verdicts[0].sentence.startswith(
        "near is better than far, and the difference of these two trainings is real: far − near is "
        "+1.600 MAE"
    )
    assert found.verdicts[0].mcnemar_p is None
    assert "McNemar" not in found.verdicts[0].sentence
    assert judge(systems(*folders), metric="Corr").metric == "pearson"


def test_many_pairs_are_corrected_together(tmp_path: Path) -> None:
    folders = [make(tmp_path / f"s{k}", rate, draw=k) for k, rate in enumerate((0.9, 0.7, 0.69))]
    found = judge(systems(*folders))
    assert [(v.first, v.second) for v in found.verdicts] == [
        ("s0", "s1"),
        ("s0", "s2"),
        ("s1", "s2"),
    ]
    assert all(v.p_corrected >= v.p for v in found.verdicts)
    assert found.verdicts[0].p_corrected == pytest.approx(3 * found.verdicts[0].p)
    assert "(Holm over 3 pairs)" in found.verdicts[0].sentence
    milder = judge(systems(*folders), correction="bh").verdicts
    assert milder[0].p_corrected <= found.verdicts[0].p_corrected
    assert "(Benjamini and Hochberg over 3 pairs)" in milder[0].sentence
    against = judge(systems(*folders), baseline="s2").verdicts
    assert [(v.first, v.second) for v in against] == [("s0", "s2"), ("s1", "s2")]


def test_seeds_that_spread_hide_a_difference(tmp_path: Path) -> None:
    spread = (-0.15, 0.0, 0.15)
    found = judge(
        systems(
            make(tmp_path / "new", 0.78, seeds=spread),
            make(tmp_path / "old", 0.70, seeds=spread, draw=1),
        )
    )
    (verdict,) = found.verdicts
    assert verdict.seeds == (3, 3)
    assert verdict.mcnemar_p is None
    assert verdict.p < 0.05  # of these very seeds
    assert not verdict.real
    assert "over 24 speakers and 3 + 3 seeds" in verdict.sentence
    assert "no number of utterances would show it, since the seeds spread too far" in (
        verdict.sentence
    )
    assert found.systems[0].scores.spread("ua")["sd_seeds"] == pytest.approx(0.15, abs=0.04)


def test_few_clusters_can_show_nothing(tmp_path: Path) -> None:
    folders = [make(tmp_path / "new", 1.0), make(tmp_path / "old", 0.5)]
    found = judge(systems(*folders, unit="group"))
    assert found.verdicts[0].p == pytest.approx(2 / 2**4)
    assert not found.verdicts[0].real
    assert "in all 16 ways" in found.verdicts[0].test
    assert found.verdicts[0].sentence.startswith(
        "whether new is better than old cannot be told with 4 groups (the least p they allow is "
        "0.125 (Holm over 1 pair)): new − old is +0."
    )
    assert "may be chance" not in found.verdicts[0].sentence
    assert "with 4 groups no test can give a corrected p below 0.125" in found.notes[0]


def test_too_few_groups_give_way_to_speakers(tmp_path: Path) -> None:
    """As on IEMOCAP: five sessions of two speakers each, left out session by session."""
    folders = []
    for name, rate, draw in (("new", 0.95, 0), ("old", 0.5, 1)):
        rows = [
            json.loads(line) | {"group": f"s{k % 5}", "speaker": f"s{k % 5}-{k % 2}", "fold": k % 5}
            for k, line in enumerate(
                (make(tmp_path / f"{name}-raw", rate, speakers=10, draw=draw) / "predictions.jsonl")
                .read_text(encoding="utf-8")
                .splitlines()
            )
        ]
        folders.append(write(tmp_path / name, rows, unit="group"))
    found = judge(systems(*folders))
    (verdict,) = found.verdicts
    assert (verdict.by, verdict.clusters, verdict.real) == ("speaker", 10, True)
    assert verdict.p == pytest.approx(2 / 2**10)
    assert "interval over 10 speakers)" in verdict.sentence
    assert "exchanging 10 speakers between the two in all 1,024 ways" in verdict.sentence
    assert found.notes[0] == (
        "5 groups are too few to exchange: 10 speakers were drawn and exchanged instead"
    )
    (asked,) = judge(systems(*folders, unit="group")).verdicts
    assert (asked.by, asked.clusters, asked.real) == ("group", 5, False)
    assert "cannot be told with 5 groups (the least p they allow is 0.0625" in asked.sentence


def test_folds_that_differ_are_tested_pooled_and_it_is_said(tmp_path: Path) -> None:
    one, other = make(tmp_path / "new", 0.9), make(tmp_path / "old", 0.6, draw=1)
    lines = (other / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) | {"fold": k % 3} for k, line in enumerate(lines)]
    moved = write(tmp_path / "moved", rows)
    (verdict,) = judge(systems(one, moved)).verdicts
    assert "ways, of the pooled difference +0." in verdict.sentence
    assert "since folds differ" in verdict.sentence
    assert "pooled" not in judge(systems(one, other)).verdicts[0].sentence


@pytest.mark.parametrize("detect", [0.0, -0.1, float("nan")])
def test_no_difference_cannot_be_detected(tmp_path: Path, detect: float) -> None:
    found = systems(make(tmp_path / "new", 0.9), make(tmp_path / "old", 0.6, draw=1))
    with pytest.raises(CrosstoneError, match="--detect: expected a difference above 0, found"):
        judge(found, detect=detect)


def test_a_system_and_its_copy(tmp_path: Path) -> None:
    (verdict,) = judge(systems(make(tmp_path / "a", 0.7), make(tmp_path / "b", 0.7))).verdicts
    assert (verdict.p, verdict.real) == (1, False)
    assert verdict.sentence.startswith("a and b are not shown to differ")
    assert "they do not differ at all" in verdict.sentence


def asked(folder: Path, speakers: str, gain: float) -> Path:
    """All pairs of three utterances of each speaker; those of one speaker gain so much."""
    names = [f"{s}{k}" for s in speakers for k in range(3)]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    noise = np.random.default_rng(0).normal(size=len(pairs))
    rows = [
        {
            "enrol": a,
            "test": b,
            "target": a[0] == b[0],
            "score": float(noise[k] + gain * (a[0] == b[0])),
            "fold": 0,
            "seed": 0,
            "split": "test",
            "enrol_speaker": a[0],
            "test_speaker": b[0],
        }
        for k, (a, b) in enumerate(pairs)
    ]
    return write(folder, rows)


def test_trials_are_compared_by_their_speakers(tmp_path: Path) -> None:
    pair = [asked(tmp_path / name, "abcdefghijkl", g) for name, g in (("strong", 4), ("weak", 1))]
    found = judge(systems(*pair))
    (verdict,) = found.verdicts
    assert (verdict.metric, verdict.real) == ("eer", True)
    assert verdict.difference.high < 0
    assert verdict.sentence.startswith("strong is better than weak")
    assert "by drawing 12 speakers" in verdict.sentence
    assert verdict.needed.clusters == 6
    assert f"about {-(-36 * 35 // 2 // 4)} trials of 6 speakers are needed" in verdict.sentence
    json.dumps(found.as_dict(), allow_nan=False)


def test_too_few_speakers_give_no_interval(tmp_path: Path) -> None:
    pair = [asked(tmp_path / name, "abc", gain) for name, gain in (("strong", 4), ("weak", 1))]
    (verdict,) = judge(systems(*pair)).verdicts
    assert "EER (no interval can be drawn over 3 speakers), p undefined" in verdict.sentence


def test_what_a_reader_must_know_is_noted(tmp_path: Path) -> None:
    found = judge(
        systems(
            make(tmp_path / "new", 0.8, selection="best_test", transductive=True),
            make(tmp_path / "old", 0.7, draw=1),
        )
    )
    assert found.notes == (
        "new and old: one seed each, so other trainings may differ",
        "the epoch of new was chosen on the scored items (best_test)",
        "new was adapted, without labels, also on the scored groups",
        "selection rules differ: new best_test, old last",
    )
    document = found.as_dict()
    assert document["systems"][0]["made"]["corpus"]["hash"] == "9f3c"
    assert document["systems"][0]["made"]["transductive"] is True
    assert document["verdicts"][0]["sentence"] == found.verdicts[0].sentence
    assert document["systems"][1]["sd_seeds"] is None
    json.dumps(document, allow_nan=False)


def test_what_cannot_be_compared(tmp_path: Path) -> None:
    one = make(tmp_path / "one", 0.7)
    with pytest.raises(CrosstoneError, match="at least two run sets, found 1"):
        judge(systems(one))
    fewer = make(tmp_path / "fewer", 0.7, items=10)
    with pytest.raises(CrosstoneError, match="240 of 480 items were scored for one of them only"):
        judge(systems(one, fewer))
    other = make(tmp_path / "other", 0.7)
    with pytest.raises(CrosstoneError, match=r"expected a metric among wa, ua, .*, found 'aurc'"):
        judge(systems(one, other), metric="aurc")
    with pytest.raises(CrosstoneError, match="found 'nobody'; there are one, other"):
        judge(systems(one, other), baseline="nobody")
