"""A step is one thing, wherever and from wherever it is done."""

from pathlib import Path

import pytest

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
