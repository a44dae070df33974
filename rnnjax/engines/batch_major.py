"""The layout of the fused engines for accelerators: all arrays are `[T, B, *]`.

A step is one matmul and one elementwise pass. The rest is outside of the loops: the projection of
all inputs and the gradients of weights and inputs are one matmul each over all steps. On a CPU, a
forward pass without gradient projects each input in its step (see `target.projects_ahead`). To save
memory, the backward pass can process the sequence in about sqrt(T) chunks and recompute the gates
of each chunk: from the saved states by one matmul (remat="gates"), or from the state at its border
by running its steps again (remat="sqrt").
"""

import functools
from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from jax import lax

from rnnjax.engines import persistent_kernels
from rnnjax.engines.fused_plan import (
    Inputs,
    Plan,
    Rows,
    State,
    Weights,
    backward_step,
    dot,
    in_chunks,
    joined,
    narrow,
    operands,
    states_before,
    sums,
)
from rnnjax.engines.problem import Remat, root_chunk, select
from rnnjax.typing import Array

# Up to so many weights, W and U are concatenated, for one matmul a step in place of two. Beyond
# that, and for a cell with one gate, it is no faster.
_FEW_WEIGHTS = 2**19

Keep = Literal["outputs", "states", "gates"]
_KEEP: dict[Remat, Keep] = {"none": "gates", "gates": "states", "sqrt": "outputs"}


def chunk_size(num_steps: int, batch_size: int, weight_rows: int, remat: Remat) -> int:
    """The steps in a chunk; of the arguments, this layout does not use B and D + H."""
    del batch_size, weight_rows
    return num_steps if remat == "none" else root_chunk(num_steps)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def unroll(
    plan: Plan, weights: Weights, carry: State, initial: State, inputs: Inputs
) -> tuple[State, Array]:
    """Returns the last state and the hidden states `[T, B, H]`, held where the mask is False."""
    state, (_, (hs,), _) = _forward(plan, weights, carry, initial, inputs, "outputs")
    return state, joined(hs)


def _unroll_forward(plan: Plan, weights, carry, initial, inputs: Inputs):
    state, kept = _forward(plan, weights, carry, initial, inputs, _KEEP[plan.remat])
    _, (hs, *_), _ = kept
    return (state, joined(hs)), (weights, inputs, initial, kept)


def _unroll_backward(plan: Plan, residuals, cotangents):
    weights, inputs, initial, kept = residuals
    dstate, dhs = cotangents
    dinitial = None if inputs.reset is None else jax.tree.map(jnp.zeros_like, dstate)
    of_matmuls = operands(plan, weights)

    def run_chunk(carried, chunk):
        dstates, dweights = carried
        inputs, dhs, kept = chunk
        dstates, new, dxs = _backward_of_chunk(
            plan, of_matmuls, initial, dstates, inputs, dhs, kept
        )
        return (dstates, jax.tree.map(jnp.add, dweights, new)), dxs

    ((dcarry, dinitial), dweights), dxs = lax.scan(
        run_chunk,
        ((dstate, dinitial), jax.tree.map(jnp.zeros_like, weights)),
        (in_chunks(plan, inputs), in_chunks(plan, dhs), kept),
        reverse=not plan.reverse,
    )
    return dweights, dcarry, dinitial, Inputs(joined(dxs), None, None)


unroll.defvjp(_unroll_forward, _unroll_backward)


def _forward(plan: Plan, weights, carry, initial, inputs, keep: Keep):
    """Returns the last state; and for each chunk the state before it, its states and its gates."""
    of_matmuls = operands(plan, weights)

    def run_chunk(state, chunk_inputs):
        end, (states, gates) = _forward_steps(plan, of_matmuls, initial, state, chunk_inputs, keep)
        return end, (state, states, gates)

    return lax.scan(run_chunk, carry, in_chunks(plan, inputs), reverse=plan.reverse)


def _forward_steps(plan: Plan, weights: Weights, initial: State, state: State, inputs, keep: Keep):
    """Returns the last state; and for each step the state after it (or h alone) and the gates."""
    xs, mask, reset = inputs
    ahead = plan.project_ahead or keep != "outputs"
    if ahead:
        xs = _projected(plan, weights, xs)
    if plan.persistent:
        inputs = (xs, mask, reset)
        return persistent_kernels.forward_steps(plan, weights, initial, state, inputs, keep)
    run = _step_of(plan, weights, ahead)

    def step(state, inputs_t):
        x_t, mask_t, reset_t = inputs_t
        if reset_t is not None:
            state = select(reset_t, initial, state)
        new_state, gates = run(x_t, state)
        if mask_t is not None:
            new_state = select(mask_t, new_state, state)
        states = new_state if keep == "states" else new_state[:1]
        return new_state, (states, gates if keep == "gates" else None)

    return lax.scan(step, state, (xs, mask, reset), reverse=plan.reverse, unroll=plan.scan_unroll)


def _step_of(
    plan: Plan, weights: Weights, ahead: bool
) -> Callable[[Array, State], tuple[State, Rows]]:
    """A step with one matmul or with two; if `ahead`, its input is already projected."""
    few = weights.num_gates > 1 and weights.w_ih.size + weights.w_hh.size <= _FEW_WEIGHTS
    if ahead or weights.b_h is not None or not few:

        def two_matmuls(x_t: Array, state: State):
            a_x = x_t if ahead else _projected(plan, weights, x_t)
            a_h = dot(narrow(plan, state[0]), weights.w_hh, weights.b_x.dtype)
            return _apply_gates(plan, weights, a_x, a_h, state)

        return two_matmuls
    w = jnp.concatenate([weights.w_ih, weights.w_hh])

    def one_matmul(x_t: Array, state: State):
        operand = jnp.concatenate([narrow(plan, x_t), narrow(plan, state[0])], axis=-1)
        a = dot(operand, w, weights.b_x.dtype) + weights.b_x
        return plan.family.forward(tuple(jnp.split(a, weights.num_gates, axis=-1)), None, state)

    return one_matmul


def _backward_of_chunk(plan: Plan, weights: Weights, initial, dstates, inputs, dhs, kept):
    """The derivatives of the states before a chunk; the gradients of weights and inputs."""
    xs, mask, reset = inputs
    border, states, gates = kept
    if plan.remat == "sqrt":
        _, (states, _) = _forward_steps(plan, weights, initial, border, inputs, "states")
    states_tm1 = tuple(
        states_before(plan, first, after) for first, after in zip(border, states, strict=False)
    )
    if reset is not None:
        states_tm1 = select(reset, initial[: len(states_tm1)], states_tm1)
    h_tm1, hs = states_tm1[0], states[0]
    if plan.recomputes:
        a_h = dot(narrow(plan, h_tm1), weights.w_hh, weights.b_x.dtype)
        _, gates = _apply_gates(plan, weights, _projected(plan, weights, xs), a_h, states_tm1)
    dstates, (da_h, da_x) = _backward_steps(plan, weights, dstates, (dhs, hs, gates, mask, reset))
    return dstates, *_gradients(plan, weights, xs, h_tm1, da_h, da_h if da_x is None else da_x)


def _backward_steps(plan: Plan, weights: Weights, dstates, inputs):
    """The derivatives of the states before these steps; those of `a_h` and `a_x` of each step."""
    if plan.persistent:
        return persistent_kernels.backward_steps(plan, weights, dstates, inputs)
    wide, num_gates = weights.b_x.dtype, weights.num_gates

    def through(rows: Rows):
        da_h = narrow(plan, jnp.concatenate(rows[:num_gates], axis=-1))
        da_x = None
        if len(rows) > num_gates:
            da_x = narrow(plan, jnp.concatenate((*rows[: num_gates - 1], rows[-1]), axis=-1))
        return dot(da_h, weights.w_hh.T, wide), (da_h, da_x)

    def step(dstates, inputs_t):
        dh_t, h_t, gates, mask_t, reset_t = inputs_t
        kept = tuple(
            row
            for rows in gates
            for row in jnp.split(rows.astype(wide), rows.shape[-1] // h_t.shape[-1], axis=-1)
        )
        return backward_step(plan, dstates, (dh_t, h_t), kept, (mask_t, reset_t), through)

    return lax.scan(step, dstates, inputs, reverse=not plan.reverse, unroll=plan.scan_unroll)


@jax.named_scope("project")
def _projected(plan: Plan, weights: Weights, xs: Array) -> Array:
    """`a_x` of all steps."""
    return dot(narrow(plan, xs), weights.w_ih, weights.b_x.dtype) + weights.b_x


def _apply_gates(
    plan: Plan, weights: Weights, a_x: Array, a_h: Array, state: State
) -> tuple[State, Rows]:
    """The state after a step, or after each of several, and the gates to save.

    The gates are concatenated, as each array that a step writes costs a kernel launch.
    """
    of_x, of_h = (tuple(jnp.split(a, weights.num_gates, axis=-1)) for a in (a_x, a_h))
    state, gates = plan.family.forward(*sums(of_x, of_h, weights.b_h), state)
    return state, (narrow(plan, jnp.concatenate(gates, axis=-1)),) if gates else ()


def _gradients(
    plan: Plan, weights: Weights, xs: Array, h_tm1: Array, da_h: Array, da_x: Array
) -> tuple[Weights, Array]:
    wide = weights.b_x.dtype

    def summed(a: Array, da: Array) -> Array:
        rows = narrow(plan, a).reshape(-1, a.shape[-1])
        return dot(rows.T, da.reshape(-1, da.shape[-1]), wide)

    with jax.named_scope("project"):
        dw_ih = summed(xs, da_x)
        dxs = dot(da_x, weights.w_ih.T, wide)
    b_h = weights.b_h
    if b_h is not None:
        b_h = da_h[..., -len(b_h) :].sum((0, 1), dtype=wide)
    return Weights(dw_ih, summed(h_tm1, da_h), da_x.sum((0, 1), dtype=wide), b_h), dxs
