"""The minimal gated unit: a GRU whose two gates are one."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Cell, affine, check_size, dot, zeros
from rnnjax.cells.initializers import Initializer, gate_matrices
from rnnjax.cells.origin import cell_factory
from rnnjax.typing import Array, DType, PRNGKey


class MGUParams(NamedTuple):
    """`w_ih [D, 2H]`, `w_hh [H, 2H]` and `b [2H]`, packed f, n."""

    w_ih: Array
    w_hh: Array
    b: Array


@cell_factory
def mgu(
    hidden_size: int,
    *,
    input_init: str | Initializer = "glorot_uniform",
    recurrent_init: str | Initializer = "orthogonal",
    compute_dtype: DType | None = None,
) -> Cell:
    """The minimal gated unit (MGU); the carry is h.

    ::

        f_t = sigmoid(x_t w_if + h_tm1 w_hf + b_f)
        n_t = tanh(x_t w_in + (f_t h_tm1) w_hn + b_n)
        y_t = h_t = (1 - f_t) h_tm1 + f_t n_t

    Args:
        hidden_size, input_init, recurrent_init, compute_dtype: see `rnn`.

    References:
        Zhou, Wu, Zhang & Zhou 2016, "Minimal gated unit for recurrent neural networks"
        (arXiv:1603.09420), section 3.2.
    """
    hidden_size = check_size("hidden_size", hidden_size)

    def init(key: PRNGKey, input_size: int) -> MGUParams:
        key_ih, key_hh = jax.random.split(key)
        return MGUParams(
            w_ih=gate_matrices(key_ih, input_init, input_size, hidden_size, 2),
            w_hh=gate_matrices(key_hh, recurrent_init, hidden_size, hidden_size, 2),
            b=jnp.zeros(2 * hidden_size),
        )

    def step(params: MGUParams, h_tm1: Array, u_t: Array) -> tuple[Array, Array]:
        u_f, u_n = jnp.split(u_t, 2, axis=-1)
        w_f, w_n = jnp.split(params.w_hh, 2, axis=-1)
        f_t = jax.nn.sigmoid(u_f + dot(h_tm1, w_f, compute_dtype))
        n_t = jnp.tanh(u_n + dot(f_t * h_tm1, w_n, compute_dtype))
        h_t = (1 - f_t) * h_tm1 + f_t * n_t
        return h_t, h_t

    return Cell(
        init=init,
        initial_carry=lambda params, batch_shape: zeros(batch_shape, hidden_size, params.b),
        project=affine(compute_dtype),
        step=step,
        output_size=lambda input_size: hidden_size,
    )
