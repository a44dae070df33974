"""The simple recurrent unit: every matmul is outside of the loop over time."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Cell, check_compute_dtype, check_size, dot, zeros
from rnnjax.cells.initializers import Initializer, gate_matrices
from rnnjax.cells.origin import cell_factory
from rnnjax.typing import Array, DType, PRNGKey


class SRUParams(NamedTuple):
    """`w_ih [D, 4H]` packed f, r, g, s, or `[D, 3H]` without s where D is H.

    `v [2H]` and `b [2H]` are packed f, r.
    """

    w_ih: Array
    v: Array
    b: Array


@cell_factory
def sru(
    hidden_size: int,
    *,
    highway_bias: float = 0.0,
    input_init: str | Initializer = "glorot_uniform",
    compute_dtype: DType | None = None,
) -> Cell:
    """The simple recurrent unit (SRU); the carry is c.

    ::

        f_t = sigmoid(x_t w_f + v_f c_tm1 + b_f)
        r_t = sigmoid(x_t w_r + v_r c_tm1 + b_r)
        c_t = f_t c_tm1 + (1 - f_t) (x_t w_g)
        y_t = r_t c_t + (1 - r_t) s_t,    s_t = x_t where D is H, else x_t w_s

    The products with v and c are element by element.

    Args:
        hidden_size, input_init, compute_dtype: see `rnn`.
        highway_bias: initial b_r; below zero, the input passes the layer at first.

    References:
        Lei, Zhang, Wang, Dai & Artzi 2018, "Simple recurrent units for highly parallelizable
        recurrence" (arXiv:1709.02755), section 3; its scaling of s_t is 1 here.
    """
    hidden_size = check_size("hidden_size", hidden_size)
    check_compute_dtype(compute_dtype)

    def init(key: PRNGKey, input_size: int) -> SRUParams:
        key_ih, key_v = jax.random.split(key)
        parts = 3 if input_size == hidden_size else 4
        bound = hidden_size**-0.5
        return SRUParams(
            w_ih=gate_matrices(key_ih, input_init, input_size, hidden_size, parts),
            v=jax.random.uniform(key_v, (2 * hidden_size,), minval=-bound, maxval=bound),
            b=jnp.zeros((2, hidden_size)).at[1].set(highway_bias).reshape(-1),
        )

    def project(params: SRUParams, x: Array, key: PRNGKey | None = None) -> Array:
        del key
        u = dot(x, params.w_ih, compute_dtype)
        if params.w_ih.shape[1] == 3 * hidden_size:
            u = jnp.concatenate([u, x.astype(u.dtype)], axis=-1)
        return u.at[..., : 2 * hidden_size].add(params.b.astype(u.dtype))

    def step(params: SRUParams, c_tm1: Array, u_t: Array) -> tuple[Array, Array]:
        u_f, u_r, g_t, s_t = jnp.split(u_t, 4, axis=-1)
        v_f, v_r = jnp.split(params.v, 2)
        f_t = jax.nn.sigmoid(u_f + v_f * c_tm1)
        r_t = jax.nn.sigmoid(u_r + v_r * c_tm1)
        c_t = f_t * c_tm1 + (1 - f_t) * g_t
        return c_t, r_t * c_t + (1 - r_t) * s_t

    return Cell(
        init=init,
        initial_carry=lambda params, batch_shape: zeros(batch_shape, hidden_size, params.b),
        project=project,
        step=step,
        output_size=lambda input_size: hidden_size,
    )
