"""fairseq's vq-wav2vec: waveforms to codes, by k-means or by Gumbel's softmax."""

import ast
from dataclasses import dataclass
from typing import Any

from huggingface_hub.errors import StrictDataclassError

from crosstone.errors import CheckpointError, ConfigError
from crosstone.models.convert.imported import Companions, Imported
from crosstone.models.convert.reading import ForeignFile
from crosstone.models.convert.table import Renamed, Table, num_layers, rename
from crosstone.nn.quantizer import VQWav2VecConfig, VQWav2VecModel

TABLE = Table(
    names={
        r"feature_extractor\.conv_layers\.(\d+)\.0\.weight": r"convolutions.\1.weight",
        r"feature_extractor\.conv_layers\.(\d+)\.2\.(weight|bias)": r"norms.\1.\2",
        # k-means
        r"vector_quantizer\.embedding": "quantizer.codewords",
        r"vector_quantizer\.projection\.0\.weight": "quantizer.projection.weight",
        r"vector_quantizer\.projection\.1\.(weight|bias)": r"quantizer.norm.\1",
        # Gumbel: one linear layer, or several, each but the last inside a Sequential
        r"vector_quantizer\.vars": "quantizer.codewords",
        r"vector_quantizer\.weight_proj\.(weight|bias)": r"quantizer.layers.0.\1",
        r"vector_quantizer\.weight_proj\.(\d+)\.(weight|bias)": r"quantizer.layers.\1.\2",
        r"vector_quantizer\.weight_proj\.(\d+)\.0\.(weight|bias)": r"quantizer.layers.\1.\2",
    },
    ignored={
        r"feature_aggregator\..*": "the network of contexts, which comes after the codes",
        r"wav2vec_predictions\..*": "the predictions that it was trained by",
    },
)

_KERNELS = [10, 8, 4, 4, 4, 1, 1, 1]
_STRIDES = [5, 4, 2, 2, 2, 1, 1, 1]
"""Of the released models, whose strides no shape tells."""


@dataclass(frozen=True, kw_only=True)
class VQWav2VecOptions:
    """What the weights do not say; by default what the file was trained with, and where it does not
    say so what fairseq trained the released models with."""

    strides: tuple[int, ...] | None = None
    """Of the convolutions: 5, 4, 2, 2, 2, 1, 1, 1."""

    activation: str | None = None
    """gelu."""

    log_compression: bool | None = None
    """false."""

    skip_connections: bool | None = None
    """false; fairseq's skip_connections_feat."""

    residual_scale: float | None = None
    """0.5."""

    num_groups: int | None = None
    """2; only for gumbel, k-means tells by its shapes."""


def convert_vq_wav2vec(
    file: ForeignFile, options: VQWav2VecOptions, companions: Companions
) -> Imported:
    """The tokenizer of a vq-wav2vec; how codewords are shared is told by their shape."""
    renamed = rename(file.state, TABLE)
    weights = renamed.weights
    renamed.require(["convolutions.0.weight", "norms.0.weight"], file.path)
    if "quantizer.codewords" not in weights:
        raise CheckpointError(
            f"{file.path}: does not fit: missing vector_quantizer.embedding (k-means) or "
            "vector_quantizer.vars (gumbel); a plain wav2vec has no codes"
        )
    said = file.arguments
    config = {
        "conv_layers": _convolutions(file, renamed, options),
        "activation": options.activation or said.get("activation", "gelu"),
        "log_compression": _first(options.log_compression, said.get("log_compression"), False),
        "skip_connections": _first(
            options.skip_connections, said.get("skip_connections_feat"), False
        ),
        "residual_scale": _first(options.residual_scale, said.get("residual_scale"), 0.5),
        **_quantizer(file, renamed, options),
    }
    try:
        model = VQWav2VecModel(VQWav2VecConfig(**config))
    except (ValueError, StrictDataclassError) as error:
        reason = " ".join(str(error.__cause__ or error).split())
        raise CheckpointError(f"{file.path}: its shapes make no vq-wav2vec: {reason}") from error
    renamed.load_into(model, file.path)
    return Imported(result=model, mapped=renamed.mapped, ignored=renamed.ignored)


def _first(*values: Any) -> Any:
    return next(value for value in values if value is not None)


def _convolutions(
    file: ForeignFile, renamed: Renamed, options: VQWav2VecOptions
) -> list[list[int]]:
    """(width, kernel, stride) of each layer, strides from whoever says them."""
    weights = renamed.weights
    count = num_layers(weights, r"convolutions\.(\d+)\.weight")
    names = [f"convolutions.{i}.weight" for i in range(count)]
    renamed.require(names, file.path)
    shapes = [(t.shape[0], t.shape[2]) for t in map(weights.__getitem__, names) if t.ndim == 3]
    if len(shapes) != count:
        raise CheckpointError(f"{file.path}: expected convolutions of three axes, found others")
    strides = list(options.strides or _said_strides(file, shapes))
    if len(strides) != count:
        raise ConfigError(
            f"import vq-wav2vec: strides expects {count} numbers, found {len(strides)}"
        )
    return [[width, kernel, s] for (width, kernel), s in zip(shapes, strides, strict=True)]


def _said_strides(file: ForeignFile, shapes: list[tuple[int, int]]) -> list[int]:
    said = file.arguments.get("conv_feature_layers")
    if said is not None:
        try:
            return [int(stride) for _width, _kernel, stride in ast.literal_eval(str(said))]
        except (ValueError, SyntaxError, TypeError):
            pass  # an expression such as [(512, 10, 5)] + …, which is not run
    elif [kernel for _, kernel in shapes] == _KERNELS:
        return _STRIDES
    raise ConfigError(
        f"import vq-wav2vec: {file.path.name} does not say the strides of its {len(shapes)} "
        f"convolutions{f' in a form that is read ({said})' if said is not None else ''}; give "
        "strides=[5,4,…]"
    )


def _quantizer(file: ForeignFile, renamed: Renamed, options: VQWav2VecOptions) -> dict[str, Any]:
    """Kind, groups and codewords, by the shapes."""
    weights = renamed.weights
    codewords = weights["quantizer.codewords"]
    if codewords.ndim != 3:
        raise CheckpointError(
            f"{file.path}: expected codewords of three axes, found shape {tuple(codewords.shape)}"
        )
    vector_width = codewords.shape[2]
    if "vector_quantizer.embedding" in file.state:
        renamed.require(["quantizer.projection.weight"], file.path)
        groups = weights["quantizer.projection.weight"].shape[0] // vector_width
        return {
            "quantizer": "kmeans",
            "num_groups": groups,
            "num_codes": codewords.shape[0],
            "combine_groups": codewords.shape[1] == 1 and groups > 1,
        }
    depth = num_layers(weights, r"quantizer\.layers\.(\d+)\.")
    last = f"quantizer.layers.{max(depth - 1, 0)}.bias"
    renamed.require([last], file.path)
    said = file.arguments
    groups = int(_first(options.num_groups, said.get("vq_groups"), 2))
    num_codes = weights[last].shape[0] // groups
    return {
        "quantizer": "gumbel",
        "num_groups": groups,
        "num_codes": num_codes,
        "combine_groups": codewords.shape[1] == num_codes and groups > 1,
        "codeword_width": vector_width,
        "vq_depth": depth,
    }
