"""Pictures of attention over an image or a grid of locations, as the bytes of PNG files."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from rnnjax.errors import UserError
from rnnjax.metrics.attention import Region, WordEntropy, check_distributions
from rnnjax.visuals.figures import as_png, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 100
MAX_COLUMNS = 6
GAP = 12
"""Pixels between panels, and around all of them."""

PANEL = 180
"""Pixels of a panel's longer side, about."""

TITLE_LINE = 22
"""Height in pixels of a line of the title, and of the word above a panel."""

GATE_LINE = 16
"""Height in pixels of a gate, below its panel."""

CHARACTER = 0.62
"""Width of a broad letter, such as m, relative to the font size."""

FLOOR, SHADE, GLOW = 40, 0.45, 0.45
"""Without attention black becomes the grey `FLOOR`, and the rest is `SHADE` times as bright above
it; most attention moves the image to white by the share `GLOW`. So black parts are visible too."""

SIGMA = 0.6
"""Standard deviation of the Gaussian that smooths attention maps, in cells."""

ONE_HOT = 0.999
"""A map of which one cell has at least this much is one of hard attention."""

MOST_FREQUENT = 40
"""Number of words whose entropy is drawn."""

MEAN_COLUMNS = 4


def draw_attention_over_image(
    image: ArrayLike,
    words: Sequence[str],
    maps: ArrayLike,
    *,
    gates: ArrayLike | None = None,
    boxes: Sequence[Region] | None = None,
    title: str = "",
) -> bytes:
    """Draws an image, and then for each word of a text the image lit by the attention.

    Each map is smoothed by a Gaussian and divided by its largest number: the brightest place of a
    panel has the most attention of this word, and a map that is the same everywhere lights all.
    Maps of which one cell has everything, those of hard attention, are not smoothed.

    Args:
        image: uint8 `[H, W, 3]`, as the encoder saw it. Small ones are enlarged pixel by pixel,
            large ones reduced.
        words: T of them; if there are none, only the image is drawn.
        maps: `[T, rows, columns]`, not negative; each sums to 1. The cells divide the image evenly.
        gates: `[T]`, the gating scalar beta of each word, written below its panel.
        boxes: for each word the true boxes `(top, left, bottom, right)` in pixels of the image, or
            None; they are outlined.
        title: above the panels; long ones take several lines.

    Raises:
        UserError: the shapes do not fit, or the maps are no distributions.

    References:
        Xu et al. 2015, "Show, Attend and Tell", figure 3 and section 5.4.
    """
    image, maps = np.asarray(image), np.asarray(maps, np.float64)
    beta = None if gates is None else np.asarray(gates, np.float64)
    _check(image, words, maps, beta, boxes)
    plain = _fit_panel(image)
    height, width = plain.shape[:2]
    scale = np.tile(np.divide(plain.shape[:2], image.shape[:2]), 2)
    rows = -(-(len(words) + 1) // MAX_COLUMNS)
    columns = -(-(len(words) + 1) // rows)
    pitch_y = TITLE_LINE + height + GAP + (0 if beta is None else GATE_LINE)
    across = 2 * GAP + columns * (width + GAP) - GAP
    lines = textwrap.wrap(title, int(across * 72 / DPI / (12 * CHARACTER)))
    top = GAP // 2 + len(lines) * TITLE_LINE
    canvas = np.full((top + rows * pitch_y, across, 3), 255, np.uint8)

    figure = new_figure(across / DPI, len(canvas) / DPI, dpi=DPI, layout=None)
    for n, line in enumerate(lines):
        _write(figure, line, GAP, GAP // 2 + (n + 0.5) * TITLE_LINE, 12, ha="left", weight="bold")
    for n, panel in enumerate([plain, *_light(plain, maps)]):
        row, column = divmod(n, columns)
        y, x = top + row * pitch_y + TITLE_LINE, GAP + column * (width + GAP)
        canvas[y : y + height, x : x + width] = panel
        if n == 0:
            continue
        size = min(11.0, width * 72 / DPI / (CHARACTER * max(len(words[n - 1]), 1)))
        _write(figure, words[n - 1], x + width / 2, y - TITLE_LINE / 2, size)
        if beta is not None:
            below = y + height + GATE_LINE / 2 + 1
            _write(figure, f"β = {beta[n - 1]:.2f}", x + width / 2, below, 8.5, color="#718096")
        for box in (boxes[n - 1] if boxes else None) or ():
            _outline(figure, np.multiply(box, scale), x, y)
    figure.figimage(canvas, zorder=-1)
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
    one_hot = len(maps) > 0 and maps.max(axis=(1, 2)).min() >= ONE_HOT
    light = (_enlarge if one_hot else smooth_maps)(maps, *image.shape[:2])
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


def _enlarge(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    """Attention maps `[T, height, width]`: each pixel has the number of the cell it lies in."""
    sizes = zip((height, width), maps.shape[1:], strict=True)
    row, column = ((np.arange(pixels) + 0.5) * cells // pixels for pixels, cells in sizes)
    return maps[:, row.astype(int)[:, None], column.astype(int)]


def _fit_panel(image: np.ndarray) -> np.ndarray:
    """An image whose longer side is about `PANEL`: pixels repeated, or averaged."""
    height, width = image.shape[:2]
    times, how = PANEL / max(height, width), Image.Resampling.BILINEAR
    if times >= 1:
        times, how = round(times), Image.Resampling.NEAREST
    size = max(1, round(width * times)), max(1, round(height * times))
    return np.asarray(Image.fromarray(image).resize(size, how))


def _write(figure: "Figure", text: str, x: float, y: float, size: float, **more: str) -> None:
    """Writes at a distance in pixels from the left and the top."""
    width, height = figure.bbox.size
    style: dict[str, Any] = {"ha": "center", "va": "center_baseline", "color": "#1a202c"} | more
    figure.text(x / width, 1 - y / height, text, size=size, parse_math=False, **style)


def _outline(figure: "Figure", box: np.ndarray, x: float, y: float) -> None:
    """Outlines a box of the panel whose corner is at x and y, in pixels from the top left."""
    from matplotlib.patches import Rectangle
    from matplotlib.transforms import IdentityTransform

    top, left, bottom, right = box
    corner = (x + left, figure.bbox.height - y - bottom)
    outline = Rectangle(corner, right - left, bottom - top, fill=False, ec="#22d3ee", lw=1.2)
    outline.set_transform(IdentityTransform())
    figure.add_artist(outline)


def _check(
    image: np.ndarray,
    words: Sequence[str],
    maps: np.ndarray,
    gates: np.ndarray | None,
    boxes: Sequence[Region] | None,
) -> None:
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise UserError(
            "a picture of attention needs an image uint8 [H, W, 3]; got "
            f"{image.dtype} {list(image.shape)}"
        )
    if maps.ndim != 3 or len(maps) != len(words) or 0 in maps.shape[1:]:
        raise UserError(
            f"a picture of attention needs maps [T, rows, columns] of its T = {len(words)} words; "
            f"got {list(maps.shape)}"
        )
    check_distributions(maps, 2)
    if gates is not None and gates.shape != (len(words),):
        raise UserError(f"there are {len(words)} words, but gates {list(gates.shape)}")
    if boxes is not None and len(boxes) != len(words):
        raise UserError(f"there are {len(words)} words, but regions of {len(boxes)}")
