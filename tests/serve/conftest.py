"""A small model behind the application, in this process."""

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parent))  # for sounds, the module beside this one

from sounds import MOODS, Serve
from starlette.testclient import TestClient
from transformers import RobertaConfig

from crosstone.data.text import train_tokenizer
from crosstone.inference import Predictor
from crosstone.models import BaselineConfig, BaselineModel, HeadSpec
from crosstone.models.task import build_task
from crosstone.nn.logmel import LogMelConfig
from crosstone.serve import Limits, create_app


@pytest.fixture(scope="session")
def predictor() -> Predictor:
    """Hears, reads, or does both; untrained."""
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
    backbone = BaselineModel(BaselineConfig(audio_config=sounds, text_config=words))
    heads = {"mood": HeadSpec(kind="classification", labels=MOODS)}
    model = build_task(backbone, heads, heard=["audio", "audio+text", "text"]).eval()
    model.heads["mood"].weight.data.normal_(generator=torch.Generator().manual_seed(3))
    return Predictor(model, train_tokenizer(["come in", "it is late"] * 4, 300), name="mine")


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which this process puts temporary files; empty at the start."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


@pytest.fixture
def serving(predictor: Predictor, places: Path) -> Serve:
    """A client of an application with these limits and arguments."""

    @contextmanager
    def serve(base_url: str = "http://127.0.0.1", **given: Any) -> Iterator[TestClient]:
        limits = {k: given.pop(k) for k in list(given) if k in Limits.__dataclass_fields__}
        app = create_app(predictor, limits=Limits(**limits), **given)
        with TestClient(app, base_url=base_url, raise_server_exceptions=False) as client:
            yield client
        assert not list(places.iterdir())

    return serve
