"""Small grounds: what of a stage follows from a system's size, family and question."""

from dataclasses import replace
from pathlib import Path

import pytest

from crosstone.data.corpora.twokey.script import cast_of
from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.studies.grounds import Twokey
from crosstone.studies.plan import plan_study
from crosstone.studies.steps import Trained
from crosstone.studies.study import Study, System


def steps(system: System, ground: Twokey | None = None) -> dict[str, Trained]:
    study = Study(name="one", shows="", source="ours", systems=(system,))
    found = plan_study(study, ground or Twokey(), [0]).steps
    return {step.title.split(",")[0]: step for step in found if isinstance(step, Trained)}


def test_the_larger_size_is_that_of_every_stage() -> None:
    large = steps(System(name="it", size="large", start="adapted"))
    depths = {title: step.described.model.config.get("num_layers") for title, step in large.items()}
    assert depths["cmt pretraining"] == depths["cmt adaptation"] == depths["it"] == 4


def test_speech_bert_has_codewords_of_its_own_frames() -> None:
    found = steps(System(name="it", family="jbls"))["speechbert-tiny tower"]
    assert found.described.model.audio_encoder == "speechbert-tiny"
    (codes,) = (step for field, step in found.given if field.endswith("codebook"))
    assert getattr(codes, "options")["stride"] == 320  # noqa: B009
    alone = steps(System(name="it", family="jbls-text"))
    assert alone["it"].described.model.family == "jbls-text"
    assert "speechbert-tiny tower" not in alone


def test_a_value_is_asked_of_the_adaptation_too() -> None:
    found = steps(System(name="it", start="adapted", asks="sentiment"))
    for title in ("cmt adaptation", "it"):
        protocol = found[title].described.protocol
        assert protocol is not None
        assert (protocol.target, protocol.task) == ("sentiment", "regression")


def test_speakers_of_the_last_session_are_the_strangers() -> None:
    system = System(name="it", family="ctal", asks="speaker")
    protocol = steps(system)["it"].described.protocol
    assert protocol is not None
    cast = [speaker for speaker in cast_of(0, 100, 48)[0] if speaker.group == "session-5"]
    assert protocol.kind == "trials"
    assert protocol.test_units == tuple(speaker.name for speaker in cast)
    assert len(cast) == 20
    quick = steps(system, Twokey(quick=True))["it"].described.protocol
    assert quick is not None
    assert len(quick.test_units) == 4


def test_speakers_of_a_given_corpus_are_read_from_it(tmp_path: Path) -> None:
    one = Utterance(id="a", text="a", speaker="ann", group="session-1", split="labelled")
    others = [
        replace(one, id="b", speaker="bob", group="session-2"),
        replace(one, id="c", speaker="cy", group="session-2"),
        replace(one, id="d", speaker="dee", group="unlabelled", split="unlabelled"),
    ]
    source = Source(url="", version="", licence="", citation="")
    Corpus.write(tmp_path, name="twokey", root=tmp_path, source=source, utterances=[one, *others])
    system = System(name="it", family="ctal", asks="speaker")
    protocol = steps(system, Twokey(path=tmp_path))["it"].described.protocol
    assert protocol is not None
    assert protocol.test_units == ("bob", "cy")


@pytest.mark.parametrize("asks", ["", "emotion"])
def test_the_usual_question_changes_no_key(asks: str) -> None:
    system = System(name="it", family="mult")
    asked = replace(system, asks=asks)  # type: ignore[arg-type]
    assert steps(asked)["it"].key == steps(system)["it"].key
