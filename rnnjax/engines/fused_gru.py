"""GRUs whose gates all read the old state, with a hand-written backward pass.

As ``h_t = (1 - z_t) n_t + z_t h_tm1``, the derivative of ``z_t`` before its sigmoid,
``(h_tm1 - n_t) z_t (1 - z_t)``, is ``(h_t - n_t) (1 - z_t)``.
"""

import jax.numpy as jnp

from rnnjax.cells.gru import GRUSpec
from rnnjax.engines import fused
from rnnjax.engines.fused_plan import Family, Rows, State, sigmoid
from rnnjax.typing import Array


def _forward_after(a: Rows, a_hn: Array | None, state: State):
    (h_tm1,) = state
    assert a_hn is not None
    a_r, a_z, a_n = a
    r_t, z_t = sigmoid(a_r), sigmoid(a_z)
    n_t = jnp.tanh(a_n + r_t * a_hn)
    return ((1 - z_t) * n_t + z_t * h_tm1,), (r_t, z_t, n_t, a_hn)


def _prepare_after(kept: Rows, h_t: Array, dstate: State):
    r_t, z_t, n_t, a_hn = kept
    (dh_t,) = dstate
    return r_t, z_t, a_hn, h_t - n_t, dh_t, dh_t * (1 - z_t) * (1 - n_t**2)


def _backward_after(known):
    r_t, z_t, a_hn, of_past, dh_t, da_n = known
    da_r = da_n * a_hn * r_t * (1 - r_t)
    da_z = dh_t * of_past * (1 - z_t)
    return (da_r, da_z, da_n * r_t, da_n), (dh_t * z_t,)


def _forward_without(a: Rows, a_last: Array | None, state: State):
    (h_tm1,) = state
    a_z, a_n = a
    z_t, n_t = sigmoid(a_z), jnp.tanh(a_n)
    return ((1 - z_t) * n_t + z_t * h_tm1,), (z_t, n_t)


def _prepare_without(kept: Rows, h_t: Array, dstate: State):
    z_t, n_t = kept
    return z_t, n_t, h_t - n_t, *dstate


def _backward_without(known):
    z_t, n_t, of_past, dh_t = known
    da_z = dh_t * of_past * (1 - z_t)
    da_n = dh_t * (1 - z_t) * (1 - n_t**2)
    return (da_z, da_n), (dh_t * z_t,)


_AFTER = Family(_forward_after, _prepare_after, _backward_after)
_WITHOUT = Family(_forward_without, _prepare_without, _backward_without)


def _family_of(spec: GRUSpec) -> Family | str:
    if spec.reset == "before":
        return 'reset="before" needs a second matmul a step, after the reset gate'
    return _AFTER if spec.reset == "after" else _WITHOUT


FUSED_GRU = fused.engine("fused_gru", "the GRU", GRUSpec, _family_of)
