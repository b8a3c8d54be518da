"""A report as blocks, written twice from the same content: one HTML page and Markdown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from crosstone.reports.drawing import Drawing

_TEMPLATE = Path(__file__).with_name("page.html")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading; level 2 opens a section, level 1 a part of a page that has several."""

    text: str
    level: int = 2


@dataclass(frozen=True, slots=True)
class Paragraph:
    """Running text."""

    text: str


@dataclass(frozen=True, slots=True)
class Facts:
    """Terms with what they are here."""

    pairs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Notes:
    """Remarks, one sentence each."""

    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cell:
    """A table's entry; the aside stands smaller behind it."""

    text: str
    aside: str = ""
    strong: bool = False


@dataclass(frozen=True, slots=True)
class TableRow:
    """A line of a table; a group row is a single cell that spans it."""

    cells: tuple[Cell, ...]
    strong: bool = False

    @property
    def is_group(self) -> bool:
        """True if the row is a heading inside the table."""
        return len(self.cells) == 1


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under named columns; the first column holds names, the others numbers unless `prose`."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[TableRow, ...]
    prose: bool = False
    folded: bool = False
    """Closed at first in HTML, for what a figure already shows."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One drawing (with a second one for narrow screens), or several beside each other."""

    caption: str
    drawings: tuple[Drawing, ...]
    labels: tuple[str, ...]
    """What each drawing shows, for those who hear the page."""
    narrow: Drawing | None = None
    top: bool = False
    """Whether drawings beside each other are level at the top, not at the bottom."""


Block = Heading | Paragraph | Facts | Notes | Table | Figure


@dataclass(frozen=True, slots=True)
class Page:
    """A title, blocks in order, and a footer."""

    title: str
    blocks: Sequence[Block]
    footer: str

    def html(self) -> str:
        """One self-contained HTML page."""
        body = [f"<h1>{escape(self.title)}</h1>"]
        for number, block in self._numbered():
            body.append(_html(block, number))
        return (
            _TEMPLATE.read_text(encoding="utf-8")
            .replace("{{title}}", escape(self.title))
            .replace("{{footer}}", escape(self.footer))
            .replace("{{body}}", "\n".join(body))
        )

    def markdown(self, figures: str) -> str:
        """The same in Markdown, with its drawings as links into the folder `figures`."""
        parts = [f"# {self.title}"]
        for number, block in self._numbered():
            parts.append(_markdown(block, number, figures))
        parts.append(f"---\n\n{self.footer}")
        return "\n\n".join(parts) + "\n"

    def drawings(self) -> Iterator[Drawing]:
        """The drawings that the Markdown links to."""
        for block in self.blocks:
            if isinstance(block, Figure):
                yield from block.drawings

    def _numbered(self) -> Iterator[tuple[str, Block]]:
        counts = {Figure: 0, Table: 0}
        for block in self.blocks:
            if isinstance(block, Figure | Table):
                counts[type(block)] += 1
                yield f"{type(block).__name__} {counts[type(block)]}.", block
            else:
                yield "", block


def _html(block: Block, number: str) -> str:
    if isinstance(block, Heading):
        opening = '<h2 class="part">' if block.level == 1 else f"<h{block.level}>"
        return f"{opening}{escape(block.text)}</h{max(block.level, 2)}>"
    if isinstance(block, Paragraph):
        return f"<p>{escape(block.text)}</p>"
    if isinstance(block, Facts):
        pairs = (f"<dt>{escape(term)}</dt><dd>{escape(text)}</dd>" for term, text in block.pairs)
        return f"<dl>{''.join(pairs)}</dl>"
    if isinstance(block, Notes):
        items = (f"<li>{escape(sentence)}</li>" for sentence in block.sentences)
        return f'<ul class="notes">{"".join(items)}</ul>'
    if isinstance(block, Table):
        return _html_table(block, number)
    return _html_figure(block, number)


def _html_table(table: Table, number: str) -> str:
    rows = []
    for row in table.rows:
        if row.is_group:
            cell = escape(row.cells[0].text)
            rows.append(f'<tr class="group"><td colspan="{len(table.columns)}">{cell}</td></tr>')
            continue
        cells = []
        for entry in row.cells:
            aside = f' <span class="aside">{escape(entry.aside)}</span>' if entry.aside else ""
            text = escape(entry.text)
            cells.append(f"<td>{f'<strong>{text}</strong>' if entry.strong else text}{aside}</td>")
        opening = '<tr class="strong">' if row.strong else "<tr>"
        rows.append(f"{opening}{''.join(cells)}</tr>")
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in table.columns)
    opening = '<table class="prose">' if table.prose else "<table>"
    caption = f"<b>{number}</b> {escape(table.caption)}"
    scroll = (
        f'<div class="scroll" tabindex="0">{opening}<thead><tr>{head}</tr></thead>\n<tbody>\n'
        + "\n".join(rows)
        + "\n</tbody></table></div>"
    )
    if table.folded:
        return f"<details><summary>{caption}</summary>{scroll}</details>"
    return f'<figure class="table"><figcaption>{caption}</figcaption>{scroll}</figure>'


def _html_figure(figure: Figure, number: str) -> str:
    caption = f"<figcaption><b>{number}</b> {escape(figure.caption)}</figcaption>"
    if figure.narrow is not None:
        label = figure.labels[0]
        drawn = figure.drawings[0].inline(label, "wide") + figure.narrow.inline(label, "narrow")
    elif len(figure.drawings) == 1:
        drawn = figure.drawings[0].inline(figure.labels[0])
    else:
        pairs = zip(figure.drawings, figure.labels, strict=True)
        column = max(drawing.width for drawing in figure.drawings)
        drawn = (
            f'<div class="grid{" top" if figure.top else ""}" style="--column:{column:g}px">'
            f"{''.join(d.inline(label) for d, label in pairs)}</div>"
        )
    return f"<figure>{drawn}{caption}</figure>"


def _markdown(block: Block, number: str, figures: str) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {block.text}"
    if isinstance(block, Paragraph):
        return block.text
    if isinstance(block, Facts):
        return "\n".join(f"- **{term}**: {text}" for term, text in block.pairs)
    if isinstance(block, Notes):
        return "\n".join(f"- {sentence}" for sentence in block.sentences)
    if isinstance(block, Table):
        return _markdown_table(block, number)
    links = "\n".join(
        f"![{label}]({figures}/{drawing.name}.svg)"
        for drawing, label in zip(block.drawings, block.labels, strict=True)
    )
    return f"{links}\n\n**{number}** {block.caption}"


def _markdown_table(table: Table, number: str) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "&#124;") for cell in cells) + " |"

    other = ":---" if table.prose else "---:"
    lines = [line(table.columns), line([":---"] + [other] * (len(table.columns) - 1))]
    for row in table.rows:
        if row.is_group:
            lines.append(line([f"*{row.cells[0].text}*"] + [""] * (len(table.columns) - 1)))
            continue
        texts = [
            f"{cell.text} {cell.aside if cell.aside.startswith('[') else f'({cell.aside})'}"
            if cell.aside
            else cell.text
            for cell in row.cells
        ]
        bold = [row.strong or cell.strong for cell in row.cells]
        lines.append(line([f"**{t}**" if t and b else t for t, b in zip(texts, bold, strict=True)]))
    return f"**{number}** {table.caption}\n\n" + "\n".join(lines)
