"""Feature maps that were computed elsewhere: an .npz, or an .npy with a list of names."""

import functools
import math
import os
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.lib.format import read_array_header_1_0, read_array_header_2_0, read_magic

from rnnjax.errors import UserError
from rnnjax.tasks.captioning.captioned_images import CaptionedImage
from rnnjax.tasks.captioning.captioner import Locations
from rnnjax.tasks.captioning.features import Features

_NOT_ARRAYS = (OSError, ValueError, EOFError, zipfile.BadZipFile)
"""The errors of numpy for a file that has no arrays, or is cut short."""

_Maps = tuple[tuple[int, ...], dict[str, Any]]
"""Shape `[S, F]` of all maps; and for each name the key of its map in what numpy opens."""


def stored_features(
    path: str | Path, images: Sequence[CaptionedImage], *, skip_missing: bool = False
) -> Features:
    """The feature maps of images in a file; each is read when it is asked for.

    The file is an `.npz` with an array `[S, F]` for every image, under its name; or an `.npy`,
    `[N, S, F]`, with the N names beside it, a line each, in a `.txt` of the same name. The S
    locations have as many rows as columns. An image's name is its path as `CaptionedImage` has it,
    or the last part of that. Features of other images are ignored.

    Args:
        path: of the .npz or .npy.
        images: with captions or without.
        skip_missing: an image without features is left out; otherwise it is an error.

    Returns:
        The features, in the dtype in which they are stored.

    Raises:
        UserError: there is no such file, its shapes do not agree with each other or the names, S is
            no square, or an image has no features in it.
    """
    path = Path(path).expanduser().absolute()
    if path.suffix not in (".npz", ".npy"):
        raise UserError(f"features come from an .npz or .npy file; got {path}")
    if not path.is_file():
        raise UserError(f"there is no file of features {path}")
    (num_locations, size), keys = (_of_npz if path.suffix == ".npz" else _of_npy)(path)
    side = math.isqrt(num_locations)
    if side * side != num_locations:
        raise UserError(
            f"{path} has {num_locations} locations an image: expected a square number, as many "
            f"rows as columns"
        )
    found, names, skipped = _match(path, images, keys, skip_missing)
    file = path, path.stat().st_mtime_ns
    return Features(
        found, lambda n: _opened(*file)[keys[names[n]]], skipped, Locations(side, side, size)
    )


@functools.cache
def _opened(path: Path, changed: int) -> Any:
    """Opens a file, once in each process; `changed` distinguishes versions of it."""
    return np.load(path, mmap_mode="r", allow_pickle=False)


def _match(
    path: Path, images: Sequence[CaptionedImage], names: Mapping[str, Any], skip_missing: bool
) -> tuple[list[CaptionedImage], list[str], list[str]]:
    """The images that have a map, the names of their maps, and what is wrong with the others."""
    found, found_names, skipped = [], [], []
    owner: dict[str, str] = {}
    for image in images:
        name = image.image if image.image in names else os.path.basename(image.image)
        if name not in names:
            skipped.append(f"{path} has no features of {image.image}")
        elif (other := owner.setdefault(name, image.image)) != image.image:
            raise UserError(
                f"{path} has one map called {name} for both {other} and {image.image}: "
                f"name the maps by whole paths"
            )
        else:
            found.append(image)
            found_names.append(name)
    if skipped and not skip_missing:
        known = ", ".join(sorted(names)[:3])
        more = f" and {len(skipped) - 1:,} more images" if skipped[1:] else ""
        raise UserError(f"{skipped[0]}{more}; it has those of {known}, ...")
    return found, found_names, skipped


def _of_npz(path: Path) -> _Maps:
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path} is no whole .npz file: it has no table of contents at its end")
    try:
        with np.load(path, allow_pickle=False) as file:
            headers = {name: _header(file.zip.open(f"{name}.npy")) for name in file.files}
    except _NOT_ARRAYS as error:
        raise UserError(f"{path} is no whole .npz file of arrays: {error}") from error
    if not headers:
        raise UserError(f"{path} is empty: expected an array for every image")
    first, (first_shape, _) = next(iter(headers.items()))
    for name, (shape, dtype) in headers.items():
        if len(shape) != 2 or shape != first_shape or dtype.kind != "f":
            raise UserError(
                f"{path}: {name} is {dtype} {shape}; expected floats [S, F], of one shape for all "
                f"images, and {first} is {first_shape}"
            )
    return first_shape, {name: name for name in headers}


def _header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype]:
    with file:
        version, _ = read_magic(file)
        shape, _, dtype = (read_array_header_1_0 if version == 1 else read_array_header_2_0)(file)
        return shape, dtype


def _of_npy(path: Path) -> _Maps:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except _NOT_ARRAYS as error:
        raise UserError(f"{path} is no whole .npy file of numbers: {error}") from error
    if array.ndim != 3 or array.dtype.kind != "f":
        raise UserError(f"{path} is {array.dtype} {array.shape}; expected floats [N, S, F]")
    list_path = path.with_suffix(".txt")
    try:
        names = list_path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            f"{path} needs the names of its {len(array):,} images beside it, a line each, in "
            f"{list_path.name}: {error}"
        ) from error
    if len(names) != len(array):
        raise UserError(f"{list_path} has {len(names):,} names for {len(array):,} maps in {path}")
    rows: dict[str, int] = {}
    for row, name in enumerate(names):
        first = rows.setdefault(name, row)
        if first != row:
            raise UserError(f"{list_path}:{row + 1}: {name!r} is also in line {first + 1}")
    return array.shape[1:], rows
