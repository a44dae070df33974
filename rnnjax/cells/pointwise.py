"""Layers without a carry, so that they stand in a stack beside recurrent ones."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Cell, check_compute_dtype, check_size, dot
from rnnjax.cells.initializers import Initializer, gate_matrices
from rnnjax.cells.origin import cell_factory
from rnnjax.errors import UserError
from rnnjax.typing import Array, DType, PRNGKey


class DenseParams(NamedTuple):
    """`w [D, H]`, `b [H]`."""

    w: Array
    b: Array


def pointwise(init, apply, output_size, over_time) -> Cell:
    """A cell whose every output depends on its own input alone; its carry is ()."""

    def run_over_time(run, params, carry, initial, xs, key):
        del run, initial
        return carry, over_time(params, xs, key)

    return Cell(
        init=init,
        initial_carry=lambda params, batch_shape: (),
        project=apply,
        step=lambda params, carry, u_t: (carry, u_t),
        output_size=output_size,
        over_time=run_over_time,
    )


@cell_factory
def dense(
    size: int,
    *,
    activation: Callable[[Array], Array] | None = None,
    init: str | Initializer = "glorot_uniform",
    compute_dtype: DType | None = None,
) -> Cell:
    """The hidden-to-output transform `y_t = activation(x_t w + b)`, as a cell without a carry.

    `stack([lstm(512), dense(65)])` is an LSTM with an output layer.

    Args:
        size: of the output.
        activation: g, any function of the last axis; None: the identity.
        init, compute_dtype: of `w`; see `rnn`.
    """
    size = check_size("size", size)
    check_compute_dtype(compute_dtype)

    def make(key: PRNGKey, input_size: int) -> DenseParams:
        return DenseParams(gate_matrices(key, init, input_size, size, 1), jnp.zeros(size))

    def apply(params: DenseParams, x: Array, key: PRNGKey | None = None) -> Array:
        del key
        y = dot(x, params.w, compute_dtype) + params.b
        return y if activation is None else activation(y)

    return pointwise(make, apply, lambda input_size: size, apply)


@cell_factory
def dropout(rate: float) -> Cell:
    """Zeroes each number with probability `rate` and divides the rest by `1 - rate`.

    It acts only with a key; it has neither parameters nor carry. Between recurrent layers it is
    the dropout of Zaremba et al. 2014: `stack([lstm(512), dropout(0.5), lstm(512)])`.

    Raises:
        UserError: `rate` is outside [0, 1).
    """
    check_rate(rate)

    def apply(params, x: Array, key: PRNGKey | None = None) -> Array:
        del params
        return drop(x, rate, key, x.shape)

    return pointwise(lambda key, input_size: (), apply, lambda size: size, apply)


@cell_factory
def variational_dropout(rate: float) -> Cell:
    """Dropout with one mask a sequence, the same at every time step (Gal & Ghahramani 2016).

    It acts only with a key, and only over a sequence (`unroll`).

    Raises:
        UserError: `rate` is outside [0, 1).
    """
    check_rate(rate)

    def over_time(params, xs: Array, key: PRNGKey | None) -> Array:
        del params
        return drop(xs, rate, key, xs.shape[1:])

    def apply(params, x: Array, key: PRNGKey | None = None) -> Array:
        del params, key
        return x

    return pointwise(lambda key, input_size: (), apply, lambda size: size, over_time)


def drop(x: Array, rate: float, key: PRNGKey | None, mask_shape: tuple[int, ...]) -> Array:
    """`x` with a dropout mask of `mask_shape`; `x` itself without a key."""
    if key is None or rate == 0:
        return x
    keep = jax.random.bernoulli(key, 1 - rate, mask_shape)
    return jnp.where(keep, x / (1 - rate), jnp.zeros_like(x))


def check_rate(rate: float) -> None:
    """Raises UserError unless `rate` is a probability below 1."""
    try:
        within = 0 <= rate < 1
    except TypeError:
        within = False
    if not within:
        raise UserError(f"a dropout rate lies in [0, 1); got {rate!r}")
