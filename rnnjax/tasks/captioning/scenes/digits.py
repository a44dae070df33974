"""The handwritten digits that scikit-learn ships, cut out, enlarged and dealt to the splits."""

import functools

import numpy as np

from rnnjax.tasks.captioning.scenes.grammar import SIZES

SPLITS = ("train", "validation", "test")

SIDES = dict(zip(SIZES, (10, 18), strict=True))
"""To how many pixels the 8 by 8 images are enlarged."""

VISIBLE = 0.15
"""Where a digit has less ink than this (of 1), all along its border, it is cut off."""

_EIGHTH = {"validation": 6, "test": 7}


def images_and_digits() -> tuple[np.ndarray, np.ndarray]:
    """All images with their ink from 0 to 1 (float64 [1797, 8, 8]), and which digits they show.

    References:
        Alpaydin and Kaynak, "Optical recognition of handwritten digits" (1998), UCI repository:
        its test part, written by 13 people.
    """
    from sklearn.datasets import load_digits

    data = load_digits()
    return data.images / 16, data.target


@functools.cache
def instances(split: str) -> tuple[tuple[int, ...], ...]:
    """The images of a split, for each digit.

    Of the images of each digit, in the order of the data set, every eighth is for validation and
    the one after it for testing.

    Args:
        split: one of SPLITS.

    Returns:
        Indices into `load_digits`, ascending, for each of the digits 0 to 9.
    """
    _, digits = images_and_digits()
    of_digit = []
    for digit in range(10):
        (members,) = np.nonzero(digits == digit)
        eighth = np.arange(len(members)) % 8
        if split == "train":
            chosen = ~np.isin(eighth, list(_EIGHTH.values()))
        else:
            chosen = eighth == _EIGHTH[split]
        of_digit.append(tuple(members[chosen].tolist()))
    return tuple(of_digit)


@functools.cache
def cutouts(size: str) -> tuple[np.ndarray, ...]:
    """Every image of the data set in one size, without the empty rows and columns around the ink.

    Args:
        size: one of SIZES.

    Returns:
        Ink from 0 to 1 for each image: float32 [height, width], at most SIDES[size] each.
    """
    images, _ = images_and_digits()
    weights = cubic(images.shape[-1], SIDES[size])
    enlarged = np.clip(weights @ images @ weights.T, 0, 1).astype(np.float32)
    return tuple(_cut_out(image) for image in enlarged)


def cubic(before: int, after: int) -> np.ndarray:
    """The matrix that enlarges a row of pixels smoothly, with empty pixels beyond its ends.

    Cubic convolution: pixel i of the new row is the sum over j of k(x_i - j) times pixel j, with
    x_i = (i + 1/2) before / after - 1/2 and

        k(d) = 3/2 |d|^3 - 5/2 |d|^2 + 1               for |d| <= 1,
               -1/2 |d|^3 + 5/2 |d|^2 - 4 |d| + 2      for 1 < |d| < 2, else 0.

    Args:
        before: pixels of the row.
        after: pixels of the new row, not fewer.

    Returns:
        float64 [after, before].

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
