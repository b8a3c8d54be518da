from dataclasses import replace
from itertools import permutations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from crosstone.data.corpora.twokey.ceilings import (
    KINDS_OF_ADDITION,
    _kinds_of_addition,
    best_additive,
    ceilings,
    likeliest_additive,
    likeliest_scores,
    observation_probabilities,
)
from crosstone.data.corpora.twokey.law import (
    CUES,
    EMOTIONS,
    LAWS,
    STEPS,
    Law,
    draw_utterances,
)

weights = arrays(np.float64, (4, 3, 5), elements=st.floats(0, 1)).filter(lambda x: x.sum() > 0.1)
scores = arrays(np.float64, (4, 8), elements=st.floats(-5, 5))


def test_what_interplay_promises():
    found = ceilings(LAWS["interplay"])
    assert found["words"] <= 0.45
    assert found["delivery"] <= 0.45
    assert found["additive"] <= 0.70
    assert found["additive"] <= found["additive_best"] <= 0.78
    assert found["joint"] >= 0.90


def test_quadrants_can_be_added():
    found = ceilings(LAWS["quadrants"])
    assert max(found["words"], found["delivery"]) < 0.6
    assert found["additive"] > 0.9
    assert found["additive_best"] == pytest.approx(found["joint"])


@pytest.mark.parametrize("name, additive", [("interplay", 5 / 6), ("quadrants", 1.0)])
def test_without_noise_by_hand(name, additive):
    keys = LAWS[name].key_probabilities()
    assert best_additive(keys) == pytest.approx(additive)
    if name == "interplay":  # each row holds neutral at 1/12 and two others at 1/8
        assert keys.sum(2).max(0).sum() == pytest.approx(3 / 8)
        assert keys.sum(1).max(0).sum() == pytest.approx(3 / 8)


def test_no_table_leaves_an_additive_listener_less():
    found = [
        best_additive(Law(name="", table=table).key_probabilities()) for table in distinct_tables()
    ]
    assert len(found) == 149
    assert min(found) == pytest.approx(5 / 6)
    assert sum(value < 0.87 for value in found) == 1


def distinct_tables():
    """All tables of four emotions, up to the order of rows, columns and names and to reflection."""
    seen = set()
    orders = list(permutations(range(3)))
    for cells in product(range(4), repeat=9):
        first_seen = list(dict.fromkeys(cells))
        if first_seen != [0, 1, 2, 3]:
            continue
        table = np.array(cells).reshape(3, 3)
        forms = {
            renamed(view[np.ix_(rows, columns)])
            for view in (table, table.T)
            for rows in orders
            for columns in orders
        }
        form = min(forms)
        if form not in seen:
            seen.add(form)
            yield tuple(tuple(EMOTIONS[cell] for cell in row) for row in table.tolist())


def renamed(table):
    names = {}
    return tuple(names.setdefault(cell, len(names)) for cell in table.ravel().tolist())


def test_kinds_of_addition_are_all_met_and_distinct():
    kinds = _kinds_of_addition()
    assert kinds.shape == (KINDS_OF_ADDITION, 20)
    assert len(np.unique(kinds, axis=0)) == KINDS_OF_ADDITION


@settings(deadline=None, max_examples=40)
@given(weights, scores)
def test_no_sum_of_scores_passes_the_best(observed, parts):
    observed = observed / observed.sum()
    f, g = parts[:, :3, None], parts[:, None, 3:]
    answers = (f + g + 1e-9 * np.arange(4)[:, None, None]).argmax(0)
    accuracy = np.take_along_axis(observed, answers[None], 0).sum()
    best = best_additive(observed)
    assert accuracy <= best + 1e-9
    assert best <= observed.max(0).sum() + 1e-9
    assert best >= max(observed.sum(1).max(0).sum(), observed.sum(2).max(0).sum()) - 1e-9


@settings(deadline=None, max_examples=10)
@given(weights)
def test_search_reaches_the_best(observed):
    observed = observed / observed.sum()
    rng = np.random.default_rng(0)
    f = rng.normal(size=(20_000, 4, 3))
    best = best_additive(observed)
    # for two deliveries, every answer that some g makes possible: order the sums of f
    answers = np.array(list(product(range(4), repeat=3)))
    sums = sum(f[:, answers[:, word], word] for word in range(3))
    right = sum(observed[answers[:, word], word] for word in range(3))
    kept = np.zeros(sums.shape, dtype=bool)
    groups = {}
    for index, answer in enumerate(answers.tolist()):
        groups.setdefault(tuple(sorted(answer)), []).append(index)
    for group in groups.values():
        kept[np.arange(len(f)), np.array(group)[sums[:, group].argmax(1)]] = True
    reached = max(right[row].max(0).sum() for row in np.unique(kept, axis=0))
    assert reached == pytest.approx(best)


def test_the_likeliest_listener_matches_both_margins():
    observed = observation_probabilities(LAWS["interplay"])
    given_probabilities = observed.sum(0) * np.exp(likeliest_scores(observed))
    assert given_probabilities.sum(2) == pytest.approx(observed.sum(2), abs=1e-6)
    assert given_probabilities.sum(1) == pytest.approx(observed.sum(1), abs=1e-6)


def test_pooling_changes_no_ceiling():
    law = LAWS["interplay"]
    full = unpooled(law, CUES[:2])
    pooled = observation_probabilities(law, CUES[:2])
    assert pooled.shape[2] < full.shape[2] == len(STEPS) ** 2
    assert pooled.max(0).sum() == pytest.approx(full.max(0).sum())
    assert best_additive(pooled) == pytest.approx(best_additive(full))
    assert likeliest_additive(pooled) == pytest.approx(likeliest_additive(full), abs=1e-5)


def unpooled(law, cues):
    heard = np.ones((3, 1))
    for cue in cues:
        heard = (heard[:, :, None] * cue.probabilities()[:, None, :]).reshape(3, -1)
    channel = law.channel()
    return np.einsum("evd,vw,do->ewo", law.key_probabilities(), channel, channel @ heard)


@pytest.mark.parametrize("name", LAWS)
def test_sums_agree_with_monte_carlo(name):
    law = LAWS[name]
    rng = np.random.default_rng(7)
    count = 20_000
    emotions = rng.integers(4, size=count)
    draws = draw_utterances(law, [EMOTIONS[index] for index in emotions], rng)
    words = np.array([draw.shown_valence for draw in draws])
    steps = np.array([draw.steps for draw in draws]) - STEPS[0]
    observed = unpooled(law, CUES).reshape(4, 3, *[len(STEPS)] * 3)
    by_words = observed.sum((2, 3, 4)).argmax(0)[words]
    by_delivery = observed.sum(1).argmax(0)[tuple(steps.T)]
    by_both = observed.argmax(0)[(words, *steps.T)]
    rate_alone = observed.sum((3, 4))
    by_sum = likeliest_scores(rate_alone).argmax(0)[words, steps[:, 0]]
    expected = ceilings(law) | {"additive": ceilings(law, CUES[:1])["additive"]}
    for kind, answers in (
        ("words", by_words),
        ("delivery", by_delivery),
        ("joint", by_both),
        ("additive", by_sum),
    ):
        error = (expected[kind] * (1 - expected[kind]) / count) ** 0.5
        assert abs(np.mean(answers == emotions) - expected[kind]) < 4 * error, kind


def test_less_blur_and_more_cues_raise_the_ceilings():
    law = LAWS["interplay"]
    assert ceilings(replace(law, blur=0.03))["joint"] > ceilings(law)["joint"]
    assert ceilings(law, CUES[:2])["joint"] < ceilings(law)["joint"]
