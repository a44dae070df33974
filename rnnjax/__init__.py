"""Recurrent networks in JAX: pure-function cells, one `unroll` over time, whole pipelines."""

from rnnjax.cells import (
    Cell,
    GRUParams,
    LSTMCarry,
    LSTMParams,
    RNNParams,
    bidirectional,
    cell_factory,
    dense,
    dropout,
    gru,
    learned_carry,
    lstm,
    residual,
    rnn,
    stack,
    variational_dropout,
    weight_drop,
    zoneout,
)
from rnnjax.errors import UserError
from rnnjax.loading import load
from rnnjax.scan import explain, unroll, unroll_reference
from rnnjax.version import __version__

__all__ = [
    "Cell",
    "GRUParams",
    "LSTMCarry",
    "LSTMParams",
    "RNNParams",
    "UserError",
    "__version__",
    "bidirectional",
    "cell_factory",
    "dense",
    "dropout",
    "explain",
    "gru",
    "learned_carry",
    "load",
    "lstm",
    "residual",
    "rnn",
    "stack",
    "unroll",
    "unroll_reference",
    "variational_dropout",
    "weight_drop",
    "zoneout",
]
