"""Images of a source in splits: scikit-learn's digits, .npz files, image files, TFDS."""

import itertools
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from rnnjax import training
from rnnjax.data import tfds
from rnnjax.data.images import IMAGE_SUFFIXES, read_ink
from rnnjax.data.named_splits import SPLITS, drawn_in_shares, is_list_of_paths, split_files
from rnnjax.data.npz import check_arrays, check_grey, read_npz
from rnnjax.errors import UserError, counted
from rnnjax.tasks.draw.config import ImageSource

ARRAYS = ("x_train", "x_test")
EXPECTED = (
    "expected an .npz file with images [N, height, width], or with x_train and x_test of this "
    "form; uint8 from 0 to 255, or numbers from 0 to 1"
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

    Args:
        config: of the run.

    Raises:
        UserError: the source cannot be used, it holds no images, or their sizes differ.
    """
    source = config.data
    if source == "embedded":
        from sklearn.datasets import load_digits  # It takes seconds.

        digits = _as_grey(load_digits().images / 16, "scikit-learn's digits")
        parts = (digits[start:end] for start, end in itertools.pairwise(SHEETS))
        return dict(zip(SPLITS, parts, strict=True))
    path, splits = Path(os.path.expanduser(source)), {}
    if source.startswith("tfds:"):
        found = tfds.images(source.removeprefix("tfds:"))
        pooled, splits = False, {split: images for split, (images, _) in found.items()}
    elif path.suffix == ".npz" and not is_list_of_paths(source):
        arrays = read_npz(path, expected=EXPECTED)
        if "images" in arrays:
            pooled, splits["train"] = True, _as_grey(arrays["images"], f"{source}: images")
        else:
            pooled = False
            check_arrays(arrays, ARRAYS, str(path), expected=EXPECTED)
            for name in ARRAYS:
                splits[name.removeprefix("x_")] = _as_grey(arrays[name], f"{source}: {name}")
    else:
        files_of = split_files(source, needed=("train",), pool=True)
        pooled = files_of.pooled
        for split, files in files_of.files.items():
            splits[split] = read_files([*map(str, files)], config.image_size or None, source)
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
    """The images of image files and of .npz files with `images`, uint8 `[N, h, w]`.

    Args:
        paths: of the files; those whose names end in something else are left out.
        size: both sides of image files in pixels, scaled to; None: as they are.
        source: what messages call them together.

    Raises:
        UserError: there is no image, one cannot be read, or their sizes differ.
    """
    parts: list[tuple[str, np.ndarray]] = []
    left_out: list[str] = []
    for path in paths:
        if path.endswith(".npz"):
            images = read_npz(path, ["images"], expected=EXPECTED)["images"]
            parts.append((path, _as_grey(images, f"{path}: images")))
        elif path.lower().endswith(IMAGE_SUFFIXES):
            parts.append((path, np.round(255 * read_ink(path, size)).astype(np.uint8)[None]))
        else:
            left_out.append(path)
    if parts and left_out:
        training.say(f"{counted(len(left_out), 'file')} left out, no images: {left_out[0]}")
    if not parts:
        raise UserError(
            f"{source} has no image: expected files that end in .npz, {', '.join(IMAGE_SUFFIXES)}"
        )
    first, images = parts[0]
    for path, others in parts:
        hint = f" as in {first}; --config.image_size=28 scales image files"
        check_size(others, images.shape[1:], path, hint)
    return np.concatenate([images for _, images in parts])


def check_size(images: np.ndarray, expected: tuple[int, ...], name: str, why: str = "") -> None:
    """Raises UserError unless images `[N, h, w]` have the expected height and width."""
    if images.shape[1:] != tuple(expected):
        found, wanted = (" x ".join(map(str, shape)) for shape in (images.shape[1:], expected))
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
