"""fairseq's RoBERTa: the one over vq-wav2vec's codes (bert_kmeans), or any other."""

from dataclasses import dataclass
from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from tokenizers.processors import RobertaProcessing
from transformers import (
    AutoConfig,
    AutoModel,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    RobertaForMaskedLM,
    RobertaModel,
)

from crosstone.errors import CheckpointError, ConfigError
from crosstone.models.convert.imported import Companions, Imported
from crosstone.models.convert.reading import ForeignFile
from crosstone.models.convert.table import Renamed, Table, num_layers, rename
from crosstone.nn.joining import NUM_SPECIAL, join_table, read_dictionary
from crosstone.nn.quantizer import VQWav2VecConfig
from crosstone.nn.speechbert import SpeechBertConfig, SpeechBertModel, speech_roberta

_LAYER = r"(?:decoder|encoder)\.sentence_encoder\.layers\.(\d+)\."
_HEAD = r"(?:decoder|encoder)\.lm_head\."
_EMBEDDINGS = r"(?:decoder|encoder)\.sentence_encoder\."

TABLE = Table(
    names={
        _EMBEDDINGS + r"embed_tokens\.weight": "embeddings.word_embeddings.weight",
        _EMBEDDINGS + r"embed_positions\.weight": "embeddings.position_embeddings.weight",
        # released before fairseq 0.10, and since
        _EMBEDDINGS + r"emb_layer_norm\.(weight|bias)": r"embeddings.LayerNorm.\1",
        _EMBEDDINGS + r"layernorm_embedding\.(weight|bias)": r"embeddings.LayerNorm.\1",
        _LAYER + r"self_attn\.q_proj\.(weight|bias)": r"encoder.layer.\1.attention.self.query.\2",
        _LAYER + r"self_attn\.k_proj\.(weight|bias)": r"encoder.layer.\1.attention.self.key.\2",
        _LAYER + r"self_attn\.v_proj\.(weight|bias)": r"encoder.layer.\1.attention.self.value.\2",
        # very old: queries, keys and values in one
        _LAYER + r"self_attn\.in_proj_(weight|bias)": (
            r"encoder.layer.\1.attention.self.query.\2",
            r"encoder.layer.\1.attention.self.key.\2",
            r"encoder.layer.\1.attention.self.value.\2",
        ),
        _LAYER + r"self_attn\.out_proj\.(weight|bias)": (
            r"encoder.layer.\1.attention.output.dense.\2"
        ),
        _LAYER + r"self_attn_layer_norm\.(weight|bias)": (
            r"encoder.layer.\1.attention.output.LayerNorm.\2"
        ),
        _LAYER + r"fc1\.(weight|bias)": r"encoder.layer.\1.intermediate.dense.\2",
        _LAYER + r"fc2\.(weight|bias)": r"encoder.layer.\1.output.dense.\2",
        _LAYER + r"final_layer_norm\.(weight|bias)": r"encoder.layer.\1.output.LayerNorm.\2",
        _HEAD + r"dense\.(weight|bias)": r"lm_head.dense.\1",
        _HEAD + r"layer_norm\.(weight|bias)": r"lm_head.layer_norm.\1",
        _HEAD + r"bias": "lm_head.bias",
    },
    tied={
        r"(decoder|encoder)\.lm_head\.weight": r"\1.sentence_encoder.embed_tokens.weight",
    },
    ignored={
        r".*\.version|.*\._float_tensor": "a mark of fairseq's own",
        r"(?:decoder|encoder)\.pooler\..*|classification_heads\..*": "a head of another task",
    },
)


@dataclass(frozen=True, kw_only=True)
class BertKmeansOptions:
    """What the weights do not say."""

    num_heads: int | None = None
    """Attention heads; by default what the file was trained with, and where it does not say so one
    for every 64 of the width, as in RoBERTa."""


def convert_bert_kmeans(
    file: ForeignFile, options: BertKmeansOptions, companions: Companions
) -> Imported:
    """A Hugging Face RoBERTa; with the tokenizer a Speech-BERT, which takes waveforms.

    The dictionary becomes the tokens of the one or the join table of the other.
    """
    renamed = rename(file.state, TABLE)
    fields = _fields(file, renamed, options)
    symbols = None
    if companions.dictionary is not None:
        symbols = read_dictionary(companions.dictionary)
        _check_size(symbols, fields["vocab_size"], companions)
    if companions.tokenizer is not None:
        return _speech_bert(file, renamed, fields, symbols, companions)
    config = speech_roberta(**fields)
    with_head = any(key.startswith("lm_head.") for key in renamed.weights)
    model: PreTrainedModel
    if with_head:
        model = RobertaForMaskedLM(config)
        renamed.load_into(model, file.path, {"lm_head.": "lm_head.", "": "roberta."})
    else:
        model = RobertaModel(config, add_pooling_layer=False)
        renamed.load_into(model, file.path)
    return Imported(
        result=model,
        mapped=renamed.mapped,
        ignored=renamed.ignored,
        tokenizer=None if symbols is None else _tokenizer(symbols, fields["vocab_size"]),
    )


def _speech_bert(
    file: ForeignFile,
    renamed: Renamed,
    fields: dict[str, Any],
    symbols: tuple[str, ...] | None,
    companions: Companions,
) -> Imported:
    if symbols is None:
        raise ConfigError(
            "import bert-kmeans: with --tokenizer it needs --dictionary, the dict.txt that says "
            "which token each pair of codes is"
        )
    folder = companions.tokenizer
    try:
        config = AutoConfig.from_pretrained(folder)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f"{folder}: no tokenizer can be loaded from here ({reason})"
        ) from error
    if not isinstance(config, VQWav2VecConfig):
        raise CheckpointError(
            f"{folder}: expected an imported vq-wav2vec (crosstone import vq-wav2vec), found "
            f"'{config.model_type}'"
        )
    model = SpeechBertModel(
        SpeechBertConfig(tokenizer_config=config, bert_config=speech_roberta(**fields))
    )
    for key in [key for key in renamed.weights if key.startswith("lm_head.")]:
        renamed.drop(key, "the head of masked tokens, which no stage of ours trains")
    renamed.load_into(model.bert, file.path)
    model.tokenizer.load_state_dict(AutoModel.from_pretrained(folder).state_dict())
    table = join_table(symbols, config.num_codes, config.num_groups)
    model.join_table.copy_(table)
    known = int((table >= NUM_SPECIAL).sum())
    return Imported(
        result=model,
        mapped=renamed.mapped,
        ignored=renamed.ignored,
        notes=(f"{known:,} of {table.numel():,} combinations of codes have a token of their own",),
    )


def _fields(file: ForeignFile, renamed: Renamed, options: BertKmeansOptions) -> dict[str, Any]:
    """Fields of RobertaConfig, by the shapes and by what the file was trained with."""
    weights, said = renamed.weights, file.arguments
    names = (
        "embeddings.word_embeddings.weight",
        "embeddings.position_embeddings.weight",
        "encoder.layer.0.intermediate.dense.weight",
    )
    renamed.require(names, file.path)
    words, places, inner = (weights[name] for name in names)
    width = words.shape[1]
    # fairseq has no token types: a row of zeros adds nothing
    weights["embeddings.token_type_embeddings.weight"] = torch.zeros(1, width)
    return {
        "vocab_size": words.shape[0],
        "hidden_size": width,
        "num_hidden_layers": num_layers(weights, r"encoder\.layer\.(\d+)\."),
        "num_attention_heads": _num_heads(file, width, options),
        "intermediate_size": inner.shape[0],
        "max_position_embeddings": places.shape[0],
        "hidden_act": str(said.get("activation_fn", "gelu")),
        "hidden_dropout_prob": float(said.get("dropout", 0.1)),
        "attention_probs_dropout_prob": float(said.get("attention_dropout", 0.1)),
    }


def _num_heads(file: ForeignFile, width: int, options: BertKmeansOptions) -> int:
    said = options.num_heads or file.arguments.get("encoder_attention_heads")
    if said is None and width % 64:
        raise ConfigError(
            f"import bert-kmeans: {file.path.name} does not say how many attention heads it has, "
            f"and its width of {width} is not a multiple of 64; give num_heads=N"
        )
    return int(said) if said is not None else width // 64


def _check_size(symbols: tuple[str, ...], rows: int, companions: Companions) -> None:
    """Rows for the special symbols, the dictionary's, and at most `<mask>`."""
    if rows - NUM_SPECIAL - len(symbols) not in (0, 1):
        raise CheckpointError(
            f"{companions.dictionary}: expected {rows - NUM_SPECIAL - 1:,} symbols for the "
            f"{rows:,} embeddings of the checkpoint, found {len(symbols):,}; take the dict.txt "
            "that lies beside it"
        )


def _tokenizer(symbols: tuple[str, ...], vocab_size: int) -> PreTrainedTokenizerFast:
    """A dictionary as a tokenizer of symbols between blanks, `<mask>` last."""
    vocabulary = {s: i for i, s in enumerate(("<s>", "<pad>", "</s>", "<unk>", *symbols))}
    has_mask = len(vocabulary) < vocab_size
    if has_mask:
        vocabulary["<mask>"] = vocab_size - 1
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = WhitespaceSplit()
    tokenizer.post_processor = RobertaProcessing(("</s>", 2), ("<s>", 0), add_prefix_space=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>" if has_mask else None,
    )
