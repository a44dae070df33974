"""Encoders of characters and features of words, against plain loops."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import rnnjax
from rnnjax.tasks.tagging.vocabulary import UNKNOWN_ID
from rnnjax.tasks.tagging.word_features import CharacterCNN, CharacterLSTM, WordFeatures

WORDS = [[3, 4, 5, 2], [6, 0, 0, 0], [2, 6, 0, 0], [0, 0, 0, 0]]
NUM_CHARACTERS, E, F = 7, 3, 4


def encodings(encoder):
    """Of WORDS, as a batch of two times two."""
    return np.asarray(encoder(jnp.asarray(WORDS).reshape(2, 2, 4))).reshape(4, -1)


def test_cnn_takes_the_strongest_answer_of_each_filter():
    encoder = CharacterCNN(NUM_CHARACTERS, embed_size=E, output_size=F, rngs=nnx.Rngs(0))
    encoder.filters.bias[...] = jnp.array([0.3, -0.2, 0.1, 0.0])
    table = np.asarray(encoder.embed.embedding[...], np.float64)
    kernel = np.asarray(encoder.filters.kernel[...], np.float64)
    bias = np.asarray(encoder.filters.bias[...], np.float64)
    found = encodings(encoder)
    for word, encoding in zip(WORDS[:3], found[:3], strict=True):
        letters = [table[c] for c in word if c]
        around = [np.zeros(E), *letters, np.zeros(E)]
        answers = [
            np.tanh(np.concatenate(around[n : n + 3]) @ kernel + bias) for n in range(len(letters))
        ]
        np.testing.assert_allclose(encoding, np.max(answers, axis=0), atol=1e-6)
    np.testing.assert_array_equal(found[3], 0)


def test_lstm_reads_a_word_from_both_ends():
    encoder = CharacterLSTM(NUM_CHARACTERS, embed_size=E, output_size=F, rngs=nnx.Rngs(1))
    params = encoder.recurrent.params.get_value()
    found = encodings(encoder)
    for word, encoding in zip(WORDS[:3], found[:3], strict=True):
        letters = encoder.embed(jnp.asarray([c for c in word if c]))
        cell = rnnjax.lstm(F // 2)
        there, _ = rnnjax.unroll_reference(cell, params.forward, letters)
        back, _ = rnnjax.unroll_reference(cell, params.backward, letters[::-1])
        np.testing.assert_allclose(encoding, np.concatenate([there.h, back.h]), atol=1e-6)
    np.testing.assert_array_equal(found[3], 0)


@pytest.mark.parametrize("kind", [CharacterCNN, CharacterLSTM])
def test_no_gradient_comes_from_padding(kind):
    encoder = kind(NUM_CHARACTERS, embed_size=E, output_size=F, rngs=nnx.Rngs(2))
    graph, params = nnx.split(encoder)

    def squares(params):
        return (nnx.merge(graph, params)(jnp.asarray(WORDS)) ** 2).sum()

    grads = jax.jit(jax.grad(squares))(params)
    assert all(np.isfinite(g).all() for g in jax.tree.leaves(grads))
    table = np.asarray(grads["embed"]["embedding"][...])
    assert (np.abs(table).sum(axis=1) > 0).tolist() == [n in (2, 3, 4, 5, 6) for n in range(7)]


def features(**options):
    options = {"embed_size": 2, "first_singleton": 5, **options}
    return WordFeatures(8, rngs=nnx.Rngs(3), **options)


def batch(words):
    words = jnp.asarray(words)[:, None]
    return {
        "words": words,
        "characters": jnp.asarray(WORDS)[:, None],
        "case": jnp.asarray([1, 0, 2, 1])[:, None],
        "lengths": jnp.asarray([len(words)]),
    }


def test_features_stand_side_by_side():
    encoder = CharacterCNN(NUM_CHARACTERS, embed_size=E, output_size=F, rngs=nnx.Rngs(0))
    model = features(characters=encoder, case_size=2)
    x = np.asarray(model(batch([2, 7, 1, 3])))[:, 0]
    assert x.shape == (4, model.output_size)
    np.testing.assert_array_equal(x[:, :2], np.asarray(model.embed.embedding[...])[[2, 7, 1, 3]])
    np.testing.assert_allclose(x[:, 2:6], encodings(encoder), atol=1e-6)
    np.testing.assert_array_equal(x[:, 6:], np.asarray(model.case.embedding[...])[[1, 0, 2, 1]])


def test_only_words_seen_once_are_taken_for_unknown():
    model = features(word_dropout=0.5)
    table = np.asarray(model.embed.embedding[...])
    words = np.array([2, 3, 4, 5, 6, 7, 5, 6] * 200)
    given = {"words": jnp.asarray(words)[:, None], "lengths": jnp.asarray([len(words)])}
    x = np.asarray(model(given, jax.random.key(0)))[:, 0]
    unknown = (x == table[UNKNOWN_ID]).all(axis=1)
    np.testing.assert_array_equal(x[~unknown], table[words[~unknown]])
    assert not unknown[words < 5].any()
    assert 0.45 < unknown[words >= 5].mean() < 0.55
    np.testing.assert_array_equal(np.asarray(model(given))[:, 0], table[words])


def test_dropout_is_locked():
    model = features(dropout=0.5, embed_size=64)
    read = nnx.jit(lambda model, *given: model(*given))
    plain = np.asarray(read(model, batch([2, 3, 4, 2])))[:, 0]
    kept = np.asarray(read(model, batch([2, 3, 4, 2]), jax.random.key(1)))[:, 0]
    mask = kept[0] != 0
    assert 0.3 < mask.mean() < 0.7
    np.testing.assert_allclose(kept, 2 * plain * mask, rtol=1e-6)
