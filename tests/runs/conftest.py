"""Encoders in folders, as others release them, small enough to run in a moment."""

from pathlib import Path

import pytest
import torch
from transformers import HubertConfig, HubertModel, RobertaConfig, RobertaModel

from crosstone.data.text import train_tokenizer


@pytest.fixture
def encoders(tmp_path: Path) -> Path:
    """A group-norm HuBERT, which must run unpadded, and a RoBERTa, in folders."""
    torch.manual_seed(0)
    HubertModel(
        HubertConfig(
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=48,
            conv_dim=(8,) * 7,
            num_conv_pos_embeddings=8,
            num_conv_pos_embedding_groups=2,
        )
    ).save_pretrained(tmp_path / "hubert")
    tokenizer = train_tokenizer(["a good day", "a bad night"] * 20, 280)
    tokenizer.save_pretrained(tmp_path / "roberta")
    RobertaModel(
        RobertaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=48,
            max_position_embeddings=40,
            pad_token_id=1,
            initializer_range=0.2,
        )
    ).save_pretrained(tmp_path / "roberta")
    return tmp_path
