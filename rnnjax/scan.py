"""Cells over time: `unroll`, and the plain Python loop that it is held against."""

import functools
from typing import Any, NamedTuple, get_args

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Cell, check_cells, check_size, real_array
from rnnjax.cells.structure import blame_step, carry_that_fits, params_that_fit
from rnnjax.engines import target
from rnnjax.engines.problem import Problem, Remat, as_before, select
from rnnjax.engines.registry import choose, listening
from rnnjax.engines.reverse_only import reverse_only
from rnnjax.engines.rows import varying_alike
from rnnjax.engines.scan import SCAN
from rnnjax.errors import UserError, check_known
from rnnjax.ranges import mask_of_lengths
from rnnjax.typing import Array, Carry, Params, PRNGKey


def unroll(
    cell: Cell,
    params: Params,
    xs: Array,
    carry: Carry | None = None,
    *,
    mask: Array | None = None,
    lengths: Array | None = None,
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
        cell, params: any cell, and its parameters from `cell.init(key, D)`, of any floating dtype.
        xs: inputs `[T, B, D]`, or `[T, D]` without a batch; any batch dimensions will do, and any
            real dtype.
        carry: the carry before the first step; `initial` if None. A plain tuple serves for a
            NamedTuple of as many fields: `(c, h)` for `LSTMCarry`.
        mask: bool `[T, B]`, True at real steps. At padding the carry is held and the output is
            zero, wherever in the row the padding is. What xs holds there has no influence and gets
            a gradient of 0, even if it is NaN.
        lengths: int `[B]`, 0 .. T, in place of a mask: the steps from there on are padding.
        reset: bool `[T, B]`, True where a new sequence starts inside a row: `initial` is restored
            before that step (in reverse: before the step that precedes it in time).
        reverse: from the last step to the first; the outputs stay in their places.
        key: turns on the noise of training (dropout, zoneout, ...).
        initial: the carry that a reset restores; `cell.initial_carry` if None.
        engine: see docs/cells.md; "auto" takes the fastest that serves (see `explain`). All but
            "scan" are differentiated in reverse only: it takes `jax.jvp` and Hessians too.
        remat: what the backward pass recomputes to save memory: "none"; "gates", keeping the
            carries; "sqrt", keeping about sqrt(T) carries.
        scan_unroll: steps in an iteration of the compiled loop; None: suits the platform, which
            is 4 on a GPU, where each iteration has a cost of its own, and else 1.

    Returns:
        The carry after the last step and the outputs `[T, B, H]`. Both have the dtype of the params
        (for the library's recurrent layers), or that of a wider carry, whatever the dtype of xs.

    Raises:
        UserError: shapes or dtypes do not fit, params or carry are those of another cell, or the
            engine cannot serve.
    """
    given = _given(cell, params, xs, carry, mask, lengths, reset, initial)
    if 0 in given.xs.shape[1:-1]:
        return _no_rows(cell, given, engine=engine, remat=remat, scan_unroll=scan_unroll)
    check_known("remat", remat, get_args(Remat))
    steps = target.scan_unroll() if scan_unroll is None else scan_unroll
    scan_unroll = check_size("scan_unroll", steps)
    options = {"engine": engine, "remat": remat, "scan_unroll": scan_unroll}
    with jax.named_scope("scan"):
        return _unroll(cell, **given._asdict(), reverse=reverse, key=key, **options)


def _unroll(
    cell, params, xs, carry, initial, *, mask, reset, reverse, key, engine, remat, scan_unroll
) -> tuple[Carry, Array]:
    if cell.over_time is not None:
        unroll_child = functools.partial(
            _unroll, mask=mask, reset=reset, engine=engine, remat=remat, scan_unroll=scan_unroll
        )
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
        scan_unroll=scan_unroll,
    )
    chosen = choose(engine, problem)
    if chosen is not SCAN:
        params, xs, carry, initial = reverse_only((params, xs, carry, initial))
        problem = problem._replace(params=params, xs=xs, carry=carry, initial=initial)
    try:
        return chosen.run(problem)
    except Exception as error:
        blame_step(cell, params, carry, xs[0], error)
        raise


def unroll_reference(
    cell: Cell,
    params: Params,
    xs: Array,
    carry: Carry | None = None,
    *,
    mask: Array | None = None,
    lengths: Array | None = None,
    reset: Array | None = None,
    reverse: bool = False,
    key: PRNGKey | None = None,
    initial: Carry | None = None,
) -> tuple[Carry, Array]:
    """The same as `unroll` in a plain Python loop over time: slow, and easy to verify.

    Args and Returns are those of `unroll`. A combination of cells runs step by step through all
    its layers, unless it is bidirectional or has noise to draw.
    """
    given = _given(cell, params, xs, carry, mask, lengths, reset, initial)
    return _reference(cell, **given._asdict(), reverse=reverse, key=key)


def _reference(
    cell, params, xs, carry, initial, *, mask, reset, reverse, key
) -> tuple[Carry, Array]:
    if cell.step is None or (cell.over_time is not None and key is not None):
        unroll_child = functools.partial(_reference, mask=mask, reset=reset)
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
        new_carry = as_before(new_carry, carry)
        if mask is not None:
            new_carry = select(mask[t], new_carry, carry)
            ys[t] = select(mask[t], ys[t], jnp.zeros_like(ys[t]))
        carry = new_carry
    return carry, jnp.stack(ys)


def explain(cell: Cell, params: Params, xs: Array, *, engine: str = "auto", **options) -> str:
    """Which engine `unroll` takes for each layer, and why: one line for each recurrent layer.

    Args:
        cell, params, xs, engine: as for `unroll`; `xs` may be a `jax.ShapeDtypeStruct`.
        **options: the other options of `unroll`.
    """
    with listening() as reasons:
        jax.eval_shape(lambda p, x: unroll(cell, p, x, engine=engine, **options), params, xs)
    return "\n".join(reasons)


class _Given(NamedTuple):
    """The arguments of `unroll`, checked; xs is zero at padding."""

    params: Params
    xs: Array
    carry: Carry
    initial: Carry
    mask: Array | None
    reset: Array | None


def _no_rows(cell: Cell, given: _Given, **options) -> tuple[Carry, Array]:
    """The results of an empty batch: slices of those of a batch with one row."""
    num_steps, *batch_shape, input_size = given.xs.shape
    rows = (num_steps, *(max(1, size) for size in batch_shape), input_size)
    carry, ys = unroll(cell, given.params, jnp.zeros(rows, given.xs.dtype), **options)
    own = tuple(slice(size) for size in batch_shape)
    return jax.tree.map(lambda leaf: leaf[own], carry), ys[:, *own]


def _run_combination(
    unroll_child, cell, params, xs, carry, initial, *, mask, reverse, key
) -> tuple[Carry, Array]:
    outer_reverse = reverse

    def run(child, params, carry, initial, xs, key, *, reverse=False):
        return unroll_child(
            child, params, xs, carry, initial, reverse=reverse != outer_reverse, key=key
        )

    assert cell.over_time is not None
    carry, ys = cell.over_time(run, params, carry, initial, xs, key)
    return carry, ys if mask is None else select(mask, ys, jnp.zeros_like(ys))


def _in_running_order(reset: Array | None, reverse: bool) -> Array | None:
    """The resets as the running order meets them: a border before t is one after t - 1."""
    if reset is None or not reverse:
        return reset
    return jnp.concatenate([reset[1:], jnp.zeros_like(reset[:1])])


def _given(cell, params, xs, carry, mask, lengths, reset, initial) -> _Given:
    check_cells("unroll", cell)
    xs = real_array("xs", xs)
    if xs.ndim < 2:
        raise UserError(f"xs has shape [T, B, D] or [T, D]; got {list(xs.shape)}")
    if xs.shape[0] == 0:
        raise UserError(f"xs has no time step; got shape {list(xs.shape)}")
    num_steps, *batch_shape, input_size = xs.shape
    if lengths is not None:
        if mask is not None:
            raise UserError("mask and lengths both say which steps are real: give one of them")
        mask = mask_of_lengths(lengths, num_steps, tuple(batch_shape))
    params = params_that_fit(cell, params, input_size)
    zero = cell.initial_carry(params, tuple(batch_shape))
    initial = zero if initial is None else carry_that_fits(cell, zero, initial)
    carry = initial if carry is None else carry_that_fits(cell, initial, carry)
    mask, reset = _flags("mask", mask, xs), _flags("reset", reset, xs)
    if mask is not None:
        xs = select(mask, xs, jnp.zeros_like(xs))  # each layer's outputs are zero there as well
    return varying_alike(_Given(params, xs, carry, initial, mask, reset))


def _flags(name: str, flags: Any, xs: Array) -> Array | None:
    if flags is None:
        return None
    flags = flags if hasattr(flags, "dtype") else jnp.asarray(flags)
    if flags.shape != xs.shape[:-1]:
        raise UserError(
            f"{name} has the shape of xs without its last axis, {list(xs.shape[:-1])}; "
            f"got {list(flags.shape)}"
        )
    if flags.dtype != bool:
        raise UserError(f"{name} is boolean; got {flags.dtype}")
    return jnp.asarray(flags)
