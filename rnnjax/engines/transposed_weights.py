"""The gradients of weights and inputs from the derivatives of all steps, by a few large matmuls."""

import jax
import jax.numpy as jnp
from jax import lax

from rnnjax.engines.transposed_plan import Plan, Rows, Weights, dot, narrow
from rnnjax.engines.transposed_steps import divisor_near, unpacked
from rnnjax.typing import Array

# Rows (time steps times batch) of one matmul.
_ROWS = 2048


def gradients(
    plan: Plan, weights: Weights, inputs, initial_h: Array, h_start: Array, hs: Array, da: Rows
) -> tuple[Weights, Array]:
    """The gradients of the weights, and of the inputs `[T, B, D]`.

    They are summed up piece by piece, so that what has to be brought into another order for a
    matmul stays small.

    Args:
        plan: see `transposed`.
        weights: the parameters.
        inputs: xs `[T, B, D]`, mask, reset.
        initial_h: `[B, H]`, what a reset puts back.
        h_start: `[B, H]`, what the first step started from.
        hs: `[T, B, H]`, what came of the steps.
        da: from `transposed_steps.backward_steps`.
    """
    xs, _, reset = inputs
    num_steps, batch_size, input_size = xs.shape
    hidden_size, wide = len(weights.w_hh), weights.b_x.dtype
    num_gates = weights.num_gates
    w_ih = narrow(plan, weights.w_ih)
    wanted = min(num_steps, max(1, _ROWS // batch_size))
    size = divisor_near(num_steps, wanted) or wanted

    def piece(start, size: int) -> tuple[Weights, Array]:
        """Of the steps from `start` on. The matrices are transposed."""

        def part(a: Array) -> Array:
            return lax.dynamic_slice_in_dim(a, start, size)

        def side_by_side(a: Array) -> Array:
            a = part(a).reshape(size, hidden_size, batch_size)
            return a.swapaxes(0, 1).reshape(hidden_size, -1)

        rows = tuple(map(side_by_side, da))
        da_h = _joined(plan, rows[:num_gates])
        differs = len(rows) > num_gates
        da_x = _joined(plan, (*rows[: num_gates - 1], rows[-1])) if differs else da_h
        x, h_tm1 = part(xs), _before(plan, h_start, hs, start, size)
        if reset is not None:
            h_tm1 = jnp.where(part(reset)[..., None], initial_h, h_tm1)
        with jax.named_scope("project"):
            dw_ih = dot(da_x, narrow(plan, x.reshape(-1, input_size)), wide)
            dxs = lax.optimization_barrier(dot(w_ih, da_x, wide)).T.reshape(x.shape)
        dw_hh = dot(da_h, narrow(plan, h_tm1.reshape(-1, hidden_size)), wide)
        b_h = None
        if weights.b_h is not None:
            b_h = da_h[-hidden_size:].astype(wide).sum(axis=1)
        return Weights(dw_ih, dw_hh, da_x.astype(wide).sum(axis=1), b_h), dxs

    def add_piece(sums, n):
        dweights, dxs = piece(n * size, size)
        return jax.tree.map(jnp.add, sums, dweights), dxs

    num_pieces, rest = divmod(num_steps, size)
    zeros = jax.tree.map(lambda a: jnp.zeros_like(a.T), weights)
    dweights, dxs = lax.scan(add_piece, zeros, jnp.arange(num_pieces))
    dxs = dxs.reshape(-1, batch_size, input_size)
    if rest:
        new, last = piece(num_steps - rest, rest)
        dweights = jax.tree.map(jnp.add, dweights, new)
        dxs = jnp.concatenate([dxs, last])
    # Without the barrier XLA would make it one matmul with a transposed result, a slow one.
    return jax.tree.map(jnp.transpose, lax.optimization_barrier(dweights)), dxs


def shifted(plan: Plan, first: Array, values: Array) -> Array:
    """`values` one place later in the running order, with `first` in the place that is free."""
    if plan.reverse:
        return jnp.concatenate([values[1:], first[None]])
    return jnp.concatenate([first[None], values[:-1]])


def _before(plan: Plan, h_start: Array, hs: Array, start, size: int) -> Array:
    """The hidden states that the steps from `start` on begin with, `[size, B, H]`."""
    neighbour = start + size if plan.reverse else start - 1
    inside = (neighbour >= 0) & (neighbour < len(hs))
    index = jnp.clip(neighbour, 0, len(hs) - 1)
    first = jnp.where(inside, lax.dynamic_index_in_dim(hs, index, keepdims=False), h_start)
    return shifted(plan, first, lax.dynamic_slice_in_dim(hs, start, size))


def _joined(plan: Plan, rows: Rows) -> Array:
    """`[G*H, T*B]`, ready for a matmul."""
    return unpacked(plan, lax.optimization_barrier(jnp.concatenate(rows)))
