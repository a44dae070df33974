"""Pictures of attention between two sequences, as the bytes of PNG files."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from rnnjax.visuals.figures import as_png, new_figure

CELL = 0.24
"""Side of a cell of the matrix, in inches."""


class Alignment(NamedTuple):
    """The attention of a decoder at each symbol that it wrote.

    Attributes:
        source: the S symbols that it read.
        target: the T symbols that it wrote.
        attention: `[T, S]`, each row sums to 1.
        copied: `[T]`, the probability that a symbol is copied from the source, drawn as a column of
            its own; None: there are no copies.
    """

    source: Sequence[str]
    target: Sequence[str]
    attention: Any
    copied: Any = None


def draw_alignments(alignments: Sequence[Alignment], *, columns: int = 3) -> bytes:
    """Draws attention matrices side by side: what is read above, what is written at the left.

    References:
        Bahdanau, Cho & Bengio 2015, "Neural machine translation by jointly learning to align and
        translate", figure 3.
    """
    columns = min(columns, len(alignments))
    rows = -(-len(alignments) // columns)
    read = 0.09 * max(len(symbol) for one in alignments for symbol in one.source)
    written = 0.09 * max((len(symbol) for one in alignments for symbol in one.target), default=0)
    width = CELL * max(len(one.source) + 2 * (one.copied is not None) for one in alignments)
    width += written + 0.3
    height = CELL * max(len(one.target) for one in alignments) + read + 0.3
    size = (columns * width, rows * height)
    figure = new_figure(*size, dpi=100)
    all_axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in all_axes:
        axes.set_axis_off()
    for axes, (source, target, attention, copied) in zip(all_axes, alignments, strict=False):
        axes.set_axis_on()
        places = list(range(len(source)))
        if copied is not None:
            gap = np.full((len(target), 1), np.nan)
            attention = np.hstack([attention, gap, np.reshape(copied, (-1, 1))])
            source, places = [*source, "copied"], [*places, len(source) + 1]
        if len(target):
            axes.imshow(attention, cmap="Blues", vmin=0, vmax=1)
        axes.set_xticks(places, source, parse_math=False)
        axes.set_yticks(range(len(target)), target, parse_math=False)
        axes.tick_params(length=0, labelsize=9, top=True, labeltop=True, labelbottom=False)
        if read > CELL:
            axes.tick_params("x", rotation=90)
        axes.spines[:].set_color("#cbd5e0")
    copies = "; copied: probability" if any(one.copied is not None for one in alignments) else ""
    return as_png(figure, f"above: read; left: written; dark: attention{copies}")
