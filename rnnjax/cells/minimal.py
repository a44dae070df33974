"""The minimal GRU and LSTM, whose gates depend on the input alone."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Cell, affine, check_size, zeros
from rnnjax.cells.initializers import Initializer, gate_matrices
from rnnjax.cells.linear import LinearSpec
from rnnjax.cells.origin import cell_factory
from rnnjax.typing import Array, DType, PRNGKey


class MinimalParams(NamedTuple):
    """`w_ih [D, G]`, `b [G]`; G = 2H (z, n) of the minimal GRU, 3H (i, f, g) of the LSTM."""

    w_ih: Array
    b: Array


@cell_factory
def mingru(
    hidden_size: int,
    *,
    input_init: str | Initializer = "glorot_uniform",
    compute_dtype: DType | None = None,
) -> Cell:
    """The minimal GRU; the carry is h.

    ::

        z_t = sigmoid(x_t w_z + b_z)
        n_t = x_t w_n + b_n
        h_t = z_t h_tm1 + (1 - z_t) n_t,   y_t = h_t

    z weights the old state, as in `gru`: it is 1 - z of the paper.

    Args:
        hidden_size, input_init, compute_dtype: see `rnn`.

    References:
        Feng et al. 2024, "Were RNNs all we needed?" (arXiv:2410.01201), section 3.1.
    """

    def coefficients(params: MinimalParams, u: Array) -> tuple[Array, Array]:
        z, n = jnp.split(u, 2, axis=-1)
        return jax.nn.sigmoid(z), jax.nn.sigmoid(-z) * n

    return _minimal(hidden_size, 2, 0.0, coefficients, input_init, compute_dtype)


@cell_factory
def minlstm(
    hidden_size: int,
    *,
    input_init: str | Initializer = "glorot_uniform",
    forget_bias: float = 1.0,
    compute_dtype: DType | None = None,
) -> Cell:
    """The minimal LSTM; the carry is h.

    ::

        i_t = sigmoid(x_t w_i + b_i)
        f_t = sigmoid(x_t w_f + b_f)
        g_t = x_t w_g + b_g
        h_t = f_t / (f_t + i_t) h_tm1 + i_t / (f_t + i_t) g_t,   y_t = h_t

    Args:
        hidden_size, input_init, compute_dtype: see `rnn`.
        forget_bias: initial `b_f`.

    References:
        Feng et al. 2024, "Were RNNs all we needed?" (arXiv:2410.01201), section 3.2.
    """

    def coefficients(params: MinimalParams, u: Array) -> tuple[Array, Array]:
        i, f, g = jnp.split(u, 3, axis=-1)
        log_ratio = jax.nn.log_sigmoid(f) - jax.nn.log_sigmoid(i)
        return jax.nn.sigmoid(log_ratio), jax.nn.sigmoid(-log_ratio) * g

    return _minimal(hidden_size, 3, forget_bias, coefficients, input_init, compute_dtype)


def _minimal(hidden_size, num_gates, forget_bias, coefficients, input_init, compute_dtype) -> Cell:
    hidden_size = check_size("hidden_size", hidden_size)

    def init(key: PRNGKey, input_size: int) -> MinimalParams:
        w_ih = gate_matrices(key, input_init, input_size, hidden_size, num_gates)
        second = slice(hidden_size, 2 * hidden_size)
        return MinimalParams(w_ih, jnp.zeros(num_gates * hidden_size).at[second].set(forget_bias))

    spec = LinearSpec(coefficients, output=lambda params, h, u: h)
    return Cell(
        init=init,
        initial_carry=lambda params, batch_shape: zeros(batch_shape, hidden_size, params.b),
        project=affine(compute_dtype),
        step=spec.step,
        output_size=lambda input_size: hidden_size,
        spec=spec,
    )
