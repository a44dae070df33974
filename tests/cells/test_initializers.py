"""What a fresh layer looks like."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from rnnjax.cells.initializers import INITIALIZERS, gate_matrices

KEY = jax.random.key(0)


@pytest.mark.parametrize("num_gates", [1, 3])
def test_orthogonal_gate_by_gate(num_gates):
    packed = gate_matrices(KEY, "orthogonal", 8, 8, num_gates)
    gates = np.split(np.asarray(packed, np.float64), num_gates, axis=1)
    for gate in gates:
        np.testing.assert_allclose(gate.T @ gate, np.eye(8), atol=1e-6)
    assert len({gate.tobytes() for gate in gates}) == num_gates


@pytest.mark.parametrize(
    ("name", "variance"),
    [
        ("glorot_uniform", 2 / (60 + 40)),
        ("glorot_normal", 2 / (60 + 40)),
        ("lecun_normal", 1 / 60),
        ("he_normal", 2 / 60),
        ("torch_uniform", 1 / (3 * 40)),
    ],
)
def test_variance_is_that_of_one_gate(name, variance):
    packed = np.asarray(gate_matrices(KEY, name, 60, 40, 4), np.float64)
    for gate in np.split(packed, 4, axis=1):
        assert abs(gate.mean()) < 4 * (variance / gate.size) ** 0.5
        np.testing.assert_allclose(gate.var(), variance, rtol=0.1)
    if name.endswith("uniform"):
        bound = (3 * variance) ** 0.5
        assert 0.99 * bound < np.abs(packed).max() <= bound


@pytest.mark.parametrize("make", [rnnjax.rnn, rnnjax.gru, rnnjax.lstm])
def test_default_is_glorot_input_and_orthogonal_recurrence(make):
    params = make(16).init(KEY, 64)
    gates = params.w_hh.shape[1] // 16
    for w_hh in np.split(np.asarray(params.w_hh), gates, axis=1):
        np.testing.assert_allclose(w_hh @ w_hh.T, np.eye(16), atol=1e-5)
    bound = (6 / (64 + 16)) ** 0.5
    assert 0.98 * bound < np.abs(params.w_ih).max() <= bound
    if make is not rnnjax.lstm:
        np.testing.assert_array_equal(params.b, 0)


def test_identity_makes_the_irnn_remember():
    cell = rnnjax.rnn(3, activation=jax.nn.relu, recurrent_init="identity", input_init="zeros")
    params = cell.init(KEY, 2)
    np.testing.assert_array_equal(params.w_hh, np.eye(3))
    start = jnp.array([[0.5, 0.0, 2.0]])
    end, _ = rnnjax.unroll(cell, params, jnp.ones((50, 1, 2)), start)
    np.testing.assert_array_equal(end, start)


@pytest.mark.parametrize("forget_bias", [1.0, -2.5])
def test_forget_bias_is_the_second_of_four_gates(forget_bias):
    b = rnnjax.lstm(3, forget_bias=forget_bias).init(KEY, 2).b
    np.testing.assert_array_equal(b, [0] * 3 + [forget_bias] * 3 + [0] * 6)


@pytest.mark.parametrize("options", [{"forget_gate": False}, {"coupled": True}])
def test_no_forget_bias_without_a_forget_gate(options):
    np.testing.assert_array_equal(rnnjax.lstm(3, **options).init(KEY, 2).b, np.zeros(9))


def test_a_function_is_an_initialiser_too():
    def counting(key, shape, dtype):
        return jnp.arange(np.prod(shape), dtype=dtype).reshape(shape)

    params = rnnjax.gru(2, input_init=counting, recurrent_init="zeros").init(KEY, 3)
    np.testing.assert_array_equal(params.w_ih, np.tile(np.arange(6.0).reshape(3, 2), 3))
    assert not np.any(params.w_hh)


@pytest.mark.parametrize("option", ["input_init", "recurrent_init"])
def test_an_unknown_name_is_told_with_the_nearest(option):
    cell = rnnjax.lstm(2, **{option: "ortogonal"})
    with pytest.raises(rnnjax.UserError, match=r"'ortogonal'; did you mean 'orthogonal'\?") as told:
        cell.init(KEY, 2)
    assert all(name in str(told.value) for name in INITIALIZERS)


def test_every_weight_is_drawn_by_itself():
    """No two layers of a stack, directions, or matrices of a layer begin equal."""
    layer = rnnjax.lstm(4, input_init="orthogonal", projection_size=4)
    both = rnnjax.bidirectional(layer, layer, combine="sum")
    params = rnnjax.stack([both, both]).init(KEY, 4)
    gates = [
        np.asarray(gate).tobytes()
        for leaf in jax.tree.leaves(params)
        if leaf.ndim == 2
        for gate in jnp.split(leaf, leaf.shape[1] // 4, axis=1)
    ]
    assert len(set(gates)) == len(gates) == 4 * (4 + 4 + 1)


def test_initial_carries_are_zero_or_learned():
    cell = rnnjax.stack([rnnjax.gru(2), rnnjax.learned_carry(rnnjax.lstm(3))])
    params = cell.init(KEY, 2)
    assert not any(np.any(leaf) for leaf in jax.tree.leaves(cell.initial_carry(params, (2,))))
    learned = rnnjax.LSTMCarry(c=jnp.arange(3.0), h=-jnp.arange(3.0))
    params = (params[0], params[1]._replace(carry=learned))
    _, carry = cell.initial_carry(params, (2, 5))
    np.testing.assert_array_equal(carry.c, np.broadcast_to(np.arange(3.0), (2, 5, 3)))
    np.testing.assert_array_equal(carry.h, -np.broadcast_to(np.arange(3.0), (2, 5, 3)))


@pytest.mark.parametrize("x64", [False, True])
def test_params_have_one_dtype_whatever_the_inputs_have(x64):
    with jax.enable_x64(x64):
        layers = [rnnjax.lstm(2, layer_norm=True), rnnjax.gru(2), rnnjax.rnn(2), rnnjax.dense(2)]
        cell = rnnjax.stack(layers)
        params = jax.eval_shape(lambda: cell.init(KEY, 3))
        expected = np.dtype(np.float64 if x64 else np.float32)
        assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {expected}
        for dtype in (np.int32, np.float32, np.float64):
            xs = np.ones((2, 1, 3), dtype)
            outputs = jax.eval_shape(lambda params, xs=xs: rnnjax.unroll(cell, params, xs), params)
            assert {leaf.dtype for leaf in jax.tree.leaves(outputs)} == {expected}
