"""Questions answered in batches of like length, in the order in which they were asked."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from crosstone.data.batch import Item
from crosstone.inference.recording import Refusal

AHEAD = 8
"""Batches that are read ahead, so that each holds questions of like length."""
WINDOW_SECONDS = 600.0
"""Sound that is read ahead at most; 37 MiB at 16 kHz."""
BATCH_SECONDS = 240.0
"""Sound in one batch at most, padding included."""


@dataclass(frozen=True)
class Question:
    """What is put to the model, and what its answer will say besides."""

    item: Item
    seconds: float = 0.0
    """Length of its recording."""
    start: float | None = None
    end: float | None = None
    """Where in the recording it lies, in seconds."""
    text: str | None = None
    text_source: str | None = None


def answered(
    questions: Iterable[Question | Refusal],
    answers: Callable[[Sequence[Item]], Iterable[Any]],
    *,
    batch_size: int,
) -> Iterator[Any]:
    """The answer to each question, a frozen dataclass, or its refusal, in the order asked.

    What is read ahead and not yet answered never exceeds 8 batches, 600 s of sound and one
    recording; with a batch_size of 1 nothing is read ahead.
    """
    window: list[Question | Refusal] = []
    seconds, most = 0.0, AHEAD * batch_size if batch_size > 1 else 1
    for question in questions:
        window.append(question)
        seconds += question.seconds if isinstance(question, Question) else 0.0
        if len(window) >= most or seconds >= WINDOW_SECONDS:
            yield from _answered(window, answers, batch_size)
            window, seconds = [], 0.0
    yield from _answered(window, answers, batch_size)


def _answered(
    window: Sequence[Question | Refusal],
    answers: Callable[[Sequence[Item]], Iterable[Any]],
    batch_size: int,
) -> Iterator[Any]:
    found: dict[int, Any] = {}
    for rows, questions in _batches(window, batch_size):
        given = answers([question.item for question in questions])
        for row, question, answer in zip(rows, questions, given, strict=True):
            found[row] = replace(
                answer,
                start=question.start,
                end=question.end,
                text=question.text,
                text_source=question.text_source,
            )
    for row, asked in enumerate(window):
        yield found.get(row, asked)


def _batches(
    window: Sequence[Question | Refusal], batch_size: int
) -> Iterator[tuple[list[int], list[Question]]]:
    """Rows and questions, the shortest first."""
    there = [(row, asked) for row, asked in enumerate(window) if isinstance(asked, Question)]
    there.sort(key=lambda pair: _length(pair[1]))
    rows: list[int] = []
    batch: list[Question] = []
    for row, question in there:
        is_full = len(batch) == batch_size
        if batch and (is_full or (len(batch) + 1) * question.seconds > BATCH_SECONDS):
            yield rows, batch
            rows, batch = [], []
        rows.append(row)
        batch.append(question)
    if batch:
        yield rows, batch


def _length(question: Question) -> tuple[float, int]:
    return question.seconds, 0 if question.item.text is None else len(question.item.text)
