"""The sizes of every family on its paper's encoders, and how many parameters each has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

import torch
from transformers import BertConfig, HubertConfig, PreTrainedConfig, RobertaConfig, Wav2Vec2Config

from crosstone.models.builtin import BUILTIN_AUDIO, BUILTIN_TEXT
from crosstone.models.families import FAMILIES
from crosstone.models.headspec import HeadSpec
from crosstone.models.task import TaskConfig, TaskModel
from crosstone.nn.speechbert import SpeechBertConfig

_LARGE = {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16}
_SPEECH = {"feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True}

ENCODERS: dict[str, Callable[[], PreTrainedConfig]] = {
    "facebook/hubert-large-ll60k": partial(
        HubertConfig, **_LARGE, **_SPEECH, intermediate_size=4096
    ),
    "facebook/wav2vec2-large-lv60": partial(
        Wav2Vec2Config, **_LARGE, **_SPEECH, intermediate_size=4096
    ),
    "Speech-BERT": SpeechBertConfig,
    "mel-160": BUILTIN_AUDIO["mel-160"],
    "roberta-large": partial(
        RobertaConfig,
        **_LARGE,
        vocab_size=50_265,
        intermediate_size=4096,
        max_position_embeddings=514,
        type_vocab_size=1,
    ),
    "google-bert/bert-base-uncased": partial(BertConfig, vocab_size=30_522),
    "roberta-ctal-embeddings": partial(BUILTIN_TEXT["roberta-ctal-embeddings"], vocab_size=30_000),
    "roberta-ctal-base": partial(BUILTIN_TEXT["roberta-ctal-base"], vocab_size=30_000),
    "roberta-ctal-large": partial(BUILTIN_TEXT["roberta-ctal-large"], vocab_size=30_000),
}
"""The papers' encoders, in the form of their configs: nothing is downloaded to count them. The
vocabulary of 30,000 is CTAL's; Speech-BERT's has a token for each of 320² pairs of codes, where the
released dictionary has those alone that LibriSpeech holds."""

Part = Literal["audio_encoder", "tokenizer", "text_encoder", "own", "heads", "all"]
PREFIXES: tuple[tuple[str, Part], ...] = (
    ("backbone.audio_encoder.model.tokenizer.", "tokenizer"),
    ("backbone.audio_encoder.", "audio_encoder"),
    ("backbone.text_encoder.", "text_encoder"),
    ("heads.", "heads"),
    ("", "own"),
)
"""Which part a parameter belongs to, by the first that its name begins with; `tokenizer` is what
vq-wav2vec needs to tokenise, which no stage trains, and `own` the family's."""


@dataclass(frozen=True, kw_only=True)
class Printed:
    """A size as a paper prints it."""

    of: Part
    said: str
    unit: int = 1_000_000
    """What the paper counts in; CMT's numbers are right in units of 2^20."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """One preset of a family, or its only form, on the encoders of its paper."""

    family: str
    name: str
    """The preset's, or the family's own."""
    audio: str | None = None
    """Speech encoder in ENCODERS; None where there is none."""
    text: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Config fields over the preset's."""
    heads: Mapping[str, HeadSpec] = field(default_factory=dict)
    """The heads that are counted."""
    printed: tuple[Printed, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Parameters:
    """How many parameters a size has, by part, and how many of them fine-tuning trains."""

    parts: Mapping[Part, int]
    """`all` is the sum of the others."""
    trained: int


_HUBERT, _WAV2VEC2 = "facebook/hubert-large-ll60k", "facebook/wav2vec2-large-lv60"
_ROBERTA, _BERT = "roberta-large", "google-bert/bert-base-uncased"
_FOUR = ("ang", "hap", "neu", "sad")
_EMOTION = {"emotion": HeadSpec(kind="classification", labels=_FOUR)}
_TWO_WAY = {"emotion": HeadSpec(kind="one_vs_rest", labels=_FOUR)}
_SENTIMENT = {"sentiment": HeadSpec(kind="regression")}
_MASKED = {
    "text_tokens": HeadSpec(kind="tokens", style="tied", norm_eps=1e-12),
    "audio_frames": HeadSpec(kind="frames", norm_eps=1e-12),
}

_cmt = partial(Size, family="cmt", audio=_HUBERT, text=_ROBERTA)
_pretrained = partial(Size, audio="mel-160", fields={"fusion": "none"}, heads=_MASKED)
_jbls = partial(Size, family="jbls", audio="Speech-BERT", text=_ROBERTA, heads=_TWO_WAY)
_mult = partial(Size, family="mult", fields={"audio_features": 74, "text_features": 300})


def _units(own: str, whole: str) -> tuple[Printed, ...]:
    return Printed(of="own", said=own, unit=1 << 20), Printed(of="all", said=whole, unit=1 << 20)


_ADDS_14K = (Printed(of="heads", said="close to fourteen thousand", unit=1000),)
_ADDS_6M = (Printed(of="own", said="nearly 6 million"),)

CATALOGUE: tuple[Size, ...] = (
    _cmt(name="cmt-base", printed=_units("64M", "703M")),  # §4.2
    _cmt(name="cmt-large", printed=_units("128M", "767M")),
    _cmt(name="cmt-4"),
    Size(family="audio", name="audio", audio=_HUBERT, heads=_EMOTION),
    Size(family="text", name="text", text=_ROBERTA, heads=_EMOTION),
    Size(family="shallow", name="shallow", audio=_HUBERT, text=_ROBERTA, heads=_EMOTION),
    *(
        _pretrained(
            family="ctal",
            name=f"ctal-{size}{form}",
            text=f"roberta-ctal-{size}",
            printed=(Printed(of="all", said=said),),  # §4.1
        )
        for form in ("", "-code")
        for size, said in (("base", "60M"), ("large", "110M"))
    ),
    _jbls(name="jbls-shallow", printed=_ADDS_14K),
    _jbls(name="jbls-coattention", printed=_ADDS_6M),  # §5.4
    _jbls(name="jbls-coattention-vilbert", printed=_ADDS_6M),
    Size(family="jbls-audio", name="jbls-audio", audio="Speech-BERT", heads=_TWO_WAY),
    Size(family="jbls-text", name="jbls-text", text=_ROBERTA, heads=_TWO_WAY),
    *(
        Size(
            family=family,
            name=f"cma-{form}",
            audio=_WAV2VEC2 if FAMILIES[family].hears else None,
            text=_BERT if FAMILIES[family].reads else None,
            heads=_EMOTION,
        )
        for family in ("cma", "cma-audio", "cma-text")
        for form in ("tuned", "frozen")
    ),
    _mult(name="mult-mosei", heads=_SENTIMENT),
    _mult(name="mult-mosi", fields={"audio_features": 5, "text_features": 300}, heads=_SENTIMENT),
    _mult(name="mult-iemocap", heads=_TWO_WAY),
    _mult(name="mult-code", heads=_SENTIMENT),
    _pretrained(family="two-stream", name="two-stream-large", text="roberta-ctal-base"),
    _pretrained(family="single-stream", name="single-stream-large", text="roberta-ctal-embeddings"),
    _pretrained(
        family="mockingjay",
        name="mockingjay-large",
        heads={"audio_frames": _MASKED["audio_frames"]},
    ),
)
"""Every preset of every family. CTAL and what it is weighed against are counted as they are
pretrained, with their heads; CMT as its paper counts it, without any; MulT on the features of its
authors' data sets (GloVe of 300, COVAREP of 74, on MOSI of 5); the others with a head for their
paper's first task."""


def count_parameters(size: Size) -> Parameters:
    """The parameters of a size, of a model without storage (the meta device)."""
    family = FAMILIES[size.family]
    towers = {
        f"{kind}_config": ENCODERS[name]()
        for kind, name in (("audio", size.audio), ("text", size.text))
        if name is not None
    }
    fields = {**family.presets.get(size.name, {}), **size.fields}
    heads = {name: {**vars(spec), "labels": list(spec.labels)} for name, spec in size.heads.items()}
    with torch.device("meta"):
        config = family.model.config_class(**towers, **fields)
        model = TaskModel(TaskConfig(backbone_config=config, heads=heads))
    parts: dict[Part, int] = {part: 0 for _, part in PREFIXES}
    parts["all"] = trained = 0
    for name, parameter in model.named_parameters():
        part = next(part for prefix, part in PREFIXES if name.startswith(prefix))
        parts[part] += parameter.numel()
        parts["all"] += parameter.numel()
        trained += parameter.numel() * parameter.requires_grad
    return Parameters(parts=parts, trained=trained)
