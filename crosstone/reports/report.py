"""Run sets in, one page out: what was found, how sure it is, and how it was measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crosstone.files import write_text
from crosstone.reports import evidence, results
from crosstone.reports.certainty import certainty
from crosstone.reports.comparison import Comparison, comparisons, read_systems
from crosstone.reports.curves import Probe, read_logs, read_probe
from crosstone.reports.detection import detection
from crosstone.reports.findings import findings
from crosstone.reports.page import Block, Heading, Page
from crosstone.reports.published import published
from crosstone.reports.raters import rater_ceiling

FOOTER = (
    "Written by crosstone from the predictions.jsonl of each run set; `crosstone score` computes "
    "every number again."
)


@dataclass(frozen=True, slots=True)
class ReportFiles:
    """The files of a report."""

    markdown: Path
    html: Path
    figures: Path
    """Folder of the SVG files that the Markdown shows; the HTML page needs none."""


def write_report(
    run_sets: Sequence[Path | str],
    out: Path | str,
    *,
    baseline: str | Path | None = None,
    pairs: Sequence[tuple[str | Path, str | Path]] = (),
    pretraining: Sequence[Path | str] | Mapping[str, Path | str] = (),
    stage_seconds: Mapping[str, float] | None = None,
    peak_memory_mib: float | None = None,
    title: str | None = None,
    **scoring: Any,
) -> ReportFiles:
    """Writes report.md and the self-contained report.html into the folder `out`.

    baseline, pairs: which differences to take (`comparisons`). pretraining: folders whose logs hold
    the cross-modal probe, by name if a mapping. scoring: keyword arguments of `score_predictions`.
    Raises CrosstoneError where a run set cannot be read.
    """
    systems = read_systems(run_sets, **scoring)
    found = comparisons(systems, baseline=baseline, pairs=pairs)
    probes = _probes(pretraining)
    blocks: list[Block] = []
    for index, comparison in enumerate(found):
        if len(found) > 1:
            blocks.append(Heading(results.question(comparison), 1))
        blocks += findings(comparison)
        blocks += results.results(comparison, f"r{index}")
        blocks += results.paired(comparison, f"r{index}")
        blocks += results.ceilings(comparison)
        blocks += rater_ceiling(comparison)
        blocks += published(comparison)
        if len(found) == 1:
            blocks += evidence.probes(probes)
        blocks += evidence.confusions(comparison, f"r{index}")
        blocks += certainty(comparison, f"r{index}")
        blocks += detection(comparison, f"r{index}")
        blocks += evidence.learning(comparison, f"r{index}")
        blocks += evidence.making(comparison)
    if len(found) > 1:
        blocks += evidence.probes(probes)
    blocks += evidence.costs(stage_seconds or {}, peak_memory_mib)
    page = Page(title or _title(found), tuple(blocks), FOOTER)
    return write_page(page, Path(out))


def _title(found: Sequence[Comparison]) -> str:
    questions = list(dict.fromkeys(results.question(comparison) for comparison in found))
    return questions[0] if len(questions) == 1 else f"Report on {len(found)} tasks"


def _probes(folders: Sequence[Path | str] | Mapping[str, Path | str]) -> list[Probe]:
    named = folders if isinstance(folders, Mapping) else {Path(f).name: f for f in folders}
    probes = []
    for name, folder in named.items():
        logs = read_logs(Path(folder))
        for run, events in logs.items():
            probe = read_probe(name if len(logs) == 1 else f"{name}, {run}", events)
            if probe is not None:
                probes.append(probe)
    return probes


def write_page(page: Page, out: Path) -> ReportFiles:
    """Writes a page into a folder in both its forms, with its drawings beside."""
    figures = out / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    files = ReportFiles(out / "report.md", out / "report.html", figures)
    for drawing in page.drawings():
        write_text(figures / f"{drawing.name}.svg", drawing.standalone())
    write_text(files.markdown, page.markdown(figures.name))
    write_text(files.html, page.html())
    return files
