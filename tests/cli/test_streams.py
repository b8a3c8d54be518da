"""A Shar that lhotse wrote, named by a recipe: trained on through the command, from end to end."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from conftest import Crosstone
from safetensors.torch import load_file

from crosstone.data.corpora.lhotse import write_cuts
from crosstone.data.corpora.lhotse.shar import SharItems
from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.models.checkpoint import read_task_config
from crosstone.runs.corpora import fingerprints_of
from crosstone.runs.provenance import stages_of_model
from crosstone.training import read_log

lhotse = pytest.importorskip("lhotse")

NUM_CUTS = 44


class Stopped(BaseException):
    """Not an Exception, so that nothing on the way tidies up."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    """Tones and words, which lhotse also has in shards of four cuts, in `shar` beside them."""
    folder, rng = tmp_path_factory.mktemp("streams") / "tones", np.random.default_rng(0)
    (folder / "audio").mkdir(parents=True)
    utterances = []
    for i in range(NUM_CUTS):
        seconds = 0.4 + 0.02 * (i % 5)
        time = np.arange(int(16_000 * seconds)) / 16_000
        wave = 0.3 * np.sin(2 * np.pi * (200 + 400 * (i % 2)) * time)
        soundfile.write(
            folder / "audio" / f"{i}.wav", wave + rng.normal(0, 0.02, len(time)), 16_000
        )
        utterances.append(
            Utterance(
                id=f"u{i:03d}",
                audio=f"audio/{i}.wav",
                duration=seconds,
                text=("a bad night " if i % 2 else "a good day ") * (1 + i % 3),
                speaker=f"s{i // 2 % 4}",
                group=f"g{i // 2 % 4}",
                labels={"emotion": ("sad", "glad")[i % 2]},
            )
        )
    written = Corpus.write(
        folder, name="tones", root=folder, source=Source(), utterances=utterances
    )
    write_cuts(written, folder.parent / "cuts.jsonl.gz")
    (folder.parent / "shar").mkdir()
    cuts = lhotse.CutSet.from_file(folder.parent / "cuts.jsonl.gz")
    cuts.to_shar(folder.parent / "shar", fields={"recording": "flac"}, shard_size=4)
    return written


@pytest.fixture(scope="module")
def arguments(corpus: Corpus) -> list[object]:
    """A stage of both masks on the Shar, two epochs of it."""
    from crosstone.runs.codes import make_codebook

    codes = corpus.folder.parent / "codes.safetensors"
    make_codebook(corpus, codes, num_codes=8, sample=1.0)
    return [
        "pretrain",
        "twokey-cmt-pretrain",
        f"data={{corpus: {corpus.folder.parent / 'shar'}, split: null}}",
        "model.audio_encoder=logmel-tiny",
        "model.text_encoder=roberta-tiny",
        "model.vocab_size=300",
        f"objectives.masked_audio.codebook={codes}",
        "training={batch_size: 4, micro_batch_size: 2, length_pool: 2, steps: null, epochs: 2}",
        "training.checkpoint_every=3",
        "training.log_every=1",
    ]


def test_a_shar_is_pretrained_on_and_what_it_held_is_known(
    crosstone: Crosstone, corpus: Corpus, arguments: list[object], tmp_path: Path
) -> None:
    """A tenth is set aside for the probe, fewer than the first shard has; the rest is heard twice
    and met again in the corpus that it was made of."""
    done = crosstone(*arguments, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    log = read_log(tmp_path / "run" / "log.jsonl")
    steps = [line for line in log if line["event"] == "step"]
    assert steps[-1]["samples"] == 2 * (NUM_CUTS - 3)
    assert set(steps[-1]["parts"]) == {"audio_codes", "text_tokens"}
    assert steps[-1]["loss"] < steps[0]["loss"]
    (probe,) = [line for line in log if line["event"] == "probe"]
    assert {"text_matched", "audio_shuffled"} <= probe.keys()
    model = tmp_path / "run" / "model"
    assert read_task_config(model).heard == ["audio+text"]
    stage = stages_of_model(model)[-1]
    assert stage.fingerprints.tolist() == sorted(fingerprints_of(corpus)[3:].tolist())
    assert stage.facts["corpus"] == "shar"
    assert stage.facts["utterances"] == NUM_CUTS - 3
    assert stage.facts["speakers"] == ["s0", "s1", "s2", "s3"]
    assert not (tmp_path / "run" / "heard").exists()
    folds = "protocol={kind: grouped-kfold, unit: group, folds: 2, split: null, target: emotion}"
    said = crosstone(
        *("finetune", "twokey-finetune", folds, f"data.corpus={corpus.folder}"),
        *(f"model.init={tmp_path / 'run'}", "--out", tmp_path / "tuned"),
    )
    assert said.code == 2
    assert "which the stage 'pretrain' of" in said.err


def test_a_stream_that_was_cut_off_ends_as_one_that_was_not(
    crosstone: Crosstone,
    arguments: list[object],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert crosstone(*arguments, "--out", tmp_path / "whole").code == 0
    take, left = SharItems.__getitem__, iter(range(60))

    def stop(items: SharItems, number: int) -> object:
        if next(left, None) is None:
            raise Stopped
        return take(items, number)

    with monkeypatch.context() as patch:
        patch.setattr(SharItems, "__getitem__", stop)
        with pytest.raises(Stopped):
            crosstone(*arguments, "--out", tmp_path / "cut")
    assert not (tmp_path / "cut" / "model").exists()
    assert (tmp_path / "cut" / "checkpoints").is_dir()
    assert crosstone(*arguments, "--out", tmp_path / "cut").code == 2  # --resume is missing
    resumed = crosstone(*arguments, "--resume", "--out", tmp_path / "cut")
    assert resumed.code == 0, resumed.err
    whole, cut = (tmp_path / name / "model" for name in ("whole", "cut"))
    weights = load_file(cut / "model.safetensors")
    for name, weight in load_file(whole / "model.safetensors").items():
        assert torch.equal(weights[name], weight), name
    one, other = (stages_of_model(model)[-1] for model in (whole, cut))
    assert one.fingerprints.tolist() == other.fingerprints.tolist()
    assert crosstone(*arguments, "--resume", "--out", tmp_path / "cut").code == 0
    other_data = [str(argument).replace("split: null", "max_seconds: 9") for argument in arguments]
    assert crosstone(*other_data, "--resume", "--out", tmp_path / "cut").code == 2


def test_another_shar_is_not_gone_on_with(
    crosstone: Crosstone, corpus: Corpus, arguments: list[object], tmp_path: Path
) -> None:
    shar = tmp_path / "shar"
    shar.mkdir()
    for path in (corpus.folder.parent / "shar").iterdir():
        (shar / path.name).write_bytes(path.read_bytes())
    asked = [
        str(argument).replace(str(corpus.folder.parent / "shar"), str(shar))
        for argument in arguments
    ]
    asked += ["training.epochs=null", "training.steps=1", "--out", str(tmp_path / "run")]
    assert crosstone(*asked).code == 0
    (shar / "cuts.000010.jsonl.gz").unlink()
    (shar / "recording.000010.tar").unlink()
    refused = crosstone(*asked, "--resume")
    assert refused.code == 2
    assert "began with another training side than stands there now" in refused.err


def test_two_processes_read_disjoint_shards_and_all_of_them(
    corpus: Corpus, arguments: list[object], tmp_path: Path
) -> None:
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    asked = [*map(str, arguments), "training.epochs=1", "training.cpu=true"]
    ended = subprocess.run(
        [sys.executable, *torchrun, "-m", "crosstone", *asked, "--out", str(tmp_path / "run")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr[-4000:]
    start, *rest = read_log(tmp_path / "run" / "log.jsonl")
    assert (start["stream"], start["processes"]) == (2, 2)
    samples = max(line.get("samples", 0) for line in rest)
    heard = stages_of_model(tmp_path / "run" / "model")[-1].fingerprints
    assert heard.tolist() == sorted(fingerprints_of(corpus)[3:].tolist())
    assert samples == len(heard)  # so nothing was read by both


def test_speech_may_stand_alone(crosstone: Crosstone, corpus: Corpus, tmp_path: Path) -> None:
    done = crosstone(
        *("pretrain", "twokey-mockingjay-pretrain"),
        f"data={{corpus: {corpus.folder.parent / 'shar'}, split: null}}",
        *("model.audio_encoder=mel-mini", "training={batch_size: 4, steps: 1}"),
        *("--out", tmp_path / "run"),
    )
    assert done.code == 0, done.err
    assert read_task_config(tmp_path / "run" / "model").heard == ["audio"]


@pytest.mark.parametrize(
    "override, sentence",
    [
        ("data.split=train", "as a stream: expected a stage without labels and folds, on all of"),
        ("data.hear_seconds=0.1", r"found data.hear_seconds=0.1; leave that out, or prepare"),
        ("protocol={kind: holdout, unit: group, target: x}", "found stage=pretrain with folds"),
        ("data.max_seconds=0.45", "cut 'u003' lasts 0.5 s, expected at most 0.45 s, as with"),
        ("training.micro_batch_seconds=9", "a stream expects batch_size and micro_batch_size"),
        ("training.micro_batch_size=3", "a batch_size that is a multiple of processes times"),
    ],
)
def test_what_a_stream_cannot_be_asked_is_refused(
    crosstone: Crosstone, arguments: list[object], tmp_path: Path, override: str, sentence: str
) -> None:
    refused = crosstone(*arguments, override, "--out", tmp_path / "run")
    assert refused.code == 2
    assert sentence in refused.err


def test_labels_are_not_read_from_a_stream(
    crosstone: Crosstone, corpus: Corpus, tmp_path: Path
) -> None:
    shar = f"data.corpus={corpus.folder.parent / 'shar'}"
    towers = ["model.audio_encoder=logmel-tiny", "model.text_encoder=roberta-tiny"]
    refused = crosstone("finetune", "twokey-cmt", shar, *towers, "--out", tmp_path / "run")
    assert refused.code == 2
    assert "found stage=finetune with folds; leave that out, or prepare the cut set" in refused.err
    refused = crosstone("cache", "twokey-cmt", shar, *towers)
    assert refused.code == 2
    assert "found a Lhotse Shar, which pretrain, and adapt without protocol, read" in refused.err
    text = crosstone(
        *("pretrain", "twokey-text-tower", shar, "data.split=null", "--out", tmp_path / "text")
    )
    assert text.code == 2
    assert "is of recordings: expected a model.family that hears, found 'text'" in text.err
