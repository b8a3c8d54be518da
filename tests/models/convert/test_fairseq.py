"""fairseq's files: RoBERTa old and new, vq-wav2vec in both kinds, HuBERT's head."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import RobertaForMaskedLM, RobertaModel

from crosstone.errors import CheckpointError, ConfigError
from crosstone.models.convert import Imported, convert
from crosstone.nn.heads import CodewordHead
from crosstone.nn.quantizer import VQWav2VecModel
from crosstone.nn.speechbert import SpeechBertModel

GOLDEN = Path(__file__).parents[2] / "golden"
ROBERTA = GOLDEN / "fairseq_roberta" / "state.safetensors"
KMEANS = GOLDEN / "vqwav2vec" / "kmeans_combine.state.safetensors"
GUMBEL = GOLDEN / "vqwav2vec" / "gumbel_combine_depth2.state.safetensors"
HUBERT = GOLDEN / "hubert_loss" / "hubert_loss.safetensors"
RELEASED = argparse.Namespace(
    conv_feature_layers="[(32, 10, 5), (32, 8, 4), (32, 4, 2), (32, 4, 2), (32, 4, 2), (32, 1, 1), "
    "(32, 1, 1), (32, 1, 1)]",
    activation="gelu",
    log_compression=False,
    skip_connections_feat=False,
    vq_groups=2,
)
"""What a released vq-wav2vec says it was trained with."""


def saved(path: Path, state: dict[str, Tensor], args: Any = None) -> Path:
    """The layout of fairseq's files."""
    extra = {"train_iterator": {"epoch": 3}}
    torch.save({"args": args, "model": state, "optimizer_history": [], "extra_state": extra}, path)
    return path


def imported(source: str, path: Path, *overrides: str, **beside: Any) -> Imported:
    return convert(source, path, overrides, **beside)[0]


@torch.no_grad()
def roberta_differs(model: Any) -> float:
    """The largest distance of its states from the recorded ones."""
    recorded = load_file(ROBERTA.with_name("out.safetensors"))
    tokens = recorded["tokens"]
    encoder = getattr(model, "roberta", model).eval()
    states = encoder(input_ids=tokens, attention_mask=(tokens != 1).long()).last_hidden_state
    return float((states - recorded["features"])[tokens != 1].abs().max())


def test_roberta_against_recorded_states() -> None:
    found = imported("bert-kmeans", ROBERTA, "num_heads=4")
    assert isinstance(found.result, RobertaModel)
    assert found.result.config.max_position_embeddings == 66
    assert roberta_differs(found.result) < 1e-5
    assert (found.mapped, found.ignored, found.tokenizer) == (36, {}, None)


def with_head(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """A RoBERTa with the head it was trained by."""
    words = state[f"{prefix}.sentence_encoder.embed_tokens.weight"]
    vocab, width = words.shape
    head = {
        "weight": words.clone(),
        "bias": torch.randn(vocab),
        "dense.weight": torch.randn(width, width),
        "dense.bias": torch.randn(width),
        "layer_norm.weight": torch.randn(width),
        "layer_norm.bias": torch.randn(width),
    }
    return state | {f"{prefix}.lm_head.{name}": tensor for name, tensor in head.items()}


def newer(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The names since fairseq 0.10."""
    return {
        name.replace("decoder.", "encoder.").replace("emb_layer_norm", "layernorm_embedding"): t
        for name, t in state.items()
    }


def very_old(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Queries, keys and values in one."""
    kept = {name: t for name, t in state.items() if "_proj." not in name or "out_proj" in name}
    for layer in range(2):
        at = f"decoder.sentence_encoder.layers.{layer}.self_attn"
        for part in ("weight", "bias"):
            kept[f"{at}.in_proj_{part}"] = torch.cat(
                [state[f"{at}.{x}_proj.{part}"] for x in "qkv"]
            )
    return kept


@pytest.mark.parametrize("form", ["old", "new", "very old"])
def test_roberta_of_every_age(tmp_path: Path, form: str) -> None:
    state = load_file(ROBERTA)
    state = {"old": dict, "new": newer, "very old": very_old}[form](state)
    state |= {"decoder.sentence_encoder.version": torch.tensor([2.0])}
    prefix = "encoder" if form == "new" else "decoder"
    args = argparse.Namespace(encoder_attention_heads=4, dropout=0.3, activation_fn="gelu")
    path = saved(tmp_path / "bert.pt", with_head(state, prefix), args)
    found = imported("bert-kmeans", path)
    model = found.result
    assert isinstance(model, RobertaForMaskedLM)
    assert roberta_differs(model) < 1e-5
    assert model.config.hidden_dropout_prob == 0.3
    assert model.lm_head.decoder.weight is model.roberta.embeddings.word_embeddings.weight
    bias = torch.load(path, weights_only=False)["model"][f"{prefix}.lm_head.bias"]
    assert torch.equal(model.lm_head.decoder.bias, bias)
    assert set(found.ignored) == {f"{prefix}.lm_head.weight", "decoder.sentence_encoder.version"}


def test_roberta_whose_head_is_not_its_embeddings_is_refused(tmp_path: Path) -> None:
    state = with_head(load_file(ROBERTA), "decoder")
    state["decoder.lm_head.weight"] += 1
    path = saved(tmp_path / "bert.pt", state)
    with pytest.raises(CheckpointError, match=r"not the same decoder\.lm_head\.weight and"):
        imported("bert-kmeans", path, "num_heads=4")


def test_roberta_that_does_not_say_its_heads() -> None:
    with pytest.raises(ConfigError, match="width of 24 is not a multiple of 64; give num_heads=N"):
        imported("bert-kmeans", ROBERTA)
    with pytest.raises(CheckpointError, match=r"missing decoder\.sentence_encoder\.embed_tokens"):
        imported("bert-kmeans", KMEANS)


def dictionary(path: Path, symbols: Sequence[str]) -> Path:
    path.write_text("".join(f"{symbol} 1\n" for symbol in symbols))
    return path


def test_a_dictionary_becomes_a_tokenizer(tmp_path: Path) -> None:
    symbols = [f"{a}-{b}" for a in range(4) for b in range(13)]  # 57 less 4 special and <mask>
    path = dictionary(tmp_path / "dict.txt", symbols)
    tokens = imported("bert-kmeans", ROBERTA, "num_heads=4", dictionary=path).tokenizer
    assert tokens("0-1 9-9 3-12")["input_ids"] == [0, 5, 3, 55, 2]
    assert (len(tokens), tokens.mask_token_id, tokens.pad_token_id) == (57, 56, 1)
    dictionary(path, symbols[:-2])
    with pytest.raises(CheckpointError, match=r"expected 52 symbols .* 57 embeddings .* found 50"):
        imported("bert-kmeans", ROBERTA, "num_heads=4", dictionary=path)


def test_with_its_tokenizer_it_takes_waveforms(tmp_path: Path) -> None:
    tokenizer = imported("vq-wav2vec", KMEANS).result
    assert isinstance(tokenizer, VQWav2VecModel)
    tokenizer.save_pretrained(tmp_path / "vq")
    pairs = [f"{a}-{b}" for a in (14, 11, 13, 4) for b in (4, 14, 19)]
    path = dictionary(tmp_path / "dict.txt", [*pairs, *(f"madeupword{i:04d}" for i in range(40))])
    beside = {"dictionary": path, "tokenizer": tmp_path / "vq"}
    bert = saved(tmp_path / "bert.pt", with_head(load_file(ROBERTA), "decoder"))
    found = imported("bert-kmeans", bert, "num_heads=4", **beside)
    model = found.result
    assert isinstance(model, SpeechBertModel)
    assert found.notes == ("12 of 400 combinations of codes have a token of their own",)
    assert "no stage of ours trains" in found.ignored["decoder.lm_head.bias"]
    waveform = load_file(KMEANS.with_name("inputs.safetensors"))["wav0"][None, :5000]
    codes = tokenizer(waveform).codes[0].tolist()
    expected = [4 + pairs.index(f"{a}-{b}") if f"{a}-{b}" in pairs else 3 for a, b in codes]
    ids = model.tokenise(waveform).ids
    assert ids.tolist() == [[0, *expected, 2]]
    assert len({*expected}) > 2
    alone = imported("bert-kmeans", ROBERTA, "num_heads=4").result.eval()
    states = model.eval()(waveform).last_hidden_state
    assert torch.allclose(states, alone(input_ids=ids).last_hidden_state, atol=1e-6)


def test_a_tokenizer_needs_its_dictionary(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="needs --dictionary"):
        imported("bert-kmeans", ROBERTA, "num_heads=4", tokenizer=tmp_path)
    path = dictionary(tmp_path / "dict.txt", [f"{i}-0" for i in range(52)])
    imported("bert-kmeans", ROBERTA, "num_heads=4").result.save_pretrained(tmp_path / "bert")
    for place, said in (("none", "no tokenizer can be loaded"), ("bert", "found 'roberta'")):
        beside = {"dictionary": path, "tokenizer": tmp_path / place}
        with pytest.raises(CheckpointError, match=said):
            imported("bert-kmeans", ROBERTA, "num_heads=4", **beside)


@pytest.mark.parametrize("path,as_released", [(KMEANS, True), (KMEANS, False), (GUMBEL, True)])
def test_vq_wav2vec_against_recorded_codes(tmp_path: Path, path: Path, as_released: bool) -> None:
    recorded = load_file(str(path).replace("state", "out"))
    inputs = load_file(path.with_name("inputs.safetensors"))
    if as_released:
        state = load_file(path) | {
            "feature_aggregator.conv_layers.0.1.weight": torch.ones(2),
            "wav2vec_predictions.project_to_steps.weight": torch.ones(2),
        }
        path = saved(tmp_path / "vq.pt", state, RELEASED)
    found = imported("vq-wav2vec", path)
    model = found.result.eval()
    assert model.config.combine_groups
    assert len(found.ignored) == 2 * as_released
    for n in "01":
        output = model(inputs[f"wav{n}"][None])
        features = output.features.transpose(1, 2)[..., ::8]
        torch.testing.assert_close(features, recorded[f"z{n}"], atol=1e-5, rtol=1e-5)
        differs = output.codes != recorded[f"idx{n}"]
        assert (recorded[f"margin{n}"][differs] < 1e-4).all()


def test_groups_with_codewords_of_their_own(tmp_path: Path) -> None:
    state = load_file(KMEANS)
    state["vector_quantizer.embedding"] = torch.randn(20, 2, 16)
    config = imported("vq-wav2vec", saved(tmp_path / "a.pt", state)).result.config
    assert (config.combine_groups, config.num_codes, config.num_groups) == (False, 20, 2)
    state = load_file(GUMBEL)
    for name in [name for name in state if "weight_proj" in name]:
        del state[name]
    state["vector_quantizer.vars"] = torch.randn(1, 40, 16)
    state["vector_quantizer.weight_proj.weight"] = torch.randn(40, 32)
    state["vector_quantizer.weight_proj.bias"] = torch.randn(40)
    config = imported("vq-wav2vec", saved(tmp_path / "a.pt", state)).result.config
    assert (config.combine_groups, config.num_codes, config.vq_depth) == (False, 20, 1)


def test_what_it_was_trained_with_is_read(tmp_path: Path) -> None:
    said = {**vars(RELEASED), "log_compression": True, "skip_connections_feat": True}
    said["residual_scale"] = 0.25
    said["conv_feature_layers"] = RELEASED.conv_feature_layers.replace("8, 4)", "8, 2)")
    path = saved(tmp_path / "a.pt", load_file(KMEANS), argparse.Namespace(**said))
    config = imported("vq-wav2vec", path).result.config
    assert (config.log_compression, config.skip_connections) == (True, True)
    assert config.residual_scale == 0.25
    assert config.conv_layers[1] == [32, 8, 2]
    config = imported("vq-wav2vec", path, "log_compression=false").result.config
    assert not config.log_compression
    said["conv_feature_layers"] = "__import__('os').abort()"
    path = saved(tmp_path / "a.pt", load_file(KMEANS), argparse.Namespace(**said))
    with pytest.raises(ConfigError, match=r"does not say the strides .* give strides="):
        imported("vq-wav2vec", path)
    config = imported("vq-wav2vec", path, "strides=[5,4,2,2,2,1,1,1]").result.config
    assert config.frame_stride == 160
    with pytest.raises(ConfigError, match="strides expects 8 numbers, found 1"):
        imported("vq-wav2vec", path, "strides=[5]")


def test_what_is_no_vq_wav2vec_is_refused(tmp_path: Path) -> None:
    state = load_file(KMEANS)
    plain = {k: v for k, v in state.items() if not k.startswith("vector_quantizer")}
    with pytest.raises(CheckpointError, match="a plain wav2vec has no codes"):
        imported("vq-wav2vec", saved(tmp_path / "a.pt", plain))
    with pytest.raises(CheckpointError, match=r"missing feature_extractor\.conv_layers\.0\.0"):
        imported("vq-wav2vec", ROBERTA)
    for lost in ("feature_extractor.conv_layers.3.0.weight", "vector_quantizer.projection.1.bias"):
        kept = {k: v for k, v in state.items() if k != lost}
        with pytest.raises(CheckpointError, match=f"missing {lost}"):
            imported("vq-wav2vec", saved(tmp_path / "a.pt", kept))


def head_file(folder: Path, **changed: Tensor) -> Path:
    golden = load_file(HUBERT)
    names = ("final_proj.weight", "final_proj.bias", "label_embs_concat")
    state = {name: golden[name] for name in names} | changed
    return saved(folder / "hubert.pt", state | {"encoder.layer_norm.weight": torch.ones(20)})


@pytest.mark.parametrize("special,loss", [(True, 156.21208), (False, 139.30120)])
def test_huberts_head_gives_its_recorded_loss(tmp_path: Path, special: bool, loss: float) -> None:
    """With the rows that are no codewords as fairseq counts it, and without them."""
    found = imported("hubert-head", head_file(tmp_path), f"special_rows={str(special).lower()}")
    weights = dict(found.result)
    head = CodewordHead(20, len(weights["codewords"]), projection=12, has_mask_vector=False)
    head.load_state_dict(weights)
    golden = load_file(HUBERT)
    places = golden["mask"].bool() & ~golden["padding_mask"].bool()
    labels = golden["target"][places].long() - (0 if special else 4)
    total = torch.nn.functional.cross_entropy(head(golden["x"][places]), labels, reduction="sum")
    assert total.item() == pytest.approx(loss, rel=1e-5)
    assert found.metadata["num_codes"] == ("16" if special else "12")
    assert set(found.ignored) == {"encoder.layer_norm.weight"}


def test_rows_must_fit_the_codebook(tmp_path: Path) -> None:
    path = head_file(tmp_path)
    imported("hubert-head", path, "num_codes=12")
    with pytest.raises(CheckpointError, match=r"and 500 codewords .* found 16 rows, so 12"):
        imported("hubert-head", path, "num_codes=500")
    symbols = dictionary(tmp_path / "dict.km.txt", [str(i) for i in range(12)])
    imported("hubert-head", path, dictionary=symbols)
    with pytest.raises(CheckpointError, match="and 3 codewords"):
        imported("hubert-head", path, dictionary=dictionary(symbols, ["0", "1", "2"]))
    none = head_file(tmp_path, label_embs_concat=torch.ones(4, 12))
    with pytest.raises(CheckpointError, match="found 4 rows, so 0 codewords"):
        imported("hubert-head", none)


def test_other_heads_are_refused(tmp_path: Path) -> None:
    two = {"final_proj.weight": torch.ones(24, 20), "final_proj.bias": torch.ones(24)}
    with pytest.raises(CheckpointError, match="expected one set of labels, found 2"):
        imported("hubert-head", head_file(tmp_path, **two))
    odd = {"final_proj.bias": torch.ones(3)}
    with pytest.raises(
        CheckpointError, match=r"final_proj\.bias \(expected \(12,\), found \(3,\)\)"
    ):
        imported("hubert-head", head_file(tmp_path, **odd))
    save_file({"encoder.layer_norm.weight": torch.ones(2)}, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match=r"missing final_proj\.weight, label_embs_concat; .*"):
        imported("hubert-head", tmp_path / "a.safetensors")
