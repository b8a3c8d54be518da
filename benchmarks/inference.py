"""Eight clips through the batched predictor against a loop over them in plain transformers."""

from copy import deepcopy
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks import cmt_cached_step
from benchmarks.cmt_cached_step import Shape
from benchmarks.machine import BareProducts, synchronise
from benchmarks.measurement import Compared, Goal, Row, compare
from crosstone.data.batch import Item
from crosstone.inference.predictor import Predictor
from crosstone.models import CMTConfig, CMTModel, HeadSpec, TaskModel
from crosstone.models.task import build_task
from crosstone.nn.transformer import TransformerBlock

TOLERANCE = 1e-4
"""How far the probabilities of the two sides may differ."""

LABELS = ("angry", "happy", "neutral", "sad")


class PlainCMT(nn.Module):
    """CMT base in transformers' and torch's own layers, with the weights of a TaskModel."""

    def __init__(self, model: TaskModel) -> None:
        super().__init__()
        backbone = model.backbone
        assert backbone.audio_encoder is not None
        assert backbone.text_encoder is not None
        self.hubert, self.roberta = backbone.audio_encoder.model, backbone.text_encoder.model
        heads = backbone.config.num_heads
        self.audio_layers = nn.ModuleList(as_decoder(b, heads) for b in backbone.audio_blocks)
        self.text_layers = nn.ModuleList(as_decoder(b, heads) for b in backbone.text_blocks)
        self.head = model.heads["emotion"]

    def forward(self, samples: Tensor, ids: Tensor) -> Tensor:
        """One clip (1, N) in zero mean and unit variance and its tokens (1, T) → (1, C)."""
        audio = memory_audio = self.hubert(samples).last_hidden_state
        text = memory_text = self.roberta(ids).last_hidden_state
        for audio_layer, text_layer in zip(self.audio_layers, self.text_layers, strict=True):
            audio = audio_layer(audio, memory_text)
            text = text_layer(text, memory_audio)
        logits: Tensor = self.head(torch.cat([audio.mean(1), text[:, 0]], -1))
        return logits.softmax(-1)


def as_decoder(block: TransformerBlock, heads: int) -> nn.TransformerDecoderLayer:
    """A block as torch has it."""
    width, memory = block.expand.in_features, block.cross_attention.key.in_features
    if width != memory:
        raise ValueError(f"expected encoders of equal width, found {width} and {memory}")
    layer = nn.TransformerDecoderLayer(
        width, heads, block.expand.out_features, 0.0, "gelu", batch_first=True
    )
    for ours, theirs in (
        (block.self_attention, layer.self_attn),
        (block.cross_attention, layer.multihead_attn),
    ):
        parts = (ours.query, ours.key, ours.value)
        theirs.in_proj_weight.data = torch.cat([part.weight.detach() for part in parts])
        theirs.in_proj_bias.data = torch.cat([part.bias.detach() for part in parts])
        theirs.out_proj.load_state_dict(ours.output.state_dict())
    for theirs_, ours_ in (
        (layer.norm1, block.self_norm),
        (layer.norm2, block.cross_norm),
        (layer.norm3, block.output_norm),
        (layer.linear1, block.expand),
        (layer.linear2, block.contract),
    ):
        theirs_.load_state_dict(ours_.state_dict())
    return layer


def make_clips(count: int, shape: Shape) -> list[Item]:
    """Noise and tokens."""
    rng = np.random.default_rng(0)
    return [
        Item(
            id=str(i),
            audio=rng.normal(0, 0.1, round(shape.seconds * 16_000)).astype(np.float32),
            text=rng.integers(5, shape.vocabulary, shape.tokens),
        )
        for i in range(count)
    ]


class Sides:
    """Both sides over the same clips and weights."""

    def __init__(self, shape: Shape, count: int) -> None:
        torch.manual_seed(0)
        config = CMTConfig(
            audio_config=cmt_cached_step.audio_config(shape),
            text_config=cmt_cached_step.text_config(shape),
            normalize_audio=True,
        )
        head = HeadSpec(kind="classification", labels=LABELS)
        model = build_task(CMTModel(config), {"emotion": head}, heard=["audio+text"])
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        model = model.to(self.device).eval()
        self.plain = PlainCMT(model).to(self.device).eval()
        self.predictor, self.clips = Predictor(model), make_clips(count, shape)
        self.halved = Predictor(deepcopy(model), precision="bf16")

    def ours(self, *, halved: bool = False) -> list[list[float]]:
        """The predictor's probabilities, all clips at once, in float32 or in bf16."""
        predictor = self.halved if halved else self.predictor
        found = [list((p.probabilities or {}).values()) for p in predictor.answers(self.clips)]
        synchronise()
        return found

    @property
    def gflop(self) -> float:
        """What the matrix products and convolutions of one clip take."""
        with (
            torch.no_grad(),
            sdpa_kernel(SDPBackend.MATH),
            FlopCounterMode(display=False) as counter,
        ):
            self.alone(self.clips[0])
        return float(counter.get_total_flops()) / 1e9

    def alone(self, clip: Item) -> Any:
        """The probabilities of plain transformers for one clip."""
        assert clip.audio is not None
        samples = torch.from_numpy(unit_variance(clip.audio))[None].to(self.device)
        ids = torch.as_tensor(clip.text)[None].to(self.device)
        return self.plain(samples, ids)[0].tolist()

    @torch.inference_mode()
    def loop(self) -> list[list[float]]:
        """Those of all clips, one after the other."""
        found = [self.alone(clip) for clip in self.clips]
        synchronise()
        return found


def unit_variance(samples: NDArray[Any]) -> NDArray[np.float32]:
    """As the feature extractor of HuBERT large prepares a waveform."""
    scaled: NDArray[np.float32] = (samples - samples.mean()) / np.sqrt(samples.var() + 1e-7)
    return scaled


def linear_layers(sides: Sides, shape: Shape) -> list[tuple[int, int, int]]:
    """The linear layers of one block of the speech encoder on one clip, as (m, k, n)."""
    encoder = sides.predictor.model.backbone.audio_encoder
    assert encoder is not None
    frames, width = int(encoder.num_frames(round(shape.seconds * 16_000))), shape.width
    return [*4 * [(frames, width, width)], (frames, width, 4 * width), (frames, 4 * width, width)]


def check_equal(sides: Sides) -> float:
    """How far the probabilities in bf16 lie from plain ones; raises ValueError where those in
    float32 differ by more than TOLERANCE."""
    plain = sides.loop()
    gap, rounded = (
        float(np.abs(np.subtract(sides.ours(halved=halved), plain)).max())
        for halved in (False, True)
    )
    if not gap <= TOLERANCE:
        raise ValueError(f"inference: expected equal probabilities, found them {gap} apart")
    return rounded


def run(*, quick: bool = False) -> list[Row]:
    """Seconds for all clips."""
    shape = cmt_cached_step.QUICK if quick else Shape()
    sides = Sides(shape, 2 if quick else 8)
    rounded = check_equal(sides)
    repeats = 2 if quick else 5
    whole, halved = (
        compare(ours, sides.loop, repeats=repeats, warmups=0)
        for ours in (sides.ours, partial(sides.ours, halved=True))
    )
    bare = BareProducts(linear_layers(sides, shape), device=sides.device)
    seconds = median(whole.against) / len(sides.clips)
    share = sides.gflop / seconds / bare.rate(repeats)
    what = f"seconds for {len(sides.clips)} clips of {shape.seconds:g} s"
    encoders = "not the true shapes" if quick else "HuBERT large and RoBERTa large, fp32"
    most = (
        f"a clip takes {sides.gflop:.0f} GFLOP however it is batched, and the loop reaches "
        f"{share:.0%} of bare matrix products: to be won is ×{1 / share:.2f} at most"
    )
    apart = f"in bf16 the probabilities lie up to {rounded:.2g} from those in fp32"
    return [
        _row(what, whole, Goal(value=1.5), (encoders, most)),
        _row(f"{what}, ours in bf16", halved, None, (apart,)),
    ]


def _row(what: str, compared: Compared, goal: Goal | None, notes: tuple[str, ...]) -> Row:
    return Row(
        bench="inference",
        what=what,
        ours=median(compared.ours),
        against=median(compared.against),
        ratio=compared.ratio,
        spread=compared.spread,
        processor=compared.processor_ratio,
        goal=goal,
        notes=notes,
    )
