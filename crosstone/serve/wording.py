"""Sentences for a person who asks over HTTP: fields of a request, and no folder of the server."""

import re

MODEL = "the model"
"""What sentences call the model; where it lies is nobody's concern."""

IN_PREDICT = "'text'"
IN_TIMELINE = "'srt' or 'vtt'"
"""Fields that bring words."""

_ASKED_HERE = (
    (
        r"cut it into utterances \(start and end\), or ask for its timeline \(.*\)$",
        "cut it into parts, or send it to /v1/timeline",
    ),
    (r", or train with data\.cut_texts=true$", ""),
    (r"; calibrate it on more of these \(crosstone calibrate\).*$", "; send one of those"),
    (r" or fine-tune one for [^;]*", ""),
    (r"; the words of a timeline are those of .*$", ""),
    (r"\ba transcript \(--text\)", "what is said as {words}"),
    (r"(; add|; add .* or|; add .* and) a recording\b", r"\1 a recording as 'audio'"),
    (r"a \.srt or \.vtt beside the recording", "'srt' or 'vtt'"),
    (r"--segments (\w+)", r"segments=\1"),
    (r"--(\w+)", r"\1"),
)
"""What a sentence says to someone with a shell, and what it says here."""


def worded(sentence: str, name: str, words: str) -> str:
    """A sentence about a question, as the one who sent it can use it.

    name: what the model is called here; words: the fields that would have brought words.
    """
    if name and sentence.startswith(f"{name}: "):
        sentence = f"{MODEL}{sentence[len(name) :]}"
    for ours, theirs in _ASKED_HERE:
        sentence = re.sub(ours, theirs.replace("{words}", words), sentence)
    return sentence
