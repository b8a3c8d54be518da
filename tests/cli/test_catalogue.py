"""crosstone models: what there is, by eye and by machine."""

import json
from typing import Any

from crosstone.models import FAMILIES


def test_families_are_listed_with_sizes_tables_and_what_papers_print(crosstone: Any) -> None:
    done = crosstone("models")
    assert done.code == 0, done.err
    for name, family in FAMILIES.items():
        takes = " and ".join(w for w in ("hears", "reads") if getattr(family, w))
        assert f"{name} {takes}\n" in done.out
        assert all(f"  {preset} " in done.out for preset in family.presets)
    for said in (
        "736,935,552 = 315,438,720 facebook/hubert-large-ll60k + 354,310,144 roberta-large",
        "64M of its own (here 64.1 × 2^20), 703M in all (here 702.8 × 2^20)",
        "76,823,248 = 44,699,904 roberta-ctal-base + 30,786,048 of its own",
        "printed: 110M in all (here 126.4 million)",
        "close to fourteen thousand in head emotion (here 14.3 thousand)",
        "ctal-2021: table 1 · table 2 · table 3 · table 4, emotion",
        "cmt-2022: table 1 (quoted)",
    ):
        assert said in done.out, said


def test_json_and_names(crosstone: Any) -> None:
    done = crosstone("models", "jbls", "cma-audio", "--json")
    assert done.code == 0, done.err
    jbls, audio = json.loads(done.out)
    assert [jbls["name"], audio["name"], audio["reads"]] == ["jbls", "cma-audio", False]
    sizes = {size["name"]: size["parameters"] for size in jbls["sizes"]}
    assert sizes["jbls-coattention"]["own"] == 6_429_696
    assert sizes["jbls-shallow"]["heads"] == 14_344
    wrong = crosstone("models", "cmaa")
    assert (wrong.code, "did you mean cma or" in wrong.err) == (2, True)


def test_the_recipes_are_listed_with_what_they_are(crosstone: Any) -> None:
    done = crosstone("models", "--recipes")
    assert done.code == 0, done.err
    listed = dict(line.split(maxsplit=1) for line in done.out.splitlines())
    assert listed["twokey-text-tower"].startswith("Stage 0, text: masked language modelling")
    assert json.loads(crosstone("models", "--recipes", "--json").out) == listed
