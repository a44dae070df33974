"""The engine for cells that are linear in their carry: it computes many time steps in parallel."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.cells.linear import LinearSpec
from rnnjax.engines.linear_scan import linear_scan
from rnnjax.engines.problem import SYMBOLIC, Engine, Problem, root_chunk, select
from rnnjax.engines.scan import in_chunks
from rnnjax.engines.target import platform
from rnnjax.typing import Array, Carry

SHORT = 64
"""With fewer steps than this, the scan is as fast."""
WIDE = 2**10
"""With this many numbers in a carry, a CPU spends its time on the steps, not on the loop."""
BLOCK = 2**16
"""Numbers in the states of a block, over all its steps: few enough for a CPU's cache."""


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
        return f"does not pay for {num_steps} steps (it does from {SHORT} on)"
    width = _width(problem)
    if platform() == "cpu" and width >= WIDE:
        return f"does not pay for a carry of {width:,} numbers on a CPU (it does below {WIDE:,})"
    return None


def _width(problem: Problem) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(problem.carry))


def _run(problem: Problem) -> tuple[Carry, Array]:
    inputs, num_steps = problem.xs, len(problem.xs)
    if problem.key is not None:  # the noise must not depend on the blocks
        inputs = problem.cell.project(problem.params, problem.xs, problem.key)
    num_blocks = 1
    if platform() == "cpu":
        num_blocks = math.ceil(num_steps / max(SHORT, BLOCK // max(1, _width(problem))))
    if num_blocks == 1 and problem.remat == "none":
        return _run_block(problem, inputs)
    return in_chunks(_run_block, math.ceil(num_steps / num_blocks), problem, inputs)


def _run_block(problem: Problem, inputs: Any) -> tuple[Carry, Array]:
    spec, params, carry = problem.cell.spec, problem.params, problem.carry
    shape = jax.tree.leaves(inputs)[0].shape[: problem.xs.ndim - 1]
    size = root_chunk(shape[0])
    padding = -shape[0] % size

    def parted(leaf: Array) -> Array:
        leaf = jnp.flip(leaf, 0) if problem.reverse else leaf
        leaf = jnp.pad(leaf, [(0, padding), *[(0, 0)] * (leaf.ndim - 1)])
        return leaf.reshape(-1, size, *leaf.shape[1:]).swapaxes(0, 1)

    mask = problem.mask
    if mask is None and padding:
        mask = jnp.ones(shape, bool)
    us, mask, reset = jax.tree.map(parted, (inputs, mask, problem.reset))
    if problem.key is None:
        with jax.named_scope("project"):
            us = problem.cell.project(params, us)
    a, b = spec.coefficients(params, us)
    h_0 = spec.state(carry)
    dtype = jnp.result_type(a, b, h_0)
    a, b, h_0 = jnp.broadcast_to(a, b.shape).astype(dtype), b.astype(dtype), h_0.astype(dtype)
    if mask is not None:
        a, b = select(mask, (a, b), (jnp.ones_like(a), jnp.zeros_like(b)))
    if reset is not None:
        b = select(reset, b + a * spec.state(problem.initial), b)
        a = select(reset, jnp.zeros_like(a), a)
    h = linear_scan(a, b, h_0)
    ys = spec.output(params, h, us)
    if mask is not None:
        ys = select(mask, ys, jnp.zeros_like(ys))
    ys = ys.swapaxes(0, 1).reshape(-1, *ys.shape[2:])[: shape[0]]
    ys = jnp.flip(ys, 0) if problem.reverse else ys
    return spec.carry_like(h[-1, -1], carry), ys


ASSOCIATIVE = Engine(name="associative", serves=_serves, run=_run, pays=_pays)
