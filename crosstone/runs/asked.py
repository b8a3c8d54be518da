"""What a recipe may ask of a model, as it is written in YAML."""

from dataclasses import dataclass
from typing import Literal

from crosstone.errors import ConfigError

Criterion = Literal["cross_entropy", "soft_cross_entropy", "kl", "one_vs_rest", "mse", "l1", "ccc"]
CRITERIA: dict[str, tuple[Criterion, ...]] = {
    "classification": ("cross_entropy", "soft_cross_entropy", "kl", "one_vs_rest"),
    "regression": ("mse", "l1", "ccc"),
    "verification": ("cross_entropy",),
}
"""The losses of each task, the usual one first."""
SOFT: tuple[Criterion, ...] = ("soft_cross_entropy", "kl")
"""Those that learn from the raters' votes."""


@dataclass(frozen=True, kw_only=True)
class MaskedTextSpec:
    """Masked language modelling."""

    probability: float = 0.15
    weight: float = 1.0
    head: Literal["untied", "tied"] = "untied"

    def __post_init__(self) -> None:
        _expect_share("probability", self.probability)


@dataclass(frozen=True, kw_only=True)
class MaskedAudioSpec:
    """Prediction of codewords of masked spans."""

    codebook: str = ""
    """File that `crosstone codebook` wrote."""

    start_probability: float = 0.075
    span: int = 10
    min_spans: int = 2
    weight: float = 1.0
    projection: int = 256
    temperature: float = 0.1

    init: str | None = None
    """File of a released head that `crosstone import hubert-head` wrote."""

    def __post_init__(self) -> None:
        _expect_share("start_probability", self.start_probability)
        if self.span < 1 or self.temperature <= 0:
            raise ConfigError(
                f"expected span of at least 1 and temperature above 0, found {self.span} and "
                f"{self.temperature}"
            )


@dataclass(frozen=True, kw_only=True)
class MaskedFramesSpec:
    """Reconstruction of masked segments of features (CTAL 2021, §3.2.2)."""

    probability: float = 0.15
    """Share of the segments that is masked."""

    min_span: int = 20
    max_span: int = 50
    """Frames of a segment, drawn once for each utterance."""

    style: Literal["paper", "code"] = "paper"
    """Disjoint segments, each zeroed, replaced or kept as a whole; or as CTAL's released code has
    it, spans that overlap, each frame with a fate of its own."""

    weight: float = 1.0

    def __post_init__(self) -> None:
        _expect_share("probability", self.probability)
        if not 1 <= self.min_span <= self.max_span:
            raise ConfigError(
                f"expected 1 <= min_span <= max_span, found {self.min_span} and {self.max_span}"
            )


@dataclass(frozen=True, kw_only=True)
class SupervisedSpec:
    """The loss on the protocol's target."""

    criterion: Literal["auto"] | Criterion = "auto"
    """auto: cross entropy for classes, squared error for a value (CMT 2022, §3.4).
    one_vs_rest asks of each class by itself whether it is that (JBLS 2020).
    soft_cross_entropy and kl learn from the votes, each rater's one vote spread over the classes he
    chose, and where there are none from the label. ccc is 1 less the concordance of each batch."""

    smoothing: float = 0.0
    """Of classes: the share of every target that is spread evenly over all."""

    weight: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.smoothing < 1:
            raise ConfigError(f"smoothing expects a share in [0, 1), found {self.smoothing}")


@dataclass(frozen=True, kw_only=True)
class OrthogonalitySpec:
    """The term of CMT's eq. 7 and 8 and of CTAL's §3.3.1."""

    alpha: float = 10.0
    text: Literal["mean", "first"] = "mean"

    def __post_init__(self) -> None:
        if self.alpha < 0:
            raise ConfigError(f"alpha expects 0 or more, found {self.alpha}")


@dataclass(frozen=True, kw_only=True)
class ModalityDropoutSpec:
    """Utterances of both modalities that lose one of them for an epoch, drawn by seed, epoch and
    utterance, so that the model also answers from the other alone."""

    audio: float = 0.15
    """Share of them that lose their recording."""

    text: float = 0.15
    """Share of them that lose their words."""

    def __post_init__(self) -> None:
        if min(self.audio, self.text) < 0 or not 0 < self.audio + self.text < 1:
            raise ConfigError(
                "modality_dropout: expected shares of 0 or more, above 0 and below 1 together, "
                f"found audio {self.audio} and text {self.text}"
            )


@dataclass(frozen=True, kw_only=True)
class ObjectivesSpec:
    """What the model is asked to do; null is not asked."""

    masked_text: MaskedTextSpec | None = None
    masked_audio: MaskedAudioSpec | None = None
    masked_frames: MaskedFramesSpec | None = None
    supervised: SupervisedSpec | None = None
    orthogonality: OrthogonalitySpec | None = None
    modality_dropout: ModalityDropoutSpec | None = None

    @property
    def masks(self) -> tuple[str, ...]:
        """The modalities of which something is masked."""
        hides_audio = self.masked_audio is not None or self.masked_frames is not None
        pairs = (("text", self.masked_text is not None), ("audio", hides_audio))
        return tuple(name for name, is_masked in pairs if is_masked)


def _expect_share(name: str, value: float) -> None:
    if not 0 < value <= 1:
        raise ConfigError(f"{name} expects a share in (0, 1], found {value}")
