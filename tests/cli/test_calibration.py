"""Calibrate, then predict with promises, as a person would type it."""

import json
from pathlib import Path
from typing import Any

from crosstone.data.corpus import Corpus

FAST = ("training.batch_size=16", "training.steps=40", "optim.warmup=0", "optim.lr=2e-3")
AUDIO = ("model.family=audio", "model.audio_encoder=logmel-tiny")


def test_a_model_is_calibrated_and_keeps_what_it_promises(
    crosstone: Any, twokey: Path, tmp_path: Path
) -> None:
    asked = ("finetune", "twokey-finetune", f"data.corpus={twokey}", *AUDIO, *FAST)
    done = crosstone(*asked, "--out", tmp_path / "run")
    assert done.code == 0, done.err
    model = tmp_path / "run" / "fold-0-seed-0"
    recording = twokey / str(Corpus.open(twokey).where(lambda u: u.audio is not None)[0].audio)
    done = crosstone("predict", model, recording, "--abstain", "0.9")
    assert done.code == 2
    assert "carries no calibration" in done.err
    done = crosstone("calibrate", model, "--corpus", twokey, "--split", "labelled")
    assert done.code == 2
    assert "utterances of twokey trained it" in done.err

    # the side that the fold tested did not train it
    tested = {
        json.loads(line)["id"]
        for line in (tmp_path / "run" / "predictions.jsonl").read_text().splitlines()
    }
    corpus = Corpus.open(twokey).where(lambda u: u.id in tested)
    Corpus.write(
        tmp_path / "aside",
        name="aside",
        root=twokey,
        source=corpus.source,
        utterances=list(corpus),
    )
    options = ("--corpus", tmp_path / "aside", "--unit", "speaker", "--method", "vector")
    done = crosstone("calibrate", model, *options, "--head", "mood")
    assert done.code == 2
    assert "expected a head mood, found " in done.err
    done = crosstone("calibrate", model, *options)
    assert done.code == 0, done.err
    assert "vector, fitted on aside" in done.out
    assert "ece" in done.out
    done = crosstone("predict", model, recording, "--coverage", "0.8")
    assert done.code == 0, done.err
    answer = json.loads(done.out)
    assert answer["calibrated"] == "vector"
    assert isinstance(answer["label_set"], list)
    done = crosstone("predict", model, recording, "--coverage", "0.8", "--format", "csv")
    assert "calibrated,label_set" in done.out
    done = crosstone("predict", model, recording, "--abstain", "0.999")
    assert done.code == 2
    assert "accuracy of 0.999 cannot be promised" in done.err
