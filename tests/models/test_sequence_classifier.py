"""Classifiers of sequences against float64 numpy, one sequence without padding at a time."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import special

import rnnjax
from rnnjax.cells.named import deep
from rnnjax.errors import UserError
from rnnjax.models.sequence_classifier import SequenceClassifier, classification_loss
from rnnjax.models.sequence_encoder import SequenceEncoder
from tests.cells.zoo import jit
from tests.models import decoder_oracle as oracle

T, B, D, K, V = 5, 4, 2, 3, 6
LENGTHS = np.array([5, 2, 0, 4])
MASK = np.arange(T)[:, None] < LENGTHS
LABELS = np.array([2, 0, 1, 1])
BOTH = rnnjax.bidirectional(rnnjax.gru(3), rnnjax.lstm(2))
CASES = {
    "last": ("last", rnnjax.lstm(4), None),
    "last_both": ("last", rnnjax.stack([BOTH, BOTH, rnnjax.dropout(0.5)]), V),
    "last_above_both": ("last", rnnjax.stack([BOTH, rnnjax.rnn(4)]), None),
    "mean": ("mean", rnnjax.gru(4), None),
    "max": ("max", BOTH, V),
    "attention": ("attention", deep("lstm", 3, num_layers=2, both_directions=True), None),
}
every_case = pytest.mark.parametrize("case", CASES)


pytestmark = pytest.mark.usefixtures("float64")


def untrained(case, **options):
    pooling, cell, vocab_size = CASES[case]
    return SequenceClassifier(
        K, cell, input_size=D, vocab_size=vocab_size, pooling=pooling, attention_size=3,
        rngs=nnx.Rngs(0), **options,
    )  # fmt: skip


@functools.cache
def make(case, **options):
    return oracle.in_float64(lambda: untrained(case, **options))


def inputs_of(case, masked=0.0):
    rng = np.random.default_rng(0)
    if CASES[case][2]:
        return rng.integers(0, V, (T, B))
    return np.where(MASK[..., None], rng.normal(size=(T, B, D)), masked)


@functools.cache
def run(case):
    graph, _ = make(case)

    def loss(params, inputs):
        logits = nnx.merge(graph, params)(inputs, MASK)
        total, *counts = classification_loss(logits, LABELS, MASK.any(axis=0))
        return total, (counts, logits)

    return jit(jax.value_and_grad(loss, has_aux=True))


def by_hand(case, p, xs):
    """The logits of one sequence, tokens or vectors."""
    pooling = CASES[case][0]
    if not len(xs):
        return p["head"]["bias"]
    if "embed" in p["encoder"]:
        xs = p["encoder"]["embed"]["embedding"][xs]
    ys = oracle.encoded(oracle.layers_of(p["encoder"]["recurrent"]["params"]), xs)
    if pooling == "last":
        pooled = np.append(ys[-1][:3], ys[0][3:]) if case == "last_both" else ys[-1]
    elif pooling == "attention":
        a = p["attention"]
        pooled = oracle.softmax(np.tanh(ys @ a.w + a.b) @ a.w_score) @ ys
    else:
        pooled = getattr(ys, pooling)(axis=0)
    return oracle.linear(p["head"], pooled)


@every_case
def test_classes_are_scored_by_the_equations(case):
    _, params = make(case)
    inputs = inputs_of(case, masked=np.nan)
    (total, (counts, logits)), _ = run(case)(params, inputs)
    expected = np.array([
        by_hand(case, nnx.to_pure_dict(params), inputs[:n, row]) for row, n in enumerate(LENGTHS)
    ])  # fmt: skip
    np.testing.assert_allclose(logits, expected, rtol=1e-10, atol=1e-12)
    nats = -special.log_softmax(expected, axis=-1)[range(B), LABELS]
    assert float(total) == pytest.approx(nats[LENGTHS > 0].sum(), rel=1e-10)
    assert counts == [3, ((expected.argmax(axis=-1) == LABELS) & (LENGTHS > 0)).sum()]


@every_case
def test_the_gradient_is_the_limit_of_differences_and_does_not_see_what_is_masked(case):
    _, params = make(case)
    _, gradient = run(case)(params, inputs_of(case))
    _, broken = run(case)(params, inputs_of(case, masked=np.nan))
    jax.tree.map(np.testing.assert_array_equal, gradient, broken)
    change = jax.tree.map(lambda x: np.random.default_rng(2).normal(size=x.shape), params)
    there, back = (
        run(case)(jax.tree.map(lambda x, d, h=h: x + h * d, params, change), inputs_of(case))[0][0]
        for h in (1e-6, -1e-6)
    )
    products = jax.tree.map(lambda g, d: np.sum(np.asarray(g) * d), gradient, change)
    slope = float(there - back) / 2e-6
    assert sum(jax.tree.leaves(products)) == pytest.approx(slope, rel=1e-7, abs=1e-9)


def test_pixels_are_read_one_by_one():
    """As for sequential MNIST: the IRNN over single numbers, without a mask."""
    irnn = rnnjax.rnn(4, activation=jax.nn.relu, recurrent_init="identity")
    model = SequenceClassifier(K, irnn, input_size=1, rngs=nnx.Rngs(0))
    pixels = np.random.default_rng(0).random((20, B, 1)).astype(np.float32)
    found = jit(lambda model, xs: model(xs))(model, pixels)
    params = oracle.parameters(model)
    cell = params["encoder"]["recurrent"]["params"]
    for row in range(B):
        h = np.zeros(4)
        for x in pixels[:, row]:
            h = np.maximum(cell.w_ih.T @ x + cell.w_hh.T @ h + cell.b, 0)
        np.testing.assert_allclose(found[row], oracle.linear(params["head"], h), rtol=1e-4)


def test_dropout_needs_a_key():
    graph, params = make("last_both", dropout=0.5)
    inputs = inputs_of("last_both")
    read = jit(lambda key: nnx.merge(graph, params)(inputs, MASK, key))
    whole = run("last_both")(make("last_both")[1], inputs)[0][1][1]
    np.testing.assert_allclose(read(None), whole, rtol=1e-12)
    one, again, other = (read(jax.random.key(n)) for n in (0, 0, 1))
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, other)


def last_of(cell):
    encoder = SequenceEncoder(cell, input_size=D, rngs=nnx.Rngs(0))
    return encoder.last(jnp.zeros((T, B, encoder.output_size)))


def test_the_last_output_of_each_direction_where_a_state_is_wider_than_an_output():
    """An LRU holds two numbers for each complex unit; the directions are 3 and 2 outputs wide."""
    both = rnnjax.bidirectional(rnnjax.lru(3, state_size=4), rnnjax.gru(2))
    ys = jnp.arange(T * B * 5.0).reshape(T, B, 5)
    expected = np.concatenate([ys[-1, :, :3], ys[0, :, 3:]], axis=-1)
    below = rnnjax.residual(rnnjax.bidirectional(rnnjax.gru(D), rnnjax.gru(D), combine="sum"))
    mixing = rnnjax.stack([rnnjax.bidirectional(rnnjax.gru(2), rnnjax.gru(2)), rnnjax.gru(5)])
    for on_top in (both, rnnjax.learned_carry(both), rnnjax.stack([below, both])):
        cell = rnnjax.stack([on_top, rnnjax.dropout(0.5)])
        encoder = SequenceEncoder(cell, input_size=D, rngs=nnx.Rngs(0))
        np.testing.assert_array_equal(encoder.last(ys), expected)
    own = dataclasses.replace(both, step=None)  # equal to itself alone, as a user's is
    for one_direction in (mixing, rnnjax.stack([rnnjax.dense(5)]), own):
        encoder = SequenceEncoder(one_direction, input_size=D, rngs=nnx.Rngs(0))
        np.testing.assert_array_equal(encoder.last(ys), ys[-1])


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (
            lambda: SequenceClassifier(
                K, rnnjax.gru(2), input_size=D, pooling="average", rngs=nnx.Rngs(0)
            ),
            "unknown pooling 'average'; .*Valid: attention, last, max, mean",
        ),
        (
            lambda: last_of(rnnjax.bidirectional(rnnjax.gru(2), rnnjax.gru(2), combine="sum")),
            r"side by side; got bidirectional\(gru\(2\), gru\(2\), combine='sum'\)",
        ),
        (
            lambda: last_of(rnnjax.stack([BOTH, rnnjax.dense(5)])),
            r"side by side; got stack\(\[bidirectional\(",
        ),
        (
            lambda: last_of(rnnjax.residual_block(rnnjax.stack([BOTH, rnnjax.dense(D)]))),
            r"side by side; got residual_block\(",
        ),
    ],
)
def test_what_does_not_fit_is_named(build, message):
    with pytest.raises(UserError, match=message):
        nnx.eval_shape(lambda: build() and 0)
