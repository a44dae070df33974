"""scikit-learn's handwritten digits, enlarged and painted in colour: the pixels of scenes."""

import functools
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

SIDES = {"small": 10, "large": 18}
"""Pixels that the 8 by 8 images are enlarged to."""
SIZES = tuple(SIDES)

VISIBLE = 0.15
"""Rows and columns at the border with less ink than this (of 1) are cut off."""

PALETTE = {
    "red": (235, 50, 45), "yellow": (245, 220, 50), "green": (50, 205, 75),
    "blue": (60, 110, 250), "purple": (190, 75, 225), "white": (245, 245, 245),
}  # fmt: skip
"""Red, green and blue of each colour, 0 to 255."""
COLOURS = tuple(PALETTE)

_SPLITS_OF_EIGHT = np.array(["train"] * 6 + ["validation", "test"])
_LIGHT = {colour: np.asarray(light, np.float32) for colour, light in PALETTE.items()}
_DIMMEST = 0.8
_CLOUDS = 5
_CLOUD_LIGHT = 50
_NOISE_LIGHT = 25


class Box(NamedTuple):
    """A rectangle of pixels: rows top to bottom - 1, columns left to right - 1."""

    top: int
    left: int
    bottom: int
    right: int


def held_out(colour: str, digit: int) -> bool:
    """Whether only the test split of scenes shows this digit in this colour.

    For each digit it is one colour of the six, for each colour one digit or two.
    """
    return digit % len(COLOURS) == COLOURS.index(colour)


def _images_and_digits() -> tuple[np.ndarray, np.ndarray]:
    """The data set: ink from 0 to 1 (float64 [1797, 8, 8]), and the digits.

    References:
        Alpaydin and Kaynak, "Optical recognition of handwritten digits" (1998), UCI repository:
        its test part, written by 13 people.
    """
    from sklearn.datasets import load_digits

    data = load_digits()
    return data.images / 16, data.target


@functools.cache
def instances(split: str) -> tuple[tuple[int, ...], ...]:
    """The images of a split by digit: for each of 0 to 9, indices into `load_digits`.

    Of the images of each digit, in the order of the data set, every eighth is for validation and
    the one after it for testing.
    """
    _, digits = _images_and_digits()
    of_digit = []
    for digit in range(10):
        (members,) = np.nonzero(digits == digit)
        chosen = np.resize(_SPLITS_OF_EIGHT, len(members)) == split
        of_digit.append(tuple(members[chosen].tolist()))
    return tuple(of_digit)


@functools.cache
def cutouts(size: str) -> tuple[np.ndarray, ...]:
    """Every image of the data set in one of SIZES, without empty rows and columns around the ink.

    The ink is 0 to 1, float32 [height, width], at most SIDES[size] each.
    """
    images, _ = _images_and_digits()
    weights = cubic(images.shape[-1], SIDES[size])
    enlarged = np.clip(weights @ images @ weights.T, 0, 1).astype(np.float32)
    return tuple(_cut_out(image) for image in enlarged)


def cubic(before: int, after: int) -> np.ndarray:
    """The matrix [after, before] that enlarges a row by cubic convolution, with zeros beyond it.

    Pixel i of the new row is the sum over j of k(x_i - j) times pixel j, with
    x_i = (i + 1/2) before / after - 1/2 and

        k(d) = 3/2 |d|^3 - 5/2 |d|^2 + 1               for |d| <= 1,
               -1/2 |d|^3 + 5/2 |d|^2 - 4 |d| + 2      for 1 < |d| < 2, else 0.

    References:
        Keys, "Cubic convolution interpolation for digital image processing" (1981).
    """
    x = (np.arange(after) + 0.5) * before / after - 0.5
    d = np.abs(x[:, None] - np.arange(before))
    near = 1.5 * d**3 - 2.5 * d**2 + 1
    far = -0.5 * d**3 + 2.5 * d**2 - 4 * d + 2
    return np.where(d <= 1, near, np.where(d < 2, far, 0))


def _cut_out(image: np.ndarray) -> np.ndarray:
    rows = np.flatnonzero(image.max(axis=1) >= VISIBLE)
    columns = np.flatnonzero(image.max(axis=0) >= VISIBLE)
    return image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def paint(
    digits: Iterable[tuple[np.ndarray, str, Box]], side: int, rng: np.random.Generator
) -> np.ndarray:
    """Paints digits on a dark, uneven, noisy background; each is dimmed by a factor of 0.8 to 1.

    Args:
        digits: ink (float32 [height, width], 0 to 1), colour (one of COLOURS), and a box of the
            same height and width.
        side: height and width of the scene, in pixels.

    Returns:
        uint8 [side, side, 3], red, green and blue.
    """
    canvas = _background(side, rng)
    for ink, colour, (top, left, bottom, right) in digits:
        light = _LIGHT[colour] * np.float32(rng.uniform(_DIMMEST, 1))
        part = canvas[top:bottom, left:right]
        part += ink[:, :, None] * (light - part)
    return canvas.astype(np.uint8)


def _background(side: int, rng: np.random.Generator) -> np.ndarray:
    """Clouds, whose light changes slowly from place to place, and noise in every pixel."""
    weights = _interpolation(side)
    clouds = rng.random((_CLOUDS, _CLOUDS * 3), np.float32) * np.float32(_CLOUD_LIGHT)
    ground = rng.random((side, side, 3), np.float32) * np.float32(_NOISE_LIGHT)
    ground += weights @ (weights @ clouds).reshape(side, _CLOUDS, 3)
    return ground


@functools.cache
def _interpolation(side: int) -> np.ndarray:
    """The matrix [side, _CLOUDS] of linear interpolation between evenly spaced values."""
    x = np.linspace(0, _CLOUDS - 1, side)
    lines = [np.interp(x, np.arange(_CLOUDS), one) for one in np.eye(_CLOUDS)]
    return np.stack(lines, axis=1).astype(np.float32)
