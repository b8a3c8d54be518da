"""A folder that answers without torch: the graph, its words, its script, checked as it is made."""

import contextlib
import io
import json
import logging
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from crosstone import __version__
from crosstone.data import container
from crosstone.data.batch import Item, collate
from crosstone.errors import CheckFailed, ConfigError, CrosstoneError
from crosstone.inference.export.graph import Graph
from crosstone.inference.placement import refuse_rounded
from crosstone.inference.prediction import Prediction
from crosstone.inference.predictor import Predictor
from crosstone.models.towers import max_tokens
from crosstone.nn.mel import REACH, MelConfig

GRAPH, INT8 = "model.onnx", "model.int8.onnx"
MOST_DIFFERENCE = 1e-3
"""Between torch and the fp32 graph, of a logit, a value or a probability: more is refused."""

BATCH = 4
"""Clips that are put to the graph side by side when it is checked."""

_MADE_SECONDS = (0.3, 0.77, 2.0, 4.1)

Finish = Callable[[Path], None]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """How far a graph's answers are from those of torch, at most, on the clips that were tried."""

    logits: float
    """Of a logit, or of a value."""

    probabilities: float | None
    """Of a probability as it is answered, calibrated where the model is; None of a value."""

    num_changed: int
    """Answers with another label, or unsure in another way, that are no close call in torch."""

    @property
    def is_rounding(self) -> bool:
        """Whether it is no more than arithmetic in another order makes."""
        largest = max(self.logits, self.probabilities or 0.0)
        return largest <= MOST_DIFFERENCE and not self.num_changed


@dataclass(frozen=True, kw_only=True)
class Exported:
    """What an export wrote, and how it was checked."""

    folder: Path
    num_clips: int
    are_real: bool
    """Whether they were recordings, or made up where none were given."""

    difference: Difference
    """Between torch and the fp32 graph."""

    int8_difference: Difference | None = None
    """Between torch and the quantised graph; None without one."""


def export_onnx(
    predictor: Predictor,
    out: Path,
    *,
    clips: Sequence[Item] = (),
    int8: bool = False,
    finish: Finish | None = None,
) -> Exported:
    """Write a model as a graph that onnxruntime runs, with all that an answer needs.

    clips: what it is checked on, alone and side by side, in every combination of modalities that
    the model was trained on; sounds and words are made up where there are none. int8: a quantised
    graph beside the other (weights of its matrix products, the activations as they come). finish:
    called with the folder before it takes its place. Nothing is left where anything fails. Raises
    CrosstoneError for a model that cannot be written as one graph or does not compute in float32,
    ConfigError for a folder that holds files or where a package is missing, CheckFailed where
    logits or final probabilities differ from torch's by more than 1e-3, or an answer is another. An
    accuracy that the predictor promises (abstain) the folder keeps too.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"{out}: expected an empty or new folder, found files; choose another")
    _expect_packages()
    refuse_rounded(predictor.precision, "export")
    graph = Graph(predictor)
    items = [
        item for clip in clips or _made_up(predictor) for item in _combinations(predictor, clip)
    ]
    if not items:
        raise CrosstoneError(
            f"{predictor.name or 'model'}: expected clips of "
            f"{' or '.join(predictor.model.config.heard or [])} to check the graph on, found none "
            "that have it; choose another corpus"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as name:
        folder = Path(name) / out.name
        folder.mkdir()
        _write_graph(graph, _min_samples(predictor), folder / GRAPH, items[0])
        _write_rest(predictor, graph, folder)
        difference = _difference(predictor, folder, items)
        if not difference.is_rounding:
            raise CheckFailed(
                f"{predictor.name or 'model'}: the exported graph differs from torch by "
                f"{difference.logits:.3g} (probabilities by {difference.probabilities or 0:.3g}, "
                f"{difference.num_changed} answers changed) on {len(items)} clips, expected at "
                f"most {MOST_DIFFERENCE:g}; nothing was written, report this model's family and "
                "encoders"
            )
        int8_difference = None
        if int8:
            _quantise(folder)
            int8_difference = _difference(predictor, folder, items, int8=True)
        if finish is not None:
            finish(folder)
        if out.exists():
            out.rmdir()
        folder.rename(out)
    return Exported(
        folder=out,
        num_clips=len(items),
        are_real=bool(clips),
        difference=difference,
        int8_difference=int8_difference,
    )


def _expect_packages() -> None:
    try:
        import onnx
        import onnxruntime
        import onnxscript
    except ImportError as error:
        raise ConfigError(
            f"export --to onnx: expected the packages of crosstone[onnx], found no {error.name}; "
            "install them (pip install 'crosstone[onnx]')"
        ) from error
    del onnx, onnxruntime, onnxscript


def _made_up(predictor: Predictor) -> Iterator[Item]:
    """Noise whose loudness comes and goes, and tokens, the same at every export."""
    rng = np.random.default_rng(0)
    text_config = predictor.model.backbone.config.text_config
    for number, seconds in enumerate(_MADE_SECONDS):
        time = np.arange(int(seconds * predictor.sampling_rate)) / predictor.sampling_rate
        sound = rng.standard_normal(len(time)) * (0.05 + 0.1 * np.sin(9 * time) ** 2)
        audio = (sound + 0.2 * np.sin(2 * np.pi * 150 * time)).clip(-1, 1).astype(np.float32)
        tokens = None
        if text_config is not None:
            words = " ".join(("the", "door", "is", "open", "now")[: number + 1] * (number + 1))
            tokens = np.asarray(predictor.tokenizer(words)["input_ids"], np.int64)
            tokens = tokens[: max_tokens(text_config)]
        yield Item(id=f"made-{number}", audio=audio if predictor.hears else None, text=tokens)


def _combinations(predictor: Predictor, item: Item) -> Iterator[Item]:
    """The clip with each combination of modalities that the model was trained on."""
    for kind in predictor.model.config.heard or []:
        given = {name: getattr(item, name) for name in kind.split("+")}
        if all(values is not None for values in given.values()):
            yield Item(id=item.id, audio=given.get("audio"), text=given.get("text"))


def _write_graph(graph: Graph, min_samples: int, path: Path, item: Item) -> None:
    """Trace the graph on two copies of an item; batch, samples and tokens may be any number."""
    given: dict[str, torch.Tensor] = {}
    second = graph.model.backbone.config.sampling_rate
    for name, count, shortest in (
        ("audio", "audio_samples", max(second, 2 * min_samples + 1)),
        ("text", "text_tokens", 11),
    ):
        encoder = getattr(graph.model.backbone, f"{name}_encoder")
        if encoder is None:
            continue
        row = getattr(item, name)
        # several frames and tokens, whatever the item has: a size of one is taken for constant
        length = max(shortest, 0 if row is None else len(row))
        values = torch.zeros(3, length, dtype=torch.float32 if name == "audio" else torch.int64)
        if row is not None:
            values[:, : len(row)] = torch.from_numpy(row)
        given[name], given[count] = values, torch.full((3,), length if row is None else len(row))
    dynamic = torch.export.Dim.DYNAMIC
    shapes = {name: dict.fromkeys(range(value.ndim), dynamic) for name, value in given.items()}
    try:
        with torch.no_grad(), _quietly():
            program = torch.onnx.export(
                graph,
                (),
                kwargs=given,
                dynamic_shapes=shapes,
                input_names=list(given),
                output_names=list(graph.outputs),
                dynamo=True,
                verbose=False,
            )
            assert program is not None
            program.save(str(path))
    except torch.onnx.OnnxExporterError as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise CrosstoneError(
            f"this model's computation cannot be written as one graph ({reason[:300]}); nothing "
            "was written, serve it with torch instead (crosstone serve)"
        ) from error


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without what the exporter says of its own progress and of packages that it does without."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)


def _min_samples(predictor: Predictor) -> int:
    """The shortest waveform that the graph takes: one window of log-mel energies, at least, and of
    their derivatives as many as a derivative looks at."""
    encoder = predictor.model.backbone.audio_encoder
    if encoder is None:
        return 0
    config = encoder.model.config
    derived = config.hop * 2 * REACH if isinstance(config, MelConfig) else 0
    return max(int(encoder.min_samples), int(getattr(config, "window", 1)), derived, 2)


def _write_rest(predictor: Predictor, graph: Graph, folder: Path) -> None:
    backbone, calibration = predictor.model.backbone, predictor.promises.calibration
    text_config = backbone.config.text_config
    about = {
        "crosstone": __version__,
        "head": predictor.head,
        "labels": list(predictor.spec.labels),
        "heard": list(predictor.model.config.heard or []),
        "sampling_rate": predictor.sampling_rate,
        "max_seconds": predictor.max_seconds,
        "hear_seconds": predictor.hear_seconds,
        "min_samples": _min_samples(predictor),
        "padding_safe": graph.padding_safe,
        "max_tokens": None if text_config is None else max_tokens(text_config),
        "cut_texts": predictor.model.config.cut_texts,
        "calibrated": {
            kind: calibration.method
            for kind, known in (calibration.kinds if calibration is not None else {}).items()
            if calibration is not None and known.scaling is not None
        },
        "abstain": predictor.promises.abstain,
        "thresholds": dict(predictor.promises.thresholds),
    }
    (folder / "config.json").write_text(json.dumps(about, indent=1), encoding="utf-8")
    if predictor.tokenizer is not None:
        predictor.tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    beside = Path(__file__).parent
    for script in (beside / "runner.py", beside / "hearing.py", Path(container.__file__)):
        shutil.copyfile(script, folder / script.name)


def _quantise(folder: Path) -> None:
    """The weights of matrix products as int8, one scale a column and seven bits, which no CPU's
    int8 instructions overflow; convolutions, the front end among them, stay as they are."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    traced = onnx.load(folder / GRAPH)
    del traced.graph.value_info[:]  # sizes of the traced example, some of them called constant
    with _quietly():
        quantize_dynamic(
            traced,
            folder / INT8,
            op_types_to_quantize=["MatMul", "Gemm"],
            weight_type=QuantType.QInt8,
            per_channel=True,
            reduce_range=True,
        )


def _difference(
    predictor: Predictor, folder: Path, items: Sequence[Item], *, int8: bool = False
) -> Difference:
    """Torch asked one by one, the graph alone and side by side."""
    from crosstone.inference.export.runner import Runner

    runner = Runner(folder, int8=int8, threads=torch.get_num_threads())
    name = runner.outputs[0]
    expected = [(_logits(predictor, item), next(predictor.answers([item]))) for item in items]
    logits = probabilities = 0.0
    num_changed = 0
    for size in (1, BATCH) if runner.about["padding_safe"] else (1,):
        for start in range(0, len(items), size):
            asked = [(item.audio, item.text) for item in items[start : start + size]]
            found = zip(runner.run(asked)[name], runner.answers(asked), strict=True)
            for (row, answer), (of_torch, said) in zip(
                found, expected[start : start + size], strict=True
            ):
                apart = float(np.abs(row - of_torch).max())
                logits = max(logits, apart if np.isfinite(apart) else np.inf)
                for label, probability in (said.probabilities or {}).items():
                    apart = abs(answer["probabilities"][label] - probability)
                    probabilities = max(probabilities, apart if np.isfinite(apart) else np.inf)
                num_changed += answer.get("label") != said.label and not _is_close(said, predictor)
    return Difference(
        logits=logits,
        probabilities=probabilities if predictor.spec.labels else None,
        num_changed=num_changed,
    )


def _is_close(said: Prediction, predictor: Predictor) -> bool:
    """Whether a difference that is allowed may change the label, or whether it is unsure."""
    second, first = sorted((said.probabilities or {}).values())[-2:]
    threshold = predictor.promises.thresholds.get("+".join(said.used))
    gaps = [first - second] if threshold is None else [first - second, abs(first - threshold)]
    return min(gaps) <= 2 * MOST_DIFFERENCE


@torch.inference_mode()
def _logits(predictor: Predictor, item: Item) -> NDArray[np.float64]:
    model = predictor.model
    parameter = next(model.parameters())
    batch = collate([item]).to(parameter.device, parameter.dtype)
    logits = model(**batch.inputs()).logits[predictor.head].cpu().double().numpy()
    if predictor.spec.kind == "one_vs_rest":
        pairs = logits.reshape(1, -1, 2)
        logits = pairs[..., 1] - pairs[..., 0]
    return np.asarray(logits[0], np.float64)
