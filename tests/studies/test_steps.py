"""A step is one thing, wherever and from wherever it is done."""

from pathlib import Path

import pytest

from crosstone.errors import CheckpointError
from crosstone.runs.run import dump_recipe
from crosstone.studies.cmt import ABLATION
from crosstone.studies.grounds import Twokey
from crosstone.studies.plan import plan_study


def test_a_run_is_the_same_however_its_root_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (step, *_) = plan_study(ABLATION, Twokey(quick=True), [0]).trained["CMT PT"]
    monkeypatch.chdir(tmp_path)
    near, far = step.resolved(Path("studies")), step.resolved(tmp_path / "studies")
    assert dump_recipe(near) == dump_recipe(far)


def test_a_step_that_was_begun_elsewhere_says_what_to_do(tmp_path: Path) -> None:
    (step, *_) = plan_study(ABLATION, Twokey(quick=True), [0]).trained["CMT PT"]
    (step.output(tmp_path)).mkdir(parents=True)
    begun = step.output(tmp_path) / "recipe.yaml"
    begun.write_text(dump_recipe(step.resolved(Path("/mnt/before"))))
    with pytest.raises(CheckpointError, match="or remove that folder and ask again") as caught:
        step.fill(tmp_path, None)
    assert str(caught.value).startswith(f"{step.folder(tmp_path)}: expected a step begun by this")


def test_another_generation_is_another_step(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = []
    for generation in (1, 2):
        monkeypatch.setattr("crosstone.studies.steps.GENERATION", generation)
        keys.append({step.key for step in plan_study(ABLATION, Twokey(quick=True), [0]).steps})
    assert len(keys[0]) == len(keys[1])
    assert keys[0].isdisjoint(keys[1])
