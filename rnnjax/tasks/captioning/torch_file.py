"""Reads arrays from a file that `torch.save` wrote, without torch and without running code."""

import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from rnnjax.errors import UserError

_HEAD = (0x1950A86A20F9469CFC6C, 1001)
"""The magic number, and the version of the format."""
_STORAGES = {
    "HalfStorage": np.dtype("<f2"),
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "IntStorage": np.dtype("<i4"),
    "LongStorage": np.dtype("<i8"),
}


class _StateDict(dict):
    """A dictionary that may have attributes, as torch gives its own a `_metadata`."""


def _tensor(
    storage: np.ndarray, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any
) -> np.ndarray:
    """A view of a storage whose numbers come later in the file; strides count elements.

    NumPy raises ValueError for a view that leaves the storage.
    """
    size = storage.itemsize
    steps = [stride * size for stride in strides]
    return np.ndarray(shape, storage.dtype, storage, offset * size, steps)


_ALLOWED: dict[str, Any] = {
    "collections.OrderedDict": _StateDict,
    "torch._utils._rebuild_tensor_v2": _tensor,
    **{f"torch.{storage}": dtype for storage, dtype in _STORAGES.items()},
}


class _Unpickler(pickle.Unpickler):
    """Resolves the names of dictionaries and tensors, and refuses every other name."""

    def __init__(self, file: BinaryIO, path: Path):
        super().__init__(file)
        self._path = path
        self.storages: dict[str, np.ndarray] = {}

    def find_class(self, module: str, name: str) -> Any:
        full_name = f"{module}.{name}"
        if full_name not in _ALLOWED:
            raise UserError(
                f"{self._path} asks for {full_name}, and a file of weights may hold nothing but "
                f"tensors in a dictionary: it was not read"
            )
        return _ALLOWED[full_name]

    def persistent_load(self, pid: Any) -> np.ndarray:
        _, dtype, key, _, size, _ = pid
        return self.storages.setdefault(key, np.zeros(size, dtype))


def read_state_dict(path: Path) -> dict[str, np.ndarray]:
    """Reads a dictionary of tensors from a file in the format of torch before 1.6.

    The file is a row of pickles (a magic number, the version of the format, sizes of C types, the
    dictionary, the keys of the storages), then for each storage its length and its numbers. The
    pickles are read by an unpickler that resolves the names of a dictionary, a tensor and the
    storages, and stops at any other name before it is looked up.

    Args:
        path: of the file.

    Returns:
        An array for every name.

    Raises:
        UserError: there is no such file, it is in another format or cut off, or it holds something
            besides tensors.
    """
    try:
        with open(path, "rb") as file:
            head = tuple(_Unpickler(file, path).load() for _ in range(3))
            if head[:2] != _HEAD:
                raise ValueError("it begins otherwise")
            unpickler = _Unpickler(file, path)
            tensors, storages = unpickler.load(), unpickler.storages
            for key in _Unpickler(file, path).load():
                length = int.from_bytes(file.read(8), "little")
                read = file.readinto(storages[key].data)
                if (length, read) != (storages[key].size, storages.pop(key).nbytes):
                    raise ValueError("it is cut off or damaged")
            if storages or not all(isinstance(one, np.ndarray) for one in tensors.values()):
                raise ValueError("it does not hold a dictionary of tensors, and their storages")
            return dict(tensors)
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    except Exception as error:  # a broken pickle fails in as many ways as there are opcodes
        raise UserError(
            f"{path} is no file of weights in the format of torch before 1.6 "
            f"({type(error).__name__}: {error})"
        ) from error
