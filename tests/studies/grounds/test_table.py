"""A prepared corpus as a ground: its folds, its encoders, and a claim that only it allows."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from crosstone.errors import ConfigError
from crosstone.studies.arms import study_folder
from crosstone.studies.cost import costs_of
from crosstone.studies.grounds import Paper, Table, Twokey, ground_of
from crosstone.studies.plan import Plan, plan_study
from crosstone.studies.register import STUDIES
from crosstone.studies.steps import Made, Trained
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
    alone, claim = plan_study(STUDY, same, [0]).study.claims
    assert (alone.first, alone.ceiling) == ("text", "chance")
    assert alone.sentence == (
        "Text alone tells more than chance where every emotion is said in the same 2 sentences"
    )
    assert claim.sentence == (
        "Text adds nothing (of 2 points or more) where every emotion is said in the same 2 "
        "sentences"
    )
    assert (claim.first, claim.over, claim.by) == ("audio", ("both",), -0.02)
    more = replace(STUDY, systems=(*STUDY.systems, System(name="beside", family="shallow")))
    _, claim = plan_study(more, same, [0]).study.claims
    assert claim.over == ("beside",)  # which hears as audio does
    told = ground_of(str(write_corpus("spoken", values=("a", "b", "c"))))
    assert not plan_study(STUDY, told, [0]).study.claims


def test_every_study_that_applies_has_its_recipes(
    write_corpus: Callable[..., Path], confused: Callable[[Plan], list[tuple[str, str]]]
) -> None:
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
            assert quick or not confused(plan), study.name
            applies.add(study.name)
    assert applies >= {"cmt-ablation", "cmt-lowdata", "selection", "robustness"}
    assert not applies & {"keys", "transfer"}


def test_what_a_person_says_of_a_ground(write_corpus: Callable[..., Path]) -> None:
    assert ground_of(quick=True) == Twokey(quick=True)
    path = write_corpus("twokey", law="interplay")
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
    write_corpus("twokey", law="quadrants")
    with pytest.raises(ConfigError, match=r"under interplay in .*, found quadrants; leave corpus="):
        ground_of(str(path))
    with pytest.raises(ConfigError, match="expected corpus= or corpora=, found both"):
        ground_of(str(path), corpora="a,b")


def test_of_a_prepared_twokey_nothing_else_is_made(write_corpus: Callable[..., Path]) -> None:
    ground = ground_of(str(write_corpus("twokey", law="interplay")))
    said = "it is about other corpora with two keys, made on the spot: leave corpus= out"
    with pytest.raises(ConfigError, match=said):
        plan_study(STUDIES["keys"], ground, [0])
    plan = plan_study(STUDIES["worth"], ground, [0])
    assert plan.left_out["PT, interplay, a quarter of the unlabelled"] == said
    assert not any(isinstance(step, Made) for step in plan.steps)


def test_what_starts_from_nothing_is_not_frozen(write_corpus: Callable[..., Path]) -> None:
    path = str(write_corpus("mine"))
    plan = plan_study(STUDIES["cma-main"], ground_of(path), [0])
    assert plan.left_out["CMA, frozen encoders"].startswith("it freezes encoders, and from nothing")
    assert "CMA" in plan.trained
    (cost,) = costs_of(["cma-main"], ground_of(path), [0])
    assert cost["systems"] == len(plan.trained) < len(STUDIES["cma-main"].systems)
    heard = ground_of(path, unlabelled=str(write_corpus("speech", "", ("",))))
    assert "CMA, frozen encoders" in plan_study(STUDIES["cma-main"], heard, [0]).trained


def test_conditions_are_not_claimed_to_equal_clean_speech(
    write_corpus: Callable[..., Path],
) -> None:
    same = ground_of(str(write_corpus("acted", texts=2)))
    claims = plan_study(STUDIES["robustness"], same, [0]).study.claims
    (claim,) = (claim for claim in claims if claim.sentence.startswith("Text adds nothing"))
    under = {system.name: system.under for system in STUDIES["robustness"].systems}
    assert not any(under[name] for name in (claim.first, *claim.over))


def test_every_corpus_and_choice_of_systems_has_its_folder(
    write_corpus: Callable[..., Path], tmp_path: Path
) -> None:
    """More seeds go into the same."""

    def folder(*only: str, seeds: int = 1, **options: str) -> str:
        ground = ground_of(**options)
        plan = plan_study(STUDIES["cmt-main"], ground, range(seeds), only=only)
        return study_folder(plan, tmp_path).name

    mine = str(write_corpus("mine"))
    assert folder() == "cmt-main-twokey"
    assert folder(corpus=mine, seeds=2) == folder(corpus=mine)
    found = {
        folder(corpus=mine),
        folder(corpus=mine, folds="3"),
        folder("speech alone", corpus=mine),
        folder("text alone", corpus=mine),
        folder("text alone"),
    }
    assert len(found) == 5
    assert sorted(re.sub("[0-9a-f]{6}$", "…", name) for name in found) == [
        *("cmt-main-mine-part-…", "cmt-main-mine-part-…", "cmt-main-mine-…", "cmt-main-mine-…"),
        "cmt-main-twokey-part-…",
    ]
