"""Named arrays in files of safetensors, a format that holds numbers and no code."""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save

from rnnjax.errors import UserError

PICKLED = (b"\x80", b"PK\x03\x04")
"""The first bytes of a pickle, and of the archive of pickles that `torch.save` writes."""


def read_safetensors(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """The arrays of a file in safetensors, by name.

    Raises:
        UserError: there is no such file, it is a pickle, or it is damaged.
    """
    path = Path(path)
    try:
        with open(path, "rb") as file:
            start = file.read(4)
        if start.startswith(PICKLED):
            raise UserError(
                f"{path} is a pickle, which may run any code while it is read: expected a file in "
                "safetensors, such as safetensors.torch.save_file(module.state_dict(), "
                '"weights.safetensors") writes'
            )
        return load_file(path)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror or error}") from error
    except SafetensorError as error:
        raise UserError(f"{path} is no intact file in safetensors: {error}") from error


def write_safetensors(
    path: str | os.PathLike,
    tensors: Mapping[str, np.ndarray],
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Writes arrays and texts into a file, in place of one that is there.

    `safetensors.torch.load_file` and others read it.

    Raises:
        UserError: the file cannot be written.
    """
    try:
        Path(path).write_bytes(encoded(tensors, metadata))
    except OSError as error:
        raise UserError(f"cannot write {path}: {error.strerror or error}") from error


def encoded(tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> bytes:
    """The bytes that `write_safetensors` writes."""
    arrays = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    return save(arrays, None if metadata is None else dict(metadata))
