"""What a text tower knows of valence, against what words alone can tell."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from crosstone.data.corpus import Corpus
from crosstone.runs.recipe import Recipe
from crosstone.studies.measures.valence import valence


def test_words_tell_what_they_mean(
    noise_corpus: Callable[..., Path],
    train: Callable[..., tuple[Path, Recipe]],
    tmp_path: Path,
) -> None:
    noise = Corpus.open(noise_corpus(24))
    keys = {"sad": "negative", "glad": "positive"}
    Corpus.write(
        tmp_path / "keyed",
        name="keyed",
        root=noise.root,
        source=noise.source,
        utterances=[
            replace(u, labels={**u.labels, "valence_key": keys[str(u.labels["emotion"])]})
            for u in noise
        ],
    )
    run_set, recipe = train(tmp_path / "keyed")
    valence(run_set, recipe, tmp_path)
    found = json.loads((tmp_path / "measure.json").read_text(encoding="utf-8"))
    assert set(found) == {"bag of words", "text tower"}  # nothing was pretrained
    assert found["bag of words"] == 1.0
    assert 0 <= found["text tower"] <= 1


def test_less_where_there_is_no_valence(
    noise_corpus: Callable[..., Path],
    train: Callable[..., tuple[Path, Recipe]],
    tmp_path: Path,
) -> None:
    run_set, recipe = train(
        noise_corpus(16), "model.family=audio", "model.text_encoder=null", recipe="twokey-finetune"
    )
    valence(run_set, recipe, tmp_path)
    assert json.loads((tmp_path / "measure.json").read_text(encoding="utf-8")) == {}
