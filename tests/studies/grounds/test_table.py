"""A prepared corpus as a ground: its folds, its encoders, and a claim that only it allows."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from crosstone.errors import ConfigError
from crosstone.studies.grounds import Paper, Table, Twokey, ground_of
from crosstone.studies.plan import Plan, plan_study
from crosstone.studies.register import STUDIES
from crosstone.studies.steps import Trained
from crosstone.studies.study import Study, System

STUDY = Study(
    name="some",
    shows="",
    source="",
    systems=(
        System(name="audio", family="audio"),
        System(name="text", family="text"),
        System(name="both", family="cmt"),
        System(name="half", family="cmt", share=0.25),
        System(name="earlier", family="cmt", start="adapted"),
    ),
)


def described(plan: Plan, name: str) -> Trained:
    return plan.trained[name][0]


def test_folds_and_encoders(write_corpus: Callable[..., Path]) -> None:
    ground = ground_of(str(write_corpus("mine")), folds="2", unit="speaker")
    plan = plan_study(STUDY, ground, [0])
    assert plan.left_out == {
        "earlier": "its earlier stages need speech and text without labels: expected "
        "unlabelled=FOLDER, a prepared corpus, found none"
    }
    recipe = described(plan, "both").described
    assert recipe.protocol is not None
    assert (recipe.protocol.kind, recipe.protocol.unit) == ("grouped-kfold", "speaker")
    assert (recipe.protocol.folds, recipe.protocol.split) == (2, None)
    assert (recipe.model.audio_encoder, recipe.model.text_encoder) == (
        "logmel-mini",
        "roberta-mini",
    )
    assert (recipe.training.epochs, recipe.training.steps) == (25, None)
    assert described(plan, "half").described.training.epochs == 50
    value = ground_of(str(write_corpus("scores", "score", (0.5, 1.0, 2.0))), target="score")
    regression = described(plan_study(STUDY, value, [0]), "both").described.protocol
    assert regression is not None
    assert (regression.task, regression.target) == ("regression", "score")


def test_earlier_stages_hear_what_is_given(write_corpus: Callable[..., Path]) -> None:
    unlabelled = write_corpus("speech", "", ("",))
    ground = ground_of(str(write_corpus("mine")), unlabelled=str(unlabelled))
    plan = plan_study(STUDY, ground, [0])
    assert not plan.left_out
    assert {step.title for step in plan.steps} >= {
        *("codewords", "audio tower", "text tower", "cmt pretraining, seed 0"),
        *("cmt adaptation, seed 0", "earlier, seed 0"),
    }
    heard = {step.title: step.described.data for step in plan.steps if isinstance(step, Trained)}
    assert heard["cmt pretraining, seed 0"].corpus == heard["text tower"].corpus
    assert heard["cmt pretraining, seed 0"].split is None
    assert heard["earlier, seed 0"].corpus == heard["cmt adaptation, seed 0"].corpus


def test_text_is_claimed_to_add_nothing_where_it_cannot(write_corpus: Callable[..., Path]) -> None:
    same = ground_of(str(write_corpus("acted", texts=2)))
    (claim,) = plan_study(STUDY, same, [0]).study.claims
    assert claim.sentence == (
        "Text adds nothing (of 2 points or more) where every emotion is said in the same 2 "
        "sentences"
    )
    assert (claim.first, claim.over, claim.by) == ("audio", ("both",), -0.02)
    more = replace(STUDY, systems=(*STUDY.systems, System(name="beside", family="shallow")))
    (claim,) = plan_study(more, same, [0]).study.claims
    assert claim.over == ("beside",)  # which hears as audio does
    told = ground_of(str(write_corpus("spoken", values=("a", "b", "c"))))
    assert not plan_study(STUDY, told, [0]).study.claims


def test_every_study_that_applies_has_its_recipes(write_corpus: Callable[..., Path]) -> None:
    speech = write_corpus("speech", "", ("",))
    ground = ground_of(str(write_corpus("mine")), unlabelled=str(speech))
    assert isinstance(ground, Table)
    applies = set()
    for study in STUDIES.values():
        for quick in (False, True):
            try:
                plan = plan_study(study, replace(ground, quick=quick), [0])
            except ConfigError:
                continue
            assert all(s.described for s in plan.steps if isinstance(s, Trained))
            applies.add(study.name)
    assert applies >= {"cmt-ablation", "cmt-lowdata", "selection", "robustness"}
    assert not applies & {"keys", "transfer"}


def test_what_a_person_says_of_a_ground(write_corpus: Callable[..., Path]) -> None:
    assert ground_of(quick=True) == Twokey(quick=True)
    path = write_corpus("twokey")
    assert ground_of(str(path)) == Twokey(path=path)
    assert isinstance(ground_of(str(write_corpus("iemocap"))), Paper)
    assert isinstance(ground_of(str(write_corpus("mosi")), target="emotion"), Table)
    for corpus, options, said in (
        ("twokey", {"folds": "3"}, "of twokey expected no option, found folds"),
        (str(path), {"unit": "group"}, "of twokey expected no option, found unit"),
        (str(write_corpus("mine")), {"folds": "few"}, "folds expects a number, found 'few'"),
        (str(write_corpus("yours")), {"codebook": "x"}, "found codebook"),
    ):
        with pytest.raises(ConfigError, match=said):
            ground_of(corpus, **options)
