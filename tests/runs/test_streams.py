"""What a stream makes while it is read: codewords, and a tokenizer from a sample."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from crosstone.data.batch import Batch, Items, collate
from crosstone.data.codebook import Codebook
from crosstone.data.corpora.lhotse.shards import Shar
from crosstone.data.corpus import Corpus
from crosstone.errors import ConfigError, CorpusError
from crosstone.objectives import Objectives
from crosstone.runs.assembly import assemble
from crosstone.runs.codes import Labelling, codes_of, make_codebook
from crosstone.runs.recipe import load_recipe

CPU = torch.device("cpu")


@pytest.fixture
def corpus(noise_corpus: Callable[..., Path]) -> Corpus:
    return Corpus.open(noise_corpus(12))


def labelled(corpus: Corpus, codebook: Codebook, stride: int) -> tuple[Batch, Batch]:
    """A batch of unequal lengths with the codewords that were made before, and while it is read."""
    codes = codes_of(corpus, codebook).every(stride)
    before, plain = (Items(corpus, codes=known) for known in (codes, None))
    rows = [0, 4, 7, 1]
    labelling = Labelling(Objectives([]), codebook, sampling_rate=16_000, stride=stride, device=CPU)
    batch = collate([plain[i] for i in rows])
    return collate([before[i] for i in rows]), labelling.corrupt(batch, seed=0, epoch=1)


@pytest.mark.parametrize("stride", [320, 640])
def test_codewords_of_cepstra_are_those_made_before(
    corpus: Corpus, tmp_path: Path, stride: int
) -> None:
    codebook = make_codebook(corpus, tmp_path / "codes.safetensors", num_codes=8, sample=1.0)
    before, now = labelled(corpus, codebook, stride)
    assert before.codes is not None
    assert now.codes is not None
    assert torch.equal(now.codes, before.codes)


def test_codewords_of_an_encoder_are_those_made_before(
    corpus: Corpus, encoders: Path, tmp_path: Path
) -> None:
    codebook = make_codebook(
        *(corpus, tmp_path / "codes.safetensors"),
        encoder=str(encoders / "hubert"),
        layer=1,
        num_codes=8,
        sample=1.0,
    )
    before, now = labelled(corpus, codebook, 320)
    assert before.codes is not None
    assert now.codes is not None
    assert (now.codes == before.codes).float().mean() > 0.99  # batches differ, and so does rounding


def test_a_codebook_that_does_not_go_with_the_model_is_refused() -> None:
    made_by = {"features": "mfcc", "stride": 320, "sampling_rate": 8000}
    options = {"stride": 320, "device": CPU}
    narrow = Codebook(np.zeros((2, 39), np.float32), made_by)
    with pytest.raises(
        ConfigError, match=r"recordings at 8000 Hz, on which .* hears 16000; fit one"
    ):
        Labelling(Objectives([]), narrow, sampling_rate=16_000, **options)
    with pytest.raises(CorpusError, match="every 320 samples cannot label frames every 160"):
        Labelling(Objectives([]), narrow, sampling_rate=8000, **{**options, "stride": 160})


def test_a_tokenizer_of_a_sample_says_so(caplog: pytest.LogCaptureFixture) -> None:
    shar = Shar(
        folder=Path("speech"),
        shards=(),
        starts=np.array([0, 3]),
        lengths=np.ones(3, np.float32),
        has_text=np.array([True, True, False]),
        texts=("a good day",),
        speakers=(),
        groups=(),
        hash="0",
    )
    recipe = load_recipe(
        "twokey-cmt-pretrain",
        [
            "model.audio_encoder=logmel-tiny",
            "model.text_encoder=roberta-tiny",
            "model.vocab_size=270",
            "objectives.masked_audio=null",
        ],
    )
    with caplog.at_level(logging.WARNING):
        assembly = assemble(recipe, shar, None, 0)
    assert (
        "speech: the tokenizer is trained on 1 of 2 texts, the first of every shard" in caplog.text
    )
    assert assembly.target is None
