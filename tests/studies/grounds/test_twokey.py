"""twokey as a ground: the keys under which finished steps are found, and what it lacks."""

import pytest

from crosstone.studies.cmt import ABLATION
from crosstone.studies.grounds import Twokey
from crosstone.studies.plan import plan_study


@pytest.mark.parametrize(
    ("quick", "keys"),
    [
        (
            False,
            {
                "twokey": "3e40d2732b4a",
                "codewords": "3465c365b031",
                "audio tower": "64dd14e9148d",
                "text tower": "bca570cdd0e3",
                "CMT w/o PT, seed 0": "5b755aa0e01f",
                "cmt pretraining, seed 0": "29f913de5e39",
                "CMT PT, seed 0": "2bce85cb0821",
            },
        ),
        (True, {"twokey": "39c625dbaf15", "CMT PT, seed 0": "bf5b40acba72"}),
    ],
)
def test_keys_stay_so_that_what_is_done_stays_done(quick: bool, keys: dict[str, str]) -> None:
    found = {s.title: s.key[:12] for s in plan_study(ABLATION, Twokey(quick=quick), [0]).steps}
    assert {title: found[title] for title in keys} == keys
