"""Arrays joined to one, which lies in a file where it is too large for memory."""

import contextlib
import tempfile
from collections.abc import Iterable
from typing import Any

import numpy as np

from rnnjax.errors import UserError

MEMORY_LIMIT = 1 << 28
"""Bytes an array may take in memory; larger ones are memory-mapped files."""


def joined_array(pieces: Iterable[np.ndarray], dtype: Any) -> np.ndarray:
    """All the values of some arrays [N], as one read-only array.

    Up to `MEMORY_LIMIT` bytes stay in memory. Larger arrays are written to an unnamed temporary
    file, which the operating system removes when the array is no longer used, even if the process
    is killed. Characters take 4 bytes there until they are encoded, and 1 or 2 from then on.

    Args:
        pieces: read once.
        dtype: of the result.

    Raises:
        UserError: the disk is full or cannot be written.
    """
    file = tempfile.SpooledTemporaryFile(MEMORY_LIMIT)  # noqa: SIM115
    try:
        for piece in pieces:
            file.write(piece.astype(dtype, copy=False).tobytes())
        file.flush()
        if file.tell() > MEMORY_LIMIT:
            return np.memmap(file, dtype, mode="r")  # type: ignore[call-overload]
        file.seek(0)
        return np.frombuffer(file.read(), dtype)
    except OSError as error:
        raise UserError(
            f"cannot keep the encoded text in {tempfile.gettempdir()}: {error.strerror}. It is "
            f"too large for memory, so it needs a folder with free space (set TMPDIR)"
        ) from error
    finally:
        # Closing a file on a full disk fails again; the first failure is the one to report.
        with contextlib.suppress(OSError):
            file.close()
