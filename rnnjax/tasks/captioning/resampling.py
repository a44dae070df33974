"""Images and attention maps brought to the size of a panel."""

import numpy as np

PANEL = 180
"""Pixels of a panel's longer side, about."""

SIGMA = 0.6
"""Of the Gaussian that smooths attention maps, in cells."""


def fitted(image: np.ndarray) -> np.ndarray:
    """An image as large as a panel: a small one enlarged pixel by pixel, a large one averaged.

    Args:
        image: uint8 `[H, W, 3]`.

    Returns:
        uint8 `[h, w, 3]`: each pixel repeated a whole number of times, so that the longer side
        comes close to `PANEL`; or, if it is more than that, means over areas that make it `PANEL`.
    """
    height, width = image.shape[:2]
    longer = max(height, width)
    if longer <= PANEL:
        times = round(PANEL / longer)
        return image.repeat(times, axis=0).repeat(times, axis=1)
    down, across = (_areas(max(1, round(n * PANEL / longer)), n) for n in (height, width))
    return np.rint(np.einsum("yh,hwc,xw->yxc", down, image, across, optimize=True)).astype(np.uint8)


def smoothed(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    """Attention maps with a number for every pixel, smooth from cell to cell.

    ::

        m(y, x) = sum_ij g(y, i) g(x, j) a_ij,    g(y, i) ∝ exp(-(y - y_i)² / (2 σ²))

    where y is the place of a pixel's centre and y_i that of a cell's, in cells, and the weights of
    a pixel sum to 1. So a map that is the same everywhere stays so, also at the border.

    Args:
        maps: `[T, rows, columns]`.
        height: of the result.
        width: of the result.

    Returns:
        `[T, height, width]`.

    References:
        Xu et al. 2015, section 5.4, enlarge and filter by a Gaussian as well, a broader one.
    """
    down, across = (
        _gaussians(pixels, cells)
        for pixels, cells in zip((height, width), maps.shape[1:], strict=True)
    )
    return down @ maps @ across.T


def magnified(maps: np.ndarray, height: int, width: int) -> np.ndarray:
    """Attention maps with a number for every pixel: that of the cell which its centre is in.

    Args:
        maps: `[T, rows, columns]`.
        height: of the result.
        width: of the result.

    Returns:
        `[T, height, width]`.
    """
    row, column = (
        (np.arange(pixels) + 0.5) * cells // pixels
        for pixels, cells in zip((height, width), maps.shape[1:], strict=True)
    )
    return maps[:, row.astype(int)[:, None], column.astype(int)]


def _areas(pixels: int, parts: int) -> np.ndarray:
    """`[pixels, parts]`: which share of each pixel each of the smaller parts covers."""
    edges = np.arange(pixels + 1)[:, None] * parts / pixels
    below = np.clip(edges - np.arange(parts), 0, 1)
    return np.diff(below, axis=0) * pixels / parts


def _gaussians(pixels: int, cells: int) -> np.ndarray:
    """`[pixels, cells]`: how much of each cell a pixel gets."""
    centres = (np.arange(pixels) + 0.5)[:, None] * cells / pixels
    weights = np.exp(-0.5 * ((centres - np.arange(cells) - 0.5) / SIGMA) ** 2)
    return weights / weights.sum(axis=1, keepdims=True)
