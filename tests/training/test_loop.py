import errno
import math

import pytest
import torch
from toy_training import (
    SECONDS,
    ToyItems,
    ToyModel,
    ToyObjective,
    collate,
    toy_fit,
    toy_score,
    uneven,
)

from crosstone.data.sampling import BatchPlan
from crosstone.errors import AudioError, CheckpointError, ConfigError, CrosstoneError
from crosstone.training import OptimSpec, TrainingSpec, clear_checkpoints, read_log
from crosstone.training.log import RunLog
from crosstone.training.step import Stepper


def lines(out, event: str) -> list[dict]:
    return [line for line in read_log(out / "log.jsonl") if line["event"] == event]


def same(first: torch.nn.Module, second: torch.nn.Module, atol: float = 0.0) -> bool:
    pairs = zip(first.parameters(), second.parameters(), strict=True)
    return all(torch.allclose(a, b, rtol=0, atol=atol) for a, b in pairs)


def test_two_epochs_equal_a_loop_written_out(tmp_path):
    trained = ToyModel()
    result = toy_fit(tmp_path, model=trained, training={"epochs": 2, "precision": "float64"})
    assert (result.steps, result.samples) == (8, 40)

    model, items, objective = ToyModel().double().train(), ToyItems(), ToyObjective()
    spec = OptimSpec(lr=0.02, warmup=0.2, clip=1.0)
    optimizer = torch.optim.AdamW(
        [
            {"params": [model.frame.weight, model.head.weight]},
            {"params": [*model.norm.parameters(), model.mark], "weight_decay": 0.0},
            {"params": [model.frame.bias, model.head.bias], "weight_decay": 0.0},
        ],
        weight_decay=0.01,
    )
    step, losses, norms = 0, [], []
    for epoch in (1, 2):
        order = BatchPlan(items=20, batch_size=6, seed=3).order(epoch)
        for at in range(0, 20, 6):
            batch = collate([items[int(i)] for i in order[at : at + 6]])
            batch = objective.corrupt(batch, seed=3, epoch=epoch).to("cpu", torch.float64)
            output = model(**batch.inputs())
            loss = (output["value"] - batch.target).square().mean()
            if batch.hidden.any():
                rows = output["states"][batch.hidden]
                loss = loss + 0.5 * rows.square().sum(-1).mean()
            optimizer.zero_grad()
            loss.backward()
            trainable = [p for p in model.parameters() if p.requires_grad]
            norms.append(torch.nn.utils.clip_grad_norm_(trainable, 1.0).item())
            for group in optimizer.param_groups:
                group["lr"] = spec.rate(step, 8)
            optimizer.step()
            losses.append(loss.item())
            step += 1
    assert same(trained, model, atol=1e-12)
    assert [line["loss"] for line in lines(tmp_path, "step")] == pytest.approx(losses)
    assert [line["grad_norm"] for line in lines(tmp_path, "step")] == pytest.approx(norms)
    means = [sum(losses[:4]) / 4, sum(losses[4:]) / 4]
    assert [line["loss"] for line in lines(tmp_path, "epoch")] == pytest.approx(means)


def test_micro_batches_change_nothing(tmp_path):
    whole = uneven(tmp_path / "whole")
    for size in (1, 3, 8, 50):
        assert same(whole, uneven(tmp_path / str(size), micro_batch_size=size), atol=1e-12)
    assert not torch.allclose(whole.mark, ToyModel().double().mark)


def test_a_budget_of_seconds_is_cut_without_changing_anything(tmp_path):
    whole = uneven(tmp_path / "whole", **SECONDS)
    for name, cut in {
        "seconds": {"micro_batch_seconds": 4.0},
        "two": {"micro_batch_size": 2},
    }.items():
        assert same(whole, uneven(tmp_path / name, **SECONDS, **cut), atol=1e-12)
    assert not same(whole, uneven(tmp_path / "count"))
    (start,) = lines(tmp_path / "whole", "start")
    plan = BatchPlan(items=17, seed=3, batch_seconds=14.0, lengths=ToyItems(17).lengths, pool=2)
    assert start["steps"] == plan.num_steps([1, 2]) == lines(tmp_path / "whole", "end")[0]["step"]


def test_what_is_frozen_or_unused_stays(tmp_path):
    model = ToyModel()
    toy_fit(tmp_path, model=model)
    assert torch.equal(model.frozen.weight, ToyModel().frozen.weight)
    assert torch.equal(model.idle, ToyModel().idle)
    assert not torch.equal(model.head.weight, ToyModel().head.weight)


def test_steps_may_end_within_an_epoch(tmp_path):
    result = toy_fit(
        tmp_path, model=ToyModel(), training={"epochs": None, "steps": 6}, score=toy_score
    )
    assert (result.steps, result.samples) == (6, 32)
    assert [(line["epoch"], line["step"]) for line in lines(tmp_path, "epoch")] == [(1, 4), (2, 6)]


def test_log_says_what_ran(tmp_path):
    told = []
    toy_fit(
        tmp_path,
        model=ToyModel(),
        training={"log_every": 5},
        score=toy_score,
        watch="error",
        probe=lambda model, step: {"step_seen": float(step)},
        probe_every=4,
        progress=lambda done, total, info: told.append((done, total, info["epoch"])),
        identity={"corpus": "abc"},
    )
    (start,) = lines(tmp_path, "start")
    assert (start["processes"], start["items"], start["steps"], start["seed"]) == (1, 20, 12, 3)
    assert start["identity"] == {"corpus": "abc"}
    assert start["optim"]["lr"] == 0.02
    assert start["weights"] == {"trainable": 3 * 8 + 8 + 2 * 8 + 8 + 1 + 3 + 2}
    steps = lines(tmp_path, "step")
    assert [(line["step"], line["epoch"]) for line in steps] == [(5, 2), (10, 3), (12, 3)]
    for line in steps:
        assert line["loss"] == line["parts"]["value"] + 0.5 * line["parts"]["size"]
        assert 0 < line["padding"] < 1
        assert line["samples_per_second"] > 0
        assert line["speech_per_second"] > 0
        assert line["seconds_left"] >= 0
        assert "utilisation" not in line
        assert line["lr"] == OptimSpec(lr=0.02, warmup=0.2).rate(line["step"] - 1, 12)
    assert [line["samples"] for line in steps] == [26, 52, 60]
    assert steps[-1]["speech"] == 3 * (1 + 2 + 3 + 4 + 5) * 4
    assert steps[-1]["seconds_left"] == 0
    assert [line["step_seen"] for line in lines(tmp_path, "probe")] == [4.0, 8.0, 12.0]
    assert [line["valid"].keys() for line in lines(tmp_path, "epoch")] == [{"error"}] * 3
    assert lines(tmp_path, "end")[0]["step"] == 12
    assert told == [(step, 12, (step + 3) // 4) for step in range(1, 13)]


def test_looking_at_the_model_does_not_change_its_training(tmp_path):
    plain, watched = ToyModel(dropout=0.4), ToyModel(dropout=0.4)
    toy_fit(tmp_path / "plain", model=plain)
    toy_fit(
        tmp_path / "watched",
        model=watched,
        score=toy_score,
        probe=lambda model, _step: toy_score(model),
        probe_every=1,
    )
    assert same(plain, watched)


def scripted(values: list[float], seen: list[torch.Tensor]):
    def score(model: ToyModel) -> dict[str, float]:
        seen.append(model.head.weight.detach().clone())
        return {"ua": values[len(seen) - 1]}

    return score


@pytest.mark.parametrize("higher, best", [(True, 2), (False, 1)])
def test_the_best_epoch_is_left_in_the_model(tmp_path, higher, best):
    model, seen = ToyModel(), []
    result = toy_fit(
        tmp_path,
        model=model,
        training={"epochs": 4},
        score=scripted([0.3, 0.7, 0.5, 0.7], seen),
        selection="best",
        watch="ua",
        higher_is_better=higher,
    )
    assert result.best_epoch == best
    assert result.best_score == {1: 0.3, 2: 0.7}[best]
    assert torch.equal(model.head.weight, seen[best - 1])


def test_the_last_epoch_is_left_by_default(tmp_path):
    model, seen = ToyModel(), []
    score = scripted([0.3, 0.7, 0.5], seen)
    result = toy_fit(tmp_path, model=model, score=score, watch="ua", higher_is_better=True)
    assert result.best_epoch == 2
    assert torch.equal(model.head.weight, seen[-1])
    other = toy_fit(tmp_path / "b", model=ToyModel(), score=scripted([0.3, 0.7, 0.5], []))
    assert (other.best_epoch, other.best_score) == (None, None)


def test_scores_are_taken_when_due_and_at_the_end(tmp_path):
    toy_fit(
        tmp_path,
        model=ToyModel(),
        training={"epochs": 5, "eval_every_epochs": 2},
        score=toy_score,
    )
    assert ["valid" in line for line in lines(tmp_path, "epoch")] == [
        *(False, True, False, True),
        True,
    ]


def test_a_plateau_lowers_the_rate(tmp_path):
    toy_fit(
        tmp_path,
        model=ToyModel(),
        training={"epochs": 4},
        optim={"schedule": "plateau", "plateau_patience": 1, "lr": 0.1, "warmup": 0.0},
        score=scripted([1.0, 1.0, 1.0, 1.0], []),
        watch="ua",
    )
    rates = [line["lr"] for line in lines(tmp_path, "step")]
    assert rates == pytest.approx([0.1] * 12 + [0.01] * 4)


@pytest.mark.parametrize("options", [{"selection": "best"}, {"optim": {"schedule": "plateau"}}])
def test_watching_needs_a_score_that_is_there_and_finite(tmp_path, options):
    with pytest.raises(ConfigError, match="expects validation scores, found none"):
        toy_fit(tmp_path / "a", model=ToyModel(), **options)
    with pytest.raises(CrosstoneError, match=r"epoch 1: expected a finite .* 'loss', found error;"):
        toy_fit(tmp_path / "b", model=ToyModel(), score=toy_score, **options)
    score = scripted([math.nan], [])
    with pytest.raises(CrosstoneError, match=r"epoch 1: expected a finite .* 'ua', found nan; "):
        toy_fit(tmp_path / "c", model=ToyModel(), score=score, watch="ua", **options)


@pytest.mark.parametrize("precision", ["bf16", "float64", "float32"])
def test_precisions_follow_each_other_and_leave_the_model_bare(tmp_path, precision):
    model = ToyModel()
    seen = set()

    def score(scored: ToyModel) -> dict[str, float]:
        with torch.no_grad():
            hidden = []
            handle = scored.frame.register_forward_hook(lambda _m, _i, out: hidden.append(out))
            error = toy_score(scored)
            handle.remove()
        seen.update(out.dtype for out in hidden)
        return error

    toy_fit(
        tmp_path,
        model=model,
        training={
            **{"precision": precision, "epochs": 40},
            **{"eval_every_epochs": 40, "checkpoint_every": 1000},
        },
        score=score,
    )
    computed = {"bf16": torch.bfloat16, "float64": torch.float64}
    assert seen == {computed.get(precision, torch.float32)}
    kept = torch.float64 if precision == "float64" else torch.float32
    assert {weight.dtype for weight in model.parameters()} == {kept}
    assert "forward" not in model.__dict__
    assert not hasattr(model, "_is_accelerate_prepared")
    losses = [line["loss"] for line in lines(tmp_path, "epoch")]
    assert sum(losses[-5:]) < 0.7 * sum(losses[:5])


def test_a_precision_the_device_lacks_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="expected float32, bf16 or float64 on cpu, found fp16"):
        toy_fit(tmp_path, model=ToyModel(), training={"precision": "fp16"})


def test_a_loss_that_is_not_finite_stops_before_the_weights_move(tmp_path):
    model = ToyModel()
    order = BatchPlan(items=20, batch_size=6, seed=3).order(1)
    items = ToyItems(broken=int(order[7]))
    with pytest.raises(CrosstoneError) as caught:
        toy_fit(tmp_path, model=model, items=items, training={"micro_batch_size": 2})
    ids = ", ".join(f"item-{i}" for i in order[6:8])
    assert f"step 2: expected a finite loss, found nan on items {ids}; look at" in str(caught.value)
    assert all(weight.isfinite().all() for weight in model.parameters())
    assert [line["step"] for line in lines(tmp_path, "step")] == [1]


def test_of_many_items_eight_are_named(tmp_path):
    with pytest.raises(CrosstoneError, match=r"on items (item-\d+, ){7}item-\d+ …; look at"):
        toy_fit(tmp_path, model=ToyModel(), items=ToyItems(broken=0), training={"batch_size": 20})


def test_gradients_that_are_not_finite_stop_too(tmp_path):
    model = ToyModel()
    model.head.weight.register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(CrosstoneError, match="step 1: expected a finite norm of the gradients"):
        toy_fit(tmp_path, model=model)
    assert torch.equal(model.frame.weight, ToyModel().frame.weight)


def test_an_item_that_cannot_be_read_stops_with_its_sentence(tmp_path):
    with pytest.raises(AudioError, match=r"^item 4: expected sound, found silence$"):
        toy_fit(tmp_path, model=ToyModel(), items=ToyItems(faulty=4))


def test_nothing_to_train_on_or_with(tmp_path):
    with pytest.raises(CrosstoneError, match="expected items to train on, found none"):
        toy_fit(tmp_path, model=ToyModel(), items=ToyItems(0))
    with pytest.raises(CrosstoneError, match="ToyModel: expected parameters to train"):
        toy_fit(tmp_path, model=ToyModel().requires_grad_(False))


def test_a_finished_run_gives_its_weights_at_once(tmp_path):
    model, again = ToyModel(dropout=0.2), ToyModel(dropout=0.2)
    options = {"score": toy_score, "watch": "error", "selection": "best", "resume": True}
    result = toy_fit(tmp_path, model=model, **options)
    log = (tmp_path / "log.jsonl").read_bytes()
    assert toy_fit(tmp_path, model=again, items=ToyItems(faulty=0), **options) == result
    assert same(model, again)
    assert (tmp_path / "log.jsonl").read_bytes() == log
    clear_checkpoints(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


def test_an_earlier_run_is_neither_overwritten_nor_mixed_with_another(tmp_path):
    toy_fit(tmp_path, model=ToyModel())
    with pytest.raises(CheckpointError, match="step-00000012: expected no checkpoint of an earl"):
        toy_fit(tmp_path, model=ToyModel())
    with pytest.raises(CheckpointError) as caught:
        toy_fit(
            tmp_path,
            model=ToyModel(),
            training={"batch_size": 5, "workers": 0, "checkpoint_every": 50},
            optim={"lr": 0.5},
            seed=4,
            items=ToyItems(19),
            resume=True,
        )
    sentence = str(caught.value)
    for difference in (
        "items was 20, is 19",
        "optim.lr was 0.02, is 0.5",
        "seed was 3, is 4",
        "training.batch_size was 6, is 5",
    ):
        assert difference in sentence
    assert "checkpoint_every" not in sentence
    changed = ToyModel()
    with torch.no_grad():
        changed.frozen.bias[0] = 9.0
    with pytest.raises(CheckpointError, match=r"weights\.frozen was \w{8}, is \w{8}"):
        toy_fit(tmp_path, model=changed, resume=True)


class FullDisk:
    def write(self, _line: memoryview) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    def close(self) -> None:
        pass


def test_a_disk_full_for_the_log_stops_and_resuming_goes_on(tmp_path, monkeypatch):
    write = RunLog.write

    def until_full(log: RunLog, event: str, **values) -> None:
        if values.get("step") == 8:
            log._file.write(b'{"event": "st')  # what fitted
            log._file = FullDisk()
        write(log, event, **values)

    with monkeypatch.context() as patched:
        patched.setattr(RunLog, "write", until_full)
        with pytest.raises(CrosstoneError) as caught:
            toy_fit(tmp_path / "cut", model=ToyModel(dropout=0.2))
    assert str(caught.value).endswith(
        "log.jsonl: could not be written (No space left on device); the last complete checkpoint, "
        "step-00000006, is intact: make room and start again with --resume"
    )
    resumed, whole = ToyModel(dropout=0.2), ToyModel(dropout=0.2)
    toy_fit(tmp_path / "cut", model=resumed, resume=True)
    toy_fit(tmp_path / "whole", model=whole)
    assert same(resumed, whole)
    assert len(read_log(tmp_path / "cut" / "log.jsonl")) == 12 + 3 + 2


def test_spec_lists_its_faults():
    with pytest.raises(ConfigError) as caught:
        TrainingSpec(batch_size=0, workers=-1, epochs=2, steps=3)
    assert str(caught.value) == (
        "batch_size expects 1 or more, found 0; workers expects 0 or more, found -1; exactly one "
        "of epochs and steps is expected, found epochs 2 and steps 3"
    )
    with pytest.raises(ConfigError, match="found epochs None and steps None"):
        TrainingSpec()
    with pytest.raises(ConfigError) as caught:
        TrainingSpec(steps=1, batch_seconds=-2, max_batch_items=0)
    assert str(caught.value) == (
        "max_batch_items expects 1 or more, found 0; batch_seconds expects a number above 0, found "
        "-2; exactly one of batch_size and batch_seconds is expected, found batch_size 16 and "
        "batch_seconds -2"
    )
    with pytest.raises(ConfigError) as caught:
        TrainingSpec(
            steps=1, ema=1.0, average_checkpoints=0, spike_factor=1, fsdp=True, precision="fp16"
        )
    assert str(caught.value) == (
        "average_checkpoints expects 1 or more, found 0; spike_factor expects a number above 1, "
        "found 1; ema expects a decay in (0, 1), found 1.0; ema and average_checkpoints are two "
        "ways to average; choose one; fsdp expects precision float32, bf16 or float64, found fp16"
    )
    with pytest.raises(ConfigError, match="max_batch_items bounds batch_seconds, found none"):
        TrainingSpec(steps=1, max_batch_items=3)


def test_seconds_are_not_counted_of_what_is_only_read(tmp_path):
    items = ToyItems()
    items.hears = False
    with pytest.raises(ConfigError, match="expect recordings, whose seconds they count"):
        toy_fit(tmp_path, model=ToyModel(), items=items, training=SECONDS)


AVERAGED: dict[str, dict] = {"ema": {"ema": 0.8}, "epochs": {"average_checkpoints": 2}}


@pytest.mark.parametrize("name", AVERAGED)
def test_averaged_weights_are_scored_left_and_taken_up_again(tmp_path, name):
    """Training goes its way as without; what is scored is what is left; a resumed run is equal."""
    spec, seen = {"epochs": 3, **AVERAGED[name]}, []

    def score(model: ToyModel) -> dict[str, float]:
        seen.append(model.head.weight.detach().clone())
        return toy_score(model)

    whole, plain, resumed = (ToyModel(dropout=0.3) for _ in range(3))
    toy_fit(tmp_path / "whole", model=whole, training=spec, score=score)
    ends = []
    toy_fit(
        tmp_path / "plain",
        model=plain,
        training={"epochs": 3},
        score=lambda model: ends.append(model.head.weight.detach().clone()) or toy_score(model),
    )
    losses = [[x["loss"] for x in lines(tmp_path / n, "step")] for n in ("whole", "plain")]
    assert losses[0] == losses[1]
    assert torch.equal(whole.head.weight, seen[-1])
    assert not torch.equal(whole.head.weight, plain.head.weight)
    if name == "epochs":
        torch.testing.assert_close(whole.head.weight, (ends[1] + ends[2]) / 2, rtol=0, atol=1e-7)
        assert torch.equal(seen[0], ends[0])
    for stop in (2, 3):
        with pytest.raises(InterruptedError):
            toy_fit(
                tmp_path / "cut",
                model=ToyModel(dropout=0.3),
                training=spec,
                score=toy_score,
                objective=ToyObjective(stop_in_epoch=stop),
                resume=True,
            )
    toy_fit(tmp_path / "cut", model=resumed, training=spec, score=toy_score, resume=True)
    assert same(whole, resumed)
    valid = [[x["valid"] for x in lines(tmp_path / n, "epoch")] for n in ("whole", "cut")]
    assert valid[0] == valid[1]
    again = ToyModel(dropout=0.3)
    toy_fit(tmp_path / "cut", model=again, training=spec, score=toy_score, resume=True)
    assert same(whole, again)


def test_the_best_epoch_may_be_an_average(tmp_path):
    model, seen = ToyModel(), []
    toy_fit(
        tmp_path,
        model=model,
        training={"epochs": 3, "ema": 0.5},
        score=scripted([0.3, 0.1, 0.5], seen),
        selection="best",
        watch="ua",
    )
    assert torch.equal(model.head.weight, seen[1])


class Leaping(ToyObjective):
    """Its loss is a thousandfold on one item from the fifth epoch on."""

    epoch = 0

    def corrupt(self, batch, *, seed: int, epoch: int):
        self.epoch = epoch
        return super().corrupt(batch, seed=seed, epoch=epoch)

    def __call__(self, output, batch):
        loss = super().__call__(output, batch)
        if self.epoch >= 5 and "item-4" in batch.ids:
            value = loss.parts["value"]
            loss.parts["value"] = value._replace(sum=1000 * value.sum)
        return loss


def test_a_leap_stops_before_the_weights_move(tmp_path):
    model, spec = ToyModel(), {"epochs": 6, "spike_factor": 20.0}
    at = next(
        number
        for number, batch in enumerate(BatchPlan(items=20, batch_size=6, seed=3).batches(5), 17)
        if 4 in batch
    )
    with pytest.raises(CrosstoneError) as caught:
        toy_fit(tmp_path / "leap", model=model, objective=Leaping(), training=spec)
    sentence = str(caught.value)
    assert f"step {at}: expected a loss of at most 20 times its median of late, " in sentence
    assert "item-4" in sentence
    assert sentence.endswith("set optim.clip or raise training.spike_factor")
    (stopped,) = lines(tmp_path / "leap", "stopped")
    assert (stopped["step"], stopped["reason"]) == (at, sentence)
    assert sorted(stopped["items"]) == sorted(
        f"item-{i}" for i in BatchPlan(items=20, batch_size=6, seed=3).batches(5)[at - 17]
    )
    # the checkpoint before the leap is whole: the run goes on from it, and stops there again
    with pytest.raises(CrosstoneError) as caught:
        toy_fit(
            tmp_path / "leap", model=ToyModel(), objective=Leaping(), training=spec, resume=True
        )
    assert str(caught.value) == sentence
    assert all(weight.isfinite().all() for weight in model.parameters())


def test_utilisation_counts_operations_once_and_changes_nothing(tmp_path):
    plain, told = ToyModel(dropout=0.3), ToyModel(dropout=0.3)
    toy_fit(tmp_path / "plain", model=plain)
    spec = {"peak_tflops": 0.001, "micro_batch_size": None}
    toy_fit(tmp_path / "told", model=told, training=spec)
    assert same(plain, told)
    for line in lines(tmp_path / "told", "step"):
        assert 0 < line["utilisation"] < 1
    assert lines(tmp_path / "told", "start")[0]["peak_tflops"] == 0.001
    measured = ToyModel(dropout=0.3)
    toy_fit(tmp_path / "measured", model=measured, training={"peak_tflops": "measured"})
    assert same(plain, measured)


def test_operations_of_a_step_by_hand(tmp_path, monkeypatch):
    """Linear layers of 3 × 3 (frozen), 3 × 8 and 8 × 1, forwards and backwards."""
    taken, take = [], Stepper.take

    def noted(self, *args, **options):
        taken.append(take(self, *args, **options))
        return taken[-1]

    monkeypatch.setattr(Stepper, "take", noted)
    whole = {"epochs": None, "steps": 2, "batch_size": 20, "peak_tflops": 1.0}
    for name, size in (("whole", None), ("cut", 20)):
        spec = {**whole, "micro_batch_size": size}
        toy_fit(tmp_path / name, model=ToyModel(), training=spec)
    places = 20 * 5
    assert [(each.places, each.flops is None) for each in taken] == [
        *((places, False), (places, True)),
        *((places, False), (places, True)),
    ]
    frames = 2 * places * (3 * 3 + 2 * 3 * 8)  # the input's gradient is asked for nowhere
    heads = 2 * 20 * 3 * 8
    mark = 2 * places * (3 * 8)  # but where a frame is hidden
    assert taken[0].flops in (frames + heads, frames + heads + mark)
    assert taken[2].flops == taken[0].flops


def test_trackers_are_told_or_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"trackers: expected some of aim, .*, found tensorbord"):
        toy_fit(tmp_path / "a", model=ToyModel(), training={"trackers": ("tensorbord",)})
    with pytest.raises(ConfigError, match=r"dvclive is not installed; pip install 'crosstone\[tr"):
        toy_fit(tmp_path / "b", model=ToyModel(), training={"trackers": ("dvclive",)})


def test_tensorboard_is_told_every_line(tmp_path):
    accumulators = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    plain, told = ToyModel(), ToyModel()
    toy_fit(tmp_path / "plain", model=plain)
    spec = {"trackers": ("tensorboard",)}
    toy_fit(tmp_path / "told", model=told, training=spec, score=toy_score)
    assert same(plain, told)
    events = accumulators.EventAccumulator(str(tmp_path / "told" / "crosstone"))
    events.Reload()
    expected = [line["loss"] for line in lines(tmp_path / "told", "step")]
    assert [scalar.value for scalar in events.Scalars("step/loss")] == pytest.approx(expected)
    assert {"step/parts.value", "step/lr", "epoch/valid.error"} <= set(events.Tags()["scalars"])


def test_one_process_shards_nothing(tmp_path):
    plain, alone = ToyModel(), ToyModel()
    toy_fit(tmp_path / "plain", model=plain)
    toy_fit(tmp_path / "alone", model=alone, training={"fsdp": True})
    assert same(plain, alone)
