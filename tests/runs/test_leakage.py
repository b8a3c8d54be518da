"""What neither ids nor names tell: copies of recordings, codebooks, speakers of earlier stages."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.errors import ConfigError, CorpusError
from crosstone.runs.codes import make_codebook
from crosstone.runs.provenance import stages_of_model
from crosstone.runs.recipe import load_recipe
from crosstone.runs.runset import run

COMMON = ["training.batch_size=8", "training.steps=1", "model.family=audio", "protocol.split=null"]
FRESH = ["model.audio_encoder=logmel-mini"]


def finetune(corpus: Path, out: Path, *more: str) -> Path:
    return run(load_recipe("twokey-finetune", [*COMMON, f"data.corpus={corpus}", *more]), out)


def adapt(corpus: Path, out: Path, codebook: Path, *more: str) -> Path:
    asked = [f"objectives.masked_audio.codebook={codebook}", "data.split=null", *FRESH]
    asked = [
        *COMMON,
        f"data.corpus={corpus}",
        "stage=adapt",
        "protocol.kind=holdout",
        *asked,
        *more,
    ]
    return run(load_recipe("twokey-audio-tower", asked), out)


def codebook_of(corpus: Corpus, path: Path) -> Path:
    make_codebook(corpus, path, stride=640, num_codes=4, sample=1.0)
    return path


def regrouped(corpus: Path, folder: Path, rename: Callable[[int], str]) -> Path:
    """The same utterances with the groups that `rename` gives by row."""
    original = Corpus.open(corpus)
    utterances = [
        Utterance(
            id=u.id, audio=u.audio, text=u.text, speaker=u.speaker, group=rename(i), labels=u.labels
        )
        for i, u in enumerate(original)
    ]
    Corpus.write(folder, name="noise", root=original.root, source=Source(), utterances=utterances)
    return folder


def protocol_of(out: Path) -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((out / "run.json").read_text())["protocol"]
    return facts


def test_a_recording_on_both_sides_is_refused_by_its_samples(
    noise_corpus: Callable[..., Path], tmp_path: Path
) -> None:
    folder = noise_corpus()
    shutil.copyfile(folder / "audio" / "0.wav", folder / "audio" / "22.wav")  # of g0 and of g3
    with pytest.raises(CorpusError, match=r"1 of the tested utterances .*: u0(00|22); keep one of"):
        finetune(folder, tmp_path / "out", *FRESH, "protocol.kind=leave-one-group-out")
    shutil.copyfile(folder / "audio" / "1.wav", folder / "audio" / "9.wav")  # both of g0
    shutil.copyfile(folder / "audio" / "8.wav", folder / "audio" / "22.wav")
    shutil.copyfile(folder / "audio" / "14.wav", folder / "audio" / "22.wav")  # both of g3
    finetune(folder, tmp_path / "in", *FRESH, "protocol.kind=leave-one-group-out")
    shutil.copyfile(folder / "audio" / "0.wav", folder / "audio" / "22.wav")
    loose = ["protocol.unit=utterance", "protocol.kind=grouped-kfold", "protocol.folds=12"]
    notes = protocol_of(finetune(folder, tmp_path / "loose", *FRESH, *loose))["notes"]
    assert any("recordings that also train or validate" in note for note in notes)


def test_speakers_of_a_labelled_stage_are_refused_in_other_groups_too(
    noise_corpus: Callable[..., Path], tmp_path: Path
) -> None:
    whole = Corpus.open(noise_corpus())
    early = regrouped(whole.folder, tmp_path / "early", lambda i: f"a{i // 2 % 4}")
    late = noise_corpus(24, "late", seed=1)
    late = regrouped(late, tmp_path / "late-groups", lambda i: f"b{i // 2 % 4}")
    codebook = codebook_of(Corpus.open(early), tmp_path / "codes.safetensors")
    labelled = finetune(early, tmp_path / "labelled", *FRESH) / "fold-0-seed-0"
    seen = set(stages_of_model(labelled / "model")[0].facts["speakers"])
    kept = "protocol.test_units=[" + ",".join(f"b{s[1]}" for s in sorted(seen)[:1]) + "]"
    with pytest.raises(ConfigError, match=r"tests speaker s\d, which the stage 'finetune'"):
        finetune(late, tmp_path / "leak", f"model.init={labelled}", kept)
    permitted = finetune(
        late, tmp_path / "said", f"model.init={labelled}", kept, "protocol.permits=[speaker]"
    )
    assert protocol_of(permitted)["transductive"] is False
    unlabelled = adapt(early, tmp_path / "unlabelled", codebook) / "fold-0-seed-0"
    out = finetune(late, tmp_path / "note", f"model.init={unlabelled}", kept)
    (note,) = [n for n in protocol_of(out)["notes"] if "stage 'adapt'" in n]
    assert note.startswith("1 tested speaker (s")
    assert protocol_of(out)["transductive"] is False


def test_a_codebook_that_heard_the_test_side_is_said(
    noise_corpus: Callable[..., Path], tmp_path: Path
) -> None:
    folder = noise_corpus()
    loud = codebook_of(Corpus.open(folder), tmp_path / "all.safetensors")
    adapted = adapt(folder, tmp_path / "adapted", loud)
    first, second = stages_of_model(adapted / "fold-0-seed-0" / "model")
    assert (first.facts["stage"], second.facts["stage"]) == ("codebook", "adapt")
    assert len(first.fingerprints) == 24
    out = finetune(folder, tmp_path / "said", f"model.init={adapted}")
    assert protocol_of(out)["transductive"] is True
    trained = set(second.facts["groups"])
    side = Corpus.open(folder).where(lambda u: u.group in trained)
    quiet = codebook_of(side, tmp_path / "train.safetensors")
    adapted = adapt(folder, tmp_path / "fair", quiet)
    out = finetune(folder, tmp_path / "silent", f"model.init={adapted}")
    assert protocol_of(out)["transductive"] is False
