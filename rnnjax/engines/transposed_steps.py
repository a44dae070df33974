"""The loops over time of the transposed layout, forward and backward, and what a family is.

Two things decide their speed besides the matmuls. XLA fuses whatever is elementwise into whatever
uses it, and a fusion that transposes, or cuts slices out of one step of an array `[T, H, B]`, is
not vectorised: ten times slower at these sizes. So each iteration gets its operands from the carry
of the loop, where the iteration before has put them. And memory that a program touches for the
first time is slow to come by: the backward loop writes the derivatives of the gates over the gates,
which are in its carry by then.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from rnnjax.typing import Array, DType

Rows = tuple[Array, ...]
"""One array `[H*B]` for each of several quantities."""
State = tuple[Array, ...]
"""`(h, ...)`, each `[H, B]`; inside of the loops each `[H*B]`."""


# An input [B, D] of so many numbers at most is quicker to transpose than to multiply by as it lies.
_SMALL = 2048


class Kept(NamedTuple):
    """What a step keeps for the backward pass.

    It is kept in the dtype of the matmul operands.

    Attributes:
        slots: one for each derivative that `Family.backward` gives, which takes its place.
        others: whatever else it takes.
    """

    slots: Rows
    others: Rows


class Family(NamedTuple):
    """The elementwise part of a cell with G gates, and its derivative.

    Attributes:
        forward: `(a_x, a_h, b_h, state_tm1) -> (state_t, kept)` with the two pre-activations of
            each gate, and the second bias of the last gate or None.
        approach: `(kept, dstate_t) -> known`, all that `backward` needs. What several derivatives
            share belongs here: it is computed once, since the carry of the loop holds it; XLA
            computes what is shared inside of `backward` anew for each of them.
        backward: `known -> (derivatives, dstate_tm1)`: the derivatives of the G rows of `a_h`, then
            that of the last row of `a_x` where it is another one (those of the other rows never
            are); and of the old state, without its way through `a_h`.
    """

    forward: Callable[[Rows, Rows, Array | None, State], tuple[State, Kept]]
    approach: Callable[[Kept, State], Any]
    backward: Callable[[Any], tuple[Rows, State]]


class Weights(NamedTuple):
    """`w_ih [D, G*H]`, `w_hh [H, G*H]`, `b_x [G*H]`, and `b_h [H]` of the last H rows of `a_h`."""

    w_ih: Array
    w_hh: Array
    b_x: Array
    b_h: Array | None

    @property
    def num_gates(self) -> int:
        """G."""
        return len(self.b_x) // len(self.w_hh)


class Plan(NamedTuple):
    """How to run it.

    Attributes:
        family: of the cell.
        chunk: steps a chunk.
        recompute: the gates of a chunk in the backward pass.
        reverse: from the last step to the first.
        compute_dtype: of the matmul operands, if it is not that of the weights.
        scan_unroll: steps an iteration.
    """

    family: Family
    chunk: int
    recompute: bool
    reverse: bool
    compute_dtype: DType | None
    scan_unroll: int


def forward_steps(plan: Plan, weights: Weights, initial: State, state: State, inputs, *, keep):
    """The forward pass over some steps: the last state, the hidden states and what is kept."""
    hidden_size, batch_size = state[0].shape
    num_steps, wide = len(inputs[0]), weights.b_x.dtype
    w_ih, w_hh = lax.optimization_barrier(
        (narrow(plan, weights.w_ih).T, narrow(plan, weights.w_hh).T)
    )

    def along_rows(bias: Array) -> Array:
        return jnp.repeat(bias.reshape(-1, hidden_size), batch_size, axis=1)

    b_x = lax.optimization_barrier(along_rows(weights.b_x))
    b_h = None if weights.b_h is None else lax.optimization_barrier(along_rows(weights.b_h)[0])
    initial = _flat(initial)
    # Matmuls of wide operands, unlike narrow ones, are as fast where the right one lies transposed.
    ahead = plan.compute_dtype is not None or inputs[0][0].size <= _SMALL

    def load(t):
        x_t, mask_t, reset_t = _at(inputs, t)
        if ahead:
            with jax.named_scope("project"):
                x_t = narrow(plan, x_t.T).reshape(-1)
        return x_t, *_flags((mask_t, reset_t), hidden_size)

    def step(carry, t):
        state, (x_t, mask_t, reset_t) = carry
        if reset_t is not None:
            state = _where(reset_t, initial, state)
        with jax.named_scope("project"):
            x_t = x_t.reshape(-1, batch_size) if ahead else x_t.T
            a_x = dot(w_ih, x_t, wide).reshape(b_x.shape) + b_x
        h_tm1 = narrow(plan, state[0].reshape(hidden_size, batch_size))
        a_h = dot(w_hh, h_tm1, wide).reshape(b_x.shape)
        new_state, kept = plan.family.forward(tuple(a_x), tuple(a_h), b_h, state)
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


def sigmoid(a: Array) -> Array:
    """``tanh(a / 2) / 2 + 1 / 2``, which a CPU computes faster than by `exp`."""
    return jnp.tanh(a / 2) / 2 + 0.5


def narrow(plan: Plan, a: Array) -> Array:
    """An operand of a matmul."""
    return a if plan.compute_dtype is None else a.astype(plan.compute_dtype)


def dot(a: Array, b: Array, dtype: DType) -> Array:
    """The matmul, summed in, and returned as, a wider dtype."""
    return jnp.matmul(a, b, preferred_element_type=dtype)


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
