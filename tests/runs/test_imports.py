"""Released weights as folders: equal answers, a past that says so, and that later stages keep."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoModel

from crosstone.data.corpus import Corpus
from crosstone.data.text import load_tokenizer, train_tokenizer
from crosstone.errors import CheckpointError, ConfigError, CrosstoneError
from crosstone.models import CMTModel, JBLSModel
from crosstone.models.checkpoint import load_task
from crosstone.models.convert import convert
from crosstone.models.towers import audio_tower, from_encoders, text_tower
from crosstone.runs import imports
from crosstone.runs.assembly import assemble
from crosstone.runs.card import write_card
from crosstone.runs.codes import make_codebook
from crosstone.runs.evaluate import evaluate
from crosstone.runs.imports import import_weights
from crosstone.runs.provenance import stages_of_encoders, stages_of_head, stages_of_model
from crosstone.runs.recipe import load_recipe
from crosstone.runs.runset import run

GOLDEN = Path(__file__).parents[1] / "golden"
CTAL = GOLDEN / "ctal" / "weights.safetensors"
ROBERTA = GOLDEN / "fairseq_roberta" / "state.safetensors"
KMEANS = GOLDEN / "vqwav2vec" / "kmeans_combine.state.safetensors"
HUBERT = GOLDEN / "hubert_loss" / "hubert_loss.safetensors"


@pytest.fixture
def released(tmp_path: Path) -> Path:
    """A folder as CTAL's authors share it: a checkpoint of 160 features, vocab.json, merges.txt."""
    folder = tmp_path / "released"
    folder.mkdir()
    tokenizer = train_tokenizer(["a good day", "a bad night"] * 9, 300)
    tokenizer.backend_tokenizer.model.save(str(folder))
    state = load_file(CTAL)
    torch.manual_seed(0)
    words = 0.5 * torch.randn(len(tokenizer), 48)
    state |= {
        "semantic_model.roberta.embeddings.word_embeddings.weight": words,
        "semantic_model.lm_head.decoder.weight": words.clone(),
        "acoustic_model.acoustic.embeddings.dense.weight": torch.randn(48, 160) / 16,
        "acoustic_model.acoustic.embeddings.position_embeddings.weight": torch.randn(400, 48),
        "acoustic_model.am_head.decoder.weight": torch.randn(160, 48) / 16,
    }
    state = {k: v for k, v in state.items() if not k.endswith("position_ids")}
    for key, size in (("semantic_model.lm_head", len(words)), ("acoustic_model.am_head", 160)):
        state[f"{key}.bias"] = state[f"{key}.decoder.bias"] = torch.randn(size)
    held: dict[str, Any] = {
        part: {k[len(part) + 1 :]: v for k, v in state.items() if k.startswith(part)}
        for part in ("semantic_model", "acoustic_model")
    }
    heads = {"num_attention_heads": 3}
    settings = {"Config": {"semantic": heads, "acoustic": heads}, "Paras": argparse.Namespace()}
    torch.save({**held, "Settings": settings, "Global_step": 5}, folder / "states.ckpt")
    return folder


@torch.no_grad()
def answers(model: Any) -> Tensor:
    torch.manual_seed(1)
    text = torch.randint(5, 90, (2, 6))
    audio = torch.randn(2, 6000)
    given = {"audio": audio, "text": text}
    masks = {f"{k}_mask": torch.ones_like(v, dtype=torch.bool) for k, v in given.items()}
    pooled: Tensor = model.eval()(**given, **masks).backbone.pooled
    return pooled


def test_a_task_model_is_written_whole_and_says_where_it_is_from(
    released: Path, tmp_path: Path
) -> None:
    out = tmp_path / "ctal"
    report = import_weights("ctal", released / "states.ckpt", out, tokenizer=released)
    direct = convert("ctal", released / "states.ckpt")[0].result
    assert torch.equal(answers(load_task(out)), answers(direct))
    assert torch.equal(answers(AutoModel.from_pretrained(out)), answers(direct))
    assert report.num_parameters == sum(p.numel() for p in load_task(out).parameters())
    assert (report.mapped, report.ignored["Global_step"]) == (106, "steps that it was trained for")

    (stage,) = stages_of_model(out)
    assert (stage.facts["stage"], stage.facts["corpus"]) == ("import", "ctal")
    assert (len(stage.fingerprints), stage.uses_labels, stage.is_blind) == (0, False, False)
    text = write_card(out).read_text()
    digest = stage.facts["sha256"]
    assert f"imported from ctal, file states.ckpt, sha256 {digest}; what it has seen is" in text
    assert "what its authors say and is not checked here" in text
    assert "datasets: []" in text
    assert "| stage |" not in text


def test_its_tokenizer_reads_as_the_code_did(released: Path, tmp_path: Path) -> None:
    out = tmp_path / "ctal"
    report = import_weights("ctal", released / "states.ckpt", out, tokenizer=released)
    assert "lower-cases and drops" in report.notes[0]
    tokens = load_tokenizer(out)
    assert (
        tokens("A good,  DAY!")["input_ids"] == load_tokenizer(released)("a good day")["input_ids"]
    )
    assert load_task(out).backbone.config.mask_token_id == tokens.mask_token_id == 4
    bare = import_weights("ctal", released / "states.ckpt", tmp_path / "bare")
    assert bare.notes == ("without --tokenizer it has none, so only token ids can be given",)
    other = tmp_path / "other"
    train_tokenizer(["x"], 300).save_pretrained(other)
    with pytest.raises(CheckpointError, match=r"expected a tokenizer of \d+ tokens, .* found 261"):
        import_weights("ctal", released / "states.ckpt", tmp_path / "wrong", tokenizer=other)
    assert not (tmp_path / "wrong").exists()


def test_a_model_that_grew_from_it_still_says_so(
    released: Path, tmp_path: Path, noise_corpus: Callable[..., Path]
) -> None:
    out = tmp_path / "ctal"
    import_weights("ctal", released / "states.ckpt", out, tokenizer=released)
    corpus = noise_corpus()
    recipe = load_recipe(
        "twokey-finetune",
        [
            f"data.corpus={corpus}",
            "protocol.split=null",
            "training.batch_size=8",
            "training.steps=1",
            "model={family: ctal}",
            f"model.init={out}",
            "final_model=true",
        ],
    )
    run_set = run(recipe, tmp_path / "run")
    past = stages_of_model(run_set / "model")
    assert [stage.facts["stage"] for stage in past] == ["import", "finetune"]
    text = write_card(run_set).read_text()
    assert "The model was imported from ctal, file states.ckpt" in text
    assert "| finetune | noise | 24 |" in text
    evaluate(run_set, Corpus.open(corpus), tmp_path / "again")
    facts = json.loads((tmp_path / "again" / "run.json").read_text())
    assert [stage["stage"] for stage in facts["history"]] == ["import", "finetune"]
    # the features of an imported one have no labels, so nothing is scored before fine-tuning
    with pytest.raises(CrosstoneError, match="fine-tune it first"):
        evaluate(out, Corpus.open(corpus), tmp_path / "before")


def test_an_imported_classifier_is_asked_as_it_is(
    released: Path, tmp_path: Path, noise_corpus: Callable[..., Path]
) -> None:
    with torch.serialization.safe_globals([argparse.Namespace]):
        held = torch.load(released / "states.ckpt", weights_only=True)
    parts = ("semantic_model", "acoustic_model")
    state = {f"{part}.{key}": tensor for part in parts for key, tensor in held[part].items()}
    heads = load_file(CTAL.with_name("head_weights.safetensors"))
    state |= {k.partition(".")[2]: v for k, v in heads.items() if k.startswith("emotion.")}
    state["classifier.weight"] = state["classifier.weight"][:2].clone()
    torch.save(state, tmp_path / "emotion.pt")
    out = tmp_path / "ctal"
    asked = ["num_heads=3", "head.labels=[glad, sad]"]
    import_weights("ctal", tmp_path / "emotion.pt", out, overrides=asked, tokenizer=released)
    corpus = Corpus.open(noise_corpus())
    evaluate(out, corpus, tmp_path / "scores")
    facts = json.loads((tmp_path / "scores" / "run.json").read_text())
    assert facts["protocol"]["name"] == "whole corpus"
    assert (facts["protocol"]["selection"], facts["protocol"]["notes"]) == (None, [])
    text = write_card(out, runs=[tmp_path / "scores"]).read_text()
    assert "- `emotion`: one of glad and sad." in text
    assert "selection rule not stated" in text
    assert "The model was imported from ctal, file emotion.pt" in text


def speech_bert(folder: Path) -> Path:
    """A Speech-BERT from its two files."""
    dictionary = folder / "dict.txt"
    dictionary.write_text("".join(f"{i // 20}-{i % 20} 1\n" for i in range(52)))
    import_weights("vq-wav2vec", KMEANS, folder / "vq")
    out = folder / "speech-bert"
    beside: dict[str, Any] = {"dictionary": dictionary, "tokenizer": folder / "vq"}
    import_weights("bert-kmeans", ROBERTA, out, overrides=["num_heads=4"], **beside)
    return out


def test_encoders_stand_in_a_family_and_keep_their_past(tmp_path: Path) -> None:
    hears = speech_bert(tmp_path)
    reads = tmp_path / "roberta"
    import_weights("bert-kmeans", ROBERTA, reads, overrides=["num_heads=4"])
    family = from_encoders(JBLSModel, audio=audio_tower(hears), text=text_tower(reads))
    theirs = load_file(ROBERTA)["decoder.sentence_encoder.embed_tokens.weight"]
    assert torch.equal(family.text_encoder.embeddings, theirs)
    assert torch.equal(family.audio_encoder.model.bert.get_input_embeddings().weight, theirs)
    assert family.audio_encoder.model.join_table[1, 3] == 27
    assert family.audio_encoder.model.tokenizer.config.num_codes == 20

    past = [stage.facts for stage in stages_of_encoders([str(hears), str(reads), None])]
    assert [facts["corpus"] for facts in past] == ["vq-wav2vec", "bert-kmeans", "bert-kmeans"]
    card = (hears / "README.md").read_text()
    for facts in past[:2]:
        assert f"The encoder was imported from {facts['corpus']}, file {facts['file']}," in card
    assert stages_of_encoders(["logmel-tiny"]) == []


def test_a_head_is_one_file_that_a_recipe_names(
    tmp_path: Path, noise_corpus: Callable[..., Path]
) -> None:
    golden = load_file(HUBERT)
    torch.manual_seed(0)
    state = {
        "final_proj.weight": torch.randn(12, 64),
        "final_proj.bias": golden["final_proj.bias"],
        "label_embs_concat": golden["label_embs_concat"],
    }
    save_file(state, tmp_path / "hubert.safetensors")
    out = tmp_path / "head.safetensors"
    import_weights("hubert-head", tmp_path / "hubert.safetensors", out)
    with safe_open(out, "pt") as file:
        assert set(file.keys()) == {"project.weight", "project.bias", "codewords"}
        assert file.metadata()["num_codes"] == "12"
        assert torch.equal(file.get_tensor("codewords"), golden["label_embs_concat"][4:])
    (stage,) = stages_of_head(out)
    assert stage.facts["file"] == "hubert.safetensors"
    assert stages_of_head(tmp_path / "none") == stages_of_head(KMEANS) == []

    corpus = Corpus.open(noise_corpus())
    make_codebook(corpus, tmp_path / "codes.safetensors", num_codes=12, sample=1.0)
    recipe = load_recipe(
        "twokey-audio-tower",
        [
            f"data.corpus={corpus.folder}",
            "data.split=null",
            f"objectives.masked_audio.codebook={tmp_path / 'codes.safetensors'}",
            f"objectives.masked_audio.init={out}",
            "objectives.masked_audio.projection=12",
        ],
    )
    assembly = assemble(recipe, corpus, None, 0)
    head = assembly.model.heads["audio_codes"]
    assert torch.equal(head.codewords, golden["label_embs_concat"][4:])
    assert [stage.facts["stage"] for stage in assembly.past] == ["codebook", "import"]


def test_features_that_no_tower_makes_are_told(tmp_path: Path) -> None:
    path = GOLDEN / "jbls" / "shallow.state.safetensors"
    report = import_weights("jbls", path, tmp_path / "jbls", overrides=["text_features=24"])
    assert [note.partition(" values")[0] for note in report.notes] == [
        "its audio is features of 16",
        "its text is features of 24",
    ]


def test_nothing_is_overwritten_or_left_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "vq"
    out.mkdir()
    with pytest.raises(ConfigError, match=r"vq: already there; choose another name"):
        import_weights("vq-wav2vec", KMEANS, out)
    out.rmdir()
    with pytest.raises(CheckpointError, match="does not fit"):
        import_weights("vq-wav2vec", ROBERTA, out)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(imports, "_write_origin", full)
    with pytest.raises(CrosstoneError, match=r"vq: cannot be written .*No space left"):
        import_weights("vq-wav2vec", KMEANS, out)
    assert not list(tmp_path.iterdir())


def test_a_family_takes_what_another_import_wrote(tmp_path: Path) -> None:
    reads = tmp_path / "roberta"
    import_weights("bert-kmeans", ROBERTA, reads, overrides=["num_heads=4"])
    audio = audio_tower("logmel-mini")
    model = from_encoders(CMTModel, audio=audio, text=text_tower(reads), num_heads=4, num_layers=1)
    assert model.text_encoder.width == 24
