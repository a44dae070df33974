"""The linear recurrent unit: a diagonal complex recurrence between two linear layers."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Cell, check_compute_dtype, check_size, dot, zeros
from rnnjax.cells.linear import LinearSpec, as_complex, as_real, at_least_float32
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

        def normal(key: PRNGKey, rows: int, columns: int, variance: float) -> Array:
            return jax.random.normal(key, (rows, columns)) * variance**0.5

        return LRUParams(
            log_decay=jnp.log(-0.5 * jnp.log(square)),
            log_phase=jnp.log(phase),
            log_scale=0.5 * jnp.log1p(-square),
            w_b=normal(keys[2], input_size, 2 * units, 0.5 / input_size),
            w_c=normal(keys[3], 2 * units, hidden_size, 1 / units),
            w_d=normal(keys[4], input_size, hidden_size, 1 / input_size),
        )

    def project(params: LRUParams, x: Array, key: PRNGKey | None = None) -> Array:
        del key
        return dot(x, jnp.concatenate([params.w_b, params.w_d], axis=1), compute_dtype)

    def coefficients(params: LRUParams, u: Array) -> tuple[Array, Array]:
        decay = -jnp.exp(at_least_float32(params.log_decay))
        eigenvalue = jnp.exp(jax.lax.complex(decay, jnp.exp(at_least_float32(params.log_phase))))
        b = jnp.exp(at_least_float32(params.log_scale)) * as_complex(u[..., : 2 * units])
        return jnp.broadcast_to(eigenvalue, b.shape), b

    def output(params: LRUParams, h: Array, u: Array) -> Array:
        y = dot(as_real(h), params.w_c, compute_dtype) + u[..., 2 * units :]
        return y.astype(params.w_c.dtype)

    spec = LinearSpec(coefficients, output, as_complex, as_real)
    return Cell(
        init=init,
        initial_carry=lambda params, batch_shape: zeros(batch_shape, 2 * units, params.w_c),
        project=project,
        step=spec.step,
        output_size=lambda input_size: hidden_size,
        spec=spec,
    )
