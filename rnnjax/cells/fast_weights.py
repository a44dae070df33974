"""Fast weights: a memory of the recent hidden states, which attract the new one."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Cell, check_compute_dtype, check_size, dot, zeros
from rnnjax.cells.initializers import Initializer, gate_matrices
from rnnjax.cells.lstm import normalise
from rnnjax.cells.origin import cell_factory
from rnnjax.cells.rnn import Activation
from rnnjax.errors import UserError
from rnnjax.typing import Array, DType, PRNGKey


class FastWeightsParams(NamedTuple):
    """`w_ih [D, H]`, `w_hh [H, H]`, `b [H]`, and the `gain [H]` of the normalisation."""

    w_ih: Array
    w_hh: Array
    b: Array
    gain: Array


class FastWeightsCarry(NamedTuple):
    """`h [B, H]` and the fast weights `a [B, H, H]`."""

    h: Array
    a: Array


@cell_factory
def fast_weights(
    hidden_size: int,
    *,
    decay: float = 0.95,
    rate: float = 0.5,
    num_rounds: int = 1,
    activation: Activation = jax.nn.relu,
    input_init: str | Initializer = "glorot_uniform",
    recurrent_init: str | Initializer = "orthogonal",
    compute_dtype: DType | None = None,
) -> Cell:
    """An Elman cell with fast weights A; the carry is `FastWeightsCarry`.

    ::

        u = x_t w_ih + h_tm1 w_hh
        h = activation(u + b)
        h = activation(normalised(u + A_tm1 h) * gain + b)      num_rounds times
        A_t = decay A_tm1 + rate h h^T
        y_t = h_t = h

    A_tm1 h is the sum of the states before, each weighted by its product with h and by its age:
    attention to the recent past. `normalised` is that of a layer normalisation.

    Args:
        hidden_size, input_init, recurrent_init, compute_dtype: see `rnn`.
        decay: lambda, in 0 .. 1.
        rate: eta.
        num_rounds: S, 0 or more; 0 is `rnn`.
        activation: any elementwise function.

    Raises:
        UserError: `decay` is outside 0 .. 1, or `num_rounds` is no integer of 0 or more.

    References:
        Ba, Hinton, Mnih, Leibo & Ionescu 2016, "Using fast weights to attend to the recent past"
        (arXiv:1610.06258), equations 1, 2 and 5.
    """
    hidden_size = check_size("hidden_size", hidden_size)
    check_compute_dtype(compute_dtype)
    if not 0 <= decay <= 1:
        raise UserError(f"decay lies in 0 .. 1; got {decay!r}")
    num_rounds = check_size("num_rounds", num_rounds, least=0)

    def init(key: PRNGKey, input_size: int) -> FastWeightsParams:
        key_ih, key_hh = jax.random.split(key)
        return FastWeightsParams(
            w_ih=gate_matrices(key_ih, input_init, input_size, hidden_size, 1),
            w_hh=gate_matrices(key_hh, recurrent_init, hidden_size, hidden_size, 1),
            b=jnp.zeros(hidden_size),
            gain=jnp.ones(hidden_size),
        )

    def initial_carry(params: FastWeightsParams, batch_shape: tuple[int, ...]) -> FastWeightsCarry:
        a = zeros((*batch_shape, hidden_size), hidden_size, params.b)
        return FastWeightsCarry(a[..., 0], a)

    def project(params: FastWeightsParams, x: Array, key: PRNGKey | None = None) -> Array:
        del key
        return dot(x, params.w_ih, compute_dtype)

    def step(
        params: FastWeightsParams, carry: FastWeightsCarry, u_t: Array
    ) -> tuple[FastWeightsCarry, Array]:
        u = u_t + dot(carry.h, params.w_hh, compute_dtype)
        h = activation(u + params.b)
        for _ in range(num_rounds):
            attracted = u + (carry.a * h[..., None, :]).sum(axis=-1)
            h = activation(normalise(attracted) * params.gain + params.b)
        a = decay * carry.a + rate * h[..., :, None] * h[..., None, :]
        return FastWeightsCarry(h, a), h

    return Cell(init, initial_carry, project, step, lambda input_size: hidden_size)
