"""The tables that a study regenerates, as the papers print them."""

import re
from collections.abc import Iterator, Mapping, Sequence

from crosstone.protocols.published import Published, published_numbers
from crosstone.reports.comparison import System, gathered
from crosstone.reports.page import Block, Cell, Heading, Table, TableRow
from crosstone.reports.published import column_title, published
from crosstone.reports.wording import enumerate_words, number
from crosstone.studies.study import Study

PAPERS: Mapping[str, str] = {
    "CMT": "cmt-2022",
    "CTAL": "ctal-2021",
    "JBLS": "jbls-2020",
    "CMA": "cma-2021",
}
"""How a source names a paper → its key among the published numbers."""

_TABLES = re.compile(r"\btables? (\d+(?:(?:–|, | and )\d+)*)")


def theirs(study: Study, systems: Mapping[str, System]) -> list[Block]:
    """Ours beside the published numbers where the corpus is a paper's; the papers' own tables."""
    blocks: list[Block] = []
    for found in gathered(list(systems.values())):
        blocks += published(found)
    corpora = {str(system.corpus.get("name")) for system in systems.values()}
    tables: dict[tuple[str, str], list[Published]] = {}
    for one in published_numbers():
        if any(_is_of(one, paper, table) for paper, table in cited_tables(study.source)):
            tables.setdefault((one.paper, one.table), []).append(one)
    if tables:
        blocks.append(Heading("Theirs"))
        blocks += (_table(paper, numbers, corpora) for (paper, _), numbers in tables.items())
    return blocks


def cited_tables(source: str) -> Iterator[tuple[str, int]]:
    """Paper and number of every table that a source names, as in `CTAL tables 1–3; CMT table 4`."""
    for part in source.split(";"):
        words = part.split()
        paper = PAPERS.get(words[0] if words else "")
        for listed in _TABLES.findall(part) if paper else ():
            for piece in re.split(r", | and ", listed):
                first, _, last = piece.partition("–")
                for table in range(int(first), int(last or first) + 1):
                    yield str(paper), table


def _is_of(one: Published, paper: str, table: int) -> bool:
    return one.paper == paper and re.match(rf"table {table}\b", one.table) is not None


def _table(paper: str, numbers: Sequence[Published], ours: set[str]) -> Table:
    first = numbers[0]
    called = {key: name for name, key in PAPERS.items()}[paper]
    columns = list(dict.fromkeys((one.metric, one.label) for one in numbers))
    rows: dict[str, dict[tuple[str, str], Published]] = {}
    for one in numbers:
        rows.setdefault(one.system, {})[(one.metric, one.label)] = one
    caveats = list(dict.fromkeys(caveat for one in numbers for caveat in one.caveats))
    where = "the corpus of ours" if first.corpus in ours else "another corpus"
    caption = f"{called} {first.table}, theirs, on {where} ({first.corpus})."
    if caveats:
        caption += f" To know: {'; '.join(caveats)}."
    return Table(
        caption,
        ("System", *(column_title(column) for column in columns)),
        tuple(
            TableRow(
                (
                    Cell(system, _origin(list(values.values()))),
                    *(Cell(number(values[c].value) if c in values else "–") for c in columns),
                )
            )
            for system, values in rows.items()
        ),
    )


def _origin(numbers: Sequence[Published]) -> str:
    return enumerate_words([o for o in dict.fromkeys(n.origin for n in numbers) if o != "own"])
