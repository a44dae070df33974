"""Feature maps that were computed elsewhere: an .npz, or an .npy with a list of names."""

import functools
import math
import os
import zipfile
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np

from rnnjax.data.images import Skipped
from rnnjax.errors import UserError
from rnnjax.tasks.captioning.captioned_images import CaptionedImage
from rnnjax.tasks.captioning.features import Features, ProcessLocalFile, memory_mapped_array

_NOT_ARRAYS = (OSError, ValueError, EOFError, zipfile.BadZipFile)
"""What numpy raises at a file that holds no arrays, or only a part of them."""

_Maps = tuple[tuple[int, ...], Collection[str], Callable[[str], np.ndarray]]
"""Shape `[S, F]` of all maps, the names of the images, and a function from name to map."""


def read_features(
    path: str | Path,
    images: Sequence[CaptionedImage],
    *,
    skip_missing: bool = False,
) -> Features:
    """The features of images from a file.

    The file is an `.npz` with an array `[S, F]` for every image, under its name; or an `.npy`,
    `[N, S, F]`, with the N names beside it, a line each, in a `.txt` of the same name. The S
    locations have as many rows as columns. An image's
    name is its path as `CaptionedImage` has it, or the last part of that. Features of other images
    are ignored.

    Args:
        path: of the .npz or .npy.
        images: with captions or without.
        skip_missing: an image without features is left out; otherwise it is an error.

    Returns:
        The features; each is read from the file when it is asked for.

    Raises:
        UserError: there is no such file, its shapes do not agree with each other or the names, S is
            no square, or an image has no features in it.
    """
    path = Path(path).expanduser()
    if path.suffix not in (".npz", ".npy"):
        raise UserError(f"features come from an .npz or .npy file; got {path}")
    if not path.is_file():
        raise UserError(f"there is no file of features {path}")
    (locations, output_size), names, read = (_of_npz if path.suffix == ".npz" else _of_npy)(path)
    side = math.isqrt(locations)
    if side * side != locations:
        raise UserError(
            f"{path} has {locations} locations an image: expected a square number, as many rows as "
            f"columns"
        )
    found, skipped = _match(path, images, names, skip_missing)
    chosen = list(found.values())
    return Features(
        images=tuple(images[n] for n in found),
        grid=(side, side),
        output_size=output_size,
        skipped=tuple(skipped),
        read=lambda index: read(chosen[index]),
    )


def _match(
    path: Path, images: Sequence[CaptionedImage], names: Collection[str], skip_missing: bool
) -> tuple[dict[int, str], list[Skipped]]:
    """The name of each image's map, by the index of the image; and images without a map."""
    found: dict[int, str] = {}
    skipped = []
    owner: dict[str, str] = {}
    for n, image in enumerate(images):
        name = image.image if image.image in names else os.path.basename(image.image)
        if name not in names:
            skipped.append(Skipped(image.image, f"{path} has no features of {image.image}"))
            continue
        other = owner.setdefault(name, image.image)
        if other != image.image:
            raise UserError(
                f"{path} has one map called {name} for both {other} and {image.image}: "
                f"name the maps by whole paths"
            )
        found[n] = name
    if skipped and not skip_missing:
        known = ", ".join(sorted(names)[:3])
        more = f" and {len(skipped) - 1:,} more images" if skipped[1:] else ""
        raise UserError(f"{skipped[0].message}{more}; it has those of {known}, ...")
    return found, skipped


def _of_npz(path: Path) -> _Maps:
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path} is no whole .npz file: it has no table of contents at its end")
    try:
        file = ProcessLocalFile(functools.partial(np.load, allow_pickle=False), path)
        headers = {name: _header(file.get().zip.open(f"{name}.npy")) for name in file.get().files}
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
    return first_shape, headers.keys(), lambda name: file.get()[name]


def _header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype]:
    with file:
        version = np.lib.format.read_magic(file)
        read = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }.get(version)
        if read is None:
            raise ValueError(f"an array in version {version} of the format")
        shape, _, dtype = read(file)
        return shape, dtype


def _of_npy(path: Path) -> _Maps:
    try:
        file = ProcessLocalFile(memory_mapped_array, path)
    except _NOT_ARRAYS as error:
        raise UserError(f"{path} is no whole .npy file of numbers: {error}") from error
    array = file.get()
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
    return array.shape[1:], rows, lambda name: file.get()[rows[name]]
