"""What a stage of CTAL takes over from the one before, and what it does not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from crosstone.data.batch import collate
from crosstone.data.corpus import Corpus
from crosstone.models.ctal import PUBLISHED
from crosstone.objectives import MaskedFrames
from crosstone.runs.assembly import assemble
from crosstone.runs.items import make_items
from crosstone.runs.recipe import load_recipe

SMALL = ["model.vocab_size=280", "data.split=null"]
NO_TOWERS = ["model.audio_encoder=null", "model.text_encoder=null", "protocol.split=null"]


@pytest.mark.parametrize(
    "overrides,expected",
    [
        ([], PUBLISHED["paper"]),
        (["model.config.as_published=code"], PUBLISHED["code"]),
        (["model.config.head=code"], {**PUBLISHED["paper"], "head": "code"}),
        (["model.preset=ctal-base-code", "model.config.num_layers=2"], PUBLISHED["code"]),
    ],
)
def test_fine_tuning_fuses_what_pretraining_did_not_and_may_change_its_form(
    overrides: list[str],
    expected: dict[str, Any],
    noise_corpus: Callable[..., Path],
    tmp_path: Path,
) -> None:
    corpus = Corpus.open(noise_corpus())
    recipe = load_recipe("twokey-ctal-pretrain", [f"data.corpus={corpus.folder}", *SMALL])
    pretrained = assemble(recipe, corpus, None, 0)
    assert pretrained.model.backbone.config.fusion == "none"
    assert set(pretrained.model.specs) == {"text_tokens", "audio_frames"}
    assert pretrained.model.specs["audio_frames"].norm_eps == 1e-12
    pretrained.model.save_pretrained(tmp_path / "model")
    pretrained.tokenizer.save_pretrained(tmp_path / "model")
    given = [f"data.corpus={corpus.folder}", f"model.init={tmp_path / 'model'}", *SMALL]
    finetuning = load_recipe("twokey-ctal", [*given, *NO_TOWERS, *overrides])
    tuned = assemble(finetuning, corpus, tmp_path / "model", 0)
    config = tuned.model.backbone.config
    assert config.fusion == "sum"
    assert {name: getattr(config, name) for name in expected} == expected
    assert tuned.model.specs["emotion"].bias is (expected["head"] == "paper")
    same = tuned.model.backbone.embeddings.project.weight
    assert torch.equal(same, pretrained.model.backbone.embeddings.project.weight)
    (term,) = (o for o in tuned.objective.objectives if hasattr(o, "form"))
    assert (term.form, term.alpha, len(term.pairs)) == (expected["orthogonality"], 1.0, 2)


def test_masked_frames_are_those_of_the_tower(
    noise_corpus: Callable[..., Path],
) -> None:
    """Lengths of masks and of the frames that the model makes are the same."""
    corpus = Corpus.open(noise_corpus(6))
    recipe = load_recipe("twokey-ctal-pretrain", [f"data.corpus={corpus.folder}", *SMALL])
    built = assemble(recipe, corpus, None, 0)
    (masks,) = (o for o in built.objective.objectives if isinstance(o, MaskedFrames))
    assert (masks.probability, masks.min_span, masks.max_span) == (0.3, 10, 25)
    items = make_items(recipe, built, corpus)
    batch = built.objective.corrupt(collate([items[i] for i in range(6)]), seed=0, epoch=1)
    output = built.model(**batch.inputs())
    assert output.backbone.features is not None
    places = batch.corruption["audio"].positions
    assert places.shape == output.backbone.features.mask.shape
    assert not (places & ~output.backbone.features.mask).any()
    loss = built.objective(output, batch)
    assert {name: part.count for name, part in loss.parts.items()} == built.objective.counts(batch)
