"""MulT: recorded values of the released code, both conventions of padding, its choices."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModel

from crosstone.models import HeadSpec, TaskModel
from crosstone.models.checkpoint import load_task
from crosstone.models.convert import convert
from crosstone.models.mult import PRESETS, MulTConfig, MulTModel
from crosstone.models.task import build_task

GOLDEN = Path(__file__).parents[1] / "golden" / "mult"
CASES = json.loads((GOLDEN / "description.json").read_text())
Inputs = dict[str, Tensor]


def make_mult(configs: dict[str, Any], **fields: Any) -> MulTModel:
    """A tiny MulT in eval mode; its positions are told apart by weights of some size."""
    torch.manual_seed(0)
    small = {"width": 8, "num_heads": 2, "num_layers": 1}
    return MulTModel(MulTConfig(**configs, **{**small, **fields})).eval()


@pytest.fixture
def mult(tiny_configs: dict[str, Any]) -> Callable[..., MulTModel]:
    return lambda **fields: make_mult(tiny_configs, **fields)


def recorded(name: str, folder: Path) -> tuple[TaskModel, dict[str, Tensor]]:
    """A recorded case: its weights through the door for foreign files, and all its tensors."""
    golden, case = load_file(GOLDEN / f"{name}.safetensors"), CASES[name]
    weights = {k[len("weight.") :]: v for k, v in golden.items() if k.startswith("weight.")}
    save_file(weights, folder / "mult.safetensors")
    asked = [f"num_heads={case['heads']}", f"future_mask={str(case['attn_mask']).lower()}"]
    task = convert("mult", folder / "mult.safetensors", asked)[0].result
    assert isinstance(task, TaskModel)
    return task.double().eval(), golden


def from_the_right(values: Tensor, pads: list[int]) -> tuple[Tensor, Tensor]:
    """Rows padded on the left, as a batch of ours has them: padded at the end, with a mask."""
    lengths = values.shape[1] - torch.tensor(pads)
    rolled = torch.stack([row.roll(-pad, 0) for row, pad in zip(values, pads, strict=True)])
    return rolled, torch.arange(values.shape[1]) < lengths[:, None]


@pytest.mark.parametrize("as_padded", ["before", "behind"])
@pytest.mark.parametrize("name", CASES)
def test_recorded_values_of_the_released_code(name: str, as_padded: str, tmp_path: Path) -> None:
    """States, answers, losses and gradients; zeros already before the real places, or ours behind
    them."""
    task, golden = recorded(name, tmp_path)
    (target,) = task.specs
    given: Inputs = {}
    for kind, letter in (("audio", "a"), ("text", "l")):
        values = golden[f"input.x_{letter}"].double()
        mask = torch.ones(values.shape[:2], dtype=torch.bool)
        if as_padded == "behind":
            values, mask = from_the_right(values, CASES[name][f"left_pad_{letter}"])
        given |= {kind: values, f"{kind}_mask": mask}
    output = task(**given)
    answers, truth = output.logits[target], golden["input.y"]
    if CASES[name]["out_dim"] == 1:
        loss = F.l1_loss(answers, truth[:, 0].double())
    else:  # the mean over items and heads: a fourth of the sum over an item's heads
        loss = F.cross_entropy(answers.reshape(-1, 2), truth.flatten())
    loss.backward()
    views = output.backbone.views
    gradients = {k: p.grad for k, p in task.named_parameters()}
    attention = "backbone.text_with_audio.blocks.0.attention"
    fused = [gradients[f"{attention}.{part}.weight"] for part in ("query", "key", "value")]
    found = {
        "l_mem": output.backbone.text.values.transpose(0, 1),
        "a_mem": output.backbone.audio.values.transpose(0, 1),
        "last_hs": torch.cat([views["text_last"], views["audio_last"]], 1),
        "output": answers.view_as(golden["output.output"]),
        "loss": loss,
        "grad_norm": torch.stack([g.norm() for g in gradients.values()]).norm(),
        "grad.proj_a.weight": gradients["backbone.audio_projection.weight"],
        "grad.trans_l_with_a.layers.0.self_attn.in_proj_weight": torch.cat(fused),
        "grad.trans_a_mem.layers.0.fc1.weight": gradients[
            "backbone.audio_memory.blocks.0.expand.weight"
        ],
        "grad.out_layer.weight": gradients[f"heads.{target}.weight"],
    }
    expected = {k[len("output.") :]: v for k, v in golden.items() if k.startswith("output.")}
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        torch.testing.assert_close(found[key], values, rtol=0, atol=1e-6, msg=key)


@pytest.mark.parametrize("future_mask", [False, True])
@pytest.mark.parametrize("kernel", [1, 3])
def test_padding_and_batch_order_change_nothing(
    kernel: int,
    future_mask: bool,
    mult: Callable[..., MulTModel],
    cmt_inputs: Callable[[], Inputs],
) -> None:
    model = mult(future_mask=future_mask, audio_kernel=kernel, text_kernel=kernel)
    given = cmt_inputs()
    together = model(**given)
    swapped = model(**{k: v.flip(0) for k, v in given.items()}).pooled
    torch.testing.assert_close(swapped.flip(0), together.pooled, atol=1e-5, rtol=1e-4)
    short = {"audio": 5000, "audio_mask": 5000, "text": 4, "text_mask": 4}
    alone = model(**{k: v[1:, : short[k]] for k, v in given.items()})
    torch.testing.assert_close(alone.pooled, together.pooled[1:], atol=1e-5, rtol=1e-4)
    for name in ("audio", "text"):
        ours, theirs = getattr(alone, name), getattr(together, name)
        torch.testing.assert_close(
            ours.values[ours.mask], theirs.values[1][theirs.mask[1]], atol=1e-5, rtol=1e-4
        )


def features(*lengths: int, width: int = 5) -> tuple[Tensor, Tensor]:
    """Rows of features, padded behind with noise that must not be heard."""
    torch.manual_seed(3)
    values = torch.randn(len(lengths), max(lengths), width)
    return values, torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]


def given_features(audio: tuple[int, ...], text: tuple[int, ...]) -> Inputs:
    (heard, heard_mask), (read, read_mask) = features(*audio), features(*text)
    return {"audio": heard, "audio_mask": heard_mask, "text": read, "text_mask": read_mask}


FEATURES = {"audio_features": 5, "text_features": 5}


def test_an_item_shorter_than_the_kernel_keeps_one_place() -> None:
    model = make_mult(FEATURES, audio_kernel=5, text_kernel=3)
    given = given_features((9, 2, 1), (4, 1, 4))
    output = model(**given)
    assert output.audio.lengths.tolist() == [5, 1, 1]
    assert output.text.lengths.tolist() == [2, 1, 2]
    for row, (audio, text) in enumerate(((9, 4), (2, 1), (1, 4))):
        sizes = {"audio": audio, "audio_mask": audio, "text": text, "text_mask": text}
        alone = model(**{k: v[row : row + 1, : sizes[k]] for k, v in given.items()}).pooled
        torch.testing.assert_close(alone[0], output.pooled[row], atol=1e-5, rtol=1e-4)


def test_padding_leaks_only_in_the_codes_convention() -> None:
    """Two frames of padding more, for an item that has two places fewer than its neighbour."""
    given = given_features((7, 5), (4, 4))
    alone = {**given, "audio": given["audio"][:, :5], "audio_mask": given["audio_mask"][:, :5]}
    for padding, leaks in (("masked", False), ("code", True)):
        model = make_mult(FEATURES, padding=padding)
        change = (model(**given).pooled[1] - model(**alone).pooled[1]).abs().max()
        assert bool(change > 1e-3) is leaks


def test_a_place_whose_first_channel_is_zero_has_no_position_in_the_code() -> None:
    """Without a projection the first channel is the input's own."""
    given = given_features((6,), (4,))
    given["audio"][0, 2, 0] = 0.0
    model = make_mult(FEATURES, width=5, num_heads=1, skip_equal_projection=True, padding="code")
    assert model.audio_projection is None
    states = model._project(model.encode_audio(given["audio"], given["audio_mask"]), None)
    assert model._positions(states).tolist() == [[1, 2, 0, 4, 5, 6]]
    paper = make_mult(FEATURES, width=5, num_heads=1)
    assert paper.audio_projection is not None
    assert paper._positions(states).tolist() == [[1, 2, 3, 4, 5, 6]]


@pytest.mark.parametrize("padding", ["masked", "code"])
def test_a_missing_modality_is_legal(
    padding: str, mult: Callable[..., MulTModel], cmt_inputs: Callable[[], Inputs]
) -> None:
    model = mult(padding=padding, audio_kernel=3, text_kernel=3)
    given = cmt_inputs()
    no_text = model(audio=given["audio"], audio_mask=given["audio_mask"])
    assert no_text.pooled.isfinite().all()
    no_audio = model(text=given["text"], text_mask=given["text_mask"])
    assert no_audio.pooled.isfinite().all()
    some = {**given, "text_mask": given["text_mask"] & torch.tensor([[True], [False]])}
    assert model(**some).pooled.isfinite().all()
    if padding == "masked":
        assert (no_text.views["text_last"] == 0).all()
        torch.testing.assert_close(model(**some).pooled[1], no_text.pooled[1])
    with pytest.raises(ValueError, match="MulT needs audio or text"):
        model()


def test_attentions_and_views(
    mult: Callable[..., MulTModel], cmt_inputs: Callable[[], Inputs]
) -> None:
    output = mult(num_layers=4, audio_kernel=3)(**cmt_inputs(), output_attentions=True)
    assert output.views.keys() == {"audio_last", "text_last"}
    frames = output.audio.values.shape[1]
    assert [w.shape for w in output.attentions["audio"]] == [(2, 2, frames, 7)] * 4
    assert [w.shape for w in output.attentions["text"]] == [(2, 2, 7, frames)] * 4
    assert (output.attentions["audio"][0][1, :, :, 4:] == 0).all()
    assert (output.attentions["text"][0][1, :, :, output.audio.lengths[1] :] == 0).all()


def test_sizes_and_dropouts_follow_what_is_attended_to() -> None:
    model = make_mult(FEATURES, num_layers=5, attention_dropout=0.3, audio_attention_dropout=0.4)
    found = {
        name: (len(encoder.blocks), encoder.blocks[0].attention.dropout)
        for name, encoder in model.named_children()
        if hasattr(encoder, "blocks")
    }
    assert found == {
        "text_with_audio": (5, 0.4),
        "audio_with_text": (5, 0.3),
        "text_memory": (5, 0.3),
        "audio_memory": (5, 0.3),
    }
    assert len(make_mult(FEATURES, num_layers=1).text_memory.blocks) == 3


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_build(preset: str) -> None:
    model = MulTModel(MulTConfig(**FEATURES, **PRESETS[preset]))
    published = preset != "mult-code"
    assert (model.config.width, model.config.num_layers) == ((40, 4) if published else (30, 5))
    assert (model.config.padding == "masked") is published


def test_folders_give_equal_states_and_logits(
    tmp_path: Path, mult: Callable[..., MulTModel], cmt_inputs: Callable[[], Inputs]
) -> None:
    model, given = mult(audio_kernel=3), cmt_inputs()
    model.save_pretrained(tmp_path / "family")
    again = AutoModel.from_pretrained(tmp_path / "family").eval()
    assert torch.equal(again(**given).audio.values, model(**given).audio.values)
    task = build_task(model, {"emotion": HeadSpec(kind="one_vs_rest", labels=("a", "b"))}).eval()
    task.save_pretrained(tmp_path / "task")
    logits = load_task(tmp_path / "task")(**given).logits["emotion"]
    assert torch.equal(logits, task(**given).logits["emotion"])
    assert logits.shape == (2, 4)


def test_what_cannot_be_is_refused(tiny_configs: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="MulT needs audio and text: audio_config or audio_feat"):
        MulTModel(MulTConfig(audio_features=3))
    for fields, said in (
        ({"padding": "left"}, "padding is 'left', expected one of masked, code"),
        ({"as_published": "talk"}, "as_published is 'talk', expected one of paper, code"),
        ({"text_kernel": 0}, "expect at least 1, found 3 and 0"),
    ):
        with pytest.raises(Exception, match=said):
            MulTConfig(**tiny_configs, **fields)


def test_words_are_dropped_before_their_convolution() -> None:
    """The text alone, as in the code."""
    torch.manual_seed(0)
    model = MulTModel(MulTConfig(audio_features=6, text_features=6, width=8, embed_dropout=0.5))
    seen: dict[str, Tensor] = {}
    for name in ("text", "audio"):
        projection = getattr(model, f"{name}_projection")
        projection.register_forward_pre_hook(
            lambda _module, given, name=name: seen.update({name: given[0]})
        )
    whole = torch.ones(2, 9, dtype=torch.bool)
    features = torch.rand(2, 9, 6) + 1
    model.train()(audio=features, audio_mask=whole, text=features, text_mask=whole)
    assert 0.3 < float((seen["text"] == 0).float().mean()) < 0.7
    assert (seen["audio"] != 0).all()
