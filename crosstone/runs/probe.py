"""Does a model use the other modality? Masked accuracy with the right and with a wrong one."""

import dataclasses
from collections.abc import Callable

import numpy as np
import torch
from torch import nn

from crosstone.data.batch import Batch, collate
from crosstone.data.corpus import Corpus
from crosstone.data.sampling import Indexed
from crosstone.models.task import TaskModel
from crosstone.objectives import Objective
from crosstone.objectives.masked_audio import masked_codes

_PROBE_EPOCH = -1
"""Its masks are drawn for an epoch that training never has, and so are the same every time."""


def set_aside(corpus: Corpus, count: int, seed: int) -> tuple[Corpus, Corpus | None]:
    """What is left to train on, and up to `count` utterances that have both modalities, at most a
    tenth of them; None where that leaves fewer than two."""
    usable = [i for i, u in enumerate(corpus) if u.audio is not None and u.text]
    count = min(count, len(usable) // 10)
    if count < 2:
        return corpus, None
    chosen = np.random.default_rng(seed).choice(usable, count, replace=False)
    return corpus.select(np.setdiff1d(np.arange(len(corpus)), chosen)), corpus.select(
        np.sort(chosen)
    )


def cross_modal_probe(
    items: Indexed, objective: Objective, *, seed: int, batch_size: int = 32
) -> Callable[[nn.Module, int], dict[str, float]]:
    """A probe for `fit`: accuracy on masked tokens and masked frames of `items`.

    One modality is masked at a time; the other comes from the same utterance (`*_matched`) or from
    the next one of the batch that says something else (`*_shuffled`). A model that only uses its
    own side scores the same.
    """
    batches = [
        collate([items[i] for i in range(start, min(start + batch_size, len(items)))])
        for start in range(0, len(items), batch_size)
        if len(items) - start > 1
    ]

    @torch.inference_mode()
    def probe(model: nn.Module, step: int) -> dict[str, float]:
        assert isinstance(model, TaskModel)
        hits: dict[str, int] = {}
        counts: dict[str, int] = {}
        for clean in batches:
            masked = objective.corrupt(clean, seed=seed, epoch=_PROBE_EPOCH)
            for modality in masked.corruption:
                one = dataclasses.replace(
                    masked, corruption={modality: masked.corruption[modality]}
                )
                for name, batch in (("matched", one), ("shuffled", _with_other(one, modality))):
                    right, total = _accuracy(model, batch, modality)
                    key = f"{modality}_{name}"
                    hits[key] = hits.get(key, 0) + right
                    counts[key] = counts.get(key, 0) + total
        return {key: hits[key] / max(counts[key], 1) for key in hits}

    return probe


def _with_other(batch: Batch, modality: str) -> Batch:
    """The batch with the modality that is not masked taken from another utterance."""
    order = _others(batch)
    names = ("audio",) if modality == "text" else ("text", "text_states")
    there = {name: sequence for name in names if (sequence := getattr(batch, name)) is not None}
    return dataclasses.replace(
        batch,
        **{name: type(s)(s.values[order], s.mask[order]) for name, s in there.items()},
    )


def _others(batch: Batch) -> torch.Tensor:
    """For each item the next that has another text, or simply the next where all say the same."""
    assert batch.text is not None
    texts = [
        tuple(row[mask].tolist())
        for row, mask in zip(batch.text.values, batch.text.mask, strict=True)
    ]
    turns = [
        (i, [(i + step) % len(texts) for step in range(1, len(texts))]) for i in range(len(texts))
    ]
    return torch.tensor(
        [next((j for j in turn if texts[j] != texts[i]), turn[0]) for i, turn in turns]
    )


def _accuracy(model: TaskModel, batch: Batch, modality: str) -> tuple[int, int]:
    parameter = next(model.parameters())
    batch = batch.to(parameter.device, parameter.dtype)
    head = model.head_of("tokens" if modality == "text" else "codes")
    positions = batch.corruption[modality].positions
    if modality == "text":
        assert batch.text is not None
        targets = batch.text.values[positions]
    else:
        assert batch.codes is not None
        targets = masked_codes(batch.codes, positions)
    logits = model(**batch.inputs()).logits[head or ""]
    return int((logits.argmax(-1) == targets).sum()), len(targets)
