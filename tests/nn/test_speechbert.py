"""Speech-BERT: tokens by hand, the released net's states, and what is lost told."""

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig, AutoModel

from crosstone.nn.encoders import AudioEncoder, frame_stride, is_padding_safe
from crosstone.nn.joining import BOS, EOS, PAD, UNK, join_table
from crosstone.nn.quantizer import VQWav2VecConfig
from crosstone.nn.speechbert import (
    SpeechBertConfig,
    SpeechBertModel,
    num_tokens,
    speech_roberta,
    tiny_speechbert,
)
from crosstone.sequence import Sequence

TOKENIZER = VQWav2VecConfig(conv_layers=[[16, 10, 5], [16, 8, 4], [16, 4, 2]], num_codes=6)


def bert(vocab_size: int, **fields: Any) -> Any:
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
    return speech_roberta(
        vocab_size, intermediate_size=48, initializer_range=0.2, **sizes, **fields
    )


def speechbert(**fields: Any) -> SpeechBertModel:
    torch.manual_seed(0)
    config = bert(num_tokens(TOKENIZER), **fields)
    return SpeechBertModel(SpeechBertConfig(tokenizer_config=TOKENIZER, bert_config=config)).eval()


def waves(*lengths: int) -> Sequence:
    torch.manual_seed(1)
    return Sequence.pad([torch.randn(n) for n in lengths])


def test_tokens_by_hand() -> None:
    model, audio = speechbert(), waves(2000, 700)
    codes = model.tokenizer(audio.values, audio.mask)
    assert codes.mask.sum(1).tolist() == [48, 15]
    found = model.tokenise(audio.values, audio.mask)
    for row, count in enumerate((48, 15)):
        by_hand = [4 + 6 * a + b for a, b in codes.codes[row, :count].tolist()]
        expected = [BOS, *by_hand, EOS, *[PAD] * (48 - count)]
        assert found.ids[row].tolist() == expected
    assert found.mask.sum(1).tolist() == [50, 17]
    assert found.unknown.tolist() == found.cut.tolist() == [0, 0]
    assert model.config.mask_token == 4 + 36


def test_a_pair_without_an_entry_is_unknown_and_counted() -> None:
    model, audio = speechbert(), waves(2000)
    pairs = model.tokenizer(audio.values, audio.mask).codes[0].tolist()
    known = ["-".join(map(str, pairs[0]))]
    model.join_table.copy_(join_table(known, num_codes=6, num_groups=2))
    found = model.tokenise(audio.values, audio.mask)
    same = [pair == pairs[0] for pair in pairs]
    assert found.ids[0, 1:-1].tolist() == [4 if is_known else UNK for is_known in same]
    assert found.unknown.tolist() == [same.count(False)]
    assert 0 < found.unknown < len(pairs)


def test_a_dictionary_smaller_than_the_pairs_starts_as_unknown() -> None:
    config = SpeechBertConfig(tokenizer_config=TOKENIZER, bert_config=bert(4 + 10 + 1))
    table = SpeechBertModel(config).join_table.flatten()
    assert table.tolist() == [*range(4, 14), *[UNK] * 26]


def test_what_is_too_long_keeps_its_beginning_and_its_end_token() -> None:
    """JBLS's collater: the first tokens but one, then `</s>`."""
    whole = speechbert()
    model = speechbert(max_position_embeddings=22)
    audio = waves(2000, 700)
    full = whole.tokenise(audio.values, audio.mask)
    found = model.tokenise(audio.values, audio.mask)
    assert found.ids.shape == (2, 20)
    assert found.ids[0].tolist() == [*full.ids[0, :19].tolist(), EOS]
    assert found.ids[1, :17].tolist() == full.ids[1, :17].tolist()
    assert found.cut.tolist() == [30, 0]
    config = model.config
    assert [config.num_frames(n) for n in (2000, 700)] == [20, 17]
    lasts = round(config.heard_seconds * 16_000)
    assert [int(model.tokenise(torch.randn(1, n)).cut) for n in (lasts - 1, lasts)] == [0, 1]
    assert config.num_frames(torch.tensor([2000, 700])).tolist() == [20, 17]


def test_states_are_those_of_roberta_over_the_tokens() -> None:
    model, audio = speechbert(), waves(2000)
    ids = model.tokenise(audio.values).ids
    expected = model.bert(input_ids=ids, output_hidden_states=True)
    found = model(audio.values, output_hidden_states=True)
    torch.testing.assert_close(found.last_hidden_state, expected.last_hidden_state)
    assert len(found.hidden_states) == 3


def test_as_a_tower_padding_and_neighbours_change_nothing() -> None:
    torch.manual_seed(0)
    encoder = AudioEncoder(speechbert().config).eval()
    assert is_padding_safe(encoder.model.config)
    assert (frame_stride(encoder.model.config), encoder.min_samples) == (40, 105)
    audio = waves(2000, 700, 30, 0)
    found = encoder(audio)
    assert found.lengths.tolist() == [50, 17, 3, 0]
    assert found.lengths[:2].tolist() == encoder.num_frames(torch.tensor([2000, 700])).tolist()
    assert found.values.isfinite().all()
    for row, length in enumerate((2000, 700, 30)):
        alone = encoder(Sequence.pad([audio.values[row, :length]]))
        count = int(found.lengths[row])
        torch.testing.assert_close(
            found.values[row, :count], alone.values[0, :count], atol=1e-5, rtol=0
        )
    flipped = encoder(Sequence(audio.values.flip(0), audio.mask.flip(0)))
    torch.testing.assert_close(flipped.values.flip(0)[0], found.values[0], atol=1e-5, rtol=0)


def test_masked_frames_become_the_mask_token_and_the_ends_stay() -> None:
    model, audio = speechbert(), waves(2000, 700)
    tokens = model.tokenise(audio.values, audio.mask)
    masked = torch.zeros(2, 50, dtype=torch.bool)
    masked[0, 0], masked[0, 3], masked[0, 49], masked[1, 40] = True, True, True, True
    by_hand = tokens.ids.clone()
    by_hand[0, 3] = model.config.mask_token
    expected = model.bert(input_ids=by_hand, attention_mask=tokens.mask.long()).last_hidden_state
    found = model(audio.values, audio.mask.long(), mask_time_indices=masked).last_hidden_state
    torch.testing.assert_close(found[tokens.mask], expected[tokens.mask])


@pytest.mark.parametrize("freeze", ["none", "convolutions", "all"])
def test_the_tokenizer_is_never_trained(freeze: str) -> None:
    encoder = AudioEncoder(speechbert().config, freeze=freeze)
    trained = {n for n, p in encoder.model.named_parameters() if p.requires_grad}
    assert not any(name.startswith("tokenizer.") for name in trained)
    assert bool(trained) is (freeze != "all")
    if trained:
        encoder(waves(2000)).values.sum().backward()
        assert encoder.model.bert.embeddings.word_embeddings.weight.grad.abs().sum() > 0


def test_a_folder_gives_equal_states(tmp_path: Path) -> None:
    model, audio = speechbert(), waves(2000, 700)
    model.join_table.copy_(join_table(["0-1", "2-2", "1-3"], num_codes=6, num_groups=2))
    model.save_pretrained(tmp_path)
    again = AutoModel.from_pretrained(tmp_path).eval()
    assert torch.equal(again.join_table, model.join_table)
    with torch.no_grad():
        expected = model(audio.values, audio.mask.long()).last_hidden_state
        found = again(audio.values, audio.mask.long()).last_hidden_state
    assert torch.equal(found, expected)
    assert AutoConfig.from_pretrained(tmp_path).num_frames(2000) == 50


def test_the_released_shape() -> None:
    """§3.1 of JBLS 2020: 12 layers of 768, 2048 positions; two of them are `<s>` and `</s>`."""
    config = SpeechBertConfig()
    assert (config.hidden_size, config.num_hidden_layers, config.max_tokens) == (768, 12, 2048)
    assert (config.frame_stride, config.min_samples, config.sampling_rate) == (160, 465, 16_000)
    assert config.num_frames(465 + 160 * 2045) == config.num_frames(16_000 * 60) == 2048
    assert config.num_frames(465 + 160 * 2044) == 2047
    assert config.heard_seconds == (465 + 160 * 2046) / 16_000


def test_the_tiny_one_has_a_token_for_every_pair() -> None:
    config = tiny_speechbert()
    table = SpeechBertModel(config).join_table
    assert sorted(table.flatten().tolist()) == list(range(4, 4 + 256))
    assert config.bert_config.vocab_size == 4 + 256 + 1
