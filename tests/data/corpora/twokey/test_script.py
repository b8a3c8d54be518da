from collections import Counter, defaultdict

import numpy as np
import pytest

from crosstone.data.corpora.twokey.law import LAWS
from crosstone.data.corpora.twokey.script import PITCH_STEP, write_script
from crosstone.data.corpora.twokey.text import SentenceMill, capacity
from crosstone.data.corpora.twokey.voices import BASE_PITCHES, VARIANTS, cast_speakers
from crosstone.errors import CorpusError

COUNTS = {
    "labelled": 3000,
    "unlabelled": 2400,
    "text_only": 300,
    "speakers": 100,
    "unlabelled_speakers": 48,
}


@pytest.fixture(scope="module")
def script():
    return write_script(LAWS["interplay"], seed=3, **COUNTS)


def part(script, split):
    return [entry for entry in script if entry.split == split]


def test_counts(script):
    assert Counter(entry.split for entry in script) == {
        "labelled": 3000,
        "unlabelled": 2400,
        "text": 300,
    }
    assert len({entry.speaker for entry in part(script, "labelled")}) == 100
    assert len({entry.speaker for entry in part(script, "unlabelled")}) == 48


def test_emotions_are_balanced_in_all_in_sessions_and_for_every_speaker(script):
    entries = part(script, "labelled")
    by_group, by_speaker = defaultdict(Counter), defaultdict(Counter)
    for entry in entries:
        by_group[entry.speaker.group][entry.labels["emotion"]] += 1
        by_speaker[entry.speaker][entry.labels["emotion"]] += 1
    assert set(Counter(entry.labels["emotion"] for entry in entries).values()) == {750}
    assert set(by_group) == {f"session-{number}" for number in range(1, 6)}
    for counts in by_group.values():
        assert set(counts.values()) == {150}
    for counts in by_speaker.values():
        assert set(counts.values()) <= {7, 8}


@pytest.mark.parametrize("labelled, speakers", [(48, 10), (53, 5), (5, 5), (101, 25)])
def test_uneven_counts_are_balanced_to_one(labelled, speakers):
    options = COUNTS | {"labelled": labelled, "unlabelled": 0, "speakers": speakers}
    entries = part(write_script(LAWS["quadrants"], seed=0, **options), "labelled")
    emotions = Counter(entry.labels["emotion"] for entry in entries)
    assert sum(emotions.values()) == labelled
    assert max(emotions.values()) - min(emotions.values()) <= 1
    spoken = Counter(entry.speaker for entry in entries)
    assert len(spoken) == speakers
    assert max(spoken.values()) - min(spoken.values()) <= 1


def test_no_voice_is_in_two_sessions_or_in_both_parts(script):
    groups = defaultdict(set)
    for entry in script:
        if entry.speaker is not None:
            groups[entry.speaker.variant].add(entry.speaker.group)
    assert all(len(found) == 1 for found in groups.values())
    assert len({entry.speaker.variant for entry in part(script, "labelled")}) == 35
    assert len({entry.speaker.variant for entry in part(script, "unlabelled")}) == 16


def test_no_sentence_is_in_two_parts(script):
    texts = {
        split: {entry.sentence.text for entry in part(script, split)}
        for split in ("labelled", "unlabelled", "text")
    }
    assert not texts["labelled"] & texts["unlabelled"]
    assert not texts["text"] & (texts["labelled"] | texts["unlabelled"])
    assert len(texts["labelled"]) > 800
    assert len(texts["text"]) == 300


def test_half_of_what_a_session_says_is_heard_in_no_other(script):
    entries = part(script, "labelled")
    test = [entry for entry in entries if entry.speaker.group == "session-5"]
    known = {entry.sentence.text for entry in entries if entry.speaker.group != "session-5"}
    unseen = np.mean([entry.sentence.text not in known for entry in test])
    assert 0.42 < unseen < 0.58


def test_the_same_seed_gives_the_same_script(script):
    assert write_script(LAWS["interplay"], seed=3, **COUNTS) == script
    other = write_script(LAWS["interplay"], seed=4, **COUNTS)
    assert [entry.line for entry in other] != [entry.line for entry in script]


def test_lines_stay_on_the_synthesisers_scale(script):
    lines = [entry.line for entry in script if entry.line is not None]
    assert len(lines) == 5400
    assert min(line.rate for line in lines) >= 100
    assert max(line.rate for line in lines) <= 290
    for name in ("range", "pitch"):
        values = [getattr(line, name) for line in lines]
        assert min(values) >= 0
        assert max(values) <= 100


def test_no_two_speakers_give_the_same_recording(script):
    speakers = defaultdict(set)
    for entry in script:
        if entry.line is not None:
            speakers[entry.line].add(entry.speaker)
    assert all(len(found) == 1 for found in speakers.values())
    assert len({pitch % PITCH_STEP for pitch in BASE_PITCHES}) == len(BASE_PITCHES)


def test_the_unlabelled_have_keys_alone_and_the_text_has_nothing(script):
    assert {frozenset(entry.labels) for entry in part(script, "labelled")} == {
        frozenset({"emotion", "sentiment", "valence_key", "delivery_key"})
    }
    assert {frozenset(entry.labels) for entry in part(script, "unlabelled")} == {
        frozenset({"valence_key", "delivery_key"})
    }
    assert all(not entry.labels and entry.line is None for entry in part(script, "text"))


def test_sentiment_follows_valence_and_grows_with_delivery(script):
    found = defaultdict(list)
    for entry in part(script, "labelled"):
        key = entry.labels["valence_key"], entry.labels["delivery_key"]
        found[key].append(entry.labels["sentiment"])
    every = np.concatenate([np.array(values) for values in found.values()])
    assert np.abs(every).max() <= 3.0
    assert np.allclose(every * 5, np.round(every * 5))
    assert every.std() > 1.0
    mean = {key: np.mean(values) for key, values in found.items()}
    assert mean["positive", "high"] > mean["positive", "low"] > 1.0
    assert mean["negative", "high"] < mean["negative", "low"] < -1.0
    assert abs(mean["neutral", "middle"]) < 0.2


def test_the_mill_never_repeats_itself():
    mill = SentenceMill(np.random.default_rng(0))
    texts = [sentence.text for _ in range(2) for sentence in mill.make(2, 3000)]
    assert len(set(texts)) == 6000
    assert all(text.endswith(".") and " a a" not in text for text in texts)
    assert {sentence.valence for sentence in mill.make(0, 5)} == {0}


def test_the_mill_says_when_it_runs_dry():
    mill = SentenceMill(np.random.default_rng(0))
    most = capacity(1) // 8
    with pytest.raises(CorpusError, match=rf"at most {most} more neutral .* found {most + 1}"):
        mill.make(1, most + 1)


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"labelled": 99}, r"labelled at least 100, found 99"),
        ({"unlabelled": -1, "seed": -2}, r"seed at least 0, found -2; unlabelled at least 0"),
        ({"unlabelled_speakers": 0}, r"unlabelled_speakers at least 1, found 0"),
        ({"speakers": 12}, r"multiple of 5 from 5 to 105.*found 12"),
        ({"speakers": 110}, r"multiple of 5 from 5 to 105.*found 110"),
        ({"unlabelled_speakers": 52}, r"unlabelled_speakers from 0 to 51.*found 52"),
    ],
)
def test_counts_that_do_not_fit(options, sentence):
    with pytest.raises(CorpusError, match=sentence):
        write_script(LAWS["interplay"], **({"seed": 0} | COUNTS | options))


def test_a_small_cast_leaves_more_voices():
    labelled, others = cast_speakers(5, 120, np.random.default_rng(0))
    assert len({speaker.variant for speaker in labelled}) == 5
    assert len(VARIANTS) == 52
    assert len({speaker.name for speaker in others}) == 120
