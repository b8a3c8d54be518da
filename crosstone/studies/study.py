"""What a study is: the systems it trains, what it measures of them, and the claims it tries."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from crosstone.errors import ConfigError
from crosstone.runs.epochs import Rule

Start = Literal["fresh", "pretrained", "adapted"]
Size = Literal["base", "large", "ablation"]
Asked = Literal["", "emotion", "sentiment", "speaker"]
Where = Literal["text", "table", "figure", "ours"]

ARROW = " → "
"""In a system's name, between what it is trained on and what it is tested on elsewhere."""

CHANCE = "chance"
"""The ceiling of what hears and reads nothing."""

POINT = 0.01
"""The smallest effect that counts, unless a paper prints a smaller one."""


@dataclass(frozen=True, kw_only=True)
class System:
    """One line of a table: a family, what it starts from, and what it is trained on."""

    name: str
    """Unlike that of any other system of the study."""

    family: str = "cmt"
    """A name that `crosstone models` lists."""

    size: Size = "base"
    """Of the family's two sizes, or that of its paper's ablations; a small ground may take a
    smaller one for those."""

    start: Start = "fresh"
    """From the encoders alone, from cross-modal pretraining, or from adaptation after it."""

    asks: Asked = ""
    """What it is trained to tell, `speaker` by trials of pairs; empty: what the ground asks first.
    """

    share: float = 1.0
    """Share of the training labels that it sees."""

    corpus: Mapping[str, str] = field(default_factory=dict)
    """Options of a corpus that is made on the spot, where it is not the study's own."""

    unlabelled: Mapping[str, str] = field(default_factory=dict)
    """The same, of the corpus that its earlier stages hear and read."""

    towers: bool = True
    """Whether its small encoders come from a stage of their own; else from nothing."""

    released: bool = True
    """Whether the encoders of its paper are those that others released; else each is pretrained
    apart, on what its earlier stages hear and read, as small ones always are."""

    finetuning: tuple[str, ...] = ()
    """Overrides of its fine-tuning."""

    pretraining: tuple[str, ...] = ()
    """Overrides of its pretraining, and of its adaptation."""

    elsewhere: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Other corpora that it is tested on, by name: options of one that is made on the spot."""

    under: str = ""
    """Condition of the study's first measure in whose answers it is scored; empty: in its own, of
    the folds. Systems that differ in this alone are trained once."""

    rule: Rule | None = None
    """Of one training that kept what every epoch answered: whose epoch counts. None: the epoch by
    the protocol's own rule."""

    tuned: bool = True
    """Whether `--budget` tunes it."""

    measures: tuple[str, ...] = ()
    """What is measured of it beside what the study measures of all, by name of `MEASURES`."""

    factors: Mapping[str, float | str] = field(default_factory=dict)
    """Where it stands in the study's figure: the place on the axis, and the line it is part of."""

    def shares_training(self, other: "System") -> bool:
        """Whether the two are one training, whose answers they read in two ways."""
        one, two = (
            replace(system, name="", under="", rule=None, factors={}, measures=())
            for system in (self, other)
        )
        return one == two


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A sentence that a study tries: `first` is better than each of `over`, by more than `by`."""

    sentence: str
    source: str
    """Paper with its table, figure or section; of ours, what it is asked for."""

    where: Where
    """A paper's text and its table are separate claims."""

    first: str
    over: tuple[str, ...] = ()
    """Names of systems; several: first is better than every one of them."""

    ceiling: str = ""
    """Instead: first gets more right than this ceiling that its corpus states, in accuracy; or than
    CHANCE, one of as many classes as there are, in UA."""

    metric: str = ""
    """By default the protocol's headline."""

    by: float = 0.0
    """More than so much, in units of the metric; below 0: not worse than by so much."""

    theirs: str = ""
    """What the paper prints of it, on its own corpus; a change as `.711 → .728`."""

    printed: float = 0.0
    """The smallest gain that the paper prints for it, in units of the metric; 0 where it prints
    none."""

    @property
    def smallest(self) -> float:
        """The smallest gain that the claim can mean: `by`; else one point, or what the paper prints
        where that is less, in units of the metric."""
        return self.by or min(POINT, self.printed or POINT)


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A figure of scores over a factor of the systems."""

    caption: str
    x: str
    """The factor on the axis; its values are numbers."""

    axis: str
    """What the axis says."""

    line: str = ""
    """The factor that parts the lines; empty: one line."""

    panel: str = ""
    """The factor that parts the panels; empty: one panel."""


@dataclass(frozen=True, kw_only=True)
class Study:
    """A table or figure of a paper, or a question of ours, as a grid of runs."""

    name: str
    shows: str
    """One sentence."""

    source: str
    """Tables and figures that it regenerates; `ours` where there are none."""

    systems: tuple[System, ...]
    claims: tuple[Claim, ...] = ()
    drawings: tuple[Drawing, ...] = ()
    measures: tuple[str, ...] = ()
    """What is measured of every trained system, by name of `MEASURES`."""

    protocol: tuple[str, ...] = ()
    """Overrides of the protocol of every system."""

    def __post_init__(self) -> None:
        names = [system.name for system in self.systems]
        twice = sorted({name for name in names if names.count(name) > 1})
        faults = [f"system '{name}' stands twice" for name in twice]
        faults += [
            f"claim '{claim.sentence}': no system '{name}'"
            for claim in self.claims
            for name in (claim.first, *claim.over)
            if name not in names
        ]
        faults += [
            f"claim '{claim.sentence}': expected either over or ceiling"
            for claim in self.claims
            if bool(claim.over) == bool(claim.ceiling)
        ]
        for drawing in self.drawings:
            wanted = [f for f in (drawing.x, drawing.line, drawing.panel) if f]
            if not any(all(f in system.factors for f in wanted) for system in self.systems):
                faults.append(f"drawing over '{drawing.x}': no system has {' and '.join(wanted)}")
        if faults:
            raise ConfigError(f"study {self.name}: {'; '.join(faults)}")


def change(old: float, new: float, places: int) -> str:
    """Two numbers as a paper prints a change: `.711 → .728`."""
    return ARROW.join(f"{value:.{places}f}".removeprefix("0") for value in (old, new))


def gain(old: float, new: float) -> float:
    """How far apart two printed numbers are, to their digits."""
    return round(abs(new - old), 6)


def slug(name: str) -> str:
    """A name as a folder has it."""
    return re.sub(r"[^a-z0-9.%]+", "-", name.lower()).strip("-")
