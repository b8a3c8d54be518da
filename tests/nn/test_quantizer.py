"""vq-wav2vec: what fairseq computes, and codes that know no neighbour."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModel

from crosstone.nn.joining import write_codes
from crosstone.nn.quantizer import VQWav2VecConfig, VQWav2VecModel

GOLDEN = Path(__file__).parents[1] / "golden" / "vqwav2vec"
CASES = json.loads((GOLDEN / "description.json").read_text())["cases"]
WAVES = load_file(GOLDEN / "inputs.safetensors")
RENAMED = {
    "vector_quantizer.projection.0": "quantizer.projection",
    "vector_quantizer.projection.1": "quantizer.norm",
    "vector_quantizer.embedding": "quantizer.codewords",
    "vector_quantizer.vars": "quantizer.codewords",
    "vector_quantizer.weight_proj.0.0": "quantizer.layers.0",
    "vector_quantizer.weight_proj.1": "quantizer.layers.1",
}


def ours(key: str) -> str:
    parts = key.split(".")
    if parts[0] == "feature_extractor":
        return f"{'convolutions' if parts[3] == '0' else 'norms'}.{parts[2]}.{parts[4]}"
    theirs = next(name for name in RENAMED if key.startswith(name))
    return key.replace(theirs, RENAMED[theirs])


def recorded(case: str) -> tuple[VQWav2VecModel, dict[str, Tensor]]:
    fields = CASES[case]["config"]
    config = VQWav2VecConfig(
        conv_layers=[[32, 10, 5], [32, 8, 4], *[[32, 4, 2]] * 3, *[[32, 1, 1]] * 3],
        quantizer=fields["vq_type"],
        num_codes=fields["vq_vars"],
        combine_groups=fields["combine_groups"],
        vq_depth=fields.get("vq_depth", 1),
    )
    model = VQWav2VecModel(config)
    state = load_file(GOLDEN / f"{case}.state.safetensors")
    model.load_state_dict({ours(key): value for key, value in state.items()})
    return model.eval(), load_file(GOLDEN / f"{case}.out.safetensors")


def tiny(**fields: Any) -> VQWav2VecModel:
    torch.manual_seed(0)
    layers = [[16, 10, 5], [16, 8, 4], [16, 4, 2]]
    return VQWav2VecModel(VQWav2VecConfig(conv_layers=layers, num_codes=12, **fields)).eval()


@pytest.mark.parametrize("case", CASES)
def test_recorded_features_and_codes(case: str) -> None:
    model, golden = recorded(case)
    for i in "01":
        found = model(WAVES[f"wav{i}"][None])
        features = found.features.transpose(1, 2)[..., ::8]
        torch.testing.assert_close(features, golden[f"z{i}"], atol=1e-5, rtol=0)
        differ = found.codes != golden[f"idx{i}"]
        assert (golden[f"margin{i}"][differ] < 1e-4).all()
        assert write_codes(found.codes[0, :8]) == CASES[case][f"text{i}_first8"]


@pytest.mark.parametrize("case", CASES)
def test_neighbours_and_padding_change_no_code(case: str) -> None:
    """fairseq's own batch changes one frame in twenty of the shorter one."""
    model, golden = recorded(case)
    lengths = [len(WAVES["wav0"]), 700, 0, 90, len(WAVES["wav1"])]
    waves = [WAVES["wav0"], WAVES["wav1"][:700], WAVES["wav1"][:0], WAVES["wav0"][:90]]
    batch = torch.nn.utils.rnn.pad_sequence([*waves, WAVES["wav1"]], batch_first=True)
    mask = torch.arange(batch.shape[1]) < torch.tensor(lengths)[:, None]
    found = model(batch, mask)
    assert found.mask.sum(1).tolist() == [128, 2, 0, 1, 130]
    for row, wave in enumerate([*waves, WAVES["wav1"]]):
        alone = model(wave[None])
        count = alone.codes.shape[1]
        assert torch.equal(found.codes[row, :count], alone.codes[0])
        assert torch.equal(found.features[row, :count], alone.features[0])
    padded = model(F.pad(WAVES["wav0"], (0, 317))[None])
    share = (padded.codes[0, :128] != golden["idx0"][0]).any(-1).float().mean()
    assert share > 0


def test_the_released_geometry_and_sizes() -> None:
    """The sizes of fairseq's tables less their context network and predictions."""
    config = VQWav2VecConfig()
    assert (config.min_samples, config.frame_stride) == (465, 160)
    assert config.num_frames(10_000) == (10_000 - 465) // 160 + 1 == 60
    assert config.num_frames(torch.tensor([465, 624, 625])).tolist() == [1, 1, 2]
    counts = {}
    with torch.device("meta"):
        for name, fields in {
            "combine": {},
            "separate": {"combine_groups": False},
            "gumbel": {"quantizer": "gumbel", "vq_depth": 2},
        }.items():
            model = VQWav2VecModel(VQWav2VecConfig(**fields))
            counts[name] = sum(p.numel() for p in model.parameters())
    assert counts["separate"] - counts["combine"] == 33_096_192 - 33_014_272
    assert counts["gumbel"] - counts["combine"] == 34_063_488 - 33_014_272


def test_nearest_codeword_by_hand() -> None:
    for combine in (True, False):
        model = tiny(combine_groups=combine)
        features = torch.randn(9, 16)
        quantizer = model.quantizer
        projected = quantizer.norm(quantizer.projection(features.T[None]))[0].T
        expected = torch.zeros(9, 2, dtype=torch.int64)
        for t in range(9):
            for g in range(2):
                words = quantizer.codewords[:, 0 if combine else g]
                distances = (words - projected[t, 8 * g : 8 * g + 8]).norm(dim=1)
                expected[t, g] = distances.argmin()
        assert torch.equal(quantizer(features), expected)


def test_highest_logit_by_hand() -> None:
    model = tiny(quantizer="gumbel", combine_groups=False)
    assert model.quantizer.codewords.shape == (1, 24, 8)
    features = torch.randn(5, 16)
    logits = features @ model.quantizer.layers[0].weight.T
    expected = torch.stack([logits[:, :12].argmax(1), logits[:, 12:].argmax(1)], 1)
    assert torch.equal(model.quantizer(features), expected)


def test_skips_and_log_compression_by_hand() -> None:
    fields = {"skip_connections": True, "log_compression": True, "residual_scale": 0.3}
    model, wave = tiny(**fields), torch.randn(1, 3000)
    states, scale = wave[:, None], 0.3**0.5
    for i, (convolution, norm) in enumerate(zip(model.convolutions, model.norms, strict=True)):
        after = F.gelu(norm(convolution(states)))
        if i > 0:
            step = states.shape[-1] // after.shape[-1]
            after = (after + states[..., ::step][..., : after.shape[-1]]) * scale
        states = after
    expected = (states.abs() + 1).log().transpose(1, 2)
    torch.testing.assert_close(model(wave).features, expected, atol=1e-6, rtol=1e-6)


def test_nothing_is_trained_and_autocast_rounds_nothing() -> None:
    model, wave = tiny(), torch.randn(1, 3000, requires_grad=True)
    assert not any(p.requires_grad for p in model.parameters())
    found = model(wave)
    assert not found.features.requires_grad
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(model(wave).features, found.features)


def test_a_folder_gives_equal_codes(tmp_path: Path) -> None:
    for fields in ({}, {"quantizer": "gumbel", "vq_depth": 2, "skip_connections": True}):
        model, wave = tiny(**fields), torch.randn(1, 3000)
        model.save_pretrained(tmp_path)
        again = AutoModel.from_pretrained(tmp_path)
        assert torch.equal(again(wave).codes, model(wave).codes)
        assert len(model(wave).codes.unique()) > 2


@pytest.mark.parametrize(
    "fields,said",
    [
        ({"quantizer": "vq"}, "quantizer is 'vq', expected one of kmeans, gumbel"),
        ({"activation": "silu"}, "activation is 'silu', expected one of gelu, relu"),
        ({"num_groups": 3}, "num_groups expects a divisor of the width 512, found 3"),
        ({"codeword_width": 8}, "codeword_width expects 256 with kmeans, found 8"),
        ({"conv_layers": [[512, 10]]}, "conv_layers expects"),
    ],
)
def test_what_cannot_be_is_refused(fields: dict[str, Any], said: str) -> None:
    with pytest.raises(Exception, match=said):
        VQWav2VecConfig(**fields)
