"""Examples worked by hand, as teaching material has them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax.cells import stacked_form

X, H_OLD = np.array([1.0, 2.0, 3.0]), np.array([4.0, 5.0, 6.0])


def linear(pre_activations):
    return pre_activations


def test_pre_activations_of_a_vanilla_cell():
    """Input [1,2,3], hidden state [4,5,6], rows of W all 1, all 2, all 3, bias 1."""
    rows = np.repeat([[1.0], [2.0], [3.0]], 6, axis=1)
    params = rnnjax.RNNParams(w_ih=rows[:, :3].T, w_hh=rows[:, 3:].T, b=np.ones(3))
    h, _ = rnnjax.rnn(3, activation=linear)(params, H_OLD, X)
    np.testing.assert_array_equal(h, [22, 43, 64])
    h, _ = rnnjax.rnn(3)(params, H_OLD, X)
    np.testing.assert_allclose(h, np.tanh([22, 43, 64]))


def test_forget_gate_of_an_lstm():
    """Rows [1..6], [5..10], [3..8] over [x, h] and bias [1,2,3]: a gate that forgets nothing."""
    rows = np.array([np.arange(1, 7), np.arange(5, 11), np.arange(3, 9)], float)
    pre_activations = rows @ np.concatenate([X, H_OLD]) + [1, 2, 3]
    np.testing.assert_array_equal(pre_activations, [92, 177, 136])

    # The other gates see nothing: i = 1/2, g = tanh(0) = 0, o = 1/2, so that c shows f alone.
    zeros = np.zeros((3, 3))
    params = rnnjax.LSTMParams(
        w_ih=np.concatenate([zeros, rows[:, :3].T, zeros, zeros], axis=1),
        w_hh=np.concatenate([zeros, rows[:, 3:].T, zeros, zeros], axis=1),
        b=np.concatenate([zeros[0], [1, 2, 3], zeros[0], zeros[0]]),
    )
    c_old = np.array([0.1, -0.2, 0.3])
    carry, h = rnnjax.lstm(3)(params, rnnjax.LSTMCarry(c_old, H_OLD), X)
    np.testing.assert_allclose(carry.c, c_old, rtol=1e-6)  # gates of almost 1
    np.testing.assert_allclose(h, np.tanh(c_old) / 2, rtol=1e-6)
    # One unit of pre-activation more or less must show: at small pre-activations it does.
    small = params._replace(w_ih=params.w_ih / 100, w_hh=params.w_hh / 100, b=params.b / 100)
    carry, _ = rnnjax.lstm(3)(small, rnnjax.LSTMCarry(c_old, H_OLD), X)
    gate = 1 / (1 + np.exp(-np.array([0.92, 1.77, 1.36])))
    np.testing.assert_allclose(carry.c, gate * c_old, rtol=1e-6)


@pytest.mark.parametrize(("m", "k"), [(3, 3), (2, 5)])
def test_every_gate_has_a_matrix_k_by_m_plus_k(m, k):
    cell = rnnjax.lstm(k)
    params = cell.init(jax.random.key(0), m)
    w, b = stacked_form(params)
    assert [gate.shape for gate in jnp.split(w, 4)] == [(k, m + k)] * 4
    assert [gate.shape for gate in jnp.split(b, 4)] == [(k,)] * 4
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 4 * (k * (m + k) + k)
    carry, h = cell(params, cell.initial_carry(params, (7,)), jnp.ones((7, m)))
    assert carry.c.shape == carry.h.shape == h.shape == (7, k)


@pytest.mark.parametrize("num_gates", [1, 4])
def test_the_stacked_form_gives_the_numbers_of_the_split_form(num_gates):
    draw = np.random.default_rng(0)
    m, k = 3, 5
    make = rnnjax.RNNParams if num_gates == 1 else rnnjax.LSTMParams
    shapes = (m, num_gates * k), (k, num_gates * k), (num_gates * k,)
    params = make(*(draw.standard_normal(shape) for shape in shapes))
    a, x, c = draw.standard_normal(k), draw.standard_normal(m), draw.standard_normal(k)

    w, b = stacked_form(params)
    pre_activations = w @ np.concatenate([a, x]) + b
    if num_gates == 1:
        ours, _ = rnnjax.rnn(k)(params, a, x)
        expected = [np.tanh(pre_activations)]
    else:
        ours, _ = rnnjax.lstm(k)(params, rnnjax.LSTMCarry(c, a), x)
        i, f, g, o = np.split(pre_activations, 4)
        c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        expected = (c, np.tanh(c) / (1 + np.exp(-o)))
    np.testing.assert_allclose(np.stack(jax.tree.leaves(ours)), np.stack(expected), rtol=1e-5)


@pytest.mark.parametrize("cell", [rnnjax.gru(2), rnnjax.lstm(2, layer_norm=True)])
def test_no_stacked_form_where_the_parts_are_not_added(cell):
    with pytest.raises(rnnjax.UserError, match="no stacked form"):
        stacked_form(cell.init(jax.random.key(0), 2))
