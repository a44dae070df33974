"""Cells over time: `unroll`, and the plain Python loop that it is held against."""

import functools
from typing import get_args

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Cell
from rnnjax.engines import target
from rnnjax.engines.problem import Problem, Remat, select
from rnnjax.engines.registry import choose, listening
from rnnjax.errors import UserError, did_you_mean
from rnnjax.typing import Array, Carry, Params, PRNGKey


def unroll(
    cell: Cell,
    params: Params,
    xs: Array,
    carry: Carry | None = None,
    *,
    mask: Array | None = None,
    reset: Array | None = None,
    reverse: bool = False,
    key: PRNGKey | None = None,
    initial: Carry | None = None,
    engine: str = "auto",
    remat: Remat = "none",
    scan_unroll: int | None = None,
) -> tuple[Carry, Array]:
    """Runs a cell over a sequence.

    ::

        for t in 0 .. T-1:
            carry = where(reset[t], initial, carry)
            new_carry, y[t] = cell(params, carry, xs[t])
            carry, y[t] = where(mask[t], (new_carry, y[t]), (carry, 0))

    Args:
        cell: any cell.
        params: its parameters, from `cell.init(key, D)`.
        xs: inputs `[T, B, D]`, or `[T, D]` without a batch; any batch dimensions will do.
        carry: what the first step starts from; `initial` if None.
        mask: bool `[T, B]`, True at real steps. At padding the carry is held and the output is
            zero, wherever in the row the padding is.
        reset: bool `[T, B]`, True where a new sequence starts inside a row: `initial` is put back
            before that step (in reverse: before the step that precedes it in time).
        reverse: from the last step to the first; the outputs stay in their places.
        key: turns on the noise of training (dropout, zoneout, ...).
        initial: what a reset puts back; `cell.initial_carry` if None.
        engine: how to execute it; "auto" takes the fastest that serves. See `explain`. The fused
            engines are differentiated in reverse only; "scan" takes `jax.jvp` and Hessians too.
        remat: what the backward pass recomputes to save memory: "none"; "gates", keeping the
            carries; "sqrt", keeping about sqrt(T) carries.
        scan_unroll: steps an iteration of the compiled loop; what suits the platform if None, which
            is 4 on a GPU, where each iteration has a cost of its own, and else 1.

    Returns:
        The carry after the last step and the outputs `[T, B, H]`.

    Raises:
        UserError: shapes or dtypes do not fit, or the engine cannot serve.
    """
    _check(xs, mask, reset, remat)
    initial = cell.initial_carry(params, xs.shape[1:-1]) if initial is None else initial
    carry = initial if carry is None else carry
    _check_fit(params, xs, carry, initial)
    if cell.over_time is not None:
        unroll_child = functools.partial(
            unroll, mask=mask, reset=reset, engine=engine, remat=remat, scan_unroll=scan_unroll
        )
        with jax.named_scope("scan"):
            return _run_combination(
                unroll_child, cell, params, xs, carry, initial, mask=mask, reverse=reverse, key=key
            )
    problem = Problem(
        cell=cell,
        params=params,
        xs=xs,
        carry=carry,
        initial=initial,
        mask=mask,
        reset=_in_running_order(reset, reverse),
        reverse=reverse,
        key=key,
        remat=remat,
        scan_unroll=target.scan_unroll() if scan_unroll is None else scan_unroll,
    )
    with jax.named_scope("scan"):
        return choose(engine, problem).run(problem)


def unroll_reference(
    cell: Cell,
    params: Params,
    xs: Array,
    carry: Carry | None = None,
    *,
    mask: Array | None = None,
    reset: Array | None = None,
    reverse: bool = False,
    key: PRNGKey | None = None,
    initial: Carry | None = None,
) -> tuple[Carry, Array]:
    """What `unroll` computes, as a plain Python loop over time: slow, and easy to believe.

    Args and Returns are those of `unroll`. A combination of cells runs step by step through all
    its layers, unless it is bidirectional or has noise to draw.
    """
    _check(xs, mask, reset, "none")
    initial = cell.initial_carry(params, xs.shape[1:-1]) if initial is None else initial
    carry = initial if carry is None else carry
    _check_fit(params, xs, carry, initial)
    if cell.step is None or (cell.over_time is not None and key is not None):
        unroll_child = functools.partial(unroll_reference, mask=mask, reset=reset)
        return _run_combination(
            unroll_child, cell, params, xs, carry, initial, mask=mask, reverse=reverse, key=key
        )
    us = cell.project(params, xs, key)
    reset = _in_running_order(reset, reverse)
    ys = [jnp.zeros(())] * xs.shape[0]
    for t in reversed(range(len(ys))) if reverse else range(len(ys)):
        if reset is not None:
            carry = select(reset[t], initial, carry)
        new_carry, ys[t] = cell.step(params, carry, jax.tree.map(lambda u, t=t: u[t], us))
        if mask is not None:
            new_carry = select(mask[t], new_carry, carry)
            ys[t] = select(mask[t], ys[t], jnp.zeros_like(ys[t]))
        carry = new_carry
    return carry, jnp.stack(ys)


def explain(cell: Cell, params: Params, xs: Array, *, engine: str = "auto", **options) -> str:
    """Which engine `unroll` would run each layer with, and why: one line a recurrent layer.

    Args:
        cell, params, xs, engine: as for `unroll`; `xs` may be a `jax.ShapeDtypeStruct`.
        **options: the other options of `unroll`.
    """
    with listening() as reasons:
        jax.eval_shape(lambda p, x: unroll(cell, p, x, engine=engine, **options), params, xs)
    return "\n".join(reasons)


def _run_combination(
    unroll_child, cell, params, xs, carry, initial, *, mask, reverse, key
) -> tuple[Carry, Array]:
    outer_reverse = reverse

    def run(child, params, carry, initial, xs, key, *, reverse=False):
        return unroll_child(
            child, params, xs, carry, reverse=reverse != outer_reverse, key=key, initial=initial
        )

    assert cell.over_time is not None
    carry, ys = cell.over_time(run, params, carry, initial, xs, key)
    return carry, ys if mask is None else select(mask, ys, jnp.zeros_like(ys))


def _in_running_order(reset: Array | None, reverse: bool) -> Array | None:
    """The resets as the running order meets them: a border before t is one after t - 1."""
    if reset is None or not reverse:
        return reset
    return jnp.concatenate([reset[1:], jnp.zeros_like(reset[:1])])


def _check_fit(params: Params, xs: Array, carry: Carry, initial: Carry) -> None:
    w_ih = getattr(params, "w_ih", None)
    if w_ih is not None and w_ih.shape[0] != xs.shape[-1]:
        raise UserError(
            f"the cell was made for inputs of size {w_ih.shape[0]}; got xs of shape "
            f"{list(xs.shape)}"
        )
    expected, got = (jax.tree.map(lambda c: list(jnp.shape(c)), c) for c in (initial, carry))
    if expected != got:
        raise UserError(f"the carry has shapes {expected}; got {got}")


def _check(xs: Array, mask: Array | None, reset: Array | None, remat: str) -> None:
    if xs.ndim < 2:
        raise UserError(f"xs has shape [T, B, D] or [T, D]; got {list(xs.shape)}")
    if xs.shape[0] == 0:
        raise UserError(f"xs has no time step; got shape {list(xs.shape)}")
    for name, flags in (("mask", mask), ("reset", reset)):
        if flags is None:
            continue
        if flags.shape != xs.shape[:-1]:
            raise UserError(
                f"{name} has the shape of xs without its last axis, {list(xs.shape[:-1])}; "
                f"got {list(flags.shape)}"
            )
        if flags.dtype != bool:
            raise UserError(f"{name} is boolean; got {flags.dtype}")
    if remat not in get_args(Remat):
        raise UserError(f"unknown remat {remat!r}; {did_you_mean(remat, get_args(Remat))}")
