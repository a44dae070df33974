"""The loops over time of the transposed layout, forward and backward.

Two things decide their speed besides the matmuls. XLA fuses whatever is elementwise into whatever
uses it, and a fusion that transposes, or cuts slices out of one step of an array `[T, H, B]`, is
not vectorised: ten times slower at these sizes. So each iteration gets its operands from the carry
of the loop, where the iteration before has put them. And memory that a program touches for the
first time is slow to come by: the backward loop writes the derivatives of the gates over the gates,
which are in its carry by then.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from rnnjax.engines.transposed_inputs import Preactivations
from rnnjax.engines.transposed_plan import Kept, Plan, Rows, State, Weights, dot, narrow
from rnnjax.typing import Array


def forward_steps(
    plan: Plan, matmuls: Preactivations, initial: State, state: State, inputs, *, keep: bool
):
    """The forward pass over some steps: the last state, the hidden states and what is kept."""
    hidden_size, batch_size = state[0].shape
    num_steps = len(inputs[0])
    initial = _flat(initial)

    def load(t):
        x_t, mask_t, reset_t = _at(inputs, t)
        return matmuls.prepare(x_t), *_flags((mask_t, reset_t), hidden_size)

    def step(carry, t):
        state, (prepared, mask_t, reset_t) = carry
        if reset_t is not None:
            state = _where(reset_t, initial, state)
        new_state, kept = plan.family.forward(*matmuls.add(prepared, state[0]), state)
        if mask_t is not None:
            new_state = _where(mask_t, new_state, state)
        h_t = lax.optimization_barrier(new_state[0]).reshape(hidden_size, batch_size).T
        results = h_t, jax.tree.map(functools.partial(_packed, plan), kept) if keep else None
        later = t - 1 if plan.reverse else t + 1
        return (new_state, load(jnp.clip(later, 0, num_steps - 1))), results

    first = num_steps - 1 if plan.reverse else 0
    (end, _), results = lax.scan(
        step,
        (_flat(state), load(first)),
        jnp.arange(num_steps),
        reverse=plan.reverse,
        unroll=plan.scan_unroll,
    )
    return tuple(a.reshape(hidden_size, batch_size) for a in end), results


def backward_steps(
    plan: Plan, weights: Weights, dstate: State, dinitial: State | None, dhs, kept: Kept, inputs
):
    """The backward pass over some steps.

    Returns:
        The derivatives `(dstate, dinitial)` before the first step, and those of the pre-activations
        in the order of `Family.backward`, each `[T, H*B]`, to be read with `unpacked`.
    """
    _, mask, reset = inputs
    hidden_size, batch_size = dstate[0].shape
    num_steps, wide = len(dhs), weights.b_x.dtype
    w_hh = narrow(plan, weights.w_hh)
    if plan.compute_dtype is not None:  # narrow matmuls are quicker than joining their operands
        w_hh = lax.optimization_barrier(jnp.split(w_hh, weights.num_gates, axis=1))

    def through_gates(derivatives: Rows) -> Array:
        """The derivative of the old hidden state by way of the gates, `[H*B]`."""
        if plan.compute_dtype is None:
            da = jnp.concatenate(derivatives[: weights.num_gates]).reshape(-1, batch_size)
            return dot(w_hh, da, wide).reshape(-1)
        parts = [
            dot(w, narrow(plan, da.reshape(hidden_size, batch_size)), wide).reshape(-1)
            for w, da in zip(w_hh, derivatives, strict=False)
        ]
        return functools.reduce(jnp.add, parts)

    def meet(dstate, slots, t):
        """Adds the derivative of the output, and goes as far as it can without a matmul."""
        dh_t, mask_t, reset_t = _at((dhs.swapaxes(1, 2), mask, reset), t)
        kept_t = _at(Kept(slots, kept.others), t)
        kept_t = jax.tree.map(lambda a: unpacked(plan, a).astype(wide), kept_t)
        mask_t, reset_t = _flags((mask_t, reset_t), hidden_size)
        dstate = (dstate[0] + dh_t.reshape(-1), *dstate[1:])
        held = None
        if mask_t is not None:
            none = jax.tree.map(jnp.zeros_like, dstate)
            dstate, held = _where(mask_t, dstate, none), _where(mask_t, none, dstate)
        return plan.family.approach(kept_t, dstate), held, reset_t

    def step(carry, t):
        _, dinitial, (known, held, reset_t), slots = carry
        derivatives, dstate = plan.family.backward(known)
        dstate = (dstate[0] + through_gates(derivatives), *dstate[1:])
        if held is not None:
            dstate = jax.tree.map(jnp.add, dstate, held)
        if reset_t is not None:
            none = jax.tree.map(jnp.zeros_like, dstate)
            dinitial = jax.tree.map(jnp.add, dinitial, _where(reset_t, dstate, none))
            dstate = _where(reset_t, none, dstate)
        slots = tuple(
            lax.dynamic_update_index_in_dim(slot, _packed(plan, da), t, axis=0)
            for slot, da in zip(slots, derivatives, strict=True)
        )
        earlier = jnp.clip(t + 1 if plan.reverse else t - 1, 0, num_steps - 1)
        return (dstate, dinitial, meet(dstate, slots, earlier), slots), None

    dstate, dinitial = _flat(dstate), _flat(dinitial)
    first = 0 if plan.reverse else num_steps - 1
    (dstate, dinitial, _, derivatives), _ = lax.scan(
        step,
        (dstate, dinitial, meet(dstate, kept.slots, first), kept.slots),
        jnp.arange(num_steps),
        reverse=not plan.reverse,
        unroll=plan.scan_unroll,
    )
    shape = (hidden_size, batch_size)
    return jax.tree.map(lambda a: a.reshape(shape), (dstate, dinitial)), derivatives


def divisor_near(num_steps: int, wanted: int) -> int | None:
    """The largest divisor of T that is `wanted` at most, and not half as much; None without one."""
    return next((n for n in range(wanted, wanted // 2, -1) if num_steps % n == 0), None)


def unpacked(plan: Plan, a: Array) -> Array:
    """The numbers behind what `backward_steps` returns, in the dtype of the matmul operands."""
    return a if plan.compute_dtype is None else lax.bitcast_convert_type(a, plan.compute_dtype)


def _packed(plan: Plan, a: Array) -> Array:
    """Numbers in the dtype of the matmul operands, as integers if it is narrow.

    Where a loop writes to an array of narrow floats, XLA makes all of it wide at each step.
    """
    if plan.compute_dtype is None:
        return a
    integer = jnp.dtype(f"uint{8 * jnp.dtype(plan.compute_dtype).itemsize}")
    return lax.bitcast_convert_type(a.astype(plan.compute_dtype), integer)


def _at(tree: Any, t) -> Any:
    return jax.tree.map(lambda a: lax.dynamic_index_in_dim(a, t, keepdims=False), tree)


def _flat(state: Any) -> Any:
    return jax.tree.map(lambda a: a.reshape(-1), state)


def _flags(flags: Any, hidden_size: int) -> Any:
    """Each `[B]` as it applies to `[H*B]`."""
    return jax.tree.map(lambda flag: jnp.tile(flag, hidden_size), flags)


def _where(flag: Array, on_true: Any, on_false: Any) -> Any:
    return jax.tree.map(lambda a, b: jnp.where(flag, a, b), on_true, on_false)
