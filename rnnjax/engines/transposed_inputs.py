"""The pre-activations of the gates from the input and the old state, in the transposed layout."""

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from rnnjax.engines.transposed_plan import Plan, Rows, Weights, dot, narrow
from rnnjax.typing import Array

# An input [B, D] of so many numbers at most is quicker to transpose than to multiply by as it lies.
_SMALL = 2048
# One of so many is quicker to transpose than a second matmul is to get going.
_MEDIUM = 16384


class Preactivations(NamedTuple):
    """The two halves of the matmuls of a step.

    Attributes:
        prepare: from an input `[B, D]`, before its step, to what `add` takes of it.
        add: `(prepared, h_tm1) -> (a, a_last)`, see `transposed_plan.Family.forward`.
    """

    prepare: Callable[[Array], Array]
    add: Callable[[Array, Array], tuple[Rows, Array | None]]


def preactivations(plan: Plan, weights: Weights, input_shape: tuple[int, ...]) -> Preactivations:
    """The quickest way to them.

    Args:
        plan: see `transposed`.
        weights: the parameters.
        input_shape: `(B, D)`.
    """
    batch_size, input_size = input_shape
    is_wide = plan.compute_dtype is None
    if is_wide and weights.b_h is None and batch_size * input_size <= _MEDIUM:
        return _by_one_matmul(plan, weights, batch_size)
    # Matmuls of wide operands, unlike narrow ones, are as fast where the right one lies transposed.
    return _by_two(plan, weights, batch_size, not is_wide or batch_size * input_size <= _SMALL)


def _by_one_matmul(plan: Plan, weights: Weights, batch_size: int) -> Preactivations:
    """``[W; U; b]^T [x_t; h_tm1; 1]``."""
    w = jnp.concatenate([weights.w_ih, weights.w_hh, weights.b_x[None]])
    w = lax.optimization_barrier(w.T)
    ones = jnp.ones(batch_size, w.dtype)

    def add(x_t: Array, h_tm1: Array) -> tuple[Rows, None]:
        operand = jnp.concatenate([x_t, h_tm1, ones]).reshape(-1, batch_size)
        return tuple(dot(w, operand, w.dtype).reshape(weights.num_gates, -1)), None

    return Preactivations(functools.partial(_laid_out, plan), add)


def _by_two(plan: Plan, weights: Weights, batch_size: int, ahead: bool) -> Preactivations:
    """``W^T x_t + b`` and ``U^T h_tm1``; the input is laid out ahead of its step, or not at all."""
    hidden_size, wide = len(weights.w_hh), weights.b_x.dtype
    w_ih, w_hh = lax.optimization_barrier(
        (narrow(plan, weights.w_ih).T, narrow(plan, weights.w_hh).T)
    )

    def along_rows(bias: Array) -> Array:
        return jnp.repeat(bias.reshape(-1, hidden_size), batch_size, axis=1)

    b_x = lax.optimization_barrier(along_rows(weights.b_x))
    b_h = None if weights.b_h is None else lax.optimization_barrier(along_rows(weights.b_h)[0])

    def add(x_t: Array, h_tm1: Array) -> tuple[Rows, Array | None]:
        with jax.named_scope("project"):
            x_t = x_t.reshape(-1, batch_size) if ahead else x_t.T
            a_x = tuple(dot(w_ih, x_t, wide).reshape(b_x.shape) + b_x)
        h_tm1 = narrow(plan, h_tm1.reshape(hidden_size, batch_size))
        a_h = tuple(dot(w_hh, h_tm1, wide).reshape(b_x.shape))
        if b_h is None:
            return tuple(map(jnp.add, a_x, a_h)), None
        return (*map(jnp.add, a_x[:-1], a_h[:-1]), a_x[-1]), a_h[-1] + b_h

    return Preactivations(functools.partial(_laid_out, plan) if ahead else lambda x_t: x_t, add)


@jax.named_scope("project")
def _laid_out(plan: Plan, x_t: Array) -> Array:
    """`[D*B]`, ready for a matmul."""
    return narrow(plan, x_t.T).reshape(-1)
