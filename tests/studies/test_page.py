"""A study's folder: what its page says, its tables and figures, and that it is written again."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from crosstone.cli.app import main
from crosstone.errors import CheckpointError, ConfigError
from crosstone.studies.grounds import Twokey
from crosstone.studies.measures import MEASURE_VIEWS
from crosstone.studies.page import StudyFiles, write_study, write_study_page
from crosstone.studies.plan import DONE, Plan, plan_study
from crosstone.studies.record import read_record
from crosstone.studies.shown import Shown
from crosstone.studies.study import Claim, Drawing, Study, System

MakeArm = Callable[..., Path]
Make = Callable[..., tuple[Plan, Path]]
COMMAND = "crosstone study made-up --seeds 2"
CEILINGS = {"words": 0.4, "delivery": 0.5, "additive_best": 0.7, "joint": 0.95}
RIGHT = {
    "old, 10": (10, 11, 9, 10, 12, 8, 10, 11),
    "old, 100": (12, 13, 11, 12, 14, 10, 12, 13),
    "new, 10": (11, 12, 10, 11, 12, 10, 11, 12),
    "new, 100": (17, 18, 16, 17, 18, 16, 17, 18),
}

STUDY = Study(
    name="made-up",
    shows="What a new & better thing is worth.",
    source="CMT table 4",
    systems=(
        *(
            System(
                name=name,
                family="shallow" if name.startswith("old") else "mult",
                factors={"labels": float(name.split()[1]), "kind": name.split(",")[0]},
                finetuning=(f"optim.weight_decay={k + 1}e-3",),
            )
            for k, name in enumerate(RIGHT)
        ),
        System(name="MDRE", family="mdre"),
    ),
    claims=(
        Claim(
            sentence="New is better than old",
            source="CMT §4",
            where="text",
            first="new, 100",
            over=("old, 100",),
            theirs="Acc2 .8 → .9",
        ),
        Claim(
            sentence="Old is better than new",
            source="CMT table 4",
            where="table",
            first="old, 100",
            over=("new, 100",),
        ),
        Claim(
            sentence="MDRE is best",
            source="CMT table 1",
            where="table",
            first="MDRE",
            over=("old, 100", "new, 100"),
        ),
    ),
    drawings=(
        Drawing(caption="Score over labels.", x="labels", axis="labels, percent", line="kind"),
    ),
)


@pytest.fixture
def make_study(tmp_path: Path, make_arm: MakeArm) -> Make:
    """A plan whose steps are done, and its root."""

    def make(study: Study = STUDY, *, quick: bool = False) -> tuple[Plan, Path]:
        root = tmp_path / "root"
        plan = plan_study(study, Twokey(quick=quick), (0, 1))
        for step in plan.steps:
            step.folder(root).mkdir(parents=True)
            said = {"title": step.title, "key": step.key, "seconds": 90.0, "crosstone": "0.1.0"}
            (step.folder(root) / DONE).write_text(json.dumps(said))
        for name, steps in plan.trained.items():
            for seed, step in enumerate(steps):
                corpus = {"ceilings": CEILINGS, "name": "twokey"}
                make_arm(name, RIGHT[name], folder=step.output(root), seeds=[seed], corpus=corpus)
        for steps in plan.measured.values():
            for seed, step in enumerate(steps):
                found = {"cosine": 0.1 + seed / 5, "by": {"layer": 2}, "curve": [1, 2]}
                (step.folder(root) / "measure.json").write_text(json.dumps(found))
        return plan, root

    return make


@pytest.fixture
def written(make_study: Make) -> StudyFiles:
    return write_study(*make_study(), command=COMMAND)


def lines_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def test_the_page_says_what_was_asked_and_found(written: StudyFiles) -> None:
    page = written.markdown.read_text(encoding="utf-8")
    assert page.startswith(
        "# made-up\n\n- **run it again**: crosstone study made-up --seeds 2\n"
        "- **shows**: What a new & better thing is worth.\n- **source**: CMT table 4\n"
    )
    assert (
        "Of 3 claims, 1 held, 1 did not hold and 1 could not be tried. Held: “New is better than "
        "old”. Did not hold: “Old is better than new”. All of it is about twokey and models of "
        "this size: it says nothing of the corpora and the encoders that the paper used." in page
    )
    assert "New, 100 has the highest UA, 0.856 [" in page
    assert "ceilings of WA are 0.700 (additive best) and 0.950 (joint)." in page
    said = page.replace("\N{NO-BREAK SPACE}", " ")
    assert "| New is better than old (CMT §4, the paper's text) | ✓ held | +0.250 UA [" in said
    assert "], p = 0.0078 | Acc2 .8 → .9 |" in said
    assert "| ✗ did not hold | −0.250 UA [" in said
    assert "| – not tried | – (MDRE: no small recipe trains 'mdre'" in page
    assert "corrected over 1 comparison (Holm; what several claims ask counts once)" in page
    assert "CMT table 4, theirs, on another corpus (mosei)." in page
    assert "Means over 2 folds × 2 seeds. Emotion on twokey (160 scored" in page
    assert "## Left out\n\n- MDRE: no small recipe" in page
    html = written.html.read_text(encoding="utf-8")
    assert "http" not in html.replace("http://www.w3.org", "")
    assert "What a new &amp; better thing" in html


def test_the_page_is_written_again_from_the_folder(written: StudyFiles) -> None:
    before = {p.name: p.read_bytes() for p in written.folder.rglob("*") if p.is_file()}
    assert read_record(written.folder).study == STUDY
    assert write_study_page(written.folder) == written
    assert {p.name: p.read_bytes() for p in written.folder.rglob("*") if p.is_file()} == before


def test_report_of_a_study_is_its_page(
    written: StudyFiles, capsys: pytest.CaptureFixture[str]
) -> None:
    written.html.unlink()
    with pytest.raises(SystemExit) as end:
        main(["report", str(written.folder)])
    assert end.value.code == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("# made-up")
    assert "".join(printed.err.split()) == str(written.html)
    assert written.html.is_file()
    for arguments, said in (
        ([str(written.folder), "--out", "x"], "is a study, which has a page of its own"),
        ([str(written.folder.parent)], "expected --out with the folder to write to, found none"),
    ):
        with pytest.raises(SystemExit) as stop:
            main(["report", *arguments])
        assert stop.value.code == 2
        assert said in capsys.readouterr().err


def test_a_quick_run_claims_nothing(make_study: Make) -> None:
    files = write_study(*make_study(quick=True), command="crosstone study made-up --quick")
    page = files.markdown.read_text(encoding="utf-8")
    assert "run it again**: crosstone study made-up --quick\n" in page
    assert "Quick run: claims nothing." in page
    assert "| New is better than old (CMT §4, the paper's text) | Acc2 .8 → .9 |" in page
    for word in ("✓", "✗", "did not hold", "highest"):
        assert word not in page
    assert lines_of(files.claims) == []


def test_csv_of_results_and_claims(written: StudyFiles) -> None:
    results = lines_of(written.results)
    (best,) = [r for r in results if (r["system"], r["metric"]) == ("new, 100", "ua")]
    assert float(best["value"]) == pytest.approx(137 / 160)
    assert (best["folds"], best["seeds"], best["headline"], best["items"]) == (
        *("2", "2"),
        *("True", "160"),
    )
    held, failed, untried = lines_of(written.claims)
    assert (held["outcome"], held["first"], held["over"]) == ("held", "new, 100", "old, 100")
    assert float(held["effect"]) == pytest.approx(0.25)
    assert float(held["p_corrected"]) == pytest.approx(2 / 2**8)
    assert (failed["outcome"], failed["unit"], failed["clusters"]) == (
        *("did not hold", "speaker"),
        "8",
    )
    assert (untried["outcome"], untried["effect"]) == ("not tried", "")
    assert untried["over"] == "old, 100, new, 100"


def test_every_figure_has_its_data(written: StudyFiles) -> None:
    drawings = sorted(p.stem for p in written.figures.glob("*.svg"))
    assert drawings == sorted(p.stem for p in written.figures.glob("*.csv"))
    assert drawings == ["drawing0-0", "results-systems"]
    rows = lines_of(written.figures / "drawing0-0.csv")
    ours = [(r["line"], float(r["x"]), r["system"]) for r in rows if r["system"]]
    assert ours == [
        ("old", 10.0, "old, 10"),
        ("old", 100.0, "old, 100"),
        ("new", 10.0, "new, 10"),
        ("new", 100.0, "new, 100"),
    ]
    bounds = {(r["line"], r["x"], r["value"]) for r in rows if not r["system"]}
    assert ("ceiling: joint", "100.0", "0.95") in bounds
    assert len(bounds) == 8


def test_latex_is_escaped(written: StudyFiles) -> None:
    tables = written.tables.read_text(encoding="utf-8")
    assert r"What a new \& better thing is worth. twokey, CMT table 4." in tables
    assert r"\begin{tabular}{lrrrrr}" in tables
    assert r"New is better than old & CMT §4 (text) & +0.250 [+0." in tables
    assert tables.count(r"\toprule") == tables.count(r"\bottomrule") == 2


def test_measurements_are_listed_or_shown_by_their_own_view(
    make_study: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = Study(**{**vars(STUDY), "measures": ("probe_of_views",)})
    plan, root = make_study(study)
    page = write_study(plan, root, command=COMMAND).markdown.read_text(encoding="utf-8")
    assert "## Measured: probe of views" in page
    assert "| System | cosine | by, layer |" in page
    assert "| old, 10 | 0.200 (0.100 to 0.300) | 2.000 (2.000 to 2.000) |" in page
    seen = {}

    def view(name: str, found: object) -> Shown:
        seen[name] = found
        return Shown()

    monkeypatch.setitem(MEASURE_VIEWS, "probe_of_views", view)
    write_study(plan, root, command=COMMAND)
    assert [one["cosine"] for one in seen["measured0"]["old, 10"]] == pytest.approx([0.1, 0.3])


def test_errors_of_a_folder(make_study: Make, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"expected study.json, found none; name a folder"):
        write_study_page(tmp_path)
    plan, root = make_study()
    step = plan.steps[-1]
    (step.folder(root) / DONE).unlink()
    with pytest.raises(CheckpointError, match=r"expected step.json of 'new, 100, seed 1', found"):
        write_study(plan, root, command=COMMAND)
    (tmp_path / "study.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"study.json: expected JSON, found"):
        write_study_page(tmp_path)
    (tmp_path / "study.json").write_text("[]")
    with pytest.raises(CheckpointError, match=r"expected a JSON object, found a list"):
        write_study_page(tmp_path)
    (tmp_path / "study.json").write_text('{"studie": 1}')
    with pytest.raises(ConfigError, match=r"run the study again.*unknown key 'studie'"):
        write_study_page(tmp_path)
