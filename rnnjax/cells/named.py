"""Recurrent layers by name, as configs and flags call them."""

import functools
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Cell
from rnnjax.cells.combinators import bidirectional, stack
from rnnjax.cells.gru import gru
from rnnjax.cells.lstm import lstm
from rnnjax.cells.pointwise import variational_dropout
from rnnjax.cells.regularizers import weight_drop as drop_weights
from rnnjax.cells.rnn import rnn
from rnnjax.errors import UserError, did_you_mean

CELLS: Mapping[str, Callable[..., Cell]] = {
    "gru": gru,
    "gru_cho": functools.partial(gru, reset="before"),
    "gru_simple": functools.partial(gru, reset="none"),
    "irnn": functools.partial(rnn, activation=jax.nn.relu, recurrent_init="identity"),
    "lstm": lstm,
    "lstm_1997": functools.partial(lstm, forget_gate=False),
    "lstm_coupled": functools.partial(lstm, coupled=True),
    "lstm_layer_norm": functools.partial(lstm, layer_norm=True),
    "lstm_peephole": functools.partial(lstm, peepholes=True),
    "rnn": rnn,
}
DTYPES = ("float32", "bfloat16")


def deep(
    name: str,
    hidden_size: int,
    *,
    num_layers: int = 1,
    dropout: float = 0.0,
    weight_drop: float = 0.0,
    both_directions: bool = False,
    compute_dtype: str = "float32",
) -> Cell:
    """A regularised deep network: `num_layers` layers of the named cell.

    Args:
        name: one of `CELLS`.
        hidden_size: H, of each layer.
        num_layers: L.
        dropout: on the output of each layer, one mask a sequence.
        weight_drop: on each recurrent matrix, one mask a sequence.
        both_directions: every layer is two, one for each direction, of H units each.
        compute_dtype: of the matmul operands, by name.

    Raises:
        UserError: an unknown name.

    References:
        Merity, Keskar & Socher 2018, "Regularizing and optimizing LSTM language models".
    """
    if name not in CELLS:
        raise UserError(f"unknown cell {name!r}; {did_you_mean(name, CELLS)}")
    dtype = operand_dtype(compute_dtype)
    layers = []
    cell = drop_weights(CELLS[name](hidden_size, compute_dtype=dtype), weight_drop)
    if both_directions:
        cell = bidirectional(cell, cell)
    for _ in range(num_layers):
        layers += [cell, variational_dropout(dropout)]
    return stack(layers)


def operand_dtype(name: str) -> jnp.dtype | None:
    """The `compute_dtype` of that name; None for float32, which leaves operands as they are."""
    if name not in DTYPES:
        raise UserError(f"unknown compute_dtype {name!r}; {did_you_mean(name, DTYPES)}")
    return None if name == "float32" else jnp.dtype(name)
