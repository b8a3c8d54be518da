"""CTAL against what its authors' code computes, through the import and the public calls."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from crosstone.data.batch import Batch
from crosstone.models import TaskModel
from crosstone.models.convert import convert
from crosstone.models.convert.ctal import TABLE
from crosstone.models.convert.table import rename
from crosstone.nn.masking import LEARNED, Corruption
from crosstone.objectives import (
    Loss,
    MaskedFrames,
    MaskedText,
    Objectives,
    Orthogonality,
    Supervised,
)
from crosstone.sequence import Sequence

GOLDEN = Path(__file__).parent.parent / "golden" / "ctal"
ATTENTION = {"causal": "causal", "bidir": "bidirectional"}
HEADS: dict[str, list[str]] = {
    "emotion": [],
    "sentiment": [],
    "emotion_noorth": ["fusion=concat"],
    "emotion_acoustic": [],
    "emotion_semantic": [],
}
VIEWS = {
    "text_first": "text_cls_pool",
    "text_max": "text_max_pool",
    "audio_attention": "audio_attn_pool",
    "audio_max": "audio_max_pool",
}
Import = Callable[..., TaskModel]


@pytest.fixture(scope="module")
def recorded() -> dict[str, Tensor]:
    return load_file(GOLDEN / "outputs.safetensors")


@pytest.fixture(scope="module")
def inputs() -> dict[str, Tensor]:
    return load_file(GOLDEN / "inputs.safetensors")


@pytest.fixture
def imported(tmp_path: Path) -> Import:
    """The recorded weights in double precision, with a fine-tuning head instead of pretraining's
    where one is named; dropout is off, as it was."""

    def load(variant: str, head: str = "", options: list[str] | None = None) -> TaskModel:
        path = GOLDEN / "weights.safetensors"
        if head:
            weights = {k: v for k, v in load_file(path).items() if "_head." not in k}
            for name, tensor in load_file(GOLDEN / "head_weights.safetensors").items():
                if name.startswith(f"{head}."):
                    weights[name.removeprefix(f"{head}.")] = tensor
            path = tmp_path / "weights.safetensors"
            save_file(weights, path)
        asked = ["num_heads=3", f"audio_attention={ATTENTION[variant]}", *(options or [])]
        model = convert("ctal", path, asked)[0].result
        assert isinstance(model, TaskModel)
        return model.double().eval()

    return load


def plain(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    return {
        "audio": inputs["a_inputs"].double(),
        "audio_mask": inputs["a_attention_mask"].bool(),
        "text": inputs["s_input_ids"],
        "text_mask": inputs["s_attention_mask"].bool(),
    }


def corruptions(inputs: dict[str, Tensor]) -> dict[str, Corruption]:
    """What was masked by hand, as places and what stands in for them."""
    frames, masked = inputs["a_inputs"], inputs["a_inputs_masked"]
    places = inputs["a_mask_labels"].any(-1)
    same = (masked[:, :, None] == frames[:, None]).all(-1)
    source = torch.where((masked == 0).all(-1), LEARNED, same.long().argmax(-1))
    ids = inputs["s_input_ids_masked"]
    return {
        "audio": Corruption(places, source),
        "text": Corruption(inputs["s_labels"] != -100, torch.where(ids == 4, LEARNED, ids)),
    }


def batch(inputs: dict[str, Tensor], targets: dict[str, Tensor], **masked: Any) -> Batch:
    given = plain(inputs)
    return Batch(
        ids=("a", "b", "c"),
        audio=Sequence(given["audio"], given["audio_mask"]),
        text=Sequence(given["text"], given["text_mask"]),
        targets=targets,
        corruption=masked,
    )


def mean(loss: Loss, name: str) -> Tensor:
    part = loss.parts[name]
    return part.weight * part.sum / part.count


def close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=0)


def check_gradients(model: TaskModel, recorded: dict[str, Tensor], prefix: str, head: str) -> None:
    """Those that were kept, by the code's names, and the norm of all."""
    own = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    close(torch.stack([g.norm() for g in own.values()]).norm(), recorded[f"{prefix}.grad_norm"])
    theirs = {k: v for k, v in recorded.items() if k.startswith(f"{prefix}.grad.")}
    for key, expected in theirs.items():
        (name,) = rename({key.removeprefix(f"{prefix}.grad."): expected}, TABLE).weights
        name = name.replace("head.", f"heads.{head}.") if name.startswith("head.") else name
        close(own[name if name in own else f"heads.{name}"], expected)


@pytest.mark.parametrize("variant", ATTENTION)
def test_states_logits_and_reconstruction(
    variant: str, imported: Import, recorded: dict[str, Tensor], inputs: dict[str, Tensor]
) -> None:
    model, given = imported(variant), plain(inputs)
    kept = {}
    for name in ("audio", "text"):
        places = torch.ones_like(given[f"{name}_mask"])
        own = torch.arange(30).expand(3, -1) if name == "audio" else given["text"]
        kept[f"{name}_corruption"] = Corruption(places, own)
    output = model(**given, **kept)
    assert output.backbone.audio is not None
    assert output.backbone.text is not None
    close(output.backbone.audio.values, recorded[f"backbone.{variant}.audio.hidden.2"])
    close(output.backbone.text.values, recorded["backbone.text.hidden.2"])
    tokens, frames = output.logits["text_tokens"], output.logits["audio_frames"]
    close(tokens.unflatten(0, (3, -1)), recorded["backbone.text.mlm_logits"])
    close(frames.unflatten(0, (3, -1)), recorded[f"backbone.{variant}.audio.recon"])


@pytest.mark.parametrize("variant", ATTENTION)
def test_losses_and_gradients_of_pretraining(
    variant: str, imported: Import, recorded: dict[str, Tensor], inputs: dict[str, Tensor]
) -> None:
    model = imported(variant)
    masked = batch(inputs, {}, **corruptions(inputs))
    objectives = Objectives(
        [
            MaskedText(head="text_tokens", level="inputs", vocab_size=97, special_ids=frozenset()),
            MaskedFrames(head="audio_frames", num_frames=lambda samples: samples),
        ]
    )
    loss = objectives(model(**masked.inputs()), masked)
    counts = {name: part.count for name, part in loss.parts.items()}
    assert counts == objectives.counts(masked) == {"text_tokens": 6.0, "audio_frames": 19.0}
    parts = {name: mean(loss, name) for name in loss.parts}
    close(parts["text_tokens"], recorded[f"pretrain.{variant}.loss_mlm"])
    close(parts["audio_frames"], recorded[f"pretrain.{variant}.loss_mcam"])
    total = parts["text_tokens"] + parts["audio_frames"]
    close(total, recorded[f"pretrain.{variant}.loss_total"])
    total.backward()
    check_gradients(model, recorded, f"pretrain.{variant}", "")


@pytest.mark.parametrize("variant", ATTENTION)
@pytest.mark.parametrize("head", HEADS)
def test_heads_losses_and_gradients_of_fine_tuning(
    head: str,
    variant: str,
    imported: Import,
    recorded: dict[str, Tensor],
    inputs: dict[str, Tensor],
) -> None:
    model = imported(variant, head, HEADS[head])
    name = "sentiment" if head == "sentiment" else "emotion"
    assert model.heads[name].bias is None
    targets = inputs["labels_reg"].double() if name == "sentiment" else inputs["labels_cls"]
    labelled = batch(inputs, {name: targets})
    output, prefix = model(**plain(inputs)), f"finetune.{head}.{variant}"
    close(output.backbone.pooled, recorded[f"{prefix}.fused_embedding"])
    close(output.logits[name].reshape(3, -1), recorded[f"{prefix}.logits"])
    for ours, theirs in VIEWS.items():
        if f"{prefix}.{theirs}" in recorded:
            close(output.backbone.views[ours], recorded[f"{prefix}.{theirs}"])
    criterion = Supervised(head=name, criterion="l1" if name == "sentiment" else "cross_entropy")
    total = mean(criterion(output, labelled), name)
    close(total, recorded[f"{prefix}.loss_task"])
    if f"{prefix}.orth_max_paper" in recorded:
        for form, suffix in (("paper", "paper"), ("code", "as_coded")):
            term = Orthogonality(pairs=model.backbone.orthogonal_pairs, form=form, alpha=1.0)
            apart = mean(term(output, labelled), "orthogonality")
            pairs = (recorded[f"{prefix}.orth_{pair}_{suffix}"] for pair in ("attn", "max"))
            close(apart, sum(pairs, start=torch.zeros((), dtype=torch.float64)))
            if form == "paper":
                close(total + apart, recorded[f"{prefix}.loss_total_paper_orth"])
        assert model.backbone.orthogonality == "code"
        total = total + apart
    close(total, recorded[f"{prefix}.loss_total"])
    total.backward()
    check_gradients(model, recorded, prefix, name)
