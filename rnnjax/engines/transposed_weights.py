"""The gradients of weights and inputs from the derivatives of a chunk, by a few large matmuls."""

import jax
import jax.numpy as jnp
from jax import lax

from rnnjax.engines.fused_plan import (
    Derivatives,
    Plan,
    Weights,
    cut,
    dot,
    narrow,
    states_before,
    unpacked,
)
from rnnjax.typing import Array


def gradients(
    plan: Plan, weights: Weights, xs: Array, h_tm1: Array, derivatives: Derivatives
) -> tuple[Weights, Array]:
    """The gradients of the weights, transposed, and of the inputs `[K, B, D]`.

    For `b_h` it returns the sums of all rows of `a_h`, of which the last H are the gradient:
    slicing first would cost a copy.

    The weights are operands; `xs [K, B, D]` are the inputs of the chunk, and `h_tm1 [K, B, H]` the
    hidden states before its steps.
    """
    hidden_size, input_size, wide = len(weights.w_hh), len(weights.w_ih), weights.b_x.dtype
    da_h = _joined(plan, derivatives.a_h)
    da_x = da_h if derivatives.a_x is None else _joined(plan, derivatives.a_x)
    with jax.named_scope("project"):
        dw_ih = dot(da_x, narrow(plan, xs.reshape(-1, input_size)), wide)
        dxs = dot(weights.w_ih, da_x, wide)
        dxs = lax.optimization_barrier(dxs).T.reshape(xs.shape)
    dw_hh = dot(da_h, narrow(plan, h_tm1.reshape(-1, hidden_size)), wide)
    b_h = None
    if weights.b_h is not None:
        b_h = da_h.astype(wide).sum(axis=1)
    return Weights(dw_ih, dw_hh, da_x.astype(wide).sum(axis=1), b_h), dxs


def no_gradients(weights: Weights) -> Weights:
    """Zeros in the shapes of `gradients`."""
    zeros = jax.tree.map(lambda a: jnp.zeros_like(a, shape=a.shape[::-1]), weights)
    return zeros._replace(b_h=None if weights.b_h is None else zeros.b_x)


def as_weights(weights: Weights, sums: Weights) -> Weights:
    """Turns the sums of `gradients` into the layout of the weights."""
    # Without the barrier XLA would fold the transposition into the matmul, which is slow.
    dweights = jax.tree.map(jnp.transpose, lax.optimization_barrier(sums))
    if weights.b_h is None:
        return dweights
    return dweights._replace(b_h=dweights.b_h[-len(weights.b_h) :])


def before(plan: Plan, h_start: Array, hs: Array, start) -> Array:
    """The hidden states before the steps of a chunk, `[K, B, H]`.

    `h_start [B, H]` is that before the first step of the sequence, `hs [T, B, H]` those after all,
    and `start` the first step of the chunk in time.
    """
    neighbour, outside = (start + plan.chunk, len(hs)) if plan.reverse else (start - 1, -1)
    first = jnp.where(neighbour == outside, h_start, cut(hs, neighbour, 1)[0])
    return states_before(plan, first, cut(hs, start, plan.chunk))


def _joined(plan: Plan, derivatives: Array) -> Array:
    """`[G*H, K*B]`, ready for a matmul; the barrier makes XLA unpack it once, not at each use."""
    return lax.optimization_barrier(unpacked(plan, derivatives).reshape(len(derivatives), -1))
