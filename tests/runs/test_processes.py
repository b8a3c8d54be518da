"""Two processes through the command learn what one learns."""

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import RobertaConfig, RobertaModel

from crosstone.data.text import train_tokenizer
from crosstone.nn.logmel import LogMelConfig, LogMelModel


def test_two_processes_through_the_command_learn_what_one_does(
    noise_corpus: Callable[..., Path], tmp_path: Path
) -> None:
    """CMT, float64, dropout off: the same weights within 1e-9, and one set of files; so too where
    the two hold shards."""
    folder, text = noise_corpus(20), tmp_path / "roberta"
    tokenizer = train_tokenizer(["a good day", "a bad night"] * 20, 280)
    tokenizer.save_pretrained(text)
    config = RobertaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=40,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
        pad_token_id=1,
    )
    torch.manual_seed(0)
    RobertaModel(config).save_pretrained(text)
    audio = tmp_path / "logmel"
    LogMelModel(
        LogMelConfig(hidden_size=32, intermediate_size=48, hidden_dropout=0.0)
    ).save_pretrained(audio)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    arguments = [
        "-m",
        "crosstone",
        "finetune",
        "twokey-finetune",
        f"data.corpus={folder}",
        f"model.audio_encoder={audio}",
        f"model.text_encoder={text}",
        "model.config={dropout: 0.0, attention_dropout: 0.0}",
        "objectives.masked_text={probability: 0.3}",
        "objectives.orthogonality={alpha: 10}",
        "protocol.split=null",
        "training.precision=float64",
        "training.steps=4",
        "training.batch_size=7",
        "--out",
    ]
    many = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    many += ["--master_port", str(port)]
    ways: dict[str, tuple[list[str], list[str]]] = {
        "one": ([sys.executable], []),
        "two": (many, []),
        "shards": (many, ["training.fsdp=true"]),
    }
    weights = []
    for name, (launcher, asked) in ways.items():
        command = [*launcher, *arguments, str(tmp_path / name), *asked]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr[-2000:]
        run = tmp_path / name / "fold-0-seed-0"
        assert '"processes": ' + ("1" if name == "one" else "2") in (run / "env.json").read_text()
        weights.append(load_file(run / "model" / "model.safetensors"))
    for found in weights[1:]:
        for name, tensor in weights[0].items():
            torch.testing.assert_close(found[name], tensor, atol=1e-9, rtol=0)
