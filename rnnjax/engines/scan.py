"""The reference engine: `lax.scan` over the cell's step, differentiated by JAX."""

import functools
import math

import jax
import jax.numpy as jnp

from rnnjax.engines.problem import Engine, Problem, guarded_step
from rnnjax.typing import Array, Carry


def _run(problem: Problem) -> tuple[Carry, Array]:
    if problem.remat == "sqrt":
        return _run_in_chunks(problem)
    us = problem.cell.project(problem.params, problem.xs, problem.key)
    step = functools.partial(guarded_step, problem)
    return jax.lax.scan(
        jax.checkpoint(step, prevent_cse=False) if problem.remat == "gates" else step,
        problem.carry,
        (us, problem.mask, problem.reset),
        reverse=problem.reverse,
        unroll=problem.scan_unroll,
    )


def _run_in_chunks(problem: Problem) -> tuple[Carry, Array]:
    """Keeps the carry at the borders of sqrt(T) chunks; the backward pass recomputes the rest.

    Chen et al. 2016, "Training deep nets with sublinear memory cost", section 4. The inputs are
    projected inside their chunk, unless noise is drawn, which must not depend on the chunks.
    """
    num_steps = problem.xs.shape[0]
    chunk = math.isqrt(num_steps - 1) + 1
    padding = -num_steps % chunk

    def in_chunks(a: Array) -> Array:
        widths = [(0, padding), *[(0, 0)] * (a.ndim - 1)]
        return jnp.pad(a, widths).reshape(-1, chunk, *a.shape[1:])

    mask = problem.mask
    if mask is None and padding:
        mask = jnp.ones(problem.xs.shape[:-1], bool)
    project_now = problem.key is not None
    inputs = problem.xs
    if project_now:
        inputs = problem.cell.project(problem.params, inputs, problem.key)

    @functools.partial(jax.checkpoint, prevent_cse=False)
    def run_chunk(carry, chunk_inputs):
        us, mask, reset = chunk_inputs
        if not project_now:
            us = problem.cell.project(problem.params, us)
        step = functools.partial(guarded_step, problem)
        return jax.lax.scan(
            step, carry, (us, mask, reset), reverse=problem.reverse, unroll=problem.scan_unroll
        )

    chunks = jax.tree.map(in_chunks, (inputs, mask, problem.reset))
    carry, ys = jax.lax.scan(run_chunk, problem.carry, chunks, reverse=problem.reverse)
    return carry, ys.reshape(-1, *ys.shape[2:])[:num_steps]


SCAN = Engine(name="scan", serves=lambda problem: None, run=_run)
