"""The linear recurrent unit: a diagonal complex recurrence between two linear layers."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Cell, check_compute_dtype, check_size, wide
from rnnjax.cells.diagonal import diagonal_cell, linear_maps
from rnnjax.cells.origin import cell_factory
from rnnjax.errors import UserError
from rnnjax.typing import Array, DType, PRNGKey


class LRUParams(NamedTuple):
    """Of N complex state units, H outputs.

    Attributes:
        log_decay: `[N]`, log of -log|lambda|.
        log_phase: `[N]`, log of the phase of lambda.
        log_scale: `[N]`, log of gamma.
        w_b: `[D, 2N]`, the real part of B, then the imaginary part.
        w_c: `[2N, H]`, the real part of C, then minus the imaginary part.
        w_d: `[D, H]`.
    """

    log_decay: Array
    log_phase: Array
    log_scale: Array
    w_b: Array
    w_c: Array
    w_d: Array


@cell_factory
def lru(
    hidden_size: int,
    *,
    state_size: int | None = None,
    min_radius: float = 0.0,
    max_radius: float = 1.0,
    max_phase: float = 2 * math.pi,
    compute_dtype: DType | None = None,
) -> Cell:
    """The linear recurrent unit (LRU); the carry is h, its real part, then the imaginary one.

    ::

        lambda = exp(-exp(log_decay) + 1j exp(log_phase)),   gamma = exp(log_scale)
        h_t = lambda h_tm1 + gamma (x_t B)
        y_t = Re(h_t C) + x_t w_d

    At first the lambdas are uniform in the ring between two radii, and gamma is
    sqrt(1 - |lambda|^2). The layer is linear in its inputs: a `dense` layer with an activation
    belongs between two of them.

    Args:
        hidden_size: H, the outputs.
        state_size: N, complex units; None: H.
        min_radius, max_radius: the smallest and the largest |lambda| at first, within 0 .. 1.
        max_phase: the largest phase at first.
        compute_dtype: dtype of the matmul operands; the carry stays in the params' dtype.

    Raises:
        UserError: a size or a radius is out of range.

    References:
        Orvieto et al. 2023, "Resurrecting recurrent neural networks for long sequences"
        (arXiv:2303.06349), section 3 and appendix A, where w_d is diagonal, as D is H there.
    """
    hidden_size = check_size("hidden_size", hidden_size)
    units = hidden_size if state_size is None else check_size("state_size", state_size)
    check_compute_dtype(compute_dtype)
    if not 0 <= min_radius < max_radius <= 1:
        raise UserError(
            f"radii satisfy 0 <= min_radius < max_radius <= 1; got {min_radius} and {max_radius}"
        )
    if not 0 < max_phase <= 2 * math.pi:
        raise UserError(f"max_phase lies in (0, 2 pi]; got {max_phase}")

    def init(key: PRNGKey, input_size: int) -> LRUParams:
        input_size = check_size("input_size", input_size)
        keys = jax.random.split(key, 5)
        tiny = jnp.finfo(jnp.float32).tiny
        square = jax.random.uniform(keys[0], (units,), minval=tiny)
        square = square * (max_radius**2 - min_radius**2) + min_radius**2
        phase = max_phase * jax.random.uniform(keys[1], (units,), minval=tiny)
        return LRUParams(
            log_decay=jnp.log(-0.5 * jnp.log(square)),
            log_phase=jnp.log(phase),
            log_scale=0.5 * jnp.log1p(-square),
            **linear_maps(keys[2:], input_size, units, hidden_size),
        )

    def dynamics(params: LRUParams) -> tuple[Array, Array]:
        decay = -jnp.exp(wide(params.log_decay))
        eigenvalue = jnp.exp(jax.lax.complex(decay, jnp.exp(wide(params.log_phase))))
        return eigenvalue, jnp.exp(wide(params.log_scale))

    return diagonal_cell(hidden_size, units, init, dynamics, compute_dtype=compute_dtype)
