"""Where the arrays of a run live: on one device, or divided over a mesh; batches sent there."""

import contextlib
import dataclasses
import functools
import itertools
import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from rnnjax.engines.rows import ROW_AXES
from rnnjax.training.checkpoints.arrays import path_of
from rnnjax.training.devices.mesh import make_mesh
from rnnjax.training.reporting.progress import say
from rnnjax.training.state import TrainState

PyTree = Any

SMALL = 4096
"""Parameters with fewer numbers are not divided."""


def param_spec(path: str, shape: tuple[int, ...], sizes: dict[str, int]) -> PartitionSpec:
    """How an array of a path such as 'params/embed/embedding' is divided over a mesh of such sizes.

    Over `model` an embedding is divided by its symbols and any other matrix by its last axis, which
    is that of the gates in a cell and of the vocabulary in a head; over `fsdp` an array is divided
    by its largest axis left. An axis that the devices do not divide is not divided, nor are
    small arrays, nor vectors over `model`.
    """
    axes: list[str | None] = [None] * len(shape)
    if math.prod(shape) < SMALL:
        return PartitionSpec()
    model, fsdp = sizes.get("model", 1), sizes.get("fsdp", 1)
    wide = 0 if "embedding" in path.split("/") else len(shape) - 1
    if model > 1 and len(shape) > 1 and shape[wide] % model == 0:
        axes[wide] = "model"
    free = [n for n, size in enumerate(shape) if axes[n] is None and size % fsdp == 0]
    if fsdp > 1 and free:
        axes[max(free, key=lambda n: shape[n])] = "fsdp"
    return PartitionSpec(*axes)


@dataclasses.dataclass(frozen=True)
class Placement:
    """The shardings of batches and states; without a mesh the default device.

    Attributes:
        mesh: with axes of `rnnjax.training.devices.mesh.AXES`, or None.
        batch_size: B, rows of a batch over the whole mesh; unused without one.
    """

    mesh: Mesh | None = None
    batch_size: int = 0

    @functools.cached_property
    def rows(self) -> np.ndarray | None:
        """The rows of a batch that this process makes, ascending; None: all of them."""
        if self.mesh is None or jax.process_count() == 1:
            return None
        held = self._rows_at(0, 1).addressable_devices_indices_map((self.batch_size,)).values()
        return np.unique(np.concatenate([np.arange(self.batch_size)[index] for index in held]))

    def put_batch(
        self, batch: Mapping[str, np.ndarray], time_major: Collection[str]
    ) -> Mapping[str, jax.Array]:
        """Brings a batch to the devices, divided by its rows.

        Its arrays, with the `rows` of this process, are [B, ...], or `time_major` [T, B, ...].
        """
        if self.mesh is None:
            return jax.device_put(batch)

        def put(name: str, array: np.ndarray) -> jax.Array:
            axis = int(name in time_major)
            shape = (*array.shape[:axis], self.batch_size, *array.shape[axis + 1 :])
            place = self._rows_at(axis, array.ndim)
            return jax.make_array_from_process_local_data(place, array, shape)

        return {name: put(name, array) for name, array in batch.items()}

    def put_whole(self, batch: PyTree) -> PyTree:
        """Brings a batch that every process has made with all its rows to the devices."""
        return self._by_place(_put_whole, batch, self._of_batch)

    def put_state(self, state: TrainState) -> TrainState:
        """Brings a state to the devices: its carry by rows, the rest as `param_spec` says."""
        return self._by_place(_put_whole, state, self._of_state)

    def put_carry(self, carry: PyTree) -> PyTree:
        """Brings a carry, arrays [B, ...], to the devices."""
        return self._by_place(_put_whole, carry, self._of_carry)

    def shapes_of_state(self, state: TrainState) -> TrainState:
        """The `jax.ShapeDtypeStruct`s of a state, with their shardings."""
        return self._by_place(_shape, state, self._of_state)

    def shapes_of_batch(
        self, batch: Mapping[str, jax.ShapeDtypeStruct], time_major: Collection[str]
    ) -> Mapping[str, jax.ShapeDtypeStruct]:
        """The `jax.ShapeDtypeStruct`s of a batch, with their shardings; see `put_batch`."""
        return {
            name: _shape(array, self._rows_at(int(name in time_major), array.ndim))
            for name, array in batch.items()
        }

    def keep_state(self, state: TrainState) -> TrainState:
        """Inside a jitted function: the state, sharded as `put_state` does."""
        return self._by_place(jax.lax.with_sharding_constraint, state, self._of_state)

    def keep_carry(self, carry: PyTree) -> PyTree:
        """Inside a jitted function: the carry, sharded as `put_carry` does."""
        return self._by_place(jax.lax.with_sharding_constraint, carry, self._of_carry)

    def tracing(self) -> contextlib.AbstractContextManager:
        """Inside a jitted function: tells the engines which mesh they run on."""
        if self.mesh is None:
            return contextlib.nullcontext()
        return jax.sharding.use_abstract_mesh(self.mesh.abstract_mesh)

    def gather(self, tree: PyTree) -> PyTree:
        """The arrays on the default device of each process; all processes must call it."""
        if self.mesh is None:
            return tree
        return jax.tree.map(jnp.asarray, multihost_utils.process_allgather(tree, tiled=True))

    def _by_place(self, put: Callable, tree: PyTree, places_of: Callable) -> PyTree:
        """``put(leaf, its sharding)`` of all leaves; without a mesh they stay as they are."""
        return tree if self.mesh is None else jax.tree.map(put, tree, places_of(tree))

    def _of_state(self, state: TrainState) -> TrainState:
        mesh = self.mesh
        assert mesh is not None
        sizes = dict(mesh.shape)

        def of(path, leaf):
            return NamedSharding(mesh, param_spec(path_of(path), jnp.shape(leaf), sizes))

        places = jax.tree_util.tree_map_with_path(of, state)
        return places._replace(carry=self._of_carry(state.carry))

    def _of_carry(self, carry: PyTree) -> PyTree:
        return self._of_batch(carry, (0,))

    def _of_batch(self, tree: PyTree, candidates: tuple[int, ...] = (1, 0)) -> PyTree:
        def of(leaf):
            shape = jnp.shape(leaf)
            return self._rows_at(_axis_of(self.batch_size, shape, candidates), len(shape))

        return jax.tree.map(of, tree)

    def _rows_at(self, axis: int | None, ndim: int) -> NamedSharding:
        assert self.mesh is not None
        over = tuple(name for name in self.mesh.axis_names if name in ROW_AXES)
        axes = [over if n == axis and over else None for n in range(ndim)]
        return NamedSharding(self.mesh, PartitionSpec(*axes))


LOCAL = Placement()
"""Everything on the default device."""


def choose_placement(mesh: str | None, batch_size: int) -> Placement:
    """Lays out the devices of this run, and prints how if no mesh is given.

    Args:
        mesh: as `--mesh` gives it, or None: all devices over data, if they divide the rows, and if
            several processes share them; otherwise one device.
        batch_size: B, rows of a batch over all devices.

    Raises:
        UserError: the mesh does not divide the devices or the rows.
    """
    devices = len(jax.devices())
    if mesh is None and devices > 1:
        mesh = f"data:{devices}"
        if batch_size % devices == 0:
            rows = batch_size // devices
            say(f"--mesh={mesh}: {rows} rows of a batch on each of {devices} devices.")
        elif jax.process_count() == 1:
            fits = math.gcd(batch_size, devices)
            hint = f"; --mesh=data:{fits} would use {fits}" if fits > 1 else ""
            say(
                f"One of {devices} devices is used, since --config.batch_size={batch_size} is no "
                f"multiple of {devices}{hint}."
            )
            return LOCAL
    return Placement(make_mesh(mesh, batch_size), batch_size) if mesh else LOCAL


def _axis_of(count: int, shape: tuple[int, ...], candidates: Iterable[int]) -> int | None:
    """Which axis holds the rows; None: the array has no rows and is replicated."""
    fits = (axis for axis in candidates if axis < len(shape) and shape[axis] == count)
    return next(fits, None)


def _shape(array: Any, place: NamedSharding) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(array.shape, array.dtype, sharding=place)


def _put_whole(array: Any, place: NamedSharding) -> jax.Array:
    """An array that every process has whole, sharded."""
    return jax.make_array_from_process_local_data(place, np.asarray(array), jnp.shape(array))


class DataIterator(Protocol):
    """The iterator that the training loop reads; it can save and restore its position.

    A batch is a dict of arrays. They must not be written to after they were handed out: on the CPU
    the device may use the same memory.
    """

    @property
    def time_major(self) -> Collection[str]:
        """Names of the arrays of a batch that are [T, B, ...], for a mesh; others: [B, ...]."""

    def __iter__(self) -> "DataIterator": ...

    def __next__(self) -> Mapping[str, np.ndarray]: ...

    def get_state(self) -> Any:
        """The position after the last batch handed out; JSON-able."""

    def set_state(self, state: Any) -> None:
        """Goes to a position that `get_state` gave."""


class Loaded(NamedTuple):
    """A batch on the device, and the iterator's position right after it, as JSON text."""

    batch: PyTree
    position: str
    last: bool


def prefetch(batches: DataIterator, limit: int, placement: Placement = LOCAL) -> Iterator[Loaded]:
    """Yields at most `limit` batches, each sent to its devices while the one before is in use."""
    time_major = batches.time_major if placement.mesh is not None else ()
    sent = (
        Loaded(placement.put_batch(batch, time_major), json.dumps(batches.get_state()), last=False)
        for batch in itertools.islice(batches, limit)
    )
    ahead: Iterator[Any] = itertools.chain(sent, [None])
    for loaded, following in itertools.pairwise(ahead):
        yield loaded._replace(last=following is None)
