"""What the fused engines share: they have a hand-written backward pass.

There are two memory layouts: `batch_major` for accelerators, and `transposed` for CPUs, used where
the batch fills the vector registers or the operands are narrow. Both compute the same and run on
every platform.
"""

import functools
import math
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.cells.lstm import LSTMCarry
from rnnjax.engines import batch_major, transposed
from rnnjax.engines.fused_plan import Family, Inputs, Plan, State, Weights
from rnnjax.engines.problem import SYMBOLIC, Engine, Problem, select
from rnnjax.engines.rows import num_shards, on_own_rows, row_axes
from rnnjax.engines.target import platform, projects_ahead
from rnnjax.typing import Array, Carry

_MULTIPLE = 16
"""With float32 operands the transposed layout pays if B is a multiple of this: the numbers that a
vector register holds."""
_ROWS, _NARROW_ROWS = 2, 0.25
"""The transposed layout pays from this many rows (T B) for each row of the weights (D + H): below
it, transposing the weights costs too much. The second is for narrow operands, such as bfloat16."""


def engine(name: str, cells: str, spec: type, family_of: Callable[[Any], Family | str]) -> Engine:
    """An engine for the cells with a spec of one type.

    Args:
        name, cells: of the engine, and what messages call its cells.
        spec: the type. The `compute_dtype` of a spec is the dtype of the matmul operands and of the
            gates that are saved for the backward pass; None: the weights'.
        family_of: from a spec to the elementwise part of the cell, or why there is none.
    """

    def serves(problem: Problem) -> str | None:
        if not isinstance(problem.cell.spec, spec):
            return f"it is for {cells}"
        family = family_of(problem.cell.spec)
        return family if isinstance(family, str) else _refusal(problem)

    def run(problem: Problem, *, persistent: bool = False) -> tuple[Carry, Array]:
        family = family_of(problem.cell.spec)
        assert isinstance(family, Family)
        return _run(problem, family, persistent)

    return Engine(name, serves, run)


def _run(problem: Problem, family: Family, persistent: bool) -> tuple[Carry, Array]:
    params = problem.params
    weights = Weights(params.w_ih, params.w_hh, params.b, getattr(params, "b_hn", None))
    xs, mask, reset = problem.xs, problem.mask, problem.reset
    compute_dtype = problem.cell.spec.compute_dtype
    num_steps, *batch_shape, _ = xs.shape
    batch_size = math.prod(batch_shape)
    axes = row_axes(batch_size)
    own_rows = batch_size // num_shards(axes)
    if compute_dtype == weights.w_hh.dtype:
        compute_dtype = None
    weight_rows = len(weights.w_ih) + len(weights.w_hh)
    rows_per_weight = num_steps * own_rows / weight_rows
    if compute_dtype is None:
        has_gates = weights.num_gates >= transposed.GATES
        fits = has_gates and own_rows % _MULTIPLE == 0 and rows_per_weight >= _ROWS
    else:
        fits = rows_per_weight >= _NARROW_ROWS
    layout = transposed if platform() == "cpu" and fits and not persistent else batch_major
    chunk = layout.chunk_size(num_steps, own_rows, weight_rows, problem.remat)
    padding = -num_steps % chunk
    if padding and mask is None:
        mask = jnp.ones(xs.shape[:-1], bool)

    def in_steps(a: Array, *trailing: int) -> Array:
        """Flattens the batch dimensions and pads T to whole chunks."""
        if padding:
            a = jnp.pad(a, [(0, padding), *[(0, 0)] * (a.ndim - 1)])
        return a.reshape(num_steps + padding, batch_size, *trailing)

    def in_rows(carry: Carry) -> State:
        state = (carry.h, carry.c) if isinstance(carry, LSTMCarry) else (carry,)
        return tuple(a.reshape(batch_size, a.shape[-1]) for a in state)

    plan = Plan(
        family,
        chunk,
        problem.remat,
        problem.reverse,
        compute_dtype,
        problem.scan_unroll,
        persistent or projects_ahead(weights.w_ih.size, own_rows),
        persistent,
    )

    inputs = Inputs(
        in_steps(xs.astype(weights.w_hh.dtype), xs.shape[-1]),
        None if mask is None else in_steps(mask),
        None if reset is None else in_steps(reset),
    )
    unroll = on_own_rows(
        functools.partial(layout.unroll, plan), axes, arguments=(None, 0, 0, 1), results=(0, 1)
    )
    state, hs = unroll(weights, in_rows(problem.carry), in_rows(problem.initial), inputs)
    ys = hs[:num_steps].reshape(num_steps, *batch_shape, -1)
    if problem.mask is not None:
        ys = select(problem.mask, ys, jnp.zeros_like(ys))
    state = tuple(a.reshape(*batch_shape, -1) for a in state)
    return state[0] if len(state) == 1 else LSTMCarry(h=state[0], c=state[1]), ys


def _refusal(problem: Problem) -> str | None:
    if problem.is_symbolic:
        return SYMBOLIC
    numbers = jax.tree.leaves((problem.params, problem.carry, problem.initial))
    dtypes = sorted({leaf.dtype.name for leaf in numbers})
    return f"parameters and carry are {' and '.join(dtypes)}" if len(dtypes) > 1 else None
