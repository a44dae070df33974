"""Pictures of activations, gates, gradients and matrices, as the bytes of PNG files."""

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from rnnjax.visuals.figures import as_png, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

LINE_LENGTH, MOST = 80, 320

READABLE = 24
"""The number of columns up to which each cell has room for a number."""


def draw_activations(characters: Sequence[str], values: Mapping[str, Any]) -> bytes:
    """Draws a text once a unit, in the colours of its activation: -1 red, 0 white, 1 blue.

    At most `MOST` characters are drawn. A bar beside them is the scale of the colours.

    Args:
        values: numbers `[number of characters]` from -1 to 1, by the name of the unit.

    References:
        Karpathy, Johnson & Fei-Fei 2015, "Visualizing and understanding recurrent networks",
        figure 2.
    """
    characters = characters[:MOST]
    num_lines = -(-len(characters) // LINE_LENGTH)
    figure = new_figure(10, len(values) * (0.35 + 0.21 * num_lines), dpi=100)
    all_axes = figure.subplots(len(values), 1, squeeze=False)[:, 0]
    for axes, (name, activation) in zip(all_axes, values.items(), strict=True):
        grid = np.full(num_lines * LINE_LENGTH, np.nan)
        grid[: len(characters)] = activation[: len(characters)]
        image = axes.imshow(
            grid.reshape(num_lines, LINE_LENGTH), cmap=red_to_blue(), vmin=-1, vmax=1, aspect="auto"
        )
        for n, character in enumerate(characters):
            row, column = divmod(n, LINE_LENGTH)
            shown = "↵" if character == "\n" else character if character.isprintable() else "·"
            axes.text(
                column, row, shown, family="monospace", fontsize=8, ha="center", va="center",
                parse_math=False,
            )  # fmt: skip
        axes.set_title(name, fontsize=9, loc="left")
        axes.set_axis_off()
    aspect = 4 * figure.get_figheight()  # A quarter of an inch wide, however few units there are.
    scale = figure.colorbar(image, ax=all_axes, aspect=aspect, pad=0.01, ticks=[-1, 0, 1])
    scale.set_label("activation")
    return as_png(figure)


def draw_saturation(layers: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Draws, for each gate, the share of the time that each unit is closed and open.

    Args:
        layers: by the layer's name and the gate's, pairs of fractions `[H]`: left- and
            right-saturated (`rnnjax.diagnostics.Saturation`).

    References:
        Karpathy, Johnson & Fei-Fei 2015, figure 3.
    """
    names = list(dict.fromkeys(itertools.chain.from_iterable(layers.values())))
    figure = new_figure(3.4 * len(names), 3.6)
    for axes, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        for layer, gates in layers.items():
            axes.scatter(*gates[name], s=18, alpha=0.45, label=layer, edgecolors="none")
        axes.plot([0, 1], [1, 0], color="#718096", lw=0.7)
        axes.set(
            title=f"gate {name}", xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), aspect="equal",
            xlabel="fraction left-saturated (< 0.1)", ylabel="fraction right-saturated (> 0.9)",
        )  # fmt: skip
        axes.grid(alpha=0.25)
    axes.legend(frameon=False, fontsize=8)
    return as_png(figure)


def draw_gradient_norms(norms: Any) -> bytes:
    """Draws the gradient's norm against the distance in time, on a logarithmic scale.

    The line is the median over positions, the band from the 10 % to the 90 % quantile.

    Args:
        norms: `[positions, K + 1]`, from `rnnjax.diagnostics.gradient_norms`.
    """
    bands = np.quantile(norms, [0.1, 0.5, 0.9], axis=0)
    line = {"median over positions, with 10% to 90%": (range(bands.shape[1]), bands)}
    norm = r"$\|\, d\, loss_t \,/\, d\, carry_{t-k} \|$"
    return draw_lines({"": line}, "distance k, in steps", norm, log=True)


def draw_lines(
    panels: Mapping[str, Mapping[str, tuple[Any, Any]]],
    xlabel: str,
    ylabel: str,
    *,
    log: bool = False,
    limits: tuple[float, float] | None = None,
) -> bytes:
    """Draws named lines in panels side by side, with one legend.

    Args:
        panels: by the title of a panel and the name of a line its x `[N]` and its y `[N]`, or a
            band `[3, N]`: its lower edge, its line and its upper edge. A name has the same colour
            in all panels.
        log: whether y is on a logarithmic scale, on which 0 is not drawn.
        limits: of y; None: what is drawn fits.
    """
    names = list(dict.fromkeys(itertools.chain.from_iterable(panels.values())))
    colours = {name: f"C{n % 10}" for n, name in enumerate(names)}
    columns = 2 if len(panels) == 4 else min(len(panels), 3)
    num_rows = -(-len(panels) // columns)
    figure = new_figure(max(3.6 * columns, 6.5), 3.2 * num_rows + 0.4, dpi=90)
    grid = figure.subplots(num_rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    drawn = {}
    for axes, (title, lines) in zip(grid, panels.items(), strict=False):
        for name, (x, y) in lines.items():
            low, middle, high = y if np.ndim(y) == 2 else (None, y, None)
            style = "o-" if len(x) < READABLE else "-"
            (drawn[name],) = axes.plot(x, middle, style, color=colours[name], lw=1.4, ms=3)
            if low is not None:
                axes.fill_between(x, low, high, color=colours[name], alpha=0.15, lw=0)
        axes.set_title(title, fontsize=10, parse_math=False)
        axes.set_yscale("log" if log else "linear")
        if limits:
            axes.set_ylim(limits)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    every = [x for lines in panels.values() for x, _ in lines.values()]
    if all(np.asarray(x).dtype.kind in "iu" for x in every):  # counts: no tick lies between two
        grid[0].xaxis.get_major_locator().set_params(integer=True)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    figure.supxlabel(xlabel, fontsize=10)
    figure.supylabel(ylabel, fontsize=10)
    widest = 0.6 + 0.085 * max(map(len, drawn), default=0)  # In inches: a line and its name.
    fit = min(5, max(1, int(figure.get_figwidth() / widest)))
    figure.legend(drawn.values(), drawn, loc="outside upper center", ncols=fit, frameon=False)
    return as_png(figure)


def draw_confusion(names: Sequence[str], counts: Any) -> bytes:
    """Draws how often each class was predicted as each other.

    The number in a cell is the count, its colour the share of the row, the examples of this class.

    Args:
        counts: `[K, K]`: true class, predicted class (`metrics.classes.confusions`).
    """
    counts = np.asarray(counts)
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = _grid(names, names, cell=(0.72, 0.5))
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    figure.colorbar(image, ax=axes, label="share of the row", aspect=30, pad=0.02)
    if len(names) <= READABLE:
        for (row, column), count in np.ndenumerate(counts):
            if count:
                _number(image, row, column, share[row, column], f"{count:,}")
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
        transitions: `[K, K]`: from, to.
        start: `[K]`, of the first tag.
        end: `[K]`, of the last tag.
        allowed: bool `[K, K]`, `[K]` and `[K]`; what is not allowed is hatched. None: all is.
    """
    from matplotlib.patches import Rectangle

    scores = _with_ends(transitions, start, end, np.nan)
    legal = ~np.isnan(scores)
    if allowed is not None:
        legal &= _with_ends(*allowed, False).astype(bool)
    limit = max(np.abs(scores[legal]).max(initial=0.0), 1e-6)
    figure, axes = _grid(["start", *tags], [*tags, "end"], cell=(0.42, 0.32))
    image = axes.imshow(scores, cmap=red_to_blue(), vmin=-limit, vmax=limit, aspect="auto")
    figure.colorbar(image, ax=axes, label="score", aspect=30, pad=0.02)
    for row, column in np.ndindex(scores.shape):
        if not legal[row, column]:
            place = (column - 0.5, row - 0.5)
            axes.add_patch(Rectangle(place, 1, 1, fc="#edf2f7", ec="#cbd5e0", hatch="////", lw=0))
        elif len(tags) < READABLE:
            score = scores[row, column]
            _number(image, row, column, score, f"{score:z.1f}")
    axes.axhline(0.5, color="#4a5568", lw=1)
    axes.axvline(len(tags) - 0.5, color="#4a5568", lw=1)
    axes.set(xlabel="to", ylabel="from")
    return as_png(figure)


def _grid(
    rows: Sequence[str], columns: Sequence[str], cell: tuple[float, float]
) -> "tuple[Figure, Axes]":
    """Axes with names at the sides and room for cells of so many inches, less without numbers."""
    width, height = cell if len(columns) <= READABLE else (0.22, 0.22)
    name = 0.08 * max(map(len, [*rows, *columns]))
    size = (name + 1.6 + width * len(columns), name + 0.6 + height * len(rows))
    figure = new_figure(*size)
    axes = figure.subplots()
    axes.set_xticks(range(len(columns)), columns, parse_math=False)
    if name > width:
        axes.tick_params("x", rotation=90)
    axes.set_yticks(range(len(rows)), rows, parse_math=False)
    axes.tick_params(length=0, labelsize=9)
    axes.spines[:].set_color("#cbd5e0")
    return figure, axes


def _with_ends(transitions: Any, start: Any, end: Any, corner: Any) -> np.ndarray:
    """One matrix `[K + 1, K + 1]`: the start as a first row, the end as a last column."""
    top = np.append(np.asarray(start), corner)
    return np.vstack([top, np.column_stack([np.asarray(transitions), np.asarray(end)])])


def _number(image: "AxesImage", row: int, column: int, value: np.ndarray, text: str) -> None:
    """Writes into a cell of an image, on the colour of its value."""
    colour = text_colour(image.to_rgba(value)[:3])
    image.axes.text(column, row, text, ha="center", va="center", fontsize=9, color=colour)


def red_to_blue() -> "Colormap":
    """Colours for values from -1 (red) through 0 (white) to 1 (blue)."""
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("signed", ["#e53e3e", "#ffffff", "#4285f4"])


def text_colour(ground: ArrayLike) -> str:
    """Black or white, whichever has the higher contrast on a colour: 4.58 or more.

    Args:
        ground: red, green and blue from 0 to 1.

    References:
        Web Content Accessibility Guidelines 2.1, "relative luminance" and "contrast ratio".
    """
    channels = np.asarray(ground)
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    luminance = linear @ (0.2126, 0.7152, 0.0722)
    return "black" if (luminance + 0.05) ** 2 > 0.05 * 1.05 else "white"
