"""CMA: its attention, its sizes, its variants, and padding that changes nothing."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from transformers import (
    AutoModel,
    BertConfig,
    BertForMaskedLM,
    BertModel,
    BertTokenizer,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForPreTraining,
)

from crosstone.data.text import load_tokenizer, tokenise
from crosstone.errors import CrosstoneError
from crosstone.models import CMAConfig, CMAModel, HeadSpec
from crosstone.models.checkpoint import load_task
from crosstone.models.cma import PRESETS, CrossModalAttention
from crosstone.models.task import build_task
from crosstone.models.towers import audio_tower, from_encoders, max_tokens, text_tower
from crosstone.nn.masking import LEARNED, Corruption
from crosstone.nn.pooling import statistics_pool
from crosstone.sequence import Sequence

Inputs = dict[str, torch.Tensor]
MakeCMA = Callable[..., CMAModel]


@pytest.fixture
def make_cma(tiny_configs: dict[str, Any]) -> MakeCMA:
    """A tiny CMA in eval mode; `without` leaves out one of its towers."""

    def make(without: str = "", **fields: Any) -> CMAModel:
        torch.manual_seed(0)
        towers = {k: v for k, v in tiny_configs.items() if k != f"{without}_config"}
        own = {"width": 16, "num_heads": 4, "initializer_range": 0.3, **fields}
        return CMAModel(CMAConfig(**towers, **own)).eval()

    return make


def in_two(states: Sequence, ours: CrossModalAttention, memory: Sequence) -> torch.Tensor:
    """Eq. 4 and 5 by torch's own attention with copied weights."""
    width, block = ours.attention.query.in_features, ours.attention
    theirs = nn.MultiheadAttention(width, block.num_heads, batch_first=True).to(states.values.dtype)
    parts = (block.query, block.key, block.value)
    theirs.in_proj_weight.data = torch.cat([p.weight for p in parts])
    theirs.in_proj_bias.data = torch.cat([p.bias for p in parts])
    theirs.out_proj.load_state_dict(block.output.state_dict())
    normed = ours.memory_norm(memory.values)
    found: torch.Tensor = theirs(
        ours.query_norm(states.values), normed, normed, key_padding_mask=~memory.mask
    )[0]
    return found


@pytest.mark.parametrize("residual", [False, True])
def test_attention_equals_torchs_with_its_gradients(residual: bool) -> None:
    torch.manual_seed(0)
    ours = CrossModalAttention(16, 8, residual=residual).double()
    for norm in (ours.query_norm, ours.memory_norm):
        nn.init.normal_(norm.weight)
    mask = torch.arange(7) < torch.tensor([[7], [4]])
    memory_mask = torch.arange(5) < torch.tensor([[3], [5]])
    grads, outputs = [], []
    for ask in (lambda s, m: ours(s, m)[0].values, lambda s, m: in_two(s, ours, m)):
        torch.manual_seed(1)
        given = torch.randn(2, 7, 16, dtype=torch.float64, requires_grad=True)
        memory = torch.randn(2, 5, 16, dtype=torch.float64, requires_grad=True)
        output = ask(Sequence(given, mask), Sequence(memory, memory_mask))
        if residual and outputs:
            output = given + output
            assert ours.feed_forward is not None
            output = output + ours.feed_forward(output)
        outputs.append(output)
        output.square().sum().backward()
        grads.append((given.grad, memory.grad))
    torch.testing.assert_close(outputs[0], outputs[1], atol=1e-12, rtol=1e-10)
    for found, expected in zip(*grads, strict=True):
        torch.testing.assert_close(found, expected, atol=1e-12, rtol=1e-10)


def test_the_paper_from_end_to_end(make_cma: MakeCMA, cmt_inputs: Callable[[], Inputs]) -> None:
    """Figure 1 with torch's own layers, on one item that nothing pads."""
    model = make_cma()
    for block in model.convolutions:
        nn.init.normal_(block.norm.norm.running_mean)
        nn.init.uniform_(block.norm.norm.running_var, 0.5, 2.0)
    given = {k: v[:1] for k, v in cmt_inputs().items()}
    output = model(**given)
    audio = model.encode_audio(given["audio"], given["audio_mask"])
    text = model.encode_text(given["text"], given["text_mask"])
    assert audio is not None
    assert text is not None
    states = audio.values.transpose(1, 2)
    for block in model.convolutions:
        states = block.norm.norm(block.convolution(states)).relu()
    heard = model.recurrence.lstm(states.transpose(1, 2))[0]
    assert heard.shape[1] == -(-audio.values.shape[1] // 4)
    weight = model.projection.weight[..., None]
    read = nn.functional.conv1d(text.values.transpose(1, 2), weight, model.projection.bias)
    heard, read = (
        Sequence(v, torch.ones(v.shape[:2], dtype=torch.bool))
        for v in (heard, read.transpose(1, 2))
    )
    expected = [
        in_two(heard, model.audio_attention, read),
        in_two(read, model.text_attention, heard),
    ]
    pooled = torch.cat(
        [s for states in expected for s in (states.mean(1), states.std(1, correction=0))], -1
    )
    torch.testing.assert_close(output.pooled, pooled, atol=1e-5, rtol=1e-4)
    assert output.pooled.shape == (1, model.pooled_width) == (1, 64)
    assert (model.audio_width, model.text_width, model.feature_width) == (16, 16, 32)
    assert output.features is not None
    assert output.features.values.shape[-1] == 32


@pytest.mark.parametrize("residual", [False, True])
def test_padding_and_batch_order_change_nothing(
    residual: bool, make_cma: MakeCMA, cmt_inputs: Callable[[], Inputs]
) -> None:
    model = make_cma(residual=residual)
    given = cmt_inputs()
    together = model(**given).pooled
    swapped = model(**{k: v.flip(0) for k, v in given.items()}).pooled
    torch.testing.assert_close(swapped.flip(0), together, atol=1e-5, rtol=1e-4)
    alone = model(
        audio=given["audio"][1:, :5000],
        audio_mask=given["audio_mask"][1:, :5000],
        text=given["text"][1:, :4],
        text_mask=given["text_mask"][1:, :4],
    ).pooled
    torch.testing.assert_close(alone, together[1:], atol=1e-5, rtol=1e-4)


def test_in_training_padding_still_changes_nothing(
    make_cma: MakeCMA, cmt_inputs: Callable[[], Inputs]
) -> None:
    """Batch statistics are of the batch, but not of how far it is padded."""
    given = cmt_inputs()
    longer = {
        name: nn.functional.pad(value, (0, 2000 if name.startswith("audio") else 3))
        for name, value in given.items()
    }
    found = []
    for inputs in (given, longer):
        model = make_cma(recurrent_dropout=0.0).train()
        pooled = model(**inputs).pooled
        pooled.square().sum().backward()
        found.append((pooled, model))
    torch.testing.assert_close(found[0][0], found[1][0], atol=1e-5, rtol=1e-4)
    for (name, one), other in zip(
        found[0][1].named_parameters(), found[1][1].parameters(), strict=True
    ):
        if one.grad is not None and one.grad.abs().max() > 1e-4:
            torch.testing.assert_close(one.grad, other.grad, atol=1e-3, rtol=1e-2, msg=name)
    for one, other in zip(found[0][1].buffers(), found[1][1].buffers(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_an_absent_modality_is_zeros_and_never_nan(
    make_cma: MakeCMA, cmt_inputs: Callable[[], Inputs]
) -> None:
    model, given = make_cma(residual=True).train(), cmt_inputs()
    no_text = {**given, "text_mask": given["text_mask"].clone()}
    no_text["text_mask"][1] = False
    silent = {**no_text, "audio_mask": given["audio_mask"].clone()}
    silent["audio_mask"][0] = False
    output = model(**silent)
    assert (output.views["text_statistics"][1] == 0).all()
    assert (output.views["audio_statistics"][0] == 0).all()
    assert (output.views["audio_statistics"][1] != 0).any()
    output.pooled.square().sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())
    model.eval()
    whole = model(**given).pooled
    torch.testing.assert_close(model(**no_text).pooled[0], whole[0], atol=1e-5, rtol=1e-4)
    heard = model(audio=given["audio"], audio_mask=given["audio_mask"])
    torch.testing.assert_close(heard.pooled[1], model(**no_text).pooled[1], atol=1e-5, rtol=1e-4)
    read = model(text=given["text"], text_mask=given["text_mask"])
    assert (read.pooled[:, :32] == 0).all()
    assert read.pooled.isfinite().all()
    with pytest.raises(ValueError, match="CMA needs audio or text"):
        model()


def test_without_a_residual_one_modality_alone_tells_nothing(
    make_cma: MakeCMA, cmt_inputs: Callable[[], Inputs]
) -> None:
    """Eq. 5 to the letter: what gathered nothing is W₀'s bias, of deviation 0."""
    model, given = make_cma(), cmt_inputs()
    nn.init.normal_(model.audio_attention.attention.output.bias)
    views = model(audio=given["audio"], audio_mask=given["audio_mask"]).views
    bias = model.audio_attention.attention.output.bias
    expected = torch.cat([bias, torch.zeros_like(bias)]).expand(2, -1)
    torch.testing.assert_close(views["audio_statistics"], expected, atol=1e-4, rtol=1e-5)
    assert (views["text_statistics"] == 0).all()


def test_audio_alone_and_text_alone(make_cma: MakeCMA, cmt_inputs: Callable[[], Inputs]) -> None:
    given = cmt_inputs()
    heard = make_cma("text")
    output = heard(**given)
    states = heard.encode_audio(given["audio"], given["audio_mask"])
    expected = heard.recurrence(heard.convolutions(states))
    torch.testing.assert_close(output.pooled, statistics_pool(expected))
    assert (heard.pooled_width, heard.modalities) == (32, ("audio",))
    assert not hasattr(heard, "audio_attention")
    first, statistics = make_cma("audio"), make_cma("audio", text_pooling="statistics")
    states = first.encode_text(given["text"], given["text_mask"])
    assert states is not None
    torch.testing.assert_close(first(**given).pooled, states.values[:, 0])
    assert (first.pooled_width, statistics.pooled_width, first.text_width) == (32, 32, 32)
    assert statistics.text_width == 16
    assert statistics.projection is not None
    projected = states.with_values(statistics.projection(states.values))
    torch.testing.assert_close(statistics(**given).pooled, statistics_pool(projected))


def test_features_made_elsewhere_need_no_towers() -> None:
    torch.manual_seed(0)
    config = CMAConfig(audio_features=6, text_features=5, width=16, num_heads=4)
    model = CMAModel(config).eval()
    mask = torch.ones(2, 9, dtype=torch.bool)
    output = model(torch.randn(2, 9, 6), mask, torch.randn(2, 4, 5), mask[:, :4])
    assert output.pooled.shape == (2, 64)
    assert output.audio.values.shape == (2, 3, 16)


@pytest.mark.parametrize("without", ["", "audio", "text"])
def test_folders_give_equal_states_and_logits(
    without: str, make_cma: MakeCMA, cmt_inputs: Callable[[], Inputs], tmp_path: Path
) -> None:
    model, given = make_cma(without), cmt_inputs()
    model.save_pretrained(tmp_path / "family")
    again = AutoModel.from_pretrained(tmp_path / "family").eval()
    assert torch.equal(again(**given).pooled, model(**given).pooled)
    task = build_task(model, {"emotion": HeadSpec(kind="classification", labels=("a", "b"))}).eval()
    task.save_pretrained(tmp_path / "task")
    loaded = load_task(tmp_path / "task")
    assert torch.equal(loaded(**given).logits["emotion"], task(**given).logits["emotion"])


def test_attentions_on_request_are_distributions_over_real_places(
    make_cma: MakeCMA, cmt_inputs: Callable[[], Inputs]
) -> None:
    model, given = make_cma(), cmt_inputs()
    output = model(**given, output_attentions=True)
    torch.testing.assert_close(output.pooled, model(**given).pooled, atol=1e-5, rtol=1e-4)
    (weights,) = output.attentions["audio"]
    assert weights.shape == (2, 4, output.audio.values.shape[1], 7)
    torch.testing.assert_close(weights.sum(-1), torch.ones(weights.shape[:-1]))
    assert (weights[1, :, :, 4:] == 0).all()
    assert output.attentions["text"][0].shape[2:] == (7, output.audio.values.shape[1])


def test_presets_train_and_freeze_what_table_1_says(make_cma: MakeCMA) -> None:
    tuned, frozen = (make_cma(**PRESETS[name]) for name in ("cma-tuned", "cma-frozen"))
    of_encoders = ("audio_encoder.", "text_encoder.")
    trained = {n for n, p in frozen.named_parameters() if p.requires_grad}
    assert not any(name.startswith(of_encoders) for name in trained)
    assert any(name.startswith("convolutions.") for name in trained)
    for name, parameter in tuned.named_parameters():
        assert parameter.requires_grad is not name.startswith("audio_encoder.model.convolutions.")


@pytest.mark.parametrize("residual,above", [(False, 2_104_576), (True, 2_368_768)])
def test_parameters_with_the_papers_encoders(residual: bool, above: int) -> None:
    """The paper prints no size. By hand, without residual: convolutions 3·256·(1024 + 256), two
    norms of 512, BLSTM 2·4·128·(256 + 128 + 2), projection 256·769, and twice 4·256·257 + 1024."""
    audio = Wav2Vec2Config(
        hidden_size=1024,
        num_hidden_layers=24,
        num_attention_heads=16,
        intermediate_size=4096,
        feat_extract_norm="layer",
        conv_bias=True,
        do_stable_layer_norm=True,
    )
    with torch.device("meta"):
        model = CMAModel(CMAConfig(audio_config=audio, text_config=BertConfig(), residual=residual))
    counts = {"audio": 0, "text": 0, "above": 0}
    for name, parameter in model.named_parameters():
        part = name.split("_encoder.")[0] if "_encoder." in name else "above"
        counts[part] += parameter.numel()
    assert counts == {"audio": 315_438_720, "text": 108_891_648, "above": above}


def test_what_cannot_be_is_refused(
    tiny_configs: dict[str, Any], make_cma: MakeCMA, cmt_inputs: Callable[[], Inputs]
) -> None:
    for fields, said in (
        ({"text_pooling": "last"}, "text_pooling is 'last', expected one of first, statistics"),
        ({"width": 30}, "width is 30, expected a multiple of 2, .* and of num_heads, 8"),
    ):
        with pytest.raises(Exception, match=said):
            CMAConfig(**tiny_configs, **fields)
    with pytest.raises(ValueError, match="CMA needs speech, text or both"):
        CMAModel(CMAConfig())
    given = cmt_inputs()
    positions = torch.ones(2, 7, dtype=torch.bool)
    with pytest.raises(CrosstoneError, match="expected nothing masked"):
        make_cma()(**given, text_corruption=Corruption(positions, torch.full((2, 7), LEARNED)))


def test_its_encoders_enter_by_their_folders(
    tmp_path: Path, cmt_inputs: Callable[[], Inputs]
) -> None:
    """wav2vec 2.0 of the large style and BERT with its WordPiece tokenizer, as released."""
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    style = {"feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True}
    positions = {"num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 2}
    speech = Wav2Vec2Config(**sizes, **style, **positions, intermediate_size=48, conv_dim=(16,) * 7)
    Wav2Vec2ForPreTraining(speech).save_pretrained(tmp_path / "wav2vec2")
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(tmp_path / "wav2vec2")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "so", "what", "##ever"]
    bert = BertConfig(
        **sizes, intermediate_size=48, vocab_size=len(words), max_position_embeddings=40
    )
    BertForMaskedLM(bert).save_pretrained(tmp_path / "bert")
    BertTokenizer({word: i for i, word in enumerate(words)}).save_pretrained(tmp_path / "bert")

    audio, text = audio_tower(tmp_path / "wav2vec2"), text_tower(tmp_path / "bert")
    assert (audio.normalize, audio.sampling_rate, max_tokens(text.config)) == (True, 16_000, 40)
    (ids,) = tokenise(load_tokenizer(tmp_path / "bert"), [("a", "so whatever")], 40)
    assert ids.tolist() == [2, 5, 6, 7, 3]
    model = from_encoders(CMAModel, audio=audio, text=text, width=16, **PRESETS["cma-tuned"]).eval()
    released = BertModel.from_pretrained(tmp_path / "bert", add_pooling_layer=False).state_dict()
    for name, tensor in model.text_encoder.model.state_dict().items():
        assert torch.equal(tensor, released[name])
    given = cmt_inputs()
    given["text"] = torch.from_numpy(ids).expand(2, -1)
    given["text_mask"] = torch.arange(5) < torch.tensor([[5], [3]])
    together = model(**given).pooled
    alone = model(
        audio=given["audio"][1:, :5000],
        audio_mask=given["audio_mask"][1:, :5000],
        text=given["text"][1:, :3],
        text_mask=given["text_mask"][1:, :3],
    ).pooled
    torch.testing.assert_close(alone, together[1:], atol=1e-5, rtol=1e-4)
    for name, parameter in model.audio_encoder.model.named_parameters():
        assert parameter.requires_grad is not name.startswith("feature_extractor.")
