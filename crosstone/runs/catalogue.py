"""What there is to train: families, their sizes, and whose published numbers they stand beside."""

import difflib
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from crosstone.errors import ConfigError
from crosstone.models import FAMILIES
from crosstone.models.catalogue import CATALOGUE, Size, count_parameters
from crosstone.protocols.published import published_numbers

SYSTEMS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "cmt": {"cmt-2022": ("CMT*",)},
    "audio": {"cmt-2022": ("HuBERT only",)},
    "text": {"cmt-2022": ("RoBERTa only",), "ctal-2021": ("RoBERTa",)},
    "shallow": {"cmt-2022": ("Shallow fusion",)},
    "ctal": {"ctal-2021": ("CTAL *", "w/o pre-training", "([a-g]) *"), "cmt-2022": ("CTAL",)},
    "jbls": {
        "jbls-2020": ("Shallow fusion*", "(5.1) *", "(5.3) *", "(5.4) *"),
        "cmt-2022": ("JBLS",),
    },
    "jbls-audio": {"jbls-2020": ("(5.2) Speech-BERT only",)},
    "jbls-text": {"jbls-2020": ("(5.2) RoBERTa only",)},
    "cma": {"cma-2021": ("CMA*",)},
    "cma-audio": {"cma-2021": ("wav2vec 2.0 + CNN + BLSTM, audio",)},
    "cma-text": {"cma-2021": ("BERT, text",)},
    "mult": {"ctal-2021": ("MulT",), "cmt-2022": ("MulT",), "jbls-2020": ("MulT",)},
    "two-stream": {"ctal-2021": ("LXMERT",)},
    "single-stream": {"ctal-2021": ("VisualBERT",)},
    "mockingjay": {"ctal-2021": ("Mockingjay",)},
}
"""Systems of the papers' tables that each family is, by paper, as patterns of their names."""


def catalogue(names: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Families as plain JSON values: paper, modalities, sizes, tables; all of them without names.

    Raises ConfigError for a name that is none.
    """
    for name in names:
        if name not in FAMILIES:
            near = difflib.get_close_matches(name, FAMILIES, n=3, cutoff=0.4)
            hint = (
                f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(FAMILIES)}"
            )
            raise ConfigError(f"models: no family is called '{name}'; {hint}")
    return [_family(name) for name in names or FAMILIES]


def _family(name: str) -> dict[str, Any]:
    family = FAMILIES[name]
    citations = {number.paper: number.citation for number in published_numbers()}
    return {
        "name": name,
        "paper": family.paper,
        "citation": citations[family.paper],
        "hears": family.hears,
        "reads": family.reads,
        "sizes": [_size(size) for size in CATALOGUE if size.family == name],
        "tables": _tables(name),
    }


def _size(size: Size) -> dict[str, Any]:
    counted = count_parameters(size)
    return {
        "name": size.name,
        "audio_encoder": size.audio,
        "text_encoder": size.text,
        "heads": {name: spec.kind for name, spec in size.heads.items()},
        "parameters": dict(counted.parts),
        "trained": counted.trained,
        "printed": [
            {"of": p.of, "said": p.said, "unit": p.unit, "ours": counted.parts[p.of] / p.unit}
            for p in size.printed
        ],
    }


def _tables(name: str) -> list[dict[str, Any]]:
    """The tables with its numbers; its names in each, and whether the number is the paper's own, of
    a training by its authors (rerun), or quoted from another."""
    tables: dict[tuple[str, str], dict[str, Any]] = {}
    for number in published_numbers():
        patterns = SYSTEMS[name].get(number.paper, ())
        if not any(fnmatchcase(number.system, pattern) for pattern in patterns):
            continue
        table = tables.setdefault(
            (number.paper, number.table),
            {
                "paper": number.paper,
                "table": number.table,
                "corpus": number.corpus,
                "target": number.target,
                "systems": {},
            },
        )
        table["systems"][number.system] = number.origin
    return list(tables.values())
