from itertools import product

import numpy as np
import pytest

from crosstone.data.corpora.twokey.law import (
    CUES,
    EMOTIONS,
    LAWS,
    STEPS,
    draw_utterances,
)


@pytest.mark.parametrize("law", LAWS.values(), ids=LAWS)
def test_the_emotions_are_equally_likely(law):
    keys = law.key_probabilities()
    assert keys.sum((1, 2)) == pytest.approx([0.25] * 4)
    assert sorted({meant for row in law.table for meant in row}) == sorted(EMOTIONS)


def test_interplay_is_the_unordered_pair_of_levels():
    table = LAWS["interplay"].table
    for valence, delivery in product(range(3), repeat=2):
        assert table[valence][delivery] == table[delivery][valence]
    assert {table[level][level] for level in range(3)} == {"neutral"}
    assert len({table[0][1], table[0][2], table[1][2], "neutral"}) == 4


@pytest.mark.parametrize("cue", CUES, ids=lambda cue: cue.name)
def test_a_cue_spreads_around_its_level_and_overlaps_its_neighbour(cue):
    curves = cue.probabilities()
    assert curves.sum(1) == pytest.approx(np.ones(3))
    assert STEPS[curves.argmax(1)].tolist() == [-4, 0, 4]
    low, middle, high = curves
    assert middle == pytest.approx(middle[::-1])
    assert low == pytest.approx(high[::-1])
    # at least two utterances in a hundred sound like the neighbouring level
    assert np.minimum(low, middle).sum() > 0.04


def test_blur_shows_any_level():
    channel = LAWS["interplay"].channel()
    blur = LAWS["interplay"].blur
    assert channel.sum(1) == pytest.approx(np.ones(3))
    assert channel[0, 1] == pytest.approx(blur / 3)
    assert channel[0, 0] == pytest.approx(1 - 2 * blur / 3)


def test_draws_follow_the_law():
    law = LAWS["interplay"]
    draws = draw_utterances(law, ["sad"] * 4000, np.random.default_rng(1))
    assert {(draw.valence, draw.delivery) for draw in draws} == {(0, 1), (1, 0)}
    blurred = np.mean([draw.shown_valence != draw.valence for draw in draws])
    expected = 2 * law.blur / 3
    assert abs(blurred - expected) < 4 * (expected / 4000) ** 0.5
    middle = np.array([draw.steps for draw in draws if draw.delivery == 1])
    assert np.abs(middle.mean(0)).max() < 0.3
    assert middle.std(0)[0] < middle.std(0)[1] < middle.std(0)[2]  # rate tells most, pitch least
