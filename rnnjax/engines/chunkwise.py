"""The engine for cells whose memory is a sum of values times keys, such as `mlstm` and `mamba2`.

A chunk of steps is a few matmuls: within it, each step reads what the steps before it wrote, as
attention does. The memory itself is computed at the ends of chunks only. The backward pass reads
these memories and recomputes the rest.

References:
    Yang et al. 2024, "Gated linear attention transformers with hardware-efficient training"
    (arXiv:2312.06635), section 4. With the stabiliser of the mLSTM: Beck et al. 2025, "Tiled flash
    linear attention" (arXiv:2503.14376). With erasure: Yang et al. 2024, "Parallelizing linear
    transformers with the delta rule over sequence length" (arXiv:2406.06484), section 3.
"""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import wide
from rnnjax.cells.memory import Entry, MemorySpec
from rnnjax.engines.problem import SYMBOLIC, Engine, Problem, as_before, root_chunk, select
from rnnjax.engines.scan import in_chunks, on_rows
from rnnjax.engines.target import platform
from rnnjax.typing import Array, Carry

CHUNK = 16
"""The most steps in a chunk."""


def _serves(problem: Problem) -> str | None:
    if not isinstance(problem.cell.spec, MemorySpec):
        return "the cell has no memory of values times keys"
    return SYMBOLIC if problem.is_symbolic else None


def _pays(problem: Problem) -> str | None:
    return None if platform() == "cpu" else "was measured on CPUs alone"


def _run(problem: Problem) -> tuple[Carry, Array]:
    inputs, num_steps = problem.xs, len(problem.xs)
    if problem.key is not None:  # the noise must not depend on the chunks
        with jax.named_scope("project"):
            inputs = problem.cell.project(problem.params, inputs, problem.key)
    size = max(CHUNK, root_chunk(num_steps)) if problem.remat == "sqrt" else CHUNK
    size = math.ceil(num_steps / math.ceil(num_steps / size))
    return on_rows(problem, inputs, functools.partial(in_chunks, _through_chunk, size))


def _through_chunk(problem: Problem, us: Any) -> tuple[Carry, Array]:
    """All steps of a problem at once."""
    spec, params, carry, initial = problem.cell.spec, problem.params, problem.carry, problem.initial
    if problem.key is None:
        with jax.named_scope("project"):
            us = problem.cell.project(params, us)
    us, mask, reset = _flipped(problem.reverse, (us, problem.mask, problem.reset))
    if spec.lead is not None:
        lead = functools.partial(_lead, spec.lead, params, initial.owed)
        owed, us = jax.lax.scan(lead, carry.owed, (us, mask, reset))
        carry = carry._replace(owed=owed)
    entry = spec.entry(params, us)
    new_carry, found, m = _memories(entry, carry, initial, mask, reset)
    ys = spec.output(params, found, m, us)
    if mask is not None:
        ys = select(mask, ys, jnp.zeros_like(ys))
    new_carry = as_before(new_carry, carry)
    return new_carry, _flipped(problem.reverse, ys)


def _lead(lead, params, initial, owed, inputs):
    u_t, mask_t, reset_t = inputs
    if reset_t is not None:
        owed = select(reset_t, initial, owed)
    new_owed, u_t = lead(params, owed, u_t)
    new_owed = as_before(new_owed, owed)
    return new_owed if mask_t is None else select(mask_t, new_owed, owed), u_t


def _memories(
    entry: Entry, carry: Any, initial: Any, mask: Array | None, reset: Array | None
) -> tuple[Any, Array, Array | None]:
    """What C steps read: the carry after them, `found [C, ..., N, V]` and `m [C, ..., N]`.

    In the memory after step t, the memory before the chunk has the weight ``exp(S_t + m_0 - m_t)``,
    and what step s <= t wrote has ``exp(S_st + log i_s - m_t)``. S_t is the sum of log f up to t,
    S_st that of the steps after s: S_t - S_s would lose its digits where a step keeps little.
    """
    q, k, v = (jnp.moveaxis(a, 0, -2) for a in entry[:3])
    log_f, log_i, erased = (a if a is None else wide(jnp.moveaxis(a, 0, -1)) for a in entry[3:])
    assert log_f is not None
    seen = before = jnp.tri(len(entry.v), dtype=bool)
    first, m_0 = jnp.ones((), bool), 0 if log_i is None else carry.m[..., None]
    if mask is not None:
        real = jnp.moveaxis(mask, 0, -1)[..., None, :]
        log_f, seen = jnp.where(real, log_f, 0), seen & real[..., None, :]
    kept = jnp.cumsum(log_f, axis=-1)
    if reset is not None:
        sequence = jnp.cumsum(jnp.moveaxis(reset, 0, -1)[..., None, :], axis=-1)
        first, before = sequence == 0, before & (sequence[..., None] == sequence[..., None, :])
        kept, seen = jnp.where(before, log_f[..., None, :], 0).sum(axis=-1), seen & before
        m_0 = m_0 if log_i is None else jnp.where(first, m_0, initial.m[..., None])
    until = jnp.tri(len(entry.v), dtype=log_f.dtype)
    between = until[:, None] * (1 - until)
    apart = jnp.einsum("...r,tsr->...ts", log_f, between, precision="highest")
    m = jnp.zeros_like(kept)
    if log_i is not None:
        apart, kept = apart + log_i[..., None, :], kept + m_0
        m = jnp.maximum(jnp.where(seen, apart, -jnp.inf).max(axis=-1), kept)
    weights = jnp.exp(jnp.where(seen, apart - m[..., None], -jnp.inf)).astype(v.dtype)
    weight_0 = jnp.exp(kept - m)[..., None].astype(v.dtype)

    def from_before(keys: Array) -> Array:
        values = keys @ carry.c.mT
        if reset is not None:
            values = jnp.where(first[..., None], values, keys @ initial.c.mT)
        return weight_0 * values

    if erased is not None:
        erased = erased[..., None].astype(v.dtype)
        corrected = _inverse(erased * weights * (k @ k.mT))
        v = corrected @ (v - erased * from_before(k))
    found = weights * (q @ k.mT) @ v + from_before(q)
    c = weight_0[..., -1:, :] * carry.c
    if reset is not None:
        c = jnp.where(first[..., -1:, None], c, weight_0[..., -1:, :] * initial.c)
    carry = carry._replace(c=c + (weights[..., -1, :, None] * v).mT @ k)
    if log_i is None:
        return carry, jnp.moveaxis(found, -2, 0), None
    carry = carry._replace(m=m[..., -1])
    if mask is not None:  # before the first real step m is the logarithm of nothing
        m = jnp.where(real, m, 0)
    m = jnp.moveaxis(m, -1, 0).astype(entry.log_f.dtype)
    return carry, jnp.moveaxis(found, -2, 0), m


def _inverse(lower: Array) -> Array:
    """The inverse of I + L, `[..., C, C]`; only the part of L below the diagonal is read.

    Inverts the blocks on the diagonal, doubling their size each time ::

        [A 0; B D]^-1 = [A^-1 0; -D^-1 B A^-1 D^-1]
    """
    at = jnp.arange(lower.shape[-1])
    inverse, size = jnp.eye(len(at), dtype=lower.dtype), 1
    while size < len(at):
        row = (at // size)[:, None]
        below = jnp.where((row % 2 == 1) & (row - 1 == at // size), lower, 0)
        inverse, size = inverse - inverse @ below @ inverse, 2 * size
    return inverse


def _flipped(reverse: bool, tree: Any) -> Any:
    return jax.tree.map(lambda leaf: jnp.flip(leaf, 0), tree) if reverse else tree


CHUNKWISE = Engine(name="chunkwise", serves=_serves, run=_run, pays=_pays)
