"""Training on shards that can only be read forward: every item, and after a stop the same."""

from pathlib import Path

import numpy as np
import pytest
import torch
from toy_training import ToyItems, ToyModel, ToyObjective, collate

from crosstone.data.streaming import StreamPlan
from crosstone.errors import ConfigError
from crosstone.training import OptimSpec, TrainingSpec, fit, read_log


class Shards(ToyItems):
    """Twenty items in five shards; tells who asked for which."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[int] = []

    def __getitem__(self, index: int) -> tuple[str, torch.Tensor, torch.Tensor]:
        self.asked.append(index)
        return super().__getitem__(index)

    def plan(self, **options: int) -> StreamPlan:
        return StreamPlan(starts=np.arange(0, 21, 4), lengths=self.lengths, **options)


def train(out: Path, items: Shards, resume: bool = False, stop: int | None = None, **fields: float):
    training = {"batch_size": 4, "micro_batch_size": 2, "epochs": 3, "checkpoint_every": 2}
    model = ToyModel(dropout=0.2)
    fit(
        model,
        items=items,
        collate=collate,
        objective=ToyObjective(stop),
        training=TrainingSpec(**{**training, "cpu": True, **fields}),
        optim=OptimSpec(lr=0.02),
        out=out,
        seed=3,
        resume=resume,
    )
    return model.state_dict()


def test_a_stream_is_trained_on_and_goes_on_after_a_stop(tmp_path: Path) -> None:
    whole = Shards()
    weights = train(tmp_path / "whole", whole)
    assert sorted(whole.asked) == sorted(3 * list(range(20)))
    with pytest.raises(InterruptedError):
        train(tmp_path / "cut", Shards(), stop=2)
    rest = Shards()
    again = train(tmp_path / "cut", rest, resume=True)
    assert len(rest.asked) < len(whole.asked)
    for name, weight in weights.items():
        assert torch.equal(again[name], weight)
    (start, *_) = read_log(tmp_path / "whole" / "log.jsonl")
    assert start["stream"] == 1  # another number of processes would be another run


def test_a_stream_takes_no_budget_of_seconds(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="a stream expects batch_size and micro_batch_size"):
        train(tmp_path, Shards(), micro_batch_size=None, micro_batch_seconds=9.0)
