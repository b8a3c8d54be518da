"""The papers' tables beside a study's results."""

from collections.abc import Callable
from pathlib import Path

import pytest

from crosstone.reports.comparison import read_systems
from crosstone.reports.page import Heading, Table
from crosstone.studies.register import STUDIES
from crosstone.studies.study import Study, System
from crosstone.studies.theirs import cited_tables, theirs

MakeArm = Callable[..., Path]


@pytest.mark.parametrize(
    ("source", "tables"),
    [
        ("CMT table 4", [("cmt-2022", 4)]),
        ("CMT tables 1, 2", [("cmt-2022", 1), ("cmt-2022", 2)]),
        (
            "CTAL tables 1–3; JBLS table 5",
            [*(("ctal-2021", n) for n in (1, 2, 3)), ("jbls-2020", 5)],
        ),
        ("CMA tables 1 and 2", [("cma-2021", 1), ("cma-2021", 2)]),
        ("CMT table 3, figure 2", [("cmt-2022", 3)]),
        ("CMT figure 3; CTAL figures 2 and 3", []),
        ("ours; emotion2vec and CMA's §4", []),
        ("", []),
    ],
)
def test_tables_that_a_source_cites(source: str, tables: list[tuple[str, int]]) -> None:
    assert list(cited_tables(source)) == tables


def test_every_cited_table_is_known() -> None:
    for study in STUDIES.values():
        blocks = theirs(study, {})
        assert sum(isinstance(b, Table) for b in blocks) >= len(list(cited_tables(study.source)))


def test_theirs_on_the_same_and_on_another_corpus(make_arm: MakeArm) -> None:
    study = Study(name="s", shows="-", source="CMT table 1", systems=(System(name="one"),))
    right = (12, 13, 11, 12, 14, 10, 12, 13)
    other, same = (
        theirs(study, {"one": read_systems([folder], replicates=50)[0]})
        for folder in (
            make_arm("one", right),
            make_arm("one", right, folder="same", corpus={"name": "iemocap"}),
        )
    )
    assert [type(block) for block in other] == [Heading, Table]
    table = other[1]
    assert isinstance(table, Table)
    assert table.caption.startswith("CMT table 1, theirs, on another corpus (iemocap). To know: ")
    assert table.columns[:2] == ("System", "ang, accuracy of its two-way head")
    (best,) = [row for row in table.rows if row.cells[0].text == "CMT base"]
    assert "0.763" in [cell.text for cell in best.cells]
    texts = [block.text for block in same if isinstance(block, Heading)]
    assert texts == ["Beside the published numbers", "Theirs"]
    assert isinstance(same[-1], Table)
    assert "theirs, on the corpus of ours (iemocap)" in same[-1].caption
