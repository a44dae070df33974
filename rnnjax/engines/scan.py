"""The reference engine: `lax.scan` over the cell's step, differentiated by JAX."""

import functools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.engines.problem import Engine, Problem, guarded_step, root_chunk
from rnnjax.engines.rows import on_own_rows, row_axes
from rnnjax.typing import Array, Carry

Run = Callable[[Problem, Any], tuple[Carry, Array]]
"""`(problem, inputs) -> (carry, ys)`; the inputs stand in place of `xs`, projected or not."""


def _run(problem: Problem) -> tuple[Carry, Array]:
    inputs = problem.xs
    if problem.key is not None:  # noise must depend neither on the chunks nor on the devices
        with jax.named_scope("project"):
            inputs = problem.cell.project(problem.params, inputs, problem.key)
    if problem.remat != "sqrt":
        return on_rows(problem, inputs, _run_whole)
    chunk = root_chunk(len(problem.xs))
    return on_rows(problem, inputs, functools.partial(in_chunks, _run_whole, chunk))


def on_rows(problem: Problem, inputs: Any, run: Run) -> tuple[Carry, Array]:
    """Runs a problem; each device of the mesh in use runs its own rows."""

    def own(params, carry, initial, inputs, mask, reset):
        part = problem._replace(params=params, carry=carry, initial=initial, mask=mask, reset=reset)
        return run(part, inputs)

    return on_own_rows(
        own, _axes_of_rows(problem, inputs), arguments=(None, 0, 0, 1, 1, 1), results=(0, 1)
    )(problem.params, problem.carry, problem.initial, inputs, problem.mask, problem.reset)


def _axes_of_rows(problem: Problem, inputs: Any) -> tuple[str, ...]:
    """The axes of the mesh in use; none unless every array has B on the expected axis."""
    if problem.xs.ndim != 3:
        return ()
    num_rows = problem.xs.shape[1]
    carries = jax.tree.leaves((problem.carry, problem.initial))
    rows_first = all(a.ndim > 0 and a.shape[0] == num_rows for a in carries)
    rows_second = all(a.ndim > 1 and a.shape[1] == num_rows for a in jax.tree.leaves(inputs))
    return row_axes(num_rows) if rows_first and rows_second else ()


def _run_whole(problem: Problem, inputs: Any) -> tuple[Carry, Array]:
    us = inputs
    if problem.key is None:
        with jax.named_scope("project"):
            us = problem.cell.project(problem.params, inputs)
    step = functools.partial(guarded_step, problem)
    return jax.lax.scan(
        jax.checkpoint(step, prevent_cse=False) if problem.remat == "gates" else step,
        problem.carry,
        (us, problem.mask, problem.reset),
        reverse=problem.reverse,
        unroll=problem.scan_unroll,
    )


def in_chunks(run: Run, size: int, problem: Problem, inputs: Any) -> tuple[Carry, Array]:
    """Saves the carry at the borders of chunks only; the backward pass recomputes the rest.

    The inputs are projected inside of their chunk, unless noise is drawn.

    `run` runs a chunk of `size` steps.

    References:
        Chen et al. 2016, "Training deep nets with sublinear memory cost", section 4.
    """
    num_steps = problem.xs.shape[0]
    padding = -num_steps % size

    def chunks(a: Array) -> Array:
        widths = [(0, padding), *[(0, 0)] * (a.ndim - 1)]
        return jnp.pad(a, widths).reshape(-1, size, *a.shape[1:])

    mask = problem.mask
    if mask is None and padding:
        batch_shape = jax.tree.leaves(inputs)[0].shape[1 : problem.xs.ndim - 1]
        mask = jnp.ones((num_steps, *batch_shape), bool)

    @functools.partial(jax.checkpoint, prevent_cse=False)
    def run_chunk(carry, chunk):
        inputs, mask, reset = chunk
        return run(problem._replace(carry=carry, mask=mask, reset=reset), inputs)

    parts = jax.tree.map(chunks, (inputs, mask, problem.reset))
    carry, ys = jax.lax.scan(run_chunk, problem.carry, parts, reverse=problem.reverse)
    return carry, ys.reshape(-1, *ys.shape[2:])[:num_steps]


SCAN = Engine(name="scan", serves=lambda problem: None, run=_run)
