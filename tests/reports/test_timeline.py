"""Timelines drawn, of classes and of values."""

from typing import Any

import numpy as np
import pytest

from crosstone.reports.timeline import Drawn, clock, timeline_page, timeline_picture


def moments(**fields: Any) -> list[dict[str, Any]]:
    common = {"id": "call.wav", "turn": False}
    return [
        {**common, "segment": i, "start": 30.0 * i, "end": 30.0 * i + 20, **each}
        for i, each in enumerate(fields["each"])
    ]


CLASSES = moments(
    each=[
        {"label": "calm", "probabilities": {"calm": 0.8, "<b>": 0.2}, "smoothed": "calm"},
        {"unanswered": "silent", "smoothed": "calm"},
        {
            "label": "unsure",
            "probabilities": {"calm": 0.4, "<b>": 0.6},
            "smoothed": "<b>",
            "turn": True,
            "text": "so & so",
        },
    ]
)
VALUES = moments(
    each=[
        {"unanswered": "silent"},
        {"value": 1.5, "smoothed": 1.5},
        {"value": -0.5, "smoothed": 1.0, "turn": True},
    ]
)


@pytest.mark.parametrize(
    "told,labels,holds",
    [
        (CLASSES, ("calm", "<b>"), ("so &amp; so", "unsure", "&lt;b&gt; from 1:00", "silent")),
        (VALUES, (), ("1 turning point", "-0.50", "last 20 s")),
        (CLASSES[:1], ("calm", "<b>"), ("None: the smoothed path is one",)),
    ],
)
def test_pages_and_pictures(told: list[Any], labels: tuple[str, ...], holds: Any) -> None:
    drawn = Drawn(
        name="call.wav",
        model="runs/mine",
        moments=told,
        peaks=np.abs(np.sin(np.arange(1200) / 9)),
        seconds=85.0,
        labels=labels,
        cut={"kind": "fixed", "window": 20.0, "stay_seconds": 20.0},
    )
    page = timeline_page(drawn).decode()
    for part in (*holds, "into windows of 20 s", "runs/mine", "1:25"):
        assert part in page
    assert "<b></td>" not in page
    assert timeline_picture(drawn).startswith(b"\x89PNG")


def test_clock() -> None:
    assert [clock(s) for s in (0, 65.4, 7265)] == ["0:00", "1:05", "2:01:05"]
