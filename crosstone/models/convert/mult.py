"""MulT's released code, its audio and text branches: a state dict as CTAL's comparison has it."""

from dataclasses import dataclass, field
from typing import Literal

from huggingface_hub.errors import StrictDataclassError

from crosstone.errors import CheckpointError, ConfigError
from crosstone.models.convert.imported import Companions, HeadOptions, Imported
from crosstone.models.convert.reading import ForeignFile
from crosstone.models.convert.table import Table, num_layers, rename
from crosstone.models.mult import MulTConfig, MulTModel
from crosstone.models.task import build_task


def _encoder(theirs: str, ours: str) -> dict[str, str | tuple[str, ...]]:
    """The rows of one transformer, cross-modal or memory."""
    layer, block = rf"{theirs}\.layers\.(\d+)\.", rf"backbone.{ours}.blocks.\1."
    return {
        layer + r"self_attn\.in_proj_(weight|bias)": (
            block + r"attention.query.\2",
            block + r"attention.key.\2",
            block + r"attention.value.\2",
        ),
        layer + r"self_attn\.out_proj\.(weight|bias)": block + r"attention.output.\2",
        layer + r"layer_norms\.0\.(weight|bias)": block + r"attention_norm.\2",
        layer + r"layer_norms\.1\.(weight|bias)": block + r"output_norm.\2",
        layer + r"fc1\.(weight|bias)": block + r"expand.\2",
        layer + r"fc2\.(weight|bias)": block + r"contract.\2",
        rf"{theirs}\.layer_norm\.(weight|bias)": rf"backbone.{ours}.norm.\1",
    }


TABLE = Table(
    names={
        r"proj_a\.weight": "backbone.audio_projection.weight",
        r"proj_l\.weight": "backbone.text_projection.weight",
        **_encoder("trans_l_with_a", "text_with_audio"),
        **_encoder("trans_a_with_l", "audio_with_text"),
        **_encoder("trans_l_mem", "text_memory"),
        **_encoder("trans_a_mem", "audio_memory"),
        r"proj1\.(weight|bias)": r"backbone.first_residual.\1",
        r"proj2\.(weight|bias)": r"backbone.second_residual.\1",
        r"out_layer\.(weight|bias)": r"head.\1",
    },
    ignored={
        r".*\.version|.*\._float_tensor": "a mark of fairseq's, whose transformer it was",
    },
)


EMOTIONS = ("neutral", "happy", "sad", "angry")
"""Of the code's eight outputs on IEMOCAP, two each: not, and is."""


@dataclass(frozen=True, kw_only=True)
class MulTOptions:
    """What the weights do not say."""

    num_heads: int | None = None
    """Attention heads: 5 in the code; 8 on MOSEI, 10 on MOSI and IEMOCAP in the paper."""

    future_mask: bool = True
    """Whether it was trained without --attn_mask, which turns the mask off."""

    padding: Literal["code", "masked"] = "code"
    """Zeros before the real frames, as in the code's data, or masked."""

    head: HeadOptions = field(default_factory=HeadOptions)


def convert_mult(file: ForeignFile, options: MulTOptions, companions: Companions) -> Imported:
    """A task model over features of two modalities, with the released code's conventions."""
    state = file.state
    if any(key.startswith(("proj_v.", "trans_v_", "trans_l_with_v.")) for key in state):
        raise CheckpointError(
            f"{file.path}: expected MulT's audio and text branches, found the three of the paper: "
            "each memory is as wide as two cross-modal outputs, so that what is left without "
            "vision is no network that was trained; train one without its vision branches"
        )
    renamed = rename(state, TABLE)
    weights = renamed.weights
    projections = {side: f"backbone.{side}_projection.weight" for side in ("audio", "text")}
    renamed.require([*projections.values(), "head.weight"], file.path)
    if options.num_heads is None:
        raise ConfigError(
            f"import mult: {file.path.name} does not say how many heads its attention has; give "
            "num_heads=N (5 in the code; 8 on MOSEI, 10 on MOSI and IEMOCAP in the paper)"
        )
    fields: dict[str, int] = {}
    for side, key in projections.items():
        width, features, kernel = weights[key].shape
        fields |= {f"{side}_features": features, f"{side}_kernel": kernel, "width": width}
        if features == width:
            renamed.drop(key, "the code leaves it out where an input has the width already")
    name, spec = options.head.spec(weights["head.weight"].shape[0], one_vs_rest=EMOTIONS)
    try:
        config = MulTConfig(
            **fields,
            num_layers=num_layers(weights, r"backbone\.text_with_audio\.blocks\.(\d+)\."),
            num_heads=options.num_heads,
            future_mask=options.future_mask,
            padding=options.padding,
            skip_equal_projection=True,
        )
        model = build_task(MulTModel(config), {name: spec}, heard=["audio+text"])
    except (ValueError, StrictDataclassError) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise ConfigError(f"import mult: {reason}") from error
    renamed.load_into(model, file.path, {"head.": f"heads.{next(iter(model.heads))}."})
    return Imported(result=model, mapped=renamed.mapped, ignored=renamed.ignored)
