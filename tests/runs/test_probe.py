"""The probe looks at what training never saw, and only the other modality moves it."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from crosstone.data.batch import Batch
from crosstone.data.corpus import Corpus
from crosstone.models.task import TaskModel
from crosstone.runs.assembly import assemble
from crosstone.runs.codes import codes_of, make_codebook
from crosstone.runs.items import make_items
from crosstone.runs.probe import _others, cross_modal_probe, set_aside
from crosstone.runs.recipe import load_recipe
from crosstone.sequence import Sequence as Padded


def test_what_is_set_aside_is_not_trained_on(noise_corpus: Callable[..., Path]) -> None:
    corpus = Corpus.open(noise_corpus(40))
    rest, probed = set_aside(corpus, 256, seed=0)
    assert probed is not None
    assert len(probed) == 4  # a tenth
    assert sorted([*rest.ids, *probed.ids]) == sorted(corpus.ids)
    assert set_aside(corpus, 3, seed=0)[1] == set_aside(corpus, 3, seed=0)[1]
    assert list(set_aside(corpus, 4, seed=1)[1].ids) != list(probed.ids)


def test_a_corpus_too_small_is_left_whole(noise_corpus: Callable[..., Path]) -> None:
    corpus = Corpus.open(noise_corpus(19))
    rest, probed = set_aside(corpus, 256, seed=0)
    assert probed is None
    assert rest is corpus


def test_the_wrong_partner_says_something_else() -> None:
    ids = torch.tensor([[5, 6], [5, 6], [7, 0], [5, 6]])
    mask = torch.tensor([[True, True], [True, True], [True, False], [True, True]])
    batch = Batch(("a", "b", "c", "d"), audio=None, text=Padded(ids, mask), targets={})
    assert _others(batch).tolist() == [2, 2, 3, 2]
    same = Batch(("a", "b"), audio=None, text=Padded(ids[:2], mask[:2]), targets={})
    assert _others(same).tolist() == [1, 0]


@pytest.mark.parametrize("gain", [0.0, 50.0])
def test_only_cross_attention_tells_matched_from_shuffled(
    noise_corpus: Callable[..., Path], tmp_path: Path, gain: float
) -> None:
    folder = noise_corpus(40)
    corpus = Corpus.open(folder)
    path = tmp_path / "codes.safetensors"
    make_codebook(corpus, path, stride=640, num_codes=8, sample=1.0)
    recipe = load_recipe(
        "twokey-cmt-pretrain",
        [
            f"data.corpus={folder}",
            "data.split=null",
            "model.audio_encoder=logmel-tiny",
            "model.text_encoder=roberta-tiny",
            "model.vocab_size=280",
            f"objectives.masked_audio.codebook={path}",
        ],
    )
    built = assemble(recipe, corpus, None, 0)
    assert built.codebook is not None
    model = built.model.eval()
    amplify(model, gain)
    codes = codes_of(corpus, built.codebook, None).every(model.backbone.audio_encoder.stride)
    items = make_items(recipe, built, corpus, codes=codes)
    probe = cross_modal_probe(items, built.objective, seed=0)
    found = probe(model, 0)
    assert probe(model, 9) == found  # its masks never change
    told_apart = any(found[f"{m}_matched"] != found[f"{m}_shuffled"] for m in ("audio", "text"))
    assert told_apart is (gain > 0)


def amplify(model: TaskModel, gain: float) -> None:
    """Let more, or nothing, through from one stream to the other."""
    for block in (*model.backbone.audio_blocks, *model.backbone.text_blocks):
        block.cross_attention.output.weight.data.mul_(gain)
