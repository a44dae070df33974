"""The independently recurrent network."""

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Cell, affine, check_size, zeros
from rnnjax.cells.initializers import Initializer, gate_matrices
from rnnjax.cells.origin import cell_factory
from rnnjax.cells.rnn import Activation, RNNParams
from rnnjax.typing import Array, DType, PRNGKey


@cell_factory
def indrnn(
    hidden_size: int,
    *,
    activation: Activation = jax.nn.relu,
    input_init: str | Initializer = "glorot_uniform",
    compute_dtype: DType | None = None,
) -> Cell:
    """The IndRNN, each unit of which sees only its own past; the carry is h.

    ::

        h_t = activation(x_t w_ih + h_tm1 * w_hh + b),   y_t = h_t

    `w_hh [H]` is a vector, at first uniform in 0 .. 1.

    Args:
        hidden_size, input_init, compute_dtype: see `rnn`.
        activation: any elementwise function.

    References:
        Li et al. 2018, "Independently recurrent neural network (IndRNN)" (arXiv:1803.04831),
        section 3.
    """
    hidden_size = check_size("hidden_size", hidden_size)

    def init(key: PRNGKey, input_size: int) -> RNNParams:
        key_ih, key_hh = jax.random.split(key)
        return RNNParams(
            w_ih=gate_matrices(key_ih, input_init, input_size, hidden_size, 1),
            w_hh=jax.random.uniform(key_hh, (hidden_size,)),
            b=jnp.zeros(hidden_size),
        )

    def step(params: RNNParams, h_tm1: Array, u_t: Array) -> tuple[Array, Array]:
        h_t = activation(u_t + h_tm1 * params.w_hh)
        return h_t, h_t

    return Cell(
        init=init,
        initial_carry=lambda params, batch_shape: zeros(batch_shape, hidden_size, params.w_hh),
        project=affine(compute_dtype),
        step=step,
        output_size=lambda input_size: hidden_size,
    )
