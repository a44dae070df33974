"""A recurrence with a backward pass by hand, in the layout in which a CPU runs it fastest.

State and gates are `[H, B]`, with the weights as the left operand of every matmul: that is what
a CPU's matmul kernels like best at these shapes. In the backward pass the steps only collect the
derivatives of the pre-activations; the gradients of the weights and of the inputs follow from one
matmul each. To save memory it goes through the sequence in chunks: it keeps the state at their
borders only, and runs each chunk forward again.

What a family of cells has of its own is a `Family`: its gates, elementwise.
"""

import functools
import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from rnnjax.engines.problem import Problem, Remat, select
from rnnjax.engines.rows import num_shards, on_own_rows, row_axes
from rnnjax.engines.target import platform
from rnnjax.typing import Array, DType

State = tuple[Array, ...]
Kept = tuple[Array, ...]

# Rows (time steps times batch) of a chunk.
_CHUNK_ROWS = 1024


class Family(NamedTuple):
    """The elementwise part of a cell and its derivative. A state is `(h, ...)`, each `[H, B]`.

    Attributes:
        forward: `(a_x, a_h, b_h, state_tm1) -> (state_t, kept)` with the two pre-activations
            `[G*H, B]`, the second bias `[H, 1]` if there is one, and whatever the derivative needs.
        backward: `(kept, dstate_t) -> (da_h, da_n, dstate_tm1)`: the derivatives of `a_h`, of the
            last H rows of `a_x` where they differ (else None; those of the other rows never do),
            and of the old state without its way through `a_h`.
    """

    forward: Callable[[Array, Array, Array | None, State], tuple[State, Kept]]
    backward: Callable[[Kept, State], tuple[Array, Array | None, State]]


class Weights(NamedTuple):
    """`w_ih [D, G*H]`, `w_hh [H, G*H]`, `b_x [G*H]`, and `b_h [H]` of the last H rows of `a_h`."""

    w_ih: Array
    w_hh: Array
    b_x: Array
    b_h: Array | None


class _Plan(NamedTuple):
    family: Family
    chunk: int
    recompute: bool
    reverse: bool
    compute_dtype: DType | None
    scan_unroll: int


def run(
    problem: Problem,
    family: Family,
    weights: Weights,
    carry: State,
    initial: State,
    compute_dtype: DType | None,
) -> tuple[State, Array]:
    """Runs a family over time.

    Args:
        problem: the recurrence; of its carries only the shapes matter here.
        family: the gates.
        weights: the parameters, as the cell packs them.
        carry: what the first step starts from, `(h, ...)` each `[..., H]`.
        initial: what a reset puts back.
        compute_dtype: dtype of the matmul operands; None for that of the weights.

    Returns:
        The last carry and the outputs, in the shapes of `problem`.
    """
    xs, mask, reset = problem.xs, problem.mask, problem.reset
    num_steps, *batch_shape, _ = xs.shape
    batch_size = math.prod(batch_shape)
    axes = row_axes(batch_size)
    chunk = _chunk_size(num_steps, batch_size // num_shards(axes), problem.remat)
    padding = -num_steps % chunk
    if padding and mask is None:
        mask = jnp.ones(xs.shape[:-1], bool)

    def flat(a: Array, *trailing: int) -> Array:
        """One batch dimension, and whole chunks."""
        widths = [(0, padding), *[(0, 0)] * (a.ndim - 1)]
        return jnp.pad(a, widths).reshape(num_steps + padding, batch_size, *trailing)

    def transposed(state: State) -> State:
        return tuple(a.reshape(batch_size, a.shape[-1]).T for a in state)

    plan = _Plan(
        family,
        chunk,
        problem.remat != "none",
        problem.reverse,
        compute_dtype,
        problem.scan_unroll,
    )
    unroll = on_own_rows(
        functools.partial(_unroll, plan), axes, arguments=(None, 1, 1, 1, 1, 1), results=(1, 1)
    )
    state, hs = unroll(
        weights,
        flat(xs.astype(weights.w_hh.dtype), xs.shape[-1]),
        transposed(carry),
        transposed(initial),
        None if mask is None else flat(mask),
        None if reset is None else flat(reset),
    )
    ys = hs[:num_steps].reshape(num_steps, *batch_shape, -1)
    if problem.mask is not None:
        ys = select(problem.mask, ys, jnp.zeros_like(ys))
    return tuple(a.T.reshape(*batch_shape, -1) for a in state), ys


def activate(a: Array, activations: tuple[Literal["sigmoid", "tanh"], ...]) -> Array:
    """The gates `[G*H, B]`, all in one operation, by `sigmoid(a) = tanh(a / 2) / 2 + 1 / 2`."""
    scale = jnp.array([0.5 if name == "sigmoid" else 1.0 for name in activations], a.dtype)
    scale = scale[:, None, None]
    gates = jnp.tanh(a.reshape(len(activations), -1, a.shape[1]) * scale) * scale + (1 - scale)
    return lax.optimization_barrier(gates.reshape(a.shape))


def refusal(problem: Problem) -> str | None:
    """Why no engine of this layout can run a problem of its own family, or None."""
    if platform() != "cpu":
        return f"its layout is made for CPUs; the backend is {platform()}"
    dtype = problem.params.w_hh.dtype
    for leaf in jax.tree.leaves((problem.carry, problem.initial)):
        if leaf.dtype != dtype:
            return f"the carry is {leaf.dtype}, the parameters are {dtype}"
    return None


def _chunk_size(num_steps: int, batch_size: int, remat: Remat) -> int:
    """Steps a chunk: a divisor of T if one is near what is wanted, so that nothing is padded."""
    wanted = max(1, _CHUNK_ROWS // batch_size)
    if remat == "sqrt":
        wanted = math.isqrt(num_steps - 1) + 1
    if remat == "none" or wanted >= num_steps:
        return num_steps
    for chunk in range(wanted, wanted // 2, -1):
        if num_steps % chunk == 0:
            return chunk
    return -(-num_steps // -(-num_steps // wanted))


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _unroll(plan: _Plan, weights, xs, carry, initial, mask, reset):
    """Returns the last state and the hidden states `[T, B, H]`, held where the mask is False."""
    weights = _narrow(plan, weights)
    state, (hs, _) = _steps(plan, weights, initial, carry, (xs, mask, reset), keep=False)
    return state, hs


def _unroll_forward(plan: _Plan, weights, xs, carry, initial, mask, reset):
    inputs = xs, mask, reset
    narrow = _narrow(plan, weights)
    if plan.recompute:

        def run_chunk(state, chunk_inputs):
            end, (hs, _) = _steps(plan, narrow, initial, state, chunk_inputs, keep=False)
            return end, (hs, state)

        state, (hs, borders) = lax.scan(
            run_chunk, carry, _in_chunks(inputs, plan.chunk), reverse=plan.reverse
        )
        hs = hs.reshape(-1, *hs.shape[2:])
        kept = None
    else:
        state, (hs, kept) = _steps(plan, narrow, initial, carry, inputs, keep=True)
        borders = None
    return (state, hs), (weights, inputs, carry, initial, hs, kept, borders)


def _unroll_backward(plan: _Plan, residuals, cotangents):
    weights, inputs, carry, initial, hs, kept, borders = residuals
    dstate, dhs = cotangents
    narrow = _narrow(plan, weights)

    def run_chunk(sums, chunk):
        dstate, dinitial, dweights = sums
        inputs, h_start, dhs, hs, kept, border = chunk
        if plan.recompute:
            _, (_, kept) = _steps(plan, narrow, initial, border, inputs, keep=True)
        (dstate, dinitial), da = _backward_steps(plan, narrow, dstate, dinitial, dhs, kept, inputs)
        h_tm1 = _before(plan, h_start, hs, initial[0], inputs[2])
        new, dxs = _gather(plan, narrow, inputs[0], h_tm1, da)
        return (dstate, dinitial, jax.tree.map(jnp.add, dweights, new)), dxs

    ends = hs[:: plan.chunk] if plan.reverse else hs[plan.chunk - 1 :: plan.chunk]
    chunks = _in_chunks((dhs, hs, kept), plan.chunk)
    zeros = jax.tree.map(jnp.zeros_like, (None if inputs[2] is None else dstate, weights))
    (dcarry, dinitial, dweights), dxs = lax.scan(
        run_chunk,
        (dstate, *zeros),
        (
            _in_chunks(inputs, plan.chunk),
            _shifted(plan, carry[0].T, ends),
            *chunks,
            borders,
        ),
        reverse=not plan.reverse,
    )
    return dweights, dxs.reshape(-1, *dxs.shape[2:]), dcarry, dinitial, None, None


_unroll.defvjp(_unroll_forward, _unroll_backward)


def _steps(plan: _Plan, weights: Weights, initial: State, state: State, inputs, *, keep: bool):
    """The forward pass over some steps: the last state, the hidden states and what is kept."""
    w_ih, w_hh = lax.optimization_barrier((weights.w_ih.T, weights.w_hh.T))
    wide = weights.b_x.dtype
    b_h = None if weights.b_h is None else weights.b_h[:, None]

    def step(state, inputs):
        x_t, mask_t, reset_t = inputs
        if reset_t is not None:
            state = _where(reset_t, initial, state)
        with jax.named_scope("project"):
            a_x = _dot(w_ih, _cast(plan, x_t).T, wide) + weights.b_x[:, None]
        a_h = _dot(w_hh, _cast(plan, state[0]), wide)
        new_state, kept = plan.family.forward(a_x, a_h, b_h, state)
        if mask_t is not None:
            new_state = _where(mask_t, new_state, state)
        h_t = lax.optimization_barrier(new_state[0]).T
        return new_state, (h_t, kept if keep else None)

    return lax.scan(step, state, inputs, reverse=plan.reverse, unroll=plan.scan_unroll)


def _backward_steps(plan: _Plan, weights: Weights, dstate, dinitial, dhs, kept, inputs):
    """The backward pass over a chunk; emits the derivatives of the pre-activations, `[B, ...]`."""
    _, mask, reset = inputs

    def step(sums, inputs):
        dstate, dinitial = sums
        dh_t, kept, mask_t, reset_t = inputs
        dstate = (dstate[0] + dh_t, *dstate[1:])
        da_h, da_n, dstate_tm1 = plan.family.backward(kept, dstate)
        if mask_t is not None:
            none = jax.tree.map(jnp.zeros_like, (da_h, da_n))
            da_h, da_n = _where(mask_t, (da_h, da_n), none)
            dstate_tm1 = _where(mask_t, dstate_tm1, dstate)
        dh_tm1 = dstate_tm1[0] + _dot(weights.w_hh, _cast(plan, da_h), da_h.dtype)
        dstate_tm1 = (dh_tm1, *dstate_tm1[1:])
        if reset_t is not None:
            none = jax.tree.map(jnp.zeros_like, dstate_tm1)
            dinitial = jax.tree.map(jnp.add, dinitial, _where(reset_t, dstate_tm1, none))
            dstate_tm1 = _where(reset_t, none, dstate_tm1)
        return (dstate_tm1, dinitial), jax.tree.map(jnp.transpose, (da_h, da_n))

    return lax.scan(
        step,
        (dstate, dinitial),
        (dhs.swapaxes(1, 2), kept, mask, reset),
        reverse=not plan.reverse,
        unroll=plan.scan_unroll,
    )


def _gather(plan: _Plan, weights: Weights, xs, h_tm1, da):
    """The gradients of weights and inputs from a chunk's derivatives, a matmul each."""
    da_h, da_n = jax.tree.map(lambda a: a.reshape(-1, a.shape[-1]), da)  # [K*B, ...]
    hidden_size, wide = len(weights.w_hh), da_h.dtype
    da_x = da_h if da_n is None else jnp.concatenate([da_h[:, :-hidden_size], da_n], axis=1)
    b_x, b_h = da_x.sum(axis=0), da_h[:, -hidden_size:].sum(axis=0)
    da_x, da_h = _cast(plan, da_x), _cast(plan, da_h)
    with jax.named_scope("project"):
        dw_ih = _dot(_cast(plan, xs.reshape(len(da_x), -1)).T, da_x, wide)
        dxs = _dot(da_x, weights.w_ih.T, wide)
    dw_hh = _dot(_cast(plan, h_tm1.reshape(len(da_h), -1)).T, da_h, wide)
    dweights = Weights(dw_ih, dw_hh, b_x, None if weights.b_h is None else b_h)
    return dweights, dxs.reshape(xs.shape)


def _shifted(plan: _Plan, first: Array, values: Array) -> Array:
    """`values` one place later in the running order, with `first` in the place that is free."""
    if plan.reverse:
        return jnp.concatenate([values[1:], first[None]])
    return jnp.concatenate([first[None], values[:-1]])


def _before(plan: _Plan, h_start: Array, hs: Array, initial_h: Array, reset: Array | None) -> Array:
    """The hidden states that the steps of a chunk start from, `[K, B, H]`."""
    h_tm1 = _shifted(plan, h_start, hs)
    return h_tm1 if reset is None else jnp.where(reset[..., None], initial_h.T, h_tm1)


def _in_chunks(tree: Any, chunk: int) -> Any:
    return jax.tree.map(lambda a: a.reshape(-1, chunk, *a.shape[1:]), tree)


def _where(flag: Array, on_true: Any, on_false: Any) -> Any:
    return jax.tree.map(functools.partial(jnp.where, flag), on_true, on_false)


def _narrow(plan: _Plan, weights: Weights) -> Weights:
    return weights._replace(w_ih=_cast(plan, weights.w_ih), w_hh=_cast(plan, weights.w_hh))


def _cast(plan: _Plan, a: Array) -> Array:
    return a if plan.compute_dtype is None else a.astype(plan.compute_dtype)


def _dot(a: Array, b: Array, dtype: DType) -> Array:
    return jnp.matmul(a, b, preferred_element_type=dtype)
