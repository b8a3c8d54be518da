"""The benches run and compare equal things; nothing here is timed."""

import importlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from benchmarks import (
    answers,
    ctal_step,
    decoding,
    epoch,
    exported,
    growth,
    inference,
    measurement,
    padding,
    serve,
    startup,
    table,
)
from benchmarks import cmt_cached_step as cmt
from crosstone.cli import bench, main

ROOT = Path(__file__).parent.parent


def run_verb(*arguments: str) -> int:
    """The command's exit code."""
    with pytest.raises(SystemExit) as stopped:
        main(["bench", *arguments])
    return int(stopped.value.code or 0)


def test_each_bench_can_be_run() -> None:
    files = {path.stem for path in (ROOT / "benchmarks").glob("*.py")}
    assert set(table.BENCHES) <= files
    for name in table.BENCHES:
        assert callable(importlib.import_module(f"benchmarks.{name}").run)


def test_the_plain_step_has_the_same_losses_and_gradients() -> None:
    losses = ctal_step.check_equal(ctal_step.QUICK)
    assert len(losses) == 2
    assert losses[0][0] > 1.0
    ours = ctal_step.Ours(ctal_step.QUICK, dropout=0.0)
    plain = ctal_step.Plain(ctal_step.QUICK, dropout=0.0)
    ours.step()
    plain.step()
    theirs = dict(plain.model.named_parameters())
    compared = 0
    for name, weight in ours.model.named_parameters():
        if weight.grad is not None:
            other = theirs[ctal_step.plain_name(name)].grad
            torch.testing.assert_close(weight.grad, other, atol=1e-5, rtol=1e-5, msg=name)
            compared += 1
    assert compared == sum(weight.grad is not None for weight in theirs.values()) > 40


def test_a_difference_stops_the_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctal_step.Plain, "step", lambda side: float("nan"))
    with pytest.raises(ValueError, match="expected equal losses"):
        ctal_step.check_equal(ctal_step.QUICK)


def test_flops_are_those_of_the_step() -> None:
    shape = ctal_step.Shape(batch=1, frames=300, width=64, layers=2, heads=4, vocabulary=50)
    places, width = 300, 64
    whole_block = places * (14 * width**2) + 2 * places**2 * width
    gflops = ctal_step.count_flops(shape)
    assert 6 * whole_block / 1e9 < gflops < 6 * 2 * whole_block / 1e9  # the second block in part


def test_cached_states_give_the_losses_of_the_encoders() -> None:
    assert len(cmt.check_equal(cmt.QUICK)) == 2


def test_batched_probabilities_equal_those_of_plain_transformers() -> None:
    sides = inference.Sides(cmt.QUICK, 2)
    inference.check_equal(sides)
    products = sum(2 * m * k * n for m, k, n in inference.linear_layers(sides, cmt.QUICK)) / 1e9
    assert sides.gflop > products > 0.001


def test_an_epoch_takes_every_clip_once_however_it_is_batched() -> None:
    epoch.check_equal(12, "logmel-mini")


def test_a_few_batches_stand_for_an_epoch() -> None:
    lengths = epoch.like_librispeech(20_000)
    for plan in epoch.make_plans(lengths, epoch.BATCH_SECONDS):
        whole, drawn = plan.batches(1), epoch.drawn_from(plan, lengths, 12)
        assert len(drawn) == 12 < len(whole)
        shares = [epoch.share_padded(batches, lengths) for batches in (drawn, whole)]
        assert abs(shares[0] - shares[1]) < 0.03
        heard = [sum(map(len, batches)) / len(batches) for batches in (drawn, whole)]
        assert abs(heard[0] - heard[1]) < 0.1 * heard[1]


def test_padding_by_hand_and_by_how_batches_are_cut() -> None:
    assert epoch.share_padded([[0, 1], [2]], np.float32([1.0, 3.0, 2.0])) == 0.25
    rows = padding.run(quick=True)
    assert [row.met for row in rows] == [True, True, None]
    assert all(row.ours < 0.2 < (row.against or 0) for row in rows)


def test_decoded_samples_are_the_decoders(tmp_path: Path) -> None:
    paths = decoding.write_recordings(tmp_path, 2, 1.0)
    decoding.check_equal(paths)
    assert 0.2 < paths[0].stat().st_size / 32_000 < 0.8
    assert decoding.make_features(paths, decoding.CTALFeatures()) == 2 * 81


def test_a_clip_of_the_demo_has_one_answer_alone_and_beside_others(tmp_path: Path) -> None:
    answers.check_equal(answers.make_predictor(), answers.write_clips(tmp_path, 3, 0.5))


@pytest.mark.parametrize("kind", ["text", "audio", "pair"])
def test_what_an_exported_model_is_timed_against_answers_alike(kind: str) -> None:
    clip = exported.make_clip(kind, exported.QUICK)
    (answer,) = exported.make_predictor(kind, exported.QUICK).answers([clip])
    assert set(answer.probabilities or {}) == set(exported.LABELS)
    assert answer.used == {"pair": ("audio", "text")}.get(kind, (kind,))


def test_a_crowd_asks_the_server_itself() -> None:
    found = {row.what.split(",")[0]: row for row in serve.measure(20, warm=4, clients=3)}
    refused = found["answers other than 200"]
    assert (refused.ours, refused.met) == (0, True)
    assert found["seconds to an answer"].ours > 0
    assert found["MiB the server holds"].ours > 50


def test_growth_stages_do_their_work(tmp_path: Path) -> None:
    growth.write_table(tmp_path / "table.csv", 30)
    for stage in (growth.prepare, growth.check, growth.sampling):
        assert stage(str(tmp_path))["seconds"] > 0


def test_a_child_reports_its_own_peak(tmp_path: Path) -> None:
    growth.write_table(tmp_path / "table.csv", 30)
    held = np.ones(2**26)  # 512 MiB of the parent's, no concern of the child's
    found = measurement.in_child("growth", "prepare", folder=str(tmp_path))
    assert 0 < found["base_mib"] <= found["peak_mib"] < held.nbytes / 2**20


def test_ratios_are_of_neighbours_and_goals_know_their_side() -> None:
    compared = measurement.Compared([1.0, 2.0, 1.0], [2.0, 8.0, 3.0])
    assert compared.ratio == 3.0
    assert compared.spread == (2.0, 4.0)
    assert compared.processor_ratio is None
    worked = measurement.Compared([1.0], [1.0], [(1.0, 2.0), (2.0, 2.0), (1.0, 3.0)])
    assert worked.processor_ratio == 2.0
    order: list[str] = []
    measurement.compare(lambda: order.append("a"), lambda: order.append("b"), repeats=2)
    assert "".join(order) == "ababba"
    row = measurement.Row(bench="x", what="y", ours=1.0, ratio=0.7, goal=measurement.Goal(value=1))
    assert row.met is False
    assert row.as_dict()["goal"] == "≥ 1"
    lean = measurement.Goal(value=0.6, at_least=False)
    assert measurement.Row(bench="x", what="y", ours=0.5, goal=lean).met is True


def test_the_verb_prints_a_table_and_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    goal = measurement.Goal(value=2)
    row = measurement.Row(bench="startup", what="s", ours=0.3, ratio=1.5, goal=goal, notes=("n",))
    monkeypatch.setattr(startup, "run", lambda quick: [row])
    assert run_verb("startup", "--quick", "--json") == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert found["rows"][0]["ratio"] == 1.5
    assert found["rows"][0]["met"] is False
    assert {"processor", "cores", "threads", "torch", "load_average", "gemm_gflops"} <= set(
        found["machine"]
    )
    monkeypatch.setenv("COLUMNS", "160")
    assert run_verb("startup", "--quick") == 0
    printed = capsys.readouterr().out
    assert "≥ 2, missed" in printed
    assert "startup: n" in printed
    assert "GFLOP/s" in printed


def test_the_verb_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run_verb("nothing") == 2
    assert "expected ctal_step, cmt_cached_step" in " ".join(capsys.readouterr().err.split())
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    assert run_verb() == 2
    assert "clone the repository" in " ".join(capsys.readouterr().err.split())
