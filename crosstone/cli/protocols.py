"""The verb that lists the named protocols."""

from typing import Annotated

import typer


def protocols(
    names: Annotated[
        list[str] | None, typer.Argument(help="Names to show; without any, all of them.")
    ] = None,
) -> None:
    """The named protocols: who trains, who tests, what is counted, and where it is from."""
    from rich.console import Console

    from crosstone.protocols import PROTOCOLS, ProtocolSpec, describe_counts, named_protocol

    def folds(spec: ProtocolSpec) -> str:
        if spec.test_units:
            named = (("trains", spec.train_units), ("validates", spec.valid_units))
            sides = [f"{verb} {', '.join(units)}" for verb, units in named if units]
            return "; ".join([*sides, f"tests {', '.join(spec.test_units)}"])
        return {
            "predefined": "the corpus's own train, valid and test",
            "leave-one-group-out": f"every {spec.unit} in turn",
            "grouped-kfold": f"{spec.folds} folds of whole {spec.unit}s",
            "holdout": f"one hold-out of whole {spec.unit}s",
            "trials": f"the corpus's list of trials, or up to {spec.max_trials:,} pairs that are "
            "drawn from its split test",
        }[spec.kind]

    def classes(spec: ProtocolSpec) -> str:
        merged = {new: old for old, new in spec.label_map.items()}
        said = [f"{name} + {merged[name]}" if name in merged else name for name in spec.labels]
        return f": {', '.join(said)}" if said else ""

    unit_means = {"group": " (session, dialogue or video)", "speaker": "", "utterance": ""}
    console = Console(highlight=False, soft_wrap=True)
    for spec in [named_protocol(name) for name in names or PROTOCOLS]:
        counts = [describe_counts(version) for version in spec.expected or ()]
        rule = "enforced" if spec.enforce else "named, not enforced"
        permitted = ", ".join(f"{side}s" for side in spec.permits)
        rows = {
            "corpus": spec.corpus,
            "target": f"{spec.target}{classes(spec)}; headline {spec.metric}",
            "folds": folds(spec),
            "unit": f"{spec.unit}{unit_means[spec.unit]}"
            + (f"; {permitted} stand on both sides" if permitted else ""),
            "selection": spec.selection,
            "expected": f"{'; or '.join(counts)} ({rule})" if counts else "no counts known",
            "source": spec.source,
        }
        console.print(f"[bold]{spec.name}[/bold]")
        for term, text in rows.items():
            console.print(f"  {term:<10}", end="")
            console.print(text, markup=False)
