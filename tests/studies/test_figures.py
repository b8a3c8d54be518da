"""Scores over a factor: which systems stand where, and which ceilings are drawn."""

from collections.abc import Callable
from pathlib import Path

import pytest

from crosstone.reports.comparison import System as Scored
from crosstone.reports.comparison import read_systems
from crosstone.reports.page import Figure
from crosstone.studies.figures import STYLES, drawn, points_of
from crosstone.studies.study import Drawing, Study, System

MakeArm = Callable[..., Path]
RIGHT = (12, 13, 11, 12, 14, 10, 12, 13)
OVER = Drawing(caption="Score.", x="blur", axis="blur, %", line="kind", panel="law")


def made(
    make_arm: MakeArm,
    joint: Callable[[str, float], float],
    drawing: Drawing = OVER,
    blurs: str = "0 20",
) -> tuple[Study, dict[str, Scored]]:
    """Two laws, some blurs, two kinds; `joint` gives the ceiling of each law and blur."""
    systems, folders = [], []
    for law in ("a", "b"):
        for blur in map(float, blurs.split()):
            for kind in ("deep", "flat"):
                name = f"{kind} {law} {blur:g}"
                factors = {"blur": blur, "kind": kind, "law": law}
                systems.append(System(name=name, factors=factors))
                corpus = {"hash": f"{law}{blur:g}" * 4, "ceilings": {"joint": joint(law, blur)}}
                folders.append(make_arm(name, RIGHT, corpus=corpus))
    study = Study(
        name="s",
        shows="-",
        source="ours",
        systems=(*systems, System(name="other")),
        drawings=(drawing,),
    )
    scored = read_systems(folders, replicates=50)
    return study, {system.name: system for system in scored}


def test_points_stand_by_panel_line_and_place(make_arm: MakeArm) -> None:
    study, systems = made(make_arm, lambda law, blur: 0.9)
    points = points_of(OVER, study, systems)
    assert [(p.panel, p.line, p.x) for p in points] == [
        (law, kind, blur) for law in "ab" for blur in (0.0, 20.0) for kind in ("deep", "flat")
    ]
    assert points[0].score.value == pytest.approx(sum(RIGHT) / 160)


def test_ceilings_are_curves_where_each_place_has_its_corpus(make_arm: MakeArm) -> None:
    study, systems = made(make_arm, lambda law, blur: 0.95 - blur / 100 - 0.1 * (law == "b"))
    shown = drawn(study, systems, "d")
    (figure,) = [block for block in shown.blocks if isinstance(block, Figure)]
    assert [drawing.name for drawing in figure.drawings] == ["d0-0", "d0-1"]
    assert figure.caption == "Score. UA, with its 95 % interval. Dashed: the exact ceilings of WA."
    bounds = [
        [(row["x"], row["value"]) for row in rows if row["line"] == "ceiling: joint"]
        for rows in shown.data.values()
    ]
    assert bounds == [
        [(0.0, 0.95), (20.0, pytest.approx(0.75))],
        [(0.0, pytest.approx(0.85)), (20.0, pytest.approx(0.65))],
    ]
    for text in ("deep", "flat", "joint", "blur, %"):
        assert text in figure.drawings[0].svg


def test_no_ceiling_where_two_corpora_share_a_place(make_arm: MakeArm) -> None:
    alone = Drawing(caption="Score.", x="blur", axis="blur, %", line="kind")
    study, systems = made(make_arm, lambda law, blur: 0.9 if law == "a" else 0.8, alone)
    shown = drawn(study, systems, "d")
    assert not any("ceiling" in str(row["line"]) for row in shown.data["d0-0"])
    (figure,) = [block for block in shown.blocks if isinstance(block, Figure)]
    assert figure.narrow is not None
    assert "Dashed" not in figure.caption


def test_an_uneven_axis_is_said_to_be_no_scale(make_arm: MakeArm) -> None:
    study, systems = made(make_arm, lambda law, blur: 0.9, blurs="0 0.1 100")
    (figure,) = [b for b in drawn(study, systems, "d").blocks if isinstance(b, Figure)]
    assert figure.caption.endswith("The axis counts its values, and is not to scale.")


def test_no_two_lines_look_alike_without_colour() -> None:
    assert len({style.marker for style in STYLES}) == len(STYLES)
