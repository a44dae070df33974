"""The CRF's probabilities against counting every sequence of tags."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.heads import crf
from tests.heads import enumeration

PROBLEMS = enumeration.PROBLEMS

log_partition = jax.jit(crf.log_partition, static_argnames="parallel")
marginals = jax.jit(crf.marginals)
sequence_score = jax.jit(crf.sequence_score)
log_likelihood = jax.jit(crf.log_likelihood, static_argnames="parallel")


pytestmark = pytest.mark.usefixtures("float64")


def rows(problem):
    return range(len(problem.lengths))


def narrow(problem):
    return jax.tree.map(lambda x: x.astype(np.float32) if x.dtype == float else x, problem)


@pytest.mark.parametrize("parallel", [False, True], ids=["sequential", "parallel"])
@pytest.mark.parametrize("name", PROBLEMS)
def test_log_partition_sums_over_every_legal_sequence(name, parallel):
    problem = PROBLEMS[name]
    expected = [enumeration.log_partition(problem, row) for row in rows(problem)]
    found = log_partition(*problem[:3], allowed=problem.allowed, parallel=parallel)
    assert found.dtype == float
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-13)
    found = log_partition(*narrow(problem)[:3], allowed=problem.allowed, parallel=parallel)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("name", PROBLEMS)
def test_marginals(name):
    problem = PROBLEMS[name]
    expected = np.stack([enumeration.marginals(problem, row) for row in rows(problem)], axis=1)
    found = marginals(*problem[:3], allowed=problem.allowed)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-14)
    found = marginals(*narrow(problem)[:3], allowed=problem.allowed)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6 if name != "far" else 1e-3)


@pytest.mark.parametrize("name", PROBLEMS)
def test_sequence_score_and_log_likelihood(name):
    problem = PROBLEMS[name]
    T, B, K = problem.scores.shape
    tags = np.random.default_rng(1).integers(K, size=(T, B))
    legal = []
    expected = np.zeros(B)
    for row in rows(problem):
        own = tags[: problem.lengths[row], row]
        legal.append(enumeration.is_legal(problem.allowed, own))
        expected[row] = enumeration.score(problem.params, problem.scores[:, row], own)
        tags[problem.lengths[row] :, row] = (-100, 10**6)[row % 2]
    found = sequence_score(*problem[:2], tags, problem.lengths)
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-14)
    expected -= [enumeration.log_partition(problem, row) for row in rows(problem)]
    expected = np.where(legal, expected, -np.inf)
    found = log_likelihood(*problem[:2], tags, problem.lengths, allowed=problem.allowed)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", ["free", "BIO", "BIOES"])
def test_gradients_are_the_differences(name):
    problem = PROBLEMS[name]
    weights = np.arange(1.0, 1 + len(problem.lengths))

    @functools.partial(jax.jit, static_argnames="parallel")
    def objective(arguments, parallel=False):
        params, scores = arguments
        log_z = crf.log_partition(
            params, scores, problem.lengths, allowed=problem.allowed, parallel=parallel
        )
        return jnp.dot(weights, log_z)

    point = problem[:2]
    slopes = jax.jit(jax.grad(objective))(point)
    random = np.random.default_rng(2)
    for _ in range(5):
        way = jax.tree.map(lambda x: random.standard_normal(x.shape), point)
        ahead = objective(jax.tree.map(lambda x, d: x + 1e-5 * d, point, way))
        behind = objective(jax.tree.map(lambda x, d: x - 1e-5 * d, point, way))
        slope = sum(jax.tree.leaves(jax.tree.map(jnp.vdot, slopes, way)))
        np.testing.assert_allclose(slope, (ahead - behind) / 2e-5, rtol=1e-7)
    in_parallel = jax.jit(jax.grad(functools.partial(objective, parallel=True)))(point)
    jax.tree.map(lambda x, y: np.testing.assert_allclose(x, y, atol=1e-12), slopes, in_parallel)


@pytest.mark.parametrize("parallel", [False, True], ids=["sequential", "parallel"])
def test_padding_changes_nothing_and_gets_no_gradient(parallel):
    problem = PROBLEMS["BIO"]
    padding = np.arange(5)[:, None] >= problem.lengths
    tags = np.where(padding, 10**6 * (-1) ** np.arange(4), 0)

    @jax.jit
    def value_and_slopes(scores):
        def objective(params, scores):
            return jnp.sum(
                crf.log_likelihood(
                    params,
                    scores,
                    tags,
                    problem.lengths,
                    allowed=problem.allowed,
                    parallel=parallel,
                )
            )

        return jax.value_and_grad(objective, argnums=(0, 1))(problem.params, scores)

    value, slopes = value_and_slopes(problem.scores)
    assert np.all(np.any(slopes[1], axis=-1) == ~padding)
    for garbage in (np.nan, np.inf, -np.inf):
        scores = problem.scores.copy()
        scores[padding] = garbage
        jax.tree.map(np.testing.assert_array_equal, value_and_slopes(scores), (value, slopes))


@pytest.mark.parametrize("parallel", [False, True], ids=["sequential", "parallel"])
def test_what_is_legal_but_far_behind_is_not_lost(parallel):
    """After a span that scores say, by 1e4 nats, is ending, only B-X I-X is allowed."""
    allowed = enumeration.constraints(("O", "B-X", "I-X"), "BIO")
    params = crf.CRFParams(*(np.zeros(shape, np.float32) for shape in ((3, 3), 3, 3)))
    scores = np.zeros((2, 1, 3), np.float32)
    scores[0, 0] = 1e4, 0, 0  # an O
    scores[1, 0] = 0, 0, 3e4  # then an I-X, which may follow the B-X only
    log_z = log_partition(params, scores, np.array([2]), allowed=allowed, parallel=parallel)
    np.testing.assert_allclose(log_z, 3e4, rtol=1e-6)
    params = params._replace(transitions=np.array([[0, -500, -500]] * 3, np.float32).T)
    log_z = log_partition(params, 0 * scores, np.array([2]), parallel=parallel)
    np.testing.assert_allclose(log_z, np.log(3), rtol=1e-6)


@pytest.mark.parametrize("parallel", [False, True], ids=["sequential", "parallel"])
def test_gradients_are_finite_however_far_the_scores(parallel):
    tags = ("B-X", "E-X", "S-X", "I-X", "O")
    problem = enumeration.draw(5, T=6, lengths=(6, 0, 1, 3), tags=tags, scheme="BIOES")
    gold = np.full((6, 4), 4)

    @jax.jit
    def value_and_slopes(params, scores):
        def objective(params, scores):
            return jnp.sum(
                crf.log_likelihood(
                    params,
                    scores,
                    gold,
                    problem.lengths,
                    allowed=problem.allowed,
                    parallel=parallel,
                )
            )

        return jax.value_and_grad(objective, argnums=(0, 1))(params, scores)

    for scale in (1e2, 1e6, 1e30):
        point = jax.tree.map(lambda x, scale=scale: np.float32(scale * x), problem[:2])
        value, slopes = value_and_slopes(*point)
        assert all(np.isfinite(x).all() for x in jax.tree.leaves((value, slopes)))
        for slope, legal in zip(slopes[0], problem.allowed, strict=True):
            assert not slope[~legal].any()


def test_no_legal_sequence_has_probability_zero_and_finite_gradients():
    problem = enumeration.draw(T=3, lengths=(3, 2, 0))
    nothing = crf.Constraints(np.zeros((3, 3), bool), np.ones(3, bool), np.ones(3, bool))

    @jax.jit
    def values_and_slopes(params, scores):
        values, pull_back = jax.vjp(
            lambda *point: crf.log_likelihood(
                *point, np.zeros((3, 3), int), problem.lengths, allowed=nothing
            ),
            params,
            scores,
        )
        return values, pull_back(jnp.ones(3))

    found, slopes = values_and_slopes(*problem[:2])
    np.testing.assert_array_equal(found, [-np.inf, -np.inf, 0])
    assert all(np.isfinite(x).all() for x in jax.tree.leaves(slopes))
    found = log_partition(*problem[:3], allowed=nothing)
    np.testing.assert_array_equal(found, [-np.inf, -np.inf, 0])
    assert not np.any(marginals(*problem[:3], allowed=nothing))


def test_a_nan_score_is_not_hidden():
    problem = enumeration.draw()
    problem.scores[1, 0, 1] = np.nan
    for parallel in (False, True):
        found = log_partition(*problem[:3], parallel=parallel)
        np.testing.assert_array_equal(np.isnan(found), [True, False, False, False])


def test_narrow_numbers_are_summed_in_float32():
    problem = enumeration.draw()
    params, scores = jax.tree.map(lambda x: jnp.asarray(x, jnp.bfloat16), problem[:2])
    found = log_partition(params, scores, problem.lengths)
    assert found.dtype == jnp.float32
    wide_params, wide_scores = jax.tree.map(lambda x: np.asarray(x, float), (params, scores))
    wide = problem._replace(params=wide_params, scores=wide_scores)
    expected = [enumeration.log_partition(wide, row) for row in rows(wide)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_initial_parameters():
    params = crf.init(jax.random.key(0), 40)
    assert [x.shape for x in params] == [(40, 40), (40,), (40,)]
    everything = np.concatenate([np.ravel(x) for x in params])
    assert len(np.unique(everything)) > 1600
    assert -0.1 <= everything.min() < -0.09 < 0.09 < everything.max() <= 0.1


def test_tags_may_be_narrower_than_their_number():
    params, tags = crf.init(jax.random.key(0), 200), np.array([[3], [100]])
    scores = jax.random.normal(jax.random.key(1), (2, 1, 200))
    found = [crf.log_likelihood(params, scores, tags.astype(d), [2]) for d in (np.int8, int)]
    np.testing.assert_array_equal(*found)
