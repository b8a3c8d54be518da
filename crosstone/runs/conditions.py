"""The same utterances with less to hear or read, with words misheard, and in noise."""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from crosstone.data.batch import Item, Items
from crosstone.data.item_view import KINDS, ItemView, only, rows_of
from crosstone.data.misheard import misheard, word_errors
from crosstone.data.noise import Samples, babble, noisy, white
from crosstone.data.text import shortened, tokenise
from crosstone.inference.predictor import Predictor
from crosstone.models.towers import max_tokens
from crosstone.objectives.base import draws

RATES = (0.05, 0.1, 0.2, 0.3, 0.4)
"""Word error that is asked for."""
RATIOS = (20, 10, 5, 0)
"""Signal-to-noise ratio in dB."""
VOICES = 6
"""Other recordings that babble at once, where there are as many."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Altered:
    """Utterances as a condition has them."""

    name: str
    view: ItemView
    word_error: float | None = None
    """What was found, where words were misheard."""
    snr: float | None = None
    """In dB, where there is noise."""


def misheard_name(rate: float) -> str:
    """What words misheard at a rate are called."""
    return f"misheard {rate:.0%}"


def noise_name(kind: str, snr: float) -> str:
    """What noise of a kind, white or babble, at a ratio is called."""
    return f"{kind} noise {snr:g} dB"


def conditions_of(predictor: Predictor, items: Items, seed: int) -> list[Altered]:
    """Every condition that a model accepts, all of the same utterances: first the whole, as much as
    it takes; then either modality alone, words with errors, and speech in noise, both drawn by
    utterance."""
    heard = predictor.model.config.heard or []
    whole = next(kind for kind in KINDS if kind in heard and rows_of(items, kind))
    rows = rows_of(items, whole)
    found = [Altered(name=whole, view=only(items, whole, rows))]
    if whole == "audio+text":
        alone = [kind for kind in ("audio", "text") if kind in heard]
        found += [Altered(name=kind, view=only(items, kind, rows)) for kind in alone]
    if "text" in whole and predictor.tokenizer is not None:
        found += [_misheard(predictor, items, found[0].view, rate, seed) for rate in RATES]
    if "audio" in whole:
        found += _in_noise(items, found[0].view, seed)
    return found


def _misheard(
    predictor: Predictor, items: Items, view: ItemView, rate: float, seed: int
) -> Altered:
    """The view with errors in its words, and how many there are for each word."""
    own = {row: u.text or "" for row, u in zip(view.rows, view.corpus, strict=True)}
    texts = {row: text.split() for row, text in own.items()}
    spoken = [word for words in texts.values() for word in words]
    heard = {
        row: misheard(words, rate, spoken, draws(seed, 0, "misheard", items.corpus.ids[row]))
        for row, words in texts.items()
    }
    wrong = sum(word_errors(texts[row], heard[row]) for row in texts)
    said = [
        (items.corpus.ids[row], own[row] if words == texts[row] else " ".join(words))
        for row, words in heard.items()
    ]
    limit = max_tokens(predictor.model.backbone.config.text_config)
    tokens = [shortened(row, limit) for row in tokenise(predictor.tokenizer, said, None)]
    by_row = dict(zip(heard, tokens, strict=True))

    def alter(row: int, item: Item) -> Item:
        return dataclasses.replace(item, text=by_row[row], text_states=None)

    return Altered(
        name=misheard_name(rate),
        view=ItemView(items, view.rows, alter),
        word_error=wrong / len(spoken),
    )


def _in_noise(items: Items, view: ItemView, seed: int) -> list[Altered]:
    """The view in white noise, and in the babble of its own recordings where others speak; the
    noise of an utterance is the same at every ratio but for its loudness."""
    makers: dict[str, Callable[[int, Samples], Samples]] = {
        "white": lambda row, speech: white(
            len(speech), draws(seed, 0, "white", items.corpus.ids[row])
        )
    }
    if len(view) > 1:
        makers["babble"] = lambda row, speech: _babble(items, view.rows, row, len(speech), seed)

    def alter(make: Callable[[int, Samples], Samples], snr: float) -> Callable[[int, Item], Item]:
        def noised(row: int, item: Item) -> Item:
            speech = items.recordings[row]
            return dataclasses.replace(item, audio=noisy(speech, make(row, speech), snr))

        return noised

    return [
        Altered(
            name=noise_name(kind, snr),
            view=ItemView(items, view.rows, alter(make, snr)),
            snr=float(snr),
        )
        for kind, make in makers.items()
        for snr in RATIOS
    ]


def _babble(items: Items, rows: Sequence[int], row: int, num_samples: int, seed: int) -> Samples:
    """Of other recordings, by other speakers where there are such."""
    rng = draws(seed, 0, "babble", items.corpus.ids[row])
    others = [other for other in rows if other != row]
    speakers = items.corpus.speakers
    strangers = [other for other in others if speakers[other] != speakers[row]] or others
    chosen = rng.choice(strangers, min(VOICES, len(strangers)), replace=False)
    return babble([items.recordings[int(other)] for other in chosen], num_samples, rng)
