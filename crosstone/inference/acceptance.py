"""Which combinations of modalities a model may be asked from: those that it met in training."""

from collections.abc import Sequence

from crosstone.errors import CrosstoneError


def refuse_unmet(given: str, heard: Sequence[str], name: str) -> None:
    """Raise CrosstoneError for a kind of utterance that training never showed.

    given: the kind, as in TaskConfig.heard, "" for neither modality. heard: those that training
    showed. name: of the model.
    """
    if given in heard:
        return
    if not heard:
        raise CrosstoneError(
            f"{name}: expected a trained model, found one that has met no utterance yet; "
            "fine-tune it first (crosstone finetune)"
        )
    found = f"{name}: expected {' or '.join(heard)}, found {given or 'nothing it can use'}"
    if not given:
        least = [kind for kind in heard if not any(_within(k, kind) for k in heard)]
        raise CrosstoneError(f"{found}; add {' or '.join(map(_named, least))}")
    missing = _named("text" if given == "audio" else "audio")
    raise CrosstoneError(
        f"{found}: never trained without the rest, so its answer would mean nothing; add "
        f"{missing} or fine-tune one for {given}"
    )


def _named(kind: str) -> str:
    """What a kind of utterance brings, in words."""
    names = {"audio": "a recording", "text": "a transcript (--text)"}
    return " and ".join(names[part] for part in kind.split("+"))


def _within(kind: str, other: str) -> bool:
    """Whether a kind of utterance is a true part of another."""
    return set(kind.split("+")) < set(other.split("+"))
