"""Cells that are linear in their carry, many time steps side by side."""

import functools
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.cells.linear import LinearSpec
from rnnjax.engines.linear_scan import linear_scan
from rnnjax.engines.problem import SYMBOLIC, Engine, Problem, root_chunk, select
from rnnjax.engines.target import platform
from rnnjax.typing import Array, Carry

SHORT = 64
"""Steps below which the scan's own steps are few enough."""
WIDE = 2**16
"""Numbers in a carry from which a CPU's scan spends its time in the steps, not between them."""


def _serves(problem: Problem) -> str | None:
    if not isinstance(problem.cell.spec, LinearSpec):
        return "the cell is not linear in its carry"
    if problem.is_symbolic:
        return SYMBOLIC
    if problem.remat == "sqrt":
        return 'it keeps the state of every step, which remat="sqrt" does not'
    return None


def _pays(problem: Problem) -> str | None:
    num_steps = len(problem.xs)
    if num_steps < SHORT:
        return f"does not pay for {num_steps} steps, from {SHORT} on"
    width = sum(leaf.size for leaf in jax.tree.leaves(problem.carry))
    if platform() == "cpu" and width >= WIDE:
        return f"does not pay for a carry of {width:,} numbers on a CPU, below {WIDE:,}"
    return None


def _run(problem: Problem) -> tuple[Carry, Array]:
    noisy = None
    if problem.key is not None:  # what is drawn does not depend on the chunks
        noisy = problem.cell.project(problem.params, problem.xs, problem.key)
    run = functools.partial(_run_in_chunks, problem)
    remembered = jax.checkpoint(run) if problem.remat == "gates" else run
    return remembered(problem.params, problem.xs, problem.carry, problem.initial, noisy)


def _run_in_chunks(
    problem: Problem, params: Any, xs: Array, carry: Carry, initial: Carry, noisy: Any
) -> tuple[Carry, Array]:
    spec, num_steps = problem.cell.spec, len(xs)
    size = root_chunk(num_steps)
    padding = -num_steps % size

    def in_chunks(leaf: Array) -> Array:
        leaf = jnp.flip(leaf, 0) if problem.reverse else leaf
        leaf = jnp.pad(leaf, [(0, padding), *[(0, 0)] * (leaf.ndim - 1)])
        return leaf.reshape(-1, size, *leaf.shape[1:]).swapaxes(0, 1)

    mask = problem.mask
    if mask is None and padding:
        mask = jnp.ones(xs.shape[:-1], bool)
    mask, reset = jax.tree.map(in_chunks, (mask, problem.reset))
    if noisy is None:
        with jax.named_scope("project"):
            us = problem.cell.project(params, in_chunks(xs))
    else:
        us = jax.tree.map(in_chunks, noisy)
    a, b = spec.coefficients(params, us)
    h_0 = spec.state(carry)
    dtype = jnp.result_type(a, b, h_0)
    a, b, h_0 = jnp.broadcast_to(a, b.shape).astype(dtype), b.astype(dtype), h_0.astype(dtype)
    if mask is not None:
        a, b = select(mask, (a, b), (jnp.ones_like(a), jnp.zeros_like(b)))
    if reset is not None:
        b = select(reset, b + a * spec.state(initial), b)
        a = select(reset, jnp.zeros_like(a), a)
    h = linear_scan(a, b, h_0)
    ys = spec.output(params, h, us)
    if mask is not None:
        ys = select(mask, ys, jnp.zeros_like(ys))
    ys = ys.swapaxes(0, 1).reshape(-1, *ys.shape[2:])[:num_steps]
    ys = jnp.flip(ys, 0) if problem.reverse else ys
    return spec.carry_like(h[-1, -1], carry), ys


ASSOCIATIVE = Engine(name="associative", serves=_serves, run=_run, pays=_pays)
