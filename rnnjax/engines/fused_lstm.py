"""The standard LSTM with a backward pass by hand, for CPUs."""

import jax.numpy as jnp
from jax import lax

from rnnjax.cells.lstm import LSTMCarry, LSTMSpec
from rnnjax.engines import transposed
from rnnjax.engines.problem import Engine, Problem
from rnnjax.typing import Array


def _forward(a_x: Array, a_h: Array, b_h: Array | None, state: transposed.State):
    _, c_tm1 = state
    gates = transposed.activate(a_x + a_h, ("sigmoid", "sigmoid", "tanh", "sigmoid"))
    i_t, f_t, g_t, o_t = jnp.split(gates, 4)  # i, f, g, o
    c_t = f_t * c_tm1 + i_t * g_t
    return (o_t * jnp.tanh(c_t), c_t), (gates, c_tm1)


def _backward(kept: transposed.Kept, dstate: transposed.State):
    gates, c_tm1 = kept
    i_t, f_t, g_t, o_t = jnp.split(gates, 4)  # i, f, g, o
    dh_t, dc_t = dstate
    tanh_c = lax.optimization_barrier(jnp.tanh(f_t * c_tm1 + i_t * g_t))
    dc_t = lax.optimization_barrier(dc_t + dh_t * o_t * (1 - tanh_c**2))
    da = [
        dc_t * g_t * i_t * (1 - i_t),
        dc_t * c_tm1 * f_t * (1 - f_t),
        dc_t * i_t * (1 - g_t**2),
        dh_t * tanh_c * o_t * (1 - o_t),
    ]
    return jnp.concatenate(da), None, (jnp.zeros_like(dh_t), dc_t * f_t)


_FAMILY = transposed.Family(_forward, _backward)


def _serves(problem: Problem) -> str | None:
    if not isinstance(problem.cell.spec, LSTMSpec):
        return "it is for the standard LSTM"
    return transposed.refusal(problem)


def _run(problem: Problem) -> tuple[LSTMCarry, Array]:
    params, carry, initial = problem.params, problem.carry, problem.initial
    spec = problem.cell.spec
    assert isinstance(spec, LSTMSpec)
    weights = transposed.Weights(params.w_ih, params.w_hh, params.b, None)
    (h, c), ys = transposed.run(
        problem, _FAMILY, weights, (carry.h, carry.c), (initial.h, initial.c), spec.compute_dtype
    )
    return LSTMCarry(c, h), ys


FUSED_LSTM = Engine(name="fused_lstm", serves=_serves, run=_run)
