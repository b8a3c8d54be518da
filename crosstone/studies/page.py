"""A study's folder: its record, its page, its tables and its figures with their data."""

from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from crosstone.files import write_text
from crosstone.reports.comparison import System, read_systems
from crosstone.reports.page import Block, Facts, Page, Paragraph
from crosstone.reports.report import write_page
from crosstone.reports.wording import enumerate_words
from crosstone.studies.arms import pool_arms, study_folder
from crosstone.studies.board import Entry, try_claims
from crosstone.studies.claims import claim_blocks, found
from crosstone.studies.export import as_csv, claim_rows, result_rows, tables_tex
from crosstone.studies.figures import drawn
from crosstone.studies.plan import Plan
from crosstone.studies.record import Record, read_record, record_of, write_record
from crosstone.studies.sections import costs, left_out, measurements, results
from crosstone.studies.shown import Shown, together
from crosstone.studies.theirs import theirs

FOOTER = (
    "Written by crosstone from the predictions.jsonl of each system and the study.json beside this "
    "page; `crosstone report` on this folder writes it again."
)


@dataclass(frozen=True, slots=True)
class StudyFiles:
    """The files of a study's folder."""

    folder: Path
    html: Path
    markdown: Path
    results: Path
    claims: Path
    tables: Path
    figures: Path
    """Folder of the SVG files, each with its CSV."""


def write_study(plan: Plan, root: Path, *, command: str) -> StudyFiles:
    """Pools the systems of a study whose steps are done, and writes its record and its page.

    command: what runs it again. Raises CheckpointError where a step
    is not done.
    """
    record = record_of(plan, root, command=command)
    folder = study_folder(plan, root)
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / ".lock"):
        pool_arms(plan, root)
        return write_study_page(write_record(record, folder))


def write_study_page(folder: Path) -> StudyFiles:
    """The page, CSV and LaTeX of a study's folder, from its study.json and the steps beside it.

    Raises CheckpointError or ConfigError where study.json cannot be read, CorpusError where a run
    set cannot.
    """
    record, root = read_record(folder), folder.parent
    scored = read_systems([root / place for place in record.systems.values()])
    systems = dict(zip(record.systems, scored, strict=True))
    entries = () if record.quick else try_claims(record.study, systems, record.left_out)
    shown = _shown(record, root, systems, entries)
    written = write_page(Page(record.study.name, shown.blocks, FOOTER), folder)
    for name, rows in shown.data.items():
        write_text(written.figures / f"{name}.csv", as_csv(rows))
    files = StudyFiles(
        folder=folder,
        html=written.html,
        markdown=written.markdown,
        results=folder / "results.csv",
        claims=folder / "claims.csv",
        tables=folder / "tables.tex",
        figures=written.figures,
    )
    write_text(files.results, as_csv(result_rows(record, systems)))
    write_text(files.claims, as_csv(claim_rows(entries)))
    write_text(files.tables, tables_tex(record, systems, entries))
    return files


def _shown(
    record: Record, root: Path, systems: dict[str, System], entries: tuple[Entry, ...]
) -> Shown:
    return together(
        (
            Shown(tuple(_opening(record, systems, entries))),
            Shown(tuple(claim_blocks(record, entries, systems))),
            drawn(record.study, systems, "drawing"),
            results(record, systems),
            measurements(record, root),
            Shown(tuple(theirs(record.study, systems))),
            Shown(tuple(left_out(record))),
            Shown(tuple(costs(record))),
        )
    )


def _opening(record: Record, systems: dict[str, System], entries: tuple[Entry, ...]) -> list[Block]:
    corpora = {
        f"{s.corpus.get('name') or 'unnamed'}, hash {str(s.corpus.get('hash') or '?')[:16]}"
        for s in systems.values()
    }
    names = sorted(corpora) if len(corpora) < 4 else [f"{len(corpora)} corpora, listed below"]
    versions = sorted({step.crosstone for step in record.steps})
    seeds = enumerate_words([str(seed) for seed in record.seeds])
    facts = Facts(
        (
            ("run it again", record.command),
            ("shows", record.study.shows),
            ("source", record.study.source),
            ("on", enumerate_words(names)),
            ("seeds", seeds),
            ("systems", f"{len(systems)}"),
            ("crosstone", enumerate_words(versions) or "not stated"),
        )
    )
    return [facts, *(Paragraph(sentence) for sentence in found(record, entries, systems))]
