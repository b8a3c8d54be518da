"""Explanations of models whose reasons are known."""

import copy
import json
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import spearmanr
from transformers import RobertaConfig

from crosstone.data.batch import Item, collate
from crosstone.data.text import train_tokenizer
from crosstone.errors import CrosstoneError
from crosstone.inference.calibration import Calibration, Certainty
from crosstone.inference.explain import Explanation, Settings
from crosstone.inference.explain.occlusion import speech_noise
from crosstone.inference.explain.randomised import rank_correlation, shuffled
from crosstone.inference.predictor import Predictor
from crosstone.inference.transcripts import Cue
from crosstone.metrics.scaling import Scaling
from crosstone.models import BaselineConfig, BaselineModel, HeadSpec
from crosstone.models.task import TaskModel, build_task
from crosstone.nn.logmel import LogMelConfig

RATE = 16_000
PLAIN = ["the", "day", "was", "so", "and", "then", "we", "left", "it", "here"]
TELLING = {"good": 1.0, "bad": -1.0}
TOKENIZER = train_tokenizer([" ".join([*PLAIN, *TELLING])] * 20, 400)
QUICK = Settings(randomised=0, draws=2)


def text_config(initializer_range: float = 0.1) -> RobertaConfig:
    return RobertaConfig(
        vocab_size=len(TOKENIZER),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=48,
        max_position_embeddings=40,
        type_vocab_size=1,
        bos_token_id=0,
        pad_token_id=1,
        eos_token_id=2,
        initializer_range=initializer_range,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


def audio_config() -> LogMelConfig:
    return LogMelConfig(
        hidden_size=32, intermediate_size=64, hidden_dropout=0.0, num_hidden_layers=1, num_mels=40
    )


def utterance(rng: np.random.Generator) -> tuple[Item, float, str, int]:
    """Six words of which one tells, or none, ten stretches with a tone in one of them, or in none
    (place -1), which tells too; item, value, text, place."""
    word = str(rng.choice([*TELLING, ""]))
    words = list(rng.permutation(PLAIN)[: 5 if word else 6])
    if word:
        words.insert(int(rng.integers(6)), word)
    text, place = " ".join(words), int(rng.choice([-1, rng.integers(10)]))
    samples = 0.02 * speech_noise(2 * RATE, RATE, rng)
    if place >= 0:
        begin = place * RATE // 5 + RATE // 50
        time = np.arange(RATE * 4 // 25) / RATE
        samples[begin : begin + len(time)] += 0.3 * np.sin(2 * np.pi * 2500 * time)
    ids = np.array(TOKENIZER(text)["input_ids"], np.int64)
    value = TELLING.get(word, 0.0) + (1.0 if place >= 0 else -1.0)
    return Item(text, samples.astype(np.float32), ids), value, text, place


def telling_utterances(number: int) -> list[tuple[Item, float, str, int]]:
    """Those that have both a word and a tone that tell."""
    rng = np.random.default_rng(1)
    made = (utterance(rng) for _ in range(100))
    telling = [e for e in made if e[3] >= 0 and set(e[2].split()) & set(TELLING)]
    return telling[:number]


@pytest.fixture(scope="module")
def trained() -> TaskModel:
    """A model of both modalities that learned which word and which burst tell the value."""
    torch.manual_seed(0)
    backbone = BaselineModel(BaselineConfig(audio_config=audio_config(), text_config=text_config()))
    model = build_task(backbone, {"v": HeadSpec(kind="regression")}, heard=["audio+text"]).train()
    optimiser = torch.optim.AdamW(model.parameters(), 3e-3)
    rng = np.random.default_rng(0)
    for _ in range(150):
        made = [utterance(rng) for _ in range(16)]
        said = model(**collate([item for item, *_ in made]).inputs()).logits["v"]
        loss = (said - torch.tensor([value for _, value, *_ in made])).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert float(loss.detach()) < 0.1
    return model.eval()


def explain_all(model: TaskModel, number: int, **fields: Any) -> list[Explanation]:
    predictor = Predictor(model, TOKENIZER)
    settings = Settings(**{"randomised": 0, "draws": 2, **fields})
    return [
        predictor.explain(item.audio, sampling_rate=RATE, text=text, settings=settings)
        for item, _, text, _ in telling_utterances(number)
    ]


def correlation(first: list[Explanation], second: list[Explanation], parts: str, way: str) -> float:
    """Mean rank correlation over the utterances."""
    found = [
        spearmanr(
            [getattr(e, way) for e in getattr(a, parts)],
            [getattr(e, way) for e in getattr(b, parts)],
        ).statistic
        for a, b in zip(first, second, strict=True)
    ]
    return float(np.mean(found))


def test_what_tells_does_most_by_both_ways(trained: TaskModel) -> None:
    """The word in nearly all of 8 utterances, the stretch in all; gradients are of frames, which
    reach over the edges of stretches."""
    truths, words = telling_utterances(8), {"occlusion": 0, "gradients": 0}
    for (_, _, text, place), found in zip(truths, explain_all(trained, 8), strict=True):
        assert len(found.stretches) == 10
        telling = next(word for word in text.split() if word in TELLING)
        for way in words:
            effects = [getattr(word, way) for word in found.words]
            most = int(np.argmax(np.abs(effects)))
            words[way] += text.split()[most] == telling
            stretches = [abs(getattr(stretch, way)) for stretch in found.stretches]
            assert abs(int(np.argmax(stretches)) - place) <= (way == "gradients")
            assert np.sign(effects[text.split().index(telling)]) == TELLING[telling]
    assert words["occlusion"] == 8
    assert words["gradients"] >= 6


def test_shuffled_weights_give_another_explanation(trained: TaskModel) -> None:
    """Sanity (Adebayo et al. 2018): |rho| < 0.35 with shuffled weights, in mean of 6 utterances
    by 3 models, while another seed and more steps change little."""
    own = explain_all(trained, 6)
    others = [explain_all(shuffled(trained, seed), 6) for seed in range(3)]
    again = explain_all(trained, 6, seed=5, steps=64)
    for parts in ("words", "stretches"):
        for way in ("occlusion", "gradients"):
            by_model = [correlation(own, other, parts, way) for other in others]
            assert abs(np.mean(by_model)) < 0.35, (parts, way, by_model)
            # the stretches without the tone are alike but for the draws of the noise
            least = 0.6 if (parts, way) == ("stretches", "occlusion") else 0.9
            assert correlation(own, again, parts, way) > least, (parts, way)


def test_the_sanity_test_is_told_with_the_explanation(trained: TaskModel) -> None:
    before = copy.deepcopy(trained.state_dict())
    (found,) = explain_all(trained, 1, randomised=2)
    assert found.randomised is not None
    assert found.randomised.models == 2
    assert set(found.randomised.correlation) == {
        f"{parts}.{way}" for parts in ("words", "stretches") for way in ("occlusion", "gradients")
    }
    assert all(abs(r or 0) < 1 for r in found.randomised.correlation.values())
    assert all(torch.equal(a, before[name]) for name, a in trained.state_dict().items())


def test_few_or_equal_parts_have_no_rank_correlation() -> None:
    assert rank_correlation(np.array([1.0, 2.0]), np.array([1.0, 2.0])) is None
    assert rank_correlation(np.ones(4), np.arange(4.0)) is None
    assert rank_correlation(np.arange(4.0), np.arange(4.0) ** 3) == pytest.approx(1)


def only_one_word(kind: str = "classification") -> TaskModel:
    """Reads alone, words in any order; no token has an embedding but those of "bad"."""
    torch.manual_seed(0)
    backbone = BaselineModel(BaselineConfig(text_config=text_config(0.5), initializer_range=0.5))
    labels = () if kind == "regression" else ("glad", "sad", "calm")
    heads = {"mood": HeadSpec(kind=kind, labels=labels)}  # type: ignore[arg-type]
    model = build_task(backbone, heads, heard=["text"])
    assert model.backbone.text_encoder is not None
    table = model.backbone.text_encoder.embeddings
    telling = set(TOKENIZER(" bad", add_special_tokens=False)["input_ids"])
    with torch.no_grad():
        same = [i for i in range(len(table)) if i not in telling]
        table[same] = 0.0
        model.backbone.text_encoder.model.embeddings.position_embeddings.weight.zero_()
    return model


@pytest.mark.parametrize("kind", ["classification", "one_vs_rest", "regression"])
def test_the_only_word_that_matters_has_it_all(kind: str) -> None:
    found = Predictor(only_one_word(kind), TOKENIZER).explain(
        text="the day was bad and so it", settings=Settings(randomised=1, words="mask")
    )
    for word in found.words:
        if word.word == "bad":
            assert abs(word.occlusion) > 1e-4
            assert word.occlusion == pytest.approx(found.completeness.difference, rel=0.01)
            assert word.gradients == pytest.approx(word.occlusion, rel=0.02)
        else:
            assert word.occlusion == pytest.approx(0, abs=2e-6)
            assert word.gradients == pytest.approx(0, abs=2e-6)
    assert found.stretches == found.modalities == found.attention == ()
    assert found.seconds is found.samples is None
    assert (found.probability is None) == (kind == "regression")


def test_the_score_is_the_log_odds_of_the_label() -> None:
    predictor = Predictor(only_one_word(), TOKENIZER)
    answer = predictor.predict(text="the bad day").probabilities
    assert answer is not None
    for label, p in answer.items():
        found = predictor.explain(text="the bad day", label=label, settings=QUICK)
        assert found.probability == pytest.approx(p, abs=1e-6)
        assert found.score == pytest.approx(np.log(p / (1 - p)), abs=1e-5)
        as_share = Settings(randomised=0, scale="probability")
        shared = predictor.explain(text="the bad day", label=label, settings=as_share)
        assert shared.score == pytest.approx(p, abs=1e-6)
        without = shared.words[1].probability
        assert without is not None
        assert p - without == pytest.approx(shared.words[1].occlusion, abs=1e-6)
    most = max(answer, key=answer.__getitem__)
    assert predictor.explain(text="the bad day", settings=QUICK).label == most


def test_the_answer_that_is_shown_is_explained() -> None:
    """Calibration may name another class than the model does, and so may not being sure."""
    model = only_one_word()
    answer = Predictor(model, TOKENIZER).predict(text="the bad day").probabilities
    assert answer is not None
    least = min(answer, key=answer.__getitem__)
    bias = tuple(0.1 if label == least else 0.0 for label in answer)
    confidence = np.linspace(0.34, 0.99, 100)
    certainty = Certainty(
        scaling=Scaling((0.0, 0.0, 0.0), bias),
        strangeness=1 - confidence,
        confidence=confidence,
        hits=confidence > 0.55,
        speakers=np.arange(100),
    )
    calibration = Calibration(
        head="mood",
        method="vector",
        rule="by hand",
        corpus="none",
        labels=tuple(answer),
        kinds={"text": certainty},
    )
    careful = Predictor(model, TOKENIZER, calibration=calibration, abstain=0.9)
    found = careful.explain(text="the bad day", settings=QUICK)
    assert found.answer["label"] == "unsure"
    assert found.label == least
    assert found.probability == pytest.approx(answer[least], abs=1e-6)


def test_rounded_weights_are_not_explained() -> None:
    halved = Predictor(only_one_word(), TOKENIZER, precision="bf16")
    with pytest.raises(
        CrosstoneError, match=r"^explain: expected a model that .* found bf16; load"
    ):
        halved.explain(text="the bad day", settings=QUICK)


def test_two_way_heads_are_explained_by_their_own() -> None:
    predictor = Predictor(only_one_word("one_vs_rest"), TOKENIZER)
    heads = predictor.predict(text="the bad day").heads
    assert heads is not None
    found = predictor.explain(text="the bad day", label="calm", settings=QUICK)
    assert found.probability == pytest.approx(heads["calm"], abs=1e-6)
    assert found.quantity == "the log odds of calm by its own head"


@pytest.mark.parametrize("heard", [["audio", "audio+text", "text"], ["audio+text"]])
def test_modalities_are_left_out_where_training_did(trained: TaskModel, heard: list[str]) -> None:
    model = copy.deepcopy(trained)
    model.config.heard = heard
    (found,) = explain_all(model, 1)
    text, audio = found.modalities
    assert (text.modality, audio.modality) == ("text", "audio")
    how = "absent" if len(heard) > 1 else "neutral"
    assert text.how == audio.how == how
    assert (text.share or 0) + (audio.share or 0) == pytest.approx(1)
    assert text.gradients == pytest.approx(sum(w.gradients for w in found.words))
    if how == "absent":
        ((item, _, said, _),) = telling_utterances(1)
        predictor = Predictor(model, TOKENIZER)
        alone = predictor.predict(item.audio, sampling_rate=RATE).value
        assert alone is not None
        assert text.loss == pytest.approx(found.score - alone, abs=1e-5)
        read = predictor.predict(text=said).value
        assert read is not None
        assert audio.loss == pytest.approx(found.score - read, abs=1e-5)


def test_json_says_what_was_done(trained: TaskModel) -> None:
    item, *_ = utterance(np.random.default_rng(1))
    cues = [Cue(0.0, 1.0, "the day"), Cue(1.5, 2.0, "was bad")]
    found = Predictor(trained, TOKENIZER).explain(
        item.audio, sampling_rate=RATE, cues=cues, settings=Settings(randomised=0, window=0.5)
    )
    document = json.loads(json.dumps(found.as_dict()))
    assert [(w["word"], w["start"]) for w in document["words"]] == [
        ("the", 0.0),
        ("day", 0.5),
        ("was", 1.5),
        ("bad", 1.75),
    ]
    assert document["text"] == "the day was bad"
    assert [s["start"] for s in document["stretches"]] == [0.0, 0.5, 1.0, 1.5]
    assert document["settings"] == {
        "scale": "log-odds",
        "seed": 0,
        "words": {"without": "leave-out"},
        "stretches": {
            "fill": "noise",
            "window": 0.5,
            "draws": 4,
            "flat_hertz": 500.0,
            "fall_db": 9.0,
        },
        "gradients": {
            "rule": "Gauss-Legendre, pieces of 8 nodes",
            "steps": 32,
            "tolerance": 0.01,
            "baseline": {"text": "word embeddings of zero", "audio": "silence"},
        },
    }
    assert document["quantity"] == "the value of v"
    assert "samples" not in document


@pytest.mark.parametrize(
    "stage,encoder,without",
    [
        ("pretrain", "roberta-mini", "mask"),
        ("finetune", "roberta-mini", "leave-out"),
        ("finetune", "roberta-base", "mask"),
        ("pretrain", None, "leave-out"),
    ],
)
def test_words_are_masked_where_training_knew_the_mask(
    stage: str, encoder: str | None, without: str
) -> None:
    model = only_one_word()
    model.config.history = [{"stage": stage, "encoders": {"text": encoder} if encoder else {}}]
    found = Predictor(model, TOKENIZER).explain(text="a bad day", settings=QUICK)
    assert found.settings["words"]["without"] == without


def test_a_long_recording_has_longer_stretches(trained: TaskModel) -> None:
    samples = np.random.default_rng(0).normal(0, 0.1, 40 * RATE).astype(np.float32)
    found = Predictor(trained, TOKENIZER).explain(
        samples, sampling_rate=RATE, text="bad", settings=Settings(randomised=0, draws=1, steps=2)
    )
    assert len(found.stretches) == 100


@pytest.mark.parametrize(
    "fields,said",
    [
        ({"text": "a bad day", "label": "angry"}, "expected one of glad, sad, calm, found 'angry'"),
        ({}, "found nothing it can use"),
        (
            {"text": "a bad day", "cues": [Cue(0, 1, "another day")]},
            "expected cues that say the words of the text",
        ),
    ],
)
def test_what_cannot_be_explained(fields: Any, said: str) -> None:
    with pytest.raises(CrosstoneError, match=said):
        Predictor(only_one_word(), TOKENIZER).explain(**fields, settings=QUICK)


def test_a_value_has_no_label() -> None:
    with pytest.raises(CrosstoneError, match="mood is a value and has no labels, found 'glad'"):
        Predictor(only_one_word("regression"), TOKENIZER).explain(text="a day", label="glad")


@pytest.mark.parametrize(
    "fields,said",
    [
        ({"window": 0.001}, "expected window to be at least 0.02, found 0.001"),
        ({"draws": 0}, "expected draws to be at least 1 and at most 1000, found 0"),
        ({"steps": 1}, "expected steps to be at least 2 and at most 512, found 1"),
        ({"randomised": -1}, "expected randomised to be at least 0 and at most 100, found -1"),
    ],
)
def test_settings_that_make_no_sense(fields: Any, said: str) -> None:
    with pytest.raises(CrosstoneError, match=said):
        Settings(**fields)
