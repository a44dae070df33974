"""Flat arrays on the disk, by Orbax."""

import errno
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orbax.checkpoint as ocp

from rnnjax.training.flat import FlatArrays


def write_arrays(path: Path, arrays: FlatArrays) -> None:
    """Writes the arrays into a new folder, but for those of size zero, which Orbax cannot hold.

    Raises:
        OSError: the disk is full, or whatever else Orbax ran into.
    """
    stored = {name: array for name, array in arrays.items() if array.size}
    if shutil.disk_usage(path.parent).free < sum(array.nbytes for array in stored.values()):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    try:
        with _quiet_orbax():
            ocp.PyTreeCheckpointer(use_compression=False).save(path, stored)
    except Exception as error:
        if isinstance(error, OSError) and error.strerror:
            raise
        raise OSError(f"the arrays could not be stored ({error})") from error


def read_arrays(path: Path) -> FlatArrays:
    """Reads what `write_arrays` wrote."""
    with _quiet_orbax():
        return ocp.PyTreeCheckpointer().restore(path)


@contextmanager
def _quiet_orbax() -> Iterator[None]:
    """Keeps Orbax from logging what it also raises."""
    logger = logging.getLogger("absl")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
