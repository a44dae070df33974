"""Recurrent layers by name, as configs and flags call them."""

import functools
import importlib
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp

from rnnjax.cells.cell import Cell
from rnnjax.cells.combinators import bidirectional, stack
from rnnjax.cells.fast_weights import fast_weights
from rnnjax.cells.gated_deltanet import gated_deltanet
from rnnjax.cells.gru import gru
from rnnjax.cells.indrnn import indrnn
from rnnjax.cells.lru import lru
from rnnjax.cells.lstm import lstm
from rnnjax.cells.mamba2 import mamba2
from rnnjax.cells.mgu import mgu
from rnnjax.cells.minimal import mingru, minlstm
from rnnjax.cells.mogrifier import mogrifier
from rnnjax.cells.pointwise import variational_dropout
from rnnjax.cells.qrnn import qrnn
from rnnjax.cells.regularizers import weight_drop as drop_weights
from rnnjax.cells.rg_lru import rg_lru
from rnnjax.cells.rnn import rnn
from rnnjax.cells.s5 import s5
from rnnjax.cells.sru import sru
from rnnjax.cells.xlstm import mlstm, slstm
from rnnjax.errors import UserError, check_known, did_you_mean
from rnnjax.typing import DType

CELLS: Mapping[str, Callable[..., Cell]] = {
    "fast_weights": fast_weights,
    "gated_deltanet": gated_deltanet,
    "gru": gru,
    "gru_cho": functools.partial(gru, reset="before"),
    "gru_simple": functools.partial(gru, reset="none"),
    "indrnn": indrnn,
    "irnn": functools.partial(rnn, activation=jax.nn.relu, recurrent_init="identity"),
    "lru": lru,
    "lstm": lstm,
    "lstm_1997": functools.partial(lstm, forget_gate=False),
    "lstm_coupled": functools.partial(lstm, coupled=True),
    "lstm_layer_norm": functools.partial(lstm, layer_norm=True),
    "lstm_peephole": functools.partial(lstm, peepholes=True),
    "mamba2": mamba2,
    "mgu": mgu,
    "mingru": mingru,
    "minlstm": minlstm,
    "mlstm": mlstm,
    "mogrifier": mogrifier,
    "qrnn": qrnn,
    "rg_lru": rg_lru,
    "rnn": rnn,
    "s5": s5,
    "slstm": slstm,
    "sru": sru,
}
DTYPES = ("float32", "bfloat16")


def make_cell(name: str, hidden_size: int, *, compute_dtype: DType | None = None) -> Cell:
    """A single recurrent layer.

    Args:
        name: one of `CELLS`, or `MODULE:FACTORY` for a cell of your own, such as
            `my_module:my_cell`: a function `hidden_size -> Cell` that can be imported, also from
            the current directory.
        hidden_size, compute_dtype: H, and the dtype of the matmul operands; your own factory gets
            it if it takes a keyword of that name.

    Raises:
        UserError: there is no such cell, or the factory cannot be imported or gives no `Cell`.
    """
    if ":" in name:
        return _imported_cell(name, hidden_size, compute_dtype)
    check_known("cell", name, CELLS)
    return CELLS[name](hidden_size, compute_dtype=compute_dtype)


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
        name: see `make_cell`.
        hidden_size, num_layers: H of each layer, and L.
        dropout: on the output of each layer, one mask a sequence.
        weight_drop: on each recurrent matrix, one mask a sequence.
        both_directions: every layer is two, one for each direction, of H units each.
        compute_dtype: of the matmul operands, by name.

    Raises:
        UserError: see `make_cell`; a rate is outside [0, 1), or the dtype is unknown.

    References:
        Merity, Keskar & Socher 2018, "Regularizing and optimizing LSTM language models".
    """
    cell = make_cell(name, hidden_size, compute_dtype=operand_dtype(compute_dtype))
    if weight_drop:
        cell = drop_weights(cell, weight_drop)
    if both_directions:
        cell = bidirectional(cell, cell)
    return stack([cell, variational_dropout(dropout)] * num_layers)


def operand_dtype(name: str) -> jnp.dtype | None:
    """The `compute_dtype` of that name; None for float32, which leaves operands as they are."""
    check_known("compute_dtype", name, DTYPES)
    return None if name == "float32" else jnp.dtype(name)


def _imported_cell(path: str, hidden_size: int, compute_dtype: DType | None) -> Cell:
    factory = _imported(path)
    options = {"compute_dtype": compute_dtype} if _takes(factory, "compute_dtype") else {}
    try:
        cell = factory(hidden_size, **options)
    except Exception as error:
        raise UserError(
            f"the cell {path} cannot be made of hidden_size={hidden_size}: {_in_a_line(error)}"
        ) from error
    if not isinstance(cell, Cell):
        raise UserError(
            f"{path} is no factory of cells: expected a rnnjax Cell of hidden_size={hidden_size}, "
            f"got {type(cell).__name__}"
        )
    return cell


def _imported(path: str) -> Callable[..., Any]:
    module_name, _, name = path.partition(":")
    if not all(word.isidentifier() for word in (*module_name.split("."), name)):
        raise UserError(f"the cell {path!r} is not written MODULE:FACTORY, as my_module:my_cell is")
    if os.getcwd() not in sys.path:  # `python -P` leaves it out
        sys.path.append(os.getcwd())
    try:
        module = importlib.import_module(module_name)
    except Exception as error:
        raise UserError(
            f"the cell {path} cannot be imported from {os.getcwd()} or the installed packages: "
            f"{_in_a_line(error)}"
        ) from error
    if not hasattr(module, name):
        valid = [n for n, x in vars(module).items() if callable(x) and not n.startswith("_")]
        hint = did_you_mean(name, valid) if valid else "it has no functions"
        raise UserError(f"the module {module_name} has no {name}; {hint}")
    factory = getattr(module, name)
    if not callable(factory):
        raise UserError(
            f"{path} is no factory of cells: expected a function hidden_size -> Cell, got "
            f"{type(factory).__name__}"
        )
    return factory


def _takes(function: Callable[..., Any], keyword: str) -> bool:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # of some functions written in C
        return False
    return any(p.name == keyword or p.kind is p.VAR_KEYWORD for p in parameters)


def _in_a_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
