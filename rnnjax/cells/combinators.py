"""Cells made of cells: deep stacks, residual connections, both directions, learned carries."""

from collections.abc import Iterable, Sequence
from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Cell, check_cells, split_key
from rnnjax.cells.origin import cell_factory
from rnnjax.errors import UserError
from rnnjax.typing import Array, Carry, Params, PRNGKey

Combine = Literal["concat", "sum", "mean"]


def _whole_input(params: Params, x: Array, key: PRNGKey | None = None) -> Array:
    """The projection of a cell whose first layer projects inside `step`."""
    del params
    if key is not None:
        raise UserError("the noise of a combined cell is drawn by unroll(key=...), not by project")
    return x


@cell_factory
def stack(cells: Sequence[Cell]) -> Cell:
    """A deep network: each cell reads the outputs of the one below it.

    The parameters and the carry are tuples with one entry a cell. Over a sequence each layer runs
    through all time steps before the next begins, so that every projection is one large matmul.

    Args:
        cells: from the input upwards. Recurrent cells, `dense`, `dropout`, other combinations.

    Raises:
        UserError: `cells` is empty, or holds what is no cell.

    References:
        Graves, Mohamed & Hinton 2013, "Speech recognition with deep recurrent neural networks".
    """
    if not isinstance(cells, Iterable):
        raise UserError(f"stack takes a list of cells; got {cells!r}")
    cells = tuple(cells)
    check_cells("stack", *cells)
    if not cells:
        raise UserError("stack needs at least one cell; got none")

    def init(key: PRNGKey, input_size: int) -> tuple[Params, ...]:
        params = []
        for cell, cell_key in zip(cells, jax.random.split(key, len(cells)), strict=True):
            params.append(cell.init(cell_key, input_size))
            input_size = cell.output_size(input_size)
        return tuple(params)

    def initial_carry(params, batch_shape):
        return tuple(
            cell.initial_carry(p, batch_shape) for cell, p in zip(cells, params, strict=True)
        )

    def step(params, carry, x_t):
        carries = []
        for cell, p, c in zip(cells, params, carry, strict=True):
            c, x_t = cell.advance(p, c, x_t)
            carries.append(c)
        return tuple(carries), x_t

    def output_size(input_size: int) -> int:
        for cell in cells:
            input_size = cell.output_size(input_size)
        return input_size

    def over_time(run, params, carry, initial, xs, key):
        carries = []
        keys = split_key(key, len(cells))
        for cell, p, c, i, k in zip(cells, params, carry, initial, keys, strict=True):
            c, xs = run(cell, p, c, i, xs, k)
            carries.append(c)
        return tuple(carries), xs

    streams = all(cell.step is not None for cell in cells)
    return Cell(
        init, initial_carry, _whole_input, step if streams else None, output_size, over_time
    )


@cell_factory
def residual(cell: Cell) -> Cell:
    """`y_t = x_t + cell(x_t)`, for a cell whose output is as wide as its input.

    Raises:
        UserError: at `init`, where the two widths differ.

    References:
        He et al. 2016; between recurrent layers: Wu et al. 2016 (GNMT), section 3.1.
    """
    check_cells("residual", cell)

    def init(key: PRNGKey, input_size: int) -> Params:
        output_size = cell.output_size(input_size)
        if output_size != input_size:
            raise UserError(
                "residual adds the input to the output, so they must be equally wide; "
                f"got input size {input_size} and output size {output_size}"
            )
        return cell.init(key, input_size)

    def step(params, carry, x_t):
        carry, y_t = cell.advance(params, carry, x_t)
        return carry, x_t + y_t

    def over_time(run, params, carry, initial, xs, key):
        carry, ys = run(cell, params, carry, initial, xs, key)
        return carry, xs + ys

    return Cell(
        init,
        cell.initial_carry,
        _whole_input,
        None if cell.step is None else step,
        cell.output_size,
        over_time,
    )


class Directions(NamedTuple):
    """Parameters, or carries, of the two directions."""

    forward: Params
    backward: Params


@cell_factory
def bidirectional(forward: Cell, backward: Cell, *, combine: Combine = "concat") -> Cell:
    """Two cells over the same input, the second from the last real step to the first.

    Args:
        forward, backward: the cells that read from left to right, and from right to left.
        combine: `[forward_t, backward_t]` by "concat", or their "sum" or "mean".

    Returns:
        A cell with `Directions` of parameters and carries. It has no step: an output needs the
        future.

    Raises:
        UserError: `combine` is none of the three, or (at `init`) sum or mean of unequal sizes.

    References:
        Schuster & Paliwal 1997, "Bidirectional recurrent neural networks".
    """
    check_cells("bidirectional", forward, backward)
    if combine not in ("concat", "sum", "mean"):
        raise UserError(f"combine is 'concat', 'sum' or 'mean'; got {combine!r}")

    def init(key: PRNGKey, input_size: int) -> Directions:
        sizes = forward.output_size(input_size), backward.output_size(input_size)
        if combine != "concat" and sizes[0] != sizes[1]:
            raise UserError(f"combine={combine!r} needs equal output sizes; got {sizes}")
        key_forward, key_backward = jax.random.split(key)
        return Directions(
            forward.init(key_forward, input_size), backward.init(key_backward, input_size)
        )

    def initial_carry(params: Directions, batch_shape: tuple[int, ...]) -> Directions:
        return Directions(
            forward.initial_carry(params.forward, batch_shape),
            backward.initial_carry(params.backward, batch_shape),
        )

    def output_size(input_size: int) -> int:
        size = forward.output_size(input_size)
        return size + backward.output_size(input_size) if combine == "concat" else size

    def over_time(run, params: Directions, carry: Directions, initial: Directions, xs, key):
        key_f, key_b = split_key(key, 2)
        carry_f, ys_f = run(forward, params.forward, carry.forward, initial.forward, xs, key_f)
        carry_b, ys_b = run(
            backward, params.backward, carry.backward, initial.backward, xs, key_b, reverse=True
        )
        if combine == "concat":
            ys = jnp.concatenate([ys_f, ys_b], axis=-1)
        else:
            ys = (ys_f + ys_b) / (2 if combine == "mean" else 1)
        return Directions(carry_f, carry_b), ys

    return Cell(init, initial_carry, _whole_input, None, output_size, over_time)


class LearnedCarryParams(NamedTuple):
    """The cell's parameters and the carry (without batch dimensions) that it starts from."""

    cell: Params
    carry: Carry


@cell_factory
def learned_carry(cell: Cell) -> Cell:
    """The same cell with an initial carry that is learned, from zeros, instead of fixed."""
    check_cells("learned_carry", cell)

    def init(key: PRNGKey, input_size: int) -> LearnedCarryParams:
        params = cell.init(key, input_size)
        return LearnedCarryParams(params, cell.initial_carry(params, ()))

    def initial_carry(params: LearnedCarryParams, batch_shape: tuple[int, ...]) -> Carry:
        return jax.tree.map(lambda c: jnp.broadcast_to(c, (*batch_shape, *c.shape)), params.carry)

    def project(params: LearnedCarryParams, x: Array, key: PRNGKey | None = None):
        return cell.project(params.cell, x, key)

    def step(params: LearnedCarryParams, carry: Carry, u_t):
        assert cell.step is not None
        return cell.step(params.cell, carry, u_t)

    def over_time(run, params: LearnedCarryParams, carry, initial, xs, key):
        return run(cell, params.cell, carry, initial, xs, key)

    return Cell(
        init,
        initial_carry,
        project,
        None if cell.step is None else step,
        cell.output_size,
        over_time,
    )
