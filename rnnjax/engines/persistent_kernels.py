"""All steps of a layer in one GPU kernel, which keeps the recurrent weights on the chip.

A loop that XLA compiles launches one or more kernels in each step, and each reads the weights
again. In a small layer that takes longer than the arithmetic. Here each program of a kernel runs 16
rows of the batch through all steps. It loads the weights once (of as many gates as fit) and keeps
the state in registers. In each step it reads and writes only the data of its rows and that step.

The kernels are written in Pallas for Triton, whose removal JAX 0.11 announces. Without a GPU they
run in the interpreter of Pallas, which computes the same but is slow: it is for tests.

References:
    Diamos et al. 2016, "Persistent RNNs: stashing recurrent weights on-chip"; Poeppel et al. 2024,
    "FlashRNN: I/O-aware optimization of traditional RNNs on modern hardware" (arXiv:2412.07752).
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax import lax

from rnnjax.engines.fused_plan import Plan, Rows, State, Weights, backward_step, dot, narrow, sums
from rnnjax.engines.problem import select
from rnnjax.engines.target import platform
from rnnjax.typing import Array

_ROWS = 16
"""Rows of a program: the fewest that a tensor core multiplies."""
ON_CHIP = 200 * 1024
"""Bytes of recurrent weights that fit on the chip. A thread block of an H100 or H200 has 227 KiB of
shared memory, and the operands of a step need some of it."""


def refusal(hidden_size: int, num_gates: int, dtype: Any) -> str | None:
    """Why the kernels cannot run a layer with matmul operands of that dtype, or None.

    H must be a power of two of at least 16, as Triton multiplies no others.
    """
    if platform() == "tpu":
        return "its kernels are for GPUs (and for the interpreter of Pallas on a CPU)"
    if hidden_size < 16 or hidden_size & (hidden_size - 1):
        return f"its blocks have powers of two from 16 on; H is {hidden_size}"
    if not _gates_on_chip(num_gates, hidden_size, dtype):
        size = hidden_size**2 * jnp.dtype(dtype).itemsize // 1024
        needed = "one" if num_gates == 1 else "two"
        return (
            f"the recurrent weights of a gate have {size} KiB, and {ON_CHIP // 1024} KiB of the "
            f"chip must hold {needed}"
        )
    if platform() == "gpu" and jnp.dtype(dtype).itemsize > 4:
        return f"a tensor core of a GPU takes operands of 32 bits at most; these are {dtype}"
    return None


def forward_steps(
    plan: Plan,
    weights: Weights,
    initial: State,
    state: State,
    inputs: tuple[Array, Array | None, Array | None],
    keep: str,
) -> tuple[State, tuple[State, Rows | None]]:
    """Runs all steps from projected inputs, see `batch_major`.

    Args:
        plan, weights: of the recurrence, the weights as operands.
        initial, state: what a reset restores, and what is before the first step, each `[B, H]`.
        inputs: `a_x [T, B, G*H]`, and mask and reset, each `[T, B]` or None.
        keep: "outputs" for h alone, "states" for the whole state, "gates" for h and the gates.

    Returns:
        The last state; for each step the states `[T, B, H]`, and the gates `[T, B, K*H]` or None.
    """
    a_x, mask, reset = inputs
    num_gates, size, wide = weights.num_gates, len(weights.w_hh), weights.b_x.dtype
    num_states = len(state) if keep == "states" else 1
    num_kept = len(_kept(plan, weights, state)) if keep == "gates" else 0

    def kernel(every_step, every_row, whole, written, last):
        w_hh, b_h = _weights(whole[0], num_gates, size), whole[1]
        b_h = None if b_h is None else b_h[...][None]
        start, initial = jax.tree.map(lambda ref: ref[...], every_row)

        def run(t, state: State) -> State:
            a_x, mask, reset = every_step
            if reset is not None:
                state = select(reset[t] != 0, initial, state)
            of_x = tuple(a_x[t, :, _columns(g, size)] for g in range(num_gates))
            of_h = tuple(dot(narrow(plan, state[0]), w_hh(g), wide) for g in range(num_gates))
            new, gates = plan.family.forward(*sums(of_x, of_h, b_h), state)
            if mask is not None:
                new = select(mask[t] != 0, new, state)
            states, kept = written
            for ref, value in zip(states, new, strict=False):
                ref[t] = value
            for k in range(num_kept):
                kept[0][t, :, _columns(k, size)] = narrow(plan, gates[k])
            return new

        end = _over_time(run, len(a_x), start, reverse=plan.reverse)
        for ref, value in zip(last, end, strict=True):
            ref[...] = value

    of_step = _like(a_x, size, wide)
    gates = (_like(a_x, num_kept * size, narrow(plan, state[0]).dtype),) if num_kept else ()
    (states, kept), end = _call(
        kernel,
        every_step=(a_x, _as_numbers(mask), _as_numbers(reset)),
        every_row=(state, initial),
        whole=(weights.w_hh, weights.b_h),
        outputs=((of_step,) * num_states, gates),
        last=state,
    )
    return end, (states, kept if keep == "gates" else None)


def backward_steps(
    plan: Plan,
    weights: Weights,
    dstates: tuple[State, State | None],
    inputs: tuple[Array, Array, Rows, Array | None, Array | None],
) -> tuple[tuple[State, State | None], tuple[Array, Array | None]]:
    """The derivatives of the states before these steps; those of `a_h` and `a_x` of each step.

    Args:
        plan, weights: of the recurrence, the weights as operands.
        dstates: the derivatives of the last state, and of the state that a reset restores, or None.
        inputs: for each step the derivative of h, h, the gates, the mask and the reset.
    """
    dhs, hs, gates, mask, reset = inputs
    num_gates, size, wide = weights.num_gates, len(weights.w_hh), weights.b_x.dtype
    num_derivatives = len(_derivatives(plan, weights, dstates[0]))

    def kernel(every_step, every_row, whole, written, first):
        w_hh = _weights(whole, num_gates, size)

        def run(t, dstates):
            dhs, hs, gates, mask, reset = every_step

            def through(rows: Rows):
                da = [narrow(plan, row) for row in rows]
                for k, column in enumerate(da):
                    written[k // num_gates][t, :, _columns(k % num_gates, size)] = column
                return sum(dot(da[g], w_hh(g).T, wide) for g in range(num_gates)), None

            kept = tuple(
                ref[t, :, _columns(k, size)].astype(wide)
                for ref in gates
                for k in range(ref.shape[-1] // size)
            )
            mask_t = None if mask is None else mask[t] != 0
            reset_t = None if reset is None else reset[t] != 0
            of_output, flags = (dhs[t], hs[t]), (mask_t, reset_t)
            return backward_step(plan, dstates, of_output, kept, flags, through)[0]

        start = jax.tree.map(lambda ref: ref[...], every_row)
        end = _over_time(run, len(dhs), start, reverse=not plan.reverse)
        for ref, value in zip(jax.tree.leaves(first), jax.tree.leaves(end), strict=True):
            ref[...] = value

    operand = narrow(plan, hs[:0]).dtype
    own_of_x = num_derivatives - num_gates
    outputs = tuple(_like(hs, n * size, operand) for n in (num_gates, own_of_x) if n)
    (da_h, *of_last), dstates = _call(
        kernel,
        every_step=(dhs, hs, gates, _as_numbers(mask), _as_numbers(reset)),
        every_row=dstates,
        whole=weights.w_hh,
        outputs=outputs,
        last=dstates,
    )
    da_x = jnp.concatenate([da_h[..., :-size], *of_last], axis=-1) if of_last else None
    return dstates, (da_h, da_x)


def _call(
    kernel: Callable[..., None],
    *,
    every_step: Any,
    every_row: Any,
    whole: Any,
    outputs: Any,
    last: Any,
) -> tuple[Any, Any]:
    """Runs a kernel, with one program for every 16 rows.

    Args:
        kernel: takes the references of the five trees.
        every_step: arrays `[T, B, ...]`.
        every_row: arrays `[B, ...]`.
        whole: arrays that each program reads whole.
        outputs: shapes `[T, B, ...]` of the arrays that the kernel writes in each step.
        last: arrays `[B, ...]` in the shapes of those that it writes at the end.
    """
    # Imported here because few runs need Pallas, and importing it takes a third of a second.
    from jax.experimental import pallas as pl

    how: dict[str, Any] = {"interpret": True}
    if platform() == "gpu":
        from jax.experimental.pallas import triton

        how = {"compiler_params": triton.CompilerParams(num_warps=8, num_stages=1)}
    num_rows = jax.tree.leaves(last)[0].shape[0]
    missing = -num_rows % _ROWS

    def padded(tree: Any, axis: int) -> Any:
        def pad(a: Array) -> Array:
            return jnp.pad(a, [(0, missing if i == axis else 0) for i in range(a.ndim)])

        return jax.tree.map(pad, tree) if missing else tree

    def of_own_rows(axis: int | None, tree: Any) -> Any:
        def spec(a: Any) -> pl.BlockSpec:
            block = tuple(_ROWS if i == axis else size for i, size in enumerate(a.shape))
            return pl.BlockSpec(
                block, lambda i: tuple(i if j == axis else 0 for j in range(a.ndim))
            )

        return jax.tree.map(spec, tree)

    arguments = (padded(every_step, 1), padded(every_row, 0), whole)
    results = jax.eval_shape(lambda *trees: tuple(map(padded, trees, (1, 0))), outputs, last)
    of_steps, of_rows = pl.pallas_call(
        kernel,
        out_shape=results,
        grid=((num_rows + missing) // _ROWS,),
        in_specs=tuple(map(of_own_rows, (1, 0, None), arguments)),
        out_specs=tuple(map(of_own_rows, (1, 0), results)),
        name="persistent",
        **how,
    )(*arguments)
    return (
        jax.tree.map(lambda a: a[:, :num_rows], of_steps),
        jax.tree.map(lambda a: a[:num_rows], of_rows),
    )


def _over_time(run: Callable[..., Any], num_steps: int, start: Any, *, reverse: bool) -> Any:
    """Runs the steps in order, or from the last one on."""

    def body(i, state):
        return run(num_steps - 1 - i if reverse else i, state)

    return lax.fori_loop(0, num_steps, body, start)


def _weights(ref: Any, num_gates: int, size: int) -> Callable[[int], Array]:
    """Loads the recurrent weights that fit, and reads those of the other gates in each step.

    Returns:
        A function from a gate to its weights, `[H, H]`.
    """
    fitting = _gates_on_chip(num_gates, size, ref.dtype)
    kept = [ref[:, _columns(g, size)] for g in range(fitting)]
    return lambda g: kept[g] if g < fitting else ref[:, _columns(g, size)]


def _gates_on_chip(num_gates: int, size: int, dtype: Any) -> int:
    """The number of gates whose weights stay on the chip.

    If not all fit, one place less is used for them: the other gates are read into it.
    """
    fitting = ON_CHIP // (size**2 * jnp.dtype(dtype).itemsize)
    return num_gates if fitting >= num_gates else max(0, fitting - 1)


def _columns(index: int, size: int) -> slice:
    """The columns of one gate among several."""
    return slice(index * size, (index + 1) * size)


def _like(a: Array, columns: int, dtype: Any) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct((*a.shape[:-1], columns), dtype)


def _as_numbers(flags: Array | None) -> Array | None:
    return None if flags is None else flags.astype(jnp.int32)


def _kept(plan: Plan, weights: Weights, state: State) -> Rows:
    """The shapes of the arrays that the family saves in a step."""
    rows = (state[0],) * weights.num_gates
    last = None if weights.b_h is None else state[0]
    return jax.eval_shape(plan.family.forward, rows, last, state)[1]


def _derivatives(plan: Plan, weights: Weights, dstate: State) -> Rows:
    """The shapes of the derivatives of a step."""

    def backward(kept: Rows, dstate: State) -> Rows:
        return plan.family.backward(plan.family.prepare(kept, dstate[0], dstate))[0]

    return jax.eval_shape(backward, _kept(plan, weights, dstate), dstate)
