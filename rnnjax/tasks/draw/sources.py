"""Images of a source in splits: scikit-learn's digits, .npz files, image files, TFDS."""

import itertools
from collections.abc import Sequence

import numpy as np

from rnnjax import training
from rnnjax.data import tfds
from rnnjax.data.images import IMAGE_SUFFIXES, read_ink
from rnnjax.data.named_splits import SPLITS, drawn_in_shares, is_list_of_paths, split_files
from rnnjax.data.npz import check_grey, read_npz
from rnnjax.errors import UserError, counted
from rnnjax.tasks.draw.config import ImageSource

ARRAYS = ("x_train", "x_test")
EXPECTED = (
    "expected an .npz file with x_train and x_test [N, height, width], uint8 from 0 to 255 or "
    "numbers from 0 to 1"
)
SHEETS = (0, 1287, 1545, 1797)
"""Where scikit-learn's digits are divided: each part is of other writers.

They are the sheets of 13 writers in a row. On each the labels begin anew with 0 to 9 three times;
the twelve last but two are for training, the next two for validation, the last two for the test.
"""


def load_splits(config: ImageSource) -> dict[str, np.ndarray]:
    """The grey images of each split, uint8 `[N, h, w]`, 0 (ground) to 255 (ink).

    Where no name says a split, 10 % each are drawn for validation and test; where there is no
    validation split, a twelfth of the training images. What is drawn is the same in every run.

    Raises:
        UserError: the source cannot be used, it holds no images, or their sizes differ.
    """
    source = config.data
    if source == "embedded":
        from sklearn.datasets import load_digits  # It takes seconds.

        digits = _as_grey(load_digits().images / 16, "scikit-learn's digits")
        parts = (digits[start:end] for start, end in itertools.pairwise(SHEETS))
        return dict(zip(SPLITS, parts, strict=True))
    pooled = False
    if source.startswith("tfds:"):
        found = tfds.images(source.removeprefix("tfds:"))
        splits = {split: images for split, (images, _) in found.items()}
    elif source.endswith(".npz") and not is_list_of_paths(source):
        arrays = read_npz(source, ARRAYS, expected=EXPECTED)
        splits = {n.removeprefix("x_"): _as_grey(arrays[n], f"{source}: {n}") for n in ARRAYS}
    else:
        named = split_files(source, needed=("train",), pool=True)
        pooled, size = named.pooled, config.image_size or None
        splits = {s: read_files([*map(str, its)], size, source) for s, its in named.files.items()}
    if pooled:
        every = splits["train"]
        shares = drawn_in_shares(len(every), 8, 1, 1)
        splits = {split: every[rows] for split, rows in zip(SPLITS, shares, strict=True)}
    elif "validation" not in splits:
        every = splits["train"]
        train, validation = drawn_in_shares(len(every), 11, 1)
        splits = {**splits, "train": every[train], "validation": every[validation]}
    expected = splits["train"].shape[1:]
    for split, images in splits.items():
        if not len(images):
            raise UserError(f"{source} has no image for the {split} split: expected 10 or more")
        check_size(images, expected, f"{source}, {split}")
    return {split: splits[split] for split in SPLITS if split in splits}


def read_files(paths: Sequence[str], size: int | None, source: str) -> np.ndarray:
    """The images of files, uint8 `[N, h, w]`.

    Args:
        paths: of the files; those whose names end in something else are left out.
        size: both sides in pixels, scaled to; None: as they are.
        source: what messages call them together.

    Raises:
        UserError: there is no image, one cannot be read, or their sizes differ.
    """
    parts: list[tuple[str, np.ndarray]] = []
    left_out: list[str] = []
    for path in paths:
        if path.lower().endswith(IMAGE_SUFFIXES):
            parts.append((path, np.round(255 * read_ink(path, size)).astype(np.uint8)))
        else:
            left_out.append(path)
    if parts and left_out:
        training.say(f"{counted(len(left_out), 'file')} left out, no images: {left_out[0]}")
    if not parts:
        raise UserError(
            f"{source} has no image: expected files that end in {', '.join(IMAGE_SUFFIXES)}"
        )
    first, image = parts[0]
    for path, other in parts:
        hint = f" as in {first}; --config.image_size=28 scales them"
        check_size(other, image.shape, path, hint)
    return np.stack([image for _, image in parts])


def check_size(images: np.ndarray, expected: tuple[int, ...], name: str, why: str = "") -> None:
    """Raises UserError unless images `[..., h, w]` have the expected height and width."""
    if images.shape[-2:] != tuple(expected):
        found, wanted = (" x ".join(map(str, shape)) for shape in (images.shape[-2:], expected))
        raise UserError(f"{name}: images of {found} pixels: expected {wanted}{why}")


def binarised(grey: np.ndarray, how: str, rng: np.random.Generator) -> np.ndarray:
    """Grey uint8 images as 0 and 1, uint8: above a half, or with the grey as the probability.

    References:
        Salakhutdinov & Murray 2008, "On the quantitative analysis of deep belief networks"
        (stochastic).
    """
    if how == "threshold":
        return (grey > 127).astype(np.uint8)
    return (rng.integers(0, 255, grey.shape, np.uint8) < grey).astype(np.uint8)


def _as_grey(images: np.ndarray, name: str) -> np.ndarray:
    """Images of any numbers as uint8 from 0 to 255; UserError if they are no images."""
    if images.ndim != 3 or images.dtype.kind not in "uifb" or not all(images.shape[1:]):
        raise UserError(f"{name} are {images.dtype} {list(images.shape)}: {EXPECTED}")
    if images.dtype == np.uint8:
        check_grey(images, name)
        return images
    values = images.astype(np.float64)
    outside = values[~((values >= 0) & (values <= 1))]
    if outside.size:
        raise UserError(
            f"{name} hold {outside[0]:g}: expected uint8 from 0 to 255, or numbers from 0 to 1"
        )
    return np.round(255 * values).astype(np.uint8)
