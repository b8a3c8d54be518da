"""Encoders by name that need no download: random weights until a stage trains them."""

from collections.abc import Callable
from functools import partial

from transformers import HubertConfig, PreTrainedConfig, RobertaConfig

from crosstone.nn.logmel import LogMelConfig
from crosstone.nn.mel import MelConfig
from crosstone.nn.speechbert import tiny_speechbert

BUILTIN_AUDIO: dict[str, Callable[[], PreTrainedConfig]] = {
    "logmel-mini": partial(
        LogMelConfig,
        hidden_size=64,
        num_hidden_layers=1,
        intermediate_size=128,
        conv_strides=[2],
        hidden_dropout=0.0,
    ),
    "logmel-tiny": partial(
        LogMelConfig,
        hidden_size=64,
        num_hidden_layers=2,
        intermediate_size=256,
        conv_strides=[2],
    ),
    "logmel-small": partial(
        LogMelConfig, hidden_size=128, num_hidden_layers=4, intermediate_size=512
    ),
    "mel-160": MelConfig,
    "mel-mini": partial(MelConfig, num_mels=40, hop=400, n_fft=1024),
    "speechbert-tiny": tiny_speechbert,
    "hubert-tiny": partial(
        HubertConfig,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=256,
        conv_dim=(64,) * 7,
        feat_extract_norm="layer",
        conv_bias=True,
        do_stable_layer_norm=True,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=4,
        layerdrop=0.0,
        attention_dropout=0.0,
        activation_dropout=0.0,
    ),
}
"""Speech encoders for CPUs, their configs. The mini ones have no dropout: they are for a few
hundred steps on data that they see a few times. mel-160, CTAL's features, has nothing to learn, nor
has mel-mini, half of its bands at half of its rate. speechbert-tiny reads the codes of a random
quantizer: its tokenizer was never trained on speech."""

_roberta = partial(RobertaConfig, bos_token_id=0, pad_token_id=1, eos_token_id=2)
_roberta_ctal = partial(
    _roberta,
    hidden_size=768,
    num_attention_heads=12,
    intermediate_size=3072,
    max_position_embeddings=512,
    type_vocab_size=2,
    layer_norm_eps=1e-12,
)

BUILTIN_TEXT: dict[str, Callable[..., PreTrainedConfig]] = {
    "roberta-mini": partial(
        _roberta,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=256,
        max_position_embeddings=130,
        type_vocab_size=1,
        initializer_range=0.1,
        attention_probs_dropout_prob=0.0,
        hidden_dropout_prob=0.0,
    ),
    "roberta-tiny": partial(
        _roberta,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=256,
        max_position_embeddings=130,
        type_vocab_size=1,
        initializer_range=0.1,
        attention_probs_dropout_prob=0.0,
    ),
    "roberta-small": partial(
        _roberta,
        hidden_size=128,
        num_hidden_layers=4,
        num_attention_heads=4,
        intermediate_size=512,
        max_position_embeddings=514,
        type_vocab_size=1,
        initializer_range=0.05,
        attention_probs_dropout_prob=0.0,
    ),
    "roberta-mini-embeddings": partial(
        _roberta,
        hidden_size=64,
        num_hidden_layers=0,
        num_attention_heads=4,
        intermediate_size=256,
        max_position_embeddings=130,
        type_vocab_size=1,
        initializer_range=0.1,
        hidden_dropout_prob=0.0,
    ),
    "roberta-ctal-embeddings": partial(_roberta_ctal, num_hidden_layers=0),
    "roberta-ctal-base": partial(_roberta_ctal, num_hidden_layers=3),
    "roberta-ctal-large": partial(_roberta_ctal, num_hidden_layers=6),
}
"""Text encoders, their configs but for the vocab_size, which is their tokenizer's; mini as
above, roberta-ctal is the text stream of CTAL (§4.1), embeddings are those of one without its
layers."""
