"""crosstone import: what was taken is printed, what is wrong is one sentence."""

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

GOLDEN = Path(__file__).parents[1] / "golden"


def test_import_prints_what_it_took(crosstone: Any, tmp_path: Path) -> None:
    held = {"args": None, "model": load_file(GOLDEN / "fairseq_roberta" / "state.safetensors")}
    held["model"]["decoder.sentence_encoder.version"] = torch.ones(1)
    torch.save(held, tmp_path / "bert.pt")
    out = tmp_path / "out"
    done = crosstone("import", "bert-kmeans", tmp_path / "bert.pt", out, "num_heads=4")
    assert done.code == 0, done.err
    assert f"{out}: 12,768 parameters, 36 tensors taken" in done.out
    assert "left out: decoder.sentence_encoder.version (a mark of fairseq's own)" in done.out
    again = crosstone("import", "bert-kmeans", tmp_path / "bert.pt", out, "num_heads=4")
    assert again.code == 2
    assert "already there" in again.err


def test_an_imported_model_goes_to_its_card(crosstone: Any, tmp_path: Path) -> None:
    weights = GOLDEN / "ctal" / "weights.safetensors"
    done = crosstone("import", "ctal", weights, tmp_path / "out", "num_heads=3")
    assert done.code == 0, done.err
    assert "note: without --tokenizer" in done.out
    done = crosstone("card", tmp_path / "out")
    assert done.code == 0, done.err
    assert (
        "imported from ctal, file weights.safetensors" in (tmp_path / "out/README.md").read_text()
    )


def test_bad_input_is_one_sentence(crosstone: Any, tmp_path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), tmp_path / "model.pt")
    (tmp_path / "words.pt").write_text("words")
    weights = GOLDEN / "mult" / "d20_mask.safetensors"
    state = load_file(weights)
    inside = {k.removeprefix("weight."): v for k, v in state.items() if k.startswith("weight.")}
    save_file(inside, tmp_path / "mult.safetensors")
    for arguments, said in (
        (("mult", tmp_path / "model.pt", "num_heads=5"), "save its state_dict() instead"),
        (("mult", tmp_path / "words.pt", "num_heads=5"), "expected"),
        (("mult", weights, "num_heads=5"), "missing proj_a.weight"),
        (("mult", weights), "missing proj_a.weight"),
        (("mult", tmp_path / "mult.safetensors"), "attention has; give num_heads=N (5 in the co"),
        (("cmt", weights), "expected one of ctal, vq-wav2vec"),
        (("mult", tmp_path / "none.pt", "num_heads=5"), "no such file"),
    ):
        source, file, *overrides = arguments
        done = crosstone("import", source, file, tmp_path / "out", *overrides)
        assert done.code == 2
        assert said in done.err
        assert "Traceback" not in done.err
    assert not (tmp_path / "out").exists()
