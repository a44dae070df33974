"""Recurrent cells as records of pure functions, and the combinators that join them."""

from rnnjax.cells.cell import Cell
from rnnjax.cells.combinators import bidirectional, learned_carry, residual, stack
from rnnjax.cells.gru import GRUParams, gru
from rnnjax.cells.lstm import LSTMCarry, LSTMParams, lstm
from rnnjax.cells.origin import cell_factory
from rnnjax.cells.pointwise import dense, dropout, variational_dropout
from rnnjax.cells.regularizers import weight_drop, zoneout
from rnnjax.cells.rnn import RNNParams, rnn
from rnnjax.cells.stacked import StackedForm, stacked_form

__all__ = [
    "Cell",
    "GRUParams",
    "LSTMCarry",
    "LSTMParams",
    "RNNParams",
    "StackedForm",
    "bidirectional",
    "cell_factory",
    "dense",
    "dropout",
    "gru",
    "learned_carry",
    "lstm",
    "residual",
    "rnn",
    "stack",
    "stacked_form",
    "variational_dropout",
    "weight_drop",
    "zoneout",
]
