"""Run sets that are trained in a moment."""

from collections.abc import Callable
from pathlib import Path

import pytest

from crosstone.runs.recipe import Recipe, load_recipe
from crosstone.runs.runset import run

Train = Callable[..., tuple[Path, Recipe]]


@pytest.fixture
def train(tmp_path: Path) -> Train:
    """`train(corpus, …)`: a run set of CMT on it with four steps, and its recipe."""

    def make(corpus: Path, *overrides: str, recipe: str = "twokey-cmt") -> tuple[Path, Recipe]:
        asked = [
            *(f"data.corpus={corpus}", "model.audio_encoder=logmel-tiny", "model.vocab_size=280"),
            *("model.text_encoder=roberta-tiny", "training.batch_size=8", "training.steps=4"),
            *("protocol.split=null", "seeds=[3]", *overrides),
        ]
        found = load_recipe(recipe, asked)
        return run(found, tmp_path / "run"), found

    return make
