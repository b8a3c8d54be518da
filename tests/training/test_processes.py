"""Runs in processes of their own: on two at once, and killed at any moment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from toy_training import CUTS, FSDP, ToyModel, uneven, uneven_fit

from crosstone.training import VOLATILE, read_log

TOY = Path(__file__).with_name("toy_training.py")
ROOT = Path(__file__).parents[2]


def run(*command: str) -> None:
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    env = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
    ended = subprocess.run(
        [sys.executable, *command],
        env=env,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-4000:]


def equal(first: Path, second: Path) -> bool:
    one, other = load_file(first), load_file(second)
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("processes")
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    run(*torchrun, str(TOY), "processes", str(folder))
    return folder


@pytest.mark.parametrize("cut", CUTS)
def test_two_processes_learn_what_one_does(two_processes, tmp_path, cut):
    alone = uneven(tmp_path, **CUTS[cut][0]).state_dict()
    together = load_file(two_processes / f"{cut}.safetensors")
    for name in alone.keys() - {"passes"}:
        torch.testing.assert_close(together[name], alone[name], rtol=0, atol=1e-9)
    pairs = zip(
        read_log(two_processes / cut / "log.jsonl"), read_log(tmp_path / "log.jsonl"), strict=True
    )
    for line, line_alone in pairs:
        for key in ("event", "step", "loss", "parts", "grad_norm", "valid"):
            assert line.get(key) == pytest.approx(line_alone.get(key), abs=1e-9)


def test_shards_learn_what_whole_weights_do(two_processes, tmp_path):
    """FSDP, two layers sharded for themselves, the moving average scored and left."""
    alone = uneven(tmp_path, **FSDP).state_dict()
    together = load_file(two_processes / "fsdp.safetensors")
    for name in alone.keys() - {"passes"}:
        torch.testing.assert_close(together[name], alone[name], rtol=0, atol=1e-9)
    logs = read_log(two_processes / "fsdp" / "log.jsonl"), read_log(tmp_path / "log.jsonl")
    for line, line_alone in zip(*logs, strict=True):
        for key in ("event", "step", "loss", "grad_norm", "valid"):
            assert line.get(key) == pytest.approx(line_alone.get(key), abs=1e-9)


@pytest.mark.parametrize("name, spec", [("fewer", {}), ("fewer-fsdp", FSDP)])
def test_one_process_goes_on_where_two_were_cut_off(two_processes, tmp_path, name, spec):
    """The same batches from there on: the weights of a run on one process alone."""
    options = {key: value for key, value in spec.items() if key != "num_blocks"}
    resumed, out = ToyModel(num_blocks=spec.get("num_blocks", 0)), two_processes / name
    uneven_fit(out, resumed, options, resume=True)
    alone = uneven(tmp_path, **spec)
    for (key, weight), expected in zip(resumed.named_parameters(), alone.parameters(), strict=True):
        torch.testing.assert_close(weight, expected, rtol=0, atol=1e-9, msg=key)
    (change,) = [line for line in read_log(out / "log.jsonl") if line["event"] == "processes"]
    assert change == {"event": "processes", "step": 3, "was": 2, "processes": 1}


def test_two_processes_resume_bit_for_bit(two_processes):
    assert equal(two_processes / "whole.safetensors", two_processes / "resumed.safetensors")


def test_every_process_names_the_items_at_fault(two_processes):
    said = {(two_processes / f"nan-{rank}.txt").read_text() for rank in (0, 1)}
    (sentence,) = said
    assert "expected a finite loss, found nan on items " in sentence
    assert "item-4" in sentence


@pytest.mark.skipif(not hasattr(os, "fork"), reason="children are forked, to start in no time")
def test_a_run_killed_at_any_moment_ends_as_one_that_was_not(tmp_path):
    run(str(TOY), "killed", str(tmp_path))
    whole = [without_time(line) for line in read_log(tmp_path / "whole" / "log.jsonl")]
    assert len(whole) == 36
    for name in ("killed", "workers"):
        assert equal(tmp_path / name / "final.safetensors", tmp_path / "whole/final.safetensors")
        log = read_log(tmp_path / name / "log.jsonl")
        assert [without_time(line) for line in log] == whole
        assert [path.name for path in (tmp_path / name / "checkpoints").iterdir()] == [
            "step-00000024"
        ]
    assert int((tmp_path / "kills.txt").read_text()) >= 8


def without_time(line: dict) -> dict:
    return {key: value for key, value in line.items() if key not in VOLATILE}
