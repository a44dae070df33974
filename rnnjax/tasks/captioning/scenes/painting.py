"""The pixels of a scene: coloured digits on a dark, uneven, noisy ground."""

import functools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from rnnjax.tasks.captioning.scenes.boxes import Box
from rnnjax.tasks.captioning.scenes.grammar import COLOURS

PALETTE = dict(
    zip(
        COLOURS,
        (
            (235, 50, 45),
            (245, 220, 50),
            (50, 205, 75),
            (60, 110, 250),
            (190, 75, 225),
            (245, 245, 245),
        ),
        strict=True,
    )
)
"""Red, green and blue of each colour, 0 to 255."""

_LIGHT = {colour: np.asarray(light, np.float32) for colour, light in PALETTE.items()}
_DIMMEST = 0.8
_CLOUDS = 5
_CLOUD_LIGHT = 50
_NOISE_LIGHT = 25


class Stroke(NamedTuple):
    """A digit to be painted.

    Attributes:
        ink: float32 [height, width], 0 to 1.
        colour: one of COLOURS.
        box: where, of the height and width of `ink`.
    """

    ink: np.ndarray
    colour: str
    box: Box


def paint(strokes: Iterable[Stroke], side: int, rng: np.random.Generator) -> np.ndarray:
    """Paints a scene.

    Each digit is dimmed by a random factor of at least 0.8.

    Args:
        strokes: the digits.
        side: height and width of the scene, in pixels.
        rng: random numbers.

    Returns:
        uint8 [side, side, 3], red, green and blue.
    """
    canvas = _ground(side, rng)
    for ink, colour, (top, left, bottom, right) in strokes:
        light = _LIGHT[colour] * np.float32(rng.uniform(_DIMMEST, 1))
        part = canvas[top:bottom, left:right]
        part += ink[:, :, None] * (light - part)
    return canvas.astype(np.uint8)


def _ground(side: int, rng: np.random.Generator) -> np.ndarray:
    """Clouds, light that changes slowly from place to place, and noise in every pixel."""
    weights = _slow_change(side)
    clouds = rng.random((_CLOUDS, _CLOUDS * 3), np.float32) * np.float32(_CLOUD_LIGHT)
    ground = rng.random((side, side, 3), np.float32) * np.float32(_NOISE_LIGHT)
    ground += weights @ (weights @ clouds).reshape(side, _CLOUDS, 3)
    return ground


@functools.cache
def _slow_change(side: int) -> np.ndarray:
    """The matrix [side, _CLOUDS] that draws straight lines from each value to the next."""
    x = np.linspace(0, _CLOUDS - 1, side)
    lines = [np.interp(x, np.arange(_CLOUDS), one) for one in np.eye(_CLOUDS)]
    return np.stack(lines, axis=1).astype(np.float32)
