"""What an examination of a corpus found, as a page and as lines for a terminal."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from crosstone.reports.drawing import Drawing
from crosstone.reports.histograms import bar_chart, histogram_panel
from crosstone.reports.page import (
    Block,
    Cell,
    Facts,
    Figure,
    Heading,
    Notes,
    Page,
    Paragraph,
    Table,
    TableRow,
)
from crosstone.reports.raters import rater_lines, rater_table
from crosstone.reports.wording import count, duration, enumerate_words

MOST_ROWS = 30
"""Names beyond this many become a histogram and a folded table."""
NUM_EXAMPLES = 3
"""Of each kind of fault, where their sentences differ."""
FOOTER = "Written by `crosstone check`, which listens to every recording again when it is run."

Found = Mapping[str, Any]


def checkup_page(found: Found) -> Page:
    """The page of an examination.

    found: the findings as JSON, with `faults`: a list of id, kind, severity and sentence.
    """
    counts = found["counts"]
    blocks = [
        Facts(tuple(_facts(found))),
        *_verdict(found["faults"]),
        Heading("Labels"),
        *_labels(found),
        *_expected(found),
        *rater_table(found["raters"]),
        Heading("Who, and where from"),
        *_units(found),
        *_splits(found),
        Heading("Sound"),
        *_sound(found["audio"], counts),
        Heading("Words"),
        *_words(found),
    ]
    title = f"{found['corpus']}: {count(counts['utterances'], 'utterance')}"
    return Page(title, tuple(blocks), FOOTER)


def checkup_lines(found: Found) -> Iterator[str]:
    """The counts in a few lines, without the faults."""
    counts, audio, text = found["counts"], found["audio"], found["text"]
    yield (
        f"{found['corpus']}: {count(counts['utterances'], 'utterance')}, "
        f"{duration(audio['hours'] * 3600)}, {count(counts['speakers'], 'speaker')}, "
        f"{count(counts['groups'], 'group')}, hash {found['hash']}"
    )
    for label, values in found["labels"].items():
        yield f"{label}: {_in_short(values)}"
    yield from rater_lines(found["raters"])
    if found["splits"]:
        yield "splits: " + ", ".join(f"{name} {n:,}" for name, n in found["splits"].items())
    if counts["with_audio"]:
        yield "audio: " + "; ".join(_audio_in_short(audio, counts))
    if counts["with_text"]:
        yield (
            f"text: {count(counts['with_text'], 'transcript')}, {_range(text['words'], 'words')}, "
            f"{text['empty']:,} empty"
        )
    for reason, number in found["left_out"].items():
        yield f"left out: {number:,} {reason}"


def _facts(found: Found) -> Iterator[tuple[str, str]]:
    counts, source = found["counts"], found["source"]
    yield "speech", f"{duration(found['audio']['hours'] * 3600)} in {counts['recordings']:,} files"
    yield "speakers, groups", f"{counts['speakers']:,}, {counts['groups']:,}"
    if found["splits"]:
        yield "splits", ", ".join(f"{name} {n:,}" for name, n in found["splits"].items())
    yield (
        "with audio, with text",
        f"{counts['with_audio']:,}, {counts['with_text']:,}",
    )
    for reason, number in found["left_out"].items():
        yield "left out", f"{number:,} {reason}"
    for key in ("url", "version", "licence", "citation"):
        if source[key]:
            yield key, source[key]
    yield "content hash", found["hash"]


def _verdict(faults: Sequence[Mapping[str, str]]) -> Iterator[Block]:
    errors = sum(fault["severity"] == "error" for fault in faults)
    warnings = len(faults) - errors
    if not faults:
        yield Paragraph("No faults were found.")
        return
    said = [count(errors, "fault")] if errors else ["No fault that training would refuse"]
    yield Paragraph(f"{' and '.join([*said, count(warnings, 'warning')])}.")
    kinds = Counter((fault["severity"], fault["kind"]) for fault in faults)
    rows, examples = [], []
    for (severity, kind), number in sorted(kinds.items(), key=lambda item: (item[0][0], -item[1])):
        rows.append(TableRow((Cell(kind), Cell(severity), Cell(f"{number:,}"))))
        of_kind = {f["sentence"]: f["id"] for f in reversed(faults) if f["kind"] == kind}
        shown = [*reversed(of_kind.items())][:NUM_EXAMPLES]
        examples += [f"{kind}, {identity}: {sentence}" for sentence, identity in shown]
    yield Table("Faults by kind.", ("kind", "severity", "how many"), tuple(rows), prose=True)
    yield Notes(tuple(examples))


def _labels(found: Found) -> Iterator[Block]:
    drawings, names = [], []
    splits = list(found["splits"])
    wanted = (found["expected"] or {}).get("labels", {})
    tables = []
    for place, (label, values) in enumerate(found["labels"].items()):
        name = f"label{place}"
        if values["kind"] == "numbers":
            drawings.append(histogram_panel(name, label, values, x_axis="value"))
            names.append(f"histogram of {label}: {_in_short(values)}")
            continue
        totals = {value: sum(by.values()) for value, by in values["values"].items()}
        ranked = sorted(totals.items(), key=lambda item: -item[1])
        drawings.append(bar_chart(name, label, ranked[:MOST_ROWS], expected=wanted.get(label, {})))
        names.append(f"counts of {label}: {_in_short(values)}")
        if splits and len(ranked) <= MOST_ROWS:
            tables.append(_by_split(label, values["values"], splits))
    if not drawings:
        yield Paragraph("No utterance has a label.")
        return
    caption = "Utterances by label; for numbers, the dashed line is the median."
    if wanted:
        caption += " An upright mark stands where an expected count differs from the one found."
    yield Figure(caption, tuple(drawings), tuple(names), top=True)
    yield from tables


def _by_split(label: str, values: Mapping[str, Mapping[str, int]], splits: list[str]) -> Table:
    columns = [*splits, *([""] if any("" in by for by in values.values()) else [])]
    rows = [
        TableRow((Cell(value), *(Cell(f"{by.get(split, 0):,}") for split in columns)))
        for value, by in values.items()
    ]
    return Table(
        f"{label} by split.", (label, *(split or "in none" for split in columns)), tuple(rows)
    )


def _expected(found: Found) -> Iterator[Block]:
    expected = found["expected"]
    if not expected:
        return
    totals = {
        label: {value: sum(by.values()) for value, by in values["values"].items()}
        for label, values in found["labels"].items()
        if values["kind"] == "classes"
    }
    rows = []
    for what in ("utterances", "speakers", "groups", "splits"):
        there = found.get(what, {})
        wanted = expected.get(what)
        if isinstance(wanted, int):
            rows.append((what, wanted, found["counts"].get(what, len(there))))
        elif wanted:
            rows += [(f"{what[:-1]} {name}", n, there.get(name, 0)) for name, n in wanted.items()]
    for label, wanted in expected.get("labels", {}).items():
        there = totals.get(label, {})
        rows += [(f"{label} {value}", n, there.get(value, 0)) for value, n in wanted.items()]
    differ = sum(wanted != there for _, wanted, there in rows)
    yield Table(
        f"Counts as published and as found: {differ or 'none'} of {len(rows)} differ.",
        ("count", "expected", "found"),
        tuple(
            TableRow((Cell(what), Cell(f"{wanted:,}"), Cell(f"{there:,}")), strong=wanted != there)
            for what, wanted, there in rows
        ),
        folded=not differ,
    )


def _units(found: Found) -> Iterator[Block]:
    """Speakers and groups: named where they are few, a histogram and a folded table where many."""
    said, drawings, titles, tables = [], [], [], []
    for kind in ("speaker", "group"):
        names: Mapping[str, int] = found[f"{kind}s"]
        if not names:
            said.append(f"no utterance says its {kind}")
            continue
        per_unit = found[f"per_{kind}"]
        said.append(f"{count(len(names), kind)}, {_range(per_unit, 'utterances')} each")
        ranked = sorted(names.items(), key=lambda item: (-item[1], item[0]))
        title = f"utterances of each {kind}"
        if len(names) > MOST_ROWS:
            rows = tuple(TableRow((Cell(name), Cell(f"{n:,}"))) for name, n in ranked)
            tables.append(Table(f"Every {kind}.", (kind, "utterances"), rows, folded=True))
        if per_unit["min"] == per_unit["max"]:
            continue
        if len(names) > MOST_ROWS:
            axis = f"utterances of a {kind}"
            drawings.append(histogram_panel(f"{kind}s", f"{kind}s", per_unit, x_axis=axis))
        else:
            drawings.append(bar_chart(f"{kind}s", title, ranked))
        titles.append(title)
    sentence = "; ".join(said)
    sentence = f"{sentence[0].upper()}{sentence[1:]}."
    if drawings:
        yield Figure(sentence, tuple(drawings), tuple(titles), top=True)
    else:
        yield Paragraph(sentence)
    yield from tables


def _splits(found: Found) -> Iterator[Block]:
    shared = [
        f"{count(len(names), kind)} in both {pair}: {enumerate_words(names[:10])}"
        f"{f' and {len(names) - 10:,} more' if len(names) > 10 else ''}."
        for kind, pairs in found["shared"].items()
        for pair, names in pairs.items()
    ]
    if shared:
        yield Notes(tuple(shared))
    elif found["splits"]:
        yield Notes(("No speaker and no group is in an evaluated split and in another.",))


def _sound(audio: Found, counts: Found) -> Iterator[Block]:
    if not counts["with_audio"]:
        yield Paragraph("No utterance has audio.")
        return
    drawings: list[Drawing] = []
    panels = (
        ("seconds", "length", "seconds"),
        ("level", "loudness", "dBFS, root mean square"),
        ("quiet", "silence", "share of 20 ms frames 40 dB below the loudest"),
    )
    for key, title, axis in panels:
        if audio[key]["count"]:
            drawings.append(histogram_panel(f"audio-{key}", title, audio[key], x_axis=axis))
    heard = "; ".join(_audio_in_short(audio, counts))
    labels = tuple(f"histogram of {title}" for key, title, _ in panels if audio[key]["count"])
    if drawings:
        yield Figure(f"{heard}.", tuple(drawings), labels)


def _words(found: Found) -> Iterator[Block]:
    words, repeats = found["text"]["words"], found["repeats"]
    if not words["count"]:
        yield Paragraph("No utterance has a transcript.")
        return
    yield Figure(
        f"{count(words['count'], 'transcript')}, {_range(words, 'words')}; "
        f"{found['text']['empty']:,} without words.",
        (histogram_panel("words", "words in a transcript", words, x_axis="words"),),
        ("histogram of words in a transcript",),
    )
    if repeats["texts"]:
        rows = tuple(
            TableRow(
                (Cell(each["text"]), Cell(f"{each['utterances']:,}"), Cell(f"{each['groups']:,}"))
            )
            for each in repeats["listed"]
        )
        yield Table(
            f"{count(repeats['texts'], 'text')} of three words or more in several groups, "
            f"{count(repeats['utterances'], 'utterance')} in all; the most frequent.",
            ("text", "utterances", "groups"),
            rows,
        )


def _in_short(values: Found) -> str:
    if values["kind"] == "numbers":
        said = f"{values['min']:g} to {values['max']:g}, mean {values['mean']:.2f}"
        return f"{values['count']:,} numbers, {said}"
    totals = {value: sum(by.values()) for value, by in values["values"].items()}
    ranked = sorted(totals.items(), key=lambda item: -item[1])
    more = f" and {len(ranked) - 12:,} more" if len(ranked) > 12 else ""
    return ", ".join(f"{value} {number:,}" for value, number in ranked[:12]) + more


def _audio_in_short(audio: Found, counts: Found) -> Iterator[str]:
    seconds = audio["seconds"]
    if seconds["count"]:
        yield _range(seconds, "s") + (" each" if seconds["min"] == seconds["max"] else "")
    if not audio["heard"]:
        yield "not listened to"
        return
    yield f"{audio['heard']:,} of {counts['with_audio']:,} can be heard"
    yield ", ".join(f"{int(rate):,} Hz {n:,}" for rate, n in audio["rates"].items())
    yield ", ".join(f"{count(int(c), 'channel')} {n:,}" for c, n in audio["channels"].items())
    yield f"{audio['level']['median']:.1f} dBFS in the median"
    yield f"{audio['clipped']:,} clipped"


def _range(found: Found, unit: str) -> str:
    low, high, median = (_number(found[key]) for key in ("min", "max", "median"))
    if low == high:
        return f"{low} {unit.removesuffix('s') if low == '1' and unit != 's' else unit}"
    return f"{low} to {high} {unit}, median {median}"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == round(value) else f"{value:.3g}"
