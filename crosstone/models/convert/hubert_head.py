"""fairseq's HuBERT: the head that predicts codewords, which Hugging Face's conversion drops.

Its codewords stand in rows of fairseq's dictionary, whose first four, `<s>`, `<pad>`, `</s>` and
`<unk>`, are no codewords: never a target, but among the wrong answers of its loss.
"""

from dataclasses import dataclass

from torch import Tensor

from crosstone.errors import CheckpointError
from crosstone.models.convert.imported import Companions, Imported
from crosstone.models.convert.reading import ForeignFile
from crosstone.models.convert.table import Table, rename
from crosstone.nn.joining import NUM_SPECIAL, read_dictionary

TABLE = Table(
    names={
        r"final_proj\.(weight|bias)": r"project.\1",
        r"label_embs_concat": "codewords",
    },
    ignored={
        r"(?!final_proj|label_embs_concat).*": "the encoder, which its Hugging Face folder brings"
    },
)


@dataclass(frozen=True, kw_only=True)
class HubertHeadOptions:
    """What is taken of the rows."""

    num_codes: int | None = None
    """K of the codebook that the rows belong to, where it is to be checked; 500 in HuBERT large."""

    special_rows: bool = False
    """Keep the four rows that are no codewords, with which fairseq's own loss is counted; a label
    is then the number of its k-means centre + 4, and no codebook of ours fits."""


def convert_hubert_head(
    file: ForeignFile, options: HubertHeadOptions, companions: Companions
) -> Imported:
    """Projection and codewords of a HuBERT that was pretrained on one set of labels."""
    state = file.state
    absent = [k for k in ("final_proj.weight", "label_embs_concat") if k not in state]
    if absent:
        raise CheckpointError(
            f"{file.path}: does not fit: missing {', '.join(absent)}; give fairseq's pretrained "
            "file: neither a fine-tuned one nor a Hugging Face conversion keeps the head"
        )
    renamed = rename(state, TABLE)
    rows, width = renamed.weights["codewords"].shape
    projected, states = renamed.weights["project.weight"].shape
    if projected != width and projected % width == 0:
        raise CheckpointError(
            f"{file.path}: expected one set of labels, found {projected // width} (final_proj "
            f"gives {projected} values, a codeword has {width}); a head of ours predicts one "
            "codebook"
        )
    renamed.check(
        {"project.weight": (width, states), "project.bias": (width,), "codewords": (rows, width)},
        file.path,
    )
    codes = _num_codes(companions, options)
    if rows <= NUM_SPECIAL or codes not in (None, rows - NUM_SPECIAL):
        raise CheckpointError(
            f"{file.path}: expected {NUM_SPECIAL} special rows and {codes or 'at least one'} "
            f"codewords in label_embs_concat, found {rows} rows, so {max(rows - NUM_SPECIAL, 0)} "
            "codewords; use the codebook that it was trained on"
        )
    first = 0 if options.special_rows else NUM_SPECIAL
    weights: dict[str, Tensor] = {
        **renamed.weights,
        "codewords": renamed.weights["codewords"][first:].contiguous(),
    }
    return Imported(
        result=weights,
        mapped=renamed.mapped,
        ignored=renamed.ignored,
        metadata={"num_codes": str(rows - first), "first_row": str(first)},
        notes=(
            "its codewords fit labels of the codebook that it was trained on, and no others: of "
            "HuBERT large, k-means of 500 centres over layer 9 of HuBERT base",
        ),
    )


def _num_codes(companions: Companions, options: HubertHeadOptions) -> int | None:
    if companions.dictionary is None:
        return options.num_codes
    return len(read_dictionary(companions.dictionary))
