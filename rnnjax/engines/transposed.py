"""The layout of the fused engines for CPUs.

The weights are the left operand of every matmul, and state and gates are `[H, B]`: a CPU's matmul
kernels are fastest this way. Elementwise operations see them as `[H*B]`, because XLA vectorises
loops over long rows for any B. `transposed_steps` has the loops over time, `transposed_inputs` the
matmuls of a step, `transposed_weights` the gradients of the weights, by a few large matmuls.

The backward pass processes the sequence in chunks. For each chunk it loops over the steps and then
does the large matmuls, while the data are still in the caches. To save memory, it can keep only the
states at the borders of the chunks and run each chunk forward again.
"""

import functools

import jax
import jax.numpy as jnp
from jax import lax

from rnnjax.engines import batch_major
from rnnjax.engines.fused_plan import (
    Inputs,
    Plan,
    State,
    Weights,
    cut,
    in_chunks,
    joined,
    operands,
    states_before,
)
from rnnjax.engines.problem import Remat, root_chunk
from rnnjax.engines.transposed_inputs import preactivations
from rnnjax.engines.transposed_steps import (
    backward_steps,
    forward_steps,
    no_derivatives,
    recurrent_parts,
)
from rnnjax.engines.transposed_weights import as_weights, before, gradients, no_gradients
from rnnjax.typing import Array

# Rows in a chunk (its steps times B).
_CHUNK_ROWS = 1024
# Without remat, a chunk has at least so many rows for each row of the weights (D + H): large
# gradients should be added up less often.
_CHUNK_OF_WEIGHTS = 2
# With float32 operands, the layout pays for cells of at least so many gates: an Elman cell has too
# little elementwise work to gain from it.
GATES = 2
# For H or B*H below these, and for cells with fewer gates than GATES, a forward pass without a
# gradient is faster in the layout `batch_major`.
_UNITS, _NUMBERS = 128, 4096


def chunk_size(num_steps: int, batch_size: int, weight_rows: int, remat: Remat) -> int:
    """The steps in a chunk: a divisor of T, so that nothing is padded, if one has about that size.

    `batch_size` is B of one device, `weight_rows` is D + H.
    """
    num_rows = _CHUNK_ROWS
    if remat == "none":
        num_rows = max(num_rows, _CHUNK_OF_WEIGHTS * weight_rows)
    wanted = max(1, num_rows // batch_size)
    if remat == "sqrt":
        wanted = root_chunk(num_steps)
    if num_steps <= wanted or (remat == "none" and num_steps < 2 * wanted):
        return num_steps
    divisors = (n for n in range(wanted, wanted // 2, -1) if num_steps % n == 0)
    return next(divisors, -(-num_steps // -(-num_steps // wanted)))


def unroll(
    plan: Plan, weights: Weights, carry: State, initial: State, inputs: Inputs
) -> tuple[State, Array]:
    """Returns the last state and the hidden states `[T, B, H]`, held where the mask is False."""
    state, hs = _unroll(plan, weights, _turned(carry), _turned(initial), inputs)
    return _turned(state), hs


def _turned(state: State) -> State:
    return tuple(a.T for a in state)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _unroll(plan: Plan, weights, carry, initial, inputs: Inputs):
    """`unroll` with the states `[H, B]`."""
    hidden_size, batch_size = carry[0].shape
    is_small = hidden_size < _UNITS or batch_size * hidden_size < _NUMBERS
    if is_small or weights.num_gates < GATES:
        return _in_batch_major(plan, weights, carry, initial, inputs)
    matmuls = preactivations(plan, operands(plan, weights), inputs.xs.shape[1:])
    state, (hs, _) = forward_steps(plan, matmuls, initial, carry, inputs, keep=False)
    return state, hs


def _in_batch_major(plan: Plan, weights, carry, initial, inputs: Inputs):
    plan = plan._replace(chunk=len(inputs.xs), remat="none")
    state, hs = batch_major.unroll(plan, weights, _turned(carry), _turned(initial), inputs)
    return _turned(state), hs


def _unroll_forward(plan: Plan, weights, carry, initial, inputs: Inputs):
    arguments = weights, carry, initial, inputs
    matmuls = preactivations(plan, operands(plan, weights), inputs.xs.shape[1:])
    if plan.recomputes:

        def run_chunk(state, chunk_inputs):
            end, (hs, _) = forward_steps(plan, matmuls, initial, state, chunk_inputs, keep=False)
            return end, (hs, state)

        chunks = in_chunks(plan, inputs)
        state, (hs, borders) = lax.scan(run_chunk, carry, chunks, reverse=plan.reverse)
        return (state, joined(hs)), (arguments, (None, borders))
    state, (hs, kept) = forward_steps(plan, matmuls, initial, carry, inputs, keep=True)
    return (state, hs), (arguments, ((hs, kept), None))


def _unroll_backward(plan: Plan, residuals, cotangents):
    arguments, saved = residuals
    return _pull_back(plan, arguments, lax.stop_gradient(saved), cotangents)


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _pull_back(plan: Plan, arguments, saved, cotangents):
    (weights, carry, initial, inputs), (kept, borders) = arguments, saved
    dstate, dhs = cotangents
    num_steps, batch_size, _ = dhs.shape
    # The derivatives of a chunk's inputs overwrite those of its outputs.
    in_place = dhs.shape == inputs.xs.shape
    shape = dstate[0].shape
    dstate = tuple(a.reshape(-1) for a in dstate)
    dinitial = None if inputs.reset is None else jax.tree.map(jnp.zeros_like, dstate)
    of_matmuls = operands(plan, weights)
    if plan.recomputes:
        matmuls = preactivations(plan, of_matmuls, inputs.xs.shape[1:])
    w_hh = recurrent_parts(plan, of_matmuls)

    def run_chunk(carried, border):
        t, dstates, dweights, derivatives, place = carried
        start = t if plan.reverse else t - (plan.chunk - 1)

        def part(a: Array) -> Array:
            return cut(a, start, plan.chunk)

        xs, mask, reset = of_chunk = jax.tree.map(part, inputs)
        if plan.recomputes:
            _, (hs, gates) = forward_steps(plan, matmuls, initial, border, of_chunk, keep=True)
            h_tm1 = states_before(plan, border[0].T, hs)
        else:
            all_hs, gates = kept
            hs, h_tm1 = part(all_hs), before(plan, carry[0].T, all_hs, start)
        if reset is not None:
            h_tm1 = jnp.where(reset[..., None], initial[0].T, h_tm1)
        t, dstates, derivatives = backward_steps(
            plan,
            weights,
            w_hh,
            (t, start, num_steps),
            dstates,
            part(place if in_place else dhs),
            hs,
            gates,
            (mask, reset),
            derivatives,
        )
        new, dxs = gradients(plan, of_matmuls, xs, h_tm1, derivatives)
        place = lax.dynamic_update_slice_in_dim(place, dxs, start, 0, allow_negative_indices=False)
        return (t, dstates, jax.tree.map(jnp.add, dweights, new), derivatives, place), None

    (_, (dcarry, dinitial), dweights, _, dxs), _ = lax.scan(
        run_chunk,
        (
            0 if plan.reverse else num_steps - 1,
            (dstate, dinitial),
            no_gradients(weights),
            no_derivatives(plan, weights, batch_size),
            dhs if in_place else jnp.zeros_like(inputs.xs),
        ),
        borders,
        num_steps // plan.chunk,
        reverse=not plan.reverse,
    )
    dcarry, dinitial = jax.tree.map(lambda a: a.reshape(shape), (dcarry, dinitial))
    return as_weights(weights, dweights), dcarry, dinitial, Inputs(dxs, None, None)


def _pull_back_forward(plan: Plan, arguments, saved, cotangents):
    return _pull_back(plan, arguments, saved, cotangents), (arguments, cotangents)


def _pull_back_backward(plan: Plan, residuals, ddarguments):
    """The gradient of a gradient; what is saved as integers has none, so nothing saved is used."""

    def pull_back(arguments, cotangents):
        _, of_arguments = jax.vjp(functools.partial(_in_batch_major, plan), *arguments)
        dweights, dcarry, dinitial, dinputs = of_arguments(cotangents)
        dinitial = None if arguments[-1].reset is None else dinitial
        return dweights, dcarry, dinitial, Inputs(dinputs.xs, None, None)

    _, of_both = jax.vjp(pull_back, *residuals)
    darguments, dcotangents = of_both(ddarguments)
    return darguments, None, dcotangents


_pull_back.defvjp(_pull_back_forward, _pull_back_backward)
_unroll.defvjp(_unroll_forward, _unroll_backward)
