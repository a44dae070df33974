"""Pictures of attention over an image or a grid of locations, as the bytes of PNG files."""

import textwrap
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from rnnjax.metrics.attention import Region, WordEntropy
from rnnjax.visuals.figures import as_png, new_figure

DPI = 100
MAX_COLUMNS = 6

PANEL = 180
"""Pixels of a panel's longer side, about."""

CHARACTER = 0.62
"""Width of a broad letter, such as m, relative to the font size."""

FLOOR, SHADE, GLOW = 40, 0.45, 0.45
"""Without attention black becomes the grey `FLOOR`, and the rest is `SHADE` times as bright above
it; most attention moves the image to white by the share `GLOW`. So black parts are visible too."""

SIGMA = 0.6
"""Standard deviation of the Gaussian that smooths attention maps, in cells."""

MOST_FREQUENT = 40
"""Number of words whose entropy is drawn."""

MEAN_COLUMNS = 4


def draw_attention_over_image(
    image: ArrayLike,
    words: Sequence[str],
    maps: ArrayLike,
    *,
    gates: Sequence[float] | np.ndarray | None = None,
    boxes: Sequence[Region] | None = None,
    title: str = "",
) -> bytes:
    """Draws an image, and then for each word of a text the image lit by the attention.

    Each map is smoothed by a Gaussian and divided by its largest number: the brightest place of a
    panel has the most attention of this word, and a map that is the same everywhere lights all.

    Args:
        image: uint8 `[H, W, 3]`, as the encoder saw it. Small ones are enlarged pixel by pixel,
            large ones reduced.
        words: T of them; if there are none, only the image is drawn.
        maps: `[T, rows, columns]`, not negative; each sums to 1. The cells divide the image evenly.
        gates: `[T]`, the gating scalar beta of each word, written below its panel.
        boxes: for each word the true boxes `(top, left, bottom, right)` in pixels of the image, or
            None; they are outlined.
        title: above the panels; long ones take several lines.

    References:
        Xu et al. 2015, "Show, Attend and Tell", figure 3 and section 5.4.
    """
    from matplotlib.patches import Rectangle

    image = np.asarray(image)
    plain = _fit_panel(image)
    height, width = np.divide(plain.shape[:2], DPI)
    rows = -(-(len(words) + 1) // MAX_COLUMNS)
    columns = -(-(len(words) + 1) // rows)
    across = columns * (width + 0.12)
    lines = textwrap.wrap(title, int(across * 72 / (12 * CHARACTER)))
    down = rows * (height + 0.32 + 0.16 * (gates is not None)) + 0.22 * len(lines)
    figure = new_figure(across, down, dpi=DPI)
    figure.suptitle("\n".join(lines), x=0.02, ha="left", size=12, weight="bold", parse_math=False)
    all_axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in all_axes:
        axes.set_axis_off()
    all_axes[0].imshow(plain)
    scale_y, scale_x = np.divide(plain.shape[:2], image.shape[:2])
    for n, panel in enumerate(_light(plain, np.asarray(maps, np.float64))):
        axes = all_axes[n + 1]
        axes.imshow(panel)
        size = min(11.0, width * 72 / (CHARACTER * max(len(words[n]), 1)))
        axes.set_title(words[n], size=size, pad=3, parse_math=False)
        if gates is not None:
            axes.text(
                0.5, -0.02, f"β = {gates[n]:.2f}", size=8.5, color="#718096", ha="center", va="top",
                transform=axes.transAxes,
            )  # fmt: skip
        for top, left, bottom, right in (boxes[n] if boxes else None) or ():
            corner = left * scale_x - 0.5, top * scale_y - 0.5
            sides = (right - left) * scale_x, (bottom - top) * scale_y
            axes.add_patch(Rectangle(corner, *sides, fill=False, ec="#22d3ee", lw=1.2))
    return as_png(figure)


def draw_entropies(entropies: Sequence[WordEntropy], num_locations: int) -> bytes:
    """Draws the mean entropy of the attention at the most frequent words as bars.

    Args:
        entropies: in the order in which they are shown; see `rnnjax.metrics.attention`.
        num_locations: S; a dashed line marks ln S, the same attention everywhere.
    """
    frequent = sorted(entropies, key=lambda one: -one.occurrences)[:MOST_FREQUENT]
    shown = [one for one in entropies if one in frequent]
    figure = new_figure(8, 0.9 + 0.2 * len(shown))
    axes = figure.subplots()
    places = range(len(shown))
    axes.barh(places, [one.mean for one in shown], color="#2b6cb0", height=0.7)
    axes.axvline(np.log(num_locations), color="#718096", ls="--", lw=1)
    names = [f"{one.word}  ({one.occurrences:,})" for one in shown]
    axes.set_yticks(places, names, fontsize=9, parse_math=False)
    axes.set(
        xlim=(0, 1.03 * np.log(num_locations)), ylim=(len(shown) - 0.4, -0.6),
        xlabel="entropy in nats; dashed: the same everywhere",
    )  # fmt: skip
    axes.tick_params("y", length=0)
    axes.grid(axis="x", alpha=0.25)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    return as_png(figure)


def draw_mean_maps(maps: Mapping[str, np.ndarray]) -> bytes:
    """Draws mean attention as heat maps on one scale, where 1 is an even share.

    Args:
        maps: `[rows, columns]` by name; at least one.
    """
    times = {name: map_ * map_.size for name, map_ in maps.items()}
    limit = max(map_.max() for map_ in times.values())
    columns = min(len(times), MEAN_COLUMNS)
    rows = -(-len(times) // columns)
    figure = new_figure(1 + 2 * columns, 0.3 + 2.1 * rows)
    all_axes = figure.subplots(rows, columns, squeeze=False)
    for axes in all_axes.flat:
        axes.set_axis_off()
    for axes, (name, map_) in zip(all_axes.flat, times.items(), strict=False):
        image = axes.imshow(map_, cmap="magma", vmin=0, vmax=limit)
        axes.set_title(name, fontsize=9, parse_math=False)
    figure.colorbar(image, ax=all_axes, label="times an even share", aspect=25, pad=0.02)
    return as_png(figure)


def _light(image: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """An image uint8 `[h, w, 3]` once a map, bright where attention is, dark and pale elsewhere."""
    light = smooth_maps(maps, *image.shape[:2])
    light = (light / light.max(axis=(1, 2), keepdims=True))[..., None]
    grey = image.mean(axis=-1, keepdims=True)
    dark = FLOOR + SHADE * (image + grey) / 2
    bright = image + GLOW * (255.0 - image)
    return np.rint(dark + light * (bright - dark)).astype(np.uint8)


def smooth_maps(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    """Attention maps `[T, rows, columns]` as smooth ones `[T, height, width]`.

    ::

        m(y, x) = sum_ij g(y, i) g(x, j) a_ij,    g(y, i) ∝ exp(-(y - y_i)² / (2 σ²))

    where y is the position of a pixel's centre and y_i that of a cell's, in cells, and the weights
    of a pixel sum to 1. A map that is the same everywhere stays so, also at the border.

    References:
        Xu et al. 2015, section 5.4, enlarge and filter by a Gaussian as well, a broader one.
    """
    sizes = zip((height, width), maps.shape[1:], strict=True)
    down, across = (_gaussians(pixels, cells) for pixels, cells in sizes)
    return down @ maps @ across.T


def _gaussians(pixels: int, cells: int) -> np.ndarray:
    """`[pixels, cells]`: the weight of each cell at a pixel."""
    centres = (np.arange(pixels) + 0.5)[:, None] * cells / pixels
    weights = np.exp(-0.5 * ((centres - np.arange(cells) - 0.5) / SIGMA) ** 2)
    return weights / weights.sum(axis=1, keepdims=True)


def _fit_panel(image: np.ndarray) -> np.ndarray:
    """An image whose longer side is about `PANEL`: pixels repeated, or averaged."""
    height, width = image.shape[:2]
    times, how = PANEL / max(height, width), Image.Resampling.BILINEAR
    if times >= 1:
        times, how = round(times), Image.Resampling.NEAREST
    size = max(1, round(width * times)), max(1, round(height * times))
    return np.asarray(Image.fromarray(image).resize(size, how))
