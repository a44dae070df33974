"""The matmuls of a forward step in the transposed layout."""

import functools
import itertools
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from rnnjax.engines.fused_plan import Plan, Rows, Weights, dot, narrow, sums
from rnnjax.typing import Array

# Up to so many numbers, transposing the input [B, D] is faster than a matmul that does it.
_SMALL = 8192
# Up to so many, transposing the input and using one matmul is faster than a second matmul,
_MEDIUM = 16384
# if there are at most so many weights: concatenating more takes longer than that saves.
_FEW_WEIGHTS = 2**19


Preactivations = tuple[Callable[[Array], Array], Callable[..., tuple[Rows, Array | None]]]
"""The pre-activations of a step, in two parts: one lays out an input `[B, D]` before its step; the
other is `(laid out, h_tm1) -> (a, a_last)`, see `fused_plan.Family.forward`."""


def preactivations(plan: Plan, weights: Weights, input_shape: tuple[int, ...]) -> Preactivations:
    """The fastest way to compute the pre-activations, by operands, for inputs of shape (B, D)."""
    batch_size, input_size = input_shape
    num_weights = weights.w_ih.size + weights.w_hh.size
    is_light = batch_size * input_size <= _MEDIUM and num_weights <= _FEW_WEIGHTS
    if is_light and weights.b_h is None:
        return _by_gates(plan, weights, batch_size)
    # With float32 operands, a matmul whose right operand is transposed is as fast; with narrow ones
    # it is slower.
    is_narrow = plan.compute_dtype is not None
    return _by_sources(plan, weights, batch_size, is_narrow or batch_size * input_size <= _SMALL)


def _by_gates(plan: Plan, weights: Weights, batch_size: int) -> Preactivations:
    """``[W; U]^T [x_t; h_tm1] + b``, one matmul for each half of the gates.

    A matmul of this size runs on one thread, so that two independent ones use two threads.
    """
    num_gates, wide = weights.num_gates, weights.b_x.dtype
    w = jnp.concatenate([weights.w_ih, weights.w_hh])
    parts = jnp.split(w, 1 if num_gates % 2 else 2, axis=1)
    parts = lax.optimization_barrier(tuple(part.T for part in parts))
    b = lax.optimization_barrier(_along_rows(weights.b_x, num_gates, batch_size))

    def add(x_t: Array, h_tm1: Array) -> tuple[Rows, None]:
        operand = jnp.concatenate([x_t, narrow(plan, h_tm1)]).reshape(-1, batch_size)
        products = [dot(part, operand, wide).reshape(num_gates // len(parts), -1) for part in parts]
        return tuple(map(jnp.add, itertools.chain(*products), b)), None

    return functools.partial(_laid_out, plan), add


def _by_sources(plan: Plan, weights: Weights, batch_size: int, ahead: bool) -> Preactivations:
    """``W^T x_t + b`` and ``U^T h_tm1``; if `ahead`, the input is transposed before its step."""
    hidden_size, wide = len(weights.w_hh), weights.b_x.dtype
    w_ih, w_hh = lax.optimization_barrier((weights.w_ih.T, weights.w_hh.T))

    num_gates = weights.num_gates
    b = weights.b_x if weights.b_h is None else jnp.concatenate([weights.b_x, weights.b_h])
    b = lax.optimization_barrier(_along_rows(b, num_gates + (weights.b_h is not None), batch_size))

    def add(x_t: Array, h_tm1: Array) -> tuple[Rows, Array | None]:
        with jax.named_scope("project"):
            x_t = x_t.reshape(-1, batch_size) if ahead else x_t.T
            a_x = tuple(dot(w_ih, x_t, wide).reshape(num_gates, -1) + b[:num_gates])
        h_tm1 = narrow(plan, h_tm1.reshape(hidden_size, batch_size))
        a_h = tuple(dot(w_hh, h_tm1, wide).reshape(num_gates, -1))
        return sums(a_x, a_h, None if weights.b_h is None else b[-1])

    return functools.partial(_laid_out, plan) if ahead else lambda x_t: x_t, add


@jax.named_scope("project")
def _laid_out(plan: Plan, x_t: Array) -> Array:
    """`[D*B]`, ready for a matmul."""
    return narrow(plan, x_t.T).reshape(-1)


def _along_rows(bias: Array, num_gates: int, batch_size: int) -> Array:
    """`[G, H*B]`."""
    return jnp.repeat(bias.reshape(num_gates, -1), batch_size, axis=1)
