"""Recurrent networks in JAX: pure-function cells, one `unroll` over time, whole pipelines."""

from rnnjax.cells.block import gated_mlp, residual_block, rms_norm
from rnnjax.cells.cell import Cell
from rnnjax.cells.combinators import bidirectional, learned_carry, residual, stack
from rnnjax.cells.fast_weights import fast_weights
from rnnjax.cells.gated_deltanet import gated_deltanet
from rnnjax.cells.gru import GRUParams, gru
from rnnjax.cells.indrnn import indrnn
from rnnjax.cells.lru import lru
from rnnjax.cells.lstm import LSTMCarry, LSTMParams, lstm
from rnnjax.cells.mamba2 import mamba2
from rnnjax.cells.mgu import mgu
from rnnjax.cells.minimal import mingru, minlstm
from rnnjax.cells.mogrifier import mogrifier
from rnnjax.cells.origin import cell_factory
from rnnjax.cells.pointwise import dense, dropout, variational_dropout
from rnnjax.cells.qrnn import qrnn
from rnnjax.cells.regularizers import weight_drop, zoneout
from rnnjax.cells.rg_lru import rg_lru
from rnnjax.cells.rnn import RNNParams, rnn
from rnnjax.cells.s5 import s5
from rnnjax.cells.sru import sru
from rnnjax.cells.xlstm import mlstm, slstm
from rnnjax.errors import UserError
from rnnjax.loading import load
from rnnjax.scan import explain, unroll, unroll_reference
from rnnjax.version import __version__

__all__ = [
    "Cell", "GRUParams", "LSTMCarry", "LSTMParams", "RNNParams", "UserError", "__version__",
    "bidirectional", "cell_factory", "dense", "dropout", "explain", "fast_weights",
    "gated_deltanet", "gated_mlp", "gru", "indrnn", "learned_carry", "load", "lru", "lstm",
    "mamba2", "mgu", "mingru", "minlstm", "mlstm", "mogrifier", "qrnn", "residual",
    "residual_block", "rg_lru", "rms_norm", "rnn", "s5", "slstm", "sru", "stack", "unroll",
    "unroll_reference", "variational_dropout", "weight_drop", "zoneout",
]  # fmt: skip
