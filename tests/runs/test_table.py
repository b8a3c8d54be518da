"""What the folds of a person's own table keep together."""

from pathlib import Path

import pytest

from crosstone.data.corpus import Corpus
from crosstone.errors import ConfigError
from crosstone.protocols import ProtocolSpec, plan_folds
from crosstone.runs.table import table_recipe


@pytest.mark.parametrize(
    "columns,cells,unit,folds,permits",
    [
        ("session,speaker", ["s1,a", "s1,b", "s2,c", "s2,d"], "group", 2, []),
        ("session,speaker", ["s1,a", "s2,a", "s3,b", "s4,b"], "speaker", 2, []),
        ("session,speaker", ["s1,a", "s1,b", "s2,a", "s2,b"], "group", 2, ["speaker"]),
        ("session,speaker", ["s1,a", "s1,b", "s1,c"], "speaker", 3, ["group"]),
        ("session,speaker", ["s1,a", "s2,a"], "group", 2, ["speaker"]),
        ("speaker,shift", ["a,1", "b,1"], "speaker", 2, []),
        ("shift,hour", ["1,1", "1,2"], "utterance", 5, []),
    ],
)
def test_unit_follows_the_columns(
    tmp_path: Path, columns: str, cells: list[str], unit: str, folds: int, permits: list[str]
) -> None:
    rows = [
        f"hello {i},{'ab'[i // len(cells) % 2]},{cells[i % len(cells)]}"
        for i in range(4 * len(cells))
    ]
    table = tmp_path / "mine.csv"
    table.write_text("\n".join([f"text,mood,{columns}", *rows]), encoding="utf-8")
    asked = table_recipe(table, "mood", None, tmp_path / "out")
    assert asked["name"] == f"{table.stem}, text"
    tree = asked["protocol"]
    assert (tree["unit"], tree["folds"], tree["permits"]) == (unit, folds, permits)
    corpus = Corpus.open(tmp_path / "out" / "corpus")
    spec = ProtocolSpec(target="mood", unit=unit, folds=folds, permits=tuple(permits))
    notes = plan_folds(corpus, spec).notes
    assert any("as the protocol permits" in note for note in notes) is bool(permits)
    assert any("speakers are unknown" in note for note in notes) is ("speaker" not in columns)


def test_a_changed_table_is_no_resumed_one(tmp_path: Path) -> None:
    table, out = tmp_path / "mine.csv", tmp_path / "out"
    lines = ["text,mood,speaker", *(f"hello {i},{'ab'[i % 2]},s{i}" for i in range(6))]
    table.write_text("\n".join(lines), encoding="utf-8")
    before = table_recipe(table, "mood", None, out)
    assert table_recipe(table, "mood", None, out, resume=True) == before
    kept = Corpus.open(out / "corpus").hash
    table.write_text("\n".join([*lines, "hello again,a,s6"]), encoding="utf-8")
    with pytest.raises(ConfigError, match=r"mine\.csv: has changed since .* was made from it"):
        table_recipe(table, "mood", None, out, resume=True)
    assert Corpus.open(out / "corpus").hash == kept
