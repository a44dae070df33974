"""The shell that holds a cell's parameters in a flax.nnx module."""

from typing import Any

from flax import nnx

from rnnjax.cells.cell import Cell, check_cells
from rnnjax.errors import UserError
from rnnjax.scan import unroll
from rnnjax.typing import Array, Carry


class Recurrent(nnx.Module):
    """Any cell as an nnx module.

    Attributes:
        params: the cell's parameters, one `nnx.Param` around the whole pytree.
    """

    def __init__(self, cell: Cell, input_size: int, *, rngs: nnx.Rngs):
        check_cells("Recurrent", cell)
        self.cell = cell
        self.params = nnx.Param(cell.init(rngs.params(), input_size))
        self.output_size = cell.output_size(input_size)

    def __call__(
        self, xs: Array, carry: Carry | None = None, **options: Any
    ) -> tuple[Carry, Array]:
        """Runs over a sequence `[T, B, D]`; the options are those of `rnnjax.unroll`."""
        return unroll(self.cell, self.params.get_value(), xs, carry, **options)

    def step(self, x_t: Array, carry: Carry) -> tuple[Carry, Array]:
        """Runs one step, for streaming and decoding: `x_t [B, D]`."""
        return self.cell(self.params.get_value(), carry, x_t)

    def initial_carry(self, batch_size: int) -> Carry:
        """The carry before the first step of `batch_size` sequences."""
        return self.cell.initial_carry(self.params.get_value(), (batch_size,))


def check_left_to_right(cell: Cell, model: str) -> None:
    """Raises UserError if a cell would show a model the symbols that it is to predict."""
    check_cells(model, cell)
    if cell.step is None:
        raise UserError(
            f"{model} reads from left to right; {cell!r} is bidirectional and would see the "
            "symbols that are to be predicted"
        )
