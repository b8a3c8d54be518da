"""The verb study, through the command."""

import json
import re

import pytest

from crosstone.studies.grounds import small


def test_list_says_what_each_study_shows_and_takes(crosstone):
    found = {entry["name"]: entry for entry in json.loads(crosstone("study", "list", "--json").out)}
    ablation = found["cmt-ablation"]
    assert ablation["source"] == "CMT table 4"
    # a corpus, codewords and two towers; then for each of three seeds pretraining, adaptation and
    # six systems, of which all but pretraining have three folds
    assert (ablation["systems"], ablation["steps"]) == (6, 4 + 3 * 8)
    assert ablation["runs"] == 2 + 3 * (1 + 3 + 6 * 3)
    assert ablation["hours"] > 0
    assert all(entry["why_not"] == "" for entry in found.values())


def test_one_system_alone(crosstone, tmp_path):
    asked = ("study", "cmt-lowdata", "--seeds", "1", "--out", tmp_path, "--dry-run", "--json")
    rows = json.loads(crosstone(*asked, "--only", "No-PT, 20% of the labels").out)
    assert [row["title"] for row in rows][-1] == "No-PT, 20% of the labels, seed 0"
    assert len(rows) == 5  # with a corpus, codewords and two towers


def test_dry_run_lists_the_steps_in_waves_and_does_none(crosstone, tmp_path):
    asked = ("study", "cmt-lowdata", "--seeds", "2", "--out", tmp_path, "--dry-run")
    rows = json.loads(crosstone(*asked, "--json").out)
    assert [row["task"] for row in rows][:3] == ["0.0", "1.0", "1.1"]
    assert rows[0]["title"] == "twokey"
    assert not any(row["done"] for row in rows)
    assert len({row["folder"] for row in rows}) == len(rows) == 4 + 2 * (1 + 8)
    assert not any(tmp_path.iterdir())
    lines = crosstone(*asked).out.splitlines()
    assert [line.split("\t")[0] for line in lines] == [row["task"] for row in rows]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["cmt-abl"], r"study: expected one of cmt-main, .* found 'cmt-abl'"),
        (["keys", "corpus"], r"study: expected NAME=VALUE, as in corpus=corpora/iemocap"),
        (["keys", "--task", "9.1"], r"study: --task: expected one of 0.0 to .*, found '9.1'"),
        (["keys", "--quick", "--budget", "3"], r"--quick claims nothing, so expected no --budget"),
        (["keys", "--only", "nobody"], r"study keys: expected systems among .*, found nobody"),
        (["keys", "unit=speaker"], r"study: of twokey expected no option, found unit"),
    ],
)
def test_bad_input_has_its_sentence(crosstone, tmp_path, arguments, said):
    ran = crosstone("study", *arguments, "--out", tmp_path)
    assert ran.code == 2
    assert re.search(said, " ".join(ran.err.split()))


def test_a_quick_study_ends_in_a_page_and_is_never_done_twice(crosstone, tmp_path, monkeypatch):
    monkeypatch.setattr(small, "QUICK_STEPS", 4)
    asked = ("study", "selection", "--quick", "--jobs", "1", "--out", tmp_path)
    ran = crosstone(*asked)
    assert ran.code == 0, ran.err
    assert "claims nothing" in ran.out
    folder = tmp_path / "selection-twokey-quick"
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "crosstone study selection --quick" in page
    done = {path: path.stat().st_mtime_ns for path in tmp_path.glob("steps/*/step.json")}
    assert len(done) == 6
    assert crosstone(*asked).code == 0
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("steps/*/step.json")} == done
    assert crosstone("report", folder).out == ran.out
    assert (folder / "report.html").read_text(encoding="utf-8") == page
