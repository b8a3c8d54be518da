"""CTAL and its pretraining losses as the equations read: what an optimised step is held against.

Nothing here is fused or left out: separate query, key and value, materialised attention, heads at
every position of which the masked ones are then picked.
"""

import math
import re

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from crosstone.models import CTALConfig, TaskModel
from crosstone.nn.masking import LEARNED, Corruption


class PlainAttention(nn.Module):
    """Softmax of the scaled products, dropout on it, times the values (Vaswani 2017, eq. 1)."""

    def __init__(self, width: int, num_heads: int, dropout: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, states: Tensor, memory: Tensor, mask: Tensor) -> Tensor:
        """states (B, T, D), memory (B, S, D), mask (B, S) True where real → (B, T, D)."""
        query, key, value = (
            layer(x).unflatten(-1, (self.num_heads, -1)).transpose(1, 2)
            for layer, x in ((self.query, states), (self.key, memory), (self.value, memory))
        )
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        scores = scores + (1.0 - mask[:, None, None].to(scores.dtype)) * -1e9
        gathered = self.dropout(scores.softmax(-1)) @ value
        result: Tensor = self.output(gathered.transpose(1, 2).flatten(2))
        return result


class PlainBlock(nn.Module):
    """Post-norm: attention to itself, to a memory where it has one, two linear layers."""

    def __init__(
        self,
        width: int,
        num_heads: int,
        intermediate: int,
        *,
        crosses: bool,
        dropout: float,
        attention_dropout: float,
        norm_eps: float,
    ) -> None:
        super().__init__()
        self.self_attention = PlainAttention(width, num_heads, attention_dropout)
        self.self_norm = nn.LayerNorm(width, norm_eps)
        if crosses:
            self.cross_attention = PlainAttention(width, num_heads, attention_dropout)
            self.cross_norm = nn.LayerNorm(width, norm_eps)
        self.expand = nn.Linear(width, intermediate)
        self.contract = nn.Linear(intermediate, width)
        self.output_norm = nn.LayerNorm(width, norm_eps)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self,
        states: Tensor,
        mask: Tensor,
        memory: Tensor | None = None,
        memory_mask: Tensor | None = None,
    ) -> Tensor:
        """states (B, T, D), memory (B, S, D), masks True where real → (B, T, D)."""
        states = self.self_norm(states + self.dropout(self.self_attention(states, states, mask)))
        if memory is not None:
            heard = self.cross_attention(states, memory, memory_mask)
            states = self.cross_norm(states + self.dropout(heard))
        hidden = self.contract(F.gelu(self.expand(states)))
        result: Tensor = self.output_norm(states + self.dropout(hidden))
        return result


class PlainHead(nn.Module):
    """Linear, GELU, layer norm, then a linear layer of its own or tied to embeddings."""

    def __init__(self, width: int, num_outputs: int, norm_eps: float, *, tied: bool) -> None:
        super().__init__()
        self.dense = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, norm_eps)
        if tied:
            self.bias = nn.Parameter(torch.zeros(num_outputs))
        else:
            self.project = nn.Linear(width, num_outputs)

    def forward(self, states: Tensor, embeddings: Tensor | None = None) -> Tensor:
        """states (B, T, D) → (B, T, N)."""
        hidden = self.norm(F.gelu(self.dense(states)))
        if embeddings is not None:
            return F.linear(hidden, embeddings, self.bias)
        result: Tensor = self.project(hidden)
        return result


class PlainCTAL(nn.Module):
    """CTAL with the weights of a TaskModel whose heads are text_tokens and audio_frames."""

    def __init__(self, model: TaskModel) -> None:
        super().__init__()
        config = model.backbone.config
        assert isinstance(config, CTALConfig)
        text = config.text_config
        assert text is not None
        assert not isinstance(text, dict)
        width, eps = text.hidden_size, config.norm_eps
        self.words = nn.Embedding(text.vocab_size, width)
        self.word_positions = nn.Embedding(text.max_position_embeddings, width)
        self.word_types = nn.Embedding(text.type_vocab_size, width)
        self.word_norm = nn.LayerNorm(width, text.layer_norm_eps)
        self.text_blocks = nn.ModuleList(
            PlainBlock(
                width,
                text.num_attention_heads,
                text.intermediate_size,
                crosses=False,
                dropout=text.hidden_dropout_prob,
                attention_dropout=text.attention_probs_dropout_prob,
                norm_eps=text.layer_norm_eps,
            )
            for _ in range(text.num_hidden_layers)
        )
        self.frame_projection = nn.Linear(model.backbone.feature_width, width)
        self.frame_positions = nn.Embedding(config.max_frames, width)
        self.frame_types = nn.Embedding(2, width)
        self.frame_norm = nn.LayerNorm(width, eps)
        self.audio_blocks = nn.ModuleList(
            PlainBlock(
                width,
                config.num_heads,
                config.intermediate_size,
                crosses=True,
                dropout=config.dropout,
                attention_dropout=config.attention_dropout,
                norm_eps=eps,
            )
            for _ in range(config.num_layers)
        )
        self.text_tokens = PlainHead(width, text.vocab_size, eps, tied=True)
        self.audio_frames = PlainHead(width, model.backbone.feature_width, eps, tied=False)
        self.text_dropout = nn.Dropout(text.hidden_dropout_prob)
        self.dropout = nn.Dropout(config.dropout)
        self.first_position, self.mask_token = text.pad_token_id + 1, config.mask_token_id
        self.load_state_dict({plain_name(k): v for k, v in model.state_dict().items()})

    def forward(
        self,
        audio: Tensor,
        audio_mask: Tensor,
        text: Tensor,
        text_mask: Tensor,
        audio_corruption: Corruption,
        text_corruption: Corruption,
    ) -> tuple[Tensor, Tensor]:
        """The two losses: cross entropy of the masked tokens, L1 of the masked frames.

        audio (B, T, F), text (B, W) without padding inside.
        """
        ids = torch.where(
            text_corruption.replacement == LEARNED, self.mask_token, text_corruption.replacement
        )
        ids = torch.where(text_corruption.positions, ids, text)
        places = self.first_position + torch.arange(text.shape[1], device=text.device)
        words = self.words(ids) + self.word_positions(places) + self.word_types.weight[0]
        words = self.text_dropout(self.word_norm(words))
        for block in self.text_blocks:
            words = block(words, text_mask)
        source = audio_corruption.replacement.clamp(min=0)[..., None].expand_as(audio)
        moved = audio.gather(1, source)
        moved = torch.where(audio_corruption.replacement[..., None] == LEARNED, 0.0, moved)
        seen = torch.where(audio_corruption.positions[..., None], moved, audio)
        numbers = torch.arange(audio.shape[1], device=audio.device)
        frames = (
            self.frame_projection(seen) + self.frame_positions(numbers) + self.frame_types.weight[0]
        )
        frames = self.dropout(self.frame_norm(frames))
        for block in self.audio_blocks:
            frames = block(frames, audio_mask, words, text_mask)
        logits = self.text_tokens(words, self.words.weight)
        rebuilt = self.audio_frames(frames)
        ignored = torch.where(text_corruption.positions, text, -100)
        token_loss = F.cross_entropy(logits.flatten(0, 1), ignored.flatten())
        chosen = audio_corruption.positions[..., None].expand_as(audio)
        return token_loss, (rebuilt[chosen] - audio[chosen]).abs().mean()


_NAMES = (
    (r"^heads\.", ""),
    (r"^backbone\.text_encoder\.model\.embeddings\.word_embeddings", "words"),
    (r"^backbone\.text_encoder\.model\.embeddings\.position_embeddings", "word_positions"),
    (r"^backbone\.text_encoder\.model\.embeddings\.token_type_embeddings", "word_types"),
    (r"^backbone\.text_encoder\.model\.embeddings\.LayerNorm", "word_norm"),
    (r"^backbone\.text_encoder\.model\.encoder\.layer", "text_blocks"),
    (r"attention\.self\.", "self_attention."),
    (r"attention\.output\.dense", "self_attention.output"),
    (r"attention\.output\.LayerNorm", "self_norm"),
    (r"intermediate\.dense", "expand"),
    (r"(?<=\d\.)output\.dense", "contract"),
    (r"(?<=\d\.)output\.LayerNorm", "output_norm"),
    (r"^backbone\.embeddings\.project", "frame_projection"),
    (r"^backbone\.embeddings\.", "frame_"),
    (r"^backbone\.", ""),
)


def plain_name(name: str) -> str:
    """What a parameter of the TaskModel is called here."""
    for pattern, plain in _NAMES:
        name = re.sub(pattern, plain, name)
    return name
