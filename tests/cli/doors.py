"""What tests of bad input share: models that answer, and the doors at which they are asked."""

import asyncio
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import soundfile
import torch
from transformers import RobertaConfig

from crosstone.data.text import train_tokenizer
from crosstone.inference import Predictor
from crosstone.models import BaselineConfig, BaselineModel, HeadSpec
from crosstone.models.task import build_task
from crosstone.nn.logmel import LogMelConfig
from crosstone.serve import create_app

WAVE = 0.3 * np.sin(np.arange(8000) / 9)
CUE = "1\n00:00:00,000 --> 00:00:00,500\n{}\n"


def file_of(samples: Any, rate: int = 16_000, subtype: str | None = None) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format="WAV", subtype=subtype)
    return file.getvalue()


def save_model(folder: Path, heard: list[str]) -> Path:
    torch.manual_seed(0)
    words = RobertaConfig(
        vocab_size=300,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=16,
        max_position_embeddings=40,
        type_vocab_size=1,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
    )
    sounds = LogMelConfig(hidden_size=16, intermediate_size=16, num_hidden_layers=1)
    towers: dict[str, Any] = {"text_config": words}
    if heard != ["text"]:
        towers["audio_config"] = sounds
    head = HeadSpec(kind="classification", labels=("calm", "tense"))
    backbone = BaselineModel(BaselineConfig(**towers))
    build_task(backbone, {"mood": head}, heard=heard).save_pretrained(folder)
    train_tokenizer(["come in", "it is late"] * 4, 300).save_pretrained(folder)
    return folder


def post(predictor: Predictor, route: str, *asked: dict[str, Any]) -> list[httpx.Response]:
    """The answers to requests that come at once; `query` is put after the route as it is."""

    async def crowd() -> list[httpx.Response]:
        app = create_app(predictor)
        transport = httpx.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
        ):
            queries = [each.pop("query", "") for each in asked]
            return await asyncio.gather(
                *(
                    client.post(f"/v1/{route}{query}", **each)
                    for query, each in zip(queries, asked, strict=True)
                )
            )

    return asyncio.run(crowd())


def refusal(response: httpx.Response, predictor: Predictor) -> tuple[int, str]:
    """Status and sentence, which names nothing of the server's nor a shell's option."""
    sentence = response.json()["error"]["message"]
    assert predictor.name not in sentence
    assert not re.search(r"--\w", sentence)
    assert "crosstone" not in sentence
    return response.status_code, sentence


@dataclass(frozen=True)
class Found:
    """What a command said: its exit code, the ids it answers in order, what it said of faults."""

    code: int
    ids: list[str]
    said: str


def command(crosstone: Any, *arguments: object) -> Found:
    done = crosstone("predict", *arguments)
    assert "Traceback" not in done.err
    ids = [json.loads(line)["id"] for line in done.out.splitlines()]
    return Found(done.code, ids, " ".join(done.err.split()))
