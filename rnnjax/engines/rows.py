"""Batches whose rows live on several devices: each device runs its own rows through time.

XLA can partition any loop over a mesh by itself, but then it adds up the gradients of the weights
over the devices inside the loop, again and again. A loop over the rows of one device needs nobody
else, and the sum over the devices follows once, after it.
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

    Args:
        num_rows: B. Where it is no multiple of the devices, XLA is left to divide the rows.
    """
    mesh = jax.sharding.get_abstract_mesh()
    kinds = zip(mesh.axis_names, mesh.axis_types, strict=True)
    axes = tuple(
        name for name, kind in kinds if name in ROW_AXES and kind == jax.sharding.AxisType.Auto
    )
    return () if num_rows % num_shards(axes) else axes


def num_shards(axes: tuple[str, ...]) -> int:
    """How many parts these axes of the mesh in use divide the rows into."""
    return math.prod(jax.sharding.get_abstract_mesh().shape[name] for name in axes)


def varying_alike(tree: Any) -> Any:
    """The arrays of a tree, marked as varying over each mesh axis that any of them varies over.

    Inside of a user's `jax.shard_map` the rows vary over the mesh and the weights do not. A loop
    whose carry begins as zeros and ends as a function of the rows needs both to be marked alike;
    and the gradient of what is marked before the loop is added up over the devices once, after it.
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
    """Lets each device run its own rows.

    Args:
        run: takes and gives pytrees of arrays.
        axes: see `row_axes`; without any, `run` stays as it is.
        arguments: which axis of the arrays of each argument is that of the rows; None: each device
            gets them whole, and their gradients are added up.
        results: the same of each result.
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
