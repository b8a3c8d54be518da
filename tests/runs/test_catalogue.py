"""Whose published numbers a family stands beside."""

from fnmatch import fnmatchcase

import pytest

from crosstone.errors import ConfigError
from crosstone.models import FAMILIES
from crosstone.protocols.published import published_numbers
from crosstone.runs.catalogue import SYSTEMS, catalogue


def test_every_pattern_finds_a_system_and_no_system_has_two_families() -> None:
    assert set(SYSTEMS) == set(FAMILIES)
    systems = {(number.paper, number.system) for number in published_numbers()}
    claimed: dict[tuple[str, str], str] = {}
    for family, papers in SYSTEMS.items():
        for paper, patterns in papers.items():
            for pattern in patterns:
                found = {s for s in systems if s[0] == paper and fnmatchcase(s[1], pattern)}
                assert found, (family, paper, pattern)
                assert not found & claimed.keys(), (family, pattern)
                claimed |= dict.fromkeys(found, family)
    papers = {family.paper for family in FAMILIES.values()}
    own = {(n.paper, n.system) for n in published_numbers() if n.origin == "own"}
    assert not {s for s in own if s[0] in papers} - claimed.keys()


def test_a_family_knows_its_tables_and_what_is_quoted_there() -> None:
    cma, mult = catalogue(["cma", "mult"])
    assert (cma["hears"], cma["reads"], cma["paper"]) == (True, True, "cma-2021")
    (table,) = cma["tables"]
    assert (table["table"], table["corpus"], table["target"]) == ("table 1", "iemocap", "emotion")
    assert table["systems"] == {"CMA, frozen encoders": "own", "CMA": "own"}
    origins = {(t["paper"], t["table"]): t["systems"]["MulT"] for t in mult["tables"]}
    assert origins["ctal-2021", "table 2"] == "rerun"
    assert origins["cmt-2022", "table 1"] == "quoted"


def test_printed_sizes_stand_beside_ours() -> None:
    (cmt,) = catalogue(["cmt"])
    base = {size["name"]: size for size in cmt["sizes"]}["cmt-base"]
    said = {p["of"]: (p["said"], round(p["ours"])) for p in base["printed"]}
    assert said == {"own": ("64M", 64), "all": ("703M", 703)}
    (ctal,) = catalogue(["ctal"])
    printed = [(p["said"], round(p["ours"])) for s in ctal["sizes"][:2] for p in s["printed"]]
    assert printed == [("60M", 77), ("110M", 126)]


def test_an_unknown_family_gets_near_names() -> None:
    with pytest.raises(ConfigError, match="no family is called 'cmaa'; did you mean cma or"):
        catalogue(["cmaa"])
    with pytest.raises(ConfigError, match="no family is called 'xyz'; there are cmt, audio"):
        catalogue(["xyz"])
