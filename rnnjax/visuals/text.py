"""Text with a background colour for each character or word.

Colours are names of the page's style, so that its text is legible on them in both schemes.
"""

import html
from collections.abc import Iterable, Sequence

MAX_SURPRISE = 8.0
"""Bits at which the red of `surprise_colour` is strongest."""


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
