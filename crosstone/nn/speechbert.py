"""Speech-BERT (Baevski et al. 2020): a RoBERTa over vq-wav2vec's codes, as a speech encoder."""

from dataclasses import dataclass
from typing import Any

import torch
from huggingface_hub.dataclasses import strict
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import (
    AutoConfig,
    AutoModel,
    PreTrainedModel,
    RobertaConfig,
)
from transformers.modeling_outputs import BaseModelOutput

from crosstone.nn.joining import BOS, EOS, NUM_SPECIAL, PAD, UNK, every_combination
from crosstone.nn.quantizer import VQWav2VecConfig, VQWav2VecModel
from crosstone.nn.speech import SpeechConfig


@strict
class SpeechBertConfig(SpeechConfig):
    """vq-wav2vec as tokenizer, RoBERTa over its tokens.

    Tokens are fairseq's: `<s>` 0, `<pad>` 1, `</s>` 2, `<unk>` 3, then the dictionary's, `<mask>`
    last. A sequence is `<s>`, the tokens of the frames, `</s>`; one that is longer than RoBERTa's
    positions is cut to all but one of them, and `</s>` put at its end, as JBLS's code does. The
    token at position p is that of frame p - 1.
    """

    model_type = "crosstone-speechbert"

    tokenizer_config: Any = None
    """Config of vq-wav2vec; None is the released k-means one."""

    bert_config: Any = None
    """Config of RoBERTa; None is a base one with 2048 positions and a token for every pair."""

    def __post_init__(self, **kwargs: Any) -> None:
        for name in ("tokenizer_config", "bert_config"):
            nested = getattr(self, name)
            if isinstance(nested, dict):
                fields = dict(nested)
                setattr(self, name, AutoConfig.for_model(fields.pop("model_type"), **fields))
        if self.tokenizer_config is None:
            self.tokenizer_config = VQWav2VecConfig()
        if self.bert_config is None:
            self.bert_config = speech_roberta(num_tokens(self.tokenizer_config))
        self.hidden_size = self.bert_config.hidden_size
        self.num_hidden_layers = self.bert_config.num_hidden_layers
        self.sampling_rate = self.tokenizer_config.sampling_rate
        super().__post_init__(**kwargs)

    @property
    def max_tokens(self) -> int:
        """Tokens that RoBERTa takes, `<s>` and `</s>` among them: 2048 in the released model."""
        return int(self.bert_config.max_position_embeddings) - 2

    @property
    def mask_token(self) -> int:
        """Id of `<mask>`, the last of the vocabulary."""
        return int(self.bert_config.vocab_size) - 1

    def num_frames(self, num_samples: Any) -> Any:
        """Tokens for that many samples (an int or a tensor of ints), `<s>` and `</s>` counted."""
        tokens = self.tokenizer_config.num_frames(num_samples) + 2
        if isinstance(tokens, Tensor):
            return tokens.clamp(max=self.max_tokens)
        return min(tokens, self.max_tokens)

    @property
    def heard_seconds(self) -> float:
        """The length from which recordings lose their end, 20.5 s in the released model."""
        samples = self.min_samples + (self.max_tokens - 2) * self.frame_stride
        return samples / float(self.sampling_rate)

    @property
    def frame_stride(self) -> int:
        """Samples from one frame to the next."""
        return int(self.tokenizer_config.frame_stride)

    @property
    def min_samples(self) -> int:
        """The shortest waveform that gives a frame; shorter ones are padded with zeros to it."""
        return int(self.tokenizer_config.min_samples)


def num_tokens(config: VQWav2VecConfig) -> int:
    """Size of a vocabulary with a token for every combination of codes."""
    return NUM_SPECIAL + int(config.num_codes**config.num_groups) + 1


def speech_roberta(vocab_size: int, **fields: Any) -> RobertaConfig:
    """RoBERTa over speech tokens, by default base (12 layers of 768) with 2048 positions."""
    sizes = {"max_position_embeddings": 2050, "type_vocab_size": 1, "layer_norm_eps": 1e-5}
    special = {"bos_token_id": BOS, "pad_token_id": PAD, "eos_token_id": EOS}
    return RobertaConfig(vocab_size=vocab_size, **special, **{**sizes, **fields})


def tiny_speechbert() -> SpeechBertConfig:
    """A Speech-BERT for CPUs whose tokenizer was never trained on speech.

    Its vq-wav2vec keeps random weights (its codes have no gradient to learn by): 16 codes in each
    of two groups, a frame every 20 ms, and a token for every pair.
    """
    tokenizer = VQWav2VecConfig(
        conv_layers=[[32, 80, 20], [32, 8, 4], *[[32, 4, 2]] * 2], num_codes=16
    )
    bert = speech_roberta(
        num_tokens(tokenizer),
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=256,
        max_position_embeddings=1026,
        initializer_range=0.1,
        attention_probs_dropout_prob=0.0,
        hidden_dropout_prob=0.0,
    )
    return SpeechBertConfig(tokenizer_config=tokenizer, bert_config=bert)


@dataclass(frozen=True)
class SpeechTokens:
    """Waveforms as tokens, and what was lost on the way."""

    ids: Tensor
    """int64 (B, T), `<pad>` at the end of the shorter."""

    mask: Tensor
    """bool (B, T), True where real."""

    unknown: Tensor
    """Frames (B,) whose codes have no token of their own and became `<unk>`."""

    cut: Tensor
    """Frames (B,) at the end for which there was no position."""


class SpeechBertModel(PreTrainedModel):
    """The encoder of SpeechBertConfig, with the call of a Hugging Face speech model.

    Its states are those of the tokens, the first of them of `<s>`. The tokenizer stays as it is:
    neither its weights nor the join table are trained.
    """

    config_class = SpeechBertConfig
    base_model_prefix = "encoder"
    main_input_name = "input_values"
    _supports_sdpa = True

    join_table: Tensor
    """Token of every combination of codes, (V, …, V) with one axis a group."""

    def __init__(self, config: SpeechBertConfig) -> None:
        super().__init__(config)
        self.tokenizer = VQWav2VecModel(config.tokenizer_config)
        self.bert = AutoModel.from_config(config.bert_config, add_pooling_layer=False)
        table = every_combination(
            config.tokenizer_config.num_codes, config.tokenizer_config.num_groups
        )
        # until a dictionary is put in: every combination that the vocabulary has room for
        self.register_buffer("join_table", table.where(table < config.mask_token, UNK))
        self.post_init()

    @torch.no_grad()
    def tokenise(self, input_values: Tensor, attention_mask: Tensor | None = None) -> SpeechTokens:
        """input_values (B, N) and attention_mask (B, N); no samples at all are `<s> </s>`."""
        found, limit = self.tokenizer(input_values, attention_mask), self.config.max_tokens
        frames = found.mask.sum(1)
        rows = []
        for codes, count in zip(found.codes, frames.tolist(), strict=True):
            tokens = self.join_table[tuple(codes[:count].unbind(-1))]
            ends = tokens.new_tensor([BOS]), tokens.new_tensor([EOS])
            rows.append(torch.cat([ends[0], tokens[: limit - 2], ends[1]]))
        ids = pad_sequence(rows, batch_first=True, padding_value=PAD)
        return SpeechTokens(
            ids=ids,
            mask=ids != PAD,
            unknown=(ids == UNK).sum(1),
            cut=(frames - (limit - 2)).clamp(min=0),
        )

    def forward(
        self,
        input_values: Tensor,
        attention_mask: Tensor | None = None,
        mask_time_indices: Tensor | None = None,
        output_hidden_states: bool = False,
        **_: Any,
    ) -> BaseModelOutput:
        """input_values (B, N), attention_mask (B, N), mask_time_indices (B, T) bool.

        A masked frame becomes `<mask>`; `<s>` and `</s>` are never masked.
        """
        tokens = self.tokenise(input_values, attention_mask)
        ids = tokens.ids
        if mask_time_indices is not None:
            hidden = mask_time_indices & (ids != BOS) & (ids != EOS) & tokens.mask
            ids = ids.masked_fill(hidden, self.config.mask_token)
        output = self.bert(
            input_ids=ids,
            attention_mask=tokens.mask.long(),
            output_hidden_states=output_hidden_states,
        )
        return BaseModelOutput(
            last_hidden_state=output.last_hidden_state, hidden_states=output.hidden_states
        )


AutoConfig.register(SpeechBertConfig.model_type, SpeechBertConfig)
AutoModel.register(SpeechBertConfig, SpeechBertModel)
