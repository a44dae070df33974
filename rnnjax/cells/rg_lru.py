"""The real-gated linear recurrent unit of Griffin."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Cell, check_compute_dtype, check_size, dot, zeros
from rnnjax.cells.initializers import Initializer, gate_matrices
from rnnjax.cells.linear import LinearSpec
from rnnjax.cells.origin import cell_factory
from rnnjax.typing import Array, DType, PRNGKey

SHARPNESS = 8.0
"""The constant c of the paper."""


class RGLRUParams(NamedTuple):
    """`w_ih [D, H]`, `w_gates [H, 2H]` and `b [2H]` packed r, i, `decay [H]`."""

    w_ih: Array
    w_gates: Array
    b: Array
    decay: Array


@cell_factory
def rg_lru(
    hidden_size: int,
    *,
    input_init: str | Initializer = "lecun_normal",
    compute_dtype: DType | None = None,
) -> Cell:
    """The real-gated linear recurrent unit (RG-LRU); the carry is h.

    ::

        v_t = x_t w_ih
        r_t = sigmoid(v_t w_r + b_r)
        i_t = sigmoid(v_t w_i + b_i)
        a_t = sigmoid(decay) ** (8 r_t)
        h_t = a_t h_tm1 + sqrt(1 - a_t ** 2) (i_t v_t),   y_t = h_t

    The unit itself reads v, as wide as h; `w_ih` is the linear layer before it in Griffin's block.
    The gates' matrices are whole, not block-diagonal. At first sigmoid(decay) ** 8 is uniform in
    0.9 .. 0.999.

    Args:
        hidden_size, input_init, compute_dtype: see `rnn`.

    References:
        De et al. 2024, "Griffin: mixing gated linear recurrences with local attention for efficient
        language models" (arXiv:2402.19427), section 2.4.
    """
    hidden_size = check_size("hidden_size", hidden_size)
    check_compute_dtype(compute_dtype)

    def init(key: PRNGKey, input_size: int) -> RGLRUParams:
        key_ih, key_gates, key_decay = jax.random.split(key, 3)
        decay = jax.random.uniform(key_decay, (hidden_size,), minval=0.9, maxval=0.999)
        return RGLRUParams(
            w_ih=gate_matrices(key_ih, input_init, input_size, hidden_size, 1),
            w_gates=gate_matrices(key_gates, input_init, hidden_size, hidden_size, 2),
            b=jnp.zeros(2 * hidden_size),
            decay=jax.scipy.special.logit(decay ** (1 / SHARPNESS)),
        )

    def project(params: RGLRUParams, x: Array, key: PRNGKey | None = None) -> Array:
        del key
        v = dot(x, params.w_ih, compute_dtype)
        gates = dot(v, params.w_gates, compute_dtype) + params.b
        return jnp.concatenate([gates, v], axis=-1)

    def coefficients(params: RGLRUParams, u: Array) -> tuple[Array, Array]:
        r, i, v = jnp.split(u, 3, axis=-1)
        log_a = SHARPNESS * jax.nn.sigmoid(r) * jax.nn.log_sigmoid(params.decay)
        # log_a underflows to 0 where a gate is shut, where the root has no derivative.
        rest = jnp.maximum(-jnp.expm1(2 * log_a), jnp.finfo(log_a.dtype).tiny)
        return jnp.exp(log_a), jnp.sqrt(rest) * jax.nn.sigmoid(i) * v

    spec = LinearSpec(coefficients, output=lambda params, h, u: h)
    return Cell(
        init=init,
        initial_carry=lambda params, batch_shape: zeros(batch_shape, hidden_size, params.b),
        project=project,
        step=spec.step,
        output_size=lambda input_size: hidden_size,
        spec=spec,
    )
