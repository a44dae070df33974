"""The contract: a recurrent cell is a record of pure functions."""

import dataclasses
from collections.abc import Callable
from typing import Any, Protocol

import jax
import jax.numpy as jnp

from rnnjax.errors import UserError
from rnnjax.typing import Array, Carry, DType, Params, PRNGKey


class Run(Protocol):
    """Unrolls a child cell with the mask, reset, engine and memory policy of its parent."""

    def __call__(
        self,
        cell: "Cell",
        params: Params,
        carry: Carry,
        initial: Carry,
        xs: Array,
        key: PRNGKey | None,
        *,
        reverse: bool = False,
    ) -> tuple[Carry, Array]:
        """Returns the carry after the last step, and the outputs."""
        ...


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
            `(run, params, carry, initial, xs, key) -> (carry, ys)` with a `Run`; None for a single
            layer, whose `step` is scanned.
        spec: what an engine recognises a family by, such as `LSTMSpec(...)`; None where no
            engine has a form of its own for the cell.
    """

    init: Callable[[PRNGKey, int], Params]
    initial_carry: Callable[[Params, tuple[int, ...]], Carry]
    project: Callable[..., Any]
    step: Callable[[Params, Carry, Any], tuple[Carry, Array]] | None
    output_size: Callable[[int], int]
    over_time: Callable[..., tuple[Carry, Array]] | None = None
    spec: Any = None

    def __call__(self, params: Params, carry: Carry, x_t: Array) -> tuple[Carry, Array]:
        """One step without noise, for streaming and decoding: `x_t [..., D] -> (carry, y_t)`."""
        if self.step is None:
            raise UserError("this cell needs the future (it is bidirectional): it has no step")
        with jax.named_scope("project"):
            u_t = self.project(params, x_t)
        return self.step(params, carry, u_t)


def dot(x: Array, w: Array, compute_dtype: DType | None = None) -> Array:
    """The matmul `x [..., D] @ w [D, G]` with narrow operands and a wide sum.

    Args:
        x: left operand.
        w: right operand.
        compute_dtype: dtype of both operands inside the matmul (bfloat16, say); the products are
            summed in, and returned as, the dtype of `w`. None: the dtype of `w`.

    Returns:
        `[..., G]`, in the dtype of `w`.
    """
    wide = jnp.result_type(w)
    narrow = wide if compute_dtype is None else compute_dtype
    return jnp.matmul(x.astype(narrow), w.astype(narrow), preferred_element_type=wide)


def zeros(batch_shape: tuple[int, ...], size: int, like: Array) -> Array:
    """Zeros of shape `[*batch_shape, size]` in the dtype of `like`."""
    return jnp.zeros((*batch_shape, size), jnp.result_type(like))


def check_size(name: str, size: int) -> None:
    """Raises UserError unless `size` is a positive integer."""
    if not isinstance(size, int) or size < 1:
        raise UserError(f"{name} is a positive integer; got {size!r}")


def split_key(key: PRNGKey | None, num: int) -> list[PRNGKey | None]:
    """`num` independent keys; Nones where there is no key."""
    return [None] * num if key is None else list(jax.random.split(key, num))
