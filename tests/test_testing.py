"""The contract of cells: every cell of the library keeps it, and each breach is told."""

import dataclasses

import jax
import jax.numpy as jnp
import pytest

import rnnjax
from rnnjax.cells import LinearSpec
from rnnjax.testing import BrokenPromise, check_cell
from tests.cells.zoo import ZOO, D, H

RNN = rnnjax.rnn(H)


# Other combinations of these have their oracle in tests/scan/test_properties.py.
COMBINED = ("bidirectional_concat", "bidirectional_mean", "zoneout_gru")


@pytest.mark.parametrize("name", [name for name in ZOO if name not in COMBINED])
def test_the_cells_of_the_library(name):
    check_cell(ZOO[name], input_size=D)


def changed(**functions):
    return dataclasses.replace(RNN, spec=None, **functions)


def counts_time(params, x, key=None):
    return RNN.project(params, x) + (jnp.arange(len(x))[:, None, None] if x.ndim == 3 else 0)


def mixes_rows(params, h, u_t):
    h, y = RNN.step(params, h, u_t)
    return h + 0.1 * h.mean(axis=0), y


def forgets_to_differentiate(params, h, u_t):
    return RNN.step(params, jax.lax.stop_gradient(h), u_t)


def narrows(params, h, u_t):
    h, y = RNN.step(params, h, u_t)
    return h.astype(jnp.float32), y


def remembers_the_first_step(run, params, carry, initial, xs, key):
    carry, ys = run(RNN, params, carry, initial, xs, key)
    return carry, ys + xs[:1, :, :1]


def grows():
    spec = LinearSpec(lambda params, u: (jnp.full_like(u, 1.5), u), lambda params, h, u: h)
    return dataclasses.replace(RNN, step=spec.step, spec=spec)


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        (changed(project=counts_time), "steps one by one give what the whole sequence gives"),
        (changed(step=mixes_rows), "padded with NaN, gives what it gives without|one by one"),
        (changed(step=forgets_to_differentiate), "finite differences; .* of the (params|carry)"),
        (changed(step=narrows), r"a carry like the one before it.*float64.*float32"),
        (changed(output_size=lambda size: H + 1), r"y_t has shape \[3, 5\]; it has \[3, 4\]"),
        (changed(initial_carry=lambda params, batch: jnp.zeros((H, *batch))), "puts B before"),
        (changed(step=lambda params, h, u_t: h), r"gives \(carry, y_t\), y_t an array; got Sh"),
        (grows(), r"\|a_t\| <= 1; a_t is up to 1.5"),
        (changed(over_time=remembers_the_first_step), "steps one by one|plain loop"),
    ],
)
def test_a_breach_is_told(cell, message):
    with pytest.raises(BrokenPromise, match=message):
        check_cell(cell, input_size=D)


def test_a_cell_that_knows_where_a_sequence_begins_breaks_the_reset():
    def over_time(run, params, carry, initial, xs, key):
        carry, ys = run(RNN, params, carry, initial, xs, key)
        return carry, ys + xs.mean(axis=0)

    with pytest.raises(BrokenPromise, match=r"without padding|a reset at step . starts a new"):
        check_cell(changed(step=None, over_time=over_time), input_size=D)


def test_what_is_no_cell_is_told():
    with pytest.raises(rnnjax.UserError, match=r"check_cell takes a Cell, .*; got 'lstm'"):
        rnnjax.testing.check_cell("lstm", input_size=4)
