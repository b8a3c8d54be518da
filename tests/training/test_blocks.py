import pytest
import torch
from torch import nn
from toy_training import ToyModel, toy_fit, toy_score
from transformers import RobertaConfig, Wav2Vec2Config

from crosstone.errors import ConfigError
from crosstone.models.cmt import CMTConfig, CMTModel
from crosstone.nn.prenorm import PreNormEncoder
from crosstone.sequence import Sequence
from crosstone.training import blocks as module
from crosstone.training import read_log
from crosstone.training.blocks import blocks_of, recompute_activations
from crosstone.training.engine import release


def tiny_cmt(**options) -> CMTModel:
    """CMT on Hugging Face encoders, dropout everywhere."""
    torch.manual_seed(0)
    shape = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    audio = Wav2Vec2Config(
        **shape,
        intermediate_size=24,
        conv_dim=(8, 8),
        conv_stride=(5, 2),
        conv_kernel=(10, 3),
        num_conv_pos_embeddings=4,
        num_conv_pos_embedding_groups=2,
        do_stable_layer_norm=True,
        feat_extract_norm="layer",
        layerdrop=0.0,
    )
    text = RobertaConfig(
        **shape, vocab_size=30, intermediate_size=24, max_position_embeddings=20, pad_token_id=1
    )
    return CMTModel(
        CMTConfig(audio_config=audio, text_config=text, num_heads=2, num_layers=2, **options)
    )


def losses_and_gradients(model: nn.Module) -> tuple[list[torch.Tensor], int]:
    """A loss in training mode, its gradients, and the bytes kept for the backward pass."""
    kept = []
    torch.manual_seed(1)
    audio, text = torch.randn(2, 400), torch.randint(2, 30, (2, 6))
    full = torch.ones(2, 400, dtype=torch.bool), torch.ones(2, 6, dtype=torch.bool)

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor.numel() * tensor.element_size())
        return tensor

    model.train()
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        output = model(audio, full[0], text, full[1])
        loss = output.pooled.square().mean()
    loss.backward()
    named = [weight.grad for weight in model.parameters() if weight.grad is not None]
    return [loss.detach(), *named], sum(kept)


def test_layers_of_encoders_and_families_are_found():
    model = tiny_cmt(freeze_text="all")
    names = {type(block).__name__ for block in blocks_of(model)}
    assert names == {"Wav2Vec2EncoderLayerStableLayerNorm", "TransformerBlock"}
    frozen = {type(block).__name__ for block in blocks_of(model, frozen=True)} - names
    assert frozen == {"RobertaLayer", "Wav2Vec2LayerNormConvLayer"}
    assert len(blocks_of(PreNormEncoder(8, 2, 3))) == 3
    with pytest.raises(ConfigError, match="transformer layers that train, found none in this Line"):
        blocks_of(nn.Linear(2, 2))


def test_recomputed_layers_give_the_same_and_keep_less():
    plain, again = tiny_cmt(), tiny_cmt()
    recompute_activations(blocks_of(again))
    expected, kept = losses_and_gradients(plain)
    found, kept_again = losses_and_gradients(again)
    assert len(found) == len(expected) > 60
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one, other)
    assert kept_again < 0.6 * kept
    release(again)
    assert losses_and_gradients(again)[1] == kept


def test_layers_are_recomputed_in_a_run_and_left_bare(tmp_path):
    plain, again = (ToyModel(dropout=0.2, num_blocks=2) for _ in range(2))
    toy_fit(tmp_path / "plain", model=plain)
    toy_fit(tmp_path / "again", model=again, training={"activation_checkpointing": True})
    for one, other in zip(plain.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)
    assert not again.blocks[0].gradient_checkpointing
    with pytest.raises(ConfigError, match="found none in this ToyModel; leave them out"):
        toy_fit(tmp_path / "none", model=ToyModel(), training={"activation_checkpointing": True})


def test_a_sequence_of_pre_norm_layers_may_be_recomputed():
    torch.manual_seed(0)
    encoder = PreNormEncoder(8, 2, 2, dropout=0.3).train()
    states = Sequence(torch.randn(2, 5, 8, requires_grad=True), torch.ones(2, 5, dtype=torch.bool))
    grads = []
    for again in (False, True):
        if again:
            recompute_activations(blocks_of(encoder))
        torch.manual_seed(2)
        output, _ = encoder(states, torch.arange(1, 6).expand(2, 5))
        grads.append(torch.autograd.grad(output.values.square().sum(), states.values)[0])
    assert torch.equal(*grads)


def test_compiled_layers_give_the_same(tmp_path):
    said = {}
    for name in ("plain", "compiled"):
        model = ToyModel(num_blocks=1)
        once = {"epochs": None, "steps": 1, "batch_size": 20, "compile": name == "compiled"}
        try:
            toy_fit(tmp_path / name, model=model, training=once, score=toy_score)
        except ConfigError as error:
            pytest.skip(str(error))
        assert "_compiled_call_impl" not in model.blocks[0].__dict__
        _, step, epoch, _ = read_log(tmp_path / name / "log.jsonl")
        said[name] = [step["loss"], step["grad_norm"], epoch["valid"]["error"]]
    assert said["compiled"] == pytest.approx(said["plain"], abs=1e-5)


def test_without_a_compiler_it_is_said(monkeypatch, tmp_path):
    def lacking(*_args, **_options):
        raise RuntimeError("No working C++ compiler found in\n config.cpp.cxx")

    monkeypatch.setattr(module.torch, "compile", lacking)
    with pytest.raises(ConfigError, match=r"cannot compile for cpu here \(No working C\+\+ comp"):
        toy_fit(tmp_path, model=ToyModel(num_blocks=1), training={"compile": True})
