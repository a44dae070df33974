"""The arrays of a pytree by path, and how Orbax stores them.

A path such as ``params/layers/0/w_ih`` names fields and positions, not classes, so a checkpoint
stays readable when a class is renamed or moved.
"""

import errno
import itertools
import logging
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np

from rnnjax.errors import UserError

PyTree = Any
FlatArrays = dict[str, np.ndarray]

_SAVES = itertools.count()


def path_of(keys: jax.tree_util.KeyPath) -> str:
    """The path of a leaf, from the keys by which jax names it."""
    return jax.tree_util.keystr(keys, simple=True, separator="/")


def flatten(tree: PyTree) -> FlatArrays:
    """Copies the leaves of a pytree to the host, by path; the tree may then be donated.

    Arrays of which other processes hold parts stay jax's, in the memory of their hosts.

    Raises:
        ValueError: two leaves have the same path (a key holds a '/').
    """
    named = _named_leaves(tree)
    names, leaves = [name for name, _ in named], [leaf for _, leaf in named]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"two leaves of the pytree have the path '{twice}'")
    if any(isinstance(a, jax.Array) and not a.is_fully_addressable for a in leaves):
        return dict(zip(names, map(_to_hosts, leaves), strict=True))
    return dict(zip(names, map(np.asarray, jax.device_get(leaves)), strict=True))


def unflatten(template: PyTree, arrays: FlatArrays, source: str) -> PyTree:
    """Puts arrays by path into the structure of `template`, in new buffers on the default device.

    The template has leaves with a shape and a dtype; `source` is where the arrays come from.

    Raises:
        UserError: the names, shapes or dtypes differ; the message lists how.
    """
    named = _named_leaves(template)
    expected = {name: f"{leaf.dtype}{list(leaf.shape)}" for name, leaf in named}
    found = {name: f"{array.dtype}{list(array.shape)}" for name, array in arrays.items()}
    differences = [
        f"  {name}: {found.get(name, 'absent')} there, {expected.get(name, 'absent')} expected"
        for name in expected | found
        if found.get(name) != expected.get(name)
    ]
    if differences:
        if len(differences) > 8:
            differences[8:] = [f"  ... and {len(differences) - 8} more"]
        raise UserError("\n".join([f"The arrays in {source} do not fit this model:", *differences]))
    leaves = jax.device_put([arrays[name] for name, _ in named], may_alias=False)
    return jax.tree.unflatten(jax.tree.structure(template), leaves)


def write_arrays(path: Path, arrays: FlatArrays) -> None:
    """Writes the arrays into a new folder, but for those of size zero, which Orbax cannot hold.

    Where several processes train, all must call it, and each writes its parts. They wait for each
    other through the coordinator, so a thread may do it beside the steps.

    Raises:
        OSError: the disk is full, or Orbax failed in another way.
        JaxRuntimeError: another process was lost.
    """
    import orbax.checkpoint as ocp  # It takes long, which wrong flags should not wait for.

    stored = {name: array for name, array in arrays.items() if array.size}
    if shutil.disk_usage(path.parent).free < sum(array.nbytes for array in stored.values()):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    processes = ocp.options.MultiprocessingOptions(
        primary_host=0,
        active_processes=set(range(jax.process_count())),
        barrier_sync_key_prefix=f"save{next(_SAVES)}",  # each save has barriers of its own
    )
    handler = ocp.PyTreeCheckpointHandler(use_compression=False, multiprocessing_options=processes)
    try:
        with _quiet_orbax():
            ocp.Checkpointer(handler, multiprocessing_options=processes).save(path, stored)
    except Exception as error:
        if isinstance(error, jax.errors.JaxRuntimeError) or getattr(error, "strerror", None):
            raise
        raise OSError(f"the arrays could not be stored ({error})") from error


def read_arrays(path: Path, names: Iterable[str]) -> FlatArrays:
    """Reads all arrays of a folder, by their names, whole and into the memory of the host."""
    import orbax.checkpoint as ocp

    on_host = {name: ocp.RestoreArgs(restore_type=np.ndarray) for name in names}
    here = jax.process_index()
    alone = ocp.options.MultiprocessingOptions(primary_host=here, active_processes={here})
    with _quiet_orbax():
        reader = ocp.Checkpointer(ocp.PyTreeCheckpointHandler(), multiprocessing_options=alone)
        return reader.restore(path, args=ocp.args.PyTreeRestore(restore_args=on_host))


def _named_leaves(tree: PyTree) -> list[tuple[str, Any]]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [(path_of(path) or "value", leaf) for path, leaf in leaves]


def _to_hosts(array: Any) -> Any:
    if not isinstance(array, jax.Array):
        return np.asarray(array)
    return jax.device_put(array, array.sharding.with_memory_kind("pinned_host"))


@contextmanager
def _quiet_orbax() -> Iterator[None]:
    """Keeps Orbax from logging what it also raises."""
    logger = logging.getLogger("absl")
    before, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = before
