"""Counts of locations against float64 numpy, and against attention without them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.heads import attention
from rnnjax.tasks.captioning.captioner import CountingParams, counting

B, S, F, Q, A, C = 2, 5, 3, 4, 6, 2


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def problem(queries_each):
    rng = np.random.default_rng(0)
    shapes = ((F, A), (Q, A), A, A, (A, C), (B, S, F), (B * queries_each, Q))
    *params, features, query = (rng.normal(size=shape) for shape in shapes)
    return CountingParams(*params), features, query


def fast(params, features, query):
    scorer = counting(A, C)
    return scorer.scores(params, scorer.prepare(params, features), query)


def plain(params, features, query):
    repeated = jnp.repeat(features, len(query) // len(features), axis=0)
    asked = (query @ params.w_query)[:, None]
    hidden = jnp.tanh(repeated @ params.w_location + asked + params.b)
    fits = jax.nn.sigmoid(hidden @ params.w_count - np.log(S))
    return hidden @ params.w_score, fits.sum(axis=1)


@pytest.mark.parametrize("queries_each", [1, 3])
def test_counts_add_up_how_well_each_location_fits(queries_each):
    params, features, query = problem(queries_each)
    scores, counts = fast(params, features, query)
    for n, q in enumerate(query):
        fitting = np.zeros(C)
        for i, a in enumerate(features[n // queries_each]):
            hidden = np.tanh(params.w_location.T @ a + params.w_query.T @ q + params.b)
            assert scores[n, i] == pytest.approx(params.w_score @ hidden, abs=1e-12)
            odds = np.exp(params.w_count.T @ hidden) / S
            fitting += odds / (1 + odds)
        np.testing.assert_allclose(counts[n], fitting, atol=1e-12)


@pytest.mark.parametrize("queries_each", [1, 3])
def test_the_gradient_is_that_of_the_plain_formula(queries_each):
    arguments = problem(queries_each)
    weights = np.random.default_rng(2).normal(size=(len(arguments[2]), S + C))

    def gradient(function):
        def number(*arguments):
            return jnp.sum(weights * jnp.sin(jnp.concatenate(function(*arguments), axis=-1)))

        return jax.jit(jax.grad(number, argnums=(0, 1, 2)))(*arguments)

    for got, expected in zip(*map(jax.tree.leaves, (gradient(fast), gradient(plain))), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12)


def test_initial_parameters_are_those_of_attention_without_counts_and_glorots():
    params = counting(100, 20).init(jax.random.key(0), 30, 20)
    without = attention.additive(100).init(jax.random.key(0), 30, 20)
    jax.tree.map(np.testing.assert_array_equal, tuple(params[:4]), tuple(without))
    limit = np.sqrt(6 / 120)
    assert 0.9 * limit < np.abs(params.w_count).max() <= limit
