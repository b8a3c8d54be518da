"""The verb that fills the cache: it says the size first, and how to train with it after."""

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
