"""Sampling against explicit loops, brute force and the distribution itself."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax import decode
from rnnjax.errors import UserError

V = 6


def markov_step(params, carry, tokens):
    """The next symbol depends on this one and on how many were read."""
    return params[tokens] + 0.1 * carry[:, None], carry + 1


def sample(prompt, key=0, rows=1, **options):
    params = 2 * jax.random.normal(jax.random.key(99), (V, V))
    prompt = jnp.tile(jnp.asarray(prompt)[:, None], (1, rows))
    return jax.device_get(
        decode.sample(
            markov_step, params, jnp.zeros(rows), prompt, key=jax.random.key(key), **options
        )
    )


def test_temperature_zero_is_a_loop_of_argmax():
    drawn, valid = sample([4, 1], length=9, temperature=0)
    params = np.asarray(2 * jax.random.normal(jax.random.key(99), (V, V)))
    symbol, expected = 1, []
    for _ in range(9):
        symbol = int(np.argmax(params[symbol]))
        expected.append(symbol)
    assert drawn[:, 0].tolist() == expected
    assert valid.all()


def test_each_row_draws_as_if_alone():
    together, _ = sample([2], length=15, rows=5)
    alone, _ = sample([2], length=15)
    np.testing.assert_array_equal(alone[:, 0], together[:, 0])
    params = 2 * jax.random.normal(jax.random.key(99), (V, V))
    for row in range(5):
        symbol = 2
        for t in range(15):
            logits = params[symbol] + 0.1 * (t + 0.0)
            key = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), t), row)
            symbol = int(jax.random.categorical(key, logits))
            assert symbol == together[t, row]
    assert len(set(map(tuple, together.T))) == 5


def test_stop_ends_a_row_and_no_other():
    free, _ = sample([0], length=30, rows=16)
    drawn, valid = sample([0], length=30, rows=16, stop=3)
    for row in range(16):
        stops = np.flatnonzero(free[:, row] == 3)
        end = stops[0] + 1 if len(stops) else 30
        assert valid[:, row].tolist() == [True] * end + [False] * (30 - end)
        np.testing.assert_array_equal(drawn[:end, row], free[:end, row])
    assert 0 < valid.mean() < 1


def brute_force(logits, temperature, top_k, top_p):
    """The distribution by its words: sharpen, keep k, keep the smallest nucleus, normalise."""
    weights = np.exp(np.asarray(logits, np.float64) / temperature)
    order = sorted(range(len(weights)), key=lambda n: -weights[n])
    kept = order[: top_k or len(order)]
    mass = sum(weights[n] for n in kept)
    nucleus, inside = [], 0.0
    for n in kept:
        if inside < top_p or top_p == 1:
            nucleus.append(n)
        inside += weights[n] / mass
    return np.array([w if n in nucleus else 0.0 for n, w in enumerate(weights)]) / sum(
        weights[n] for n in nucleus
    )


@pytest.mark.parametrize("seed", range(3))
def test_filters_against_brute_force(seed):
    logits = 2 * jax.random.normal(jax.random.key(seed), (V,))
    for temperature, top_k, top_p in itertools.product(
        (0.5, 1.0, 2.0), (0, 1, 3, V, V + 5), (1e-6, 0.3, 0.7, 0.95, 1.0)
    ):
        filtered = decode.filter_logits(logits, temperature=temperature, top_k=top_k, top_p=top_p)
        expected = brute_force(logits, temperature, top_k, top_p)
        np.testing.assert_allclose(jax.nn.softmax(filtered), expected, atol=1e-6)


@pytest.mark.parametrize("filters", [{}, {"temperature": 0.6, "top_k": 4}, {"top_p": 0.8}])
def test_samples_are_distributed_as_they_should_be(filters):
    """Chi-square of 20,000 first draws; the seed is fixed, so it never fails by chance."""
    rows = 20_000
    drawn, _ = sample([5], length=1, rows=rows, **filters)
    logits = 2 * jax.random.normal(jax.random.key(99), (V, V))[5]
    given = {"temperature": 1.0, "top_k": 0, "top_p": 1.0} | filters
    expected = rows * brute_force(logits, **given)
    counts = np.bincount(drawn[0], minlength=V)
    possible = expected > 0
    assert not counts[~possible].any()
    statistic = np.sum((counts - expected)[possible] ** 2 / expected[possible])
    assert statistic < 20.5  # 0.1% of a chi-square with 5 degrees of freedom.


def test_ties_leave_exactly_k():
    filtered = decode.filter_logits(jnp.zeros(V), top_k=2)
    assert np.isfinite(filtered).sum() == 2
    assert np.isfinite(decode.filter_logits(jnp.zeros(V), temperature=0)).sum() == 1


@pytest.mark.parametrize(
    "wrong", [{"temperature": -1.0}, {"temperature": np.nan}, {"top_k": -1}, {"top_p": 0.0},
              {"top_p": 1.1}, {"length": 0}],
)  # fmt: skip
def test_numbers_out_of_range(wrong):
    (name,) = wrong
    with pytest.raises(UserError, match=name):
        sample([0], **{"length": 3} | wrong)


def test_an_empty_prompt():
    with pytest.raises(UserError, match="prompt"):
        sample(np.zeros(0, int), length=3)


def test_a_nucleus_that_is_full_takes_no_more():
    logits = jnp.zeros(4)  # A quarter each, exactly.
    for top_p, kept in [(0.25, 1), (0.2501, 2), (0.5, 2), (0.75, 3), (0.7501, 4)]:
        filtered = decode.filter_logits(logits, top_p=top_p)
        np.testing.assert_array_equal(jnp.isfinite(filtered), np.arange(4) < kept)
