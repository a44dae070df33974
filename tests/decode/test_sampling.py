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


PARAMS = 2 * jax.random.normal(jax.random.key(99), (V, V))


def sample(prompt, key=0, rows=1, **options):
    prompt = jnp.tile(jnp.asarray(prompt)[:, None], (1, rows))
    key = jax.random.key(key) if isinstance(key, int) else key
    return jax.device_get(
        decode.sample(markov_step, PARAMS, jnp.zeros(rows), prompt, key=key, **options)
    )


def test_temperature_zero_is_a_loop_of_argmax():
    drawn, valid = sample([4, 1], length=9, temperature=0)
    symbol, expected = 1, []
    for _ in range(9):
        symbol = int(np.argmax(PARAMS[symbol]))
        expected.append(symbol)
    assert drawn[:, 0].tolist() == expected
    assert valid.all()


def test_each_row_draws_as_if_alone():
    together, _ = sample([2], length=15, rows=5)
    alone, _ = sample([2], length=15)
    np.testing.assert_array_equal(alone[:, 0], together[:, 0])
    for row in range(5):
        symbol = 2
        for t in range(15):
            logits = PARAMS[symbol] + 0.1 * t
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


def test_a_seed_of_its_own_decides_a_row_wherever_it_stands():
    seeds = [7, 3, 7, 11]
    together, _ = sample([2], length=12, rows=4, key=decode.keys_of_seeds(seeds, 4))
    np.testing.assert_array_equal(together[:, 0], together[:, 2])
    for row, seed in enumerate(seeds):
        symbol = 2
        for t in range(12):
            key = jax.random.fold_in(jax.random.key(seed), t)
            symbol = int(jax.random.categorical(key, PARAMS[symbol] + 0.1 * t))
            assert symbol == together[t, row]
    raw = jnp.stack([jax.random.PRNGKey(seed) for seed in seeds])
    np.testing.assert_array_equal(sample([2], length=12, rows=4, key=raw)[0], together)
    assert decode.keys_of_seeds(5, 3) == jax.random.key(5)
    for wrong in ([1, 2], [1, 2, 3, 4, 5]):
        with pytest.raises(UserError, match=f"one for each of the 4 samples; got {len(wrong)}"):
            decode.keys_of_seeds(wrong, 4)
    with pytest.raises(UserError, match=r"one for each of the 3 rows; got \[4\]"):
        sample([2], length=1, rows=3, key=decode.keys_of_seeds(seeds, 4))


def test_a_run_of_symbols_ends_a_row():
    """Also runs of two lengths, one that overlaps itself, and one that begins in the prompt."""
    runs = ((3, 3, 1), (0, 4, 0, 4), (5, 2))
    free, _ = sample([4, 5], length=40, rows=200, temperature=9)
    drawn, valid = sample([4, 5], length=40, rows=200, temperature=9, stop=runs)
    endings = []
    for row in range(200):
        symbols = tuple(free[:, row].tolist())
        found = [(end, run) for run in runs for end in range(len(run), 41)
                 if symbols[end - len(run) : end] == run]  # fmt: skip
        end, run = min(found, default=(40, None))
        endings.append(run)
        assert valid[:, row].tolist() == [True] * end + [False] * (40 - end)
        np.testing.assert_array_equal(drawn[:end, row], free[:end, row])
    assert set(runs) <= set(endings)
    assert (free[0] == 2).any(), "some row completes 5 2 with the prompt, and goes on"
    with pytest.raises(UserError, match="a stop is empty"):
        sample([4], length=3, stop=[[1], []])
    with pytest.raises(UserError, match=r"runs of symbols such as .*; got \[1, 2\]"):
        sample([4], length=3, stop=[1, 2])
    with pytest.raises(UserError, match=rf"the symbols of a stop are in 0 .. {V - 1}; got {V}"):
        sample([4], length=3, stop=V)


@pytest.mark.parametrize("pieces", [(13,), (1, 12), (5, 4, 4)])
def test_pieces_draw_what_one_call_draws(pieces):
    prompt, key = jnp.array([[4, 1, 0], [2, 2, 5]]), jax.random.key(6)
    options = {"temperature": 1.3, "repetition_penalty": 1.5}
    start = jnp.zeros(3), prompt
    whole = decode.sample(
        markov_step, PARAMS, *start, length=13, key=key, stop=((3, 3),), **options
    )
    state = decode.begin_sampling(markov_step, PARAMS, *start, stop=((3, 3),))
    drawn = []
    for length in pieces:
        state, part = decode.continue_sampling(
            markov_step, PARAMS, state, length=length, key=key, **options
        )
        drawn.append(part)
    for n in range(2):
        np.testing.assert_array_equal(np.concatenate([part[n] for part in drawn]), whole[n])


def test_the_repetition_penalty_against_a_loop():
    """CTRL's rule on the symbols of the prompt and those drawn; symbols outside V have no logit."""
    drawn, _ = sample([V, 1, 4], length=12, rows=20, temperature=0.7, repetition_penalty=1.8)
    for row in range(20):
        seen, symbol = {1, 4}, 4
        for t in range(12):
            logits = np.array(PARAMS[symbol] + 0.1 * (t + 2))
            for n in seen:
                logits[n] = logits[n] / 1.8 if logits[n] > 0 else logits[n] * 1.8
            key = jax.random.fold_in(jax.random.fold_in(jax.random.key(0), t), row)
            symbol = int(jax.random.categorical(key, logits / np.float32(0.7)))
            assert symbol == drawn[t, row]
            seen.add(symbol)


def brute_force(logits, temperature, top_k, top_p, min_p=0.0):
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
    nucleus = [n for n in nucleus if weights[n] >= min_p * max(weights)]
    return np.array([w if n in nucleus else 0.0 for n, w in enumerate(weights)]) / sum(
        weights[n] for n in nucleus
    )


@pytest.mark.parametrize("seed", range(3))
def test_filters_against_brute_force(seed):
    logits = 2 * jax.random.normal(jax.random.key(seed), (V,))
    for temperature, top_k, top_p, min_p in itertools.product(
        (0.5, 1.0, 2.0), (0, 1, 3, V, V + 5), (1e-6, 0.7, 0.95, 1.0), (0.0, 0.1, 0.5)
    ):
        filtered = decode.filter_logits(
            logits, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p
        )
        expected = brute_force(logits, temperature, top_k, top_p, min_p)
        np.testing.assert_allclose(jax.nn.softmax(filtered), expected, atol=1e-6)


@pytest.mark.parametrize("filters", [{}, {"temperature": 0.6, "top_k": 4}, {"top_p": 0.8},
                                     {"min_p": 0.2}])  # fmt: skip
def test_samples_are_distributed_as_they_should_be(filters):
    """Chi-square of 20,000 first draws; the seed is fixed, so it never fails by chance."""
    rows = 20_000
    drawn, _ = sample([5], length=1, rows=rows, **filters)
    given = {"temperature": 1.0, "top_k": 0, "top_p": 1.0} | filters
    expected = rows * brute_force(PARAMS[5], **given)
    counts = np.bincount(drawn[0], minlength=V)
    possible = expected > 0
    assert not counts[~possible].any()
    statistic = np.sum((counts - expected)[possible] ** 2 / expected[possible])
    assert statistic < 20.5  # 0.1% of a chi-square with 5 degrees of freedom.


def test_ties_leave_exactly_k():
    filtered = decode.filter_logits(jnp.zeros(V), top_k=2)
    assert np.isfinite(filtered).sum() == 2
    assert np.isfinite(decode.filter_logits(jnp.zeros(V), temperature=0)).sum() == 1


def test_no_temperature_is_too_low():
    for logits in ([10.0, 30, 20], [-30.0, -10, -20]):
        filtered = decode.filter_logits(jnp.array(logits), temperature=1e-38)
        np.testing.assert_array_equal(jnp.isfinite(filtered), np.array(logits) == max(logits))


def test_the_nucleus_of_narrow_logits_is_summed_in_float32():
    filtered = decode.filter_logits(jnp.zeros(2000, jnp.bfloat16), top_p=0.9)
    assert abs(np.isfinite(filtered).sum() - 1800) <= 1


@pytest.mark.parametrize(
    "wrong", [{"temperature": -1.0}, {"temperature": np.nan}, {"top_k": -1}, {"top_p": 0.0},
              {"top_p": 1.1}, {"min_p": -0.1}, {"min_p": 1.5}, {"repetition_penalty": 0.0},
              {"repetition_penalty": np.inf}, {"length": 0}],
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
