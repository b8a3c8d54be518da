"""The page of an explanation: what it says, what it draws, and what it warns of."""

import copy
import re
from typing import Any

import numpy as np
import pytest

from crosstone.reports.explanation import MOST_WORDS, explanation_page, explanation_picture
from crosstone.reports.sound import spectrogram, waveform

RATE = 16_000
TIME = np.arange(2 * RATE) / RATE
SAMPLES = (0.3 * np.sin(2 * np.pi * 1000 * TIME) * (TIME > 1)).astype(np.float32)


def word(text: str, effect: float, time: tuple[float, float] | None = None) -> dict[str, Any]:
    start, end = time or (None, None)
    return {
        "word": text,
        "start": start,
        "end": end,
        "is_read": True,
        "occlusion": effect,
        "probability": 0.5,
        "gradients": effect / 2,
    }


DOCUMENT: dict[str, Any] = {
    "id": "a&b.wav",
    "model": "runs/mine/model",
    "head": "mood",
    "used": ["audio", "text"],
    "answer": {"label": "sad", "probabilities": {"glad": 0.2, "sad": 0.8}},
    "label": "sad",
    "quantity": "the log odds of sad against the other classes",
    "score": 1.386,
    "probability": 0.8,
    "text": "so <bad> it was",
    "seconds": 2.0,
    "words": [
        word("so", 0.01, (0.1, 0.4)),
        word("<bad>", 1.25, (0.4, 0.9)),
        word("it", -0.4, (0.9, 1.0)),
        word("was", 0.0),
    ],
    "stretches": [
        {
            "start": i / 2,
            "end": (i + 1) / 2,
            "occlusion": 0.1 * i - 0.1,
            "spread": 0.02,
            "probability": 0.7,
            "gradients": 0.05,
        }
        for i in range(4)
    ],
    "modalities": [
        {
            "modality": name,
            "how": how,
            "loss": loss,
            "share": share,
            "probability": 0.4,
            "label": "glad",
            "gradients": 0.3,
        }
        for name, how, loss, share in (
            ("text", "absent", 1.5, 0.75),
            ("audio", "neutral", -0.5, 0.25),
        )
    ],
    "completeness": {
        "baseline": 0.0,
        "difference": 1.386,
        "total": 1.387,
        "residual": 0.001,
        "tolerance": 0.02,
        "steps": 32,
        "is_complete": True,
    },
    "attention": [
        {"stream": "text", "block": 2, "weights": [[0.25] * 4] * 4},
        {"stream": "audio", "block": 2, "weights": [[0.2]] * 4},
    ],
    "randomised": {
        "models": 3,
        "correlation": {"words.occlusion": 0.05, "stretches.gradients": None},
    },
    "settings": {
        "scale": "log-odds",
        "seed": 0,
        "words": {"without": "leave-out"},
        "stretches": {"fill": "noise", "window": 0.5, "draws": 4},
        "gradients": {
            "steps": 32,
            "tolerance": 0.01,
            "baseline": {"text": "word embeddings of zero", "audio": "silence"},
        },
    },
}


def page(**changes: Any) -> str:
    document = {**copy.deepcopy(DOCUMENT), **changes}
    samples = SAMPLES if document["stretches"] else None
    return explanation_page(document, samples, RATE).decode()


def test_one_page_needs_nothing_else_and_says_what_was_done() -> None:
    said = page()
    assert "<script" not in said
    assert not re.findall(r'(?:src|href)="(?!#|data:)', said)
    assert "Why sad: a&amp;b.wav" in said
    assert "speech-shaped noise of its level in its place, mean of 4 draws" in said
    assert "left out of the text" in said
    assert "+1.386 (probability 0.80)" in said
    assert "Largest effects of words: &lt;bad&gt; +1.250, it −0.400 and so +0.010" in said
    assert "Words stand at the times of the cues" in said
    ids = re.findall(r'\bid="([^"]+)"', said)
    assert len(ids) == len(set(ids))


def test_attention_is_not_sold_as_the_reason() -> None:
    assert "Attention is shown here, not offered as the reason" in page()
    assert "Attention" not in page(attention=[])


def test_modalities_say_how_they_were_taken_away() -> None:
    said = page()
    assert "Without the words the model is asked as in part of its training." in said
    assert "The model was never trained without sound, so it is not left out but neutral" in said
    assert "75%" in said


def test_trust_is_told() -> None:
    said = page()
    assert "Integrated gradients are complete" in said
    assert "Rank correlation with them: words +0.050 (taken away)." in said
    broken = {**DOCUMENT["completeness"], "is_complete": False, "residual": -0.3}
    said = page(completeness=broken, randomised=None)
    assert "NOT complete: 0.3 is missing or too much after 32 steps" in said
    assert "Rank correlation" not in said
    unread = [{**DOCUMENT["words"][0], "is_read": False}, *DOCUMENT["words"][1:]]
    assert "Not read by the model: so." in page(words=unread)


def test_words_without_times_claim_none() -> None:
    words = [{**each, "start": None, "end": None} for each in DOCUMENT["words"]]
    said = page(words=words)
    assert "Nobody says when they are spoken" in said
    assert "at the times of the cues" not in said


def test_words_alone_a_value_and_many_words() -> None:
    words = [word(f"w{i}", (-1) ** i * i / 10) for i in range(60)]
    alone = {"stretches": [], "modalities": [], "attention": [], "seconds": None, "words": words}
    settings = {**DOCUMENT["settings"]}
    del settings["stretches"]
    value = {"label": None, "probability": None, "answer": {"value": -1.5}, "settings": settings}
    said = page(**alone, **value, quantity="the value of mood")
    assert f"The {MOST_WORDS} of 60 words that did most" in said
    assert "−1.500" in said
    assert "a higher value" in said
    assert "w59" in said


@pytest.mark.parametrize("samples", [SAMPLES, None])
def test_the_picture_is_a_png(samples: Any) -> None:
    assert explanation_picture(DOCUMENT, samples, RATE).startswith(b"\x89PNG")


def test_a_spectrogram_shows_the_tone_where_it_is() -> None:
    levels, hertz = spectrogram(SAMPLES, RATE)
    assert levels.min() == 0
    assert levels.max() == 1
    half = levels.shape[1] // 2
    assert not levels[:, : half - 10].any()
    loudest = hertz[levels[:, half + 10 :].mean(1).argmax()]
    assert loudest == pytest.approx(1000, rel=0.03)


def test_a_waveform_keeps_its_peaks() -> None:
    high, low = waveform(np.array([0.0, 0.5, -0.25, 0.1]), 2)
    assert high.tolist() == [0.5, 0.1]
    assert low.tolist() == [0.0, -0.25]
    assert waveform(np.zeros(3), 100).shape == (2, 3)
