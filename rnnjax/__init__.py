"""Recurrent networks in JAX: pure-function cells, one `unroll` over time, whole pipelines."""

from rnnjax.cells import (  # isort: skip
    Cell, GRUParams, LSTMCarry, LSTMParams, RNNParams, bidirectional, cell_factory, dense,
    dropout, fast_weights, gated_deltanet, gated_mlp, gru, indrnn, learned_carry, lru, lstm,
    mamba2, mgu, mingru, minlstm, mlstm, mogrifier, qrnn, residual, residual_block, rg_lru,
    rms_norm, rnn, s5, slstm, sru, stack, variational_dropout, weight_drop, zoneout,
)  # fmt: skip
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
