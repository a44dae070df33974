"""Pytrees as flat dictionaries from path to array: what a checkpoint holds.

A path such as ``params/layers/0/w_ih`` names fields and positions, not classes, so a checkpoint
stays readable when a class is renamed or moved.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.errors import UserError

PyTree = Any
FlatArrays = dict[str, np.ndarray]


def path_of(keys: jax.tree_util.KeyPath) -> str:
    """The path of a leaf, from the keys by which jax names it."""
    return jax.tree_util.keystr(keys, simple=True, separator="/")


def _named_leaves(tree: PyTree) -> list[tuple[str, Any]]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [(path_of(path) or "value", leaf) for path, leaf in leaves]


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


def _to_hosts(array: Any) -> Any:
    if not isinstance(array, jax.Array):
        return np.asarray(array)
    return jax.device_put(array, array.sharding.with_memory_kind("pinned_host"))


def unflatten(template: PyTree, arrays: FlatArrays, source: str) -> PyTree:
    """Puts arrays into the structure of `template`, on the default device.

    Args:
        template: a pytree of arrays, or of anything with a shape and a dtype.
        arrays: see `flatten`.
        source: where they come from, for the message.

    Returns:
        A pytree like `template`, with fresh buffers.

    Raises:
        UserError: the names, shapes or dtypes differ; the message lists how.
    """
    named = _named_leaves(template)
    expected = {name: f"{leaf.dtype}{list(leaf.shape)}" for name, leaf in named}
    found = {name: f"{array.dtype}{list(array.shape)}" for name, array in arrays.items()}
    differences = [
        f"  {name}: {found.get(name, 'absent')} there, {expected.get(name, 'absent')} expected"
        for name in dict.fromkeys([*expected, *found])
        if found.get(name) != expected.get(name)
    ]
    if differences:
        shown = differences[:8]
        if len(differences) > len(shown):
            shown.append(f"  ... and {len(differences) - len(shown)} more")
        raise UserError("\n".join([f"The arrays in {source} do not fit this model:", *shown]))
    leaves = [jnp.array(arrays[name], copy=True) for name, _ in named]
    return jax.tree.unflatten(jax.tree.structure(template), leaves)


def subtree(arrays: FlatArrays, name: str) -> FlatArrays:
    """The arrays below ``name/``, without that prefix."""
    prefix = name + "/"
    return {key[len(prefix) :]: a for key, a in arrays.items() if key.startswith(prefix)}
