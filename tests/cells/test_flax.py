"""The cells of flax, run by flax.nnx.RNN or step by step, with the same weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import rnnjax
from tests.cells.zoo import jit

D, H = 3, 5
XS = np.random.default_rng(0).standard_normal((6, 2, D)).astype(np.float32)


def assert_same(ours, theirs):
    """Up to the rounding of float32, which in a sum is that of its largest terms."""

    def same(a, b):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6 * max(1, np.abs(b).max()))

    jax.tree.map(same, ours, theirs)


def nnx_layer(make_cell):
    """A layer over time, none of whose weights is zero."""
    layer = nnx.RNN(make_cell(D, H, rngs=nnx.Rngs(0)), time_major=True, rngs=nnx.Rngs(0))
    draw = np.random.default_rng(1)
    weights = nnx.state(layer, nnx.Param)
    noise = jax.tree.map(lambda w: w + 0.3 * draw.standard_normal(w.shape, np.float32), weights)
    nnx.update(layer, noise)
    return layer


def ours_and_theirs(cell, layer, params_of):
    """Outputs, and gradients of a scalar of them by every weight, both named as rnnjax does."""

    def theirs(layer):
        ys = layer(XS)
        return jnp.sum(jnp.sin(ys)), ys

    def ours(params):
        ys = rnnjax.unroll(cell, params, XS)[1]
        return jnp.sum(jnp.sin(ys)), ys

    params = params_of(nnx.state(layer, nnx.Param)["cell"])
    our_gradient, our_ys = jit(jax.grad(ours, has_aux=True))(params)
    their_gradient, their_ys = nnx.jit(nnx.grad(theirs, has_aux=True))(layer)
    return (our_ys, our_gradient), (their_ys, params_of(their_gradient["cell"]))


def test_nnx_simple_cell():
    def params_of(w):
        return rnnjax.RNNParams(
            w["dense_i"]["kernel"][...], w["dense_h"]["kernel"][...], w["dense_i"]["bias"][...]
        )

    assert_same(*ours_and_theirs(rnnjax.rnn(H), nnx_layer(nnx.SimpleCell), params_of))


def test_nnx_optimized_lstm():
    def params_of(w):
        return rnnjax.LSTMParams(
            w["dense_i"]["kernel"][...], w["dense_h"]["kernel"][...], w["dense_h"]["bias"][...]
        )

    assert_same(*ours_and_theirs(rnnjax.lstm(H), nnx_layer(nnx.OptimizedLSTMCell), params_of))


def test_nnx_gru_which_has_no_bias_under_the_reset():
    def params_of(w):
        return rnnjax.GRUParams(
            w["dense_i"]["kernel"][...],
            w["dense_h"]["kernel"][...],
            w["dense_i"]["bias"][...],
            b_hn=jnp.zeros(H),
        )

    ours, theirs = ours_and_theirs(rnnjax.gru(H), nnx_layer(nnx.GRUCell), params_of)
    assert_same((ours[0], ours[1]._replace(b_hn=jnp.zeros(H))), theirs)


def test_linen_gru_with_a_bias_under_the_reset():
    module = linen.GRUCell(H, bias_init=linen.initializers.normal())
    h = np.random.default_rng(2).standard_normal((2, H)).astype(np.float32)
    w = module.init(jax.random.key(0), h, XS[0])["params"]

    def packed(side):
        return np.concatenate([w[side + gate]["kernel"] for gate in "rzn"], axis=1)

    b = np.concatenate([w["i" + gate]["bias"] for gate in "rzn"])
    params = rnnjax.GRUParams(packed("i"), packed("h"), b, b_hn=w["hn"]["bias"])
    expected = h
    for x_t in XS:
        expected, _ = module.apply({"params": w}, expected, x_t)
    assert_same(rnnjax.unroll(rnnjax.gru(H), params, XS, h)[0], expected)


@pytest.mark.parametrize("make", [linen.LSTMCell, linen.OptimizedLSTMCell])
def test_linen_lstm(make):
    module = make(H, bias_init=linen.initializers.normal())
    draw = np.random.default_rng(2)
    c, h = draw.standard_normal((2, 2, H)).astype(np.float32)
    w = module.init(jax.random.key(0), (c, h), XS[0])["params"]

    def packed(side, what):
        return np.concatenate([w[side + gate][what] for gate in "ifgo"], axis=-1)

    params = rnnjax.LSTMParams(packed("i", "kernel"), packed("h", "kernel"), packed("h", "bias"))
    expected = (c, h)
    for x_t in XS:
        expected, _ = module.apply({"params": w}, expected, x_t)
    carry, _ = rnnjax.unroll(rnnjax.lstm(H), params, XS, rnnjax.LSTMCarry(c, h))
    assert_same(tuple(carry), expected)
