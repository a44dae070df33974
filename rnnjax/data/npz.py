"""Arrays of .npz files."""

import os
import zipfile
from collections.abc import Collection
from pathlib import Path

import numpy as np

from rnnjax.data.files import regular_file
from rnnjax.errors import UserError


def read_npz(
    path: str | os.PathLike, needed: Collection[str] = (), *, expected: str
) -> dict[str, np.ndarray]:
    """The arrays of an .npz file by name. Arrays of objects are not read: they may hold programs.

    Args:
        needed: names without which a file is an error.
        expected: ends the messages, such as `expected an .npz file with images [N, H, W]`.

    Raises:
        UserError: there is no such file, it cannot be read, or an array is missing.
    """
    path = regular_file(str(path), f": {expected}")
    try:
        with np.load(Path(path), allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        hint = ""
        if "Object arrays" in str(error):
            hint = " (arrays of objects are not read, as they may hold programs)"
        raise UserError(f"{path} is no .npz file of numbers{hint}: {expected}") from error
    if missing := [name for name in needed if name not in arrays]:
        raise UserError(f"{path} has no {', '.join(missing)}: {expected}")
    return arrays


def check_grey(images: np.ndarray, name: str) -> None:
    """Raises UserError for uint8 images of 0 and 1, which are black on a scale to 255."""
    if images.max(initial=0) == 1:
        raise UserError(f"{name} are uint8 and hold 0 and 1: expected 0 to 255")
