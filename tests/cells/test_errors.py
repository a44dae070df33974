"""Mistakes in making a cell: one clear message each."""

import functools

import jax
import jax.numpy as jnp
import pytest

import rnnjax
from rnnjax import bidirectional, dropout, gru, lstm, residual, rnn, stack, weight_drop, zoneout

LSTM = lstm(3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: lstm(0), "hidden_size is a positive integer; got 0"),
        (lambda: gru(2.5), r"hidden_size is a positive integer; got 2\.5"),
        (lambda: rnn("8"), "hidden_size is a positive integer; got '8'"),
        (lambda: rnnjax.dense(-1), "size is a positive integer; got -1"),
        (lambda: lstm(3, projection_size=0), "projection_size is a positive integer; got 0"),
        (lambda: lstm(3, coupled=True, forget_gate=False), "choose one"),
        (lambda: gru(3, reset="middle"), "'after', 'before' or 'none'; got 'middle'"),
        (lambda: lstm(3, compute_dtype="bf16"), "such as jnp.bfloat16; got bf16"),
        (lambda: lstm(3, compute_dtype=jnp.int32), "such as jnp.bfloat16; got int32"),
        (lambda: rnnjax.mogrifier(3, num_rounds=1.5), r"0 or a positive integer; got 1\.5"),
        (lambda: rnnjax.fast_weights(3, num_rounds=-1), "num_rounds is 0 or a positive .* got -1"),
        (lambda: stack([]), "at least one cell"),
        (lambda: stack(LSTM), r"a list of cells; got lstm\(3\)"),
        (lambda: stack([LSTM, 5]), r"stack takes a Cell, such as rnnjax.lstm\(128\); got 5"),
        (lambda: residual(lstm), "residual takes a Cell"),
        (lambda: bidirectional(LSTM, "lstm"), "bidirectional takes a Cell"),
        (lambda: weight_drop("lstm", 0.1), "weight_drop takes a Cell"),
        (lambda: zoneout(None, 0.1), "zoneout takes a Cell"),
        (lambda: rnnjax.learned_carry(8), "learned_carry takes a Cell"),
        (lambda: dropout("0.1"), r"in \[0, 1\); got '0.1'"),
        (lambda: bidirectional(LSTM, LSTM, combine="max"), "'concat', 'sum' or 'mean'; got 'max'"),
        (lambda: dropout(1.0), r"in \[0, 1\); got 1\.0"),
        (lambda: rnnjax.variational_dropout(-0.1), r"in \[0, 1\); got -0\.1"),
        (lambda: weight_drop(LSTM, 1.5), r"in \[0, 1\); got 1\.5"),
        (lambda: zoneout(LSTM, 0.1, cell_state_rate=1), r"in \[0, 1\); got 1"),
        (lambda: zoneout(stack([LSTM]), 0.1), "wrap the layers, not the stack"),
        (lambda: zoneout(bidirectional(LSTM, LSTM), 0.1), "wraps a single recurrent layer"),
        (lambda: zoneout(dropout(0.5), 0.1), "wraps a single recurrent layer"),
    ],
)
def test_a_wrong_option(make, message):
    with pytest.raises(rnnjax.UserError, match=message):
        make()


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (residual(LSTM), "input size 2 and output size 3"),
        (stack([LSTM, residual(rnn(4))]), "input size 3 and output size 4"),
        (bidirectional(LSTM, gru(2), combine="sum"), r"combine='sum' .* got \(3, 2\)"),
        (bidirectional(LSTM, gru(2), combine="mean"), r"combine='mean' .* got \(3, 2\)"),
        (weight_drop(stack([LSTM]), 0.5), "whose parameters have a w_hh; got tuple"),
        (zoneout(rnnjax.slstm(3), 0.1), r"carry is its output h, or \(c, h\).* got slstm\(3\)"),
        (zoneout(rnnjax.sru(3), 0.1), r"carry is its output h, or \(c, h\).* got sru\(3\)"),
        (zoneout(rnnjax.qrnn(3), 0.1), r"carry is its output h, or \(c, h\).* got qrnn\(3\)"),
    ],
)
def test_what_does_not_fit_is_told_at_init(cell, message):
    with pytest.raises(rnnjax.UserError, match=message):
        cell.init(jax.random.key(0), 2)


@pytest.mark.parametrize(
    "wrap",
    [lambda cell: cell, residual, rnnjax.learned_carry, lambda cell: stack([LSTM, cell])],
)
def test_a_bidirectional_cell_has_no_step(wrap):
    cell = wrap(bidirectional(LSTM, LSTM, combine="sum"))
    params = cell.init(jax.random.key(0), 3)
    carry = cell.initial_carry(params, (2,))
    with pytest.raises(rnnjax.UserError, match="needs the future"):
        cell(params, carry, jnp.ones((2, 3)))


@pytest.mark.parametrize("combine", [lambda cell: stack([cell]), residual])
def test_noise_of_a_combination_is_drawn_by_unroll(combine):
    project = functools.partial(combine(LSTM).project, (), jnp.ones((2, 3)))
    project()
    with pytest.raises(rnnjax.UserError, match="drawn by unroll"):
        project(jax.random.key(0))
