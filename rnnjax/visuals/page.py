"""HTML pages of one file, with a light and a dark colour scheme."""

import base64
import html
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

MAX_SURPRISE = 8.0
"""Bits at which the red of `surprise_colour` is strongest."""

STYLE = """
:root { color-scheme: light dark; --ink: #1a202c; --soft: #5f6c80; --line: #e2e8f0;
  --paper: #ffffff; --shade: #f7fafc; --accent: #2b6cb0; --red: 240 82 82; --blue: 66 133 244;
  --tint: 80% 50%; --strength: .25; --label: 70% 22% }
@media (prefers-color-scheme: dark) { :root { --ink: #e2e8f0; --soft: #a0aec0; --line: #2d3748;
  --paper: #171923; --shade: #1f2430; --accent: #63b3ed; --red: 190 40 40; --blue: 37 99 180;
  --tint: 80% 60%; --strength: .3; --label: 85% 85% } }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 60rem; margin: 2.5rem auto; padding: 0 1.25rem; overflow-wrap: break-word }
h1 { font-size: 1.9rem; margin: 0 } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem;
  color: var(--accent) }
.soft { color: var(--soft); margin: .2rem 0 1.5rem }
a { color: var(--accent) } nav a { margin-right: .8rem }
.cards { display: flex; flex-wrap: wrap; gap: .8rem }
.card { border: 1px solid var(--line); border-radius: .5rem; padding: .6rem 1rem;
  background: var(--shade); overflow-wrap: anywhere } .card b { display: block; font-size: 1.3rem }
.card span { color: var(--soft); font-size: .85rem }
img { max-width: 100%; background: #fff; border-radius: .5rem; border: 1px solid var(--line);
  box-sizing: border-box; vertical-align: top }
.picture { display: block; position: relative; overflow-x: auto; cursor: zoom-in }
.picture input { position: absolute; opacity: 0 }
.picture :checked + img { max-width: none; cursor: zoom-out }
.picture :focus-visible + img { border-color: var(--accent) }
.scroll { overflow-x: auto } .scroll + .soft { margin-top: .8rem }
pre { background: var(--shade); border: 1px solid var(--line); border-radius: .5rem;
  padding: .8rem 1rem; overflow-x: auto; white-space: pre-wrap; font-size: .87rem;
  overflow-wrap: anywhere }
pre.lines { white-space: pre; overflow-wrap: normal }
table { border-collapse: collapse; font-size: .9rem }
td { border-bottom: 1px solid var(--line); padding: .25rem 1.5rem .25rem 0; vertical-align: top;
  overflow-wrap: anywhere }
td:first-child { color: var(--soft); min-width: 5rem; overflow-wrap: normal }
.text { font: .87rem/1.9 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere }
.text span { padding: .15em 0 }
mark { background: hsl(var(--hue) var(--tint) / calc(var(--strength) * var(--p, 1)));
  color: inherit; border-radius: .25rem; padding: .12em .3em;
  box-shadow: inset 0 -2px hsl(var(--hue) 55% 48% / var(--p, 1));
  -webkit-box-decoration-break: clone; box-decoration-break: clone }
mark::after { content: attr(title); font-size: .7em; font-weight: 700; margin-left: .5em;
  letter-spacing: .03em; color: hsl(var(--hue) var(--label)) }
mark.faint { background: none; box-shadow: inset 0 -1px var(--soft) }
mark.faint::after { font-weight: 400; color: var(--soft) }
.legend mark { margin-right: .8rem }
.sentences { padding-left: 3.2rem; line-height: 2; overflow-wrap: anywhere }
.sentences li { margin: .35rem 0; white-space: pre-wrap }
.sentences li::marker { color: var(--soft); font-size: .8rem }
.wide { width: 100% } .wide td { padding-top: .4rem; padding-bottom: .4rem;
  overflow-wrap: normal }
.wide th { text-align: left; color: var(--soft); font-weight: 600;
  border-bottom: 2px solid var(--line); padding: .25rem 1.5rem .25rem 0 }
.wide .number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap }
.wide td.number, .wide td.words { color: inherit } .wide .words { min-width: 9rem }
.wide .source { color: var(--soft); font-size: .8rem; max-width: 9rem; overflow-wrap: anywhere }
.wide .bar { background: linear-gradient(var(--accent), var(--accent)) no-repeat 0 100% /
  var(--part) 3px }
.wide .kind { white-space: nowrap } .total td { font-weight: 600 }
.both { display: grid; grid-template-columns: auto 1fr; gap: .2rem .7rem; line-height: 1.9 }
figure { margin: 0 0 2.2rem } figcaption { font-size: .9rem; overflow-wrap: anywhere }
figcaption .soft { margin: .3rem 0 } figcaption ul { margin: 0; padding-left: 1.2rem }
.both span { white-space: pre-wrap; overflow-wrap: anywhere }
.both i { color: var(--soft); font: .8rem/2.3 system-ui }
@media (max-width: 40rem) { .wide th, .wide td { padding-right: .55rem; min-width: 0 }
  .wide { font-size: .82rem } .wide :last-child { padding-right: 0 }
  .wide th.number { white-space: normal; font-size: .7rem; vertical-align: bottom }
  .wide .words { min-width: 4rem }
  .stack tr { display: block; padding: .6rem 0; border-bottom: 1px solid var(--line) }
  .stack tr:first-child { display: none }
  .stack td { display: inline-block; max-width: 100%; border: 0; padding-block: 0 }
  .both { grid-template-columns: 1fr; gap: 0 } .sentences { padding-left: 2rem }
  .picture::after { content: "tap: full size"; display: block; color: var(--soft);
    font-size: .8rem } }
"""

LINKS = r'<nav class="soft">.*?</nav>'
"""Matches the `links` of a page."""


class Section(NamedTuple):
    """A part of a page; those of the four contents that are given are shown, in this order.

    Attributes:
        text: shown in a fixed-width font; long lines wrap.
        table: lines of aligned columns, which scroll where they are too long.
        html: inserted unchanged: all data in it must be escaped.
    """

    title: str
    text: str = ""
    table: str = ""
    html: str = ""
    png: bytes = b""


def evenly_spread(items: Sequence[Any], most: int) -> list[Any]:
    """Up to `most` of some items, evenly over all of them."""
    shown = min(most, len(items))
    return [items[(2 * n + 1) * len(items) // (2 * shown)] for n in range(shown)]


def render_page(
    title: str, subtitle: Any, cards: Mapping[str, Any], sections: Iterable[Section]
) -> str:
    """An HTML page; everything except `Section.html` is escaped."""
    boxes = "".join(
        f'<div class="card"><b>{escape(value)}</b><span>{escape(name)}</span></div>'
        for name, value in cards.items()
    )
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head><body>\n"
        f'{links()}<h1>{escape(title)}</h1><p class="soft">{escape(subtitle)}</p>\n'
        f'<div class="cards">{boxes}</div>\n{"".join(map(_render, sections))}</body></html>\n'
    )


def links(files: Sequence[str] = ()) -> str:
    """An HTML list of links to pages beside this one, where there are two at least."""
    shown = files if len(files) > 1 else ()
    anchors = " ".join(f'<a href="{escape(f)}">{escape(f.partition(".")[0])}</a>' for f in shown)
    return f'<nav class="soft">{anchors}</nav>'


def table(values: Mapping[str, Any]) -> str:
    """An HTML table of names and values."""
    rows = (
        f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>"
        for name, value in values.items()
    )
    return f'<div class="scroll"><table>{"".join(rows)}</table></div>'


def wide_table(
    heads: Sequence[str],
    rows: Iterable[str | Sequence[str]],
    numbers: Container[int],
    *,
    stack: bool = False,
) -> str:
    """An HTML table over the whole width.

    Args:
        rows: HTML, the cells of a row, or `<tr>` to `</tr>`.
        numbers: which columns hold numbers, from 0.
        stack: on a narrow screen the cells of a row stand below each other, without heads;
            otherwise the table scrolls.
    """

    def line(tag: str, row: str | Sequence[str]) -> str:
        if isinstance(row, str):
            return row
        classes = (' class="number"' if n in numbers else "" for n in range(len(row)))
        cells = (f"<{tag}{c}>{cell}</{tag}>" for c, cell in zip(classes, row, strict=True))
        return f"<tr>{''.join(cells)}</tr>"

    kind = "wide stack" if stack else "wide"
    body = line("th", heads) + "".join(line("td", row) for row in rows)
    return f'<div class="scroll"><table class="{kind}">{body}</table></div>'


def number_cell(text: str) -> str:
    """A cell of a `wide_table` with a number, aligned to the right."""
    return f'<td class="number">{text}</td>'


def picture(name: str, png: bytes) -> str:
    """An HTML image that contains its PNG file; a click shows it in its own size, and back.

    Args:
        name: the alternative text.
    """
    data = base64.b64encode(png).decode()
    image = f'<img alt="{escape(name)}" src="data:image/png;base64,{data}">'
    return f'<label class="picture"><input type="checkbox">{image}</label>'


def note(text: str) -> str:
    """A paragraph of HTML that explains what is shown below it."""
    return f'<p class="soft">{escape(text)}</p>'


def escape(value: Any) -> str:
    """A value as escaped HTML text."""
    return html.escape(f"{value:.5g}" if isinstance(value, float) else str(value))


def _render(section: Section) -> str:
    parts = [f"<h2>{escape(section.title)}</h2>"]
    if section.text:
        parts.append(f"<pre>{escape(section.text)}</pre>")
    if section.table:
        parts.append(f'<pre class="lines">{escape(section.table)}</pre>')
    if section.html:
        parts.append(section.html)
    if section.png:
        parts.append(picture(section.title, section.png))
    return "".join(parts) + "\n"


def coloured_text(
    pieces: Iterable[str], colours: Sequence[str], hints: Sequence[str] | None = None
) -> str:
    """HTML that shows a text with a colour behind each character.

    Args:
        pieces: characters, words or other pieces of the text; a line end is shown as ↵ and ends
            the line.
        colours: CSS colours, one a piece; empty for none.
        hints: shown while the pointer rests on a piece, one each.

    Returns:
        A `<p class="text">`, for a page of `render_page`.
    """
    spans = []
    for n, piece in enumerate(pieces):
        shown = {"\n": "↵\n", "\t": "→\t"}.get(piece, html.escape(piece))
        style = f' style="background:{colours[n]}"' if colours[n] else ""
        hint = f' title="{html.escape(hints[n])}"' if hints else ""
        spans.append(f"<span{style}{hint}>{shown}</span>")
    return f'<p class="text">{"".join(spans)}</p>'


def surprise_colour(bits: float) -> str:
    """From clear (0 bits) to red (`MAX_SURPRISE` bits or more); none where `bits` is nan."""
    return "" if bits != bits else f"rgb(var(--red) / {min(bits / MAX_SURPRISE, 1):.2f})"


def signed_colour(value: float) -> str:
    """From red (-1) through clear (0) to blue (1), as in Karpathy, Johnson & Fei-Fei 2015."""
    return f"rgb(var(--{'blue' if value > 0 else 'red'}) / {min(abs(value), 1):.2f})"
