"""The verb that fills the cache: it says the size first, and how to train with it after."""

import re
from pathlib import Path

from conftest import Crosstone

from crosstone.models import BUILTIN_AUDIO
from crosstone.nn.logmel import LogMelModel


def test_cache_says_the_size_fills_and_has_nothing_left(
    crosstone: Crosstone, twokey: Path, tmp_path: Path
) -> None:
    tower = tmp_path / "logmel"
    LogMelModel(BUILTIN_AUDIO["logmel-mini"]()).save_pretrained(tower)
    arguments = [
        "cache",
        "twokey-finetune",
        f"data.corpus={twokey}",
        "model.family=audio",
        f"model.audio_encoder={tower}",
        "model.config.freeze_audio=all",
        "--out",
        tmp_path / "states",
    ]
    dry = crosstone(*arguments, "--dry-run")
    assert dry.code == 0
    assert dry.out.startswith("audio: 200 to encode, 0 there; ")
    assert "states of 64 in float16, " in dry.out
    assert f"{tmp_path / 'states'}: " in dry.out
    assert " free" in dry.out
    assert not (tmp_path / "states").exists()
    filled = crosstone(*arguments)
    assert f"train with data.encoder_cache={tmp_path / 'states'}" in filled.out
    again = crosstone(*arguments)
    assert again.out.startswith("audio: 0 to encode, 200 there; 0 states of 64 in float16, 0.0 MiB")
    refused = crosstone(*arguments[:-3], "model.config.freeze_audio=convolutions")
    assert refused.code == 2
    assert "a cache keeps what frozen encoders make: expected one that is frozen" in refused.err


def test_the_example_that_a_refusal_names_works(
    crosstone: Crosstone, twokey: Path, tmp_path: Path
) -> None:
    pretrained = crosstone(
        "pretrain",
        "twokey-cmt-pretrain",
        f"data.corpus={twokey}",
        "model.audio_encoder=logmel-tiny",
        "model.text_encoder=roberta-tiny",
        "objectives.masked_audio=null",
        "training={batch_size: 4, steps: 1}",
        "--out",
        tmp_path / "pretrained",
    )
    assert pretrained.code == 0, pretrained.err
    refused = crosstone(
        *("cache", "twokey-cmt", f"data.corpus={twokey}", "model.audio_encoder=logmel-tiny"),
        "model.text_encoder=roberta-tiny",
    )
    assert refused.code == 2
    assert "found audio encoder trained (model.config.freeze_audio=convolutions" in refused.err
    (example,) = re.findall(r"as in `crosstone (.*)`", refused.err)
    asked = example.replace("CORPUS", str(twokey)).replace(
        "PRETRAINED", str(tmp_path / "pretrained")
    )
    found = crosstone(*asked.split(), "--out", tmp_path / "states", "--dry-run")
    assert found.code == 0, found.err
    assert [line.split(":")[0] for line in found.out.splitlines()[:2]] == ["audio", "text"]
