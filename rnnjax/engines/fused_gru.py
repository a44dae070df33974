"""GRUs whose gates all read the old state, with a backward pass by hand, for CPUs."""

import jax.numpy as jnp

from rnnjax.cells.gru import GRUSpec
from rnnjax.engines import transposed
from rnnjax.engines.problem import Engine, Problem
from rnnjax.typing import Array


def _forward_after(a_x: Array, a_h: Array, b_h: Array | None, state: transposed.State):
    (h_tm1,) = state
    assert b_h is not None
    both = 2 * h_tm1.shape[0]  # r, z
    a_xn, a_hn = a_x[both:], a_h[both:] + b_h
    gates = transposed.activate(a_x[:both] + a_h[:both], ("sigmoid", "sigmoid"))
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
    return jnp.concatenate([da_r, da_z, da_n * r_t]), da_n, (dh_t * z_t,)


def _forward_without(a_x: Array, a_h: Array, b_h: Array | None, state: transposed.State):
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
    return jnp.concatenate([da_z, da_n]), None, (dh_t * z_t,)


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
    family = _WITHOUT if params.b_hn is None else _AFTER
    weights = transposed.Weights(params.w_ih, params.w_hh, params.b, params.b_hn)
    (h,), ys = transposed.run(
        problem, family, weights, (problem.carry,), (problem.initial,), spec.compute_dtype
    )
    return h, ys


FUSED_GRU = Engine(name="fused_gru", serves=_serves, run=_run)
