"""What is lost where a modality is missing, words are misheard, or speech stands in noise."""

from collections.abc import Iterator, Mapping

from crosstone.runs.conditions import RATES, RATIOS, misheard_name, noise_name
from crosstone.studies.study import Claim, Drawing, Study, System

NOISES = ("white", "babble")
DROPOUT = (
    "model.config.absent_tokens=true",
    "objectives.modality_dropout={audio: 0.15, text: 0.15}",
)
"""As in twokey-robust: one in three utterances loses a modality in each epoch."""

_BOTH, _ROBUST = "CMT", "CMT, modality dropout"
_SHALLOW, _AUDIO, _TEXT = "shallow fusion", "audio only", "text only"
_TRIED: Mapping[str, System] = {
    _BOTH: System(name=_BOTH, tuned=False),
    _ROBUST: System(name=_ROBUST, finetuning=DROPOUT, tuned=False),
    _SHALLOW: System(name=_SHALLOW, family="shallow", tuned=False),
    _AUDIO: System(name=_AUDIO, family="audio", tuned=False),
    _TEXT: System(name=_TEXT, family="text", tuned=False),
}


def _under(name: str, condition: str) -> str:
    return f"{name}: {condition}"


def _systems() -> Iterator[System]:
    for name, system in _TRIED.items():
        clean: dict[str, float | str] = {} if name == _AUDIO else {"wer": 0, "system": name}
        yield _with(system, "", clean)
        if name == _ROBUST:
            yield from (_with(system, modality, {}) for modality in ("audio", "text"))
        if name != _AUDIO:
            for rate in RATES:
                yield _with(system, misheard_name(rate), {"wer": 100 * rate, "system": name})
        if name != _TEXT:
            for kind in NOISES:
                for snr in RATIOS:
                    there: dict[str, float | str] = {
                        "snr": float(snr),
                        "noise": f"{kind} noise",
                        "system": name,
                    }
                    yield _with(system, noise_name(kind, snr), there)


def _with(system: System, condition: str, factors: Mapping[str, float | str]) -> System:
    return System(
        name=_under(system.name, condition) if condition else system.name,
        family=system.family,
        finetuning=system.finetuning,
        tuned=system.tuned,
        under=condition,
        factors=factors,
    )


ROBUSTNESS = Study(
    name="robustness",
    shows="What a missing modality, misheard words and noise cost, with and without modality "
    "dropout.",
    source="ours",
    systems=tuple(_systems()),
    measures=("robustness",),
    claims=(
        Claim(
            sentence="Modality dropout costs nothing where both are there (to one point)",
            source="ours",
            where="ours",
            first=_ROBUST,
            over=(_BOTH,),
            by=-0.01,
        ),
        Claim(
            sentence="Without words, modality dropout is as good as audio only (to one point)",
            source="ours",
            where="ours",
            first=_under(_ROBUST, "audio"),
            over=(_AUDIO,),
            by=-0.01,
        ),
        Claim(
            sentence="Without sound, modality dropout is as good as text only (to one point)",
            source="ours",
            where="ours",
            first=_under(_ROBUST, "text"),
            over=(_TEXT,),
            by=-0.01,
        ),
        Claim(
            sentence="With 40 % of the words misheard, CMT is still better than audio only",
            source="ours",
            where="ours",
            first=_under(_BOTH, misheard_name(0.4)),
            over=(_AUDIO,),
        ),
        *(
            Claim(
                sentence=f"In {kind} noise at 0 dB, CMT is still better than text only",
                source="ours",
                where="ours",
                first=_under(_BOTH, noise_name(kind, 0)),
                over=(_TEXT,),
            )
            for kind in NOISES
        ),
        *(
            Claim(
                sentence=f"Modality dropout helps {where}",
                source="ours",
                where="ours",
                first=_under(_ROBUST, condition),
                over=(_under(_BOTH, condition),),
            )
            for where, condition in (
                ("with 40 % of the words misheard", misheard_name(0.4)),
                ("in white noise at 0 dB", noise_name("white", 0)),
                ("in babble at 0 dB", noise_name("babble", 0)),
            )
        ),
    ),
    drawings=(
        Drawing(
            caption="Score over the share of the words that are misheard.",
            x="wer",
            axis="words with an error, percent asked for",
            line="system",
        ),
        Drawing(
            caption="Score over the signal-to-noise ratio.",
            x="snr",
            axis="signal-to-noise ratio, dB",
            line="system",
            panel="noise",
        ),
    ),
)

STUDIES = (ROBUSTNESS,)
