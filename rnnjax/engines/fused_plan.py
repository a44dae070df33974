"""What the fused engines run: a family of cells, its weights, and how."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from rnnjax.engines.problem import Remat, parted
from rnnjax.typing import Array, DType

Rows = tuple[Array, ...]
"""One array for each of several quantities, all of the same shape: H numbers for each row."""
State = tuple[Array, ...]
"""`(h, ...)`, each `[B, H]` between the layouts and as it suits a layout inside of it."""


class Derivatives(NamedTuple):
    """Those of the pre-activations of K steps, each `[G*H, K, B]`, to be read with `unpacked`.

    Attributes:
        a_h: of what comes of the old hidden state.
        a_x: of what comes of the input; None where it is the same.
    """

    a_h: Array
    a_x: Array | None


class Family(NamedTuple):
    """The elementwise part of a cell with G gates, and its derivative.

    The pre-activations are sums of ``a_x = W^T x_t + b_x`` and ``a_h = U^T h_tm1``, G rows each,
    but for the last gate of a cell with ``b_h``.

    Attributes:
        forward: `(a, a_last, state_tm1) -> (state_t, kept)` with the G sums and None, or with
            ``b_h`` in place of the last sum its row of `a_x` in `a`, and that of `a_h` with the
            bias in `a_last`. What is kept for the backward pass, besides the hidden states, is kept
            in the dtype of the matmul operands.
        approach: `(kept, h_t, dstate_t) -> known`, all that `backward` needs. What several
            derivatives share belongs here: on a CPU it is computed once, since the carry of the
            loop holds it; XLA computes what is shared inside of `backward` anew for each of them.
        backward: `known -> (derivatives, dstate_tm1)`: the derivatives of the G rows of `a_h`, then
            that of the last row of `a_x` where it is another one (those of the other rows never
            are); and of the old state, without its way through `a_h`.
    """

    forward: Callable[[Rows, Array | None, State], tuple[State, Rows]]
    approach: Callable[[Rows, Array, State], Any]
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


class Inputs(NamedTuple):
    """`xs [T, B, D]`, and `mask` and `reset`, each `[T, B]` or None."""

    xs: Array
    mask: Array | None
    reset: Array | None


class Plan(NamedTuple):
    """How to run it.

    Attributes:
        family: of the cell.
        chunk: steps a chunk of the backward pass.
        remat: what is computed again there, see `unroll`.
        reverse: from the last step to the first.
        compute_dtype: of the matmul operands, if it is not that of the weights.
        scan_unroll: steps an iteration.
        project_ahead: whether the inputs are projected before the loop where a choice is left.
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
    """What `Family.forward` takes of the rows of `a_x` and of `a_h`, which is without `b_h`."""
    if b_h is None:
        return tuple(map(jnp.add, a_x, a_h)), None
    return (*map(jnp.add, a_x[:-1], a_h[:-1]), a_x[-1]), a_h[-1] + b_h


def in_chunks(plan: Plan, tree: Any) -> Any:
    """Arrays `[T, ...]` as `[T / K, K, ...]`."""
    return jax.tree.map(lambda a: a.reshape(-1, plan.chunk, *a.shape[1:]), tree)


def joined(a: Array) -> Array:
    """The chunks, one after the other."""
    return a.reshape(-1, *a.shape[2:])


def step_back(
    plan: Plan,
    dstates: tuple[State, State | None],
    of_output: tuple[Array, Array],
    kept: Rows,
    flags: tuple[Array | None, Array | None],
    through: Callable[[Rows], Any],
) -> tuple[tuple[State, State | None], Any]:
    """A step of the backward pass, in the order in which its arrays come.

    Args:
        plan: how.
        dstates: the derivatives of the state after the step, and of what a reset puts back as far
            as it comes from later steps; None without resets.
        of_output: the derivative of h_t, and h_t.
        kept: what the family kept of the step.
        flags: bool, the mask and the reset of the step, or None.
        through: takes the derivatives of the step's pre-activations; gives that of h_tm1 by way of
            `a_h`, and what the step gives besides.

    Returns:
        `dstates` before the step, and what `through` gives besides.
    """
    (dh_t, h_t), (mask_t, reset_t) = of_output, flags
    dstate, dinitial = dstates
    dstate = (dstate[0] + dh_t, *dstate[1:])
    held = None
    if mask_t is not None:
        dstate, held = parted(mask_t, dstate)
    rows, dstate = plan.family.backward(plan.family.approach(kept, h_t, dstate))
    dh, given = through(rows)
    dstate = (dstate[0] + dh, *dstate[1:])
    if held is not None:
        dstate = jax.tree.map(jnp.add, dstate, held)
    if reset_t is not None:
        to_initial, dstate = parted(reset_t, dstate)
        dinitial = jax.tree.map(jnp.add, dinitial, to_initial)
    return (dstate, dinitial), given


def one_before(plan: Plan, first: Array, after: Array) -> Array:
    """What some steps began with.

    Args:
        plan: see `fused`.
        first: what the first of them in running order began with.
        after: what came of each of them, `[K, ...]`.
    """
    first = first[None]
    return jnp.concatenate([after[1:], first] if plan.reverse else [first, after[:-1]])


def cut(a: Array, start: Array | int, size: int) -> Array:
    """So many entries from `start`, which is moved inside where it is outside."""
    # XLA does so by itself, but outside of a trace JAX refuses a negative one.
    starts: list[Array | int] = [lax.max(start, 0)] + [0] * (a.ndim - 1)
    return lax.dynamic_slice(a, starts, (size, *a.shape[1:]), allow_negative_indices=False)


def narrow(plan: Plan, a: Array) -> Array:
    """An operand of a matmul."""
    return a if plan.compute_dtype is None else a.astype(plan.compute_dtype)


def operands(plan: Plan, weights: Weights) -> Weights:
    """The weights as matmuls take them: in a loop, XLA would narrow them anew in each iteration."""
    return weights._replace(w_ih=narrow(plan, weights.w_ih), w_hh=narrow(plan, weights.w_hh))


def dot(a: Array, b: Array, dtype: DType) -> Array:
    """The matmul, summed in, and returned as, a wider dtype."""
    dimensions = (((a.ndim - 1,), (0,)), ((), ()))
    return lax.dot_general(a, b, dimensions, preferred_element_type=dtype)


def packed(plan: Plan, a: Array) -> Array:
    """Numbers in the dtype of the matmul operands, as integers if it is narrow.

    Where a loop writes to an array of narrow floats, XLA makes all of it wide at each step.
    """
    if plan.compute_dtype is None:
        return a
    integer = jnp.dtype(f"uint{8 * jnp.dtype(plan.compute_dtype).itemsize}")
    return lax.bitcast_convert_type(a.astype(plan.compute_dtype), integer)


def unpacked(plan: Plan, a: Array) -> Array:
    """The numbers behind what is `packed`, in the dtype of the matmul operands."""
    return a if plan.compute_dtype is None else lax.bitcast_convert_type(a, plan.compute_dtype)
