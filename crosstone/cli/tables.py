"""Tables on standard output."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


def print_scores(places: Sequence[Path]) -> None:
    """The metrics of run sets or scores.json files, one table each."""
    console = Console()
    for place in places:
        path = place / "scores.json" if place.is_dir() else place
        scores = json.loads(path.read_text(encoding="utf-8"))
        protocol, corpus = scores["protocol"] or {}, scores["corpus"] or {}
        spread = scores["intervals"]
        scored = scores.get("scored", "test")
        title = str(scores["name"] or place) + ("" if scored == "test" else f", {scored}")
        table = Table(title=title, title_justify="left")
        table.add_column("metric")
        for column in ("mean over runs", f"{spread['level']:.0%} interval", "pooled"):
            table.add_column(column, justify="right")
        for name, metric in scores["metrics"].items():
            mean, low, high = metric["value"], metric["low"], metric["high"]
            interval = "–" if low is None else f"{low:.3f} … {high:.3f}"
            table.add_row(name, _number(mean), interval, _number(metric["pooled"]))
        console.print(table)
        console.print(str(place), highlight=False, markup=False, soft_wrap=True)
        for line in _made(scores, protocol, corpus):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
        for note in scores["notes"]:
            console.print(f"note: {note}", highlight=False, markup=False, soft_wrap=True)


def _made(
    scores: Mapping[str, Any], protocol: Mapping[str, Any], corpus: Mapping[str, Any]
) -> Iterator[str]:
    """What a number means nothing without: protocol, selection rule, corpus, counts, raters."""
    altered = ", ".join(protocol.get("altered") or ())
    share = float(protocol.get("train_fraction") or 1.0)
    yield (
        f"protocol {protocol.get('name', 'unknown')}{f' (altered: {altered})' if altered else ''}, "
        f"by {protocol.get('unit', '?')}, selection {scores['selection'] or 'unknown'}"
        f"{', transductive' if scores['transductive'] else ''}"
        f"{f', {100 * share:g} % of the training labels' if share < 1 else ''}"
    )
    counts = ", ".join(f"{n:,} {side}" for side, n in (protocol.get("counts") or {}).items())
    folds = protocol.get("folds") or 1
    copy = corpus.get("copy") or {}
    part = "" if copy.get("hash") in (None, corpus.get("hash")) else f", part of {copy['hash']}"
    yield (
        f"corpus {corpus.get('name', 'unknown')} {corpus.get('hash', '')}{part}; "
        f"{counts}{f' over {folds} folds' if folds > 1 else ''}"
        f"{'; ' if counts else ''}{protocol.get('checked') or 'no counts to compare with'}"
    )
    if left_out := protocol.get("left_out"):
        yield "left out: " + ", ".join(f"{n:,} {why}" for why, n in left_out.items())
    spread = scores["intervals"]
    scored = scores.get("scored", "test")
    noun = "trials" if scores["task"] == "verification" else "items"
    yield (
        f"{scores['items']:,} {noun}{'' if scored == 'test' else f', {scored}: no test result'}; "
        f"intervals over {spread['clusters']} {spread['by']}s"
    )
    if human := corpus.get("human"):
        from crosstone.reports.raters import rater_lines  # loads matplotlib

        yield from rater_lines({str(protocol.get("target")): human})
    for note in (*(corpus.get("incomplete") or ()), *(protocol.get("notes") or ())):
        yield f"note: {note}"


def print_robustness(place: Path) -> None:
    """The score under each condition, and its difference from the whole."""
    console = Console(highlight=False, soft_wrap=True)
    found = json.loads((place / "robustness.json").read_text(encoding="utf-8"))
    title = f"{found['metric']} with less to hear or read, misheard, and in noise"
    table = Table(title=title, title_justify="left")
    table.add_column("condition", no_wrap=True)
    for column in (f"{found['metric']}, {found['level']:.0%} interval", "difference", "WER"):
        table.add_column(column, justify="right", no_wrap=True)
    for line in found["conditions"]:
        numbers = [_with_interval(line["value"], ""), _with_interval(line["difference"], "+")]
        word_error = line["word_error"]
        table.add_row(line["name"], *numbers, "–" if word_error is None else f"{word_error:.1%}")
    console.print(table)
    items = found["conditions"][0]["items"]
    console.print(
        f"{items:,} items, the same in every line; intervals over {found['clusters']} "
        f"{found['by']}s; differences from the first, on the same draws"
    )
    for kind in found["never_alone"]:
        console.print(
            f"note: no line for {kind} alone, which training never showed the model, so that its "
            "answer would mean nothing; fine-tune with objectives.modality_dropout (as in "
            "twokey-robust)"
        )
    if found["left_out"]:
        console.print(f"note: {found['left_out']:,} items lack what the first line needs")


def _with_interval(estimate: Mapping[str, Any] | None, sign: str) -> str:
    if estimate is None:
        return "–"
    value, low, high = (estimate[key] for key in ("value", "low", "high"))
    return f"{value:{sign}.3f}" + ("" if low is None else f" ({low:{sign}.3f} … {high:{sign}.3f})")


def print_calibration(summary: Mapping[str, Any]) -> None:
    """How probabilities were calibrated, and what that changed."""
    console = Console(highlight=False, soft_wrap=True)
    title = f"{summary['method']}, fitted on {summary['rule']}"
    table = Table(title=title, title_justify="left")
    names = list(dict.fromkeys(k for entry in summary["kinds"].values() for k in entry["before"]))
    table.add_column("utterances of")
    for column in ("count", *names):
        table.add_column(column, justify="right")
    for kind, entry in summary["kinds"].items():
        numbers = (f"{entry['before'][k]:.3f} → {entry['after'][k]:.3f}" for k in names)
        table.add_row(kind, f"{entry['utterances']:,}", *numbers)
    console.print(table)
    if names:
        console.print("each utterance as it is, then scaled by a fit to other groups than its own")


def print_judgement(judgement: Mapping[str, Any]) -> None:
    """The systems of a comparison, then a sentence for every pair."""
    console = Console(highlight=False, soft_wrap=True)
    table = Table(title=f"{judgement['metric']}, mean over folds and seeds", title_justify="left")
    table.add_column("system")
    for column in (
        *("value", f"{judgement['level']:.0%} interval", "pooled"),
        *("sd over folds", "over seeds"),
    ):
        table.add_column(column, justify="right")
    for system in judgement["systems"]:
        low, high = system["low"], system["high"]
        interval = "–" if low is None else f"{low:.3f} … {high:.3f}"
        spread = [_number(system[key]) for key in ("pooled", "sd_folds", "sd_seeds")]
        table.add_row(system["name"], _number(system["value"]), interval, *spread)
    console.print(table)
    for line in _made_of_all(judgement["systems"]):
        console.print(line, markup=False)
    for verdict in judgement["verdicts"]:
        console.print(verdict["sentence"], markup=False)
    for note in judgement["notes"]:
        console.print(f"note: {note}", markup=False)


def _made_of_all(systems: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """How the numbers of each system were made: once where it is so of all."""
    lines = {
        system["name"]: list(_made(made, made["protocol"] or {}, made["corpus"] or {}))
        for system in systems
        for made in (system["made"],)
    }
    said = dict.fromkeys(line for own in lines.values() for line in own)
    for line in said:
        names = [name for name, own in lines.items() if line in own]
        yield line if len(names) == len(lines) else f"{', '.join(names)}: {line}"


def print_audit(audit: Mapping[str, Any]) -> None:
    """The checks of a file of predictions, then every convention with its interval."""
    console = Console(highlight=False, soft_wrap=True)
    said = {True: "ok", False: "FAULT", None: "?"}
    for check in audit["checks"]:
        console.print(
            f"{said[check['passed']]:<5} {check['what']}: {check['sentence']}", markup=False
        )
    protocol, spread = audit["protocol"], audit["intervals"]
    corpus = audit["corpus"] or {}
    table = Table(title=f"{audit['name']} under {protocol['name']}", title_justify="left")
    table.add_column("metric", min_width=max(map(len, audit["metrics"])))
    for column in ("mean of runs", f"{spread['level']:.0%} interval", "pooled"):
        table.add_column(column, justify="right")
    aliases = {ours: theirs for theirs, ours in audit["aliases"].items()}
    if aliases:
        table.add_column("in MMSA")
    by_class = False
    for name, metric in audit["metrics"].items():
        if ":" in name and not by_class:
            table.add_section()
            by_class = True
        low, high = metric["low"], metric["high"]
        cells = [name, _number(metric["value"])]
        cells.append("–" if low is None else f"{low:.3f} … {high:.3f}")
        cells.append(_number(metric["pooled"]))
        table.add_row(*cells, *([aliases.get(name, "")] if aliases else []))
    console.print(table)
    runs = len(audit["runs"])
    console.print(
        f"{audit['items']:,} items in {runs} run{'s' if runs > 1 else ''}; headline "
        f"{audit['headline']['metric']}, mean over folds and seeds; intervals over "
        f"{spread['clusters']} {spread['by']}s ({spread['why']})"
    )
    if corpus.get("hash"):
        console.print(f"corpus {corpus.get('name', 'unknown')} {corpus['hash']}", markup=False)
    for note in audit["notes"]:
        console.print(f"note: {note}", markup=False)


def print_catalogue(families: Sequence[Mapping[str, Any]]) -> None:
    """Each family with its paper and tables, then a line for every size."""
    console = Console(highlight=False, soft_wrap=True)
    for family in families:
        takes = [word for word in ("hears", "reads") if family[word]]
        console.print(f"[bold]{family['name']}[/bold] {' and '.join(takes)}")
        by_paper: dict[str, list[str]] = {}
        for table in family["tables"]:
            quoted = set(table["systems"].values()) == {"quoted"}
            by_paper.setdefault(table["paper"], []).append(
                f"{table['table']}{' (quoted)' if quoted else ''}"
            )
        rows = {
            "paper": f"{family['citation']} ({family['paper']})",
            "numbers": "; ".join(f"{k}: {' · '.join(v)}" for k, v in by_paper.items()),
            **{size["name"]: _size(size) for size in family["sizes"]},
        }
        width = max(map(len, rows))
        for term, text in rows.items():
            console.print(f"  {term:<{width}}  {text}", markup=False)


def _size(size: Mapping[str, Any]) -> str:
    """Whole and parts, what fine-tuning trains, and what the paper prints."""
    count = size["parameters"]
    names = {
        "audio_encoder": size["audio_encoder"],
        "tokenizer": "its tokenizer",
        "text_encoder": size["text_encoder"],
        "own": "of its own",
        "heads": f"in head{'s' * (len(size['heads']) > 1)} {' and '.join(size['heads'])}",
        "all": "in all",
    }
    parts = [f"{count[k]:,} {name}" for k, name in names.items() if k != "all" and count[k]]
    said = f"{count['all']:,} = {' + '.join(parts)}"
    if size["trained"] < count["all"]:
        said += f"; fine-tuning trains {size['trained']:,}"
    units = {1000: "thousand", 10**6: "million", 1 << 20: "× 2^20"}
    printed = [
        f"{p['said']} {names[p['of']]} (here {p['ours']:.1f} {units[p['unit']]})"
        for p in size["printed"]
    ]
    return said + (f"; printed: {', '.join(printed)}" if printed else "")


def print_demo(summary: Mapping[str, Any], out: Path) -> None:
    """The demo's table, its differences, its probe and its prediction."""
    console = Console(highlight=False)
    table = Table(
        title="Emotion from words and delivery, one grouped hold-out", title_justify="left"
    )
    table.add_column("system")
    for column in ("accuracy", "95% interval", "UA"):
        table.add_column(column, justify="right")
    for name, system in summary["systems"].items():
        accuracy = system["accuracy"]
        interval = f"{accuracy['low']:.3f} … {accuracy['high']:.3f}"
        table.add_row(name, _number(accuracy["value"]), interval, _number(system["ua"]["value"]))
    table.add_section()
    for listener, ceiling in summary["ceilings"].items():
        table.add_row(f"ceiling: {listener}", _number(ceiling), "exact", "")
    console.print(table)
    for difference in summary["differences"]:
        accuracy = difference["metrics"]["wa"]
        console.print(
            f"{difference['first']} − {difference['second']}: {accuracy['value']:+.3f} accuracy "
            f"({accuracy['low']:+.3f} … {accuracy['high']:+.3f}, over {difference['clusters']} "
            f"{difference['by']}s)"
        )
    probe = ", ".join(f"{name} {value:.3f}" for name, value in summary["probe"].items())
    console.print(f"masked prediction with the right and a wrong other modality: {probe}")
    prediction = summary["prediction"]
    chances = ", ".join(f"{k} {v:.2f}" for k, v in prediction["probabilities"].items())
    console.print(f"“{prediction['text']}”, said {prediction['target']}: {chances}")
    console.print(
        f"{summary['seconds']['total']:.0f} s, peak {summary['peak_memory_mib']:.0f} MiB; "
        f"{out / 'report' / 'report.html'}"
    )


def _number(value: Any) -> str:
    return "–" if value is None else f"{value:.3f}"
