"""NADE against enumeration, plain loops and differences."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.heads import nade

N, H = 4, 3
EVERY = np.array(list(itertools.product([False, True], repeat=N)))
"""All vectors of bits, `[16, 4]`."""

logits = jax.jit(nade.logits)


pytestmark = pytest.mark.usefixtures("float64")


def problem(*batch_shape):
    rng = np.random.default_rng(0)
    params = nade.NADEParams(*2 * rng.normal(size=(2, N, H)))
    return params, rng.normal(size=(*batch_shape, H)), rng.normal(size=(*batch_shape, N))


def one_log_probability(params, bits, c, b):
    """log p of one vector by the sums of the paper."""
    total = 0.0
    for i in range(N):
        hidden = 1 / (1 + np.exp(-(c + sum(params.w[j] for j in range(i) if bits[j]))))
        p = 1 / (1 + np.exp(-(b[i] + hidden @ params.u[i])))
        total += np.log(p if bits[i] else 1 - p)
    return total


def log_probability(params, bits, c, b):
    return nade.log_probability(logits(params, bits, c, b), bits)


def test_the_probabilities_of_all_vectors_are_those_of_the_paper_and_sum_to_one():
    params, c, b = problem()
    found = log_probability(params, EVERY, np.tile(c, (16, 1)), np.tile(b, (16, 1)))
    expected = [one_log_probability(params, bits, c, b) for bits in EVERY]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert np.exp(found).sum() == pytest.approx(1, abs=1e-12)


def test_each_frame_has_its_own_biases():
    params, c, b = problem(5, 2)
    bits = np.random.default_rng(1).random((5, 2, N)) < 0.5
    found = log_probability(params, bits, c, b)
    for at in np.ndindex(5, 2):
        expected = one_log_probability(params, bits[at], c[at], b[at])
        assert found[at] == pytest.approx(expected, rel=1e-12)


def frequencies(drawn):
    """How often each vector of `EVERY` was drawn."""
    return np.bincount(np.asarray(drawn) @ (1 << np.arange(N)[::-1]), minlength=16) / len(drawn)


@pytest.mark.parametrize("given", [(-1, -1, -1, -1), (0, 1, -1, -1)])
def test_samples_are_as_frequent_as_probable(given):
    params, c, b = problem()
    rows = 40_000
    many = [np.tile(x, (rows, 1)) for x in (c, b, np.array(given))]
    drawn = nade.sample(params, *many, key=jax.random.key(0))
    p = np.exp([one_log_probability(params, bits, c, b) for bits in EVERY])
    fits = [all(g in (nade.FREE, v) for g, v in zip(given, bits, strict=True)) for bits in EVERY]
    # The first bits are given: what is left is the conditional distribution.
    p = np.where(fits, p, 0) / p[fits].sum()
    np.testing.assert_allclose(frequencies(drawn), p, atol=5 * 0.5 / rows**0.5)


def test_temperature_divides_the_log_odds_of_each_bit():
    params, c, b = problem()
    rows = 40_000
    options = {"key": jax.random.key(1), "temperature": 0.5}
    free = np.full((rows, N), nade.FREE)
    odds = np.asarray(logits(params, EVERY, np.tile(c, (16, 1)), np.tile(b, (16, 1))))
    p = np.prod(1 / (1 + np.exp(np.where(EVERY, -2, 2) * odds)), axis=1)
    drawn = nade.sample(params, np.tile(c, (rows, 1)), np.tile(b, (rows, 1)), free, **options)
    np.testing.assert_allclose(frequencies(drawn), p, atol=5 * 0.5 / rows**0.5)
    alone = nade.draw_bits(np.tile(b, (rows, 1)), free, **options).mean(axis=0)
    np.testing.assert_allclose(alone, 1 / (1 + np.exp(-2 * b)), atol=5 * 0.5 / rows**0.5)
    options["temperature"] = 0
    coldest = nade.draw_bits(jnp.array([-0.1, 0.2]), np.full(2, nade.FREE), **options)
    assert coldest.tolist() == [False, True]


def test_the_gradient_is_that_of_differences():
    inputs = problem(3)
    bits = EVERY[[5, 10, 15]]

    def value(inputs):
        params, c, b = inputs
        return log_probability(params, bits, c, b).sum()

    found = jax.grad(value)(inputs)
    rng = np.random.default_rng(2)
    change = jax.tree.map(lambda x: rng.normal(size=x.shape), inputs)
    for part in range(3):  # Weights and both biases each by themselves.
        moved = [
            tuple(
                jax.tree.map(lambda x, d, s=sign, p=n == part: x + s * 1e-6 * p * d, x, d)
                for n, (x, d) in enumerate(zip(inputs, change, strict=True))
            )
            for sign in (1, -1)
        ]
        slope = float(value(moved[0]) - value(moved[1])) / 2e-6
        products = jax.tree.map(lambda g, d: (g * d).sum(), found[part], change[part])
        assert sum(jax.tree.leaves(products)) == pytest.approx(slope, rel=1e-6)
