"""Every kind of cell, small, for the properties that all of them share."""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import rnnjax

T, B, D, H = 7, 3, 4, 4


def in_dicts(cell):
    """A cell such as a user may write it: params and carry are dicts, not NamedTuples."""

    def of(make, tree):
        return type(make)(**tree)

    params = cell.init(jax.random.key(0), 1)
    carry = cell.initial_carry(params, ())

    def step(p, c, u_t):
        c, y_t = cell.step(of(params, p), of(carry, c), u_t)
        return c._asdict(), y_t

    return rnnjax.Cell(
        init=lambda key, input_size: cell.init(key, input_size)._asdict(),
        initial_carry=lambda p, batch: cell.initial_carry(of(params, p), batch)._asdict(),
        project=lambda p, x, key=None: cell.project(of(params, p), x, key),
        step=step,
        output_size=cell.output_size,
    )


SINGLE = {
    "rnn": functools.partial(rnnjax.rnn, H),
    "irnn": functools.partial(rnnjax.rnn, H, activation=jax.nn.relu, recurrent_init="identity"),
    "gru": functools.partial(rnnjax.gru, H),
    "gru_reset_before": functools.partial(rnnjax.gru, H, reset="before"),
    "gru_simplified": functools.partial(rnnjax.gru, H, reset="none"),
    "lstm": functools.partial(rnnjax.lstm, H),
    "lstm_1997": functools.partial(rnnjax.lstm, H, forget_gate=False),
    "lstm_coupled": functools.partial(rnnjax.lstm, H, coupled=True),
    "lstm_peepholes": functools.partial(rnnjax.lstm, H, peepholes=True),
    "lstm_projection": functools.partial(rnnjax.lstm, 5, projection_size=H),
    "lstm_layer_norm": functools.partial(rnnjax.lstm, H, layer_norm=True),
    "lstm_stochastic": functools.partial(rnnjax.lstm, H, stochastic_gates=True),
    "lstm_everything": functools.partial(
        rnnjax.lstm, 5, coupled=True, peepholes=True, projection_size=H, layer_norm=True
    ),
    "fast_weights": functools.partial(rnnjax.fast_weights, H, num_rounds=2),
    "gated_deltanet": functools.partial(rnnjax.gated_deltanet, H, num_heads=2, window=3),
    "indrnn": functools.partial(rnnjax.indrnn, H),
    "lru": functools.partial(rnnjax.lru, H, state_size=5),
    "mamba2": functools.partial(rnnjax.mamba2, H, num_heads=2, state_size=3, window=3),
    "mgu": functools.partial(rnnjax.mgu, H),
    "mingru": functools.partial(rnnjax.mingru, H),
    "minlstm": functools.partial(rnnjax.minlstm, H),
    "mlstm": functools.partial(rnnjax.mlstm, H, num_heads=2),
    "mogrifier": functools.partial(rnnjax.mogrifier, H, num_rounds=3),
    "qrnn": functools.partial(rnnjax.qrnn, H, window=3),
    "rg_lru": functools.partial(rnnjax.rg_lru, H),
    "s5": functools.partial(rnnjax.s5, H, state_size=5),
    "slstm": functools.partial(rnnjax.slstm, H),
    "sru": functools.partial(rnnjax.sru, H),
}
"""Factories of the cells with matrices of their own, which take a `compute_dtype`."""

COMBINED = {
    "in_dicts": in_dicts(rnnjax.fast_weights(H, num_rounds=2)),
    "dense": rnnjax.dense(H, activation=jnp.tanh),
    "learned_carry": rnnjax.learned_carry(rnnjax.lstm(H)),
    "residual": rnnjax.residual(rnnjax.gru(H)),
    "residual_block": rnnjax.residual_block(rnnjax.gru(H), expansion=2, activation=jax.nn.silu),
    "zoneout": rnnjax.zoneout(rnnjax.lstm(H), 0.3, cell_state_rate=0.6),
    "zoneout_gru": rnnjax.zoneout(rnnjax.gru(H), 0.4),
    "weight_drop": rnnjax.weight_drop(rnnjax.lstm(H), 0.5),
    "stack": rnnjax.stack(
        [
            rnnjax.lstm(H),
            rnnjax.dropout(0.5),
            rnnjax.residual(rnnjax.zoneout(rnnjax.gru(H), 0.2)),
            rnnjax.variational_dropout(0.3),
            rnnjax.learned_carry(rnnjax.rnn(3)),
            rnnjax.dense(2),
        ]
    ),
}


BIDIRECTIONAL = {
    "bidirectional_concat": rnnjax.bidirectional(rnnjax.lstm(H), rnnjax.rnn(2)),
    "bidirectional_sum": rnnjax.bidirectional(
        rnnjax.gru(H), rnnjax.learned_carry(rnnjax.gru(H)), combine="sum"
    ),
    "bidirectional_mean": rnnjax.bidirectional(rnnjax.rnn(H), rnnjax.rnn(H), combine="mean"),
    "bidirectional_deep": rnnjax.stack(
        [rnnjax.bidirectional(rnnjax.rnn(3), rnnjax.residual(rnnjax.gru(H))), rnnjax.rnn(H)]
    ),
}

ZOO = {name: make() for name, make in SINGLE.items()} | COMBINED | BIDIRECTIONAL

KINDS = [
    "rnn",
    "gru",
    "gru_reset_before",
    "lstm",
    "lstm_stochastic",
    "lstm_everything",
    "lru",
    "mamba2",
    "mlstm",
    "qrnn",
    "in_dicts",
    "dense",
    "learned_carry",
    "zoneout",
    "stack",
    *BIDIRECTIONAL,
]
"""Cells that the code around a cell tells apart: by engine, carry, window, noise, combination."""

STREAMING = [name for name in KINDS if ZOO[name].step is not None]


class Inputs(NamedTuple):
    """What `unroll` is called with: numpy arrays."""

    params: object
    xs: np.ndarray
    carry: object


def inputs(name, seed, dtype=np.float32):
    """`inputs_of` a cell by its name in the zoo."""
    return inputs_of(ZOO[name], seed, dtype)


def inputs_of(cell, seed, dtype=np.float32):
    """Params of which none is zero, inputs, and a carry that is not the initial one."""
    draw = np.random.default_rng(seed)

    def drawn(shape):
        return (0.6 * draw.standard_normal(shape.shape)).astype(dtype)

    params, carry = jax.tree.map(drawn, _shapes(cell))
    return Inputs(params, draw.standard_normal((T, B, D)).astype(dtype), carry)


@functools.cache
def _shapes(cell):
    def params_and_carry():
        params = cell.init(jax.random.key(0), D)
        return params, cell.initial_carry(params, (B,))

    return jax.eval_shape(params_and_carry)


jit = functools.partial(
    jax.jit,
    compiler_options={
        "xla_backend_optimization_level": 0,
        "xla_llvm_disable_expensive_passes": True,
    },
)
"""`jax.jit` for many small programs that run a few times: XLA's passes, but quick machine code."""
