"""The engine for cells that are linear in their carry: it computes many time steps in parallel."""

import math
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.cells.linear import LinearSpec
from rnnjax.engines.problem import SYMBOLIC, Engine, Problem, root_chunk, select
from rnnjax.engines.rows import varying_alike
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
    h = _linear_scan(a, b, h_0)
    ys = spec.output(params, h, us)
    if mask is not None:
        ys = select(mask, ys, jnp.zeros_like(ys))
    ys = ys.swapaxes(0, 1).reshape(-1, *ys.shape[2:])[: shape[0]]
    ys = jnp.flip(ys, 0) if problem.reverse else ys
    return spec.carry_like(h[-1, -1], carry), ys


@jax.custom_vjp
def _linear_scan(a: Array, b: Array, h_0: Array) -> Array:
    """The states of ``h_t = a_t * h_tm1 + b_t`` for all t.

    Time is divided into M chunks of C steps, and step t = m C + c lies at [c, m]. All chunks run in
    parallel, twice. The first time gives the map of each chunk, from the state before it to the
    state after it. A scan over these M maps gives the state before each chunk, from which the
    chunks run again. The gradient is the same recurrence in reverse ::

        d_t = g_t + a_{t+1} d_{t+1},    gradient of b: d_t,    of a: d_t h_tm1,    of h_0: a_1 d_1

    with g the gradient of h, so that only a and h are saved for it.

    Args:
        a: `[C, M, ...]`, real or complex.
        b: `[C, M, ...]`.
        h_0: `[...]`, the state before the first step, of the dtype of a and b.

    Returns:
        h, `[C, M, ...]`.

    References:
        Martin & Cundy 2018, "Parallelizing linear recurrent neural nets over sequence length";
        Blelloch 1990, "Prefix sums and their applications", section 1.4.
    """
    return _solve(a, b, h_0)


def _solve(a: Array, b: Array, h_0: Array, *, reverse: bool = False) -> Array:
    def compose(maps, step):
        (gain, offset), (a_t, b_t) = maps, step
        return (a_t * gain, a_t * offset + b_t), None

    def through(h, step):
        a_t, b_t = step
        return a_t * h + b_t, h

    def over(h, step):
        h, _ = through(h, step)
        return h, h

    first, rest = (-1, slice(None, -1)) if reverse else (0, slice(1, None))
    maps, _ = jax.lax.scan(compose, (a[first], b[first]), (a[rest], b[rest]), reverse=reverse)
    _, h_before = jax.lax.scan(through, h_0, maps, reverse=reverse)
    _, h = jax.lax.scan(over, h_before, (a, b), reverse=reverse)
    return h


def _linear_forward(a: Array, b: Array, h_0: Array) -> tuple[Array, tuple[Array, Array, Array]]:
    h = _solve(a, b, h_0)
    return h, (a, h, h_0)


def _linear_backward(kept: tuple[Array, Array, Array], g: Array) -> tuple[Array, Array, Array]:
    a, h, h_0 = kept
    of_next_chunk = jnp.concatenate([a[0, 1:], jnp.zeros_like(a[0, :1])])
    a_next = jnp.concatenate([a[1:], of_next_chunk[None]])
    of_chunk_before = jnp.concatenate([h_0[None], h[-1, :-1]])
    h_before = jnp.concatenate([of_chunk_before[None], h[:-1]])
    d = _solve(*varying_alike((a_next, g, jnp.zeros_like(h_0))), reverse=True)
    return d * h_before, d, a[0, 0] * d[0, 0]


_linear_scan.defvjp(_linear_forward, _linear_backward)


ASSOCIATIVE = Engine(name="associative", serves=_serves, run=_run, pays=_pays)
