"""twokey as a ground: the keys under which finished steps are found, and what it lacks."""

import hashlib
import json

import pytest

from crosstone.config import to_tree
from crosstone.studies.cmt import ABLATION
from crosstone.studies.grounds import Twokey
from crosstone.studies.plan import plan_study
from crosstone.studies.steps import GENERATION, Trained


@pytest.mark.parametrize(
    ("quick", "keys"),
    [
        (
            False,
            {
                "twokey": "91e5a79057cc",
                "codewords": "e17baff8c9dc",
                "audio tower": "85b3dace435e",
                "text tower": "e586dcf6300a",
                "CMT w/o PT, seed 0": "7757ecf24d34",
                "cmt pretraining, seed 0": "3284e7ded13a",
                "CMT PT, seed 0": "bfe3770b8459",
            },
        ),
        (True, {"twokey": "51157ee464a0", "CMT PT, seed 0": "2e61e61999fd"}),
    ],
)
def test_keys_stay_so_that_what_is_done_stays_done(quick: bool, keys: dict[str, str]) -> None:
    found = {s.title: s.key[:12] for s in plan_study(ABLATION, Twokey(quick=quick), [0]).steps}
    assert {title: found[title] for title in keys} == keys


def test_defaults_stay_or_another_generation_begins() -> None:
    """Keys hold what is said, not the defaults of what is not: a default that moves a score asks
    for another GENERATION, and either way for another hash here."""
    steps = plan_study(ABLATION, Twokey(), [0]).steps
    recipes = {s.title: to_tree(s.described) for s in steps if isinstance(s, Trained)}
    text = json.dumps({"generation": GENERATION, **recipes}, sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest()[:12] == "7d2eee60e269"
