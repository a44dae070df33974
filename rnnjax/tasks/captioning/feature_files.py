"""Feature maps that were computed elsewhere: an .npz, or an .npy with a list of names."""

import functools
import math
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.lib.format import read_array_header_1_0, read_magic

from rnnjax.data.files import read_text
from rnnjax.errors import UserError
from rnnjax.tasks.captioning.captioned_images import CaptionedImage
from rnnjax.tasks.captioning.features import Features

_NOT_ARRAYS = (OSError, ValueError, EOFError, zipfile.BadZipFile)
"""The errors of numpy for a file that has no arrays, or is cut short."""


def stored_features(
    path: str | Path, images: Sequence[CaptionedImage], *, skip_missing: bool = False
) -> Features:
    """The feature maps of images in a file; each is read when it is asked for.

    The file is an `.npz` with an array `[S, F]` for every image, under its name; or an `.npy`,
    `[N, S, F]`, with the N names beside it, a line each, in a `.txt` of the same name. The S
    locations have as many rows as columns. An image's name is its path as `CaptionedImage` has it,
    or the last part of that. Features of other images are ignored.

    Args:
        skip_missing: an image without features is left out; otherwise it is an error.

    Returns:
        The features, in the dtype in which they are stored.

    Raises:
        UserError: there is no such file, its shapes do not agree with each other or the names, S is
            no square, or an image has no features in it.
    """
    path = Path(path).expanduser().absolute()
    if path.suffix not in (".npz", ".npy") or not path.is_file():
        raise UserError(f"features come from an .npz or .npy file: there is none at {path}")
    keys = (_names_of_npz if path.suffix == ".npz" else _rows_of_npy)(path)
    found, names, skipped = [], [], []
    owner: dict[str, str] = {}
    for image in images:
        name = image.image if image.image in keys else os.path.basename(image.image)
        if name not in keys:
            skipped.append(f"{path} has no features of {image.image}")
        elif (other := owner.setdefault(name, image.image)) != image.image:
            raise UserError(
                f"{path} has one map called {name} for both {other} and {image.image}: "
                f"name the maps by whole paths"
            )
        else:
            found.append(image)
            names.append(name)
    if skipped and not skip_missing:
        known = ", ".join(sorted(keys)[:3])
        more = f" and {len(skipped) - 1:,} more images" if skipped[1:] else ""
        raise UserError(f"{skipped[0]}{more}; it has those of {known}, ...")
    file = path, path.stat().st_mtime_ns
    return Features(found, lambda n: _opened(*file)[keys[names[n]]], skipped)


@functools.cache
def _opened(path: Path, changed: int) -> Any:
    """Opens a file, once in each process; `changed` distinguishes versions of it."""
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _check(path: Path, name: str, shape: tuple[int, ...], dtype: np.dtype) -> None:
    """Raises UserError unless these are of a map."""
    if len(shape) != 2 or math.isqrt(shape[0]) ** 2 != shape[0] or dtype.kind != "f":
        raise UserError(
            f"{path}: {name} is {dtype} {shape}; expected floats [S, F], S locations with as many "
            "rows as columns"
        )


def _names_of_npz(path: Path) -> dict[str, Any]:
    """The key of the map of each image."""
    try:
        headers = {}
        with zipfile.ZipFile(path) as file:
            for name in file.namelist():
                with file.open(name) as array:
                    read_magic(array)
                    shape, _, dtype = read_array_header_1_0(array)
                    headers[name.removesuffix(".npy")] = shape, dtype
    except _NOT_ARRAYS as error:
        raise UserError(f"{path} is no whole .npz file of arrays: {error}") from error
    for name, (shape, dtype) in headers.items():
        _check(path, name, shape, dtype)
    if len(shapes := {shape for shape, _ in headers.values()}) != 1:
        raise UserError(f"{path}: expected maps of one shape; got {sorted(shapes)}")
    return {name: name for name in headers}


def _rows_of_npy(path: Path) -> dict[str, Any]:
    """The row of the map of each image."""
    list_path = path.with_suffix(".txt")
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except _NOT_ARRAYS as error:
        raise UserError(f"{path} is no whole .npy file of numbers: {error}") from error
    _check(path, "a row", array.shape[1:], array.dtype)
    names = read_text(str(list_path), encoding="utf-8").splitlines()
    rows = {name: row for row, name in enumerate(names)}
    if not len(rows) == len(names) == len(array):
        raise UserError(
            f"{list_path} has {len(rows):,} different names in {len(names):,} lines: expected one "
            f"for each of the {len(array):,} maps in {path}"
        )
    return rows
