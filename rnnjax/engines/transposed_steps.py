"""The loops over time of the transposed layout, forward and backward.

Two things decide their speed besides the matmuls:

- XLA fuses elementwise operations into their consumers. A fusion that also transposes, or that
  slices one step out of an array `[T, H, B]`, is not vectorised and ten times slower at these
  sizes. So each iteration reads its operands from the carry of the loop, where the iteration before
  has put them. An array to be transposed is sliced one iteration earlier still.
- Memory that a program touches for the first time is slow. So the derivatives of a chunk overwrite
  those of the chunk before, which `transposed_weights` has already read.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from rnnjax.engines.fused_plan import (
    Derivatives,
    Inputs,
    Plan,
    Rows,
    State,
    Weights,
    before_step,
    cut,
    dot,
    narrow,
    packed,
    unpacked,
)
from rnnjax.engines.problem import select, split_by_flag
from rnnjax.engines.transposed_inputs import Preactivations
from rnnjax.typing import Array


def forward_steps(
    plan: Plan, matmuls: Preactivations, initial: State, state: State, inputs: Inputs, *, keep: bool
):
    """Runs some steps forward; returns the last state, the hidden states and what is saved."""
    hidden_size, batch_size = state[0].shape
    num_steps = len(inputs.xs)
    initial = _flat(initial)
    lay_out, add = matmuls

    def prepare(loaded):
        x_t, mask_t, reset_t = loaded
        return lay_out(x_t), *_flags((mask_t, reset_t), hidden_size)

    later = -1 if plan.reverse else 1

    def step(carry, _):
        state, (prepared, mask_t, reset_t), loaded, t = carry
        if reset_t is not None:
            state = select(reset_t, initial, state)
        new_state, kept = plan.family.forward(*add(prepared, state[0]), state)
        if mask_t is not None:
            new_state = select(mask_t, new_state, state)
        h_t = lax.optimization_barrier(new_state[0]).reshape(hidden_size, batch_size).T
        # Flat like the saved arrays, h_t is stacked in the same zeros: one kernel less to compile.
        to_keep = jax.tree.map(functools.partial(packed, plan), kept) if keep else None
        return (new_state, prepare(loaded), _at(inputs, t), t + later), (h_t.reshape(-1), to_keep)

    first = num_steps - 1 if plan.reverse else 0
    (end, *_), (hs, kept) = lax.scan(
        step,
        (
            _flat(state),
            prepare(_at(inputs, first)),
            _at(inputs, first + later),
            first + 2 * later,
        ),
        None,
        num_steps,
        reverse=plan.reverse,
        unroll=plan.scan_unroll,
    )
    hs = hs.reshape(num_steps, batch_size, hidden_size)
    return tuple(a.reshape(hidden_size, batch_size) for a in end), (hs, kept)


def recurrent_parts(plan: Plan, weights: Weights) -> Rows:
    """The operands `[H, *]` that a backward step multiplies the derivatives by.

    One matmul is faster than several, but concatenating narrow operands is slow. With narrow
    operands there is a matmul for each pair of four gates, and for each gate of fewer.
    """
    num_parts = 1
    if plan.compute_dtype is not None:
        num_parts = 2 if weights.num_gates == 4 else weights.num_gates
    return lax.optimization_barrier(jnp.split(weights.w_hh, num_parts, axis=1))


def backward_steps(
    plan: Plan,
    weights: Weights,
    w_hh: Rows,
    place: tuple[Array, Array, int],
    dstates: tuple[State, State | None],
    dhs: Array,
    hs: Array,
    kept: Rows,
    flags: tuple[Array | None, Array | None],
    derivatives: Derivatives,
) -> tuple[Array, tuple[State, State | None], Derivatives]:
    """The backward pass over the K steps of a chunk.

    Args:
        plan, weights: of the recurrence.
        w_hh: from `recurrent_parts`.
        place: the first step of this pass, the first step in time of the chunk, and T.
        dstates: the derivatives of the state after these steps, and of the initial state that a
            reset restores, summed over later steps; each `[H*B]`.
        dhs: the derivatives of the outputs of the chunk, `[K, B, H]`.
        hs: the hidden states after its steps, `[K, B, H]`.
        kept: from `forward_steps`: of the chunk if the plan recomputes it, else of all steps.
        flags: mask and reset of the chunk, each `[K, B]` or None.
        derivatives: the arrays to overwrite.

    Returns:
        The next step, `dstates` before these steps, and the derivatives of their pre-activations.
    """
    (dstate, dinitial), (first, start, num_all_steps) = dstates, place

    def following(t):
        # XLA does not simplify a clipped index. So the kernels of `prepare` are the same inside of
        # the loop and before it, and are compiled once.
        return lax.clamp(0, t + (1 if plan.reverse else -1), num_all_steps - 1)

    num_steps, batch_size, hidden_size = dhs.shape
    num_gates, wide = weights.num_gates, weights.b_x.dtype
    size = num_gates // len(w_hh)
    of_outputs = lax.optimization_barrier((dhs.swapaxes(1, 2), hs.swapaxes(1, 2)))
    of_outputs = jax.tree.map(lambda a: a.reshape(num_steps, -1), of_outputs)

    def prepare(dstate, t):
        """Adds the derivative of the output, and does all that needs no matmul."""
        (dh_t, h_t), (mask_t, reset_t) = _at((of_outputs, flags), t - start)
        of_kept = t - start if plan.recomputes else t
        kept_t = jax.tree.map(lambda a: unpacked(plan, a).astype(wide), _at(kept, of_kept))
        mask_t, reset_t = _flags((mask_t, reset_t), hidden_size)
        dstate = (dstate[0] + dh_t, *dstate[1:])
        held = None
        if mask_t is not None:
            dstate, held = split_by_flag(mask_t, dstate)
        return plan.family.prepare(kept_t, h_t, dstate), held, reset_t

    def step(carry, _):
        _, dinitial, (known, held, reset_t), derivatives, t, next_t = carry
        rows, dstate = plan.family.backward(known)
        rows = tuple(row.reshape(hidden_size, batch_size) for row in rows)
        of_gates = [narrow(plan, row) for row in rows[:num_gates]]
        da_h = tuple(jnp.concatenate(of_gates[n : n + size]) for n in range(0, num_gates, size))
        parts = (dot(w, da, wide) for w, da in zip(w_hh, da_h, strict=True))
        dh_tm1 = functools.reduce(jnp.add, (part.reshape(-1) for part in parts))
        dstate, dinitial = before_step(dstate, dinitial, dh_tm1, held, reset_t)
        a_h = _written(plan, derivatives.a_h, da_h, t - start)
        a_x = derivatives.a_x
        if a_x is not None:
            # All rows are copied from those above, then the last H are overwritten.
            a_x = _written(plan, a_x, da_h, t - start)
            a_x = _written(plan, a_x, rows[-1:], t - start, len(a_x) - hidden_size)
        known, derivatives = prepare(dstate, next_t), Derivatives(a_h, a_x)
        return (dstate, dinitial, known, derivatives, next_t, following(next_t)), None

    (dstate, dinitial, _, derivatives, t, _), _ = lax.scan(
        step,
        (dstate, dinitial, prepare(dstate, first), derivatives, first, following(first)),
        None,
        num_steps,
        unroll=plan.scan_unroll,
    )
    return t, (dstate, dinitial), derivatives


def no_derivatives(plan: Plan, weights: Weights, batch_size: int) -> Derivatives:
    """Arrays for the derivatives of a chunk."""
    shape = (len(weights.b_x), plan.chunk, batch_size)
    zeros = jnp.zeros_like(packed(plan, weights.b_x), shape=shape)
    return Derivatives(zeros, None if weights.b_h is None else zeros)


def _written(plan: Plan, derivatives: Array, da: Rows, t, row: int = 0) -> Array:
    """Writes the derivatives of step t, `[*, B]` each, one below the other from `row` on."""
    for part in da:
        update = packed(plan, part)[:, None]
        derivatives = lax.dynamic_update_slice(
            derivatives, update, (row, t, 0), allow_negative_indices=False
        )
        row += len(part)
    return derivatives


def _at(tree: Any, t) -> Any:
    return jax.tree.map(lambda a: cut(a, t, 1).reshape(a.shape[1:]), tree)


def _flat(state: Any) -> Any:
    return jax.tree.map(lambda a: a.reshape(-1), state)


def _flags(flags: Any, hidden_size: int) -> Any:
    """Flags `[B]`, repeated for `[H*B]`."""
    return jax.tree.map(lambda flag: jnp.tile(flag, hidden_size), flags)
