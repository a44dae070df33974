"""Recurrent cells as records of pure functions, and the combinators that join them."""

from rnnjax.cells.cell import Cell
from rnnjax.cells.combinators import bidirectional, learned_carry, residual, stack
from rnnjax.cells.gru import GRUParams, gru
from rnnjax.cells.indrnn import indrnn
from rnnjax.cells.linear import LinearSpec
from rnnjax.cells.lru import LRUParams, lru
from rnnjax.cells.lstm import LSTMCarry, LSTMParams, lstm
from rnnjax.cells.minimal import MinimalParams, mingru, minlstm
from rnnjax.cells.mogrifier import MogrifierParams, mogrifier
from rnnjax.cells.origin import cell_factory
from rnnjax.cells.pointwise import dense, dropout, variational_dropout
from rnnjax.cells.regularizers import weight_drop, zoneout
from rnnjax.cells.rg_lru import RGLRUParams, rg_lru
from rnnjax.cells.rnn import RNNParams, rnn
from rnnjax.cells.stacked import StackedForm, stacked_form
from rnnjax.cells.xlstm import MLSTMCarry, MLSTMParams, SLSTMCarry, SLSTMParams, mlstm, slstm

__all__ = [
    "Cell",
    "GRUParams",
    "LRUParams",
    "LSTMCarry",
    "LSTMParams",
    "LinearSpec",
    "MLSTMCarry",
    "MLSTMParams",
    "MinimalParams",
    "MogrifierParams",
    "RGLRUParams",
    "RNNParams",
    "SLSTMCarry",
    "SLSTMParams",
    "StackedForm",
    "bidirectional",
    "cell_factory",
    "dense",
    "dropout",
    "gru",
    "indrnn",
    "learned_carry",
    "lru",
    "lstm",
    "mingru",
    "minlstm",
    "mlstm",
    "mogrifier",
    "residual",
    "rg_lru",
    "rnn",
    "slstm",
    "stack",
    "stacked_form",
    "variational_dropout",
    "weight_drop",
    "zoneout",
]
