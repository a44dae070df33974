"""Cells whose carry is a memory of values times keys: an engine can run many steps as matmuls."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp

from rnnjax.typing import Array, Carry, Params


class Entry(NamedTuple):
    """The update and the lookup of a step, for the memories `[V, K]` of N heads.

    Attributes:
        q: `[..., N, K]`, what is looked up; `[..., 1, K]` where the heads share it.
        k: `[..., N, K]` or `[..., 1, K]`, under what the step writes.
        v: `[..., N, V]`, what it writes.
        log_f: `[..., N]`, the logarithm of what is kept of the memory.
        log_i: `[..., N]`, that of the weight of v; None: 1.
        erased: `[..., N]`, how much is erased of what stands under k, a unit vector; None: none.
    """

    q: Array
    k: Array
    v: Array
    log_f: Array
    log_i: Array | None = None
    erased: Array | None = None


class MemorySpec(NamedTuple):
    """The form of a cell whose memory is written by outer products.

    ::

        owed, u_t = lead(params, owed, u_t)                  where there is a lead
        c_t = f_t c_tm1 (I - erased_t k_t k_t^T) + i_t v_t k_t^T
        y_t = output(params, c_t q_t, m_t, u_t)

    The carry is a NamedTuple with a field `c [B, N, V, K]`. Where the entries have a `log_i`, it
    has `m [B, N]` too, and c is divided by ``exp(m_t)``, ``m_t = max(log f_t + m_tm1, log i_t)``,
    so that no weight overflows; c_t q_t, which `output` gets, is divided alike. Neither `entry` nor
    `output` sees the carry, so both work on a whole sequence at once.

    Attributes:
        entry: `(params, u) -> Entry`.
        output: `(params, found [..., N, V], m or None, u) -> y`.
        lead: a small recurrence on the field `owed` of the carry, a step at a time, such as a
            convolution; None: there is none.
    """

    entry: Callable[[Params, Any], Entry]
    output: Callable[[Params, Array, Array | None, Any], Array]
    lead: Callable[[Params, Any, Any], tuple[Any, Any]] | None = None

    def step(self, params: Params, carry: Any, u_t: Any) -> tuple[Carry, Array]:
        """The step of the cell."""
        if self.lead is not None:
            owed, u_t = self.lead(params, carry.owed, u_t)
            carry = carry._replace(owed=owed)
        q, k, v, log_f, log_i, erased = self.entry(params, u_t)
        m_t = None
        if log_i is not None:
            kept = log_f + carry.m
            m_t = jnp.maximum(kept, log_i)
            log_f, v = kept - m_t, jnp.exp(log_i - m_t)[..., None] * v
            carry = carry._replace(m=m_t)
        c_t = jnp.exp(log_f)[..., None, None] * carry.c
        if erased is not None:
            v = v - erased[..., None] * (c_t * k[..., None, :]).sum(axis=-1)
        c_t = c_t + v[..., None] * k[..., None, :]
        found = (c_t * q[..., None, :]).sum(axis=-1)
        return carry._replace(c=c_t), self.output(params, found, m_t, u_t)
