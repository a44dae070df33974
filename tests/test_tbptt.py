"""Truncated backpropagation through time: what a window's gradient holds, and what it does not."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import rnnjax
from rnnjax.models import window_loss
from rnnjax.tasks.language.assembly import batch_loss, make_model
from rnnjax.tasks.language.config import LanguageConfig
from tests.cells.zoo import jit

H, VOCABULARY = 3, 6
CELLS = {"lstm": rnnjax.lstm(H), "gru": rnnjax.gru(H), "stack": rnnjax.stack([rnnjax.rnn(H)] * 2)}


@pytest.fixture(scope="module", params=CELLS)
def layer(request):
    cell = CELLS[request.param]
    with jax.enable_x64(True):
        params = jit(lambda key: cell.init(key, 2))(jax.random.key(0))
        yield cell, params, jax.random.normal(jax.random.key(1), (8, 2, 2))


def squares(ys):
    return jnp.sum(jnp.sin(ys) ** 2)


def windowed(cell, params, windows):
    """The loss of every window, the carry handed on under stop_gradient."""
    carry, losses = None, []
    for xs in windows:
        carry, ys = rnnjax.unroll(cell, params, xs, carry)
        losses.append(squares(ys))
        carry = jax.lax.stop_gradient(carry)
    return losses


def test_one_window_that_is_the_whole_has_the_whole_gradient(layer):
    cell, params, xs = layer
    full = jit(jax.grad(lambda p: squares(rnnjax.unroll(cell, p, xs)[1])))(params)
    ours = jit(jax.grad(lambda p: windowed(cell, p, [xs])[0]))(params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-13), ours, full)


def test_inside_a_window_the_gradient_is_the_full_one_and_nothing_flows_past(layer):
    cell, params, xs = layer

    def truncated(first, second):
        return windowed(cell, params, [first, second])[1]

    def full(first, second):
        return squares(rnnjax.unroll(cell, params, jnp.concatenate([first, second]))[1][5:])

    past, inside = jit(jax.grad(truncated, argnums=(0, 1)))(xs[:5], xs[5:])
    full_past, full_inside = jit(jax.grad(full, argnums=(0, 1)))(xs[:5], xs[5:])
    np.testing.assert_allclose(inside, full_inside, rtol=1e-12)
    np.testing.assert_array_equal(past, 0)
    assert np.all(np.abs(full_past[-1]) > 1e-6)


def test_nothing_flows_past_a_reset_and_only_in_its_own_row(layer):
    cell, params, xs = layer
    reset = np.zeros(xs.shape[:2], bool)
    reset[5, 1] = True
    gradient = jax.grad(lambda xs: squares(rnnjax.unroll(cell, params, xs, reset=reset)[1][5:]))(xs)
    np.testing.assert_array_equal(gradient[:5, 1], 0)
    assert np.all(gradient[4, 0] != 0)
    assert np.all(gradient[5:] != 0)


class Recorder:
    """A language model that remembers with which keys it was called."""

    def __init__(self):
        self.keys, self.embed = [], nnx.Embed(VOCABULARY, 1, rngs=nnx.Rngs(0))

    def outputs(self, inputs, carry, *, reset, mask, key, remat):
        self.keys.append(key)
        outputs = jnp.zeros((*inputs.shape, VOCABULARY))
        return outputs, outputs, carry + len(inputs)

    def logits(self, outputs):
        return outputs


@pytest.mark.parametrize(("window", "carry"), [(2, 2), (5, 5), (None, 5)])
def test_the_carry_handed_on_is_that_after_k1_steps_and_each_part_has_its_own_noise(window, carry):
    batch = {
        "inputs": jnp.zeros((5, 1), int), "targets": jnp.zeros((5, 1), int),
        "reset": jnp.zeros((5, 1), bool), "mask": jnp.ones((5, 1), bool),
    }  # fmt: skip
    model = Recorder()
    _, count, after = window_loss(model, jnp.zeros(()), batch, jax.random.key(0), window=window)
    assert (float(count), float(after)) == (5, carry)
    drawn = {tuple(jax.random.key_data(key).tolist()) for key in model.keys}
    assert len(drawn) == len(model.keys) == (2 if window == 2 else 1)


def test_the_loss_of_a_config_hands_on_the_carry_after_its_window():
    config = LanguageConfig(window=2, bptt=5, hidden_size=3, embed_size=2, dropout=0.0)
    model = make_model(config, VOCABULARY)
    batch = {
        "inputs": jnp.arange(5)[:, None] % VOCABULARY, "targets": jnp.zeros((5, 1), int),
        "reset": jnp.zeros((5, 1), bool), "mask": jnp.ones((5, 1), bool),
    }  # fmt: skip
    start = model.initial_carry(1)
    loss = nnx.jit(batch_loss, static_argnums=0)(config, model, batch, jax.random.key(0), start)
    _, expected = nnx.jit(lambda model, *given: model(*given))(model, batch["inputs"][:2], start)
    jax.tree.map(np.testing.assert_allclose, loss.carry, expected)
