"""Every study: its systems can be trained on twokey, and its claims compare what is comparable."""

import re
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
from crosstone.studies.study import POINT

TASKS = {"": "any", "emotion": "classification"}
TASKS |= {"sentiment": "regression", "speaker": "verification"}
OF_HEADS = ("head_accuracy", "head_weighted_f1")
"""Which a person asks of `crosstone audit --heads`."""
KNOWN = {**METRICS, "classification": (*METRICS["classification"], *OF_HEADS)}
KNOWN["any"] = tuple(metric for metrics in METRICS.values() for metric in metrics)
NAMES = {"ua": "UA", "wa": "WA", "mae": "MAE", "eer": "EER", "pearson": "Corr"}
NAMES |= {"acc2_nonzero": "Acc2", "acc7_round": "Acc7"}
"""As papers print them."""


def test_how_many_there_are() -> None:
    assert len(STUDIES) == 17
    assert list(STUDIES)[:12] == [
        *("cmt-main", "cmt-ablation", "cmt-layers", "cmt-lowdata", "cmt-alpha"),
        *("ctal-main", "ctal-ablation", "ctal-lowdata", "ctal-tsne"),
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
        assert not claim.metric or claim.metric in KNOWN[asked.pop()], claim.sentence
        assert claim.first not in claim.over
    sentences = [(claim.sentence, claim.where) for claim in study.claims]
    assert len(set(sentences)) == len(sentences)
    measured = {*study.measures, *(m for system in study.systems for m in system.measures)}
    assert measured <= set(MEASURES)
    assert set(MEASURE_VIEWS) <= set(MEASURES)


@pytest.mark.parametrize("name", list(STUDIES))
def test_a_printed_gain_of_less_than_a_point_is_what_a_claim_asks(name: str) -> None:
    """Of the claim's own metric, whatever else stands beside it."""
    for claim in STUDIES[name].claims:
        if claim.by or claim.metric not in NAMES:
            assert not claim.printed or claim.metric in OF_HEADS, claim.sentence
            continue
        of = re.findall(NAMES[claim.metric] + r" (\.\d+) → (\.\d+)", claim.theirs)
        gains = [abs(float(new) - float(old)) for old, new in of]
        if gains:
            assert claim.smallest == pytest.approx(min(POINT, *gains)), claim.sentence


def test_nothing_is_claimed_both_ways_in_one_metric() -> None:
    for study in STUDIES.values():
        claims = [c for c in study.claims if len(c.over) == 1 and not c.by]
        asked = {(c.first, c.over[0], c.metric) for c in claims}
        both = [one for one in asked if (one[1], one[0], one[2]) in asked]
        assert not both, study.name


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
    if name in list(STUDIES)[:12]:
        assert not plan.left_out
