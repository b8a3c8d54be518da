"""Run sets to a page: what it says, what it never says, and that it stands alone."""

import json
import re
import warnings
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosstone.errors import CorpusError, CrosstoneError
from crosstone.reports.comparison import comparisons, paired_table, read_systems
from crosstone.reports.report import ReportFiles, write_report

LABELS = ["angry", "happy", "neutral", "sad"]
CEILINGS = {"words": 0.44, "delivery": 0.43, "additive": 0.66, "additive_best": 0.70, "joint": 0.92}
NUM_ITEMS = 240
FAST: dict[str, Any] = {"replicates": 100}


def make_system(
    folder: Path,
    name: str,
    accuracy: float,
    *,
    family: str = "cmt",
    value: bool = False,
    **changes: Any,
) -> Path:
    """A run set of 240 items by 24 speakers of which the first `accuracy` of each are right."""
    folds, seeds = changes.pop("folds", 1), changes.pop("seeds", 1)
    ceilings = changes.pop("ceilings", CEILINGS)
    prefix = changes.pop("prefix", "u")
    protocol = {
        "name": "holdout" if folds == 1 else "grouped-kfold",
        "unit": "speaker",
        "folds": folds,
        "selection": "last",
        "headline": "mae" if value else "ua",
        "target": "sentiment" if value else "emotion",
        "task": "regression" if value else "classification",
        "labels": [] if value else LABELS,
        "train_fraction": 1.0,
        "transductive": False,
        "counts": {"train": 960 * folds, "valid": 0, "test": NUM_ITEMS},
    } | changes
    folder.mkdir(parents=True)
    lines = []
    for seed in range(seeds):
        for i in range(NUM_ITEMS):
            speaker, target = i % 24, (i // 24) % 4
            right = (i // 24 + 3 * speaker + seed) % 10 < 10 * accuracy
            entry = {
                "id": f"{prefix}{i}",
                "group": f"s{speaker % 6}",
                "speaker": f"p{speaker}",
                "fold": speaker % folds,
                "seed": seed,
                "split": "test",
            }
            if value:
                entry |= {
                    "target": target - 1.5,
                    "value": (target - 1.5) * accuracy + 0.1 * (i % 3),
                }
            else:
                said = LABELS[target if right else (target + 1) % 4]
                entry |= {
                    "target": LABELS[target],
                    "probabilities": {label: 0.7 if label == said else 0.1 for label in LABELS},
                }
            lines.append(json.dumps(entry))
        for fold in range(folds):
            run = folder / f"fold-{fold}-seed-{seed}"
            run.mkdir()
            log = [
                {"event": "step", "step": s, "loss": 2 / s, "parts": {"emotion": 2 / s}}
                for s in range(1, 200)
            ]
            log += [{"event": "epoch", "epoch": e, "valid": {"ua": e / 10}} for e in range(5)]
            (run / "log.jsonl").write_text("\n".join(map(json.dumps, log)), encoding="utf-8")
    (folder / "predictions.jsonl").write_text("\n".join(lines), encoding="utf-8")
    facts = {
        "name": name,
        "family": family,
        "corpus": {"name": "twokey", "hash": "9f3c" * 16, "utterances": 1200, "ceilings": ceilings},
        "protocol": protocol,
        "parameters": {"total": 480_000, "trainable": 430_000},
        "seconds": 40.0,
    }
    (folder / "run.json").write_text(json.dumps(facts), encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def run_sets(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("runs")
    return [
        make_system(root / "text", "text only", 0.4, family="text"),
        make_system(root / "audio", "audio only", 0.5, family="audio"),
        make_system(root / "shallow", "shallow fusion", 0.6, family="shallow"),
        make_system(root / "cmt", "CMT", 0.8),
        make_system(root / "text-20", "text only", 0.3, family="text", train_fraction=0.2),
        make_system(root / "cmt-20", "CMT", 0.6, train_fraction=0.2),
    ]


@pytest.fixture(scope="module")
def written(run_sets: list[Path], tmp_path_factory: pytest.TempPathFactory) -> ReportFiles:
    out = tmp_path_factory.mktemp("report")
    probe = out / "pretrain"
    probe.mkdir()
    events = [
        {
            "event": "probe",
            "step": step,
            "text_matched": 0.5 + step / 1000,
            "text_shuffled": 0.5,
            "audio_matched": 0.3,
            "audio_shuffled": 0.25,
        }
        for step in (0, 50, 100)
    ]
    (probe / "log.jsonl").write_text("\n".join(map(json.dumps, events)), encoding="utf-8")
    return write_report(
        run_sets,
        out / "report",
        pretraining={"pretraining": probe},
        stage_seconds={"pretraining": 60.0, "fine-tuning": 40.0},
        peak_memory_mib=1500.0,
        **FAST,
    )


def report_text(out: Path, folders: list[Path], **options: Any) -> str:
    return write_report(folders, out, **FAST, **options).markdown.read_text(encoding="utf-8")


def test_systems_are_told_apart_and_gathered(run_sets: list[Path]) -> None:
    systems = read_systems(run_sets, **FAST)
    assert [s.name for s in systems][3:] == [
        "CMT",
        "text only, 20 % of the labels",
        "CMT, 20 % of the labels",
    ]
    (found,) = comparisons(systems)
    assert found.best.name == "CMT"
    assert [(d.first, d.second) for d in found.differences] == [
        ("CMT", "text only"),
        ("CMT", "audio only"),
        ("CMT", "shallow fusion"),
        ("CMT, 20 % of the labels", "text only, 20 % of the labels"),
    ]
    assert found.differences[0].metrics["wa"].value == pytest.approx(0.4)
    assert (found.differences[0].by, found.differences[0].clusters) == ("speaker", 24)


def test_a_baseline_and_pairs_may_be_chosen(run_sets: list[Path]) -> None:
    (table,) = paired_table(
        run_sets, baseline="shallow fusion", pairs=[(run_sets[3], run_sets[5])], **FAST
    )
    named = [(d["first"], d["second"]) for d in table["differences"]]
    assert named == [
        ("text only", "shallow fusion"),
        ("audio only", "shallow fusion"),
        ("CMT", "shallow fusion"),
        ("CMT", "CMT, 20 % of the labels"),
    ]
    difference = table["differences"][2]["metrics"]["ua"]
    assert difference["value"] == pytest.approx(0.2, abs=0.02)
    assert difference["excludes_zero"] is True
    assert table["ceilings"] == CEILINGS
    assert table["systems"][0]["metrics"]["wa"]["low"] <= 0.4
    json.dumps(table, allow_nan=False)


def test_an_unknown_baseline_is_named(run_sets: list[Path]) -> None:
    with pytest.raises(CrosstoneError, match="found 'nobody'; there are text only, audio only"):
        paired_table(run_sets, baseline="nobody", **FAST)
    with pytest.raises(CrosstoneError, match="expected at least one run set, found none"):
        read_systems([])


def test_other_items_are_not_paired(tmp_path: Path) -> None:
    folders = [
        make_system(tmp_path / "a", "one", 0.6),
        make_system(tmp_path / "b", "two", 0.5, prefix="v"),
    ]
    text = report_text(tmp_path / "report", folders)
    assert "one and two are not paired: 480 of 480 items were scored for one of them only." in text


def test_the_page_stands_alone(written: ReportFiles) -> None:
    page = written.html.read_text(encoding="utf-8")

    class Reader(HTMLParser):
        def __init__(self) -> None:
            super().__init__()
            self.ids: list[str] = []
            self.tags: list[str] = []

        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            self.tags.append(tag)
            for key, value in attrs:
                if key == "id" and value:
                    self.ids.append(value)
                if key in ("src", "href", "xlink:href"):
                    assert value is not None
                    assert value.startswith("#"), value

    reader = Reader()
    reader.feed(page)
    assert "script" not in reader.tags
    assert "link" not in reader.tags
    assert len(reader.ids) == len(set(reader.ids))
    assert "url(http" not in page
    assert "prefers-color-scheme: dark" in page
    assert 'name="viewport"' in page
    assert not re.search(r"(fill|stroke): #(?!000000)", page)  # colours are the page's own
    assert "{{" not in page


def test_the_markdown_links_to_figures_that_exist(written: ReportFiles) -> None:
    links = re.findall(r"\]\((figures/[^)]+\.svg)\)", written.markdown.read_text(encoding="utf-8"))
    assert len(links) > 10
    for link in links:
        drawing = (written.markdown.parent / link).read_text(encoding="utf-8")
        assert drawing.startswith("<svg ")
        assert "var(--" not in drawing


def test_what_the_report_says(written: ReportFiles) -> None:
    text = written.markdown.read_text(encoding="utf-8")
    assert text.startswith("# Emotion on twokey\n")
    for expected in (
        "CMT has the highest UA, 0.8",
        "it is ahead of text only (+0.",
        "above what any additive listener can reach (0.700)",
        "audio only passes the delivery ceiling (0.500 over 0.430): this is word spotting",
        "Only the joint ceiling bounds every system.",
        "1,200 utterances, 240 scored, hash 9f3c9f3c9f3c9f3c",
        "one hold-out, no speaker on both sides",
        "weights of the last epoch (last)",
        "**Transductive**: no",
        "percentile bootstrap of 100 replicates over 24 speakers (at least 20)",
        "| masked tokens | 0.600 | 0.500 | +0.100 |",
        "Peak memory 1,500 MiB",
        "| **total** | **100.0** |",
        "*20 % of the labels*",
    ):
        assert expected in text, expected
    assert "text only passes" not in text
    assert "look for a leak" not in text
    assert "test" not in text.lower().replace("greatest", "")


def test_a_number_chosen_on_the_scored_items_is_never_called_test(tmp_path: Path) -> None:
    folders = [
        make_system(tmp_path / "a", "honest", 0.6, transductive=True),
        make_system(tmp_path / "b", "leaky", 0.8, selection="best_test"),
    ]
    text = report_text(tmp_path / "report", folders)
    assert "honest has the highest UA of those whose epoch was not chosen on the scored" in text
    assert "It was adapted, without labels, also on the scored groups." in text
    assert "it is behind leaky (−0." in text
    assert "leaky\N{NO-BREAK SPACE}†" in text
    assert "† The epoch was chosen on the scored items themselves" in text
    assert "honest\N{NO-BREAK SPACE}‡" in text
    assert "‡ Transductive" in text
    assert "selection differs: weights of the last epoch (last) or epoch chosen on" in text
    only = report_text(tmp_path / "only", folders[1:])
    assert "so this is not a test result" in only
    assert "no test result" not in only


def test_passing_the_joint_ceiling_is_suspicious(tmp_path: Path) -> None:
    text = report_text(tmp_path / "report", [make_system(tmp_path / "a", "oracle", 1.0)])
    assert "oracle passes the joint ceiling (0.920), which no honest system can" in text


def test_ceilings_bound_the_emotion_only(tmp_path: Path) -> None:
    folder = make_system(tmp_path / "a", "one", 0.6, target="speaker")
    (found,) = comparisons(read_systems([folder], **FAST))
    assert found.ceilings == {}
    nested = {"joint": {"wa": 0.9, "ua": 0.91}, "words": {"wa": 0.4, "ua": 0.41}}
    folder = make_system(tmp_path / "b", "two", 0.6, ceilings=nested)
    (found,) = comparisons(read_systems([folder], **FAST))
    assert (found.ceiling_metric, found.ceilings) == ("ua", {"joint": 0.91, "words": 0.41})


def test_folds_and_seeds_show_pooled_values_and_single_runs(tmp_path: Path) -> None:
    folder = make_system(tmp_path / "a", "one", 0.6, folds=3, seeds=2)
    text = report_text(tmp_path / "report", [folder])
    assert "| System | UA | pooled |" in text
    assert "Small dots are single folds and seeds." in text
    assert "grey lines are single folds and seeds" in text
    assert "**Folds × seeds**: 3 × 2" in text
    assert "**Counts**: 960 train, 0 valid, 80 scored per fold" in text


def test_values_are_ranked_by_the_smallest_error(tmp_path: Path) -> None:
    folders = [
        make_system(tmp_path / "a", "near", 0.9, value=True),
        make_system(tmp_path / "b", "far", 0.2, value=True),
    ]
    text = report_text(tmp_path / "report", folders)
    assert text.startswith("# Sentiment on twokey")
    assert "near has the lowest MAE" in text
    assert "it is ahead of far (−" in text
    assert "| Acc2 (≥ 0) | Acc2 (≠ 0) |" in text
    assert "ceiling" not in text


def test_only_the_best_figure_is_bold(tmp_path: Path) -> None:
    folders = [make_system(tmp_path / x, x, 0.9 if x == "b" else 0.4) for x in "ab"]
    files = write_report(folders, tmp_path / "report", **FAST)
    table = files.markdown.read_text(encoding="utf-8").split("| System |")[1].splitlines()[2:4]
    first, second = (line.split(" | ") for line in table)
    assert (first[0], "**" in "".join(first)) == ("| a", False)
    assert [cell.startswith("**") for cell in second] == [False, True, *[False] * (len(second) - 2)]
    assert f"<strong>{second[1][2:7]}</strong>" in files.html.read_text(encoding="utf-8")


def test_several_questions_get_several_parts(tmp_path: Path) -> None:
    folders = [
        make_system(tmp_path / "a", "one", 0.6),
        make_system(tmp_path / "b", "two", 0.5, value=True),
    ]
    text = report_text(tmp_path / "report", folders)
    assert text.startswith("# Report on 2 tasks\n\n# Emotion on twokey")
    assert "\n# Sentiment on twokey" in text


def test_equal_names_are_told_apart_by_folder(tmp_path: Path) -> None:
    folders = [make_system(tmp_path / x, "CMT", 0.6) for x in "ab"]
    assert [s.name for s in read_systems(folders, **FAST)] == [f"CMT ({f})" for f in folders]


def test_names_are_escaped(tmp_path: Path) -> None:
    folder = make_system(tmp_path / "a", "<b>$x_1$ & | co</b>", 0.6)
    files = write_report([folder], tmp_path / "report", **FAST)
    page = files.html.read_text(encoding="utf-8")
    assert "<b>$x_1$" not in page
    assert "&lt;b&gt;$x_1$ &amp; | co&lt;/b&gt;" in page
    assert "&#124; co" in files.markdown.read_text(encoding="utf-8")


def test_any_script_is_drawn_without_warnings(tmp_path: Path) -> None:
    folder = make_system(tmp_path / "a", "系统 一 · سعيد", 0.6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        files = write_report([folder], tmp_path / "report", **FAST)
    assert "系统 一 · سعيد" in (files.figures / "r0-systems.svg").read_text(encoding="utf-8")


def test_predictions_without_facts_still_make_a_report(tmp_path: Path) -> None:
    folder = make_system(tmp_path / "a", "one", 0.6)
    (folder / "run.json").unlink()
    text = report_text(tmp_path / "report", [folder])
    assert "protocol not stated; selection rule not stated" in text
    assert "hash not stated" in text


def test_a_broken_log_is_named(tmp_path: Path) -> None:
    folder = make_system(tmp_path / "a", "one", 0.6)
    log = folder / "fold-0-seed-0" / "log.jsonl"
    log.write_text('{"event": "step", "step": 1, "loss": 1}\n{"event": "st', encoding="utf-8")
    with pytest.raises(CorpusError, match=r"log\.jsonl, line 2: expected one JSON object"):
        write_report([folder], tmp_path / "report", **FAST)


def test_the_same_run_sets_give_the_same_page(tmp_path: Path) -> None:
    folder = make_system(tmp_path / "a", "one", 0.6)
    pages = [write_report([folder], tmp_path / x, **FAST).html.read_bytes() for x in ("r", "s")]
    assert pages[0] == pages[1]
    assert np.frombuffer(pages[0], dtype=np.uint8).size > 10_000


def test_verification_is_reported_by_its_error_rate(tmp_path: Path) -> None:
    names = [f"{speaker}{k}" for speaker in "abcdef" for k in range(3)]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    folders = []
    for name, gain in (("strong", 40), ("weak", 20)):
        lines = [
            json.dumps(
                {
                    "enrol": a,
                    "test": b,
                    "target": a[0] == b[0],
                    "score": (k * 37) % 100 + gain * (a[0] == b[0]),
                    "fold": 0,
                    "seed": 0,
                    "split": "test",
                    "enrol_speaker": a[0],
                    "test_speaker": b[0],
                }
            )
            for k, (a, b) in enumerate(pairs)
        ]
        folder = tmp_path / name
        folder.mkdir()
        (folder / "predictions.jsonl").write_text("\n".join(lines), encoding="utf-8")
        facts = {"name": name, "protocol": {"headline": "eer", "target": "speaker"}}
        (folder / "run.json").write_text(json.dumps(facts), encoding="utf-8")
        folders.append(folder)
    text = report_text(tmp_path / "report", folders)
    assert "strong has the lowest EER, 0." in text
    assert "minDCF (0.01)" in text
    assert "153 trials of 6 speakers" in text
