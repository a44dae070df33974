"""Attention against float64 numpy, position by position, and its gradient against autodiff."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from rnnjax.heads import attention

B, S, F, Q, A = 2, 5, 3, 4, 6

expected, entropy, doubly_stochastic = map(
    jax.jit, (attention.expected, attention.entropy, attention.doubly_stochastic)
)
chosen = jax.jit(attention.chosen)
straight_through = jax.jit(attention.straight_through, static_argnums=2)
every_number = pytest.mark.parametrize("queries_each", [1, 3])


pytestmark = pytest.mark.usefixtures("float64")


def additive(params, memory, query):
    """The plain formula, each memory repeated, without a backward pass of its own."""
    asked = (query @ params.w_query)[:, None]
    return jnp.tanh(memory @ params.w_location + asked + params.b) @ params.w_score


PLAIN = {
    "additive": additive,
    "dot": lambda params, memory, query: (memory @ query[..., None])[..., 0],
    "general": lambda w, memory, query: ((memory @ w) @ query[..., None])[..., 0],
}
every_scorer = pytest.mark.parametrize("name", PLAIN)


def problem(name, queries_each, seed=0):
    """Parameters, memory and queries, float64 numpy."""
    rng = np.random.default_rng(seed)
    params = {
        "additive": attention.AdditiveParams(
            *(rng.normal(size=shape) for shape in ((F, A), (Q, A), A, A))
        ),
        "dot": (),
        "general": rng.normal(size=(F, Q)),
    }[name]
    size = F if name == "dot" else Q
    return params, rng.normal(size=(B, S, F)), rng.normal(size=(B * queries_each, size))


def scores(name, params, memory, query):
    scorer = attention.named_scorer(name, A)
    found, extra = scorer.scores(params, scorer.prepare(params, memory), query)
    assert extra is None
    return found


def plain_scores(name, params, memory, query):
    return PLAIN[name](params, jnp.repeat(memory, len(query) // len(memory), axis=0), query)


@every_number
def test_scores_fit_each_query_to_each_position_of_its_memory(queries_each):
    for name in PLAIN:
        params, memory, query = problem(name, queries_each)
        found = scores(name, params, memory, query)
        assert found.shape == (len(query), S)
        for n, q in enumerate(query):
            for i, a in enumerate(memory[n // queries_each]):
                if name == "additive":
                    hidden = np.tanh(params.w_location.T @ a + params.w_query.T @ q + params.b)
                    by_hand = params.w_score @ hidden
                else:
                    by_hand = q @ a if name == "dot" else q @ params.T @ a
                assert found[n, i] == pytest.approx(by_hand, abs=1e-12)


@every_number
def test_what_is_read_is_the_weighted_sum_of_the_memory(queries_each):
    _, memory, query = problem("additive", queries_each)
    weights = np.random.default_rng(1).dirichlet(np.ones(S), len(query))
    found = expected(weights, memory)
    for n, row in enumerate(weights):
        own = memory[n // queries_each]
        by_hand = sum(weight * a for weight, a in zip(row, own, strict=True))
        np.testing.assert_allclose(found[n], by_hand, atol=1e-13)
    one_hot = np.eye(S)[np.arange(len(query)) % S]
    np.testing.assert_array_equal(
        expected(one_hot, memory),
        [memory[n // queries_each, n % S] for n in range(len(query))],
    )


def mixed(score_function, name):
    """A number that depends on every score in a way of its own."""
    weights = np.random.default_rng(2).normal(size=(2 * 3, S))

    def number(params, memory, query):
        found = score_function(name, params, memory, query)
        return jnp.sum(weights[: len(query)] * jnp.sin(found))

    return number


@every_scorer
@every_number
def test_the_gradient_is_that_of_the_plain_formula(name, queries_each):
    arguments = problem(name, queries_each)
    found, right = (
        jax.jit(jax.grad(mixed(function, name), argnums=(0, 1, 2)))(*arguments)
        for function in (scores, plain_scores)
    )
    for (path, got), by_autodiff in zip(
        jax.tree.leaves_with_path(found), jax.tree.leaves(right), strict=True
    ):
        assert got.dtype == np.float64
        np.testing.assert_allclose(got, by_autodiff, rtol=1e-12, atol=1e-12, err_msg=str(path))


def test_masked_scores_are_finite_and_have_no_weight():
    found = attention.masked(np.array([[1.0, np.nan, -3e4]]), np.array([[True, False, True]]))
    assert np.isfinite(found).all()
    np.testing.assert_array_equal(jax.nn.softmax(found), [[1, 0, 0]])
    assert np.isfinite(jax.grad(lambda x: entropy(x).sum())(found)).all()
    assert entropy(found) == 0


def test_the_likeliest_position_is_chosen_without_a_key():
    logits = np.array([[0.5, 2, 1], [3, -1, 3], [-np.inf, -5, -6]])
    np.testing.assert_array_equal(chosen(logits), np.eye(3)[[1, 0, 1]])


def test_positions_are_drawn_as_often_as_the_softmax_says():
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
    init = functools.partial(jax.jit, static_argnums=(1, 2))
    params = init(attention.additive(100).init)(jax.random.key(0), 300, 200)
    general = init(attention.general().init)(jax.random.key(0), 300, 200)
    for w, fans in (
        (params.w_location, 400), (params.w_query, 300), (params.w_score, 101), (general, 500),
    ):  # fmt: skip
        limit = np.sqrt(6 / fans)
        assert 0.9 * limit < np.abs(w).max() <= limit
        assert np.std(w) == pytest.approx(limit / np.sqrt(3), rel=0.15)
    np.testing.assert_array_equal(params.b, 0)
