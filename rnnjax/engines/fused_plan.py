"""What the fused engines run: a family of cells, its weights, and how."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from rnnjax.engines.problem import Remat, split_by_flag
from rnnjax.typing import Array, DType

Rows = tuple[Array, ...]
"""Several arrays of the same shape, such as the gates, with H numbers for each row."""
State = tuple[Array, ...]
"""`(h, ...)`, each `[B, H]`; inside of a layout they may have another shape."""


class Derivatives(NamedTuple):
    """Derivatives of the pre-activations of K steps, each `[G*H, K, B]`; read with `unpacked`.

    Attributes:
        a_h: of ``U^T h_tm1``.
        a_x: of ``W^T x_t + b_x``; None if it is the same.
    """

    a_h: Array
    a_x: Array | None


class Family(NamedTuple):
    """The elementwise part of a cell with G gates, and its derivative.

    The pre-activation of a gate is the sum of its rows in ``a_x = W^T x_t + b_x`` and
    ``a_h = U^T h_tm1``. The last gate of a cell with ``b_h`` is an exception: it gets both rows.

    Attributes:
        forward: `(a, a_last, state_tm1) -> (state_t, kept)`. `a` holds the G sums and `a_last` is
            None. With ``b_h``, the last of `a` is the last gate's row of `a_x`, and `a_last` its
            row of `a_h` plus the bias. `kept` is saved for the backward pass, as are the hidden
            states, in the dtype of the matmul operands.
        prepare: `(kept, h_t, dstate_t) -> known`, all that `backward` needs. Compute here what
            several derivatives share: the carry of a CPU's loop holds it, so it is computed once.
            What they share inside of `backward`, XLA computes once for each of them.
        backward: `known -> (derivatives, dstate_tm1)`. First come the derivatives of the G rows of
            `a_h`, then, if it differs, that of the last row of `a_x` (those of the other rows never
            differ). `dstate_tm1` leaves out what reaches the old state through `a_h`.
    """

    forward: Callable[[Rows, Array | None, State], tuple[State, Rows]]
    prepare: Callable[[Rows, Array, State], Any]
    backward: Callable[[Any], tuple[Rows, State]]


class Weights(NamedTuple):
    """`w_ih [D, G*H]`, `w_hh [H, G*H]`, `b_x [G*H]`, and `b_h [H]` for the last gate of `a_h`."""

    w_ih: Array
    w_hh: Array
    b_x: Array
    b_h: Array | None

    @property
    def num_gates(self) -> int:
        """G."""
        return len(self.b_x) // len(self.w_hh)


class Inputs(NamedTuple):
    """`xs [T, B, D]`, and `mask` and `reset`, each `[T, B]` or None."""

    xs: Array
    mask: Array | None
    reset: Array | None


class Plan(NamedTuple):
    """How to run a recurrence.

    `remat`, `reverse` and `scan_unroll` are those of `unroll`.

    Attributes:
        chunk: steps in a chunk of the backward pass.
        compute_dtype: of the matmul operands; None: that of the weights.
        project_ahead: whether a forward pass without gradient projects the inputs before the loop.
        persistent: whether the loops over time are kernels, see `persistent_kernels`.
    """

    family: Family
    chunk: int
    remat: Remat
    reverse: bool
    compute_dtype: DType | None
    scan_unroll: int
    project_ahead: bool
    persistent: bool = False

    @property
    def recomputes(self) -> bool:
        """Whether the backward pass runs each chunk forward again."""
        return self.remat != "none"


def sigmoid(a: Array) -> Array:
    """``tanh(a / 2) / 2 + 1 / 2``, which a CPU computes faster than by `exp`."""
    return jnp.tanh(a / 2) / 2 + 0.5


def sums(a_x: Rows, a_h: Rows, b_h: Array | None) -> tuple[Rows, Array | None]:
    """The first two arguments of `Family.forward`; `a_h` comes without `b_h`."""
    if b_h is None:
        return tuple(map(jnp.add, a_x, a_h)), None
    return (*map(jnp.add, a_x[:-1], a_h[:-1]), a_x[-1]), a_h[-1] + b_h


def in_chunks(plan: Plan, tree: Any) -> Any:
    """Arrays `[T, ...]` as `[T / K, K, ...]`."""
    return jax.tree.map(lambda a: a.reshape(-1, plan.chunk, *a.shape[1:]), tree)


def joined(a: Array) -> Array:
    """Chunks `[T / K, K, ...]` as one array `[T, ...]`."""
    return a.reshape(-1, *a.shape[2:])


def backward_step(
    plan: Plan,
    dstates: tuple[State, State | None],
    of_output: tuple[Array, Array],
    kept: Rows,
    flags: tuple[Array | None, Array | None],
    through: Callable[[Rows], Any],
) -> tuple[tuple[State, State | None], Any]:
    """One step of the backward pass.

    Args:
        plan: of the recurrence.
        dstates: the derivatives of the state after the step, and of the initial state that a reset
            restores, summed over the later steps (None without resets).
        of_output: the derivative of h_t, and h_t.
        kept: what the family saved in the step.
        flags: the mask and the reset of the step, bool or None.
        through: from the derivatives of the step's pre-activations to the derivative of h_tm1
            through `a_h`, and a result of the step.

    Returns:
        `dstates` before the step, and the result of the step.
    """
    (dh_t, h_t), (mask_t, reset_t) = of_output, flags
    dstate, dinitial = dstates
    dstate = (dstate[0] + dh_t, *dstate[1:])
    held = None
    if mask_t is not None:
        dstate, held = split_by_flag(mask_t, dstate)
    rows, dstate = plan.family.backward(plan.family.prepare(kept, h_t, dstate))
    dh, given = through(rows)
    return before_step(dstate, dinitial, dh, held, reset_t), given


def before_step(
    dstate: State,
    dinitial: State | None,
    dh: Array,
    held: State | None,
    reset_t: Array | None,
) -> tuple[State, State | None]:
    """The end of a backward step: `dstates` before it, see `backward_step`.

    Args:
        dstate: the derivatives of the old state, without what reaches it through `a_h`.
        dinitial: the derivatives of the initial state, summed over the later steps.
        dh: the derivative of h_tm1 through `a_h`.
        held: the derivatives of the rows that a mask held, or None.
        reset_t: the reset of the step, or None.
    """
    dstate = (dstate[0] + dh, *dstate[1:])
    if held is not None:
        dstate = jax.tree.map(jnp.add, dstate, held)
    if reset_t is not None:
        to_initial, dstate = split_by_flag(reset_t, dstate)
        dinitial = jax.tree.map(jnp.add, dinitial, to_initial)
    return dstate, dinitial


def states_before(plan: Plan, first: Array, after: Array) -> Array:
    """The states before K steps: `first` is that before all of them, `after` those after each."""
    first = first[None]
    return jnp.concatenate([after[1:], first] if plan.reverse else [first, after[:-1]])


def cut(a: Array, start: Array | int, size: int) -> Array:
    """`a[start : start + size]`, with `start` clipped so that the slice lies inside."""
    # XLA clips by itself, but outside of a trace JAX refuses a negative start.
    starts: list[Array | int] = [lax.max(start, 0)] + [0] * (a.ndim - 1)
    return lax.dynamic_slice(a, starts, (size, *a.shape[1:]), allow_negative_indices=False)


def narrow(plan: Plan, a: Array) -> Array:
    """An array in the dtype of the matmul operands."""
    return a if plan.compute_dtype is None else a.astype(plan.compute_dtype)


def operands(plan: Plan, weights: Weights) -> Weights:
    """The weights in the dtype of the matmul operands, converted once and not in each step."""
    return weights._replace(w_ih=narrow(plan, weights.w_ih), w_hh=narrow(plan, weights.w_hh))


def dot(a: Array, b: Array, dtype: DType) -> Array:
    """A matmul with sums and result in `dtype`, which may be wider than the operands."""
    dimensions = (((a.ndim - 1,), (0,)), ((), ()))
    return lax.dot_general(a, b, dimensions, preferred_element_type=dtype)


def packed(plan: Plan, a: Array) -> Array:
    """Numbers in the dtype of the matmul operands, stored as integers if it is narrow.

    If a loop writes into an array of narrow floats, XLA widens the whole array in each step.
    """
    if plan.compute_dtype is None:
        return a
    integer = jnp.dtype(f"uint{8 * jnp.dtype(plan.compute_dtype).itemsize}")
    return lax.bitcast_convert_type(a.astype(plan.compute_dtype), integer)


def unpacked(plan: Plan, a: Array) -> Array:
    """The inverse of `packed`: numbers in the dtype of the matmul operands."""
    return a if plan.compute_dtype is None else lax.bitcast_convert_type(a, plan.compute_dtype)
