"""Arrays of another library by name, each checked as it is taken."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnjax.errors import UserError

Shape = tuple[int | None, ...]
LISTED = 8


class Tensors:
    """The arrays that a layer of another library holds."""

    def __init__(self, source: str, tensors: Mapping[str, Any], prefix: str = ""):
        """Flattens what is nested.

        Args:
            source: what messages call them.
            tensors: arrays by name, or dictionaries of such, whose names are joined by "/".
            prefix: names that begin otherwise are left aside.

        Raises:
            UserError: they are no dictionary of arrays.
        """
        if not isinstance(tensors, Mapping):
            raise UserError(f"{source}: expected arrays by name; got {type(tensors).__name__}")
        self.source, self.prefix = source, prefix
        self.all = _flattened(tensors)
        self.left = {name for name in self.all if name.startswith(prefix)}

    def __contains__(self, name: str) -> bool:
        return self.prefix + name in self.all

    def take(self, name: str, shape: Shape, owner: Any) -> np.ndarray:
        """The array of that name.

        Args:
            name: without the prefix.
            shape: None where any size will do.
            owner: the cell that it is for.

        Raises:
            UserError: there is none, or it has another shape.
        """
        full, expected = self.prefix + name, described(shape)
        if full not in self.all:
            prefixes = {n.removesuffix(name) for n in self.all if n.endswith(name)}
            hint = f'; did you mean prefix="{min(prefixes)}"?' if prefixes else ""
            raise UserError(
                f"{self.source} lacks {full}, which {owner!r} takes in shape {expected}; it has "
                f"{listed(self.all)}{hint}"
            )
        array = np.asarray(self.all[full])
        fits = len(shape) == array.ndim and all(
            size in (None, own) for size, own in zip(shape, array.shape, strict=True)
        )
        if not fits:
            raise UserError(
                f"{self.source}: {full} has shape {list(array.shape)}; {owner!r} takes {expected}"
            )
        self.left.discard(full)
        return array

    def check_all_taken(self, owner: Any) -> None:
        """Raises UserError if there are arrays that nothing asked for."""
        if self.left:
            raise UserError(
                f"{self.source} has {listed(self.left)}, which {owner!r} has no place for"
            )


def _flattened(tree: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """The values of nested mappings, such as a state of nnx, by their names joined by "/"."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        whole = f"{path}{name}"
        found |= _flattened(value, f"{whole}/") if isinstance(value, Mapping) else {whole: value}
    return found


def nested(tensors: Mapping[str, np.ndarray]) -> dict[str, dict[str, np.ndarray]]:
    """Arrays by the name of their module, which ends at the last "/", and by their own."""
    modules: dict[str, dict[str, np.ndarray]] = {}
    for full, tensor in tensors.items():
        module, _, name = full.rpartition("/")
        modules.setdefault(module, {})[name] = tensor
    return modules


def listed(names: Any) -> str:
    """Names in a line, the first of many."""
    names = sorted(names)
    more = f" and {len(names) - LISTED} more" if len(names) > LISTED else ""
    return ", ".join(names[:LISTED]) + more if names else "nothing"


def described(shape: Shape) -> str:
    """A shape in which D is any size."""
    return f"[{', '.join('D' if size is None else str(size) for size in shape)}]"
