"""Pictures and animations of canvases, with the windows of attention."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from rnnjax.tasks.draw.attention import Window
from rnnjax.tasks.draw.draw_network import Painting
from rnnjax.visuals.figures import as_png, new_figure

READ, WRITE = (229, 62, 62), (56, 161, 105)
LEGEND = "red: where it reads, green: where it writes"
FORMATS = ("gif", "webp")
STEP_MS, LAST_MS = 150, 1500
COLUMNS = 10
"""Steps of a picture, at most."""
GROUND = 255


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
        colour: red, green and blue.

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
        config: of the run.
        n: which image of the painting.
        image: what was painted, `[h, w]`, with the window of reading on it.
        side: pixels of the longer side of a canvas, about.
    """
    height, width = painting.canvases.shape[2:]
    scale = max(1, side // max(height, width))
    shown = []
    for t, canvas in enumerate(sigmoid(painting.canvases[:, n])):
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


def grid(shown: Sequence[Sequence[np.ndarray]], columns: int = 4, gap: int = 6) -> list[np.ndarray]:
    """Several animations of the same length and size as one, side by side."""
    rows = [shown[start : start + columns] for start in range(0, len(shown), columns)]
    pages = []
    for t in range(len(shown[0])):
        lines = []
        for row in rows:
            parts = [np.pad(its[t], [(0, gap), (0, gap), (0, 0)], constant_values=GROUND)
                     for its in row]  # fmt: skip
            parts += [np.full_like(parts[0], GROUND)] * (columns - len(row))
            lines.append(np.concatenate(parts, axis=1))
        pages.append(np.concatenate(lines))
    return pages


def draw_paintings(
    paintings: Mapping[str, tuple[Painting, np.ndarray | None]], config: Any
) -> bytes:
    """Draws canvases over the steps, a row for each image, as a PNG file.

    Args:
        paintings: by name: a painting, and the images `[N, h, w]` that were given.
        config: of the run.
    """
    steps = config.num_glimpses
    shown = np.unique(np.linspace(0, steps - 1, min(COLUMNS, steps)).round().astype(int))
    rows, names = [], []
    for name, (painting, images) in paintings.items():
        height, width = painting.canvases.shape[2:]
        scale, gap = max(1, 56 // max(height, width)), 5
        for n in range(painting.canvases.shape[1]):
            canvases = frames(painting, config, n, side=56)
            given = np.full_like(canvases[0], GROUND)
            if images is not None:
                given = frame(images[n], scale, _at(painting.reads, steps - 1, n),
                              config.read_size, READ)  # fmt: skip
            parts = [given, *(canvases[t] for t in shown)]
            rows.append(
                np.concatenate(
                    [
                        np.pad(part, [(gap, 0), (gap, 0), (0, 0)], constant_values=GROUND)
                        for part in parts
                    ],
                    axis=1,
                )
            )
            names.append(name)
    sheet = np.concatenate(rows)
    high, wide = len(rows[0]), (len(rows[0][0])) / (len(shown) + 1)
    figure = new_figure(sheet.shape[1] / 80 + 1.2, sheet.shape[0] / 80 + 0.4, dpi=80)
    axes = figure.subplots()
    axes.imshow(sheet, interpolation="nearest")
    labels = ["image", *(f"step {t + 1}" for t in shown.tolist())]
    axes.set_xticks([(n + 0.5) * wide for n in range(len(labels))], labels, fontsize=8)
    axes.set_yticks([(n + 0.5) * high for n in range(len(names))], names, fontsize=8)
    axes.xaxis.tick_top()
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return as_png(figure)


def sigmoid(log_odds: np.ndarray) -> np.ndarray:
    """The probability of 1, `[...]`."""
    return 1 / (1 + np.exp(-np.clip(log_odds, -50, 50)))


def _at(windows: Window | None, t: int, n: int) -> Window | None:
    return None if windows is None else Window(*(field[t, n] for field in windows))
