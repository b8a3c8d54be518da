"""Predictions of any toolkit under a protocol: what passes, what is named, what is counted."""

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from crosstone.audit import Audit, audit
from crosstone.data.corpus import Corpus, Source, Utterance
from crosstone.data.trials import Trial
from crosstone.errors import ConfigError, CorpusError
from crosstone.metrics import eer

FAST: dict[str, Any] = {"replicates": 100}
SESSIONS = {
    "Session1": {"neu": 384, "ang": 229, "sad": 194, "hap": 135, "exc": 143},
    "Session2": {"neu": 362, "ang": 137, "sad": 197, "hap": 117, "exc": 210},
    "Session3": {"neu": 320, "ang": 240, "sad": 305, "hap": 135, "exc": 151},
    "Session4": {"neu": 258, "ang": 327, "sad": 143, "hap": 65, "exc": 238},
    "Session5": {"neu": 384, "ang": 170, "sad": 245, "hap": 143, "exc": 299},
}
LABELS = ("ang", "hap", "neu", "sad")


def iemocap_rows() -> list[dict[str, Any]]:
    """Every turn of the four classes in the release's numbers; 70 in 100 are predicted right."""
    rows = []
    for number, (session, table) in enumerate(SESSIONS.items(), 1):
        for label in (label for label, count in table.items() for _ in range(count)):
            target = "hap" if label == "exc" else label
            k = len(rows)
            said = target if k % 10 < 7 else LABELS[(LABELS.index(target) + 1) % 4]
            rows.append(
                {
                    "id": f"Ses0{number}_{k}",
                    "group": session,
                    "speaker": f"Ses0{number}{'FM'[k % 2]}",
                    "label": label,
                    "target": target,
                    "prediction": said,
                    **{name: 0.7 if name == said else 0.1 for name in LABELS},
                }
            )
    return rows


@pytest.fixture(scope="module")
def turns() -> list[dict[str, Any]]:
    return iemocap_rows()


@pytest.fixture(scope="module")
def iemocap(turns: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    folder = tmp_path_factory.mktemp("iemocap")
    utterances = [
        Utterance(
            id=row["id"],
            text="hi",
            speaker=row["speaker"],
            group=row["group"],
            labels={"emotion": row["label"]},
        )
        for row in turns
    ]
    left = Utterance(id="xxx", text="hi", speaker="Ses01F", group="Session1")
    utterances.append(left)
    return Corpus.write(folder, name="iemocap", root=folder, source=Source(), utterances=utterances)


def table(path: Path, rows: Iterable[dict[str, Any]], *columns: str, **names: str) -> Path:
    """A CSV file with these columns; names: ours → the header's."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([names.get(column, column) for column in columns])
        writer.writerows([[row[column] for column in columns] for row in rows])
    return path


def check_of(audited: Audit, what: str) -> tuple[bool | None, str]:
    (check,) = [check for check in audited.checks if check.what == what]
    return check.passed, check.sentence


def test_with_the_corpus_an_id_and_a_label_are_enough(
    turns: list[dict[str, Any]], iemocap: Corpus, tmp_path: Path
) -> None:
    file = table(tmp_path / "p.csv", turns, "id", "prediction", id="utterance")
    found = audit(file, "iemocap-4way-loso", corpus=iemocap, names={"id": "utterance"}, **FAST)
    assert not found.faults
    assert check_of(found, "corpus") == (True, "counts as expected")
    assert check_of(found, "ids") == (True, "all 5,531 that the protocol tests, each once a seed")
    assert check_of(found, "folds") == (None, "taken from the corpus")
    scores = found.scores
    assert len(scores.runs) == 5
    assert scores.headline == "ua"
    assert scores.metrics["wa"].pooled.value == pytest.approx(0.7, abs=0.001)
    assert scores.clusters.by == "group"
    assert "ece" not in scores.metrics  # labels say nothing of certainty
    assert set(scores.metrics) >= {"recall:hap", "accuracy:ang", "weighted_f1:sad"}
    assert np.isfinite(scores.metrics["accuracy:ang"].mean.low)


def test_probabilities_are_calibrated_and_merged(
    turns: list[dict[str, Any]], iemocap: Corpus, tmp_path: Path
) -> None:
    """A toolkit of five classes: excited is added to happy."""
    rows = [row | {"hap": row["hap"] / 2, "exc": row["hap"] / 2} for row in turns]
    file = table(
        tmp_path / "p.csv", rows, "id", "group", "target", "ang", "exc", "hap", "neu", "sad"
    )
    names = {"fold": "group"}
    found = audit(file, "iemocap-4way-loso", corpus=iemocap, names=names, **FAST)
    assert not found.faults
    assert check_of(found, "folds") == (True, "5, those of the protocol")
    assert check_of(found, "targets") == (True, "as in the corpus")
    assert found.scores.metrics["ece"].pooled.value == pytest.approx(0, abs=1e-3)


def test_every_difference_from_the_protocol_is_named(
    turns: list[dict[str, Any]], iemocap: Corpus, tmp_path: Path
) -> None:
    rows = [dict(row) for row in turns]
    rows[0]["target"] = "sad"
    rows[1]["group"] = "Session5"
    rows[2]["id"] = f"wav/{rows[2]['id']}.wav"
    rows += [rows[3], {**rows[4], "id": "xxx"}]
    file = table(tmp_path / "p.csv", rows[:-3] + rows[-2:], "id", "group", "target", "prediction")
    found = audit(file, "iemocap-4way-loso", corpus=iemocap, names={"fold": "group"}, **FAST)
    assert [check.what for check in found.faults] == ["ids", "folds", "targets"]
    _, ids = check_of(found, "ids")
    for expected in (
        "2 of 5,531 are missing (Ses01_2, Ses05_5530)",
        "2 are not tested by the protocol (wav/Ses01_2.wav, xxx)",
        "without folder and suffix 1 of them would be",
        "1 are predicted more than once a seed (Ses01_3)",
    ):
        assert expected in ids, expected
    assert check_of(found, "folds")[1] == "fold Session5 holds items of 2 folds of the protocol"
    assert check_of(found, "targets")[1].startswith("1 differ from the corpus (Ses01_0 sad, not")
    assert found.scores.num_items == 5529  # the corpus says what is counted, and as what


def test_without_the_corpus_counts_are_compared(
    turns: list[dict[str, Any]], tmp_path: Path
) -> None:
    columns = ("id", "group", "target", "prediction")
    names = {"fold": "group"}
    file = table(tmp_path / "whole.csv", turns, *columns)
    found = audit(file, "iemocap-4way-loso", names=names, **FAST)
    assert not found.faults
    assert check_of(found, "counts") == (True, "5,531 scored, expected 5,531")
    assert check_of(found, "classes")[0] is True
    assert check_of(found, "folds")[0] is True
    short = table(tmp_path / "short.csv", turns[:-41], *columns)
    found = audit(short, "iemocap-4way-loso", names=names, **FAST)
    assert [check.what for check in found.faults] == ["counts", "classes", "folds"]
    assert "5,490 scored, expected 5,531" in check_of(found, "counts")[1]
    assert (
        "folds of 1,023, 1,031, 1,085, 1,151, 1,200 items, expected 1,023, 1,031, 1,085"
        in (check_of(found, "folds")[1])
    )
    alone = table(tmp_path / "alone.csv", turns, "id", "target", "prediction")
    found = audit(alone, "iemocap-4way-loso", **FAST)
    assert check_of(found, "folds")[0] is None
    assert len(found.scores.runs) == 1
    mixed = [row | {"fold": k % 5} for k, row in enumerate(turns)]
    file = table(tmp_path / "mixed.csv", mixed, "id", "fold", "group", "target", "prediction")
    passed, said = check_of(audit(file, "iemocap-4way-loso", **FAST), "folds")
    assert passed is False
    assert "5 groups stand in several folds (Session1, Session2" in said


def test_sentiment_prints_every_convention(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    target = generator.integers(-9, 10, 686) / 3
    rows = [
        {"id": f"v{k % 30}_{k}", "target": t, "value": t + generator.normal(0, 0.8), "seed": seed}
        for seed in (0, 1)
        for k, t in enumerate(target)
    ]
    file = tmp_path / "p.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    found = audit(file, "mosi-sentiment", **FAST)
    assert not found.faults
    assert check_of(found, "counts")[1] == "686 scored, expected 686"
    for name in (
        *("mae", "pearson", "ccc", "acc7_round", "acc7_sdk", "acc5"),
        *("acc2_nonneg", "f1_nonneg", "f1_nonneg_binary", "f1_nonneg_swapped"),
        *("acc2_nonzero", "f1_nonzero", "f1_nonzero_binary", "acc2_positive", "f1_positive"),
    ):
        interval = found.scores.metrics[name].mean
        assert interval.low <= interval.value <= interval.high, name
    document = found.as_dict()
    assert document["aliases"]["Mult_acc_7"] == "acc7_round"
    json.dumps(document, allow_nan=False)


def test_four_two_way_heads_are_another_number(
    turns: list[dict[str, Any]], iemocap: Corpus, tmp_path: Path
) -> None:
    rows = [row | {k: 0.9 if row[k] > 0.5 else 0.4 for k in LABELS} | {"sad": 0.8} for row in turns]
    file = table(tmp_path / "p.csv", rows, "id", *LABELS)
    with pytest.raises(CorpusError, match="has a two-way head of its own, say --heads"):
        audit(file, "iemocap-4way-loso", corpus=iemocap, **FAST)
    found = audit(file, "iemocap-4way-loso", corpus=iemocap, heads=True, **FAST)
    metrics = found.as_dict()["metrics"]
    sad = sum(row["target"] == "sad" for row in turns) / len(turns)
    assert metrics["head_accuracy:sad"]["pooled"] == pytest.approx(sad)
    one_vs_rest = found.scores.metrics["accuracy:sad"].pooled.value
    assert one_vs_rest != pytest.approx(sad, abs=0.05)
    assert metrics["head_accuracy"]["low"] <= metrics["head_accuracy"]["value"]
    assert "ece" not in metrics


def trial_corpus(folder: Path) -> tuple[Corpus, list[dict[str, Any]]]:
    names = [f"{s}{k}" for s in "abcdef" for k in range(3)]
    utterances = [Utterance(id=n, text="hi", speaker=n[0], split="test") for n in names]
    utterances += [Utterance(id=f"z{k}", text="hi", speaker="z", split="train") for k in range(2)]
    pairs = [(a, b) for i, a in enumerate(names) for b in names[i + 1 :]]
    trials = [Trial(a, b, a[0] == b[0]) for a, b in pairs]
    corpus = Corpus.write(
        folder,
        name="librispeech",
        root=folder,
        source=Source(),
        utterances=utterances,
        trials=trials,
    )
    generator = np.random.default_rng(1)
    scores = generator.normal(size=len(trials)) + [2.0 * t.target for t in trials]
    rows = [
        {"enrol": t.enrol, "test": t.test, "score": s, "target": int(t.target)}
        for t, s in zip(trials, scores, strict=True)
    ]
    return corpus, rows


def test_trials(tmp_path: Path) -> None:
    corpus, rows = trial_corpus(tmp_path / "corpus")
    expected = eer([bool(row["target"]) for row in rows], [row["score"] for row in rows])
    file = table(tmp_path / "p.csv", rows, "enrol", "test", "score")
    found = audit(file, "librispeech-verification", corpus=corpus, **FAST)
    assert not found.faults
    assert found.scores.metrics["eer"].mean.value == pytest.approx(expected)
    assert (found.scores.clusters.by, found.scores.clusters.count) == ("speaker", 6)
    assert np.isfinite(found.scores.metrics["min_dcf"].mean.low)
    found = audit(
        table(tmp_path / "t.csv", rows[:-1], "enrol", "test", "score", "target"),
        "librispeech-verification",
        corpus=corpus,
        **FAST,
    )
    assert check_of(found, "ids")[1] == "1 of 153 are missing (f1 f2)"
    alone = table(tmp_path / "t.tsv", rows, "enrol", "test", "score", "target")
    alone.write_text(alone.read_text().replace(",", "\t"))
    found = audit(alone, "librispeech-verification", **FAST)
    assert found.scores.metrics["eer"].mean.value == pytest.approx(expected)
    assert any("speakers are unknown" in note for note in found.scores.notes)


def test_our_own_predictions_can_be_audited(
    turns: list[dict[str, Any]], iemocap: Corpus, tmp_path: Path
) -> None:
    lines = [
        {
            "id": row["id"],
            "group": row["group"],
            "speaker": row["speaker"],
            "fold": int(row["group"][-1]) - 1,
            "seed": seed,
            "split": "test",
            "target": row["target"],
            "probabilities": {label: row[label] for label in LABELS},
        }
        for seed in (0, 1)
        for row in turns
    ]
    lines.append(lines[0] | {"split": "valid"})
    file = tmp_path / "predictions.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    found = audit(file, "iemocap-4way-loso", corpus=iemocap, **FAST)
    assert not found.faults
    assert len(found.scores.runs) == 10
    assert check_of(found, "lines")[1] == "left aside 1 of split 'valid'"


def test_what_was_selected_on_test_is_no_test_result(
    turns: list[dict[str, Any]], tmp_path: Path
) -> None:
    rows = [row | {"split": "selected on test"} for row in turns]
    columns = ("id", "group", "target", "prediction", "split")
    found = audit(table(tmp_path / "p.csv", rows, *columns), "iemocap-4way-loso", **FAST)
    passed, said = check_of(found, "selection")
    assert passed is False
    assert "the epoch was chosen on them" in said
    document = found.as_dict()
    assert (document["scored"], document["selection"]) == ("selected on test", "best_test")
    rows[0]["split"] = "test"
    mixed = table(tmp_path / "mixed.csv", rows, *columns)
    with pytest.raises(CorpusError, match="found 1 of split 'test' and 5,530 of split 'selected"):
        audit(mixed, "iemocap-4way-loso", **FAST)
    rows[0]["split"] = ""
    empty = table(tmp_path / "empty.csv", rows, *columns)
    with pytest.raises(CorpusError, match="line 2: split: expected a value, found an empty cell"):
        audit(empty, "iemocap-4way-loso", **FAST)


def test_seeds_that_contradict_each_other_are_named(
    turns: list[dict[str, Any]], tmp_path: Path
) -> None:
    rows = [row | {"seed": seed} for seed in (0, 1) for row in turns]
    columns = ("id", "group", "speaker", "target", "prediction", "seed")
    names = {"fold": "group"}
    file = table(tmp_path / "p.csv", rows, *columns)
    agreed = audit(file, "iemocap-4way-loso", names=names, **FAST)
    assert check_of(agreed, "agreement")[0] is True
    rows[-1] |= {"target": "ang" if rows[-1]["target"] != "ang" else "sad"}
    rows[-2] |= {"speaker": "Ses01F"}
    rows[-3] |= {"group": "Session1"}
    file = table(tmp_path / "q.csv", rows, *columns)
    passed, said = check_of(audit(file, "iemocap-4way-loso", names=names, **FAST), "agreement")
    assert passed is False
    assert said == (
        "1 have more than one target (Ses05_5530); 1 have more than one fold (Ses05_5528); "
        "1 have more than one group (Ses05_5528); 1 have more than one speaker (Ses05_5529)"
    )


def test_trials_that_contradict_their_speakers_are_named(tmp_path: Path) -> None:
    _, rows = trial_corpus(tmp_path / "corpus")
    rows = [
        row | {"enrol_speaker": row["enrol"][0], "test_speaker": row["test"][0]} for row in rows
    ]
    rows[0]["target"] = 1 - rows[0]["target"]
    columns = ("enrol", "test", "score", "target", "enrol_speaker", "test_speaker")
    file = table(tmp_path / "p.csv", rows, *columns)
    with pytest.raises(CorpusError, match="line 2: target: says two speakers, of a and a"):
        audit(file, "librispeech-verification", **FAST)


def test_what_cannot_be_scored(
    turns: list[dict[str, Any]], iemocap: Corpus, tmp_path: Path
) -> None:
    some = [dict(row) for row in turns[:4]]
    file = table(tmp_path / "p.csv", some, "id", "prediction")
    with pytest.raises(CorpusError, match="found none in 4 of 4; name its column"):
        audit(file, "iemocap-4way-loso", **FAST)
    with pytest.raises(ConfigError, match=r"no column id.*its columns are label, prediction"):
        audit(table(tmp_path / "q.csv", some, "label", "prediction"), "iemocap-4way-loso")
    with pytest.raises(ConfigError, match=r"--map id=name: .* has no such column"):
        audit(file, "iemocap-4way-loso", names={"id": "name"})
    with pytest.raises(ConfigError, match=r"--map who=…: expected one of id, prediction"):
        audit(file, "iemocap-4way-loso", names={"who": "id"})
    with pytest.raises(ConfigError, match="no protocol is called 'iemocap-4way'"):
        audit(file, "iemocap-4way")
    with pytest.raises(CorpusError, match="expected a file of predictions, found none"):
        audit(tmp_path / "absent.csv", "iemocap-4way-loso")
    other = table(tmp_path / "o.csv", [row | {"id": "?"} for row in some], "id", "prediction")
    with pytest.raises(CorpusError, match="none of its 4 ids is tested by the protocol"):
        audit(other, "iemocap-4way-loso", corpus=iemocap)


def test_all_faults_of_a_file_are_told_at_once(turns: list[dict[str, Any]], tmp_path: Path) -> None:
    some = [dict(row) for row in turns[:6]]
    some[0]["prediction"] = "joy"
    some[1]["ang"] = some[1]["sad"] = 0.9
    some[2]["ang"] = -3.0
    some[3]["neu"] = "much"
    some[4]["id"] = ""
    file = table(tmp_path / "p.csv", some, "id", "target", "prediction", *LABELS)
    text = file.read_text().rstrip() + ",surplus\n"
    file.write_text(text)
    with pytest.raises(CorpusError) as caught:
        audit(file, "iemocap-4way-loso", **FAST)
    for expected in (
        "6 faults in 6 lines, nothing was scored",
        "line 2: prediction: expected one of ang, hap, neu, sad, exc, found 'joy'",
        "line 3: expected a sum of 1, found",
        "line 4: probabilities [-3.0",
        "line 5: probability of neu: expected a finite number, found 'much'",
        "line 6: id: expected a value, found an empty cell",
        "line 7: expected 7 cells, found 8",
        "mend the file, or name its columns with --map, and audit again",
    ):
        assert expected in str(caught.value), expected


def test_a_prediction_that_is_not_the_most_probable_is_named(
    turns: list[dict[str, Any]], iemocap: Corpus, tmp_path: Path
) -> None:
    rows = [row | {"prediction": "neu"} for row in turns]
    file = table(tmp_path / "p.csv", rows, "id", "prediction", *LABELS)
    found = audit(file, "iemocap-4way-loso", corpus=iemocap, **FAST)
    passed, said = check_of(found, "predictions")
    assert passed is False
    assert "of 5,531 predictions are not the most probable class" in said
