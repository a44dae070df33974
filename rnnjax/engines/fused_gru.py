"""GRUs whose gates all read the old state, with a backward pass by hand, for CPUs."""

import jax.numpy as jnp

from rnnjax.cells.gru import GRUSpec
from rnnjax.engines import transposed
from rnnjax.engines.problem import Engine, Problem
from rnnjax.typing import Array


def _forward_after(a_x: Array, a_h: Array, state: transposed.State):
    (h_tm1,) = state
    hidden_size = h_tm1.shape[0]
    a_xn, a_hn = a_x[:hidden_size], a_h[2 * hidden_size :]  # a_x is packed n, r, z; a_h r, z, n
    gates = transposed.activate(a_x[hidden_size:] + a_h[: 2 * hidden_size], ("sigmoid", "sigmoid"))
    r_t, z_t = jnp.split(gates, 2)  # r, z
    n_t = jnp.tanh(a_xn + r_t * a_hn)
    return ((1 - z_t) * n_t + z_t * h_tm1,), (gates, n_t, a_hn, h_tm1)


def _backward_after(kept: transposed.Kept, dstate: transposed.State):
    gates, n_t, a_hn, h_tm1 = kept
    r_t, z_t = jnp.split(gates, 2)  # r, z
    (dh_t,) = dstate
    da_n = dh_t * (1 - z_t) * (1 - n_t**2)
    da_r = da_n * a_hn * r_t * (1 - r_t)
    da_z = dh_t * (h_tm1 - n_t) * z_t * (1 - z_t)
    return jnp.concatenate([da_n, da_r, da_z, da_n * r_t]), (dh_t * z_t,)


def _forward_without(a_x: Array, a_h: Array, state: transposed.State):
    (h_tm1,) = state
    gates = transposed.activate(a_x + a_h, ("sigmoid", "tanh"))
    z_t, n_t = jnp.split(gates, 2)  # z, n
    return ((1 - z_t) * n_t + z_t * h_tm1,), (gates, h_tm1)


def _backward_without(kept: transposed.Kept, dstate: transposed.State):
    gates, h_tm1 = kept
    z_t, n_t = jnp.split(gates, 2)  # z, n
    (dh_t,) = dstate
    da_z = dh_t * (h_tm1 - n_t) * z_t * (1 - z_t)
    da_n = dh_t * (1 - z_t) * (1 - n_t**2)
    return jnp.concatenate([da_z, da_n]), (dh_t * z_t,)


_AFTER = transposed.Family(_forward_after, _backward_after)
_WITHOUT = transposed.Family(_forward_without, _backward_without)


def _serves(problem: Problem) -> str | None:
    spec = problem.cell.spec
    if not isinstance(spec, GRUSpec):
        return "it is for the GRU"
    if spec.reset == "before":
        return 'with reset="before" the candidate waits for the reset gate: a second matmul a step'
    return transposed.refusal(problem)


def _run(problem: Problem) -> tuple[Array, Array]:
    params, spec = problem.params, problem.cell.spec
    assert isinstance(spec, GRUSpec)
    hidden_size = params.w_hh.shape[0]
    if params.b_hn is None:
        family = _WITHOUT
        weights = transposed.Weights(params.w_ih, params.w_hh, params.b, None)
    else:
        family = _AFTER
        weights = transposed.Weights(
            w_ih=jnp.roll(params.w_ih, hidden_size, axis=1),
            w_hh=params.w_hh,
            b_x=jnp.roll(params.b, hidden_size),
            b_h=jnp.pad(params.b_hn, (2 * hidden_size, 0)),
        )
    (h,), ys = transposed.run(
        problem, family, weights, (problem.carry,), (problem.initial,), spec.compute_dtype
    )
    return h, ys


FUSED_GRU = Engine(name="fused_gru", serves=_serves, run=_run)
