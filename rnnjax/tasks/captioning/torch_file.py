"""Reads arrays from a file that `torch.save` wrote, without torch and without running code."""

import pickle
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from rnnjax.errors import UserError

_MAGIC = 0x1950A86A20F9469CFC6C
_PROTOCOL = 1001
_STORAGES = {
    "HalfStorage": np.dtype("<f2"),
    "FloatStorage": np.dtype("<f4"),
    "DoubleStorage": np.dtype("<f8"),
    "IntStorage": np.dtype("<i4"),
    "LongStorage": np.dtype("<i8"),
}


class _Storage(NamedTuple):
    key: str
    dtype: np.dtype
    size: int


class _Tensor(NamedTuple):
    """A view of a storage whose numbers come later in the file; strides count elements."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _StateDict(dict):
    """A dictionary that may have attributes, as torch gives its own a `_metadata`."""


_ALLOWED: dict[str, Any] = {
    "collections.OrderedDict": _StateDict,
    "torch._utils._rebuild_tensor_v2": lambda *arguments: _Tensor(*arguments[:4]),
    **{f"torch.{storage}": dtype for storage, dtype in _STORAGES.items()},
}


class _Unpickler(pickle.Unpickler):
    """Resolves the names of dictionaries and tensors, and refuses every other name."""

    def __init__(self, file: BinaryIO, path: Path):
        super().__init__(file)
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        full_name = f"{module}.{name}"
        if full_name not in _ALLOWED:
            raise UserError(
                f"{self._path} asks for {full_name}, and a file of weights may hold nothing but "
                f"tensors in a dictionary: it was not read"
            )
        return _ALLOWED[full_name]

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, _, size, view = pid
        if kind != "storage" or not isinstance(dtype, np.dtype) or view is not None:
            raise UserError(f"{self._path} holds {pid!r} where a storage of numbers was expected")
        return _Storage(key, dtype, size)


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
            tensors, storages = _read(file, path)
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from error
    return {name: _array(tensor, storages, path) for name, tensor in tensors.items()}


def _read(file: BinaryIO, path: Path) -> tuple[dict[str, _Tensor], dict[str, np.ndarray]]:
    wrong_format = f"{path} is no file of weights in the format of torch before 1.6"
    try:
        magic, version, _ = (_Unpickler(file, path).load() for _ in range(3))
        if (magic, version) != (_MAGIC, _PROTOCOL):
            raise UserError(wrong_format)
        tensors, keys = (_Unpickler(file, path).load() for _ in range(2))
    except UserError:
        raise
    except Exception as error:  # a broken pickle fails in as many ways as there are opcodes
        raise UserError(f"{wrong_format} ({type(error).__name__}: {error})") from error
    if not isinstance(tensors, dict) or not all(isinstance(t, _Tensor) for t in tensors.values()):
        raise UserError(f"{path} does not hold a dictionary of tensors")
    used = {tensor.storage.key: tensor.storage for tensor in tensors.values()}
    if not isinstance(keys, list) or used.keys() != set(keys):
        raise UserError(f"{path} lists other storages than its tensors use")
    storages = {}
    for key in keys:
        _, dtype, size = used[key]
        length, content = int.from_bytes(file.read(8), "little"), file.read(size * dtype.itemsize)
        if length != size or len(content) != size * dtype.itemsize:
            raise UserError(f"{path} is cut off or damaged at byte {file.tell():,}")
        storages[key] = np.frombuffer(content, dtype)
    return tensors, storages


def _array(tensor: _Tensor, storages: dict[str, np.ndarray], path: Path) -> np.ndarray:
    numbers = storages[tensor.storage.key]
    last = tensor.offset + sum(
        (length - 1) * stride for length, stride in zip(tensor.shape, tensor.strides, strict=True)
    )
    if min((tensor.offset, *tensor.shape, *tensor.strides)) < 0 or last >= len(numbers):
        raise UserError(f"{path} has a tensor of shape {tensor.shape} that leaves its storage")
    steps = tuple(stride * numbers.itemsize for stride in tensor.strides)
    view = np.lib.stride_tricks.as_strided(numbers[tensor.offset :], tensor.shape, steps)
    return view.copy()
