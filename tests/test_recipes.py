"""Every shipped recipe resolves, and builds: the large ones on the meta device."""

import dataclasses
from pathlib import Path

import pytest
import torch
from transformers import HubertConfig, RobertaConfig

from crosstone.errors import ConfigError
from crosstone.models import BUILTIN_AUDIO, BUILTIN_TEXT, FAMILIES, CMTConfig, CMTModel
from crosstone.protocols import PROTOCOLS
from crosstone.runs.recipe import RECIPES, find_recipe, load_recipe

NAMES = sorted(path.stem for path in RECIPES.glob("*.yaml"))

RELEASED = (
    *("facebook/hubert-large-ll60k", "facebook/wav2vec2-large-lv60"),
    *("roberta-large", "google-bert/bert-base-uncased"),
    "encoders/speech-bert",
)
"""Encoders that recipes name: on the hub, and the folder that import writes."""


def test_none_is_lost() -> None:
    assert len(NAMES) == 72


@pytest.mark.parametrize("name", NAMES)
def test_recipe_resolves_and_its_parts_exist(name: str) -> None:
    recipe = load_recipe(name)
    assert recipe.model.family in FAMILIES
    for encoder, built_in in (
        (recipe.model.audio_encoder, BUILTIN_AUDIO),
        (recipe.model.text_encoder, BUILTIN_TEXT),
    ):
        assert encoder is None or encoder in built_in or encoder in RELEASED
    if recipe.model.family == "cmt" and recipe.model.preset is not None:
        preset = FAMILIES["cmt"].presets[recipe.model.preset]
        hubert = HubertConfig(hidden_size=1024, num_attention_heads=16, num_hidden_layers=1)
        roberta = RobertaConfig(hidden_size=1024, num_attention_heads=16, num_hidden_layers=1)
        fields = {**preset, **recipe.model.config}
        with torch.device("meta"):
            model = CMTModel(CMTConfig(audio_config=hubert, text_config=roberta, **fields))
        assert len(model.audio_blocks) == preset["num_layers"]


def test_paper_hyperparameters_stand_in_the_recipes() -> None:
    """§4.2.1 and §4.2.2 of Chu et al. 2022."""
    pretrain, finetune = load_recipe("cmt-base-pretrain"), load_recipe("cmt-base-finetune")
    assert (pretrain.optim.name, pretrain.optim.lr, pretrain.optim.schedule) == (
        "adamw",
        5e-5,
        "linear",
    )
    assert (pretrain.training.batch_size, pretrain.training.steps) == (256, 100_000)
    assert pretrain.objectives.masked_audio is not None
    assert pretrain.objectives.masked_text is not None
    assert pretrain.objectives.masked_text.probability == 0.15
    audio = pretrain.objectives.masked_audio
    assert (audio.start_probability, audio.span) == (0.075, 10)
    assert (finetune.optim.name, finetune.optim.lr) == ("adam", 1e-5)
    assert (finetune.training.batch_size, finetune.training.epochs) == (16, 25)
    assert finetune.objectives.orthogonality is not None
    assert finetune.objectives.orthogonality.alpha == 10


def test_cma_recipes_say_what_the_paper_says() -> None:
    """§4 of Krishna 2021; what its scheduler watched is a recipe of its own."""
    tuned, leaky = load_recipe("cma-iemocap"), load_recipe("cma-iemocap-best-test")
    assert (tuned.optim.name, tuned.optim.lr, tuned.optim.schedule) == ("adam", 1e-5, "plateau")
    assert tuned.protocol == PROTOCOLS["iemocap-4way-loso"]
    assert tuned.protocol.selection == "nested"
    assert leaky.protocol == dataclasses.replace(tuned.protocol, selection="best_test")
    presets = FAMILIES["cma"].presets
    frozen = load_recipe("cma-iemocap-frozen")
    assert presets[tuned.model.preset or ""]["freeze_audio"] == "convolutions"
    assert presets[frozen.model.preset or ""] == {"freeze_audio": "all", "freeze_text": "all"}
    for name in ("audio", "text"):
        alone = load_recipe(f"cma-{name}-iemocap")
        assert FAMILIES[alone.model.family].modalities == (name,)
        assert (alone.optim, alone.protocol) == (tuned.optim, tuned.protocol)


def test_jbls_recipes_say_what_the_readme_says() -> None:
    """§4 of Siriwardhana et al. 2020 and the command of its code, its decay cut where it ends."""
    four, heads = load_recipe("jbls-shallow-iemocap"), load_recipe("jbls-shallow-iemocap-heads")
    optim = four.optim
    assert (optim.name, optim.lr, optim.betas, optim.eps) == ("adamw", 1e-5, (0.9, 0.98), 1e-6)
    assert (optim.weight_decay, optim.no_decay, optim.decay_vectors) == (0.1, (), True)
    assert (four.training.batch_size, four.training.epochs) == (16, 10)
    for name, updates in (
        ("jbls-shallow-iemocap-heads", 10 * (3259 // 16 + 1)),
        ("jbls-shallow-mosei", 2760),
        ("jbls-shallow-mosi", 10 * (1284 // 16 + 1)),
    ):
        found = load_recipe(name).optim
        for update in (0, 100, 165, 500, updates - 1):
            decay = 1e-5 * (1 - max(0, update - 165) / (2760 - 165))
            expected = decay * min(1, update / 165)
            assert found.rate(update, updates) == pytest.approx(expected, abs=3e-8)
    assert (four.criterion, heads.criterion) == ("cross_entropy", "one_vs_rest")
    assert four.protocol == dataclasses.replace(PROTOCOLS["iemocap-4way-loso"], selection="nested")
    for fusion in ("shallow", "coattention"):
        frozen = load_recipe(f"jbls-{fusion}-iemocap-frozen")
        assert frozen.model.config == {"freeze_audio": "all", "freeze_text": "all"}
        assert frozen.model.preset == f"jbls-{fusion}"
        assert frozen.protocol == heads.protocol == PROTOCOLS["iemocap-jbls"]
    for name in ("audio", "text"):
        alone = load_recipe(f"jbls-{name}-iemocap-heads")
        assert FAMILIES[alone.model.family].modalities == (name,)
        assert (alone.optim, alone.protocol) == (optim, heads.protocol)
    for name in ("mosei", "mosi"):
        assert load_recipe(f"jbls-shallow-{name}").criterion == "l1"
    assert "never trained on speech" in load_recipe("twokey-jbls").title


@pytest.mark.parametrize(
    "name,batch_size,lr,clip,epochs",
    [
        ("mult-mosei", 16, 1e-3, 1.0, 20),
        ("mult-mosi", 128, 1e-3, 0.8, 100),
        ("mult-iemocap-heads", 32, 2e-3, 0.8, 30),
        ("mult-mosei-code", 24, 1e-3, 0.8, 40),
    ],
)
def test_mult_recipes_are_table_5(
    name: str, batch_size: int, lr: float, clip: float, epochs: int
) -> None:
    """Table 5 of Tsai et al. 2019, and the defaults of the released code; L1 for a value, for
    classes the mean of four two-way losses."""
    recipe = load_recipe(name)
    assert (recipe.optim.name, recipe.optim.lr, recipe.optim.clip) == ("adam", lr, clip)
    assert (recipe.training.batch_size, recipe.training.epochs) == (batch_size, epochs)
    assert recipe.objectives.supervised is not None
    expected = ("one_vs_rest", 0.25) if "heads" in name else ("l1", 1.0)
    assert (recipe.criterion, recipe.objectives.supervised.weight) == expected


def test_the_ablation_towers_are_trained_as_ctal() -> None:
    """§3.2, §4.1 and §4.2.1 of Li et al. 2021: table 4 compares models, not their training."""
    ctal, tuned = load_recipe("ctal-base-pretrain"), load_recipe("ctal-base-iemocap")
    for name in ("two-stream", "single-stream", "mockingjay", "text-large"):
        pretrain, finetune = load_recipe(f"{name}-pretrain"), load_recipe(f"{name}-iemocap")
        assert (pretrain.data, pretrain.optim) == (ctal.data, ctal.optim)
        assert pretrain.training == ctal.training
        family = FAMILIES[pretrain.model.family]
        assert pretrain.objectives.masked_text == (
            ctal.objectives.masked_text if family.reads else None
        )
        frames = ctal.objectives.masked_frames if family.hears else None
        assert pretrain.objectives.masked_frames == frames
        if family.reads:
            reading = (pretrain.model.reading, pretrain.model.vocab_size)
            assert reading == (ctal.model.reading, ctal.model.vocab_size) == ("plain", 30_000)
        assert (finetune.data, finetune.optim, finetune.training, finetune.protocol) == (
            tuned.data,
            tuned.optim,
            tuned.training,
            tuned.protocol,
        )
        has_both = family.hears and family.reads
        assert (finetune.objectives.orthogonality is not None) is has_both
        preset = family.presets[pretrain.model.preset] if pretrain.model.preset else {}
        assert set(preset) <= set(family.model.config_class.__dataclass_fields__)
    for name in ("ctal-base-pretrain", "cmt-base-pretrain"):
        assert load_recipe(name).data.split == "train"  # dev and test are for verification


def test_ctal_recipes_are_the_papers_and_the_codes() -> None:
    """§3.2, §4.1 and §4.2 of Li et al. 2021; the fact sheet's rows 2, 3, 13–17 and 20."""
    for size, layers in (("base", 3), ("large", 6)):
        pretrain = load_recipe(f"ctal-{size}-pretrain")
        preset = FAMILIES["ctal"].presets[pretrain.model.preset or ""]
        text = BUILTIN_TEXT[pretrain.model.text_encoder or ""](vocab_size=5)
        assert preset["num_layers"] == text.num_hidden_layers == layers
        assert (pretrain.optim.name, pretrain.optim.lr) == ("adam", 5e-5)
        assert (pretrain.training.batch_size, pretrain.training.steps) == (16, 1_000_000)
        assert pretrain.model.vocab_size == 30_000
        assert pretrain.objectives.masks == ("text", "audio")
        emotion, value = load_recipe(f"ctal-{size}-iemocap"), load_recipe(f"ctal-{size}-mosei")
        speaker = load_recipe(f"ctal-{size}-verification")
        assert value.criterion == "l1"
        for recipe in (emotion, value, speaker):
            assert recipe.model.init == f"runs/ctal-{size}-pretrain"
            assert (recipe.optim.name, recipe.optim.lr) == ("adamw", 1e-5)
            assert recipe.optim.schedule == "cosine"
            assert (recipe.training.batch_size, recipe.training.epochs) == (4, 20)
            assert recipe.objectives.orthogonality is not None
            assert recipe.objectives.orthogonality.alpha == 1
            assert recipe.data.hear_seconds == 2999 * 200 / 16_000
    coded = load_recipe("ctal-base-pretrain-code")
    frames = coded.objectives.masked_frames
    assert frames is not None
    assert (frames.style, frames.probability, frames.min_span, frames.max_span) == (
        "code",
        0.15,
        20,
        50,
    )
    assert (coded.optim.name, coded.optim.warmup, coded.training.batch_size) == (
        "bertadam",
        0.07,
        8,
    )
    tuned = load_recipe("ctal-base-iemocap-code")
    assert tuned.protocol is not None
    assert (tuned.training.batch_size, tuned.protocol.selection) == (2, "best_test")
    for recipe in (coded, tuned):
        assert FAMILIES["ctal"].presets[recipe.model.preset or ""]["as_published"] == "code"


@pytest.mark.parametrize(
    "name,protocol,corpus",
    [
        ("cmt-base-iemocap", "iemocap-4way-loso", "iemocap"),
        ("cmt-base-mosei", "mosei-sentiment", "mosei"),
        ("cmt-base-mosi", "mosi-sentiment", "mosi"),
    ],
)
def test_fine_tuning_recipes_name_their_protocol(name: str, protocol: str, corpus: str) -> None:
    recipe, base = load_recipe(name), load_recipe("cmt-base-finetune")
    assert recipe.protocol == PROTOCOLS[protocol]
    assert recipe.protocol.corpus == corpus
    assert (recipe.optim, recipe.objectives) == (base.optim, base.objectives)
    assert recipe.training == base.training


def test_a_named_protocol_brings_its_keys_and_forgets_those_below() -> None:
    """cmt-base-finetune leaves one group out and asks for emotion; a name laid over it does not."""
    recipe = load_recipe(
        "cmt-base-finetune",
        ["protocol.name=mosei-sentiment", "protocol.selection=last", "protocol.expected=null"],
    )
    named = PROTOCOLS["mosei-sentiment"]
    assert recipe.protocol == dataclasses.replace(named, selection="last", expected=None)
    again = load_recipe(
        "cmt-base-finetune", ["protocol.folds=3", "protocol.name=iemocap-jbls"]
    ).protocol
    assert again == PROTOCOLS["iemocap-jbls"]


def test_an_unknown_protocol_gets_near_names() -> None:
    with pytest.raises(ConfigError, match="no protocol is called 'iemocap-jbl'; did you mean iemo"):
        load_recipe("cmt-base-finetune", ["protocol.name=iemocap-jbl"])


def test_a_recipe_nobody_ships_is_named() -> None:
    with pytest.raises(ConfigError, match=r"none shipped .*did you mean cmt-base-pretrain or"):
        find_recipe("cmt-bass-pretrain", Path())


@pytest.mark.parametrize(
    "overrides,said",
    [
        (["optim.lrr=1"], "unknown key 'optim.lrr', did you mean 'lr'"),
        (["objectives.supervised=null"], "finetune needs protocol and objectives.supervised"),
        (["stage=pretrain"], "pretrain uses no labels"),
        (["seeds=[]"], "seeds: expected at least one"),
        (["training.epochs=3", "training.steps=3"], "exactly one of epochs and steps"),
        (["protocol.train_fraction=2"], "train_fraction expects a share"),
        (["data.transductive=true"], "data.transductive is for stages without labels"),
        (["protocol=null", "seeds=[0, 1]"], "expected one seed"),
        (["objectives.orthogonality.alpha=-1"], "alpha expects 0 or more"),
        (["final_model=true", "optim.schedule=plateau"], "no schedule can watch validation"),
    ],
)
def test_recipes_that_cannot_be(overrides: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_recipe("twokey-finetune", overrides)
    for bad in ("masked_text.probability=15", "masked_audio.start_probability=0"):
        with pytest.raises(ConfigError, match=r"expects a share in \(0, 1\]"):
            load_recipe("twokey-cmt-pretrain", [f"objectives.{bad}"])
    with pytest.raises(ConfigError, match="'mult' has no pretraining, expected stage=finetune"):
        load_recipe("twokey-two-stream-pretrain", ["model.family=mult"])
    with pytest.raises(ConfigError, match=r"pretrain needs objectives\.masked_text"):
        load_recipe(
            "twokey-cmt-pretrain", ["objectives.masked_text=null", "objectives.masked_audio=null"]
        )


@pytest.mark.parametrize(
    "overrides,fault",
    [
        (
            ["objectives.supervised.criterion=ccc"],
            "criterion: ccc does not fit protocol.task=classification, which expects cross_entropy "
            "or soft_cross_entropy or kl",
        ),
        (
            ["protocol.task=regression", "objectives.supervised.criterion=kl"],
            "criterion: kl does not fit protocol.task=regression, which expects mse or l1 or ccc",
        ),
        (
            ["protocol.task=regression", "objectives.supervised.smoothing=0.1"],
            "smoothing is for classes, not for a value",
        ),
        (["objectives.supervised.smoothing=1"], r"smoothing expects a share in \[0, 1\), found 1"),
        (
            ["protocol.ambiguous=train", "protocol.labels=[sad, glad]"],
            "cross_entropy learns from labels, and these have none; choose "
            "objectives.supervised.criterion soft_cross_entropy or kl",
        ),
        (
            [
                "protocol.task=regression",
                "objectives.supervised.criterion=ccc",
                "training.batch_size=8",
                "training.micro_batch_size=4",
            ],
            "batch_size of at least 2 in one piece, found batch_size 8 and micro_batch_size 4",
        ),
        (
            [
                "protocol.task=regression",
                "objectives.supervised.criterion=ccc",
                "training.batch_size=1",
            ],
            "at least 2 in one piece, found batch_size 1",
        ),
    ],
)
def test_losses_that_do_not_fit_are_refused(overrides: list[str], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        load_recipe("cmt-base-finetune", overrides)
