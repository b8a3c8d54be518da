import errno
import random

import numpy as np
import pytest
import torch
from safetensors import SafetensorError

from crosstone.errors import CheckpointError, CrosstoneError
from crosstone.training import checkpoint as module
from crosstone.training import clear_checkpoints
from crosstone.training.checkpoint import (
    Checkpoints,
    Position,
    Snapshot,
    capture_rng,
    restore_rng,
)


def snapshot(step: int = 1, **options) -> Snapshot:
    values = {"weights": {"w": torch.tensor([1.0, 2.0])}, "best": None, "state": {"x": [1]}}
    return Snapshot(position=Position(step=step), log_bytes=7, **{**values, **options})


def names(out) -> list[str]:
    return sorted(path.name for path in (out / "checkpoints").iterdir())


def test_what_is_saved_is_loaded(tmp_path):
    kept = Checkpoints(tmp_path, {"seed": 1, "betas": (0.9, 0.99)})
    best = {"w": torch.tensor([3.0])}
    averages = {"epoch-0": {"w": torch.tensor([4.0])}, "epoch-1": {"w": torch.tensor([5.0])}}
    position = Position(
        step=12, epoch=2, batch=3, samples=90, seconds=1.5, epoch_loss=0.1 + 0.2, best_epoch=1
    )
    state = {"rng": [capture_rng(torch.device("cpu"))], "optimizer": {"lr": (0.1, None)}}
    given = Snapshot(
        position=position,
        log_bytes=5,
        weights=snapshot().weights,
        best=best,
        state=state,
        averages=averages,
    )
    assert kept.save(given).name == "step-00000012"
    loaded = Checkpoints(tmp_path, {"seed": 1, "betas": (0.9, 0.99)}).load()
    assert loaded.position == position
    assert loaded.log_bytes == 5
    assert torch.equal(loaded.weights["w"], given.weights["w"])
    assert torch.equal(loaded.best["w"], best["w"])
    assert loaded.state["optimizer"] == state["optimizer"]
    assert loaded.averages == averages


def test_the_newest_are_kept_and_cleared_at_the_end(tmp_path):
    kept = Checkpoints(tmp_path, {}, keep=2)
    assert kept.load() is None
    for step in (9, 10, 100):
        kept.save(snapshot(step))
    assert names(tmp_path) == ["step-00000010", "step-00000100"]
    assert kept.load().position.step == 100
    clear_checkpoints(tmp_path)
    clear_checkpoints(tmp_path)
    assert not list(tmp_path.iterdir())


def test_another_run_is_refused_naming_every_difference(tmp_path):
    recorded = {"optim": {"lr": 0.1, "eps": None}, "seed": 1, "weights": {"a": [2, 3]}}
    Checkpoints(tmp_path, recorded).save(snapshot())
    found = {"optim": {"lr": 0.2, "eps": None}, "seed": 1, "weights": {"b": [2, 3]}}
    with pytest.raises(CheckpointError) as caught:
        Checkpoints(tmp_path, found).load()
    sentence = str(caught.value)
    assert "step-00000001: belongs to another run: optim.lr was 0.1, is 0.2; " in sentence
    assert "weights.a was [2, 3], is None; weights.b was None, is [2, 3]; resume with" in sentence
    assert "seed" not in sentence


@pytest.mark.parametrize("name", ["checkpoint.json", "weights.safetensors", "state.pt"])
@pytest.mark.parametrize("content", [None, b"", b"{}", b"nonsense"])
def test_a_damaged_checkpoint_is_named(tmp_path, name, content):
    kept = Checkpoints(tmp_path, {})
    path = kept.save(snapshot()) / name
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(
        CheckpointError, match=r"step-00000001: cannot be read \(\w+Error: .*\); remove"
    ):
        kept.load()


def full(*_args, **_options):
    raise OSError(errno.ENOSPC, "No space left on device")


def full_in_rust(*_args, **_options):
    raise SafetensorError("I/O error: No space left on device (os error 28)")


@pytest.mark.parametrize(
    "place, name, failing",
    [
        (module.torch, "save", full),
        (module.os, "replace", full),
        (module.os, "fsync", full),
        (module, "save_file", full_in_rust),
    ],
)
def test_a_full_disk_leaves_the_last_checkpoint_and_says_so(
    tmp_path, monkeypatch, place, name, failing
):
    kept = Checkpoints(tmp_path, {})
    with monkeypatch.context() as patched:
        patched.setattr(place, name, failing)
        with pytest.raises(
            CrosstoneError,
            match=r"step-00000001: could not be written .*no checkpoint was complete",
        ):
            kept.save(snapshot(1))
    kept.save(snapshot(1))
    with monkeypatch.context() as patched:
        patched.setattr(place, name, failing)
        with pytest.raises(CrosstoneError) as caught:
            kept.save(snapshot(2))
    sentence = str(caught.value)
    assert "step-00000002: could not be written" in sentence
    assert "No space left on device" in sentence
    assert "the last complete checkpoint, step-00000001, is intact" in sentence
    assert "--resume" in sentence
    assert names(tmp_path) == ["step-00000001"]


class Killed(BaseException):
    """Ends a process as SIGKILL does: nothing is tidied up."""


def test_what_a_kill_leaves_is_never_taken_for_a_checkpoint(tmp_path, monkeypatch):
    def killed(*_args, **_options):
        raise Killed

    kept = Checkpoints(tmp_path, {})
    kept.save(snapshot(1))
    for place, name in ((module.os, "replace"), (module.torch, "save")):
        with monkeypatch.context() as patched:
            patched.setattr(place, name, killed)
            with pytest.raises(Killed):
                kept.save(snapshot(2))
        assert names(tmp_path) == [".writing-step-00000002", "step-00000001"]
        assert kept.load().position.step == 1
    with monkeypatch.context() as patched:
        patched.setattr(module.shutil, "rmtree", killed)
        (tmp_path / "checkpoints" / ".writing-step-00000002").rename(tmp_path / "aside")
        with pytest.raises(Killed):
            kept.save(snapshot(2))
    assert names(tmp_path) == [".removing-step-00000001", "step-00000002"]
    kept.save(snapshot(3))
    assert names(tmp_path) == ["step-00000003"]


def test_random_numbers_continue_where_they_were_captured():
    def draw() -> list[float]:
        return [
            torch.rand(1).item(),
            np.random.rand(),  # noqa: NPY002
            np.random.randn(),  # noqa: NPY002
            random.random(),
            random.gauss(0, 1),
        ]

    draw()
    state = capture_rng(torch.device("cpu"))
    first = draw()
    assert draw() != first
    restore_rng(state, torch.device("cpu"))
    assert draw() == first
