"""Pictures of matrices whose rows and columns have names, as the bytes of PNG files."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from rnnjax.visuals.pictures import RED_TO_BLUE, as_png

READABLE = 24
"""The number of columns up to which each cell has room for a number."""


def draw_confusion(names: Sequence[str], counts: Any) -> bytes:
    """Draws how often each class was predicted as each other.

    The number in a cell is the count, its colour the share of the row, the examples of this class.

    Args:
        names: of the K classes.
        counts: `[K, K]`: true class, predicted class (`rnnjax.metrics.confusion_counts`).
    """
    counts = np.asarray(counts)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = _grid(names, names, cell=(0.72, 0.5))
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    figure.colorbar(image, ax=axes, label="share of the row", aspect=30, pad=0.02)
    if len(names) <= READABLE:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                _number(axes, row, column, f"{count:,}", bright=share[row, column] > 0.5)
    axes.set(xlabel="predicted", ylabel="true")
    return as_png(figure)


def draw_transitions(
    tags: Sequence[str],
    transitions: Any,
    start: Any,
    end: Any,
    allowed: tuple[Any, Any, Any] | None = None,
) -> bytes:
    """Draws the transition scores of a CRF: red where negative, blue where positive.

    Args:
        tags: the K tags.
        transitions: `[K, K]`: from, to.
        start: `[K]`, of the first tag.
        end: `[K]`, of the last tag.
        allowed: bool `[K, K]`, `[K]` and `[K]`; what is not allowed is hatched. None: all is.
    """
    scores = _with_ends(transitions, start, end, np.nan)
    legal = ~np.isnan(scores)
    if allowed is not None:
        legal &= _with_ends(*allowed, False).astype(bool)
    limit = max(np.abs(scores[legal]).max(initial=0.0), 1e-6)
    figure, axes = _grid(["start", *tags], [*tags, "end"], cell=(0.58, 0.4))
    image = axes.imshow(scores, cmap=RED_TO_BLUE, vmin=-limit, vmax=limit, aspect="auto")
    figure.colorbar(image, ax=axes, label="score", aspect=30, pad=0.02)
    for row, column in np.ndindex(scores.shape):
        if not legal[row, column]:
            axes.add_patch(_hatched(row, column))
        elif len(tags) < READABLE:
            score = scores[row, column]
            _number(axes, row, column, f"{score:z.1f}", bright=abs(score) > 0.75 * limit)
    axes.axhline(0.5, color="#4a5568", lw=1)
    axes.axvline(len(tags) - 0.5, color="#4a5568", lw=1)
    axes.set(xlabel="to", ylabel="from")
    return as_png(figure)


def _grid(
    rows: Sequence[str], columns: Sequence[str], cell: tuple[float, float]
) -> tuple[Figure, Axes]:
    """Axes with names at the sides and room for cells of so many inches, less without numbers."""
    width, height = cell if len(columns) <= READABLE else (0.22, 0.22)
    name = 0.08 * max(map(len, [*rows, *columns]))
    size = (name + 1.6 + width * len(columns), name + 0.6 + height * len(rows))
    figure = Figure(figsize=size, dpi=110, layout="constrained")
    axes = figure.subplots()
    axes.set_xticks(range(len(columns)), list(map(_plain, columns)))
    if name > width:
        axes.tick_params("x", rotation=90)
    axes.set_yticks(range(len(rows)), list(map(_plain, rows)))
    axes.tick_params(length=0, labelsize=9)
    axes.spines[:].set_color("#cbd5e0")
    return figure, axes


def _with_ends(transitions: Any, start: Any, end: Any, corner: Any) -> np.ndarray:
    """One matrix `[K + 1, K + 1]`: the start as a first row, the end as a last column."""
    top = np.append(np.asarray(start), corner)
    return np.vstack([top, np.column_stack([np.asarray(transitions), np.asarray(end)])])


def _number(axes: Axes, row: int, column: int, text: str, *, bright: bool) -> None:
    colour = "white" if bright else "#1a202c"
    axes.text(column, row, text, ha="center", va="center", fontsize=8, color=colour)


def _hatched(row: int, column: int) -> Rectangle:
    place = (column - 0.5, row - 0.5)
    return Rectangle(place, 1, 1, facecolor="#edf2f7", edgecolor="#cbd5e0", hatch="////", lw=0)


def _plain(name: str) -> str:
    return name.replace("$", r"\$")
