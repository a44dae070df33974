"""The input of an engine, and the record that describes an engine."""

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Cell
from rnnjax.cells.structure import kind_of
from rnnjax.typing import Array, Carry, Params, PRNGKey

Remat = Literal["none", "gates", "sqrt"]


class Problem(NamedTuple):
    """One single-layer recurrence over time: the arguments of `unroll`, checked.

    Attributes:
        cell: a cell with a `step` and without an `over_time`.
        xs: `[T, ..., D]`, inputs, not yet projected.
        mask: bool `[T, ...]` or None; False holds the carry and zeroes the output.
        reset: bool `[T, ...]` or None; True restores `initial` before that step, in the order in
            which the steps run.
    """

    cell: Cell
    params: Params
    xs: Array
    carry: Carry
    initial: Carry
    mask: Array | None
    reset: Array | None
    reverse: bool
    key: PRNGKey | None
    remat: Remat
    scan_unroll: int

    @property
    def is_symbolic(self) -> bool:
        """Whether a dimension is symbolic, as in `jax.export`."""
        return not all(isinstance(size, int) for size in self.xs.shape)


SYMBOLIC = "it needs all sizes to choose its chunks, and a dimension is symbolic"
"""Why some engines cannot run a symbolic dimension."""


class Engine(NamedTuple):
    """An execution of the recurrence.

    Attributes:
        name: what `unroll(engine=...)` calls it.
        serves: `problem -> None`, or the reason why this engine cannot run it.
        run: `problem -> (carry, ys)`; a fused engine takes `persistent=True` too, for kernels that
            keep the weights on the chip.
        pays: `problem -> None`, or the reason why another engine is faster.
    """

    name: str
    serves: Callable[[Problem], str | None]
    run: Callable[..., tuple[Carry, Array]]
    pays: Callable[[Problem], str | None] = lambda problem: None


def select(flag: Array, on_true: Any, on_false: Any) -> Any:
    """`where(flag, on_true, on_false)` for pytrees; their leaves may have more trailing axes."""
    return jax.tree.map(
        lambda a, b: jnp.where(flag.reshape(flag.shape + (1,) * (b.ndim - flag.ndim)), a, b),
        on_true,
        on_false,
    )


def split_by_flag(flag: Array, tree: Any) -> tuple[Any, Any]:
    """Two pytrees that sum to `tree`: zero where the flag is False, and zero where it is True."""
    none = jax.tree.map(jnp.zeros_like, tree)
    return select(flag, tree, none), select(flag, none, tree)


def root_chunk(num_steps: int) -> int:
    """The steps in a chunk of remat="sqrt": ceil(sqrt(T))."""
    return math.isqrt(num_steps - 1) + 1


def guarded_step(problem: Problem, carry: Carry, inputs) -> tuple[Carry, Array]:
    """One step of the cell, with the reset before it and the mask after it."""
    u_t, mask_t, reset_t = inputs
    if reset_t is not None:
        carry = select(reset_t, problem.initial, carry)
    assert problem.cell.step is not None
    new_carry, y_t = problem.cell.step(problem.params, carry, u_t)
    new_carry = as_before(new_carry, carry)
    if mask_t is None:
        return new_carry, y_t
    return select(mask_t, new_carry, carry), select(mask_t, y_t, jnp.zeros_like(y_t))


def as_before(new: Carry, old: Carry) -> Carry:
    """The carry after a step in the precision of that before it."""

    def converted(new: Array, old: Array) -> Array:
        if new.shape != old.shape or kind_of(new) != kind_of(old):
            raise TypeError("a step gives a carry of the shapes and kinds of numbers that it takes")
        return new.astype(old.dtype)

    return jax.tree.map(converted, new, old)
