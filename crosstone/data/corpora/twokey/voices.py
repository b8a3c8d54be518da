"""The speakers of twokey: variants of eSpeak NG's American voice, each at three base pitches."""

from dataclasses import dataclass

import numpy as np

from crosstone.errors import CorpusError

LANGUAGE = "en-us"
VARIANTS = (
    "Andy",
    "Annie",
    "Denis",
    "Diogo",
    "Gene2",
    "Hugo",
    "Jacky",
    "Lee",
    "Mario",
    "Michael",
    "Mike",
    "Nguyen",
    "Reed",
    "Storm",
    "Tweaky",
    "aunty",
    "belinda",
    "benjamin",
    "boris",
    "david",
    "ed",
    "edward",
    "f1",
    "f4",
    "grandma",
    "gustave",
    "ian",
    "iven",
    "iven4",
    "john",
    "kaukovalta",
    "klatt3",
    "klatt4",
    "linda",
    "m1",
    "m2",
    "m3",
    "m4",
    "m5",
    "m6",
    "m7",
    "m8",
    "marcelo",
    "max",
    "miguel",
    "mike2",
    "norbert",
    "pablo",
    "paul",
    "shelby",
    "steph",
    "travis",
)
"""Of the variants that come with eSpeak NG 1.52 those with a voiced, steady sound and the usual
tempo. Left out: whispers, echoes, robots, all but one of those that sound alike, and six that
sound otherwise in every process (Alicia, f2, f3, f5, sandro, victor)."""
BASE_PITCHES = (41, 50, 59)
"""eSpeak's scale, 1.4 % to the unit. They spread less than low and high delivery do, so that
height says something even of a stranger; no two differ by whole steps of the pitch, so that no
two speakers ever give the same recording."""
SESSIONS = 5
SPEAKERS, UNLABELLED_SPEAKERS = 100, 48
"""Of a corpus that asks for no other number."""
LABELLED_VARIANTS = 35
"""The most variants that the sessions take; the others are left to the unlabelled part."""


@dataclass(frozen=True)
class Speaker:
    """One who speaks: a voice and its base pitch."""

    variant: str
    pitch: int
    group: str

    @property
    def name(self) -> str:
        """As it stands in the corpus."""
        return f"{self.variant}-{self.pitch}"

    @property
    def voice(self) -> str:
        """As eSpeak knows it."""
        return f"{LANGUAGE}+{self.variant}"


def cast_speakers(
    speakers: int, unlabelled_speakers: int, rng: np.random.Generator
) -> tuple[tuple[Speaker, ...], tuple[Speaker, ...]]:
    """The labelled speakers, session by session, and the unlabelled ones.

    No variant is heard in two sessions, or in a session and in the unlabelled part.
    """
    most = LABELLED_VARIANTS // SESSIONS * len(BASE_PITCHES) * SESSIONS
    if speakers % SESSIONS or not SESSIONS <= speakers <= most:
        raise CorpusError(
            f"twokey: expected speakers to be a multiple of {SESSIONS} from {SESSIONS} to {most}, "
            f"as many in each session, found {speakers}"
        )
    variants = [VARIANTS[index] for index in rng.permutation(len(VARIANTS))]
    labelled: list[Speaker] = []
    for session in range(1, SESSIONS + 1):
        labelled += _cast(variants, speakers // SESSIONS, f"session-{session}")
    left = len(variants) * len(BASE_PITCHES)
    if not 0 <= unlabelled_speakers <= left:
        raise CorpusError(
            f"twokey: expected unlabelled_speakers from 0 to {left}, the voices that {speakers} "
            f"speakers leave, found {unlabelled_speakers}"
        )
    return tuple(labelled), tuple(_cast(variants, unlabelled_speakers, "unlabelled"))


def _cast(variants: list[str], count: int, group: str) -> list[Speaker]:
    """`count` speakers of one group; takes their variants out of the list."""
    number = -(-count // len(BASE_PITCHES))
    taken, variants[:] = variants[:number], variants[number:]
    return [Speaker(variant, pitch, group) for pitch in BASE_PITCHES for variant in taken][:count]
