"""What a study found, in words, and its claim board."""

from collections.abc import Mapping, Sequence
from typing import get_args

from crosstone.metrics import LOWER_IS_BETTER
from crosstone.reports.comparison import System, gathered
from crosstone.reports.page import Block, Cell, Heading, Notes, Paragraph, Table, TableRow
from crosstone.reports.wording import METRICS, bracket, count, enumerate_words, number, percent
from crosstone.studies.board import MARKS, Entry, Outcome, Tried, num_comparisons
from crosstone.studies.export import p_value
from crosstone.studies.record import Record
from crosstone.studies.study import POINT, Claim

QUICK = "Quick run: claims nothing. It shows that every step of the study works, and no more."
_PLACES = {
    "text": "the paper's text",
    "table": "the paper's table",
    "figure": "the paper's figure",
    "ours": "our own question",
}


def found(record: Record, entries: Sequence[Entry], systems: Mapping[str, System]) -> list[str]:
    """The finding in a paragraph or two: what became of the claims, and who is best."""
    if record.quick:
        return [QUICK]
    said = []
    if entries:
        kinds = {
            outcome: [entry for entry in entries if entry.outcome == outcome]
            for outcome in get_args(Outcome)
        }
        tally = [f"{len(of)} {_outcome(kind)}" for kind, of in kinds.items() if of]
        sentence = f"Of {count(len(entries), 'claim')}, {enumerate_words(tally)}."
        for kind in ("held", "did not hold"):
            if kinds[kind] and len(kinds[kind]) <= 3:
                quoted = [f"“{entry.claim.sentence}”" for entry in kinds[kind]]
                sentence += f" {kind.capitalize()}: {enumerate_words(quoted)}."
        asked_by_papers = any(entry.claim.where != "ours" for entry in entries)
        if asked_by_papers and not record.is_paper:
            sentence += (
                f" All of it is about {record.ground} and models of this size: it says nothing of "
                "the corpora and the encoders that the paper used."
            )
        said.append(sentence)
    alike = gathered(list(systems.values()))
    if len(alike) == 1 and len(systems) > 1:
        best, metric = alike[0].best, alike[0].headline
        word = "lowest" if metric in LOWER_IS_BETTER else "highest"
        sentence = (
            f"{_capital(best.name)} has the {word} {METRICS[metric]}, "
            f"{number(best.headline.value)} "
            f"{bracket(best.headline)}".rstrip()
        )
        bounds = {
            kind: alike[0].ceilings[kind]
            for kind in ("additive_best", "joint")
            if kind in alike[0].ceilings
        }
        if bounds:
            listed = [f"{number(v)} ({k.replace('_', ' ')})" for k, v in bounds.items()]
            of = METRICS[alike[0].ceiling_metric]
            sentence += f"; the exact ceilings of {of} are {enumerate_words(listed)}"
        said.append(f"{sentence}.")
    return said


def claim_blocks(
    record: Record, entries: Sequence[Entry], systems: Mapping[str, System]
) -> list[Block]:
    """The claim board, how it was decided, and every comparison in numbers."""
    if not record.study.claims:
        return []
    if record.quick:
        rows = [
            TableRow((Cell(c.sentence, _source(c)), Cell(c.theirs or "–")))
            for c in record.study.claims
        ]
        table = Table(
            "What a full run tries. Quick run: claims nothing.",
            ("Claim", "They print"),
            tuple(rows),
            prose=True,
        )
        return [Heading("Claims"), table]
    tried = [entry for entry in entries if entry.tried]
    untried = [entry for entry in entries if not entry.tried]
    boards = [
        Table(title, ("Claim", "Outcome", "Ours", "They print"), listed, prose=True, folded=folded)
        for title, of, folded in (
            ("The claims of the study, tried on the systems below.", tried, False),
            ("Claims that could not be tried.", untried, bool(tried)),
        )
        if (listed := tuple(_row(entry) for entry in of))
    ]
    return [
        Heading("Claims"),
        *boards,
        Paragraph(_rule(entries, systems)),
        *_notes(systems),
        *_comparisons(entries),
    ]


def outcome_of(entry: Entry) -> str:
    """The outcome by mark and by word."""
    return f"{MARKS[entry.outcome]} {entry.outcome}"


def _outcome(kind: str) -> str:
    return {"not decided": "could not be decided", "not tried": "could not be tried"}.get(
        kind, kind
    )


def _row(entry: Entry) -> TableRow:
    claim = entry.claim
    several = len(entry.tried) > 1
    ours = "; ".join(_effect(one, several) for one in entry.tried) or "–"
    return TableRow(
        (
            Cell(claim.sentence, _source(claim)),
            Cell(outcome_of(entry)),
            Cell(ours, "; ".join(entry.remarks)),
            Cell(claim.theirs or "–"),
        )
    )


def _capital(name: str) -> str:
    """A name at the head of a sentence; a Greek letter is a symbol and stays."""
    return f"{name[:1].upper()}{name[1:]}" if name.isascii() else name


def _source(claim: Claim) -> str:
    place = _PLACES[claim.where]
    return place if claim.source == "ours" else f"{claim.source}, {place}"


def _effect(one: Tried, several: bool) -> str:
    """An effect, which breaks into lines only between its parts."""
    p = p_value(one.p_corrected)
    parts = (
        f"{number(one.effect.value, True)} {METRICS.get(one.metric, one.metric)}",
        f"{bracket(one.effect, True)},",
        f"p {p}" if p.startswith("<") else f"p = {p}",
    )
    over = f"over {one.over}: " * several
    return over + " ".join(part.replace(" ", "\N{NO-BREAK SPACE}") for part in parts)


def _rule(entries: Sequence[Entry], systems: Mapping[str, System]) -> str:
    level = next(iter(systems.values())).scores.level
    compared = count(num_comparisons(entries), "comparison")
    return (
        "An effect is the first system minus the other, turned where less is better, so that above "
        f"0 is better. A claim held where the p, corrected over {compared} (Holm; what several "
        "claims ask counts once), is below "
        f"{1 - level:.2g} and the {percent(level)} interval lies wholly above what is claimed. It "
        "did not hold where the interval lies wholly below the claimed gain: where the sentence "
        f"names none, {number(POINT, trim=True)}, or the smallest gain that the paper prints if "
        "that is less. Of several comparisons all must hold, and one that does not is enough. "
        "Anything else is not decided."
    )


def _notes(systems: Mapping[str, System]) -> list[Block]:
    said = []
    single = [s for s in systems.values() if s.scores.sample.num_seeds == 1]
    if single:
        who = "Every system" if len(single) == len(systems) else f"{len(single)} systems"
        said.append(f"{who} of one seed: other trainings may differ.")
    if leaky := [n for n, s in systems.items() if s.protocol.get("selection") == "best_test"]:
        said.append(f"The epoch of {enumerate_words(leaky)} was chosen on the scored items.")
    few = {note for s in systems.values() for note in s.scores.notes if "are few" in note}
    said += [f"{note[0].upper()}{note[1:]}." for note in sorted(few)]
    return [Notes(tuple(said))] if said else []


def _comparisons(entries: Sequence[Entry]) -> list[Block]:
    rows = [
        TableRow(
            (
                Cell(f"{one.first} − {one.over}"),
                Cell(METRICS.get(one.metric, one.metric)),
                Cell(number(one.effect.value, True), bracket(one.effect, True)),
                Cell(p_value(one.p)),
                Cell(p_value(one.p_corrected)),
                Cell(p_value(one.least_p)),
                Cell(one.test),
            )
        )
        for entry in entries
        for one in entry.tried
    ]
    if not rows:
        return []
    table = Table(
        "Every comparison of the board: effects turned so that above 0 is better.",
        ("First − other", "metric", "effect", "p", "corrected", "least p", "p comes from"),
        tuple(rows),
        folded=True,
    )
    return [table]
