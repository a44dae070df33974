"""Pictures of activations, gates and gradients of a network, as the bytes of PNG files."""

import io
import itertools
import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

RED_TO_BLUE = LinearSegmentedColormap.from_list("signed", ["#e53e3e", "#ffffff", "#4285f4"])
LINE_LENGTH = 80


def draw_activations(
    characters: Sequence[str], values: Mapping[str, Any], *, limit: int = 320
) -> bytes:
    """Draws a text once a unit, in the colours of its activation: -1 red, 0 white, 1 blue.

    Args:
        characters: the text.
        values: numbers `[number of characters]` from -1 to 1, by the name of the unit.
        limit: at most so many characters are drawn.

    References:
        Karpathy, Johnson & Fei-Fei 2015, "Visualizing and understanding recurrent networks",
        figure 2.
    """
    characters = characters[:limit]
    num_lines = -(-len(characters) // LINE_LENGTH)
    figure = Figure(figsize=(10, len(values) * (0.35 + 0.21 * num_lines)), layout="constrained")
    all_axes = figure.subplots(len(values), 1, squeeze=False)[:, 0]
    for axes, (name, activation) in zip(all_axes, values.items(), strict=True):
        grid = np.full(num_lines * LINE_LENGTH, np.nan)
        grid[: len(characters)] = activation[: len(characters)]
        axes.imshow(
            grid.reshape(num_lines, LINE_LENGTH), cmap=RED_TO_BLUE, vmin=-1, vmax=1, aspect="auto"
        )
        for n, character in enumerate(characters):
            row, column = divmod(n, LINE_LENGTH)
            shown = "↵" if character == "\n" else character if character.isprintable() else "·"
            axes.text(
                column, row, shown.replace("$", r"\$"), family="monospace", fontsize=8,
                ha="center", va="center",
            )  # fmt: skip
        axes.set_title(name, fontsize=9, loc="left")
        axes.set_axis_off()
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
    figure = Figure(figsize=(3.4 * len(names), 3.6), dpi=110, layout="constrained")
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

    Args:
        norms: `[positions, K + 1]`, from `rnnjax.diagnostics.gradient_norms`.
    """
    norms = np.asarray(norms)
    distance = np.arange(norms.shape[1])
    figure = Figure(figsize=(8, 4), dpi=110, layout="constrained")
    axes = figure.subplots()
    low, high = np.quantile(norms, [0.1, 0.9], axis=0)
    axes.fill_between(distance, low, high, color="#2b6cb0", alpha=0.2, lw=0, label="10% to 90%")
    axes.plot(distance, norms.mean(axis=0), color="#2b6cb0", label="mean over positions")
    axes.set(
        yscale="log", xlabel="distance k, in steps",
        ylabel=r"$\|\, d\, loss_t \,/\, d\, carry_{t-k} \|$",
    )  # fmt: skip
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    return as_png(figure)


def as_png(figure: Figure) -> bytes:
    """The bytes of a figure as a PNG file."""
    FigureCanvasAgg(figure)
    png = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # Shown as a box.
        figure.savefig(png, format="png")
    return png.getvalue()
