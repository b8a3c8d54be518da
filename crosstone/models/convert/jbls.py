"""JBLS's released code: its fusion and its head, over the states of encoders that stand apart."""

from dataclasses import dataclass, field

from huggingface_hub.errors import StrictDataclassError
from torch import Tensor

from crosstone.errors import ConfigError
from crosstone.models.convert.imported import Companions, HeadOptions, Imported
from crosstone.models.convert.reading import ForeignFile
from crosstone.models.convert.table import Table, num_layers, rename
from crosstone.models.jbls import JBLSConfig, JBLSModel
from crosstone.models.task import build_task


def _layers(theirs: str, ours: str) -> dict[str, str]:
    """The rows of one direction of the co-attention."""
    layer, ours = rf"fusion\.{theirs}\.(\d+)\.self_cross_attn\.", rf"backbone.{ours}.\1.attention."
    return {
        layer + r"q_proj\.(weight|bias)": ours + r"query.\2",
        layer + r"k_proj\.(weight|bias)": ours + r"key.\2",
        layer + r"v_proj\.(weight|bias)": ours + r"value.\2",
        layer + r"out_proj\.(weight|bias)": ours + r"output.\2",
    }


TABLE = Table(
    names={
        **_layers("layers_ta", "text_layers"),
        **_layers("layers_at", "audio_layers"),
        r"head\.out_proj\.(weight|bias)": r"head.\1",
    },
)

EMOTIONS = ("neutral", "sad", "angry", "happy")
"""Of the code's eight outputs on IEMOCAP, two each: not, and is."""


@dataclass(frozen=True, kw_only=True)
class JBLSOptions:
    """What the weights do not say."""

    num_heads: int | None = None
    """Heads of the co-attention: 2 in the README's command, 16 by the code's default."""

    text_features: int | None = None
    """Width of the text encoder's states (1024), where shallow fusion does not tell it."""

    head: HeadOptions = field(default_factory=HeadOptions)


def convert_jbls(file: ForeignFile, options: JBLSOptions, companions: Companions) -> Imported:
    """A task model that takes the states of both encoders, given directly."""
    renamed = rename(file.state, TABLE)
    weights = renamed.weights
    renamed.require(["head.weight"], file.path)
    widths = _widths(weights, options)
    layers = num_layers(weights, r"backbone\.text_layers\.(\d+)\.")
    fields = {"fusion": "shallow"}
    if layers:
        if options.num_heads is None:
            raise ConfigError(
                f"import jbls: {file.path.name} does not say how many heads its co-attention has; "
                "give num_heads=N (2 in the README's command, 16 by the code's default)"
            )
        fields |= {"fusion": "co-attention"}
    name, spec = options.head.spec(weights["head.weight"].shape[0], one_vs_rest=EMOTIONS)
    try:
        config = JBLSConfig(
            **fields,
            **widths,
            fusion_layers=max(layers, 1),
            fusion_heads=options.num_heads or 1,
        )
        model = build_task(JBLSModel(config), {name: spec}, heard=["audio+text"])
    except (ValueError, StrictDataclassError) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise ConfigError(f"import jbls: {reason}") from error
    renamed.load_into(model, file.path, {"head.": f"heads.{next(iter(model.heads))}."})
    return Imported(result=model, mapped=renamed.mapped, ignored=renamed.ignored)


def _widths(weights: dict[str, Tensor], options: JBLSOptions) -> dict[str, int]:
    """Widths of the two encoders' states."""
    both = weights["head.weight"].shape[1]
    query = weights.get("backbone.text_layers.0.attention.query.weight")
    text = query.shape[0] if query is not None else options.text_features
    if text is None or not 0 < text < both:
        raise ConfigError(
            f"import jbls: shallow fusion over {both} values does not say how many of them are the "
            "text's; give text_features=N (1024 of 1792 as released)"
        )
    return {"text_features": text, "audio_features": both - text}
