"""Gated recurrent units: reset after the matmul, before it, or no reset gate."""

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Cell, affine, check_size, dot, zeros
from rnnjax.cells.initializers import Initializer, gate_matrices
from rnnjax.cells.origin import cell_factory
from rnnjax.errors import UserError
from rnnjax.typing import Array, DType, PRNGKey

Reset = Literal["after", "before", "none"]


class GRUParams(NamedTuple):
    """`w_ih [D, 3H]`, `w_hh [H, 3H]`, `b [3H]`, packed r, z, n (z, n without a reset gate).

    `b_hn [H]` is the candidate's recurrent bias, which only the reset after the matmul has.
    """

    w_ih: Array
    w_hh: Array
    b: Array
    b_hn: Array | None = None


class GRUSpec(NamedTuple):
    """The options of a GRU for the fused engine."""

    reset: Reset
    compute_dtype: DType | None


@cell_factory
def gru(
    hidden_size: int,
    *,
    reset: Reset = "after",
    input_init: str | Initializer = "glorot_uniform",
    recurrent_init: str | Initializer = "orthogonal",
    compute_dtype: DType | None = None,
) -> Cell:
    """The gated recurrent unit; the carry is the hidden state h, and z weights the OLD state.

    ::

        r_t = sigmoid(x_t w_ir + h_tm1 w_hr + b_r)
        z_t = sigmoid(x_t w_iz + h_tm1 w_hz + b_z)
        n_t = tanh(x_t w_in + r_t * (h_tm1 w_hn + b_hn) + b_n)    reset="after"
        n_t = tanh(x_t w_in + (r_t * h_tm1) w_hn + b_n)           reset="before"
        n_t = tanh(x_t w_in + h_tm1 w_hn + b_n)                   reset="none"
        h_t = (1 - z_t) * n_t + z_t * h_tm1
        y_t = h_t

    Args:
        hidden_size, input_init, recurrent_init, compute_dtype: see `rnn`.
        reset: where the reset gate acts. "after" the matmul, as in cuDNN and PyTorch; "before"
            it, as first published; "none" for the simplified unit, whose candidate reads the
            old state whole.

    Raises:
        UserError: `reset` is none of the three.

    References:
        Cho et al. 2014, "Learning phrase representations using RNN encoder-decoder", section
        2.3. Reset after the matmul: Chung et al. 2014 and the cuDNN manual.
    """
    hidden_size = check_size("hidden_size", hidden_size)
    if reset not in ("after", "before", "none"):
        raise UserError(f"reset is 'after', 'before' or 'none'; got {reset!r}")
    num_gates = 2 if reset == "none" else 3

    def init(key: PRNGKey, input_size: int) -> GRUParams:
        key_ih, key_hh = jax.random.split(key)
        return GRUParams(
            w_ih=gate_matrices(key_ih, input_init, input_size, hidden_size, num_gates),
            w_hh=gate_matrices(key_hh, recurrent_init, hidden_size, hidden_size, num_gates),
            b=jnp.zeros(num_gates * hidden_size),
            b_hn=jnp.zeros(hidden_size) if reset == "after" else None,
        )

    def update(z_t: Array, n_t: Array, h_tm1: Array) -> tuple[Array, Array]:
        h_t = (1 - z_t) * n_t + z_t * h_tm1
        return h_t, h_t

    def step_after(params: GRUParams, h_tm1: Array, u_t: Array) -> tuple[Array, Array]:
        u_r, u_z, u_n = jnp.split(u_t, 3, axis=-1)  # r, z, n
        a_r, a_z, a_n = jnp.split(dot(h_tm1, params.w_hh, compute_dtype), 3, axis=-1)
        r_t = jax.nn.sigmoid(u_r + a_r)
        assert params.b_hn is not None
        n_t = jnp.tanh(u_n + r_t * (a_n + params.b_hn))
        return update(jax.nn.sigmoid(u_z + a_z), n_t, h_tm1)

    def step_before(params: GRUParams, h_tm1: Array, u_t: Array) -> tuple[Array, Array]:
        w_gates, w_hn = jnp.split(params.w_hh, [2 * hidden_size], axis=1)
        u_gates, u_n = jnp.split(u_t, [2 * hidden_size], axis=-1)
        gates = jax.nn.sigmoid(u_gates + dot(h_tm1, w_gates, compute_dtype))
        r_t, z_t = jnp.split(gates, 2, axis=-1)  # r, z
        n_t = jnp.tanh(u_n + dot(r_t * h_tm1, w_hn, compute_dtype))
        return update(z_t, n_t, h_tm1)

    def step_without(params: GRUParams, h_tm1: Array, u_t: Array) -> tuple[Array, Array]:
        a_z, a_n = jnp.split(u_t + dot(h_tm1, params.w_hh, compute_dtype), 2, axis=-1)  # z, n
        return update(jax.nn.sigmoid(a_z), jnp.tanh(a_n), h_tm1)

    return Cell(
        init=init,
        initial_carry=lambda params, batch_shape: zeros(batch_shape, hidden_size, params.w_hh),
        project=affine(compute_dtype),
        step={"after": step_after, "before": step_before, "none": step_without}[reset],
        output_size=lambda input_size: hidden_size,
        spec=GRUSpec(reset, compute_dtype),
    )
