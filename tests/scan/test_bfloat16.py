"""`compute_dtype=bfloat16`: the operands of matmuls are rounded, and nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import rnnjax
from tests.cells import oracles
from tests.cells.zoo import SINGLE, ZOO, H, inputs, inputs_of, jit

UNIT = 2.0**-9  # the largest relative error of rounding to bfloat16


def rounded(tree):
    return jax.tree.map(lambda a: np.asarray(jnp.asarray(a, jnp.bfloat16), np.float64), tree)


@pytest.mark.parametrize("name", SINGLE)
def test_outputs_and_gradients_lie_within_the_rounding(name):
    narrow = SINGLE[name](compute_dtype=jnp.bfloat16)
    params, xs, _ = inputs_of(narrow, 0)
    xs = xs[:4]

    def run(cell):
        def value(params):
            carry, ys = rnnjax.unroll(cell, params, xs)
            return jnp.sum(ys), (carry, ys)

        return jit(jax.value_and_grad(value, has_aux=True))(params)

    (_, ours), gradient = run(narrow)
    (_, exact), exact_gradient = run(ZOO[name])
    assert {leaf.dtype for leaf in jax.tree.leaves((ours, gradient))} == {np.dtype(np.float32)}
    for a, b in ((ours, exact), (gradient, exact_gradient)):
        a, b = (np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(x)]) for x in (a, b))
        distance = np.linalg.norm(a - b) / np.linalg.norm(b)
        assert UNIT / 20 < distance < 8 * UNIT


@pytest.mark.parametrize("name", ["rnn", "gru_simplified", "lstm"])
def test_a_step_is_that_of_rounded_operands(name):
    """The equations with rounded weights, input and state; the old c (h in the update) is whole."""
    cell = SINGLE[name](compute_dtype=jnp.bfloat16)
    params, xs, carry = jax.tree.map(lambda a: a.astype(np.float64), inputs(name, 1))
    weights = params._replace(w_ih=rounded(params.w_ih), w_hh=rounded(params.w_hh))
    as32 = jax.tree.map(lambda a: a.astype(np.float32), (params, carry, xs[:1]))
    _, ys = rnnjax.unroll(cell, as32[0], as32[2], as32[1])
    for b in range(xs.shape[1]):
        if name == "lstm":
            start = (carry.c[b], rounded(carry.h[b]))
            _, expected = oracles.lstm(weights, start, rounded(xs[0, b]))
        elif name == "rnn":
            _, expected = oracles.elman(weights, rounded(carry[b]), rounded(xs[0, b]))
        else:
            u = rounded(xs[0, b]) @ weights.w_ih + rounded(carry[b]) @ weights.w_hh + params.b
            z, n = oracles.sigmoid(u[:H]), np.tanh(u[H:])
            expected = (1 - z) * n + z * carry[b]
        np.testing.assert_allclose(ys[0, b], expected, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["lstm_layer_norm", "mamba2", "gated_deltanet"])
def test_vectors_are_normalised_in_float32(name):
    """In float16 the square of 300 is infinite, and the epsilon beside a square of 0 is gone."""
    cell = SINGLE[name]()
    params, xs, _ = inputs_of(cell, 0, np.float16)

    def value(params, xs):
        return jnp.sum(rnnjax.unroll(cell, params, xs)[1])

    for gradient in jax.tree.leaves(jit(jax.grad(value, (0, 1)))(params, np.zeros_like(xs))):
        assert np.isfinite(gradient).all()
        assert gradient.dtype == np.float16


@pytest.mark.parametrize("dtype", [np.uint8, np.float16])
def test_rms_norm_does_not_overflow(dtype):
    xs = 255 * np.ones((1, 1, 3), dtype)
    xs[..., 0] *= dtype(2) if dtype == np.float16 else dtype(1)
    _, ys = rnnjax.unroll(rnnjax.rms_norm(), jnp.ones(3), xs)
    exact = xs.astype(float) / np.sqrt((xs.astype(float) ** 2).mean())
    np.testing.assert_allclose(ys, exact, rtol=1e-6)
