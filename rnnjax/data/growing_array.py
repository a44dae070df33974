"""An array that grows at its end, and moves to a file when it is too large for memory."""

import contextlib
import tempfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from rnnjax.errors import UserError

MEMORY_LIMIT = 1 << 28
"""Bytes an array may take in memory; larger ones are memory-mapped files."""


class GrowingArray:
    """Append values, then `finish()` gives all of them as one read-only array.

    with GrowingArray(np.uint8) as array:
        array.append(values)
        everything = array.finish()

    Up to `MEMORY_LIMIT` bytes stay in memory. Larger arrays are written to an unnamed temporary
    file, which the operating system removes when the array is no longer used, even if the process
    is killed. Characters take 4 bytes there until they are encoded, and 1 or 2 from then on.
    """

    def __init__(self, dtype: Any):
        self._dtype = np.dtype(dtype)
        self._file = tempfile.SpooledTemporaryFile(MEMORY_LIMIT)  # noqa: SIM115
        self._length = 0

    def __enter__(self) -> "GrowingArray":
        return self

    def __exit__(self, *exception: object) -> None:
        # Closing a file on a full disk fails again; the first failure is the one to report.
        with contextlib.suppress(OSError):
            self._file.close()

    def __len__(self) -> int:
        return self._length

    def append(self, values: np.ndarray) -> None:
        """Adds values [N] at the end.

        Raises:
            UserError: the disk is full or cannot be written.
        """
        self._length += values.size
        with self._disk_errors():
            self._file.write(values.astype(self._dtype, copy=False).tobytes())

    @contextlib.contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(
                f"cannot keep the encoded text in {tempfile.gettempdir()}: {error.strerror}. It is "
                f"too large for memory, so it needs a folder with free space (set TMPDIR)"
            ) from error

    def finish(self) -> np.ndarray:
        """All the values: a plain array, or a view of the memory-mapped file."""
        with self._disk_errors():
            self._file.flush()
        if self._length * self._dtype.itemsize > MEMORY_LIMIT:
            return np.memmap(self._file, self._dtype, mode="r")  # type: ignore[call-overload]
        self._file.seek(0)
        return np.frombuffer(self._file.read(), self._dtype)
