"""Words into token ids: a byte-level BPE trained on the spot, or a pretrained tokenizer."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import ByteLevelBPETokenizer, Regex, normalizers
from tokenizers.processors import RobertaProcessing
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from crosstone.errors import CheckpointError, CorpusError

SPECIAL_TOKENS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
"""RoBERTa's, with their ids 0 to 4."""


_LOWER: tuple[normalizers.Normalizer, ...] = (normalizers.Lowercase(),)
_PLAIN = (
    *_LOWER,
    normalizers.Replace(Regex("[.,?!]"), " "),
    normalizers.Replace(Regex(r"\s+"), " "),
    normalizers.Strip(),
)
READINGS = {"as-written": (), "lower": _LOWER, "plain": _PLAIN}
"""What a tokenizer makes of a text first: nothing; lower case; lower case without . , ? and !, as
CTAL's code does."""


def train_tokenizer(
    texts: Iterable[str], vocab_size: int, reading: str = "as-written"
) -> PreTrainedTokenizerFast:
    """A byte-level BPE of RoBERTa's form, trained on the texts as it will read them.

    It reads any script: every byte is a token. The vocabulary may come out smaller than asked
    where the texts do not give enough merges.
    """
    trained = ByteLevelBPETokenizer()
    if READINGS[reading]:
        trained.normalizer = normalizers.Sequence(list(READINGS[reading]))
    trained.train_from_iterator(
        texts,
        vocab_size=vocab_size,
        min_frequency=2,
        special_tokens=list(SPECIAL_TOKENS),
        show_progress=False,
    )
    return _of_roberta_form(trained)


def _of_roberta_form(bpe: ByteLevelBPETokenizer) -> PreTrainedTokenizerFast:
    """A byte-level BPE with RoBERTa's special tokens around a text, where its vocabulary has them;
    no blank before the first word."""
    ends = (("</s>", bpe.token_to_id("</s>")), ("<s>", bpe.token_to_id("<s>")))
    bpe.post_processor = RobertaProcessing(*ends, add_prefix_space=False)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe._tokenizer,
        bos_token="<s>",
        cls_token="<s>",
        eos_token="</s>",
        sep_token="</s>",
        pad_token="<pad>",
        unk_token="<unk>",
        mask_token="<mask>",
    )


def load_tokenizer(source: Path | str) -> Any:
    """The tokenizer of a folder, run or hub id; CheckpointError where there is none.

    A folder of bare vocab.json and merges.txt is a byte-level BPE of RoBERTa's form.
    """
    if (Path(source) / "model").is_dir():
        source = Path(source) / "model"
    folder = Path(source)
    bare = [folder / "vocab.json", folder / "merges.txt"]
    complete = ("tokenizer.json", "tokenizer_config.json", "config.json")
    if all(f.is_file() for f in bare) and not any((folder / name).is_file() for name in complete):
        return _bare_tokenizer(*bare)
    try:
        return AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise CheckpointError(
            f"{source}: no tokenizer can be loaded from here ({reason}); name a folder or hub id "
            "that holds tokenizer.json"
        ) from error


def _bare_tokenizer(vocabulary: Path, merges: Path) -> PreTrainedTokenizerFast:
    try:
        bpe = ByteLevelBPETokenizer.from_file(str(vocabulary), str(merges))
    except Exception as error:  # tokenizers raises its own bare Exception
        raise CheckpointError(f"{vocabulary.parent}: no byte-level BPE ({error})") from error
    missing = [token for token in SPECIAL_TOKENS if bpe.token_to_id(token) is None]
    if missing:
        raise CheckpointError(
            f"{vocabulary}: expected RoBERTa's special tokens, found no {', '.join(missing)}; give "
            "a folder with tokenizer.json"
        )
    return _of_roberta_form(bpe)


def with_reading(tokenizer: Any, reading: str) -> Any:
    """The tokenizer, made to read texts as READINGS says.

    One that normalises in its own way stays as it is.
    """
    if READINGS[reading] and tokenizer.backend_tokenizer.normalizer is None:
        tokenizer.backend_tokenizer.normalizer = normalizers.Sequence(list(READINGS[reading]))
    return tokenizer


def tokenise(
    tokenizer: Any, texts: Sequence[tuple[str, str]], max_tokens: int | None
) -> list[NDArray[np.int64]]:
    """Token ids of (name, text) pairs, special tokens included.

    Raises CorpusError that names every text longer than max_tokens: nothing is cut in silence.
    """
    if not texts:
        return []
    rows = tokenizer([text for _, text in texts], truncation=False, verbose=False)["input_ids"]
    long = [
        f"{name} ({len(text.split())} words, {len(row)} tokens)"
        for (name, text), row in zip(texts, rows, strict=True)
        if max_tokens is not None and len(row) > max_tokens
    ]
    if long:
        more = f" and {len(long) - 5} more" if len(long) > 5 else ""
        raise CorpusError(
            f"expected texts of at most {max_tokens} tokens, which is what the text encoder "
            f"takes; found longer: {', '.join(long[:5])}{more}; split the recording or its "
            "text, or train with data.cut_texts=true"
        )
    return [np.asarray(row, dtype=np.int64) for row in rows]


def is_unicode(text: str) -> bool:
    """Whether a text can be written at all: one with a lone surrogate cannot."""
    return text.isascii() or not any("\ud800" <= character <= "\udfff" for character in text)


def shortened(row: NDArray[np.int64], max_tokens: int) -> NDArray[np.int64]:
    """Token ids without their end where there are more than max_tokens, the last, which is the
    special token that closes a text, kept."""
    return row if len(row) <= max_tokens else np.append(row[: max_tokens - 1], row[-1])
