"""Pictures and animations of canvases, with the windows of attention."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw
from scipy.special import expit

from rnnjax.tasks.draw.attention import Window
from rnnjax.tasks.draw.draw_network import Painting
from rnnjax.visuals.figures import as_png, new_figure

READ, WRITE = (229, 62, 62), (56, 161, 105)
FORMATS = ("gif", "webp")
STEP_MS, LAST_MS = 150, 1500
COLUMNS = 10
"""Steps of a picture, at most."""
GROUND, TILE = 255, 56


def frame(
    grey: np.ndarray,
    scale: int,
    at: Window | None = None,
    num_filters: int = 0,
    colour: tuple[int, int, int] = WRITE,
) -> np.ndarray:
    """An image with the window of attention: a frame around the centres of the outer filters.

    Args:
        grey: `[h, w]`, 0 (black) to 1 (white).
        scale: a pixel becomes so many in each direction.
        at: the window, its fields numbers; None: none is drawn.
        num_filters: N of the window.

    Returns:
        uint8 `[h * scale, w * scale, 3]`.
    """
    pixels = np.round(255 * np.asarray(grey)).astype(np.uint8).repeat(scale, 0).repeat(scale, 1)
    image = Image.fromarray(pixels).convert("RGB")
    if at is not None:
        # Pixel 1 has its centre in the middle of its square.
        x, y, half = (float(v) for v in (at.x, at.y, (num_filters - 1) / 2 * at.stride))
        limit = 2.0 * max(grey.shape)  # Pillow draws no lines that are very far away.
        edges = np.clip([x - half, y - half, x + half, y + half], -limit, limit) - 0.5
        left, top, right, bottom = (scale * edges).tolist()
        ImageDraw.Draw(image).rectangle(
            (left, top, right, bottom), outline=colour, width=max(1, scale // 6)
        )
    return np.array(image)


def frames(
    painting: Painting, config: Any, n: int, image: np.ndarray | None = None, side: int = 160
) -> list[np.ndarray]:
    """The canvas of one image after each step, beside the image if it is given.

    Args:
        painting: see `Painting`.
        n: which image of the painting.
        image: what was painted, `[h, w]`, with the window of reading on it.
        side: pixels of the longer side of a canvas, about.
    """
    height, width = painting.canvases.shape[2:]
    scale = max(1, side // max(height, width))
    shown = []
    for t, canvas in enumerate(expit(np.asarray(painting.canvases[:, n]))):
        parts = [frame(canvas, scale, _at(painting.writes, t, n), config.write_size)]
        if image is not None:
            read = frame(image, scale, _at(painting.reads, t, n), config.read_size, READ)
            parts = [read, np.full((len(read), scale, 3), GROUND, np.uint8), *parts]
        shown.append(np.concatenate(parts, axis=1))
    return shown


def animation(shown: Sequence[np.ndarray], kind: str) -> bytes:
    """The bytes of an animated file that goes round forever and rests at the end.

    Args:
        shown: frames, uint8 `[h, w, 3]`.
        kind: one of `FORMATS`.
    """
    first, *rest = map(Image.fromarray, shown)
    file = io.BytesIO()
    options: dict[str, Any] = {"lossless": True} if kind == "webp" else {}
    durations = [STEP_MS] * len(rest) + [LAST_MS]
    first.save(file, kind, save_all=True, append_images=rest, duration=durations, loop=0, **options)
    return file.getvalue()


def tiles(images: Sequence[np.ndarray], columns: int, gap: int = 5) -> np.ndarray:
    """Images uint8 `[h, w, 3]` as one, from left to right and then down."""
    missing = -len(images) % columns
    padded = np.pad(np.stack(images), [(0, missing), (gap, 0), (gap, 0), (0, 0)],
                    constant_values=GROUND)  # fmt: skip
    _, height, width, _ = padded.shape
    in_rows = padded.reshape(-1, columns, height, width, 3).swapaxes(1, 2)
    return in_rows.reshape(-1, columns * width, 3)


def draw_paintings(
    paintings: Mapping[str, tuple[Painting, np.ndarray | None]], config: Any
) -> bytes:
    """Draws canvases over the steps, a row for each image, as a PNG file.

    Args:
        paintings: by name: a painting, and the images `[N, h, w]` that were given.
    """
    shown = np.unique(np.linspace(0, config.num_glimpses - 1, COLUMNS).round().astype(int))
    parts, names = [], []
    for name, (painting, images) in paintings.items():
        for n in range(painting.canvases.shape[1]):
            canvases = frames(painting, config, n, side=TILE)
            given = np.full_like(canvases[0], GROUND)
            if images is not None:
                at, scale = _at(painting.reads, -1, n), len(given) // len(images[n])
                given = frame(images[n], scale, at, config.read_size, READ)
            parts += [given, *(canvases[t] for t in shown)]
            names.append(name)
    labels = ["image", *(f"step {t + 1}" for t in shown.tolist())]
    sheet = tiles(parts, len(labels))
    high, wide = len(sheet) / len(names), sheet.shape[1] / len(labels)
    figure = new_figure(sheet.shape[1] / 80 + 1.2, sheet.shape[0] / 80 + 0.4, dpi=80)
    axes = figure.subplots()
    axes.imshow(sheet, interpolation="nearest")
    axes.set_xticks([(n + 0.5) * wide for n in range(len(labels))], labels, fontsize=8)
    axes.set_yticks([(n + 0.5) * high for n in range(len(names))], names, fontsize=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return as_png(figure, legend(config))


def legend(config: Any) -> str:
    """What the colours of windows mean, for the attention that a network has."""
    parts = {"red: where it reads": config.read_size, "green: where it writes": config.write_size}
    return ", ".join(part for part, size in parts.items() if size) or "without attention"


def _at(windows: Window | None, t: int, n: int) -> Window | None:
    return None if windows is None else Window(*(field[t, n] for field in windows))
