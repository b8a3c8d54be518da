"""A budget tries the same settings on every system, and each fold takes what validates best."""

import json
from dataclasses import replace

import pytest

from crosstone.errors import CheckpointError, ConfigError
from crosstone.studies.arms import study_folder
from crosstone.studies.grounds import Twokey
from crosstone.studies.ours import SELECTION
from crosstone.studies.plan import plan_study
from crosstone.studies.study import Study, System
from crosstone.studies.tuning import chosen_runs, settings, with_budget

STUDY = Study(
    name="two",
    shows="Two systems.",
    source="ours",
    systems=(System(name="read", family="text"), System(name="heard", family="audio")),
)


def test_the_first_setting_is_the_recipes_own():
    assert (settings(1)[0].rate, settings(1)[0].length) == (1.0, 1.0)
    assert settings(5)[:3] == settings(3)
    assert all(0.2 <= s.rate <= 5 and 0.5 <= s.length <= 2 for s in settings(50))


def test_every_system_is_tried_alike():
    plan = with_budget(plan_study(STUDY, Twokey(), [0, 1]), 3)
    own = plan.trained["read"][0].described
    for name in ("read", "heard"):
        assert [len(steps) for steps in plan.tried[name]] == [3, 3]
        for steps in plan.tried[name]:
            rates = [step.described.optim.lr / own.optim.lr for step in steps]
            assert rates == pytest.approx([s.rate for s in settings(3)], rel=1e-3)
            lengths = [step.described.training.steps / 400 for step in steps]
            assert lengths == pytest.approx([s.length for s in settings(3)], abs=0.002)
            selections = {s.described.protocol.selection for s in steps}
            assert selections == {"best_valid"}
    assert {step.key for seeds in plan.tried["read"] for step in seeds} <= {
        step.key for step in plan.steps
    }


def test_a_setting_has_its_length_with_few_labels_too():
    few = replace(STUDY, systems=(System(name="few", family="text", share=0.2),))
    (steps,) = with_budget(plan_study(few, Twokey(), [0]), 3).tried["few"]
    lengths = [step.described.training.steps / 200 for step in steps]
    assert lengths == pytest.approx([s.length for s in settings(3)], abs=0.003)


def test_who_tells_speakers_validates_too():
    asked = replace(STUDY, systems=(System(name="told", family="ctal", asks="speaker"),))
    plain = plan_study(asked, Twokey(), [0])
    assert plain.trained["told"][0].described.protocol.selection == "last"
    (steps,) = with_budget(plain, 2).tried["told"]
    assert {step.described.protocol.selection for step in steps} == {"best_valid"}


def test_what_is_measured_is_a_model_that_was_tried():
    looked = replace(STUDY, measures=("view_cosine",))
    plan = with_budget(plan_study(looked, Twokey(), [0, 1]), 2)
    for name in ("read", "heard"):
        measured = [step.of.key for step in plan.measured[name]]
        assert measured == [steps[0].key for steps in plan.tried[name]]


def test_what_is_tried_otherwise_has_a_page_of_its_own(tmp_path):
    plan = plan_study(STUDY, Twokey(), [0])
    part = plan_study(STUDY, Twokey(), [0], only=["read"])
    assert study_folder(plan, tmp_path).name == "two-twokey"
    assert study_folder(with_budget(plan, 3), tmp_path).name == "two-twokey-budget-3"
    assert study_folder(part, tmp_path).name == f"two-twokey-part-{part.mark}"


def test_a_budget_of_one_changes_nothing():
    plan = plan_study(STUDY, Twokey(), [0])
    assert with_budget(plan, 1) is plan


def test_what_compares_rules_of_one_training_is_not_tuned():
    with pytest.raises(ConfigError, match="study selection: --budget expects a tuned system"):
        with_budget(plan_study(SELECTION, Twokey(), [0]), 2)


def log(folder, scores):
    folder.mkdir(parents=True)
    lines = [{"event": "step", "step": 1}]
    lines += [{"event": "epoch", "epoch": k, "valid": {"ua": s}} for k, s in enumerate(scores)]
    (folder / "log.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n")


def test_each_fold_takes_what_validates_best_there(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    log(one / "fold-0-seed-0", [0.2, 0.9, 0.1])
    log(other / "fold-0-seed-0", [0.8, 0.8])
    log(one / "fold-1-seed-0", [0.3])
    log(other / "fold-1-seed-0", [0.4])
    found = chosen_runs((one, other), "ua")
    assert found == [one / "fold-0-seed-0", other / "fold-1-seed-0"]


def test_a_run_that_did_not_validate_is_refused(tmp_path):
    log(tmp_path / "one" / "fold-0-seed-0", [])
    with pytest.raises(CheckpointError, match="expected validation of 'ua' in its log, found none"):
        chosen_runs((tmp_path / "one",), "ua")
