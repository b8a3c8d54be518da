"""CTAL's released code: a checkpoint of its pretraining, or a bare state dict of either model."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from huggingface_hub.errors import StrictDataclassError
from torch import Tensor
from transformers import RobertaConfig

from crosstone.errors import CheckpointError, ConfigError
from crosstone.models.builtin import BUILTIN_AUDIO
from crosstone.models.convert.imported import Companions, HeadOptions, Imported
from crosstone.models.convert.reading import ForeignFile, state_in
from crosstone.models.convert.table import Renamed, Table, num_layers, rename
from crosstone.models.ctal import CTALConfig, CTALModel
from crosstone.models.headspec import HeadSpec
from crosstone.models.task import build_task

_TEXT = r"(?:semantic_model\.roberta|semantic_model|roberta)\."
_AUDIO = r"(?:acoustic_model\.acoustic|acoustic_model|acoustic)\."
_TOKENS = r"(?:semantic_model\.lm_head|lm_head)\."
_FRAMES = r"(?:acoustic_model\.am_head|am_head)\."
_OURS_TEXT = "backbone.text_encoder.model."
_LAYER, _BLOCK = _AUDIO + r"encoder\.layer\.(\d+)\.", r"backbone.audio_blocks.\1."

TABLE = Table(
    names={
        # the text stream is Hugging Face's RoBERTa under its own names
        _TEXT + r"(embeddings|encoder)\.(?!position_ids)(.*)": _OURS_TEXT + r"\1.\2",
        _TOKENS + r"dense\.(weight|bias)": r"text_tokens.dense.\1",
        _TOKENS + r"layer_norm\.(weight|bias)": r"text_tokens.norm.\1",
        _TOKENS + r"bias": "text_tokens.bias",
        # the audio stream
        _AUDIO + r"embeddings\.dense\.(weight|bias)": r"backbone.embeddings.project.\1",
        _AUDIO + r"embeddings\.position_embeddings\.weight": "backbone.embeddings.positions.weight",
        _AUDIO + r"embeddings\.token_type_embeddings\.weight": "backbone.embeddings.types.weight",
        _AUDIO + r"embeddings\.LayerNorm\.(weight|bias)": r"backbone.embeddings.norm.\1",
        _LAYER + r"attention\.self\.(query|key|value)\.(weight|bias)": (
            _BLOCK + r"self_attention.\2.\3"
        ),
        _LAYER + r"attention\.output\.dense\.(weight|bias)": _BLOCK + r"self_attention.output.\2",
        _LAYER + r"attention\.output\.LayerNorm\.(weight|bias)": _BLOCK + r"self_norm.\2",
        _LAYER + r"crossattention\.self\.(query|key|value)\.(weight|bias)": (
            _BLOCK + r"cross_attention.\2.\3"
        ),
        _LAYER + r"crossattention\.output\.dense\.(weight|bias)": (
            _BLOCK + r"cross_attention.output.\2"
        ),
        _LAYER + r"crossattention\.output\.LayerNorm\.(weight|bias)": _BLOCK + r"cross_norm.\2",
        _LAYER + r"intermediate\.dense\.(weight|bias)": _BLOCK + r"expand.\2",
        _LAYER + r"output\.dense\.(weight|bias)": _BLOCK + r"contract.\2",
        _LAYER + r"output\.LayerNorm\.(weight|bias)": _BLOCK + r"output_norm.\2",
        _FRAMES + r"dense\.(weight|bias)": r"audio_frames.dense.\1",
        _FRAMES + r"layer_norm\.(weight|bias)": r"audio_frames.norm.\1",
        _FRAMES + r"decoder\.weight": "audio_frames.project.weight",
        _FRAMES + r"bias": "audio_frames.project.bias",
        # fine-tuning
        r"semantic_linear\.(weight|bias)": r"backbone.fusion.text_projection.\1",
        r"acoustic_linear\.(weight|bias)": r"backbone.fusion.audio_projection.\1",
        r"acoustic_attention\.(weight|bias)": r"backbone.fusion.audio_scorer.\1",
        r"fuse_linear\.(weight|bias)": r"backbone.fusion.fuse.\1",
        r"classifier\.weight": "head.weight",
    },
    tied={
        r"semantic_model\.lm_head\.decoder\.weight": (
            "semantic_model.roberta.embeddings.word_embeddings.weight"
        ),
        r"((?:semantic_model\.)?lm_head)\.decoder\.bias": r"\1.bias",
        r"((?:acoustic_model\.)?am_head)\.decoder\.bias": r"\1.bias",
    },
    ignored={
        r".*\.position_ids": "counts from 0",
    },
)

_PARTS = ("semantic_model", "acoustic_model")
_BESIDE = {
    "Optimizer": "state of the optimiser",
    "Global_step": "steps that it was trained for",
    "Settings": "its configs, which were read, and the arguments of its training",
}


@dataclass(frozen=True, kw_only=True)
class CTALOptions:
    """What the weights do not say."""

    num_heads: int | None = None
    """Attention heads; by default the checkpoint's Settings, and where there are none one for every
    64 of the width, as released."""

    as_published: Literal["code", "paper"] = "code"
    """Audio attention and orthogonality as in the code that made the weights, or in the paper."""

    audio_attention: Literal["causal", "bidirectional"] | None = None
    """By itself, over as_published."""

    orthogonality: Literal["code", "paper"] | None = None
    """By itself, over as_published."""

    fusion: Literal["sum", "concat"] = "sum"
    """concat where a classifier was trained without orthogonal fusion, which no shape tells."""

    head: HeadOptions = field(default_factory=HeadOptions)


def convert_ctal(file: ForeignFile, options: CTALOptions, companions: Companions) -> Imported:
    """A task model with the heads that the file holds: text_tokens and audio_frames of pretraining,
    or a classifier's."""
    state, said, beside = _parts(file)
    renamed = rename(state, TABLE)
    weights = renamed.weights
    fields = _sizes(file, renamed, said, options)
    heads: dict[str, HeadSpec] = {}
    if "text_tokens.bias" in weights:
        norm_eps = fields["text_config"].layer_norm_eps
        heads["text_tokens"] = HeadSpec(kind="tokens", style="tied", norm_eps=norm_eps)
    if "audio_frames.project.weight" in weights:
        heads["audio_frames"] = HeadSpec(kind="frames", norm_eps=fields["norm_eps"])
    places = {f"{name}.": f"heads.{name}." for name in heads}
    asked = {"fusion": "none"}
    if "head.weight" in weights:
        name, heads_spec = options.head.spec(weights["head.weight"].shape[0], bias=False)
        heads = {name: heads_spec, **heads}
        asked = {"fusion": options.fusion, "head": "code", "outputs": _outputs(weights)}
    for field_name in ("audio_attention", "orthogonality"):
        if (value := getattr(options, field_name)) is not None:
            asked[field_name] = value
    try:
        config = CTALConfig(as_published=options.as_published, **asked, **fields)
        model = build_task(CTALModel(config), heads, heard=["audio+text"])
    except (ValueError, StrictDataclassError) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise ConfigError(f"import ctal: {reason}") from error
    places["head."] = f"heads.{next(iter(model.heads), '')}."
    renamed.load_into(model, file.path, places)
    return Imported(result=model, mapped=renamed.mapped, ignored={**renamed.ignored, **beside})


def _parts(
    file: ForeignFile,
) -> tuple[dict[str, Tensor], Mapping[str, Mapping[str, Any]], dict[str, str]]:
    """The weights of both streams under one roof, their configs where the file has them, and what
    lies beside them."""
    held = file.content
    if not isinstance(held, Mapping) or not all(isinstance(held.get(p), Mapping) for p in _PARTS):
        return file.state, {}, {}
    state = {
        f"{part}.{key}": tensor
        for part in _PARTS
        for key, tensor in state_in(held[part], f"{file.path}: {part}").items()
    }
    unknown = sorted(str(key) for key in set(held) - {*_PARTS, *_BESIDE})
    if unknown:
        raise CheckpointError(
            f"{file.path}: expected {', '.join((*_PARTS, *_BESIDE))}, found also "
            f"{', '.join(unknown)}"
        )
    settings = held.get("Settings")
    configs = settings.get("Config") if isinstance(settings, Mapping) else None
    beside = {key: why for key, why in _BESIDE.items() if key in held}
    return state, configs if isinstance(configs, Mapping) else {}, beside


def _outputs(weights: Mapping[str, Tensor]) -> str:
    """Which streams a classifier's weights take."""
    hears = "backbone.fusion.audio_projection.weight" in weights
    reads = "backbone.fusion.text_projection.weight" in weights
    return "both" if hears == reads else "audio" if hears else "text"


def _sizes(
    file: ForeignFile,
    renamed: Renamed,
    said: Mapping[str, Mapping[str, Any]],
    options: CTALOptions,
) -> dict[str, Any]:
    """Fields of CTALConfig by the shapes, and by the checkpoint's own configs."""
    places = {
        "words": _OURS_TEXT + "embeddings.word_embeddings.weight",
        "text_positions": _OURS_TEXT + "embeddings.position_embeddings.weight",
        "text_types": _OURS_TEXT + "embeddings.token_type_embeddings.weight",
        "text_inner": _OURS_TEXT + "encoder.layer.0.intermediate.dense.weight",
        "frames": "backbone.embeddings.project.weight",
        "positions": "backbone.embeddings.positions.weight",
        "inner": "backbone.audio_blocks.0.expand.weight",
    }
    renamed.require(places.values(), file.path)
    weights = renamed.weights
    shapes = {name: tuple(weights[place].shape) for name, place in places.items()}
    width = shapes["words"][1]
    text, audio = said.get("semantic") or {}, said.get("acoustic") or {}
    heads = {
        stream: _num_heads(file, width, config, options)
        for stream, config in (("text", text), ("audio", audio))
    }
    if activations := {text.get("hidden_act", "gelu"), audio.get("hidden_act", "gelu")} - {"gelu"}:
        raise CheckpointError(
            f"{file.path}: expected the activation gelu, found {', '.join(sorted(activations))}, "
            "which no block of ours has"
        )
    if int(audio.get("downsample_rate", 1)) != 1:
        raise CheckpointError(
            f"{file.path}: expected one frame at a time, found downsample_rate "
            f"{audio['downsample_rate']}, which stacks frames; no tower of ours does"
        )
    features = shapes["frames"][1]
    tower = BUILTIN_AUDIO["mel-160"]()
    return {
        "text_config": RobertaConfig(
            vocab_size=shapes["words"][0],
            hidden_size=width,
            num_hidden_layers=num_layers(weights, rf"{_OURS_TEXT}encoder\.layer\.(\d+)\."),
            num_attention_heads=heads["text"],
            intermediate_size=shapes["text_inner"][0],
            max_position_embeddings=shapes["text_positions"][0],
            type_vocab_size=shapes["text_types"][0],
            layer_norm_eps=float(text.get("layer_norm_eps", 1e-12)),
            hidden_dropout_prob=float(text.get("hidden_dropout_prob", 0.1)),
            attention_probs_dropout_prob=float(text.get("attention_probs_dropout_prob", 0.1)),
            bos_token_id=0,
            pad_token_id=1,
            eos_token_id=2,
        ),
        "audio_config": tower if features == tower.hidden_size else None,
        "audio_features": 0 if features == tower.hidden_size else features,
        "num_layers": num_layers(weights, r"backbone\.audio_blocks\.(\d+)\."),
        "num_heads": heads["audio"],
        "intermediate_size": shapes["inner"][0],
        "max_frames": shapes["positions"][0],
        "norm_eps": float(audio.get("layer_norm_eps", 1e-12)),
        "dropout": float(audio.get("hidden_dropout_prob", 0.1)),
        "attention_dropout": float(audio.get("attention_probs_dropout_prob", 0.1)),
        "mask_token_id": 4,
    }


def _num_heads(
    file: ForeignFile, width: int, config: Mapping[str, Any], options: CTALOptions
) -> int:
    said = options.num_heads or config.get("num_attention_heads")
    if said is None and width % 64:
        raise ConfigError(
            f"import ctal: {file.path.name} does not say how many attention heads it has, and its "
            f"width of {width} is not a multiple of 64; give num_heads=N"
        )
    return int(said) if said is not None else width // 64
