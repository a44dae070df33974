"""Captions word by word, each with what the model looked at, as PNG."""

import textwrap
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.transforms import IdentityTransform
from numpy.typing import ArrayLike

from rnnjax.errors import UserError
from rnnjax.tasks.captioning.pointing import Region, check_distributions
from rnnjax.tasks.captioning.resampling import fitted, magnified, smoothed
from rnnjax.visuals.pictures import as_png

DPI = 100
MAX_COLUMNS = 6
GAP = 12
"""Pixels between panels, and around all of them."""

TITLE_LINE = 22
"""Pixels that a line of the title and the word above a panel take."""

GATE_LINE = 16
"""Pixels for a gate, below its panel."""

CHARACTER = 0.62
"""Width of a letter, as a part of the size of the font, of broad ones like m."""

SHADE, GLOW = 0.35, 0.35
"""How bright the image is where nothing is attended to; how far it is lifted to white where most
is, without which black ground would stay black."""

ONE_HOT = 0.999
"""A map of which one cell has at least so much is one of hard attention."""


class Captioned(NamedTuple):
    """An image, what a model wrote about it, and what it looked at.

    Attributes:
        image: uint8 `[H, W, 3]`, as the model's encoder saw it: resized and cropped.
        words: the T words of the caption, without START and END.
        maps: `[T, rows, columns]`, the attention while each word was chosen; sums to 1 for a word.
            The cells divide the image evenly. None for a model without attention.
        gates: `[T]`, the gating scalar beta of each word, if the model has it.
        log_probability: of the caption, in nats.
        references: what people wrote.
        boxes: for each word, what it truly speaks of, in pixels of the image, if that is known.
        name: of the image, such as its file.
    """

    image: np.ndarray
    words: Sequence[str]
    maps: np.ndarray | None
    gates: np.ndarray | None = None
    log_probability: float | None = None
    references: Sequence[str] = ()
    boxes: Sequence[Region] | None = None
    name: str = ""


def attention_overlay(
    image: ArrayLike,
    words: Sequence[str],
    maps: ArrayLike,
    *,
    gates: ArrayLike | None = None,
    boxes: Sequence[Region] | None = None,
    title: str = "",
) -> bytes:
    """Draws an image, and then for each word of its caption the image lit by the attention.

    Each map is smoothed by a Gaussian (`resampling.smoothed`) and divided by its largest number:
    the brightest place of a panel is what the model looked at most for this word, and a map that
    is the same everywhere lights all. Maps of which one cell has everything, those of hard
    attention, are not smoothed: this cell alone is lit.

    Args:
        image: uint8 `[H, W, 3]`, as the encoder saw it. Small ones are enlarged pixel by pixel,
            large ones made smaller.
        words: T of them; if there are none, only the image is drawn.
        maps: `[T, rows, columns]`, not negative; each sums to 1. The cells divide the image evenly.
        gates: `[T]`, the gating scalar beta of each word, written below its panel.
        boxes: for each word the true boxes `(top, left, bottom, right)` in pixels of the image, or
            None; they are outlined.
        title: above the panels; long ones take several lines.

    Returns:
        The bytes of a PNG file.

    Raises:
        UserError: the shapes do not fit, or the maps are no distributions.

    References:
        Xu et al. 2015, "Show, Attend and Tell", figure 3 and section 5.4.
    """
    image, maps = np.asarray(image), np.asarray(maps, np.float64)
    beta = None if gates is None else np.asarray(gates, np.float64)
    _check(image, words, maps, beta, boxes)
    plain = fitted(image)
    height, width = plain.shape[:2]
    scale = np.tile(np.divide(plain.shape[:2], image.shape[:2]), 2)
    rows = -(-(len(words) + 1) // MAX_COLUMNS)
    columns = -(-(len(words) + 1) // rows)
    pitch_y = TITLE_LINE + height + GAP + (0 if beta is None else GATE_LINE)
    across = 2 * GAP + columns * (width + GAP) - GAP
    lines = textwrap.wrap(title, int(across * 72 / DPI / (12 * CHARACTER)))
    top = GAP // 2 + len(lines) * TITLE_LINE
    canvas = np.full((top + rows * pitch_y, across, 3), 255, np.uint8)

    figure = Figure(figsize=(across / DPI, len(canvas) / DPI), dpi=DPI)
    for n, line in enumerate(lines):
        _write(figure, line, GAP, GAP // 2 + (n + 0.5) * TITLE_LINE, 12, ha="left", weight="bold")
    panels = [plain, *lit(plain, maps)]
    for n, panel in enumerate(panels):
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


def lit(image: np.ndarray, maps: np.ndarray) -> np.ndarray:
    """An image once a map, bright where attention is and dark and pale elsewhere.

    Args:
        image: uint8 `[h, w, 3]`.
        maps: `[T, rows, columns]`, not negative.

    Returns:
        uint8 `[T, h, w, 3]`.
    """
    one_hot = len(maps) > 0 and maps.max(axis=(1, 2)).min() >= ONE_HOT
    light = (magnified if one_hot else smoothed)(maps, *image.shape[:2])
    light = (light / light.max(axis=(1, 2), keepdims=True))[..., None]
    grey = image.mean(axis=-1, keepdims=True)
    dark = SHADE * (image + grey) / 2
    bright = image + GLOW * (255.0 - image)
    return np.rint(dark + light * (bright - dark)).astype(np.uint8)


def _write(figure: Figure, text: str, x: float, y: float, size: float, **more: str) -> None:
    """Writes at so many pixels from the left and the top."""
    width, height = figure.bbox.size
    style: dict[str, Any] = {"ha": "center", "va": "center_baseline", "color": "#1a202c"} | more
    figure.text(x / width, 1 - y / height, text, size=size, parse_math=False, **style)


def _outline(figure: Figure, box: np.ndarray, x: float, y: float) -> None:
    """Outlines a box of the panel whose corner is so many pixels from the left and the top."""
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
            f"an overlay needs an image uint8 [H, W, 3]; got {image.dtype} {list(image.shape)}"
        )
    if maps.ndim != 3 or len(maps) != len(words) or 0 in maps.shape[1:]:
        raise UserError(
            f"an overlay needs maps [T, rows, columns] of its T = {len(words)} words; "
            f"got {list(maps.shape)}"
        )
    check_distributions(maps, 2)
    if gates is not None and gates.shape != (len(words),):
        raise UserError(f"there are {len(words)} words, but gates {list(gates.shape)}")
    if boxes is not None and len(boxes) != len(words):
        raise UserError(f"there are {len(words)} words, but regions of {len(boxes)}")
