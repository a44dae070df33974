"""Cells with a diagonal complex recurrence between two linear layers."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Cell, dot, wide, zeros
from rnnjax.cells.linear import LinearSpec
from rnnjax.typing import Array, DType, Params, PRNGKey


def diagonal_cell(
    hidden_size: int,
    units: int,
    init: Callable[[PRNGKey, int], Params],
    dynamics: Callable[[Any], tuple[Array, Array]],
    *,
    counted: int = 1,
    compute_dtype: DType | None = None,
) -> Cell:
    """A cell whose carry is h, its real part, then the imaginary one.

    ::

        a, b = dynamics(params)
        h_t = a h_tm1 + b (x_t B)
        y_t = counted Re(h_t C) + x_t w_d

    Args:
        hidden_size, units: H outputs, N complex state units.
        init: `(key, input_size) -> params`, with those of `linear_maps` among them.
        dynamics: `params -> (a, b)`, each `[N]`, real or complex.
        counted: how many units each one stands for: 2 where it has a conjugate.
    """

    def project(params: Any, x: Array, key: PRNGKey | None = None) -> Array:
        del key
        return dot(x, jnp.concatenate([params.w_b, params.w_d], axis=1), compute_dtype)

    def coefficients(params: Any, u: Array) -> tuple[Array, Array]:
        a, b = dynamics(params)
        read = b * _complex(u[..., : 2 * units])
        return jnp.broadcast_to(a, read.shape), read

    def output(params: Any, h: Array, u: Array) -> Array:
        y = counted * dot(_real(h), params.w_c, compute_dtype) + u[..., 2 * units :]
        return y.astype(params.w_c.dtype)

    spec = LinearSpec(coefficients, output, _complex, _real)
    return Cell(
        init=init,
        initial_carry=lambda params, batch_shape: zeros(batch_shape, 2 * units, params.w_c),
        project=project,
        step=spec.step,
        output_size=lambda input_size: hidden_size,
        spec=spec,
    )


def linear_maps(
    keys: PRNGKey, input_size: int, units: int, hidden_size: int, *, counted: int = 1
) -> dict[str, Array]:
    """The initial `w_b [D, 2N]`, `w_c [2N, H]` and `w_d [D, H]` of a `diagonal_cell`.

    B and C hold their real part, then the imaginary one, that of C negated.
    `keys` are three, one for each.
    """

    def normal(key: PRNGKey, rows: int, columns: int, variance: float) -> Array:
        return jax.random.normal(key, (rows, columns)) * variance**0.5

    return {
        "w_b": normal(keys[0], input_size, 2 * units, 0.5 / input_size),
        "w_c": normal(keys[1], 2 * units, hidden_size, 1 / (counted * units)),
        "w_d": normal(keys[2], input_size, hidden_size, 1 / input_size),
    }


def _complex(carry: Array) -> Array:
    return jax.lax.complex(*jnp.split(wide(carry), 2, axis=-1))


def _real(h: Array) -> Array:
    return jnp.concatenate([h.real, h.imag], axis=-1)
