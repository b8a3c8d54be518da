"""Several corpora as a ground: trained on each, tested on all, by declared labels."""

from collections.abc import Callable
from pathlib import Path

import pytest

from crosstone.data.corpora import CORPORA
from crosstone.errors import ConfigError
from crosstone.studies.cmt import ABLATION
from crosstone.studies.grounds import ground_of
from crosstone.studies.labels import LABEL_MAPS, SHARED, shared_labels
from crosstone.studies.plan import Plan, plan_study
from crosstone.studies.transfer import TRANSFER


def test_each_is_trained_once_and_asked_about_the_others(
    write_corpus: Callable[..., Path], confused: Callable[[Plan], list[tuple[str, str]]]
) -> None:
    emodb = write_corpus("emodb", values=("anger", "happiness", "neutral", "sadness"))
    ravdess = write_corpus("ravdess", values=("angry", "happy", "neutral", "sad"))
    ground = ground_of(corpora=f"{emodb}, {ravdess}", quick=True)
    plan = plan_study(TRANSFER, ground, [0])
    assert not confused(plan)
    names = [system.name for system in plan.systems if system.family == "cmt"]
    assert names == [
        "CMT, emodb → emodb",
        "CMT, emodb → ravdess",
        "CMT, ravdess → emodb",
        "CMT, ravdess → ravdess",
    ]
    first, second = (plan.trained[name][0] for name in names[:2])
    assert first.key == second.key
    recipe = first.described
    assert recipe.final_model
    assert recipe.protocol is not None
    assert recipe.protocol.labels == SHARED
    assert recipe.protocol.label_map["anger"] == "angry"
    (measured,) = plan.measured[names[1]]
    assert [name for name, _ in measured.beside] == ["ravdess"]
    assert measured.key != plan.measured[names[3]][0].key
    assert len(plan.steps) == 3 * 2 * 2  # three listeners, two corpora, trained and measured
    assert len(plan.study.claims) == 3 * 2


def test_every_map_ends_in_the_shared_labels() -> None:
    for name, labels in LABEL_MAPS.items():
        assert name in CORPORA or name == "esd"
        spec = shared_labels(name)
        assert spec is not None
        assert set(labels.values()) == set(spec.labels) == set(SHARED)
    assert shared_labels("twokey") is None


def test_what_does_not_fit_is_said(write_corpus: Callable[..., Path]) -> None:
    one, other = write_corpus("emodb"), write_corpus("ravdess")
    mine = write_corpus("mine")
    for corpora, said in (
        (f"{one}", "expected corpora of two or more names, found emodb"),
        (f"{one},{one}", "found emodb, emodb"),
        (f"{one},{mine}", "expected corpora whose emotions are declared .* found mine"),
    ):
        with pytest.raises(ConfigError, match=said):
            ground_of(corpora=corpora)
    with pytest.raises(ConfigError, match="study cmt-ablation: is about one corpus"):
        plan_study(ABLATION, ground_of(corpora=f"{one},{other}"), [0])
    with pytest.raises(ConfigError, match="of several corpora expected no option, found folds"):
        ground_of(corpora=f"{one},{other}", folds="2")
