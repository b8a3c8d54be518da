"""What a text tower knows of praise and blame before fine-tuning, and what pretraining learned."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from crosstone.data.text import tokenise
from crosstone.files import write_text
from crosstone.models.base import CrossModalModel
from crosstone.nn.pooling import mean_pool
from crosstone.protocols import plan_folds
from crosstone.runs.assembly import Assembly, assemble
from crosstone.runs.corpora import open_corpus
from crosstone.runs.recipe import Recipe
from crosstone.runs.runset import inits_of
from crosstone.sequence import Sequence as Padded
from crosstone.training import read_log

VALENCE = "valence_key"
"""Label of twokey: negative, neutral or positive words, but for what is blurred."""
FOLDS = 3


def valence(run_set: Path, recipe: Recipe, folder: Path) -> None:
    """measure.json with the accuracy of logistic regression on valence, over sentences that it was
    not fitted on: on the mean states of the text tower that the first fold starts from, and on bags
    of words, what words alone can tell; and the last cross-modal probe of its pretraining.

    Without a text tower, without that label or without pretraining, less.
    """
    assert recipe.protocol is not None
    plan = plan_folds(open_corpus(recipe)[0], recipe.protocol)
    fold, seed = plan.folds[0], recipe.seeds[0]
    init = inits_of(recipe).of(fold.index, seed)
    told = [u for u in plan.corpus if VALENCE in u.labels and u.text]
    texts = [str(utterance.text) for utterance in told]
    keys = [str(utterance.labels[VALENCE]) for utterance in told]
    found: dict[str, Any] = {}
    if texts:
        found["bag of words"] = _accuracy(CountVectorizer(), texts, texts, keys)
        assembly = assemble(recipe, plan.corpus.select(fold.train), init, seed)
        if assembly.tokenizer is not None:
            states = _states(assembly, sorted(set(texts)))
            rows = np.array([states[text] for text in texts])
            found["text tower"] = _accuracy(StandardScaler(), rows, texts, keys)
    log = None if init is None else init.parent / "log.jsonl"
    if log is not None and log.is_file():
        probes = [line for line in read_log(log) if line["event"] == "probe"]
        kept = ("text_matched", "text_shuffled", "audio_matched", "audio_shuffled")
        found["probe"] = {k: probes[-1][k] for k in kept if k in probes[-1]} if probes else {}
    write_text(folder / "measure.json", json.dumps(found, indent=2))


def _accuracy(prepared: Any, inputs: Any, texts: Sequence[str], keys: Sequence[str]) -> float:
    """Mean over folds that no sentence is on two sides of."""
    _, groups = np.unique(np.array(texts), return_inverse=True)
    listener = make_pipeline(prepared, LogisticRegression(max_iter=2000))
    folds = GroupKFold(min(FOLDS, len(set(texts))))
    return float(np.mean(cross_val_score(listener, inputs, keys, groups=groups, cv=folds)))


@torch.inference_mode()
def _states(assembly: Assembly, texts: Sequence[str]) -> dict[str, NDArray[np.float32]]:
    """Text → the mean of its states in the text tower."""
    backbone = assembly.model.backbone.eval()
    assert isinstance(backbone, CrossModalModel)
    rows = tokenise(assembly.tokenizer, [(text, text) for text in texts], None)
    found: dict[str, NDArray[np.float32]] = {}
    for start in range(0, len(rows), 64):
        ids = Padded.pad([torch.from_numpy(row) for row in rows[start : start + 64]])
        states = backbone.encode_text(ids.values, ids.mask)
        assert states is not None
        means = mean_pool(states).numpy()
        found |= dict(zip(texts[start : start + 64], means, strict=True))
    return found
