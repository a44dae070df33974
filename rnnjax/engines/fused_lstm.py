"""The standard LSTM with a hand-written backward pass."""

import jax.numpy as jnp

from rnnjax.cells.lstm import LSTMSpec
from rnnjax.engines import fused
from rnnjax.engines.fused_plan import Family, Rows, State, sigmoid
from rnnjax.typing import Array


def _forward(a: Rows, a_last: Array | None, state: State):
    _, c_tm1 = state
    a_i, a_f, a_g, a_o = a
    i_t, f_t, g_t, o_t = sigmoid(a_i), sigmoid(a_f), jnp.tanh(a_g), sigmoid(a_o)
    c_t = f_t * c_tm1 + i_t * g_t
    return (o_t * jnp.tanh(c_t), c_t), (i_t, f_t, g_t, o_t, c_tm1)


def _prepare(kept: Rows, h_t: Array, dstate: State):
    i_t, f_t, g_t, o_t, c_tm1 = kept
    dh_t, dc_t = dstate
    tanh_c = jnp.tanh(f_t * c_tm1 + i_t * g_t)
    return *kept, tanh_c, dh_t, dc_t + dh_t * o_t * (1 - tanh_c**2)


def _backward(known):
    i_t, f_t, g_t, o_t, c_tm1, tanh_c, dh_t, dc_t = known
    derivatives = (
        dc_t * g_t * i_t * (1 - i_t),
        dc_t * c_tm1 * f_t * (1 - f_t),
        dc_t * i_t * (1 - g_t**2),
        dh_t * tanh_c * o_t * (1 - o_t),
    )
    return derivatives, (jnp.zeros_like(dh_t), dc_t * f_t)


_FAMILY = Family(_forward, _prepare, _backward)
FUSED_LSTM = fused.engine("fused_lstm", "the standard LSTM", LSTMSpec, lambda spec: _FAMILY)
