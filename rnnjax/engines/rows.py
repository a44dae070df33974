"""Batches divided over several devices: each device runs its own rows through time.

XLA can partition a loop over a mesh by itself, but then it sums the gradients of the weights over
the devices in every step. Here each device loops over its own rows without communication, and the
sum over the devices follows once, after the loop.
"""

import math
from collections.abc import Callable
from typing import Any

import jax
from jax.sharding import PartitionSpec

from rnnjax.typing import Array

ROW_AXES = ("data", "fsdp")
"""The axes of a mesh over which the rows of a batch are divided."""


def row_axes(num_rows: int) -> tuple[str, ...]:
    """The axes of the mesh in use that divide the rows; none outside of a mesh.

    If the devices do not divide them, there are no axes and XLA divides the rows.
    """
    mesh = jax.sharding.get_abstract_mesh()
    kinds = zip(mesh.axis_names, mesh.axis_types, strict=True)
    axes = tuple(
        name for name, kind in kinds if name in ROW_AXES and kind == jax.sharding.AxisType.Auto
    )
    return () if num_rows % num_shards(axes) else axes


def num_shards(axes: tuple[str, ...]) -> int:
    """The number of devices along these axes of the mesh in use."""
    return math.prod(jax.sharding.get_abstract_mesh().shape[name] for name in axes)


def varying_alike(tree: Any) -> Any:
    """Marks all arrays of a tree as varying over each mesh axis that any of them varies over.

    Inside of a user's `jax.shard_map` the rows vary over the mesh and the weights do not. The carry
    of a loop starts as zeros and becomes a function of the rows, and JAX wants both marked alike.
    The gradients of weights that are marked before the loop are summed over the devices once.
    """
    leaves = jax.tree.leaves(tree)
    axes = frozenset().union(*map(_varying, leaves))

    def marked(leaf: Array) -> Array:
        missing = tuple(sorted(axes - _varying(leaf)))
        return jax.lax.pcast(leaf, missing, to="varying") if missing else leaf

    return jax.tree.map(marked, tree) if axes else tree


def _varying(leaf: Array) -> frozenset[str]:
    axes = getattr(jax.typeof(leaf), "manual_axis_type", None)
    return frozenset() if axes is None else axes.varying


def on_own_rows(
    run: Callable[..., Any],
    axes: tuple[str, ...],
    *,
    arguments: tuple[int | None, ...],
    results: tuple[int, ...],
) -> Callable[..., Any]:
    """A function that runs each device's own rows on it.

    Args:
        run: from pytrees of arrays to pytrees of arrays.
        axes: see `row_axes`; without any, `run` is returned as it is.
        arguments: for each argument, the axis of the rows in its arrays; None: each device gets
            the whole arrays, and their gradients are summed.
        results: the same for each result.
    """
    if not axes:
        return run

    def spec(axis: int | None) -> PartitionSpec:
        return PartitionSpec() if axis is None else PartitionSpec(*[None] * axis, axes)

    return jax.shard_map(
        run,
        in_specs=tuple(map(spec, arguments)),
        out_specs=tuple(map(spec, results)),
        axis_names=set(axes),
        check_vma=False,
    )
