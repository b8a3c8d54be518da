"""What is taken: the described shares, never both, and independence of everything else."""

import numpy as np
import pytest
import torch

from crosstone.data.batch import Batch, Item, collate
from crosstone.errors import ConfigError
from crosstone.objectives import ModalityDropout
from crosstone.runs.recipe import load_recipe

TAKEN = ModalityDropout(audio=0.2, text=0.1)


def batch(names: list[str], **states: np.ndarray) -> Batch:
    return collate(
        [
            Item(n, np.ones(4, np.float32), np.ones(3, np.int64), text_states=states.get(n))
            for n in names
        ]
    )


def what_is_left(given: Batch) -> dict[str, tuple[bool, bool]]:
    assert given.audio is not None
    assert given.text is not None
    rows = zip(given.audio.mask.any(1).tolist(), given.text.mask.any(1).tolist(), strict=True)
    return dict(zip(given.ids, rows, strict=True))


def test_the_shares_are_those_asked_for_and_never_both() -> None:
    left = what_is_left(TAKEN.corrupt(batch([f"u{i}" for i in range(4000)]), seed=0, epoch=1))
    audio, text = np.array(list(left.values())).T
    assert (~audio).mean() == pytest.approx(0.2, abs=0.02)
    assert (~text).mean() == pytest.approx(0.1, abs=0.015)
    assert (audio | text).all()


def test_neighbours_and_order_change_nothing_epochs_and_seeds_do() -> None:
    names = [f"u{i}" for i in range(60)]
    whole = what_is_left(TAKEN.corrupt(batch(names), seed=0, epoch=1))
    part = what_is_left(TAKEN.corrupt(batch(names[40:19:-1]), seed=0, epoch=1))
    assert part == {name: whole[name] for name in part}
    assert what_is_left(TAKEN.corrupt(batch(names), seed=0, epoch=2)) != whole
    assert what_is_left(TAKEN.corrupt(batch(names), seed=1, epoch=1)) != whole


def test_what_is_taken_is_gone_and_what_lacks_one_keeps_the_other() -> None:
    names = [f"u{i}" for i in range(40)]
    given = batch(names, **{name: np.ones((3, 2), np.float32) for name in names})
    found = TAKEN.corrupt(given, seed=0, epoch=1)
    assert found.audio is not None
    assert found.text_states is not None
    assert found.text is not None
    for values, mask in (
        (found.audio.values, found.audio.mask),
        (found.text_states.values.any(-1), found.text_states.mask),
    ):
        assert not values[~mask].any()
        assert values[mask].all()
    assert torch.equal(found.text.mask, found.text_states.mask)
    lone = [Item(n, np.ones(4, np.float32), None) for n in names] + [
        Item("word", None, np.ones(3, np.int64))
    ]
    left = what_is_left(TAKEN.corrupt(collate(lone), seed=0, epoch=1))
    assert all(left[name] == (True, False) for name in names)
    assert left["word"] == (False, True)


def test_a_recipe_says_what_does_not_go_together() -> None:
    asked = "objectives.modality_dropout={audio: 0.1, text: 0.2}"
    with pytest.raises(ConfigError, match="expected a family of audio and text, found 'text'"):
        load_recipe("twokey-finetune", ["model.family=text", asked])
    with pytest.raises(ConfigError, match=r"modality_dropout is for finetune"):
        load_recipe("twokey-cmt-pretrain", [asked])
    with pytest.raises(ConfigError, match="above 0 and below 1 together"):
        load_recipe("twokey-cmt", ["objectives.modality_dropout={audio: 0.5, text: 0.5}"])
