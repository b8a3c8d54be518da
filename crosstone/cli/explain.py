"""The verb that says why a model answers as it does."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from crosstone.cli.options import Device
from crosstone.cli.progress import bars
from crosstone.errors import CrosstoneError

if TYPE_CHECKING:
    from crosstone.inference.transcripts import Cue


def explain(
    model: Annotated[str, typer.Argument(help="Model folder, run, or hub id.")],
    audio: Annotated[Path | None, typer.Argument(help="A recording; none for words alone.")] = None,
    text: Annotated[
        str | None,
        typer.Option(help="What is said; else the .txt, .srt or .vtt beside the recording."),
    ] = None,
    cues: Annotated[
        Path | None, typer.Option(help="A .srt or .vtt file: what is said, and when.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for explanation.json, .html and .png; only JSON, shown, if none."
        ),
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="The class to explain; the answer if none.")
    ] = None,
    scale: Annotated[
        Literal["log-odds", "probability"], typer.Option(help="Of a class.")
    ] = "log-odds",
    words: Annotated[
        Literal["leave-out", "mask"] | None,
        typer.Option(help="A word taken away; the mask token where training knew it, if none."),
    ] = None,
    fill: Annotated[
        Literal["noise", "silence"],
        typer.Option(help="What becomes of sound taken away: noise of its level, or silence."),
    ] = "noise",
    window: Annotated[
        float | None, typer.Option(help="Seconds of a stretch; 0.2, or more in long recordings.")
    ] = None,
    steps: Annotated[
        int, typer.Option(help="Of integrated gradients at first; more until they are complete.")
    ] = 32,
    randomised: Annotated[
        int, typer.Option(help="Models with shuffled weights to compare with; 0: none.")
    ] = 3,
    attention: Annotated[
        bool, typer.Option("--attention", help="Show where words and sound look, too.")
    ] = False,
    head: Annotated[
        str | None, typer.Option(help="Which head answers, where there are more.")
    ] = None,
    device: Device = None,
) -> None:
    """What each word and each stretch of sound did to an answer: JSON, a page and a picture.

    By taking each away (occlusion) and by integrated gradients; each modality by leaving it out.
    """
    from crosstone.inference.explain import Settings
    from crosstone.inference.predictor import Predictor

    settings = Settings(
        words=words, fill=fill, window=window, scale=scale, steps=steps, randomised=randomised
    )
    if audio is None and text is None and cues is None:
        raise CrosstoneError("explain: expected a recording, --text or --cues, found none of them")
    predictor = Predictor.load(model, head=head, device=device)
    said, timed = _said(audio, text, cues) if predictor.reads else (None, [])
    with bars(shown=out is not None) as show:
        found = predictor.explain(
            audio,
            text=said,
            cues=timed,
            label=label,
            attention=attention,
            settings=settings,
            progress=show,
        )
    document = found.as_dict()
    if out is None:
        typer.echo(json.dumps(document, ensure_ascii=False))
        return
    _write(out, document, found.samples, found.sampling_rate)
    typer.echo(f"{out / 'explanation.html'}: {_told(document)}")


def _said(
    audio: Path | None, text: str | None, cues: Path | None
) -> "tuple[str | None, list[Cue]]":
    """What is said, and when where somebody says so."""
    from crosstone.inference.transcripts import cues_beside, read_cues, transcript_beside

    if cues is not None:
        return text, read_cues(cues)
    if text is not None or audio is None:
        return text, []
    said = transcript_beside(audio)
    timed = cues_beside(audio) or []
    return said, timed if said == " ".join(cue.text for cue in timed) else []


def _write(out: Path, document: dict[str, Any], samples: Any, rate: int) -> None:
    from crosstone.reports.explanation import explanation_page, explanation_picture

    out.mkdir(parents=True, exist_ok=True)
    told = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
    (out / "explanation.json").write_text(told, encoding="utf-8")
    (out / "explanation.html").write_bytes(explanation_page(document, samples, rate))
    (out / "explanation.png").write_bytes(explanation_picture(document, samples, rate))


def _told(document: dict[str, Any]) -> str:
    """What did most, in a line."""
    parts = [(w["word"], w["occlusion"]) for w in document["words"]]
    parts += [(f"{s['start']:.1f}–{s['end']:.1f} s", s["occlusion"]) for s in document["stretches"]]
    most = sorted(parts, key=lambda part: -abs(part[1]))[:3]
    named = ", ".join(f"{name} {effect:+.2f}" for name, effect in most)
    return f"{document['quantity']}, {document['score']:+.2f}; most by {named}"
