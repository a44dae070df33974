"""Attention against float64 numpy, location by location, and its gradient against autodiff."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from rnnjax.heads import attention

B, S, F, Q, A, C = 2, 5, 3, 4, 6, 2

prepare, scores, expected, entropy, doubly_stochastic = map(
    jax.jit,
    (
        attention.prepare,
        attention.scores,
        attention.expected,
        attention.entropy,
        attention.doubly_stochastic,
    ),
)
chosen = jax.jit(attention.chosen)
straight_through = jax.jit(attention.straight_through, static_argnums=2)
init = jax.jit(attention.init, static_argnums=(1, 2, 3, 4))


@pytest.fixture(autouse=True)
def _float64():
    with jax.enable_x64(True):
        yield


def problem(questions_an_image, seed=0):
    """Parameters, features and questions, float64 numpy."""
    rng = np.random.default_rng(seed)
    params = attention.AttentionParams(
        *(rng.normal(size=shape) for shape in ((F, A), (Q, A), A, A)),
        w_count=rng.normal(size=(A, C)),
    )
    features = rng.normal(size=(B, S, F))
    return params, features, rng.normal(size=(B * questions_an_image, Q))


@pytest.mark.parametrize("questions_an_image", [1, 3])
def test_scores_fit_each_question_to_each_location_of_its_image(questions_an_image):
    params, features, query = problem(questions_an_image)
    found, counts = scores(params, prepare(params, features), query)
    assert found.shape == (len(query), S)
    for n, question in enumerate(query):
        fitting = np.zeros(C)
        for i, seen in enumerate(features[n // questions_an_image]):
            hidden = np.tanh(params.w_location.T @ seen + params.w_query.T @ question + params.b)
            assert found[n, i] == pytest.approx(params.w_score @ hidden, abs=1e-12)
            odds = np.exp(params.w_count.T @ hidden) / S
            fitting += odds / (1 + odds)
        np.testing.assert_allclose(counts[n], fitting, atol=1e-12)


def test_without_counts_the_scores_are_the_same():
    params, features, query = problem(3)
    both, _ = scores(params, prepare(params, features), query)
    params = params._replace(w_count=None)
    alone, counts = scores(params, prepare(params, features), query)
    assert counts is None
    np.testing.assert_allclose(alone, both, atol=1e-14)


@pytest.mark.parametrize("questions_an_image", [1, 3])
def test_what_is_seen_is_the_weighted_sum_of_the_features_of_the_image(questions_an_image):
    _, features, query = problem(questions_an_image)
    weights = np.random.default_rng(1).dirichlet(np.ones(S), len(query))
    found = expected(weights, features)
    for n, row in enumerate(weights):
        image = features[n // questions_an_image]
        by_hand = sum(weight * seen for weight, seen in zip(row, image, strict=True))
        np.testing.assert_allclose(found[n], by_hand, atol=1e-13)
    one_hot = np.eye(S)[np.arange(len(query)) % S]
    np.testing.assert_array_equal(
        expected(one_hot, features),
        [features[n // questions_an_image, n % S] for n in range(len(query))],
    )


def mixed(score_function):
    """A number that depends on every score and every count in a way of its own."""
    weights = np.random.default_rng(2).normal(size=(2 * 3, S + C))

    def number(params, features, query):
        found = jnp.concatenate(score_function(params, features, query), axis=-1)
        return jnp.sum(weights[: len(query)] * jnp.sin(found))

    return number


def fast(params, features, query):
    return attention.scores(params, attention.prepare(params, features), query)


def plain(params, features, query):
    """The same with every image repeated, and no backward pass of its own."""
    repeated = jnp.repeat(features, len(query) // len(features), axis=0)
    asked = (query @ params.w_query)[:, None]
    hidden = jnp.tanh(repeated @ params.w_location + asked + params.b)
    fits = jax.nn.sigmoid(hidden @ params.w_count - np.log(S))
    return hidden @ params.w_score, fits.sum(axis=1)


@pytest.mark.parametrize("questions_an_image", [1, 3])
def test_the_gradient_is_that_of_the_plain_formula(questions_an_image):
    arguments = problem(questions_an_image)
    found, right = (
        jax.jit(jax.grad(mixed(function), argnums=(0, 1, 2)))(*arguments)
        for function in (fast, plain)
    )
    for (path, got), expected in zip(
        jax.tree.leaves_with_path(found), jax.tree.leaves(right), strict=True
    ):
        assert got.dtype == np.float64
        np.testing.assert_allclose(got, expected, rtol=1e-12, atol=1e-12, err_msg=str(path))


def test_the_gradient_is_the_limit_of_differences():
    arguments = problem(3)
    value = jax.jit(mixed(fast))
    gradient = jax.jit(jax.grad(mixed(fast), argnums=(0, 1, 2)))(*arguments)
    rng = np.random.default_rng(3)
    for n in range(len(jax.tree.leaves(arguments))):
        step = [np.zeros(leaf.shape) for leaf in jax.tree.leaves(arguments)]
        step[n] = rng.normal(size=step[n].shape)
        step = jax.tree.unflatten(jax.tree.structure(arguments), step)
        up, down = (
            value(*jax.tree.map(lambda x, d, size=size: x + size * d, arguments, step))
            for size in (1e-5, -1e-5)
        )
        slope = sum(np.vdot(g, d) for g, d in zip(
            jax.tree.leaves(gradient), jax.tree.leaves(step), strict=True
        ))  # fmt: skip
        assert slope == pytest.approx(float(up - down) / 2e-5, rel=1e-7, abs=1e-8)


def test_the_likeliest_location_is_chosen_without_a_key():
    logits = np.array([[0.5, 2, 1], [3, -1, 3], [-np.inf, -5, -6]])
    np.testing.assert_array_equal(chosen(logits), np.eye(3)[[1, 0, 1]])


def test_locations_are_drawn_as_often_as_the_softmax_says():
    draws = 4000
    logits = np.array([[0.0, 1.0, -1.0, 0.5, -3.0], [2.0, 0.0, 0.0, -1.0, 0.5]])
    rows = jnp.asarray(np.repeat(logits, draws, axis=0))
    for draw in (
        chosen(rows, jax.random.key(0)),
        straight_through(rows, jax.random.key(1), 0.7),
    ):
        np.testing.assert_allclose(np.sort(draw, axis=-1)[:, -1], 1, atol=1e-12)
        np.testing.assert_allclose(np.abs(draw).sum(axis=-1), 1, atol=1e-12)
        counts = np.asarray(draw).reshape(2, draws, -1).sum(axis=1)
        for row, count in zip(logits, counts, strict=True):
            chances = np.exp(row) / np.exp(row).sum()
            assert stats.chisquare(np.rint(count), draws * chances).pvalue > 1e-3


@pytest.mark.parametrize("temperature", [0.5, 2.0])
def test_the_gradient_of_a_straight_choice_is_that_of_the_softmax(temperature):
    """The softmax of a row has the Jacobian ``(diag(p) - p p^T) / temperature``."""
    key, logits = jax.random.key(4), np.random.default_rng(4).normal(size=(3, S))
    cotangent = np.random.default_rng(5).normal(size=logits.shape)

    def weighted(x):
        choice = straight_through(x, key, temperature)
        return jnp.sum(choice * cotangent), choice

    found, choice = jax.jit(jax.grad(weighted, has_aux=True))(logits)
    noise = np.asarray(jax.random.gumbel(key, logits.shape, float))
    np.testing.assert_allclose(choice, np.eye(S)[(logits + noise).argmax(axis=-1)], atol=1e-15)
    for n, row in enumerate((logits + noise) / temperature):
        p = np.exp(row) / np.exp(row).sum()
        right = (np.diag(p) - np.outer(p, p)) @ cotangent[n] / temperature
        np.testing.assert_allclose(found[n], right, atol=1e-13)


def test_entropy_is_in_nats_and_sound_far_out():
    logits = np.random.default_rng(6).normal(size=(2, 3, S))
    p = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    np.testing.assert_allclose(entropy(logits), -(p * np.log(p)).sum(axis=-1), rtol=1e-12)
    assert entropy(np.zeros(7)) == pytest.approx(np.log(7), abs=1e-14)
    far = np.array([2000.0, 0, -1000])
    assert entropy(far) == 0
    assert np.isfinite(jax.grad(entropy)(far)).all()


def test_the_doubly_stochastic_term_counts_words_alone():
    weights = np.random.default_rng(7).dirichlet(np.ones(S), (4, B))
    lengths = [4, 2]
    mask = np.arange(4)[:, None] < np.array(lengths)
    found = doubly_stochastic(weights, mask)
    for n, length in enumerate(lengths):
        received = [sum(weights[t, n, i] for t in range(length)) for i in range(S)]
        assert found[n] == pytest.approx(sum((1 - r) ** 2 for r in received), abs=1e-13)


def test_initial_parameters_are_glorots():
    params = init(jax.random.key(0), 300, 200, 100, 20)
    assert init(jax.random.key(0), 300, 200, 100, 0).w_count is None
    for w, fans in (
        (params.w_location, 400), (params.w_query, 300), (params.w_score, 101),
        (params.w_count, 120),
    ):  # fmt: skip
        limit = np.sqrt(6 / fans)
        assert 0.9 * limit < np.abs(w).max() <= limit
        assert np.std(w) == pytest.approx(limit / np.sqrt(3), rel=0.15)
    np.testing.assert_array_equal(params.b, 0)
