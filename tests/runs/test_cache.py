"""Frozen encoders run once: the same losses and gradients, and nothing that is missing unsaid."""

import dataclasses
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from crosstone.data.batch import collate
from crosstone.data.cache import StateStore
from crosstone.data.corpus import Corpus
from crosstone.errors import ConfigError, CorpusError
from crosstone.inference.predictor import Predictor
from crosstone.nn.encoders import AudioEncoder, TextEncoder
from crosstone.runs.assembly import assemble
from crosstone.runs.cache import CachePlan, fill_cache, plan_cache
from crosstone.runs.codes import codes_of, make_codebook
from crosstone.runs.evaluate import evaluate
from crosstone.runs.items import make_items
from crosstone.runs.recipe import Recipe, load_recipe
from crosstone.runs.runset import run


class Stopped(BaseException):
    """Not an Exception, so that nothing on the way tidies up."""


@pytest.fixture
def corpus(noise_corpus: Callable[..., Path]) -> Corpus:
    return Corpus.open(noise_corpus())


def pretraining(encoders: Path, corpus: Corpus, *overrides: str) -> Recipe:
    book = encoders / "codes.safetensors"
    if not book.exists():
        make_codebook(corpus, book, stride=320, num_codes=8, sample=1.0)
    return load_recipe(
        "twokey-cmt-pretrain",
        [
            f"data.corpus={corpus.folder}",
            "data.split=null",
            f"model.audio_encoder={encoders / 'hubert'}",
            f"model.text_encoder={encoders / 'roberta'}",
            "model.config.mask_level=outputs",
            "model.config.freeze_audio=all",
            "model.config.freeze_text=all",
            "model.config.audio_layer=1",
            f"objectives.masked_audio.codebook={book}",
            "training.batch_size=6",
            "training.steps=4",
            *overrides,
        ],
    )


def fill(recipe: Recipe, root: Path) -> CachePlan:
    plan = plan_cache(recipe, root)
    fill_cache(plan, shard_bytes=20_000)
    return plan


def step(recipe: Recipe, corpus: Corpus) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Parts of the loss, and gradients, of one batch of unequal lengths."""
    built = assemble(recipe, corpus, None, 0)
    assert built.codebook is not None
    items = make_items(recipe, built, corpus, codes=codes_of(corpus, built.codebook))
    batch = collate([items[i] for i in (0, 4, 7, 9)])
    batch = built.objective.corrupt(batch, seed=0, epoch=1).to(torch.device("cpu"))
    built.model.train()
    parts = built.objective(built.model(**batch.inputs()), batch).parts
    sum(part.sum / part.count for part in parts.values()).backward()
    gradients = {n: p.grad for n, p in built.model.named_parameters() if p.grad is not None}
    return {name: part.sum.detach() for name, part in parts.items()}, gradients


@pytest.mark.parametrize("precision", ["float16", "float32"])
def test_losses_and_gradients_are_those_of_running_encoders(
    encoders: Path, corpus: Corpus, tmp_path: Path, precision: str
) -> None:
    root, kept = tmp_path / "states", f"data.cache_precision={precision}"
    plain = pretraining(encoders, corpus, kept)
    plan = fill(plain, root)
    assert [filling.modality for filling in plan.fillings] == ["audio", "text"]
    assert len(list(root.glob("audio-*/*.safetensors"))) > 1
    cached = pretraining(encoders, corpus, kept, f"data.encoder_cache={root}")
    losses, gradients = step(plain, corpus)
    losses_cached, gradients_cached = step(cached, corpus)
    rtol = 1e-3 if precision == "float16" else 1e-5
    assert losses.keys() == losses_cached.keys()
    for name, loss in losses.items():
        torch.testing.assert_close(losses_cached[name], loss, rtol=rtol, atol=0)
    assert gradients.keys() == gradients_cached.keys()
    for name, gradient in gradients.items():
        error = (gradients_cached[name] - gradient).norm()
        assert error <= 3 * rtol * gradient.norm() + 1e-7, name


def test_the_size_is_known_before_and_nothing_is_made_twice(
    encoders: Path, corpus: Corpus, tmp_path: Path
) -> None:
    root, recipe = tmp_path / "states", pretraining(encoders, corpus)
    plan = plan_cache(recipe, root)
    assert not root.exists()
    fill_cache(plan)
    size = sum(path.stat().st_size for path in root.rglob("*.safetensors"))
    assert plan.num_bytes <= size < plan.num_bytes + 4000  # headers
    audio, text = plan.fillings
    assert len(audio.rows) == 24
    assert len(text.rows) == 6  # equal texts are read once
    again = plan_cache(recipe, root)
    assert again.num_bytes == 0
    assert [filling.num_there for filling in again.fillings] == [24, 6]
    fill_cache(again)


def test_a_killed_filling_goes_on_where_shards_ended(
    encoders: Path, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crosstone.runs.cache._BATCH_ITEMS", 4)
    root, recipe = tmp_path / "states", pretraining(encoders, corpus)

    def stop(title: str, done: int, total: int) -> None:
        if title == "audio states" and done >= 12:
            raise Stopped

    with pytest.raises(Stopped):
        fill_cache(plan_cache(recipe, root), shard_bytes=5000, progress=stop)
    audio, _ = plan_cache(recipe, root).fillings
    assert 8 <= audio.num_there <= 12
    assert len(audio.rows) == 24 - audio.num_there
    fill(recipe, root)
    assert plan_cache(recipe, root).num_bytes == 0


def test_processes_share_the_work(
    encoders: Path, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that take every other batch leave together what one leaves."""
    monkeypatch.setattr("crosstone.runs.cache._BATCH_ITEMS", 4)
    recipe = pretraining(encoders, corpus)
    fill(recipe, tmp_path / "one")
    plan = plan_cache(recipe, tmp_path / "two")
    for rank in (0, 1):
        state = type(
            "State",
            (),
            {
                "process_index": rank,
                "num_processes": 2,
                "is_main_process": rank == 0,
                "device": torch.device("cpu"),
                "wait_for_everyone": lambda self: None,
            },
        )
        monkeypatch.setattr("crosstone.runs.cache.PartialState", state)
        fill_cache(plan)
    monkeypatch.undo()
    for filling in plan.fillings:
        one, two = (StateStore(tmp_path / n, filling.made_by) for n in ("one", "two"))
        keys = filling.items.keys(filling.modality)
        assert len(one) == len(two) == len(filling.rows)
        for key in keys.tolist():
            np.testing.assert_allclose(two[key], one[key], atol=2e-3)


def test_training_runs_no_encoder_and_leaves_the_same_model(
    encoders: Path, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Adaptation and fine-tuning, each over folds, as if waveforms were heard."""
    root = tmp_path / "states"
    reading = [f"data.encoder_cache={root}"]
    folds = "protocol={kind: grouped-kfold, unit: group, folds: 2, split: null, target: emotion}"
    keeping = ["data.cache_precision=float32", folds]
    fine = [
        f"data.corpus={corpus.folder}",
        "protocol.selection=best_valid",
        "model.config={freeze_audio: all, freeze_text: all, dropout: 0.0, attention_dropout: 0.0}",
        "training={batch_size: 6, steps: null, epochs: 2}",
        *keeping,
    ]

    def stages(name: str, *more: str) -> None:
        adapting = pretraining(encoders, corpus, "stage=adapt", *keeping, *more)
        run(adapting, tmp_path / name / "one")
        init = f"model.init={tmp_path / name / 'one'}"
        run(load_recipe("twokey-finetune", [*fine, init, *more]), tmp_path / name / "two")

    said = (
        r"states lacks the states of 24 of 24 recordings and 24 of 24 texts; make them with `cros"
    )
    with pytest.raises(CorpusError, match=said):
        stages("too-early", *reading)
    fill(pretraining(encoders, corpus, *keeping), root)
    stages("plain")
    with monkeypatch.context() as patch:
        for tower in (AudioEncoder, TextEncoder):
            patch.setattr(tower, "forward", lambda *_: pytest.fail("an encoder ran"))
        stages("cached", *reading)
    for folder in ("one/fold-0-seed-0/model", "two/fold-0-seed-0/model"):
        one, other = (
            load_file(tmp_path / name / folder / "model.safetensors")
            for name in ("plain", "cached")
        )
        assert one.keys() == other.keys()
        for name, weight in one.items():
            torch.testing.assert_close(other[name], weight, rtol=0, atol=5e-4, msg=name)
    plain, cached = (tmp_path / name / "two/fold-0-seed-0" for name in ("plain", "cached"))
    lines, expected = (
        [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]
        for folder in (cached, plain)
    )
    for line, wanted in zip(lines, expected, strict=True):
        assert line["probabilities"] == pytest.approx(wanted["probabilities"], abs=1e-5)
    recording = corpus.audio_path(corpus[0])
    one, other = (
        Predictor.load(folder).predict(recording, text="a good day").probabilities
        for folder in (plain, cached)
    )
    assert one == pytest.approx(other, abs=1e-5)


def test_an_evaluation_reads_what_the_recipe_kept(
    encoders: Path,
    corpus: Corpus,
    noise_corpus: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Within the 11 bits that float16 keeps; another corpus is heard and read."""
    root, other = tmp_path / "states", Corpus.open(noise_corpus(4, "other", seed=1))
    fill(pretraining(encoders, corpus), root)
    fields = "{freeze_audio: all, freeze_text: all, dropout: 0.0, audio_layer: 1}"
    recipe = load_recipe(
        "twokey-finetune",
        [
            f"data={{corpus: {corpus.folder}, encoder_cache: {root}}}",
            f"model.audio_encoder={encoders / 'hubert'}",
            f"model.text_encoder={encoders / 'roberta'}",
            f"model.config={fields}",
            "protocol={kind: grouped-kfold, unit: group, folds: 2, split: null, target: emotion}",
            "training={batch_size: 6, steps: 2}",
        ],
    )
    model = run(recipe, tmp_path / "run") / "fold-0-seed-0" / "model"
    shutil.copytree(model, tmp_path / "alone" / "model")  # no recipe beside it: all is heard
    evaluate(tmp_path / "alone" / "model", corpus, tmp_path / "heard")
    assert not [line for line in caplog.messages if "lacks" in line]
    with monkeypatch.context() as patch:
        for tower in (AudioEncoder, TextEncoder):
            patch.setattr(tower, "forward", lambda *_: pytest.fail("an encoder ran"))
        evaluate(model, corpus, tmp_path / "kept")
    kept, heard = (
        [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]
        for folder in (tmp_path / "kept", tmp_path / "heard")
    )
    for line, wanted in zip(kept, heard, strict=True):
        assert line["probabilities"] == pytest.approx(wanted["probabilities"], abs=1e-3)
    evaluate(model, other, tmp_path / "other-scores")
    (said,) = [line for line in caplog.messages if "lacks" in line]
    assert said.endswith("states lacks the states of 4 of 4 recordings; the audio encoder runs")


def test_what_is_heard_of_a_recording_tells_its_states(
    encoders: Path, corpus: Corpus, tmp_path: Path
) -> None:
    fill(pretraining(encoders, corpus), tmp_path)
    shorter = plan_cache(pretraining(encoders, corpus, "data.hear_seconds=0.41"), tmp_path)
    assert [filling.num_there for filling in shorter.fillings] == [0, 6]


def test_what_a_killed_filling_began_is_gone_after_the_next(
    encoders: Path, corpus: Corpus, tmp_path: Path
) -> None:
    (tmp_path / "audio-0").mkdir()
    begun = tmp_path / "audio-0" / ".0.elsewhere.1.tmp"
    begun.write_bytes(b"half")
    os.utime(begun, (0, 0))
    fill(pretraining(encoders, corpus), tmp_path)
    assert not begun.exists()


def test_workers_share_the_room_for_decoded_audio(encoders: Path, corpus: Corpus) -> None:
    recipe = pretraining(encoders, corpus, "data.cache_mib=3")
    built = assemble(recipe, corpus, None, 0)
    for workers, kept in ((0, 1), (3, 1), (4, 0)):
        items = make_items(recipe, built, corpus, workers=workers)
        assert items[0].audio is not None
        assert len(items.recordings._kept) == kept


def test_what_no_cache_can_keep_is_refused(encoders: Path, corpus: Corpus, tmp_path: Path) -> None:
    said = {
        "model.config.freeze_audio=none": "audio encoder trained (model.config.freeze_audio=none",
        "model.config.mask_level=inputs": "hears or reads masked inputs (mask_level=inputs)",
        "model.audio_encoder=logmel-tiny": "'logmel-tiny' with random weights (name the model",
    }
    for override, sentence in said.items():
        recipe = pretraining(encoders, corpus, "model.config.freeze_text=none", override)
        for refuse in (
            lambda recipe=recipe: plan_cache(recipe, tmp_path),
            lambda recipe=recipe: assemble(
                dataclasses.replace(
                    recipe, data=dataclasses.replace(recipe.data, encoder_cache="x")
                ),
                corpus,
                None,
                0,
            ),
        ):
            with pytest.raises(ConfigError, match="expected one that is frozen, found") as refused:
                refuse()
            assert sentence in str(refused.value)


def test_a_full_disk_is_foreseen(
    encoders: Path, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_cache(pretraining(encoders, corpus), tmp_path / "states")
    monkeypatch.setattr(CachePlan, "free_bytes", 1000)
    with pytest.raises(ConfigError, match=r"expected 0\.1 GiB of free disk, found 0\.0 GiB; make"):
        fill_cache(plan)
