"""A decoder that copies and knows where it has been, against float64 numpy, step by step."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import rnnjax
from rnnjax import decode
from rnnjax.errors import UserError
from rnnjax.models.decoder import shift_right
from rnnjax.models.decoding import decoding_step
from rnnjax.models.seq2seq import Seq2Seq, Source, seq2seq_loss
from rnnjax.models.sequence_encoder import SequenceEncoder
from tests.cells.zoo import jit
from tests.models import decoder_oracle as oracle

V, S, T, B, H = 5, 4, 4, 2, 3
END, START, UNKNOWN = 0, 1, 2
LAMBDA = 0.7
LENGTHS = [4, 3]
SYMBOLS = np.array([[3, 5, 6, 0], [5, 4, 0, 0]]).T
"""Two texts: each has a word or two of its own, from V on."""
TARGETS = np.array([[5, 3, 6, 0], [4, 5, 0, 0]]).T
TARGET_LENGTHS = np.array([4, 3])
MASK = np.arange(T)[:, None] < TARGET_LENGTHS


pytestmark = pytest.mark.usefixtures("float64")


def untrained(**options):
    encoder = SequenceEncoder(rnnjax.gru(H), input_size=2, vocab_size=V, rngs=nnx.Rngs(1))
    given = {"context": "soft", "scorer": "coverage", "copied_as": UNKNOWN} | options
    return Seq2Seq(
        [encoder], V, rnnjax.lstm(H), embed_size=2, attention_size=3, rngs=nnx.Rngs(0), **given
    )


@functools.cache
def make(**options):
    return oracle.in_float64(lambda: untrained(**options))


def source():
    mask = np.arange(S)[:, None] < np.array(LENGTHS)
    return Source(np.where(SYMBOLS < V, SYMBOLS, UNKNOWN), mask, SYMBOLS)


@functools.partial(jit, static_argnums=(0,))
def run(graph, params):
    """The loss of training with its gradient, and log-probabilities symbol by symbol."""

    def loss(params):
        model = nnx.merge(graph, params)
        total, count = seq2seq_loss(
            model, [source()], TARGETS, MASK, jax.random.key(0), start=START, coverage=LAMBDA
        )
        memory = model.memory([source()])

        def advance(carry, tokens):
            logits, glance, carry = model.step(memory, carry, tokens)
            return carry, (logits, glance)

        before = shift_right(jnp.asarray(TARGETS), START)
        _, stepwise = jax.lax.scan(advance, model.initial_carry(memory), before)
        return total, (count, stepwise)

    return jax.value_and_grad(loss, has_aux=True)(params)


def by_hand(p, row, before):
    """P(w) at each step `[T, V + S]`, attention `[T, S]` and p_gen `[T]` of one text."""
    layers = oracle.layers_of(p["encoders"][0]["recurrent"]["params"])
    read = source().inputs[: LENGTHS[row], row]
    memory = oracle.encoded(layers, p["encoders"][0]["embed"]["embedding"][read])
    known = [symbol if symbol < V else UNKNOWN for symbol in before]
    told = oracle.told("soft", p, memory, known, summary=memory[-1], scorer="coverage")
    mixed = np.zeros((len(before), V + S))
    for t, p_gen in enumerate(told.generate):
        mixed[t, :V] = p_gen * oracle.softmax(told.logits[t])
        for i, weight in enumerate(told.weights[t]):
            mixed[t, SYMBOLS[i, row]] += (1 - p_gen) * weight
    return mixed, told.weights, told.generate


def test_the_loss_and_each_step_are_those_of_the_equations():
    graph, params = make()
    (total, (count, (logs, glances))), _ = run(graph, params)
    p = jax.tree.map(np.asarray, nnx.to_pure_dict(params))
    nats = 0.0
    for row in range(B):
        before = [START, *TARGETS[:-1, row].tolist()]
        mixed, weights, p_gen = by_hand(p, row, before)
        np.testing.assert_allclose(np.exp(logs[:, row]), mixed, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(glances.weights[:, row, : LENGTHS[row]], weights, rtol=1e-9)
        np.testing.assert_allclose(glances.generate[:, row], p_gen, rtol=1e-9)
        covered = np.zeros(LENGTHS[row])
        for t in range(TARGET_LENGTHS[row]):
            nats -= np.log(mixed[t, TARGETS[t, row]])
            nats += LAMBDA * sum(map(min, weights[t], covered))
            covered = covered + weights[t]
    assert float(total) == pytest.approx(nats, rel=1e-10)
    assert count == TARGET_LENGTHS.sum()


def test_the_gradient_is_the_limit_of_differences():
    graph, params = make()
    _, gradients = run(graph, params)
    rng = np.random.default_rng(2)
    change = jax.tree.map(lambda x: rng.normal(size=x.shape), params)
    there, back = (
        run(graph, jax.tree.map(lambda x, d, h=h: x + h * d, params, change))[0][0]
        for h in (1e-6, -1e-6)
    )
    products = jax.tree.map(lambda g, d: np.sum(np.asarray(g) * d), gradients, change)
    slope = float(there - back) / 2e-6
    assert sum(jax.tree.leaves(products)) == pytest.approx(slope, rel=1e-6)


def test_a_wide_beam_ranks_what_enumeration_finds_with_words_of_the_text():
    graph, params = make()
    p = jax.tree.map(np.asarray, nnx.to_pure_dict(params))
    length, never = 2, (START, UNKNOWN)

    @jit
    def begin(params):
        model = nnx.merge(graph, params)
        memory = model.memory([source()])
        return memory, model.initial_carry(memory)

    memory, carry = begin(params)
    found = decode.beam_search(
        decoding_step(graph, never), (params, memory), carry, jnp.full(B, START), beam_size=60,
        max_length=length, stop=END, length_penalty=0.0,
    )  # fmt: skip
    for row in range(B):
        best = {}
        for first in range(V + S):
            for second in range(V + S) if first != END else [END]:
                mixed, _, _ = by_hand(p, row, [START, first])
                mixed[:, never] = 0
                mixed /= mixed.sum(axis=1, keepdims=True)
                chance = mixed[0, first] * (1 if first == END else mixed[1, second])
                if chance > 0:
                    best[first, second] = np.log(chance)
        ranked = sorted(best, key=best.get, reverse=True)
        assert any(symbol >= V for symbols in ranked[:8] for symbol in symbols)
        got = [tuple(tokens) for tokens in found.tokens[row, : len(ranked)].tolist()]
        assert got == ranked
        np.testing.assert_allclose(
            found.log_probability[row, : len(ranked)], [best[s] for s in ranked], rtol=1e-5
        )  # float32


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: untrained(context="hard"), "copying follows soft attention; got context 'hard'"),
        (
            lambda: untrained()([source()._replace(symbols=None)], TARGETS),
            "a decoder that copies takes sources with symbols; got none",
        ),
    ],
)
def test_what_does_not_fit_is_named(build, message):
    with pytest.raises(UserError, match=message):
        nnx.eval_shape(lambda: build() and 0)
