"""Every study: its systems can be trained on twokey, and its claims compare what is comparable."""

from collections.abc import Callable
from pathlib import Path

import pytest

from crosstone.errors import ConfigError
from crosstone.models import FAMILIES
from crosstone.protocols.base import METRICS
from crosstone.studies.grounds import Twokey
from crosstone.studies.measures import MEASURE_VIEWS, MEASURES
from crosstone.studies.plan import Plan, plan_study
from crosstone.studies.register import STUDIES, named_study
from crosstone.studies.steps import Trained

TASKS = {"": "classification", "emotion": "classification"}
TASKS |= {"sentiment": "regression", "speaker": "verification"}


def test_how_many_there_are() -> None:
    assert len(STUDIES) == 16
    assert list(STUDIES)[:11] == [
        *("cmt-main", "cmt-ablation", "cmt-layers", "cmt-lowdata", "cmt-alpha"),
        *("ctal-main", "ctal-ablation", "ctal-tsne"),
        *("jbls-main", "jbls-ablation", "cma-main"),
    ]
    with pytest.raises(ConfigError, match=r"expected one of cmt-main, .*, found 'cmt-mian'"):
        named_study("cmt-mian")
    assert named_study("cmt-main") is STUDIES["cmt-main"]


@pytest.mark.parametrize("name", list(STUDIES))
def test_claims_compare_what_is_asked_alike(name: str) -> None:
    study = STUDIES[name]
    asks = {system.name: TASKS[system.asks] for system in study.systems}
    assert {system.family for system in study.systems} <= set(FAMILIES)
    for claim in study.claims:
        asked = {asks[system] for system in (claim.first, *claim.over)}
        assert len(asked) == 1, claim.sentence
        assert not claim.metric or claim.metric in METRICS[asked.pop()], claim.sentence
        assert claim.first not in claim.over
    sentences = [(claim.sentence, claim.where) for claim in study.claims]
    assert len(set(sentences)) == len(sentences)
    measured = {*study.measures, *(m for system in study.systems for m in system.measures)}
    assert measured <= set(MEASURES)
    assert set(MEASURE_VIEWS) <= set(MEASURES)


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("name", list(STUDIES))
def test_every_system_has_a_recipe_on_twokey(
    name: str, quick: bool, confused: Callable[[Plan], list[tuple[str, str]]]
) -> None:
    plan = plan_study(STUDIES[name], Twokey(quick=quick), [0])
    trained = [step for step in plan.steps if isinstance(step, Trained)]
    for step in trained:
        model = step.described.model
        family = FAMILIES[model.family]
        family.model.config_class(**{**family.presets.get(model.preset or "", {}), **model.config})
    folders = [step.folder(Path()) for step in plan.steps]
    assert len(set(folders)) == len(folders)
    if not quick:  # which gives all stages as many steps
        assert not confused(plan)
    if name in list(STUDIES)[:11]:
        assert not plan.left_out
