"""An encoder of sequences: token ids or vectors, read by a recurrent network."""

import jax
import jax.numpy as jnp
from flax import nnx

from rnnjax.cells.block import residual_block
from rnnjax.cells.cell import Cell, check_sizes, split_key
from rnnjax.cells.combinators import bidirectional, learned_carry, residual, stack
from rnnjax.cells.pointwise import drop, dropout, variational_dropout
from rnnjax.engines.problem import Remat
from rnnjax.errors import UserError
from rnnjax.heads import pooling
from rnnjax.models.recurrent import Recurrent
from rnnjax.ranges import check_ids
from rnnjax.typing import Array, Carry, PRNGKey


class SequenceEncoder(nnx.Module):
    """``y = cell over x``, x_t a vector that is given or the embedding of a token.

    Attributes:
        output_size: H, the width of y_t.
    """

    def __init__(
        self,
        cell: Cell,
        *,
        input_size: int,
        vocab_size: int | None = None,
        dropout: float = 0.0,
        rngs: nnx.Rngs,
    ):
        """Draws the parameters.

        Args:
            cell: any; directions, layers and dropout between them are the cell's own.
            input_size: D, the width of x_t.
            vocab_size: V of the tokens; None: vectors are given.
            dropout: on x, one mask a sequence.

        Raises:
            UserError: a size is no positive integer.
        """
        check_sizes(input_size=input_size, vocab_size=1 if vocab_size is None else vocab_size)
        self.embed = None if vocab_size is None else nnx.Embed(vocab_size, input_size, rngs=rngs)
        self.recurrent = Recurrent(cell, input_size, rngs=rngs)
        self.input_size, self.dropout = input_size, dropout
        self.output_size = self.recurrent.output_size

    def __call__(
        self,
        inputs: Array,
        mask: Array | None = None,
        key: PRNGKey | None = None,
        *,
        remat: Remat = "none",
    ) -> Array:
        """The output at each step, `[T, B, H]`, 0 where the mask is False.

        Args:
            inputs: tokens, int `[T, B]`, or vectors `[T, B, D]`. Where the mask is False they may
                hold anything, ids of no token and NaN too.
            mask: bool `[T, B]`, True at real steps; None: all are real.
            key: turns on dropout and the cell's noise.
            remat: as for `rnnjax.unroll`.

        Raises:
            UserError: the inputs are of another kind or shape.
        """
        key_inputs, key_recurrent = split_key(key, 2)
        if mask is not None and mask.shape != inputs.shape[:2]:
            raise UserError(
                f"the mask of inputs of shape {list(inputs.shape)} has shape "
                f"{list(inputs.shape[:2])}; got {list(mask.shape)}"
            )
        if self.embed is not None:
            if inputs.ndim != 2 or not jnp.issubdtype(inputs.dtype, jnp.integer):
                raise UserError(
                    f"tokens are integers of shape [T, B]; got {inputs.dtype} of shape "
                    f"{list(inputs.shape)}"
                )
            check_ids("tokens", inputs, self.embed.num_embeddings, mask)
            with jax.named_scope("embed"):
                xs = self.embed(inputs if mask is None else jnp.where(mask, inputs, 0))
        elif inputs.ndim != 3 or inputs.shape[-1] != self.input_size:
            raise UserError(
                f"inputs have shape [T, B, {self.input_size}]; got {list(inputs.shape)}"
            )
        else:
            xs = inputs if mask is None else jnp.where(mask[..., None], inputs, 0)
        xs = drop(xs, self.dropout, key_inputs, xs.shape[1:])
        return self.recurrent(xs, mask=mask, key=key_recurrent, remat=remat)[1]

    def last(self, ys: Array, mask: Array | None = None) -> Array:
        """The output after the last real step of each direction, `[B, H]`; see `pooling.last`.

        Raises:
            UserError: it cannot be told which outputs belong to which direction.
        """
        cell, carry = self.recurrent.cell, self.recurrent.initial_carry(1)
        return pooling.last(ys, mask, forward_size=_forward_size(cell, carry, self.input_size))


_COMBINATORS = (bidirectional, learned_carry, residual, residual_block, stack)


def _forward_size(cell: Cell, carry: Carry, input_size: int) -> int | None:
    """How many of a cell's outputs, the first ones, are read from left to right; None: all.

    Raises:
        UserError: the others are not those of the other direction.
    """
    origin = cell.origin
    if cell.step is not None or origin is None or origin.factory not in _COMBINATORS:
        return None  # it reads from left to right, or is a user's own
    factory, parts = origin.factory, origin.arguments
    if factory in (residual, learned_carry):
        return _forward_size(parts["cell"], carry, input_size)
    if factory is bidirectional and parts["combine"] == "concat":
        return parts["forward"].output_size(input_size)
    if factory is stack:  # the layer on top; dropout and the like have no carry
        cells, states = parts["cells"], map(jax.tree.leaves, carry)
        top = max((n for n, its in enumerate(states) if its), default=0)
        for below in cells[:top]:
            input_size = below.output_size(input_size)
        size = _forward_size(cells[top], carry[top], input_size)
        above = {getattr(one.origin, "factory", None) for one in cells[top + 1 :]}
        if size is None or above <= {dropout, variational_dropout}:
            return size
    raise UserError(
        "the last output of each direction takes a bidirectional cell on top that puts them side "
        f"by side; got {cell!r}"
    )
