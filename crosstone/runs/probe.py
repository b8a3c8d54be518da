"""Does a model use the other modality? Masked accuracy with the right and with a wrong one."""

import dataclasses
from collections.abc import Callable

import torch
from torch import nn

from crosstone.data.batch import Batch, Items, collate
from crosstone.models.task import TaskModel
from crosstone.objectives import Objective
from crosstone.objectives.masked_audio import masked_codes

NUM_ITEMS = 256
"""Utterances that a probe looks at, the first of the training set."""

_PROBE_EPOCH = -1
"""Its masks are drawn for an epoch that training never has, and so are the same every time."""


def cross_modal_probe(
    items: Items, objective: Objective, *, seed: int, batch_size: int = 32
) -> Callable[[nn.Module, int], dict[str, float]]:
    """A probe for `fit`: accuracy on masked tokens and masked frames.

    One modality is masked at a time; the other comes from the same utterance (`*_matched`) or from
    the next one of the batch (`*_shuffled`). A model that only reads its own side scores the same.
    """
    indices = [
        i for i in range(len(items)) if items.has_text(i) and items.corpus[i].audio is not None
    ][:NUM_ITEMS]
    batches = [
        collate([items[i] for i in indices[start : start + batch_size]])
        for start in range(0, len(indices), batch_size)
        if len(indices) - start > 1
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
                for name, batch in (("matched", one), ("shuffled", _next_other(one, modality))):
                    right, total = _accuracy(model, batch, modality)
                    key = f"{modality}_{name}"
                    hits[key] = hits.get(key, 0) + right
                    counts[key] = counts.get(key, 0) + total
        return {key: hits[key] / max(counts[key], 1) for key in hits}

    return probe


def _next_other(batch: Batch, modality: str) -> Batch:
    """The batch with the modality that is not masked taken from the next utterance."""
    order = torch.arange(len(batch)).roll(-1)
    if modality == "text" and batch.audio is not None:
        return dataclasses.replace(
            batch, audio=type(batch.audio)(batch.audio.values[order], batch.audio.mask[order])
        )
    if modality == "audio" and batch.text is not None:
        return dataclasses.replace(
            batch, text=type(batch.text)(batch.text.values[order], batch.text.mask[order])
        )
    return batch


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
