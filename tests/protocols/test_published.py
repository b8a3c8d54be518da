"""The published numbers: as many as the tables print, a row of each by hand, and nothing vague."""

from collections import Counter
from pathlib import Path

import pytest

from crosstone.errors import ConfigError
from crosstone.protocols.published import Published, published_numbers, read_published

PRINTED = {
    # numbers a table prints: rows × columns less its dashes
    ("cmt-2022", "table 1"): 8 * 6 - 2 - 1 - 4,
    ("cmt-2022", "table 2"): 8 * 4 - 1 - 1,
    ("cmt-2022", "table 3"): 4,
    ("cmt-2022", "table 4"): 7 * 4,
    ("ctal-2021", "table 1"): 5 * 2,
    ("ctal-2021", "table 2"): 3 * 4,
    ("ctal-2021", "table 3"): 4,
    ("ctal-2021", "table 4, emotion"): 14 * 2,
    ("ctal-2021", "table 4, sentiment"): 14 * 4,
    ("ctal-2021", "table 4, speaker"): 14 - 2,
    ("jbls-2020", "table 1"): 8 * 8,
    ("jbls-2020", "table 2"): 3 * 4,
    ("jbls-2020", "table 3"): 3 * 4,
    ("jbls-2020", "table 4"): 3 * 8,
    ("jbls-2020", "table 5"): 2 * 5,
    ("cma-2021", "table 1"): 7,
    ("cma-2021", "table 2"): 8,
}


def row(paper: str, table: str, system: str) -> list[float]:
    return [n.value for n in published_numbers() if _key(n) == (paper, table, system)]


def _key(number: Published) -> tuple[str, str, str]:
    return number.paper, number.table, number.system


def test_every_number_of_every_table_is_there() -> None:
    found = Counter((n.paper, n.table) for n in published_numbers())
    assert {key: found[key] for key in PRINTED} == PRINTED
    assert {paper for paper, _ in found} - {paper for paper, _ in PRINTED} == {
        *("emotion2vec", "ft-w2v2-ser", "mmml", "memocmt", "mmer", "speechbrain")
    }


@pytest.mark.parametrize(
    "paper,table,system,values",
    [
        ("cmt-2022", "table 1", "CMT base", [0.907, 0.869, 0.815, 0.912, 0.751, 0.763]),
        ("cmt-2022", "table 1", "JBLS", [0.920, 0.870, 0.809, 0.908, 0.734]),
        ("cmt-2022", "table 2", "CMT large", [0.545, 0.885, 0.885, 0.500]),
        ("cmt-2022", "table 3", "CMT-4 PT, layer pooler", [0.175, 0.438, 0.277, 0.109]),
        ("cmt-2022", "table 4", "CMT-4 PT + TAPT", [0.559, 0.866, 0.869, 0.502]),
        ("ctal-2021", "table 1", "CTAL large", [0.7395, 0.7463]),
        ("ctal-2021", "table 2", "MulT", [0.7966, 0.8008, 0.6367, 0.6292]),
        ("ctal-2021", "table 3", "RawNet", [0.0253]),
        ("ctal-2021", "table 4, emotion", "(e) w/o audio outputs", [0.6497, 0.6586]),
        ("ctal-2021", "table 4, sentiment", "Mockingjay", [0.6887, 0.7199, 0.8056, 0.3556]),
        ("ctal-2021", "table 4, speaker", "(g) w/o cross-modal pre-training", [0.0306]),
        (
            "jbls-2020",
            "table 1",
            "(5.2) Speech-BERT only",
            [0.7115, 0.6687, 0.85657, 0.8501, 0.8767, 0.8773, 0.7178, 0.689],
        ),
        ("jbls-2020", "table 2", "ICCN", [0.5158, 0.844, 0.8436, 0.713]),
        ("jbls-2020", "table 3", "Shallow fusion of SSL models", [0.48927, 0.88275, 0.8857, 0.577]),
        (
            "jbls-2020",
            "table 4",
            "MulT",
            [0.844, 0.819, 0.777, 0.741, 0.739, 0.702, 0.625, 0.597],
        ),
        ("jbls-2020", "table 5", "PAaAN", [0.719, 0.732, 0.769, 0.592, 0.703]),
        ("cma-2021", "table 1", "CMA", [0.7471]),
        ("cma-2021", "table 2", "BERT, text", [0.7101]),
    ],
)
def test_a_row_of_each_table_read_by_hand(
    paper: str, table: str, system: str, values: list[float]
) -> None:
    assert row(paper, table, system) == values


def test_cmt_numbers_obey_the_sum_that_gives_its_accuracy_away() -> None:
    """One-vs-rest accuracies of one arg-max: each miss counts twice (JBLS's heads do not)."""
    for system in ("HuBERT only", "RoBERTa only", "Shallow fusion", "CMT base", "CMT large"):
        *classes, wa, _ = row("cmt-2022", "table 1", system)
        assert sum(1 - c for c in classes) == pytest.approx(2 * (1 - wa), abs=0.0031)  # rounded


def test_what_made_a_number_stands_beside_it() -> None:
    numbers = published_numbers()
    cmt = next(n for n in numbers if _key(n) == ("cmt-2022", "table 1", "CMT base"))
    assert (cmt.protocol, cmt.selection, cmt.origin) == ("iemocap-4way-loso", "unstated", "own")
    cma = next(n for n in numbers if _key(n) == ("cma-2021", "table 1", "CMA"))
    assert (cma.selection, cma.counts) == ("best_test", {"utterances": 5531})
    assert "test loss" in cma.caveats[0]
    quoted = next(n for n in numbers if _key(n) == ("cma-2021", "table 1", "E-Vector"))
    assert (quoted.protocol, quoted.selection, quoted.counts) == (None, "unstated", {})
    jbls = next(n for n in numbers if _key(n)[:2] == ("jbls-2020", "table 1"))
    assert (jbls.protocol, jbls.metric, jbls.label) == ("iemocap-jbls", "head_accuracy", "hap")
    speaker = {(n.metric, n.origin) for n in numbers if n.target == "speaker"}
    assert speaker == {("ge2e_eer", "own"), ("ge2e_eer", "rerun"), ("eer", "quoted")}


def test_a_row_may_differ_from_its_table() -> None:
    numbers = published_numbers()
    mult = [n for n in numbers if _key(n) == ("cmt-2022", "table 1", "MulT")]
    assert [(n.metric, n.label) for n in mult] == [
        ("head_accuracy", label) for label in ("ang", "hap", "neu", "sad")
    ]
    assert not any("arg-max" in caveat for n in mult for caveat in n.caveats)
    rerun = next(n for n in numbers if _key(n) == ("cmt-2022", "table 1", "JBLS"))
    assert any("without a WA cannot be checked" in caveat for caveat in rerun.caveats)
    raw = next(n for n in numbers if n.system == "RawNet")
    assert (raw.metric, raw.caveats) == (
        "eer",
        ("of another paper, on other data; an EER of a trial list",),
    )
    again = next(n for n in numbers if _key(n) == ("ctal-2021", "table 2", "MulT"))
    assert any("F1 swapped" in caveat for caveat in again.caveats)
    shown = {n.system for n in numbers if n.protocol == "iemocap-jbls" and not n.is_ablation}
    assert "(5.1) shallow fusion" in shown
    assert "(5.3) frozen SSL" not in shown


def test_faults_are_listed_together(tmp_path: Path) -> None:
    path = tmp_path / "published.yaml"
    head = "{paper: p, table: t, corpus: iemocap, target: emotion, selection: last"
    bad = "{system: c, selection: maybe, values: [0.1, 0.1]}"
    mosei = "protocol: mosei-sentiment, columns: [wa], rows: [{system: a, values: [1]}]}"
    path.write_text(
        "papers: {p: Paper}\n"
        "tables:\n"
        f"  - {head}, protocol: nobody, columns: [wa, ua], rows: [\n"
        "      {system: a, values: [0.5, 1.5]}, {system: b, values: [0.5]},\n"
        f"      {{system: a, values: [0.5, 0.5]}}, {bad}]}}\n"
        f"  - {head}, {mosei}\n"
        f"  - {head}, protocol: null, columns: [acc], rows: []}}\n"
        "  - {paper: q, table: t, corpus: x, target: y, protocol: null, selection: last,"
        " columns: [], rows: []}\n",
        encoding="utf-8",
    )
    with pytest.raises(ConfigError) as raised:
        read_published(path)
    for said in (
        "p, t, a: no protocol is called 'nobody'",
        "p, t, a: ua expects 0 to 1, found 1.5",
        "p, t, b: expected 2 values, found 1",
        "p, t, a, wa, : stands twice",
        "p, t, c: selection expects nested, last, best_valid, best_test, unstated, found 'maybe'",
        "p, t, a: protocol 'mosei-sentiment' is not about iemocap",
        "p, t: column 'acc' is no metric of ours",
        "q, t: papers names no 'q'",
    ):
        assert said in str(raised.value)
    path.write_text("papers: {}\ntables: []\nrules: 3\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="unknown key 'rules'"):
        read_published(path)
