"""The papers' corpora as a ground: every step of every study that applies has a recipe."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from crosstone.errors import ConfigError
from crosstone.runs.recipe import load_recipe
from crosstone.studies.cmt import ABLATION, ALPHA, MAIN
from crosstone.studies.ctal_ablation import ABLATION as CTAL_ABLATION
from crosstone.studies.grounds import Paper, ground_of
from crosstone.studies.grounds.paper import PAPER
from crosstone.studies.jbls import MAIN as JBLS
from crosstone.studies.plan import Plan, plan_study
from crosstone.studies.register import STUDIES
from crosstone.studies.steps import Trained
from crosstone.studies.study import Study, System

LABELS = {
    "iemocap": ("emotion", ("ang", "hap", "neu", "sad")),
    "mosei": ("sentiment", (-1.0, 2.0)),
    "mosi": ("sentiment", (-1.0, 2.0)),
    "librispeech": ("", ()),
}


@pytest.fixture
def paper(write_corpus: Callable[..., Path], tmp_path: Path) -> Callable[[str], Paper]:
    codebook = tmp_path / "codes"
    codebook.write_bytes(b"codes")
    speech = write_corpus("librispeech", "", ("",))

    def make(name: str) -> Paper:
        label, values = LABELS[name]
        path = speech if name == "librispeech" else write_corpus(name, label, values)
        ground = ground_of(str(path), unlabelled=str(speech), codebook=str(codebook))
        assert isinstance(ground, Paper)
        return ground

    return make


@pytest.mark.parametrize("name", LABELS)
def test_every_step_of_every_study_has_a_recipe(
    name: str,
    paper: Callable[[str], Paper],
    confused: Callable[[Plan], list[tuple[str, str]]],
) -> None:
    ground, applies = paper(name), []
    for study in STUDIES.values():
        for quick in (False, True):
            try:
                plan = plan_study(study, replace(ground, quick=quick), [0])
            except ConfigError:  # nothing of it can be trained here
                continue
            assert all(s.described for s in plan.steps if isinstance(s, Trained))
            assert quick or not confused(plan), study.name
            applies.append(study.name)
    expected = {"librispeech": "ctal-main"}.get(name, "cmt-ablation")
    assert applies.count(expected) == 2
    if name == "iemocap":
        assert applies.count("robustness") == 2


@pytest.mark.parametrize("family", PAPER)
def test_each_family_begins_where_its_paper_does(
    family: str, paper: Callable[[str], Paper]
) -> None:
    (step,) = plan_study(_one(family=family), paper("iemocap"), [0]).trained["it"]
    model = step.described.model
    assert model.family == family
    assert model.init is None
    hears, reads = model.audio_encoder is not None, model.text_encoder is not None
    assert hears == (family not in ("text", "jbls-text", "cma-text"))
    assert reads == (family not in ("audio", "jbls-audio", "cma-audio", "mockingjay"))
    assert step.described.protocol is not None
    assert step.described.protocol.name == "iemocap-4way-loso"
    assert step.described.objectives.supervised is not None
    assert step.described.objectives.supervised.criterion in ("auto", "cross_entropy")


def test_stages_are_filled_in(paper: Callable[[str], Paper]) -> None:
    plan = plan_study(_one(start="adapted", size="ablation"), paper("iemocap"), [0, 1])
    titles = [step.title for step in plan.steps]
    assert titles == ["cmt pretraining", "cmt adaptation", "it, seed 0", "it, seed 1"]
    pretraining, adaptation, first, _ = (step for step in plan.steps if isinstance(step, Trained))
    assert pretraining.described.model.preset == "cmt-large"
    assert pretraining.recipe == "cmt-large-pretrain"
    assert adaptation.described.model.init == pretraining.key
    assert first.described.model.init == adaptation.key
    codebook = pretraining.described.objectives.masked_audio
    assert codebook is not None
    assert len(codebook.codebook) == 64  # the content's hash stands for the file
    assert pretraining.described.seeds == adaptation.described.seeds == (0,)
    fewer = plan_study(_one(share=0.5), paper("mosi"), [0]).trained["it"][0].described.protocol
    assert fewer is not None
    assert fewer.train_fraction == 0.5


@pytest.mark.parametrize("name", ["iemocap", "mosei", "mosi"])
def test_orthogonality_is_of_the_systems_that_name_it(
    name: str, paper: Callable[[str], Paper]
) -> None:
    ground = paper(name)
    weights: dict[str, float | None] = {}
    for study in (ABLATION, ALPHA, MAIN):
        for system, steps in plan_study(study, ground, [0]).trained.items():
            asked = steps[0].described.objectives.orthogonality
            weights[system.removesuffix(", sentiment")] = asked.alpha if asked else None
    assert {weights[f"CMT {said}"] for said in ("w/o PT", "PT", "PT + layer pooler")} == {None}
    assert weights["CMT PT + ortho"] == weights["CMT base"] == weights["CMT large"] == 10
    assert [weights[f"α = {alpha}"] for alpha in (0, 1, 10, 100)] == [None, 1, 10, 100]
    assert weights["CTAL"] == 1


@pytest.mark.parametrize("family", ["jbls-shallow", "mult"])
def test_two_way_heads_weigh_as_in_their_recipe(family: str, paper: Callable[[str], Paper]) -> None:
    trained = plan_study(JBLS, paper("iemocap"), [0]).trained
    name = {"jbls-shallow": "JBLS", "mult": "MulT"}[family]
    heads, one = (trained[n][0].described.objectives for n in (f"{name}, two-way heads", name))
    assert heads == load_recipe(f"{family}-iemocap-heads").objectives
    assert one.supervised is not None
    assert (one.supervised.criterion, one.supervised.weight) == ("auto", 1.0)


@pytest.mark.parametrize(
    ("name", "asks"), [("iemocap", ""), ("mosei", ", sentiment"), ("librispeech", ", speaker")]
)
def test_what_ctal_is_weighed_against_is_pretrained_on_librispeech(
    name: str, asks: str, paper: Callable[[str], Paper]
) -> None:
    plan = plan_study(CTAL_ABLATION, paper(name), [0])
    begins = {}
    for system, steps in plan.trained.items():
        model, earlier = steps[0].described.model, dict(steps[0].given).get("model.init")
        if isinstance(earlier, Trained) and model.family != "ctal":
            assert earlier.described.model.family == model.family
            assert earlier.described.data.split == "train"
            begins[system.removesuffix(asks)] = earlier.recipe
    assert begins == {
        "speech alone (Mockingjay)": "mockingjay-pretrain",
        **({} if asks == ", speaker" else {"text alone (RoBERTa)": "text-large-pretrain"}),
        "two streams (LXMERT)": "two-stream-pretrain",
        "one stream (VisualBERT)": "single-stream-pretrain",
    }
    assert plan.left_out[f"(g) towers pretrained apart{asks}"] == (
        "no family fuses a Mockingjay and a RoBERTa that were pretrained apart: the speech encoder "
        "of shallow fusion takes a waveform, a Mockingjay mel frames"
    )
    assert plan.left_out[f"(a) less speech{asks}"] == (
        "it hears a part of the speech without labels, which no recipe takes out of LibriSpeech: "
        "prepare that part alone, such as subsets=train-clean-360, and name it as unlabelled"
    )


def test_what_is_not_trained_says_why(
    paper: Callable[[str], Paper], write_corpus: Callable[..., Path]
) -> None:
    bare = ground_of(str(write_corpus("iemocap", *LABELS["iemocap"])))
    left_out = plan_study(ABLATION, bare, [0]).left_out
    assert left_out["CMT PT"] == (
        "its pretraining needs speech: expected unlabelled=FOLDER (LibriSpeech, prepared) and "
        "codebook=FILE (crosstone codebook), found none"
    )
    ground = paper("mosi")
    for fields, why in (
        ({"family": "cma"}, "no recipe of its paper trains 'cma' on mosi"),
        ({"corpus": {"law": "quadrants"}}, "made on the spot"),
        ({"asks": "speaker"}, "mosi is asked for sentiment, not for speaker"),
        ({"towers": False}, "pretrained ones that others released"),
        ({"family": "jbls", "start": "pretrained"}, "'jbls' has no pretraining"),
        ({"family": "ctal", "start": "adapted"}, "no recipe adapts 'ctal' to mosi"),
        ({"family": "text", "start": "pretrained"}, "'text' has no pretraining"),
    ):
        assert why in ground.lacks(System(name="it", **fields))


def _one(**fields: object) -> Study:
    return Study(name="one", shows="", source="", systems=(System(name="it", **fields),))
