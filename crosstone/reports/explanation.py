"""An explanation as one page: the sound, the words, what each did, and how far to trust it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from crosstone.reports.contributions import (
    attention_drawing,
    sound_drawing,
    sound_picture,
    words_drawing,
    words_picture,
)
from crosstone.reports.page import (
    Block,
    Cell,
    Facts,
    Figure,
    Heading,
    Notes,
    Page,
    Paragraph,
    Table,
    TableRow,
)
from crosstone.reports.wording import count, enumerate_words, number

FOOTER = "Written by `crosstone explain`."
MOST_WORDS = 40
"""Words that are drawn; of more, those that did most."""

_NAMES = {"text": "words", "audio": "sound"}
_PARTS = {"words": "words", "stretches": "stretches"}
_WAYS = {"occlusion": "taken away", "gradients": "integrated gradients"}


def explanation_page(document: Mapping[str, Any], samples: NDArray[Any] | None, rate: int) -> bytes:
    """A self-contained HTML file.

    document: an explanation as its JSON has it; samples (N,): what was heard, None without sound.
    """
    blocks: list[Block] = [Facts(tuple(_facts(document))), Paragraph(_reading(document))]
    if samples is not None:
        blocks += _sound(document, samples, rate)
    if document["words"]:
        blocks += _words(document)
    if document["modalities"]:
        blocks += _modalities(document)
    if document["attention"]:
        blocks += _attention(document)
    blocks += [Heading("How far to trust this"), Notes(tuple(_remarks(document)))]
    blocks += _tables(document)
    what = document["label"] or document["head"]
    return Page(f"Why {what}: {document['id']}", blocks, FOOTER).html().encode()


def explanation_picture(
    document: Mapping[str, Any], samples: NDArray[Any] | None, rate: int
) -> bytes:
    """A PNG file: the sound and what its stretches did, of words alone the words."""
    if samples is None:
        return words_picture(_foremost(document["words"]))
    return sound_picture(document, samples, rate)


def _facts(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    answer, settings = document["answer"], document["settings"]
    facts = [("Model", document["model"]), ("Answer", _answer(answer))]
    if document["label"] is None:
        facts.append(("Explained", document["quantity"]))
    else:
        before = ", before calibration" if answer.get("calibrated") else ""
        score = number(document["score"], True)
        if document["settings"]["scale"] == "log-odds":
            score += f" (probability {_share(document['probability'])}{before})"
        facts.append(("Explained", f"{document['quantity']}: {score}"))
    if document["text"]:
        facts.append(("Words", document["text"]))
    if "words" in settings:
        how = settings["words"]
        is_masked = how["without"] == "mask"
        masked = f"{how['mask_token']} in its place" if is_masked else "left out of the text"
        facts.append(("A word away", masked))
    if "stretches" in settings:
        how = settings["stretches"]
        fill = "silence in its place"
        if how["fill"] == "noise":
            fill = (
                "speech-shaped noise of its level in its place, mean of "
                f"{count(how['draws'], 'draw')}"
            )
        facts.append(("Sound away", f"{how['window']:.2g} s each: {fill}"))
    found = document["completeness"]
    facts.append(
        (
            "Integrated gradients",
            f"from {_baseline(document)} ({number(found['baseline'], True)}) to the utterance: "
            f"{number(found['total'], True)} shared out of {number(found['difference'], True)}",
        )
    )
    return facts


def _answer(answer: Mapping[str, Any]) -> str:
    if "value" in answer:
        return number(answer["value"], True)
    ranked = sorted(answer["probabilities"].items(), key=lambda pair: -pair[1])
    shares = ", ".join(f"{label} {_share(share)}" for label, share in ranked[:4])
    return f"{answer['label']} ({shares})" if answer["label"] != ranked[0][0] else shares


def _baseline(document: Mapping[str, Any]) -> str:
    baseline = document["settings"]["gradients"]["baseline"]
    return " and ".join(told for told in (baseline["text"], baseline["audio"]) if told)


def _reading(document: Mapping[str, Any]) -> str:
    what = document["label"] or "a higher value"
    return (
        f"Bars: the {_unit(document)} that the answer loses when this part alone is taken away. "
        "Dots: the part's share by integrated gradients, which together make up the whole. Up or "
        f"right, and blue: the part speaks for {what}; down or left, and orange: against."
    )


def _sound(document: Mapping[str, Any], samples: NDArray[Any], rate: int) -> list[Block]:
    caption = "The recording, and what each stretch of it did to the answer."
    if any(stretch["spread"] for stretch in document["stretches"]):
        caption += " Thin lines: one deviation over the draws of the noise."
    if any(word["start"] is not None for word in document["words"]):
        caption += (
            " Words stand at the times of the cues; those of one cue are taken to be spoken evenly "
            "over it."
        )
    wide, narrow = (sound_drawing(document, samples, rate, narrow=n) for n in (False, True))
    return [Figure(caption, (wide,), (_most(document, "stretches"),), narrow=narrow)]


def _words(document: Mapping[str, Any]) -> list[Block]:
    words = document["words"]
    shown = _foremost(words)
    caption = "What each word did, in the order of the text."
    if len(shown) < len(words):
        caption = f"The {len(shown)} of {len(words)} words that did most, in the order of the text."
    if document["seconds"] is not None and all(word["start"] is None for word in words):
        caption += " Nobody says when they are spoken, so they have no place in time."
    wide, narrow = (words_drawing(shown, narrow=n) for n in (False, True))
    return [
        Heading("Words"),
        Figure(caption, (wide,), (_most(document, "words"),), narrow=narrow),
    ]


def _foremost(words: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """At most MOST_WORDS of them, those with the largest effect by either way, in order."""

    def size(i: int) -> float:
        return -max(abs(float(words[i][way])) for way in _WAYS)

    return [words[i] for i in sorted(sorted(range(len(words)), key=size)[:MOST_WORDS])]


def _most(document: Mapping[str, Any], parts: str) -> str:
    """What a figure shows, for those who hear the page."""
    largest = sorted(document[parts], key=lambda e: -abs(e["occlusion"]))[:3]
    names = [
        e["word"] if parts == "words" else f"{e['start']:.1f} to {e['end']:.1f} s" for e in largest
    ]
    effects = [
        f"{name} {number(e['occlusion'], True)}" for name, e in zip(names, largest, strict=True)
    ]
    return f"Largest effects of {_PARTS[parts]}: {enumerate_words(effects)}"


def _modalities(document: Mapping[str, Any]) -> list[Block]:
    label = document["label"]
    columns = ["Without the", f"{_unit(document)} lost", "share", "gradients"]
    if label is not None:
        columns[1:1] = [f"{label} then", "answer then"]
    rows = []
    for effect in document["modalities"]:
        cells = [Cell(_NAMES[effect["modality"]], _away(effect, document["settings"]))]
        if label is not None:
            cells += [Cell(_share(effect["probability"])), Cell(effect["label"])]
        share = "–" if effect["share"] is None else f"{effect['share']:.0%}"
        cells += [Cell(number(effect["loss"], True)), Cell(share)]
        rows.append(TableRow((*cells, Cell(number(effect["gradients"], True)))))
    told = []
    for effect in document["modalities"]:
        name = _NAMES[effect["modality"]]
        if effect["how"] == "absent":
            told.append(f"Without the {name} the model is asked as in part of its training.")
        else:
            told.append(
                f"The model was never trained without {name}, so it is not left out but neutral: "
                f"{_away(effect, document['settings'])}. It has not met that either."
            )
    caption = (
        "Each modality left out. Shares compare the sizes of both losses; the losses need not add "
        "up to anything, since each modality may say what the other says too."
    )
    return [
        Heading("Words and sound"),
        Table(caption, tuple(columns), tuple(rows)),
        Paragraph(" ".join(told)),
    ]


def _away(effect: Mapping[str, Any], settings: Mapping[str, Any]) -> str:
    if effect["how"] == "absent":
        return "not given"
    if effect["modality"] == "audio":
        return "silence"
    how = settings["words"]
    return f"every word {how['mask_token']}" if how["without"] == "mask" else "every word left out"


def _unit(document: Mapping[str, Any]) -> str:
    if document["label"] is None:
        return "value"
    return "log odds" if document["settings"]["scale"] == "log-odds" else "probability"


def _attention(document: Mapping[str, Any]) -> list[Block]:
    last = {a["stream"]: a for a in document["attention"]}
    words = [word["word"] for word in document["words"]]
    drawings, labels = [], []
    for stream, attention in last.items():
        weights = np.array(attention["weights"], np.float64).reshape(-1, _columns(attention))
        looks = {"text": "Where the words look in time", "audio": "Where the sound looks in words"}
        names = words if len(weights) == len(words) else ["all words"]
        if len(names) > MOST_WORDS:
            continue
        title = f"{looks[stream]}, block {attention['block']}"
        drawings.append(
            attention_drawing(
                f"attention-{stream}", title, weights, names, document["seconds"], 346.0
            )
        )
        labels.append(title)
    warning = (
        "Attention is shown here, not offered as the reason: it says where a block looked, not "
        "what the answer came from, and other weights can give the same answer (Jain and Wallace "
        "2019). What parts did to the answer is in the bars and dots above."
    )
    blocks: list[Block] = [Heading("Attention between words and time"), Paragraph(warning)]
    if not drawings:
        return [*blocks, Paragraph("There are too many words to draw; the JSON has the weights.")]
    caption = (
        "Mean of the heads of each stream's last block; the darker, the more. What lacks rests on "
        "special tokens. The JSON has every block."
    )
    return [*blocks, Figure(caption, tuple(drawings), tuple(labels), top=True)]


def _columns(attention: Mapping[str, Any]) -> int:
    return max(1, len(attention["weights"][0]) if attention["weights"] else 1)


def _remarks(document: Mapping[str, Any]) -> list[str]:
    found = document["completeness"]
    if found["is_complete"]:
        said = (
            "Integrated gradients are complete: what they share out differs from what there is by "
            f"{_small(found['residual'])}, at most {_small(found['tolerance'])} being allowed "
            f"({count(found['steps'], 'step')})."
        )
    else:
        said = (
            f"Integrated gradients are NOT complete: {_small(found['residual'])} is missing or "
            f"too much after {count(found['steps'], 'step')}, at most "
            f"{_small(found['tolerance'])} being allowed. Do not lean on the dots."
        )
    remarks = [said]
    if document["randomised"] is not None:
        remarks.append(_sanity(document["randomised"]))
    remarks += [
        "Taking a part away asks the model about something that it never met, and a part that says "
        "what another says too loses nothing: a small bar does not mean that nothing was heard "
        "there.",
        "Both ways explain this model's answer, right or wrong; they say nothing about how people "
        "hear it, and nothing about causes outside the model.",
    ]
    unread = [word["word"] for word in document["words"] if not word["is_read"]]
    if unread:
        remarks.append(f"Not read by the model: {enumerate_words(unread[:10])}.")
    return remarks


def _share(probability: float) -> str:
    return f"{probability:.2f}"


def _small(value: float) -> str:
    return number(abs(value), trim=True) if abs(value) >= 0.001 else "less than 0.001"


def _sanity(found: Mapping[str, Any]) -> str:
    told = []
    for name, correlation in found["correlation"].items():
        if correlation is not None:
            part, way = name.split(".")
            told.append(f"{_PARTS[part]} {number(correlation, True)} ({_WAYS[way]})")
    models = count(found["models"], "model")
    if not told:
        return f"There are too few parts to compare with {models} of shuffled weights."
    return (
        f"The same was done with {models} of the same shape whose weights were shuffled (Adebayo "
        f"et al. 2018). Rank correlation with them: {enumerate_words(told)}. Near 1, the picture "
        "would show the utterance and not the model; with few parts it is far from 0 by chance."
    )


def _tables(document: Mapping[str, Any]) -> list[Block]:
    label = document["label"]
    blocks: list[Block] = []
    for parts in ("words", "stretches"):
        effects = document[parts]
        if not effects:
            continue
        timed = any(e["start"] is not None for e in effects)
        columns = ["Word"] if parts == "words" else []
        columns += ["from, s", "to, s"] if timed else []
        columns += ["taken away", *([f"{label} then"] if label else []), "gradients"]
        rows = []
        for effect in effects:
            cells = [Cell(effect["word"])] if parts == "words" else []
            if timed:
                cells += [Cell(_time(effect["start"])), Cell(_time(effect["end"]))]
            cells.append(Cell(number(effect["occlusion"], True)))
            if label:
                cells.append(Cell(_share(effect["probability"])))
            rows.append(TableRow((*cells, Cell(number(effect["gradients"], True)))))
        caption = f"Every {'word' if parts == 'words' else 'stretch of sound'}, in numbers."
        blocks.append(Table(caption, tuple(columns), tuple(rows), folded=True))
    return blocks


def _time(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds:.2f}"
