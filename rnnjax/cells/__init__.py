"""Recurrent cells as records of pure functions, and the combinators that join them."""

from rnnjax.cells.block import GatedMLPParams, gated_mlp, residual_block, rms_norm
from rnnjax.cells.cell import Cell
from rnnjax.cells.combinators import bidirectional, learned_carry, residual, stack
from rnnjax.cells.fast_weights import FastWeightsCarry, FastWeightsParams, fast_weights
from rnnjax.cells.gated_deltanet import GatedDeltaNetCarry, GatedDeltaNetParams, gated_deltanet
from rnnjax.cells.gru import GRUParams, gru
from rnnjax.cells.indrnn import indrnn
from rnnjax.cells.linear import LinearSpec
from rnnjax.cells.lru import LRUParams, lru
from rnnjax.cells.lstm import LSTMCarry, LSTMParams, lstm
from rnnjax.cells.mamba2 import Mamba2Carry, Mamba2Params, mamba2
from rnnjax.cells.memory import Entry, MemorySpec
from rnnjax.cells.mgu import MGUParams, mgu
from rnnjax.cells.minimal import MinimalParams, mingru, minlstm
from rnnjax.cells.mogrifier import MogrifierParams, mogrifier
from rnnjax.cells.origin import cell_factory
from rnnjax.cells.pointwise import dense, dropout, variational_dropout
from rnnjax.cells.qrnn import QRNNCarry, QRNNParams, qrnn
from rnnjax.cells.regularizers import weight_drop, zoneout
from rnnjax.cells.rg_lru import RGLRUParams, rg_lru
from rnnjax.cells.rnn import RNNParams, rnn
from rnnjax.cells.s5 import S5Params, s5
from rnnjax.cells.sru import SRUParams, sru
from rnnjax.cells.stacked import StackedForm, stacked_form
from rnnjax.cells.xlstm import MLSTMCarry, MLSTMParams, SLSTMCarry, SLSTMParams, mlstm, slstm

__all__ = [
    "Cell",
    "Entry",
    "FastWeightsCarry",
    "FastWeightsParams",
    "GRUParams",
    "GatedDeltaNetCarry",
    "GatedDeltaNetParams",
    "GatedMLPParams",
    "LRUParams",
    "LSTMCarry",
    "LSTMParams",
    "LinearSpec",
    "MGUParams",
    "MLSTMCarry",
    "MLSTMParams",
    "Mamba2Carry",
    "Mamba2Params",
    "MemorySpec",
    "MinimalParams",
    "MogrifierParams",
    "QRNNCarry",
    "QRNNParams",
    "RGLRUParams",
    "RNNParams",
    "S5Params",
    "SLSTMCarry",
    "SLSTMParams",
    "SRUParams",
    "StackedForm",
    "bidirectional",
    "cell_factory",
    "dense",
    "dropout",
    "fast_weights",
    "gated_deltanet",
    "gated_mlp",
    "gru",
    "indrnn",
    "learned_carry",
    "lru",
    "lstm",
    "mamba2",
    "mgu",
    "mingru",
    "minlstm",
    "mlstm",
    "mogrifier",
    "qrnn",
    "residual",
    "residual_block",
    "rg_lru",
    "rms_norm",
    "rnn",
    "s5",
    "slstm",
    "sru",
    "stack",
    "stacked_form",
    "variational_dropout",
    "weight_drop",
    "zoneout",
]
