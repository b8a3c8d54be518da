"""Folders without a model, or with a damaged one: one sentence, in a command, a server, Python."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from doors import command

import crosstone as package
from crosstone.errors import CheckpointError


def configured(folder: Path, **fields: Any) -> None:
    """Give fields of a model's config another value; None drops one."""
    path = folder / "config.json"
    tree = json.loads(path.read_text()) | fields
    path.write_text(json.dumps({k: v for k, v in tree.items() if v is not None}))


def cut_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:4000])


def widen(folder: Path) -> None:
    tree = json.loads((folder / "config.json").read_text())["backbone_config"]
    tree["text_config"]["hidden_size"] = 32
    configured(folder, backbone_config=tree)


def misspell(folder: Path) -> None:
    tree = json.loads((folder / "config.json").read_text())["backbone_config"]
    tree["text_layr"] = 1
    tree["some_switch_of_another_version"] = True  # resembles nothing: another library's own
    configured(folder, backbone_config=tree)


AGAIN = "; take it again from where the model is from"
MODELS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (shutil.rmtree, "no model here (config.json is missing); give a model folder or a"),
    "another": (
        lambda folder: (folder / "config.json").write_text('{"model_type": "roberta"}'),
        "expected a crosstone model, found a 'roberta' checkpoint",
    ),
    "no JSON": (
        lambda folder: (folder / "config.json").write_bytes(b"\xff{"),
        "config.json cannot be used: It looks like the config file at",
    ),
    "no type": (
        lambda folder: configured(folder, model_type=None),
        "config.json cannot be used: Unrecognized model in",
    ),
    "no family": (
        lambda folder: configured(folder, backbone_config=None),
        "config.json cannot be used: backbone_config: expected the config of a family, found none"
        + AGAIN,
    ),
    "unknown head": (
        lambda folder: configured(folder, heads={"mood": {"kind": "moods"}}),
        "config.json cannot be used: heads.mood: expected a kind of classification, one_vs_rest, "
        f"regression, speakers, tokens, codes, frames, found 'moods'{AGAIN}",
    ),
    "misspelt head": (
        lambda folder: configured(folder, heads={"mood": {"knd": "classification"}}),
        f"config.json cannot be used: heads.mood: unknown key knd{AGAIN}",
    ),
    "misspelt key": (
        misspell,
        "config.json cannot be used: backbone_config: unknown key 'text_layr', did you mean "
        f"'text_layer'?{AGAIN}",
    ),
    "another width": (
        widen,
        "the weights do not fit the config: another shape backbone.text_encoder.model… (20)",
    ),
    "no weights": (
        lambda folder: (folder / "model.safetensors").unlink(),
        "its weights cannot be loaded: Error no file named model.safetensors",
    ),
    "cut weights": (
        cut_weights,
        "its weights cannot be loaded: Error while deserializing header: ",
    ),
    "no tokenizer": (
        lambda folder: (folder / "tokenizer.json").write_text("{"),
        "no tokenizer can be loaded from here (",
    ),
}
"""What is done to a model's folder, and what is then said of it."""


@pytest.mark.parametrize("kind", MODELS)
def test_a_folder_that_is_no_model(
    crosstone: Any, models: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    folder = shutil.copytree(models["any"], tmp_path / "model")
    harm, said = MODELS[kind]
    harm(folder)
    with pytest.raises(CheckpointError) as caught:
        package.load(str(folder))
    assert str(caught.value).startswith(f"{folder}: {said}")
    found = command(crosstone, folder, "--text", "come in")
    assert (found.code, found.ids) == (2, [])
    assert f"error: {folder}: {said}" in found.said
    done = crosstone("serve", folder, "--port", "0")
    assert done.code == 2
    assert f"error: {folder}: {said}" in " ".join(done.err.split())
