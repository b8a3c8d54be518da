"""Losses against recorded tensors and by hand."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from crosstone.data.batch import IGNORED, Batch
from crosstone.errors import ConfigError
from crosstone.metrics import score_regression
from crosstone.models import BaselineConfig, BaselineModel, CMTModel, CrossModalOutput, TaskOutput
from crosstone.nn.heads import CodewordHead
from crosstone.objectives import Orthogonality, Part, Supervised
from crosstone.sequence import Sequence

GOLDEN = Path(__file__).parent.parent / "golden" / "hubert_loss"
METRICS = Path(__file__).parent.parent / "golden" / "metrics"


@pytest.mark.parametrize("case,temperature", [("masked_only", 0.1), ("temp_1", 1.0)])
def test_codeword_head_equals_the_recorded_hubert_loss(case: str, temperature: float) -> None:
    golden = load_file(GOLDEN / "hubert_loss.safetensors")
    recorded = json.loads((GOLDEN / "description.json").read_text())["cases"][case]
    head = CodewordHead(20, 16, projection=12, temperature=temperature)
    head.project.weight.data = golden["final_proj.weight"]
    head.project.bias.data = golden["final_proj.bias"]
    head.codewords.data = golden["label_embs_concat"]
    real = golden["mask"].bool() & ~golden["padding_mask"].bool()
    logits = head(golden["x"][real])
    loss = F.cross_entropy(logits, golden["target"][real].long(), reduction="sum")
    assert len(logits) == recorded["sample_size"]
    assert loss.item() == pytest.approx(recorded["loss_sum"], rel=1e-5)
    if temperature == 0.1:
        expected = golden["logits_cway"][real]
        torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-5)


def output(pooled: torch.Tensor, logits: torch.Tensor, **views: torch.Tensor) -> TaskOutput:
    backbone = CrossModalOutput(audio=None, text=None, pooled=pooled, views=views)
    return TaskOutput(backbone, {"emotion": logits})


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_one_vs_rest_is_the_recorded_loss_of_jbls(smoothing: float) -> None:
    """Summed over its four heads, the mean over utterances; an unlabelled one does not count."""
    golden = load_file(METRICS / "jbls_heads.safetensors")
    recorded = json.loads((METRICS / "jbls.json").read_text())["heads"]
    logits = torch.cat([golden["logits"], torch.ones(1, 8)])
    targets = torch.cat([golden["target"], torch.tensor([IGNORED])])
    part = Supervised(head="emotion", criterion="one_vs_rest", smoothing=smoothing)
    batch = batch_of(targets, [True] * 41, [True] * 41)
    found = part(output(logits, logits), batch).parts["emotion"]
    assert found.count == part.counts(batch)["emotion"] == recorded["returned_sample_size"] == 40
    if not smoothing:
        assert found.sum.item() == pytest.approx(recorded["loss_sum"], rel=1e-5)
        assert found.sum.item() / found.count == pytest.approx(
            recorded["loss_per_sample"], rel=1e-5
        )
    by_hand = 0.0
    for row, target in zip(golden["logits"].double().view(40, 4, 2), golden["target"], strict=True):
        for head, (no, yes) in enumerate(row.log_softmax(-1).tolist()):
            right, wrong = (yes, no) if head == target else (no, yes)
            by_hand -= (1 - smoothing / 2) * right + smoothing / 2 * wrong
    assert found.sum.item() == pytest.approx(by_hand, rel=1e-5)


def batch_of(targets: torch.Tensor, audio: list[bool], text: list[bool]) -> Batch:
    def sequence(there: list[bool]) -> Sequence:
        return Sequence(torch.zeros(len(there), 2), torch.tensor([[t, t] for t in there]))

    ids = tuple(f"u{i}" for i in range(len(targets)))
    return Batch(ids, sequence(audio), sequence(text), {"emotion": targets})


def test_cross_entropy_by_hand_skips_the_unlabelled() -> None:
    logits = torch.tensor([[0.0, math.log(3.0)], [5.0, 0.0], [0.0, 0.0]])
    targets = torch.tensor([1, IGNORED, 0])
    part = Supervised(head="emotion", criterion="cross_entropy")
    batch = batch_of(targets, [True] * 3, [True] * 3)
    found = part(output(logits, logits), batch).parts["emotion"]
    assert found.sum.item() == pytest.approx(math.log(4 / 3) + math.log(2))
    assert found.count == part.counts(batch)["emotion"] == 2


@pytest.mark.parametrize("criterion,expected", [("mse", 1.0 + 4.0), ("l1", 1.0 + 2.0)])
def test_regression_by_hand(criterion: Any, expected: float) -> None:
    values = torch.tensor([1.0, 9.0, -1.0])
    targets = torch.tensor([2.0, float("nan"), 1.0])
    part = Supervised(head="emotion", criterion=criterion)
    found = part(output(values, values), batch_of(targets, [True] * 3, [True] * 3)).parts
    assert found["emotion"].sum.item() == pytest.approx(expected)
    assert found["emotion"].count == 2


@pytest.mark.parametrize("view", ["mean", "first"])
def test_orthogonality_by_hand(view: Any) -> None:
    """Eq. 7: |cos|; an item without one of the modalities does not count."""
    audio = torch.tensor([[3.0, 4.0], [1.0, 0.0], [1.0, 1.0]])
    text = torch.tensor([[-4.0, 3.0], [-2.0, 0.0], [1.0, 1.0]])
    made = output(audio, audio, **{"audio_mean": audio, f"text_{view}": text})
    term = Orthogonality(alpha=10.0, text=view)
    batch = batch_of(torch.zeros(3), [True] * 3, [True, True, False])
    part = term(made, batch).parts["orthogonality"]
    assert part.sum.item() == pytest.approx(0.0 + 1.0)
    assert (part.count, part.weight) == (2.0, 10.0)
    assert term.counts(batch) == {"orthogonality": 2.0}


def test_orthogonality_needs_equal_widths_and_two_modalities(
    make_cmt: Callable[..., CMTModel], tiny_configs: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match="equal width, found audio 32 and text 24"):
        Orthogonality().check(make_cmt(width=24))
    hears = BaselineModel(BaselineConfig(audio_config=tiny_configs["audio_config"]))
    with pytest.raises(ConfigError, match="needs audio and text, this model has only audio"):
        Orthogonality().check(hears)
    Orthogonality().check(make_cmt())


def soft_batch(shares: list[list[float]]) -> Batch:
    return batch_of(torch.tensor(shares), [True] * len(shares), [True] * len(shares))


def test_votes_by_hand() -> None:
    """log p is -log 4 and log ¾; the third utterance has no target."""
    logits = torch.tensor([[0.0, math.log(3.0)]] * 3)
    batch = soft_batch([[0.5, 0.5], [0.0, 1.0], [math.nan, math.nan]])
    entropy = {"soft_cross_entropy": 0.0, "kl": math.log(2)}
    for criterion, own in entropy.items():
        part = Supervised(head="emotion", criterion=criterion)
        found = part(output(logits, logits), batch).parts["emotion"]
        expected = 0.5 * math.log(4) + 0.5 * math.log(4 / 3) + math.log(4 / 3) - own
        assert found.sum.item() == pytest.approx(expected)
        assert found.count == part.counts(batch)["emotion"] == 2


@pytest.mark.parametrize("smoothing", [0.0, 0.3])
def test_votes_of_one_mind_are_a_hard_label(smoothing: float) -> None:
    logits = torch.randn(4, 3, generator=torch.manual_seed(0))
    targets = torch.tensor([2, IGNORED, 0, 1])
    shares = [[0.0, 0.0, 1.0], [math.nan] * 3, [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
    hard = Supervised(head="emotion", criterion="cross_entropy", smoothing=smoothing)
    soft = Supervised(head="emotion", criterion="soft_cross_entropy", smoothing=smoothing)
    made = output(logits, logits)
    expected = hard(made, batch_of(targets, [True] * 4, [True] * 4)).parts["emotion"]
    found = soft(made, soft_batch(shares)).parts["emotion"]
    torch.testing.assert_close(found.sum, expected.sum)
    assert found.count == expected.count


def test_kl_has_the_gradient_of_cross_entropy_and_is_0_at_the_votes() -> None:
    shares = torch.tensor([[0.2, 0.8], [0.0, 1.0]])
    gradients = []
    for criterion in ("soft_cross_entropy", "kl"):
        logits = torch.tensor([[0.3, -0.2], [1.0, 2.0]], requires_grad=True)
        part = Supervised(head="emotion", criterion=criterion, smoothing=0.1)
        part(output(logits, logits), soft_batch(shares.tolist())).parts["emotion"].sum.backward()
        gradients.append(logits.grad)
    torch.testing.assert_close(*gradients)
    perfect = shares[:1].log()
    part = Supervised(head="emotion", criterion="kl")
    found = part(output(perfect, perfect), soft_batch(shares[:1].tolist())).parts["emotion"].sum
    assert found.item() == pytest.approx(0.0, abs=1e-7)


def ccc_part(values: list[float], targets: list[float]) -> tuple[float, float, torch.Tensor]:
    """The loss of a batch, what it counts, and its gradient."""
    made = torch.tensor(values, requires_grad=True)
    part = Supervised(head="emotion", criterion="ccc")
    batch = batch_of(torch.tensor(targets), [True] * len(values), [True] * len(values))
    found = part(output(made[:, None], made), batch).parts["emotion"]
    assert found.count == part.counts(batch)["emotion"]
    found.sum.backward()
    assert made.grad is not None
    return found.sum.item(), found.count, made.grad


def test_ccc_is_that_of_the_metrics() -> None:
    values, targets = [0.5, 2.0, 9.0, -1.0, 1.5], [1.0, 3.0, math.nan, -2.0, 0.0]
    loss, count, gradient = ccc_part(values, targets)
    rows = [0, 1, 3, 4]
    scores = score_regression([targets[i] for i in rows], [values[i] for i in rows])
    assert loss == pytest.approx(1 - scores["ccc"], abs=1e-6)
    assert count == 1
    assert gradient[2] == 0
    assert gradient.abs().sum() > 0


@pytest.mark.parametrize(
    "values,targets,expected",
    [
        ([1.0, 2.0], [3.0, 3.0], (1.0, 1.0)),  # a constant target
        ([3.0, 3.0], [3.0, 3.0], (1.0, 1.0)),
        ([1.0, 2.0], [5.0, math.nan], (0.0, 0.0)),
        ([1.0, 2.0], [math.nan, math.nan], (0.0, 0.0)),
    ],
)
def test_ccc_of_what_has_no_spread_teaches_nothing(
    values: list[float], targets: list[float], expected: tuple[float, float]
) -> None:
    loss, count, gradient = ccc_part(values, targets)
    assert (loss, count) == pytest.approx(expected)
    assert not gradient.any()


@pytest.mark.parametrize("criterion", ["soft_cross_entropy", "kl"])
def test_votes_cut_into_pieces_weigh_the_same(criterion: Any) -> None:
    torch.manual_seed(0)
    logits, shares = torch.randn(5, 3), torch.rand(5, 3).softmax(-1)
    shares[3] = math.nan
    part = Supervised(head="emotion", criterion=criterion, smoothing=0.1)

    def of(rows: slice) -> Part:
        made = output(logits[rows], logits[rows])
        return part(made, soft_batch(shares[rows].tolist())).parts["emotion"]

    whole, pieces = of(slice(0, 5)), [of(slice(0, 2)), of(slice(2, 5))]
    torch.testing.assert_close(whole.sum, pieces[0].sum + pieces[1].sum)
    assert whole.count == pieces[0].count + pieces[1].count == 4
