"""Weights of torch, Keras, haiku and flax: the same outputs, and back without a change."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen, nnx

import rnnjax
from rnnjax import interchange
from tests.cells.test_torch import CASES as TORCH
from tests.cells.zoo import jit
from tests.interchange import peers
from tests.reference import torch_weights

H, D = peers.H, 3
FLAX = {
    "SimpleCell": rnnjax.rnn(H),
    "LSTMCell": rnnjax.lstm(H),
    "OptimizedLSTMCell": rnnjax.lstm(H),
    "GRUCell": rnnjax.gru(H),
}
# Layers of which every library has one; a GRU of haiku resets before the matmul.
CELLS = {
    "torch": [
        rnnjax.rnn(H), rnnjax.gru(H), rnnjax.lstm(H),
        rnnjax.lstm(H, projection_size=2), rnnjax.lstm(H, projection_size=H),
    ],
    "linen": [rnnjax.rnn(H), rnnjax.gru(H), rnnjax.lstm(H)],
    "nnx": [rnnjax.rnn(H), rnnjax.lstm(H)],
    "keras": [rnnjax.rnn(H), rnnjax.gru(H), rnnjax.gru(H, reset="before"), rnnjax.lstm(H)],
    "haiku": [
        rnnjax.rnn(H, activation=jax.nn.relu), rnnjax.gru(H, reset="before"), rnnjax.lstm(H)
    ],
}  # fmt: skip


def outputs(cell, params, xs, **options):
    return jit(lambda p, x: rnnjax.unroll(cell, p, x, **options)[1])(params, xs)


def same(got, expected, tolerance=0.0):
    """The same tree of the same arrays; bit by bit without a tolerance."""
    assert jax.tree.structure(got) == jax.tree.structure(expected)
    for (path, a), b in zip(jax.tree.leaves_with_path(got), jax.tree.leaves(expected), strict=True):
        assert np.asarray(a).dtype == np.asarray(b).dtype, path
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance, err_msg=str(path))


def random_params(cell, input_size=D):
    draw = np.random.default_rng(0)
    shapes = jax.eval_shape(lambda: cell.init(jax.random.key(0), input_size))
    return jax.tree.map(
        lambda leaf: jnp.asarray(draw.standard_normal(leaf.shape), jnp.float32), shapes
    )


@pytest.mark.parametrize("case", TORCH)
def test_torch(case, tmp_path):
    layer, num_layers, both = TORCH[case]
    cell = rnnjax.bidirectional(layer, layer) if both else layer
    if num_layers > 1:
        cell = rnnjax.stack([rnnjax.dropout(0.5), cell] * num_layers)
    stored = torch_weights.load(case)
    state = {name: array for name, array in stored.items() if name.startswith(("weight", "bias"))}
    interchange.write_safetensors(
        tmp_path / "net.safetensors", {f"net.rnn.{n}": a for n, a in state.items()} | {"other": 1}
    )
    read = interchange.read_safetensors(tmp_path / "net.safetensors")
    assert read["other"].shape == ()

    def carries(name):
        def one(row, suffix):
            return torch_weights.layer_carry(stored, row, name)

        tree = torch_weights.network(one, num_layers, both)
        return tree if num_layers == 1 else tuple(c for part in tree for c in ((), part))

    lengths = [5, 3, 1] if case.endswith("ragged") else None
    with jax.enable_x64(True):
        params = interchange.from_torch(cell, read, prefix="net.rnn.")
        ys = outputs(cell, params, stored["xs"], carry=carries("0"), lengths=lengths)
        back = interchange.to_torch(cell, params)
        np.testing.assert_allclose(ys, stored["ys"], rtol=0, atol=1e-11)
        assert back.keys() == state.keys()
        for name in state:
            if name.startswith("weight"):
                np.testing.assert_array_equal(back[name], state[name], name)
        same(interchange.from_torch(cell, back), params)


@pytest.mark.parametrize("case", peers.KERAS)
def test_keras(case):
    cell = peers.KERAS[case]
    xs, ys, weights, config = peers.of_keras(case)
    params = interchange.from_keras(cell, weights, config)
    np.testing.assert_allclose(outputs(cell, params, xs), ys, rtol=0, atol=1e-6)
    back = interchange.to_keras(cell, params)
    same(back[:2], weights[:2])
    same(interchange.from_keras(cell, back, {**config, "use_bias": True}), params)
    if case in ("keras_lstm", "keras_gru_reset_before", "keras_rnn"):  # one bias
        same(back, weights)


@pytest.mark.parametrize("case", peers.HAIKU)
def test_haiku(case):
    cell = peers.HAIKU[case]
    xs, ys, modules = peers.of_haiku(case)
    params = interchange.from_haiku(cell, {**modules, "other": {"w": xs}})
    np.testing.assert_allclose(outputs(cell, params, xs), ys, rtol=0, atol=1e-6)
    inner = {f"net/{name}": module for name, module in modules.items()}
    name = f"net/{min(modules, key=len).partition('/')[0]}"
    same(interchange.from_haiku(cell, inner, name), params)
    back = interchange.to_haiku(cell, params, name)
    if case in ("haiku_lstm", "haiku_gru"):
        same(back, inner, 1e-7 if case == "haiku_lstm" else 0)  # b_f + 1 - 1 in float32
    same(interchange.from_haiku(cell, back, name), params, 1e-7)


@pytest.mark.parametrize("name", FLAX)
def test_linen(name):
    cell, xs = FLAX[name], np.random.default_rng(1).standard_normal((5, 2, D)).astype(np.float32)
    layer = linen.RNN(getattr(linen, name)(H), time_major=True)
    shapes = jax.eval_shape(layer.init, jax.random.key(0), xs)
    draw = np.random.default_rng(2)
    variables = jax.tree.map(
        lambda leaf: draw.standard_normal(leaf.shape).astype(np.float32), shapes
    )
    tensors = variables["params"]["cell"]
    params = interchange.from_linen(cell, tensors)
    np.testing.assert_allclose(
        outputs(cell, params, xs), jit(layer.apply)(variables, xs), rtol=0, atol=1e-6
    )
    same(interchange.to_linen(cell, params), tensors)


@pytest.mark.parametrize("name", FLAX)
def test_nnx(name):
    cell, xs = FLAX[name], np.random.default_rng(1).standard_normal((5, 2, D)).astype(np.float32)
    layer = nnx.RNN(getattr(nnx, name)(D, H, rngs=nnx.Rngs(0)), time_major=True, rngs=nnx.Rngs(0))
    draw = np.random.default_rng(2)
    noise = jax.tree.map(
        lambda w: w + draw.standard_normal(w.shape, np.float32), nnx.state(layer, nnx.Param)
    )
    nnx.update(layer, noise)
    params = interchange.from_nnx(cell, layer.cell)
    same(interchange.from_nnx(cell, nnx.state(layer.cell, nnx.Param)), params)
    ys = nnx.jit(lambda layer, xs: layer(xs))(layer, xs)
    np.testing.assert_allclose(outputs(cell, params, xs), ys, rtol=0, atol=1e-6)
    state = interchange.to_nnx(cell, params, optimized=name != "LSTMCell")
    same(state, jax.tree.map(np.asarray, nnx.to_pure_dict(nnx.state(layer.cell, nnx.Param))))
    same(interchange.from_nnx(cell, state), params)
    other = getattr(nnx, name)(D, H, rngs=nnx.Rngs(1))
    nnx.update(other, state)
    same(interchange.from_nnx(cell, other), params)


@pytest.mark.parametrize(
    ("library", "n"), [(k, n) for k, c in CELLS.items() for n in range(len(c))]
)
def test_there_and_back_is_the_identity(library, n):
    cell = CELLS[library][n]
    params = random_params(cell)
    to, back = (getattr(interchange, f"{way}_{library}") for way in ("to", "from"))
    options = ()
    if library == "keras":
        activation = {"activation": "tanh", "recurrent_activation": "sigmoid"}
        options = ({**activation, "reset_after": "before" not in repr(cell)},)
    exact = (library, repr(cell)) != ("haiku", "lstm(4)")  # b_f - 1 + 1 in float32
    same(back(cell, to(cell, params), *options), params, 0 if exact else 2e-7)


def test_a_gru_of_nnx_has_no_recurrent_bias():
    cell = rnnjax.gru(H)
    params = random_params(cell)
    with pytest.raises(rnnjax.UserError, match="has no bias b_hn: expected zeros, got"):
        interchange.to_nnx(cell, params)
    same(
        interchange.from_nnx(cell, interchange.to_nnx(cell, params._replace(b_hn=jnp.zeros(H)))),
        params._replace(b_hn=jnp.zeros(H)),
    )
