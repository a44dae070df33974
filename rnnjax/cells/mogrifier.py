"""The mogrifier: input and hidden state gate each other before an LSTM reads them."""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Cell, check_size, dot
from rnnjax.cells.initializers import Initializer, gate_matrices
from rnnjax.cells.lstm import LSTMCarry, LSTMParams, lstm
from rnnjax.cells.origin import cell_factory
from rnnjax.typing import Array, DType, PRNGKey


class MogrifierParams(NamedTuple):
    """The LSTM's, and `gates`: for rounds 1, 3, .. `[H, D]` (Q), for 2, 4, .. `[D, H]` (R)."""

    lstm: LSTMParams
    gates: tuple[Array, ...]


@cell_factory
def mogrifier(
    hidden_size: int,
    *,
    num_rounds: int = 5,
    forget_bias: float = 1.0,
    input_init: str | Initializer = "glorot_uniform",
    recurrent_init: str | Initializer = "orthogonal",
    compute_dtype: DType | None = None,
) -> Cell:
    """The mogrifier LSTM; the carry is `LSTMCarry(c, h)`.

    ::

        x = 2 sigmoid(h Q_n) * x        rounds n = 1, 3, .. of num_rounds
        h = 2 sigmoid(x R_n) * h        rounds n = 2, 4, ..
        c_t, h_t = lstm(x, (c_tm1, h)),   y_t = h_t

    The first x is x_t and the first h is h_tm1. At first each gate is near 1.

    Args:
        hidden_size, input_init, recurrent_init, compute_dtype: see `rnn`.
        num_rounds: 0 or more; 0 is `lstm`.
        forget_bias: initial b_f of the LSTM.

    Raises:
        UserError: `num_rounds` is no integer of 0 or more.

    References:
        Melis, Kocisky & Blunsom 2020, "Mogrifier LSTM" (arXiv:1909.01792), section 2, equations 1
        and 2; the matrices are whole, not of a low rank.
    """
    cell = lstm(
        hidden_size,
        forget_bias=forget_bias,
        input_init=input_init,
        recurrent_init=recurrent_init,
        compute_dtype=compute_dtype,
    )
    num_rounds = check_size("num_rounds", num_rounds, least=0)

    def init(key: PRNGKey, input_size: int) -> MogrifierParams:
        key_lstm, *keys = jax.random.split(key, num_rounds + 1)
        sizes = hidden_size, input_size
        return MogrifierParams(
            cell.init(key_lstm, input_size),
            tuple(
                gate_matrices(k, input_init, sizes[n % 2], sizes[1 - n % 2], 1)
                for n, k in enumerate(keys)
            ),
        )

    def step(params: MogrifierParams, carry: LSTMCarry, x_t: Array) -> tuple[LSTMCarry, Array]:
        x, h = x_t.astype(jnp.result_type(carry.h)), carry.h
        for n, w in enumerate(params.gates):
            if n % 2:
                h = 2 * jax.nn.sigmoid(dot(x, w, compute_dtype)) * h
            else:
                x = 2 * jax.nn.sigmoid(dot(h, w, compute_dtype)) * x
        return cell.advance(params.lstm, LSTMCarry(carry.c, h), x)

    def project(params: MogrifierParams, x: Array, key: PRNGKey | None = None) -> Array:
        del params, key  # what the LSTM reads depends on the carry
        return x

    return Cell(
        init=init,
        initial_carry=lambda params, batch_shape: cell.initial_carry(params.lstm, batch_shape),
        project=project,
        step=step,
        output_size=lambda input_size: hidden_size,
    )
