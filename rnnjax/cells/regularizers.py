"""Regularisers of the recurrence itself: weight drop and zoneout."""

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Cell, check_cells, split_key
from rnnjax.cells.origin import cell_factory
from rnnjax.cells.pointwise import check_rate, drop
from rnnjax.errors import UserError
from rnnjax.typing import Array, Carry, Params, PRNGKey


@cell_factory
def weight_drop(cell: Cell, rate: float) -> Cell:
    """DropConnect on the recurrent matrix `w_hh`, one mask a sequence.

    It acts only with a key, and only over a sequence (`unroll`).

    Args:
        cell: a single recurrent layer, whose parameters have a `w_hh`.
        rate: probability of dropping a weight; the kept ones are divided by `1 - rate`.

    Raises:
        UserError: `rate` is outside [0, 1), or (at `init`) the cell has no `w_hh`.

    References:
        Merity, Keskar & Socher 2018, "Regularizing and optimizing LSTM language models", sec. 2.
    """
    check_cells("weight_drop", cell)
    check_rate(rate)

    def init(key: PRNGKey, input_size: int) -> Params:
        params = cell.init(key, input_size)
        if not hasattr(params, "w_hh"):
            raise UserError(
                "weight_drop wraps a single recurrent layer, whose parameters have a w_hh; got "
                f"{type(params).__name__}: give weight_drop=0"
            )
        return params

    def over_time(run, params, carry, initial, xs, key):
        key_weights, key_cell = split_key(key, 2)
        w_hh = drop(params.w_hh, rate, key_weights, params.w_hh.shape)
        return run(cell, params._replace(w_hh=w_hh), carry, initial, xs, key_cell)

    return Cell(init, cell.initial_carry, cell.project, cell.step, cell.output_size, over_time)


@cell_factory
def zoneout(cell: Cell, rate: float, *, cell_state_rate: float | None = None) -> Cell:
    """Keeps each unit of the carry at its old value with probability `rate`.

    ::

        carry_t = d_t * carry_tm1 + (1 - d_t) * cell(carry_tm1, x_t),    d_t ~ Bernoulli(rate)

    Without a key d_t is its mean, `rate`: zoneout acts at evaluation too, by expectation.

    Args:
        cell: a single recurrent layer whose output is its hidden state.
        rate: probability of keeping a unit of the hidden state.
        cell_state_rate: the same for the cell state of an LSTM; `rate` if None.

    Raises:
        UserError: a rate is outside [0, 1), the cell is a combination, or (at `init`) its carry is
            neither its output h nor `(c, h)`.

    References:
        Krueger et al. 2017, "Zoneout", section 3.
    """
    check_cells("zoneout", cell)
    cell_state_rate = rate if cell_state_rate is None else cell_state_rate
    check_rate(rate)
    check_rate(cell_state_rate)
    rate, cell_state_rate = float(rate), float(cell_state_rate)
    if cell.over_time is not None or cell.step is None:
        raise UserError("zoneout wraps a single recurrent layer; wrap the layers, not the stack")
    cell_step = cell.step

    def init(key: PRNGKey, input_size: int) -> Params:
        params = cell.init(key, input_size)

        def check(x: Array) -> None:
            carry, y = cell_step(params, cell.initial_carry(params, (1,)), cell.project(params, x))
            is_known = jax.tree.structure(rates(carry)) == jax.tree.structure(carry)  # type: ignore[operator]
            if not is_known or hidden_state(carry) is not y:
                raise UserError(
                    "zoneout wraps a layer whose carry is its output h, or (c, h), such as lstm; "
                    f"got {cell!r}"
                )

        jax.eval_shape(check, jnp.zeros((1, input_size)))
        return params

    def rates(carry: Carry) -> Carry:
        if sorted(getattr(carry, "_fields", ())) == ["c", "h"]:
            return carry._replace(c=cell_state_rate, h=rate)
        return rate

    def hidden_state(carry: Carry) -> Array:
        return carry.h if hasattr(carry, "h") else carry

    def project(params, x: Array, key: PRNGKey | None = None):
        key_zoneout, key_cell = split_key(key, 2)
        u = cell.project(params, x, key_cell)
        if key_zoneout is None:
            return u, None
        carry = jax.eval_shape(lambda: cell.initial_carry(params, x.shape[:-1]))
        leaves, structure = jax.tree.flatten(carry)
        keys = jax.tree.unflatten(structure, list(jax.random.split(key_zoneout, len(leaves))))
        keep_old = jax.tree.map(
            lambda p, k, c: jax.random.bernoulli(k, p, c.shape), rates(carry), keys, carry
        )
        return u, keep_old

    def step(params, carry_tm1, u_t):
        u_t, keep_old = u_t
        carry_t, _ = cell_step(params, carry_tm1, u_t)
        if keep_old is None:
            carry_t = jax.tree.map(
                lambda p, old, new: p * old + (1 - p) * new, rates(carry_t), carry_tm1, carry_t
            )
        else:
            carry_t = jax.tree.map(jnp.where, keep_old, carry_tm1, carry_t)
        return carry_t, hidden_state(carry_t)

    return Cell(init, cell.initial_carry, project, step, cell.output_size)
