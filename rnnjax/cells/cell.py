"""The contract: a recurrent cell is a record of pure functions."""

import dataclasses
import functools
import math
import operator
from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp

from rnnjax.cells.origin import Origin
from rnnjax.cells.structure import carry_that_fits, params_that_fit
from rnnjax.errors import UserError
from rnnjax.typing import Array, Carry, DType, Params, PRNGKey


@dataclasses.dataclass(frozen=True, eq=False)
class Cell:
    """One recurrent layer, or a combination of layers, as a record of pure functions.

    A step is split in two, so that all that does not need the past is done for every time step
    at once, as one large matmul::

        u = project(params, x)                  # time-parallel:   [..., D] -> [..., G]
        carry, y_t = step(params, carry, u_t)   # time-sequential: [B, G]   -> [B, H]

    Attributes:
        init: `(key, input_size) -> params`, a pytree of arrays.
        initial_carry: `(params, batch_shape) -> carry`; zeros, or learned.
        project: `(params, x, key=None) -> u` with any leading dimensions. The random draws of
            training (one a time step) belong to it too; they are made only with a key.
        step: `(params, carry, u_t) -> (carry, y_t)`. None where an output needs the future.
        output_size: `input_size -> size of y_t`.
        over_time: how a combination runs over a whole sequence,
            `(run, params, carry, initial, xs, key) -> (carry, ys)`; None for a single layer, whose
            `step` is scanned. `run(cell, params, carry, initial, xs, key, reverse=False)` unrolls a
            child cell, with the mask, reset, engine and memory policy of its parent.
        spec: what an engine recognises a family by, such as `LSTMSpec(...)`; None where no
            engine has a form of its own for the cell.
        origin: how it was made, where its factory is marked with `rnnjax.cell_factory`: cells of
            equal origin are equal, and can be pickled. None: the cell is equal to itself alone.
    """

    init: Callable[[PRNGKey, int], Params]
    initial_carry: Callable[[Params, tuple[int, ...]], Carry]
    project: Callable[..., Any]
    step: Callable[[Params, Carry, Any], tuple[Carry, Array]] | None
    output_size: Callable[[int], int]
    over_time: Callable[..., tuple[Carry, Array]] | None = None
    spec: Any = None
    origin: Origin | None = dataclasses.field(default=None, init=False)

    def __call__(self, params: Params, carry: Carry, x_t: Array) -> tuple[Carry, Array]:
        """One step without noise, for streaming and decoding: `x_t [..., D] -> (carry, y_t)`.

        Raises:
            UserError: params or carry are those of another cell, or the cell needs the future.
        """
        if self.step is None:
            raise UserError("this cell needs the future (it is bidirectional): it has no step")
        x_t = real_array("x_t", x_t)
        params = params_that_fit(self, params, x_t.shape[-1])
        expected = jax.eval_shape(lambda p: self.initial_carry(p, x_t.shape[:-1]), params)
        return self.advance(params, carry_that_fits(self, expected, carry), x_t)

    def advance(self, params: Params, carry: Carry, x_t: Array) -> tuple[Carry, Array]:
        """As a call, of arguments that are known to fit: how a combination runs its layers."""
        assert self.step is not None
        with jax.named_scope("project"):
            u_t = self.project(params, x_t)
        return self.step(params, carry, u_t)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Cell) or self.origin is None:
            return self is other
        return self.origin == other.origin

    def __hash__(self) -> int:
        return id(self) if self.origin is None else hash(self.origin)

    def __repr__(self) -> str:
        return f"<Cell at {id(self):#x}>" if self.origin is None else repr(self.origin)

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self.origin is None:
            return super().__reduce_ex__(protocol)
        factory, positional, named = self.origin
        return functools.partial(factory, *positional, **dict(named)), ()


def dot(x: Array, w: Array, compute_dtype: DType | None = None) -> Array:
    """The matmul `x [..., D] @ w [D, G]` of operands in `compute_dtype` (bfloat16, say).

    The products are summed in, and returned as, the dtype of `w`. None: that of the operands too.
    """
    wide = jnp.result_type(w)
    narrow = wide if compute_dtype is None else compute_dtype
    return jnp.matmul(x.astype(narrow), w.astype(narrow), preferred_element_type=wide)


def affine(compute_dtype: DType | None) -> Callable[..., Array]:
    """The `project` of a cell that reads `x w_ih + b` and draws no noise.

    Raises:
        UserError: the dtype is no floating one.
    """
    check_compute_dtype(compute_dtype)

    def project(params: Any, x: Array, key: PRNGKey | None = None) -> Array:
        del key
        return dot(x, params.w_ih, compute_dtype) + params.b

    return project


def wide(x: Array) -> Array:
    """In float32 or wider."""
    with jax.numpy_dtype_promotion("standard"):  # which a user may have turned off
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def zeros(batch_shape: tuple[int, ...], size: int, like: Array) -> Array:
    """Zeros of shape `[*batch_shape, size]` in the dtype of `like`."""
    return jnp.zeros((*batch_shape, size), jnp.result_type(like))


def real_array(name: str, values: Any) -> Array:
    """The values as an array of real numbers.

    Raises:
        UserError: they are complex, or no numbers.
    """
    try:
        array = jnp.asarray(values)
    except (TypeError, ValueError) as error:
        raise UserError(f"{name} is an array of numbers; got {type(values).__name__}") from error
    if not jnp.issubdtype(array.dtype, jnp.number) or jnp.iscomplexobj(array):
        raise UserError(f"{name} holds real numbers; got {array.dtype}")
    return array


def check_size(name: str, size: int, least: Literal[0, 1] = 1) -> int:
    """The size as an int, numpy's integers too.

    Raises:
        UserError: it is no integer, or below the least.
    """
    try:
        number = -1 if isinstance(size, bool) else operator.index(size)
    except TypeError:
        number = -1
    if number < least:
        kind = "a positive integer" if least else "0 or a positive integer"
        raise UserError(f"{name} is {kind}; got {size!r}")
    return number


def check_sizes(**sizes: int) -> None:
    """Raises UserError unless all are positive integers."""
    for name, size in sizes.items():
        check_size(name, size)


def check_heads(hidden_size: int, num_heads: int | None) -> int:
    """The number of heads that is meant: None is the most of 4, 2 and 1 that divide the size.

    Raises:
        UserError: it is no positive integer that divides the size.
    """
    if num_heads is None:
        return math.gcd(hidden_size, 4)
    heads = check_size("num_heads", num_heads)
    if hidden_size % heads:
        raise UserError(f"num_heads divides the hidden_size, {hidden_size}; got {num_heads}")
    return heads


def check_compute_dtype(dtype: DType | None) -> None:
    """Raises UserError unless the dtype is a floating one, or None."""
    if dtype is None:
        return
    try:
        dtype = jnp.dtype(dtype)
        floating = jnp.issubdtype(dtype, jnp.floating)
    except TypeError:
        floating = False
    if not floating:
        raise UserError(f"compute_dtype is a floating dtype, such as jnp.bfloat16; got {dtype}")


def check_cells(taker: str, *cells: Any) -> None:
    """Raises UserError unless all are cells; the taker is the function that they were given to."""
    for cell in cells:
        if not isinstance(cell, Cell):
            raise UserError(f"{taker} takes a Cell, such as rnnjax.lstm(128); got {cell!r}")


def split_key(key: PRNGKey | None, num: int) -> list[PRNGKey | None]:
    """`num` independent keys; Nones where there is no key."""
    return [None] * num if key is None else list(jax.random.split(key, num))
