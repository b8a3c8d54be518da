"""Recognisers of others: a command, a model, and texts that are kept."""

import json
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest

from crosstone.errors import CrosstoneError
from crosstone.inference.recogniser import cache_folder, load_recogniser

PROGRAM = """import sys, soundfile
from pathlib import Path
info = soundfile.info(sys.argv[1])
log = Path(sys.argv[2])
log.write_text(log.read_text() + "x" if log.exists() else "x")
print(f"heard  {info.frames} at\\n{info.samplerate}")
"""


@pytest.fixture
def command(tmp_path: Path) -> str:
    """A recogniser that counts its calls in a file named log."""
    program = tmp_path / "a recogniser.py"
    program.write_text(PROGRAM)
    return f"{shlex.quote(sys.executable)} {shlex.quote(str(program))} {{audio}} {tmp_path / 'log'}"


def test_a_command_hears_each_sound_once(tmp_path: Path, command: str) -> None:
    samples = np.sin(np.arange(4000) / 9).astype(np.float32) / 4
    hear = load_recogniser(command, tmp_path / "kept")
    assert hear(samples, 16_000) == "heard 4000 at 16000"
    again = load_recogniser(command, tmp_path / "kept")
    assert again(samples.copy(), 16_000) == "heard 4000 at 16000"
    assert (tmp_path / "log").read_text() == "x"
    assert again(samples[:3000], 16_000) == "heard 3000 at 16000"
    assert again(samples, 8_000) == "heard 4000 at 8000"
    assert (tmp_path / "log").read_text() == "xxx"
    for file in (tmp_path / "kept").rglob("*.json"):
        file.write_text("broken")
    assert again(samples, 16_000) == "heard 4000 at 16000"
    assert (tmp_path / "log").read_text() == "xxxx"


@pytest.mark.parametrize(
    "spec,said",
    [
        ("nosuchprogram {audio}", "no such command: nosuchprogram"),
        ("recognise a b", "expected a command with {audio}"),
        ("recognise 'a {audio}", "not a command"),
        ("nowhere/at-all", "no speech recogniser can be loaded from here"),
    ],
)
def test_recognisers_that_cannot_be_had(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, said: str
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CrosstoneError, match=said):
        load_recogniser(spec, tmp_path)


def test_a_command_that_fails_is_said(tmp_path: Path) -> None:
    failing = f"{shlex.quote(sys.executable)} -c 'import sys; sys.exit(\"no ears\")' {{audio}}"
    hear = load_recogniser(failing, tmp_path)
    with pytest.raises(CrosstoneError, match=r"failed with exit code 1 \(no ears\)"):
        hear(np.zeros(800, np.float32), 16_000)
    assert not list(tmp_path.iterdir())


def save_wav2vec2(tmp_path: Path) -> Path:
    """A recogniser that hears an a in all that is said."""
    import torch
    from transformers import (
        Wav2Vec2Config,
        Wav2Vec2CTCTokenizer,
        Wav2Vec2FeatureExtractor,
        Wav2Vec2ForCTC,
    )

    (tmp_path / "vocab.json").write_text('{"<pad>": 0, "|": 1, "a": 2, "b": 3, "<unk>": 4}')
    torch.manual_seed(0)
    config = Wav2Vec2Config(
        vocab_size=5,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        conv_dim=(8,) * 7,
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
    )
    model = Wav2Vec2ForCTC(config)
    model.lm_head.bias.data = torch.tensor([0.0, 0.0, 99.0, 0.0, 0.0])
    folder = tmp_path / "asr"
    model.save_pretrained(folder)
    Wav2Vec2CTCTokenizer(tmp_path / "vocab.json", pad_token="<pad>").save_pretrained(folder)
    Wav2Vec2FeatureExtractor().save_pretrained(folder)
    return folder


def test_a_model_of_a_folder(tmp_path: Path) -> None:
    hear = load_recogniser(str(save_wav2vec2(tmp_path)), tmp_path / "kept")
    assert hear(np.random.default_rng(0).normal(0, 0.1, 8000).astype(np.float32), 8_000) == "a"


def test_a_model_computes_where_it_is_asked_to(tmp_path: Path) -> None:
    """On the device without memory nothing can be heard."""
    import torch

    folder = str(save_wav2vec2(tmp_path))
    hear = load_recogniser(folder, tmp_path / "kept", device=torch.device("meta"))
    with pytest.raises(RuntimeError, match="meta tensor"):
        hear(np.ones(8000, np.float32), 16_000)
    hear = load_recogniser(folder, tmp_path / "kept", device=torch.device("cpu"))
    assert hear(np.ones(8000, np.float32), 16_000) == "a"


def save_whisper(folder: Path, *, has_times: bool = True) -> Path:
    """A Whisper of random weights that hears windows of 30 s; has_times: and says how it writes
    times, which old checkpoints do not."""
    import torch
    from tokenizers import AddedToken, pre_tokenizers
    from transformers import (
        GenerationConfig,
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperProcessor,
        WhisperTokenizer,
    )

    folder.mkdir()
    letters = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({letter: i for i, letter in enumerate(letters)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = WhisperTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    special = ("startoftranscript", "en", "translate", "transcribe", "startofprev", "notimestamps")
    tokenizer.add_special_tokens({"additional_special_tokens": [f"<|{s}|>" for s in special]})
    times = [AddedToken(f"<|{i * 0.02:.2f}|>", special=False) for i in range(1501)]
    tokenizer.add_tokens(times)
    end, start, english, _, transcribe, _, without = (
        tokenizer.convert_tokens_to_ids(f"<|{s}|>") for s in ("endoftext", *special)
    )
    ends = {"bos_token_id": end, "eos_token_id": end, "pad_token_id": end}
    torch.manual_seed(0)
    model = WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=len(tokenizer),
            d_model=16,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=16,
            decoder_ffn_dim=16,
            max_target_positions=64,
            init_std=1.0,
            decoder_start_token_id=start,
            **ends,
        )
    )
    model.generation_config = GenerationConfig(
        max_length=16,
        decoder_start_token_id=start,
        is_multilingual=True,
        lang_to_id={"<|en|>": english},
        task_to_id={"transcribe": transcribe},
        language="en",
        task="transcribe",
        **({"no_timestamps_token_id": without} if has_times else {}),
        **ends,
    )
    model.save_pretrained(folder)
    WhisperProcessor(WhisperFeatureExtractor(), tokenizer).save_pretrained(folder)
    return folder


def test_whisper_hears_more_than_its_window(tmp_path: Path) -> None:
    """What is said after its 30 s changes the text."""
    hear = load_recogniser(str(save_whisper(tmp_path / "whisper")), tmp_path / "kept")
    samples = np.random.default_rng(0).normal(0, 0.1, 36 * 16_000).astype(np.float32)
    other = samples.copy()
    other[31 * 16_000 :] = np.sin(np.arange(5 * 16_000) / 9) / 4
    whole, changed = hear(samples, 16_000), hear(other, 16_000)
    assert whole
    assert changed
    assert whole != changed


def test_a_whisper_without_times_says_what_it_cannot_hear(tmp_path: Path) -> None:
    folder = save_whisper(tmp_path / "whisper", has_times=False)
    hear = load_recogniser(str(folder), tmp_path / "kept")
    samples = np.random.default_rng(0).normal(0, 0.1, 31 * 16_000).astype(np.float32)
    with pytest.raises(CrosstoneError, match=r"cannot hear 31\.0 s at once \(.*cut them into"):
        hear(samples, 16_000)
    assert not list((tmp_path / "kept").rglob("*.json"))


def test_where_texts_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert cache_folder() == Path("/somewhere/crosstone/asr")
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache/crosstone/asr"
