"""Flat arrays on the disk, by Orbax."""

import errno
import itertools
import logging
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import jax
import numpy as np
import orbax.checkpoint as ocp

from rnnjax.training.checkpoints.flat_arrays import FlatArrays

_WRITINGS = itertools.count()


def write_arrays(path: Path, arrays: FlatArrays) -> None:
    """Writes the arrays into a new folder, but for those of size zero, which Orbax cannot hold.

    Where several processes train, all must call it, and each writes its parts. They wait for each
    other through the coordinator, so a thread may do it beside the steps.

    Raises:
        OSError: the disk is full, or whatever else Orbax ran into.
        JaxRuntimeError: another process was lost.
    """
    stored = {name: array for name, array in arrays.items() if array.size}
    if shutil.disk_usage(path.parent).free < sum(array.nbytes for array in stored.values()):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    try:
        with _quiet_orbax():
            _writer().save(path, stored)
    except jax.errors.JaxRuntimeError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.strerror:
            raise
        raise OSError(f"the arrays could not be stored ({error})") from error


def read_arrays(path: Path, names: Iterable[str]) -> FlatArrays:
    """Reads what `write_arrays` wrote, whole and on the host, whatever devices it was on.

    Args:
        path: the folder.
        names: of all the arrays in it.
    """
    whole = {name: ocp.RestoreArgs(restore_type=np.ndarray) for name in names}
    here = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(primary_host=here, active_processes={here})
    with _quiet_orbax():
        reader = ocp.Checkpointer(ocp.PyTreeCheckpointHandler(), multiprocessing_options=alone)
        return reader.restore(path, args=ocp.args.PyTreeRestore(restore_args=whole))


def _writer() -> ocp.Checkpointer:
    """Orbax's, for all processes; each writing has barriers with names of its own."""
    everybody = ocp.options.MultiprocessingOptions(
        primary_host=0,
        active_processes=set(range(jax.process_count())),
        barrier_sync_key_prefix=f"save{next(_WRITINGS)}",
    )
    handler = ocp.PyTreeCheckpointHandler(use_compression=False, multiprocessing_options=everybody)
    return ocp.Checkpointer(handler, multiprocessing_options=everybody)


@contextmanager
def _quiet_orbax() -> Iterator[None]:
    """Keeps Orbax from logging what it also raises."""
    logger = logging.getLogger("absl")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
