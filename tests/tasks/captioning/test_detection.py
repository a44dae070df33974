"""Words somewhere in an image, against products of probabilities in float64."""

import jax
import jax.numpy as jnp
import numpy as np

from rnnjax.tasks.captioning.likelihood_loss import presence_nats, words_present

B, S, V = 3, 4, 6


def scores():
    return np.random.default_rng(0).normal(-1, 2, (B, S, V)).astype(np.float32)


def nowhere(scores):
    shown = 1 / (1 + np.exp(-scores.astype(np.float64)))
    return np.prod(1 - shown, axis=1)


def test_a_word_is_nowhere_if_no_location_shows_it():
    nobody = jnp.zeros((B, V), bool)
    found = np.exp(-presence_nats(jnp.asarray(scores()), nobody))
    np.testing.assert_allclose(found, nowhere(scores()).prod(axis=-1), rtol=1e-5)


def test_nats_are_those_of_one_yes_or_no_for_every_word():
    present = np.random.default_rng(1).random((B, V)) < 0.4
    absent = nowhere(scores())
    expected = -np.log(np.where(present, 1 - absent, absent)).sum(axis=-1)
    found = presence_nats(jnp.asarray(scores()), jnp.asarray(present))
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_gradient_is_right_and_finite_for_words_that_seem_impossible():
    def total(scores):
        present = jnp.zeros((1, 2), bool).at[0, 0].set(True)
        return presence_nats(scores, present).sum()

    moderate = jnp.asarray([[[0.3, -0.2], [-1.1, 0.4]]])
    shown = 1 / (1 + np.exp(-np.asarray(moderate, np.float64)))
    odds = nowhere(np.asarray(moderate)) / (1 - nowhere(np.asarray(moderate)))
    expected = np.stack([-shown[..., 0] * odds[..., :1], shown[..., 1]], axis=-1)
    np.testing.assert_allclose(jax.grad(total)(moderate), expected, rtol=1e-5)
    impossible = jnp.full((1, 2, 2), -200.0)
    assert np.isfinite(total(impossible))
    assert np.isfinite(jax.grad(total)(impossible)).all()


def test_words_that_do_not_count_are_not_present():
    words = jnp.asarray([[1, 4], [4, 2], [1, 0]])
    mask = jnp.asarray([[True, True], [True, False], [True, False]])
    found = words_present(words, mask, 5)
    assert [np.flatnonzero(row).tolist() for row in found] == [[1, 4], [4]]
