"""What words and stretches of sound did to an answer, drawn: under the sound, in a list, as a map.

What speaks for the answer goes up or to the right and has the accent colour, a blue; what speaks
against it goes the other way and has the second colour, an orange: nobody needs to tell them apart
by colour.
"""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from crosstone.reports.drawing import ROLES, SMALL, TEXT, Drawing, canvas, finish, text_width
from crosstone.reports.figures import bare
from crosstone.reports.sound import BANDS, spectrogram, waveform
from crosstone.reports.wording import number

WIDE, NARROW = 720.0, 350.0
LEFT, RIGHT, HEAD, FOOT = 50.0, 12.0, 4.0, 40.0
TITLE, GAP = 19.0, 9.0
WAVE, SPECTROGRAM, BARS, LEVEL, ROW = 52.0, 104.0, 92.0, 15.0, 23.0

Effects = Sequence[Mapping[str, Any]]
Floats = NDArray[np.float64]


def sound_drawing(
    document: Mapping[str, Any], samples: NDArray[Any], rate: int, *, narrow: bool = False
) -> Drawing:
    """Waveform, spectrogram, words where their times are known, and what each stretch did."""
    width = NARROW if narrow else WIDE
    panels, height = _panels(document, width)
    with canvas(width, height) as figure:
        _draw(figure, document, samples, rate, panels, (width, height))
        return finish("sound-narrow" if narrow else "sound", figure, width, height)


def sound_picture(document: Mapping[str, Any], samples: NDArray[Any], rate: int) -> bytes:
    """The same as a PNG file."""
    panels, height = _panels(document, WIDE)
    with canvas(WIDE, height) as figure, matplotlib.rc_context({"savefig.facecolor": "white"}):
        _draw(figure, document, samples, rate, panels, (WIDE, height))
        return _png(figure)


def words_drawing(words: Effects, *, narrow: bool = False) -> Drawing:
    """A row a word, in the order of the text: its effect both ways, and that as a number."""
    width = NARROW if narrow else WIDE
    height = HEAD + ROW * len(words) + FOOT
    with canvas(width, height) as figure:
        _draw_words(figure, words, width, height)
        return finish("words-narrow" if narrow else "words", figure, width, height)


def words_picture(words: Effects) -> bytes:
    """The same as a PNG file."""
    height = HEAD + ROW * len(words) + FOOT
    with canvas(WIDE, height) as figure, matplotlib.rc_context({"savefig.facecolor": "white"}):
        _draw_words(figure, words, WIDE, height)
        return _png(figure)


def attention_drawing(
    name: str, title: str, weights: Floats, words: Sequence[str], seconds: float, width: float
) -> Drawing:
    """Words by time (W, S), the darker the more of a gaze rests there; one row or one column where
    a stream looks as a whole."""
    left = 12.0 + max((text_width(word, SMALL) for word in words), default=0.0)
    rows = max(len(words), 1)
    top = 24.0
    height = top + 17.0 * rows + FOOT
    with canvas(width, height) as figure:
        inner = (width - left - RIGHT) / width
        axes = figure.add_axes((left / width, FOOT / height, inner, 17.0 * rows / height))
        bare(axes, sides=("bottom",))
        axes.imshow(
            _inked(weights / max(float(weights.max(initial=0.0)), 1e-12), ROLES["accent"]),
            aspect="auto",
            interpolation="none",
            extent=(0, seconds, rows, 0),
        )
        axes.set_yticks(np.arange(len(words)) + 0.5, list(words))
        axes.tick_params(axis="y", length=0, labelcolor=ROLES["ink"])
        if weights.shape[1] > 1:
            _time_axis(axes, seconds, width)
        else:
            axes.set_xticks([])
        figure.text(8 / width, 1 - 4 / height, title, va="top", color=ROLES["soft"], fontsize=SMALL)
        return finish(name, figure, width, height)


def _panels(
    document: Mapping[str, Any], width: float
) -> tuple[list[tuple[str, float, float]], float]:
    """(name, top, height) of each panel, in pixels from the top, and the height of all."""
    listed = [("wave", WAVE), ("spectrogram", SPECTROGRAM)]
    if any(word["start"] is not None for word in document["words"]):
        levels = max(level for _, _, level in _word_places(document, width - LEFT - RIGHT)) + 1
        listed += [("lane", LEVEL * levels), ("words", BARS)]
    listed.append(("stretches", BARS))
    panels, top = [], HEAD
    for name, tall in listed:
        top += 0.0 if name == "words" else TITLE
        panels.append((name, top, tall))
        top += tall + (2.0 if name == "lane" else GAP)
    return panels, top - GAP + FOOT


def _draw(
    figure: Canvas,
    document: Mapping[str, Any],
    samples: NDArray[Any],
    rate: int,
    panels: Sequence[tuple[str, float, float]],
    size: tuple[float, float],
) -> None:
    width, height = size
    seconds = float(document["seconds"])
    titles = {
        "wave": "Sound, tinted by what each stretch did",
        "spectrogram": "Spectrogram, kHz",
        "lane": "Words, and what each did",
        "stretches": "What each stretch did",
    }
    last: Axes | None = None
    for name, top, tall in panels:
        axes = figure.add_axes(
            (LEFT / width, 1 - (top + tall) / height, (width - LEFT - RIGHT) / width, tall / height)
        )
        bare(axes, sides=())
        axes.set_xlim(0, seconds)
        axes.set_xticks([])
        if name in titles:
            at = 1 - (top - 4) / height
            figure.text(
                LEFT / width, at, titles[name], va="bottom", color=ROLES["soft"], fontsize=SMALL
            )
        if name == "wave":
            _draw_wave(axes, document, samples)
        elif name == "spectrogram":
            _draw_spectrogram(axes, samples, rate, seconds)
        elif name == "lane":
            _draw_lane(axes, document, width - LEFT - RIGHT)
        else:
            _draw_bars(axes, document[name])
        last = axes
    assert last is not None
    last.spines["bottom"].set_visible(True)
    _time_axis(last, seconds, width)


def _draw_wave(axes: Axes, document: Mapping[str, Any], samples: NDArray[Any]) -> None:
    stretches = document["stretches"]
    most = max((abs(s["occlusion"]) for s in stretches), default=0.0) or 1.0
    for stretch in stretches:
        axes.axvspan(
            stretch["start"],
            stretch["end"],
            color=_colour(stretch["occlusion"]),
            alpha=0.5 * abs(stretch["occlusion"]) / most,
            linewidth=0,
        )
    high, low = waveform(samples)
    loudest = max(float(np.abs([high, low]).max()), 1e-6)
    at = (np.arange(len(high)) + 0.5) * document["seconds"] / len(high)
    axes.fill_between(at, low / loudest, high / loudest, color=ROLES["ink"], linewidth=0.3)
    axes.set_ylim(-1.08, 1.08)
    axes.set_yticks([])


def _draw_spectrogram(axes: Axes, samples: NDArray[Any], rate: int, seconds: float) -> None:
    levels, hertz = spectrogram(samples, rate)
    axes.imshow(
        _inked(levels[::-1], ROLES["soft"]),
        aspect="auto",
        interpolation="none",
        extent=(0, seconds, 0, BANDS),
    )
    shown = [h for h in (200, 500, 1000, 2000, 4000, 8000, 16000) if h <= hertz[-1] + 1]
    places = np.interp(shown, hertz, np.arange(BANDS) + 0.5)
    axes.set_yticks(places, [f"{h / 1000:g}" for h in shown])


def _word_places(
    document: Mapping[str, Any], width: float
) -> list[tuple[Mapping[str, Any], float, int]]:
    """(word, centre in pixels, level) of each word with a time, on the lowest level that is free
    there."""
    ends: list[float] = []
    placed = []
    for word in document["words"]:
        if word["start"] is None:
            continue
        half = text_width(word["word"], SMALL) / 2
        middle = (word["start"] + word["end"]) / 2 / document["seconds"] * width
        centre = min(max(middle, half), max(width - half, half))
        level = next((i for i, end in enumerate(ends) if end + 7 < centre - half), len(ends))
        ends[level : level + 1] = [centre + half]
        placed.append((word, centre, level))
    return placed


def _draw_lane(axes: Axes, document: Mapping[str, Any], width: float) -> None:
    placed = _word_places(document, width)
    levels = max(level for _, _, level in placed) + 1
    most = max(abs(word["occlusion"]) for word, _, _ in placed) or 1.0
    axes.set_ylim(0, levels)
    axes.set_yticks([])
    for word, centre, level in placed:
        strength = abs(word["occlusion"]) / most
        axes.text(
            centre / width * document["seconds"],
            level + 0.5,
            word["word"],
            ha="center",
            va="center",
            fontsize=SMALL,
            fontweight="bold" if strength > 0.5 else "normal",
            color=_colour(word["occlusion"]) if strength > 0.15 else ROLES["soft"],
        )


def _draw_bars(axes: Axes, effects: Effects) -> None:
    """Bars of occlusion, a dot each of integrated gradients, up where they speak for it."""
    there = [effect for effect in effects if effect["start"] is not None]
    low, high = _limits(there)
    axes.set_ylim(low, high)
    for effect in there:
        begin, end = effect["start"], effect["end"]
        axes.bar(
            begin,
            effect["occlusion"],
            end - begin,
            align="edge",
            color=_colour(effect["occlusion"]),
            edgecolor=ROLES["paper"],
            linewidth=0.8,
        )
    middles = [(effect["start"] + effect["end"]) / 2 for effect in there]
    spreads = [effect.get("spread", 0.0) for effect in there]
    if any(spreads):
        axes.vlines(
            middles,
            [e["occlusion"] - s for e, s in zip(there, spreads, strict=True)],
            [e["occlusion"] + s for e, s in zip(there, spreads, strict=True)],
            color=ROLES["ink"],
            linewidth=0.8,
        )
    _dots(axes, middles, [effect["gradients"] for effect in there])
    axes.axhline(0, color=ROLES["soft"], lw=0.8)
    axes.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: number(v, True, trim=True)))


def _draw_words(figure: Canvas, words: Effects, width: float, height: float) -> None:
    said = [f"{_signed(word['occlusion'])}" for word in words]
    left = 16.0 + min(0.4 * width, max(text_width(word["word"]) for word in words))
    right = 18.0 + max(text_width(text, SMALL) for text in said)
    rows = len(words)
    axes = figure.add_axes(
        (left / width, FOOT / height, (width - left - right) / width, ROW * rows / height)
    )
    bare(axes, sides=("bottom",))
    axes.set_ylim(rows, 0)
    axes.set_xlim(*_limits(words))
    axes.set_yticks(np.arange(rows) + 0.5, [word["word"] for word in words])
    axes.tick_params(axis="y", length=0, labelcolor=ROLES["ink"], labelsize=TEXT, pad=8)
    at = np.arange(rows) + 0.5
    effects = [word["occlusion"] for word in words]
    axes.barh(at, effects, 0.62, color=[_colour(effect) for effect in effects])
    _dots(axes, [word["gradients"] for word in words], at)
    axes.axvline(0, color=ROLES["soft"], lw=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(4 if width < WIDE else 7, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: number(v, True, trim=True)))
    axes.set_xlabel("against  ·  for", color=ROLES["soft"], fontsize=SMALL, labelpad=4)
    for row, (text, effect) in enumerate(zip(said, effects, strict=True)):
        axes.text(
            1 + 10 / (width - left - right),
            row + 0.5,
            text,
            transform=axes.get_yaxis_transform(),
            va="center",
            color=_colour(effect),
            fontsize=SMALL,
        )


def _dots(axes: Axes, x: Any, y: Any) -> None:
    axes.scatter(
        x, y, s=22, color=ROLES["paper"], edgecolors=ROLES["ink"], linewidths=1.2, zorder=4
    )


def _limits(effects: Effects) -> tuple[float, float]:
    values = [e[name] for e in effects for name in ("occlusion", "gradients")]
    values += [e["occlusion"] + s * e.get("spread", 0.0) for e in effects for s in (-1, 1)]
    low, high = min(0.0, *values), max(0.0, *values)
    margin = 0.08 * ((high - low) or 1.0)
    return low - margin, high + margin


def _time_axis(axes: Axes, seconds: float, width: float) -> None:
    axes.set_xlim(0, seconds)
    axes.xaxis.set_major_locator(MaxNLocator(4 if width < WIDE else 9, steps=[1, 2, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
    axes.set_xlabel("seconds", color=ROLES["soft"], fontsize=SMALL, labelpad=4)


def _colour(effect: float) -> str:
    return ROLES["accent" if effect >= 0 else "second"]


def _signed(value: float) -> str:
    told = f"{value:+.2f}".replace("-", "−")
    return told if float(f"{value:.2f}") else "0"


def _inked(shares: Floats, colour: str) -> NDArray[np.float32]:
    """A picture in one colour, as opaque as the shares (rows, columns) say."""
    picture = np.empty((*shares.shape, 4), np.float32)
    picture[..., :3], picture[..., 3] = to_rgb(colour), 0.95 * shares
    return picture


def _png(figure: Canvas) -> bytes:
    figure.patch.set_visible(True)
    figure.patch.set_facecolor("white")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=144)
    return buffer.getvalue()
