"""The embedder: one vector an utterance, and cosines of pairs."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from crosstone.data.batch import Items
from crosstone.data.corpus import Corpus, Source, Trial, Utterance
from crosstone.errors import CrosstoneError
from crosstone.inference.embedder import Embedder, cosines
from crosstone.inference.predictor import Predictor
from crosstone.models import BaselineConfig, BaselineModel, HeadSpec, TaskModel
from crosstone.models.task import build_task

SPEAKERS = HeadSpec(kind="speakers", labels=("ann", "ben", "cleo"))


@pytest.fixture
def listener(tiny_configs: dict[str, object]) -> TaskModel:
    torch.manual_seed(0)
    backbone = BaselineModel(BaselineConfig(audio_config=tiny_configs["audio_config"]))
    return build_task(backbone, {"speaker": SPEAKERS}, heard=["audio"])


@pytest.fixture
def recordings(tmp_path: Path) -> Items:
    """Five of different lengths, the longest in the middle."""
    import soundfile

    rng = np.random.default_rng(0)
    utterances = []
    for i, seconds in enumerate((0.5, 0.3, 0.9, 0.4, 0.7)):
        soundfile.write(tmp_path / f"{i}.wav", rng.normal(0, 0.1, int(16_000 * seconds)), 16_000)
        utterances.append(Utterance(id=f"u{i}", audio=f"{i}.wav", duration=seconds))
    folder = tmp_path / "corpus"
    source = Source()
    corpus = Corpus.write(folder, name="n", root=tmp_path, source=source, utterances=utterances)
    return Items(corpus)


def test_vectors_stand_in_the_order_of_the_items(listener: TaskModel, recordings: Items) -> None:
    vectors = Embedder(listener).embed(recordings, batch_size=2)
    assert vectors.shape == (5, listener.backbone.pooled_width)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1)
    alone = Embedder(listener).embed(recordings, batch_size=1)
    assert vectors == pytest.approx(alone, abs=1e-5)
    audio = torch.from_numpy(recordings[2].audio)[None]
    with torch.inference_mode():
        pooled = listener.eval()(audio, torch.ones_like(audio, dtype=torch.bool)).backbone.pooled[0]
    assert vectors[2] == pytest.approx((pooled / pooled.norm()).numpy(), abs=1e-6)


def test_each_item_is_run_once_and_the_model_is_left_as_it_was(
    listener: TaskModel, recordings: Items
) -> None:
    told: list[tuple[int, int]] = []
    heard = 0

    def count(_: object, arguments: object, given: dict[str, torch.Tensor], __: object) -> None:
        nonlocal heard
        heard += len(given["audio"])

    handle = listener.train().register_forward_hook(count, with_kwargs=True)
    Embedder(listener).embed(recordings, batch_size=2, progress=lambda a, b: told.append((a, b)))
    handle.remove()
    assert (heard, told) == (5, [(2, 5), (4, 5), (5, 5)])
    assert listener.training


def test_cosines_by_hand() -> None:
    vectors = np.array([[1, 0], [0.6, 0.8], [0, 1]], np.float32)
    trials = [Trial("a", "b", True), Trial("a", "c", False), Trial("c", "b", False)]
    assert cosines(vectors, ["a", "b", "c"], trials) == pytest.approx([0.6, 0, 0.8])


def test_many_trials_are_as_few(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(6, 3)).astype(np.float32)
    ids = list("abcdef")
    trials = [Trial(a, b, False) for a in ids for b in ids if a < b]
    whole = cosines(vectors, ids, trials)
    monkeypatch.setattr("crosstone.inference.embedder._TRIALS", 4)
    assert np.array_equal(cosines(vectors, ids, trials), whole)


def test_a_folder_gives_equal_vectors_and_no_prediction(
    listener: TaskModel, recordings: Items, tmp_path: Path
) -> None:
    listener.save_pretrained(tmp_path / "run" / "model")
    again = Embedder.load(tmp_path / "run")
    assert np.array_equal(again.embed(recordings), Embedder(listener).embed(recordings))
    with pytest.raises(CrosstoneError, match=r"no answer for one recording; .*crosstone evaluate"):
        Predictor.load(tmp_path / "run")


def test_a_model_of_emotions_tells_nobody_apart(make_cmt: Callable[..., BaselineModel]) -> None:
    heads = {"emotion": HeadSpec(kind="classification", labels=("a", "b"))}
    with pytest.raises(CrosstoneError, match="expected a head of speakers, found emotion"):
        Embedder(build_task(make_cmt(), heads))
