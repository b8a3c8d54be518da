"""twokey as a ground: everything is made on the spot, and the best possible scores are known."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crosstone.data.corpora.twokey.script import cast_of
from crosstone.data.corpora.twokey.voices import SPEAKERS, UNLABELLED_SPEAKERS
from crosstone.data.corpus import Corpus
from crosstone.studies.grounds.base import one_fold
from crosstone.studies.grounds.small import CODEWORDS, SmallGround
from crosstone.studies.steps import Codewords, Given, Made, Step
from crosstone.studies.study import Study, System

FULL_STEPS = 400
"""Of twokey-cmt, which sees every label."""

QUICK_SIZES = {
    "labelled": 400,
    "unlabelled": 200,
    "text_only": 600,
    "speakers": 20,
    "unlabelled_speakers": 8,
}
"""Of a corpus of a quick run."""


@dataclass(frozen=True)
class Twokey(SmallGround):
    """The embedded corpus."""

    path: Path | None = None
    """A corpus that a person prepared with `crosstone prepare twokey`; None makes the demo's."""
    name: str = "twokey"

    @property
    def is_made(self) -> bool:
        return self.path is None

    def lacks(self, system: System) -> str:
        if self.path is not None and (system.corpus or system.unlabelled or system.elsewhere):
            return "it is about other corpora with two keys, made on the spot: leave corpus= out"
        return super().lacks(system)

    def corpus(self, system: System) -> Step:
        return self.made(system.corpus)

    def heard(self, system: System) -> Step:
        return self.made(system.unlabelled)

    def elsewhere(self, system: System) -> tuple[tuple[str, Step], ...]:
        return tuple((name, self.made(options)) for name, options in system.elsewhere.items())

    def made(self, options: Mapping[str, str]) -> Step:
        """The corpus of these options, or the study's own; of one that has options, only what is
        labelled is spoken, unless they say otherwise."""
        if self.path is not None and not options:
            return Given("corpus", self.path)
        made: dict[str, Any] = {"seed": 0, "labelled": 5000, "text_only": 6000}
        if options:
            made = {"seed": 1, "labelled": 5000, "unlabelled": 0, "unlabelled_speakers": 0}
        asked = {k: _number(v) for k, v in options.items()}
        if self.quick:
            shared = ("labelled", "speakers") if options else tuple(QUICK_SIZES)
            made |= {k: QUICK_SIZES[k] for k in shared}
            asked |= {k: min(v, asked[k]) for k, v in QUICK_SIZES.items() if k in asked}
        made |= asked
        said = ", ".join(f"{k} {v}" for k, v in options.items())
        return Made(f"twokey {said}".strip(), "twokey", made)

    def asked(self, system: System) -> tuple[str, ...]:
        if system.asks == "sentiment":
            return ("protocol.target=sentiment", "protocol.task=regression")
        if system.asks == "speaker":
            names = ", ".join(self._last_session(self.corpus(system)))
            return (
                *("protocol.kind=trials", "protocol.task=verification", "protocol.unit=speaker"),
                *("protocol.target=speaker", "protocol.ge2e_seed=0"),
                f"protocol.test_units=[{names}]",
            )
        return ()

    def _last_session(self, corpus: Step) -> tuple[str, ...]:
        """Who speaks there: a fifth of the labelled speakers, none of whom others sound like."""
        if isinstance(corpus, Made):
            sizes = {"speakers": SPEAKERS, "unlabelled_speakers": UNLABELLED_SPEAKERS}
            sizes |= {k: corpus.options[k] for k in ("seed", *sizes) if k in corpus.options}
            cast = [(speaker.group, speaker.name) for speaker in cast_of(**sizes)[0]]
        else:
            found = Corpus.open(corpus.output(Path()))
            found = found.where(lambda utterance: utterance.split == "labelled")
            cast = sorted({*zip(found.groups, found.speakers, strict=True)})
        last = max(group for group, _ in cast)
        return tuple(name for group, name in cast if group == last)

    def codewords(self, heard: Step) -> Step:
        return Codewords("codewords", heard, "unlabelled", CODEWORDS)

    def protocol(self, study: Study) -> tuple[str, ...]:
        if self.quick:
            return (*study.protocol, *one_fold(study))
        return ("protocol.kind=grouped-kfold", "protocol.folds=3", *study.protocol)

    def fewer(self, share: float) -> tuple[str, ...]:
        steps = max(200, round(FULL_STEPS * share**0.5))  # as in twokey-cmt-few
        return (f"protocol.train_fraction={share}", f"training.steps={steps}")


def _number(text: str) -> str | float | int:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text
