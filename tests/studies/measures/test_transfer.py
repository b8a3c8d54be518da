"""Transfer of a study's system: what a model of one corpus answers on others."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from crosstone.data.corpus import Corpus
from crosstone.reports.page import Table
from crosstone.runs.recipe import Recipe
from crosstone.studies.measures.transfer import show_transfer, transfer
from crosstone.studies.study import slug


def test_the_model_of_all_is_asked_elsewhere(
    noise_corpus: Callable[..., Path],
    train: Callable[..., tuple[Path, Recipe]],
    tmp_path: Path,
) -> None:
    labels = "protocol.labels=[happy, sad]"
    run_set, recipe = train(
        noise_corpus(16),
        "final_model=true",
        "protocol.label_map={glad: happy}",
        labels,
    )
    told = Corpus.open(noise_corpus(12, "other", seed=1))
    declared = tmp_path / "emodb"  # whose sadness and happiness are declared
    other = {"sad": "sadness", "glad": "happiness"}
    Corpus.write(
        declared,
        name="emodb",
        root=told.root,
        source=told.source,
        utterances=[
            replace(u, labels={"emotion": other[str(u.labels["emotion"])] if i else "boredom"})
            for i, u in enumerate(told)
        ],
    )
    with pytest.raises(Exception, match="no utterance has emotion 'angry', 'neutral'"):
        transfer(run_set, recipe, tmp_path / "measured", beside={"emodb": declared})
    plain = tmp_path / "plain"
    named = {"sad": "sad", "glad": "happy"}
    Corpus.write(
        plain,
        name="plain",
        root=told.root,
        source=told.source,
        utterances=[
            replace(u, labels={"emotion": named[str(u.labels["emotion"])]}, split=split)
            for u, split in zip(told, ["labelled"] * 9 + ["unlabelled"] * 3, strict=True)
        ],
    )
    transfer(run_set, recipe, tmp_path / "measured", beside={"far, away": plain})
    found = json.loads((tmp_path / "measured" / "measure.json").read_text(encoding="utf-8"))["on"]
    assert {name: on["items"] for name, on in found.items()} == {"": 4, "far, away": 9}
    text = (tmp_path / "measured" / slug("far, away") / "predictions.jsonl").read_text()
    assert [json.loads(line)["seed"] for line in text.splitlines()] == [3] * 9


def test_the_matrix_has_a_line_for_what_was_trained_on() -> None:
    def on(**values: float) -> dict[str, object]:
        names = {"own": "", "other": "B"}
        scores = {
            names.get(key, key): {"metric": "ua", "value": v, "low": v - 0.1, "high": v + 0.1}
            for key, v in values.items()
        }
        return {"on": scores}

    first, second = [on(own=0.8, other=0.5), on(own=0.6, other=0.3)], [on(own=0.9, A=0.4)]
    measures = {"CMT, A → A": first, "CMT, A → B": first, "CMT, B → B": second}
    (table,) = show_transfer("measured0", measures).blocks
    assert isinstance(table, Table)
    assert table.columns == ("trained on", "A", "B")
    assert [[cell.text for cell in row.cells] for row in table.rows] == [
        ["A", "0.700 §", "0.400"],
        ["B", "0.400", "0.900 §"],
    ]
    assert table.rows[0].cells[2].aside == "[0.300, 0.500]"
