"""Every size is counted, and the counts are those that papers and released code are known by."""

import pytest

from crosstone.models import FAMILIES
from crosstone.models.catalogue import CATALOGUE, ENCODERS, count_parameters

SIZES = {(size.family, size.name): size for size in CATALOGUE}


def test_every_preset_of_every_family_stands_in_it_once() -> None:
    expected = {(f, name) for f, family in FAMILIES.items() for name in family.presets or (f,)}
    assert len(SIZES) == len(CATALOGUE)
    assert set(SIZES) == expected
    for size in CATALOGUE:
        family = FAMILIES[size.family]
        for name, takes in (("audio", family.hears), ("text", family.reads)):
            encoder, features = getattr(size, name), size.fields.get(f"{name}_features", 0)
            assert (encoder is not None or features > 0) is takes
            assert encoder is None or encoder in ENCODERS


@pytest.mark.parametrize(
    "size,counts",
    [
        # CMT 2022, §4.2, in units of 2^20: 64M and 703M, 128M and 767M
        (
            ("cmt", "cmt-base"),
            {
                "audio_encoder": 315_438_720,
                "text_encoder": 354_310_144,
                "own": 67_186_688,
                "all": 736_935_552,
            },
        ),
        (("cmt", "cmt-large"), {"own": 134_373_376, "all": 804_122_240}),
        # CTAL's released code, its text stream and heads among them
        (("ctal", "ctal-base"), {"all": 76_823_248}),
        (("ctal", "ctal-large"), {"all": 126_442_192}),
        (("ctal", "ctal-large-code"), {"all": 126_442_192}),
        # JBLS's released code: what its two fusions add
        (("jbls", "jbls-shallow"), {"own": 0, "heads": 14_344}),
        (("jbls", "jbls-coattention"), {"own": 6_429_696, "heads": 14_344}),
        (("cma", "cma-tuned"), {"audio_encoder": 315_438_720, "text_encoder": 108_891_648}),
        (("cma-text", "cma-tuned"), {"own": 0, "heads": 4 * 769}),
    ],
)
def test_counts_are_those_that_are_known(size: tuple[str, str], counts: dict[str, int]) -> None:
    found = count_parameters(SIZES[size]).parts
    assert {part: found[part] for part in counts} == counts  # type: ignore[index]
    assert found["all"] == sum(count for part, count in found.items() if part != "all")


def test_frozen_encoders_and_tokenizers_are_not_trained() -> None:
    frozen = count_parameters(SIZES["cma", "cma-frozen"])
    assert frozen.trained == frozen.parts["own"] + frozen.parts["heads"]
    jbls = count_parameters(SIZES["jbls", "jbls-shallow"])
    assert jbls.parts["tokenizer"] > 0
    assert jbls.trained == jbls.parts["all"] - jbls.parts["tokenizer"]
