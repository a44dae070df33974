"""The vanilla (Elman) recurrent network."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Cell, affine, check_size, dot, zeros
from rnnjax.cells.initializers import Initializer, gate_matrices
from rnnjax.cells.origin import cell_factory
from rnnjax.typing import Array, DType, PRNGKey

Activation = Callable[[Array], Array]


class RNNParams(NamedTuple):
    """`w_ih [D, H]`, `w_hh [H, H]`, `b [H]`."""

    w_ih: Array
    w_hh: Array
    b: Array


class RNNSpec(NamedTuple):
    """The options of an Elman cell for the fused engine."""

    activation: Activation
    compute_dtype: DType | None


@cell_factory
def rnn(
    hidden_size: int,
    *,
    activation: Activation = jnp.tanh,
    input_init: str | Initializer = "glorot_uniform",
    recurrent_init: str | Initializer = "orthogonal",
    compute_dtype: DType | None = None,
) -> Cell:
    """The Elman cell; the carry is the hidden state h.

    ::

        h_t = activation(x_t w_ih + h_tm1 w_hh + b)
        y_t = h_t

    The identity-initialised ReLU network (IRNN) is
    `rnn(H, activation=jax.nn.relu, recurrent_init="identity")`.

    Args:
        hidden_size: H.
        activation: any elementwise function.
        input_init: initialiser of what multiplies the inputs, of each gate by itself; by name, such
            as "glorot_uniform" (see `rnnjax.cells.initializers`), or as a function.
        recurrent_init: initialiser of the recurrent matrix of each gate.
        compute_dtype: dtype of the matmul operands; the carry stays in the params' dtype.

    References:
        Elman 1990, "Finding structure in time". IRNN: Le, Jaitly & Hinton 2015, section 3.
    """
    hidden_size = check_size("hidden_size", hidden_size)

    def init(key: PRNGKey, input_size: int) -> RNNParams:
        key_ih, key_hh = jax.random.split(key)
        return RNNParams(
            w_ih=gate_matrices(key_ih, input_init, input_size, hidden_size, 1),
            w_hh=gate_matrices(key_hh, recurrent_init, hidden_size, hidden_size, 1),
            b=jnp.zeros(hidden_size),
        )

    def step(params: RNNParams, h_tm1: Array, u_t: Array) -> tuple[Array, Array]:
        h_t = activation(u_t + dot(h_tm1, params.w_hh, compute_dtype))
        return h_t, h_t

    return Cell(
        init=init,
        initial_carry=lambda params, batch_shape: zeros(batch_shape, hidden_size, params.w_hh),
        project=affine(compute_dtype),
        step=step,
        output_size=lambda input_size: hidden_size,
        spec=RNNSpec(activation, compute_dtype),
    )
