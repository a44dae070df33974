"""Checks of params and carries against a cell: their fields, shapes and kinds of numbers."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.errors import UserError
from rnnjax.typing import Array, Carry, Params


def params_that_fit(cell: Any, params: Params, input_size: int) -> Params:
    """Checks that params have the structure that `cell.init(key, input_size)` makes.

    Any precision will do. A plain tuple or list serves for a NamedTuple of as many fields.

    Raises:
        UserError: names the first field that does not fit, what was expected and what came.
    """
    expected = _made_by_init(cell, input_size)
    if expected is None:
        return params
    return _fitting("params", expected, params, f"for inputs of size {input_size}, {_brief(cell)}")


def carry_that_fits(cell: Any, expected: Carry, carry: Carry) -> Carry:
    """Checks that a carry has the structure of the cell's own, and widens narrow floats.

    Raises:
        UserError: as for `params_that_fit`; or NaN, where the values are known, which they are not
            while jax traces.
    """

    def widened(leaf: Array, like: Array) -> Array:
        return jnp.asarray(leaf, jnp.promote_types(jnp.result_type(leaf), like.dtype))

    carry = jax.tree.map(widened, _fitting("carry", expected, carry, _brief(cell)), expected)
    for keys, leaf in jax.tree.leaves_with_path(carry):
        if isinstance(leaf, jax.core.Tracer) or not leaf.is_fully_addressable:
            continue
        values = jax.device_get(leaf)
        if missing := (values != values).sum():
            name = f"carry{jax.tree_util.keystr(keys)}"
            raise UserError(f"{name} of {_brief(cell)} is NaN in {missing} of {leaf.size} numbers")
    return carry


def blame_step(cell: Any, params: Params, carry: Carry, x_t: Array, error: Exception) -> None:
    """Explains an error that was raised in tracing, if the cell's step is the cause.

    Raises:
        UserError: the step is no pure function of arrays, or gives another carry than it takes.
    """
    if isinstance(error, _IMPURE):
        raise UserError(
            f"the functions of {_brief(cell)} are no pure functions of JAX arrays: "
            f"{type(error).__name__}: {str(error).splitlines()[0]}"
        ) from error
    try:
        made = jax.eval_shape(
            lambda p, c, x: cell.step(p, c, cell.project(p, x)), params, carry, x_t
        )
    except Exception:
        return
    if not is_result_of_step(made):
        raise UserError(
            f"a step gives (carry, y_t), y_t an array; that of {_brief(cell)} gives "
            f"{_described(made)}"
        ) from error
    try:
        _fitting("the carry before a step", carry, made[0], _brief(cell))
    except UserError as other:
        raise UserError(f"{other} after it") from error


def is_result_of_step(made: Any) -> bool:
    """Whether it is `(carry, y_t)`, y_t an array or its shape."""
    return isinstance(made, tuple) and len(made) == 2 and hasattr(made[1], "shape")


_IMPURE = (
    jax.errors.ConcretizationTypeError,
    jax.errors.TracerArrayConversionError,
    jax.errors.UnexpectedTracerError,
)


@functools.lru_cache(maxsize=256)
def _made_by_init(cell: Any, input_size: int) -> Params | None:
    """The shapes of the params; None of a cell whose `init` jax cannot trace."""
    try:
        return jax.eval_shape(lambda: cell.init(jax.random.key(0), input_size))
    except UserError:
        raise
    except Exception:
        return None


def _fitting(path: str, expected: Any, got: Any, owner: str) -> Any:
    if expected is None and got is not None:
        raise UserError(f"{owner} has no {path}; got {_described(got)}")
    if isinstance(expected, tuple | list):
        if type(got) not in (type(expected), tuple, list) or len(got) != len(expected):
            raise UserError(f"{owner} has {path} {_described(expected)}; got {_described(got)}")
        fields = getattr(expected, "_fields", None)
        names = [f"[{n}]" for n in range(len(expected))]
        if fields is not None:
            names = [f".{field}" for field in fields]
        parts = [
            _fitting(path + name, part, own, owner)
            for name, part, own in zip(names, expected, got, strict=True)
        ]
        return type(expected)(parts) if fields is None else type(expected)(*parts)
    if jax.tree.structure(expected) != jax.tree.structure(got):  # type: ignore[operator]
        raise UserError(f"{owner} has {path} {_described(expected)}; got {_described(got)}")
    pairs = zip(jax.tree.leaves_with_path(expected), jax.tree.leaves(got), strict=True)
    for (keys, leaf), own in pairs:
        same_kind = kind_of(own) == kind_of(leaf)
        if jnp.shape(own) != leaf.shape or not same_kind:
            name = path + jax.tree_util.keystr(keys)
            told = _described if same_kind else _shape_and_kind
            raise UserError(f"{owner} has {name} of shape {told(leaf)}; got {told(own)}")
    return got


def kind_of(leaf: Any) -> str:
    """The kind of an array's numbers: complex, floating, integer or the dtype of others."""
    dtype = getattr(leaf, "dtype", None) or jnp.result_type(leaf)
    kinds = {"complex": jnp.complexfloating, "floating": jnp.floating, "integer": jnp.integer}
    return next((name for name, kind in kinds.items() if jnp.issubdtype(dtype, kind)), str(dtype))


def _described(tree: Any) -> str:
    """A tree in a few words: its type, and the shapes of its parts."""
    if isinstance(tree, tuple | list):
        fields = getattr(tree, "_fields", None)
        names = [""] * len(tree) if fields is None else [f"{name}=" for name in fields]
        parts = zip(names, tree, strict=True)
        inside = (name + _described(part) for name, part in parts if part is not None)
        return f"{type(tree).__name__}({', '.join(inside)})"
    if hasattr(tree, "shape"):
        return str(list(tree.shape)) if kind_of(tree) == "floating" else _shape_and_kind(tree)
    return "None" if tree is None else type(tree).__name__


def _shape_and_kind(leaf: Any) -> str:
    return f"{list(jnp.shape(leaf))} of dtype {kind_of(leaf)}"


def _brief(cell: Any) -> str:
    name = repr(cell)
    return name if len(name) <= 60 and not name.startswith("<") else "this cell"
