"""Beam search against float64 loops over lists and over all sequences."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.errors import UserError
from tests.decode.small_network import (
    STOP,
    V,
    hypotheses,
    network,
    reference_step,
    search,
    step,
)


def all_sequences(params, hidden, start, max_length, stop=STOP):
    """Log-probability of every sequence that ends in the first stop or at `max_length`."""
    found = {}
    for symbols in itertools.product(range(params["w_out"].shape[1]), repeat=max_length):
        state, last, total, read = np.float64(hidden), start, 0.0, []
        for symbol in symbols:
            log_probabilities, state = reference_step(params, state, last)
            total += log_probabilities[symbol]
            last = symbol
            read.append(symbol)
            if symbol == stop:
                break
        found[tuple(read)] = total
    return found


def search_over_lists(params, hidden, start, sizes, max_length, alpha, diversity=0.0, stop=STOP):
    """Beams that shrink, written with lists, for one row: groups of these sizes."""
    groups = [[((), 0.0, 0.0, np.float64(hidden), start)] for _ in sizes]
    for _ in range(max_length):
        taken = []
        for g, (group, size) in enumerate(zip(groups, sizes, strict=True)):
            kept = [found for found in group if found[0] and found[4] == stop]
            extensions = []
            for symbols, total, penalty, state, last in group:
                if symbols and last == stop:
                    continue
                log_probabilities, state = reference_step(params, state, last)
                extensions += [
                    ((*symbols, n), total + gain, penalty + diversity * taken.count(n), state, n)
                    for n, gain in enumerate(log_probabilities)
                ]
            extensions.sort(key=lambda found: found[2] - found[1])
            new = extensions[: size - len(kept)]
            taken += [found[4] for found in new]
            groups[g] = kept + new
    everything = [(symbols, total) for group in groups for symbols, total, *_ in group]
    return sorted(everything, key=lambda found: -found[1] / len(found[0]) ** alpha)


@pytest.mark.parametrize("alpha", [0.0, 0.7, 1.0, 2.0])
def test_a_beam_wide_enough_is_exhaustive_search(alpha):
    max_length = 4
    params, carry, starts = network(seed=5)
    result = search(
        params, carry, starts, beam_size=V**max_length, max_length=max_length, length_penalty=alpha
    )
    winners = set()
    for row in range(len(starts)):
        expected = all_sequences(params, carry[row], starts[row], max_length)
        ranked = sorted(expected, key=lambda s: -expected[s] / len(s) ** alpha)
        assert hypotheses(result, row) == ranked
        count = len(ranked)
        assert count == 31  # 1 + 2 + 4 + 8 that stop, 16 that are cut off.
        totals = [expected[s] for s in ranked]
        scores = [expected[s] / len(s) ** alpha for s in ranked]
        np.testing.assert_allclose(result.log_probability[row, :count], totals, atol=1e-5)
        np.testing.assert_allclose(result.scores[row, :count], scores, atol=1e-5)
        assert np.exp(result.log_probability[row]).sum() == pytest.approx(1, abs=1e-5)
        assert (result.scores[row, count:] == -np.inf).all()
        assert (result.lengths[row, count:] == 0).all()
        winners.add(len(ranked[0]))
    assert len(winners) > 1  # Short ones and long ones win.


@pytest.mark.parametrize("beam_size", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_a_narrow_beam_against_lists(beam_size, alpha):
    params, carry, starts = network(seed=11, vocab_size=7, rows=12)
    result = search(params, carry, starts, beam_size=beam_size, max_length=6, length_penalty=alpha)
    for row in range(len(starts)):
        expected = search_over_lists(params, carry[row], starts[row], [beam_size], 6, alpha)
        assert hypotheses(result, row) == [symbols for symbols, _ in expected]
        totals = [total for _, total in expected]
        np.testing.assert_allclose(result.log_probability[row], totals, atol=1e-5)
    assert len(np.unique(result.lengths)) > 3
    past = np.arange(6) >= result.lengths[..., None]
    assert (result.tokens[past] == STOP).all()


@pytest.mark.parametrize(
    ("num_groups", "size", "vocab_size"), [(2, 2, 7), (3, 1, 7), (2, 3, 7), (3, 5, 4)]
)
def test_diverse_groups_against_lists(num_groups, size, vocab_size):
    """In a group of 5 the first of 4 symbols leave a place empty."""
    params, carry, starts = network(seed=2, vocab_size=vocab_size, rows=12)
    sizes = {"beam_size": num_groups * size, "max_length": 5, "length_penalty": 0.0}
    result = search(params, carry, starts, num_groups=num_groups, diversity=0.8, **sizes)
    plain = search(params, carry, starts, **sizes)
    num_different = 0
    for row in range(len(starts)):
        expected = search_over_lists(
            params, carry[row], starts[row], [size] * num_groups, 5, 0.0, diversity=0.8
        )
        assert sorted(hypotheses(result, row)) == sorted(symbols for symbols, _ in expected)
        np.testing.assert_allclose(
            result.log_probability[row], [total for _, total in expected], atol=1e-5
        )
        num_different += set(hypotheses(result, row)) != set(hypotheses(plain, row))
    assert num_different > 3


def test_groups_without_diversity_are_the_same_narrow_beam():
    params, carry, starts = network(seed=2, vocab_size=7)
    together = search(params, carry, starts, beam_size=6, num_groups=3, diversity=0.0, max_length=5)
    alone = search(params, carry, starts, beam_size=2, max_length=5)
    np.testing.assert_array_equal(together.tokens, np.repeat(alone.tokens, 3, axis=1))
    np.testing.assert_array_equal(together.scores, np.repeat(alone.scores, 3, axis=1))


def test_data_of_the_rows_in_params_and_keys_in_the_carry():
    """Rows of N = B * K hypotheses lie row by row; each leaf of the carry moves along."""
    rows, beam_size = 2, 3
    bias = 2 * jax.random.normal(jax.random.key(0), (rows, 6))

    def noisy_step(bias, carry, tokens):
        pairs = jax.vmap(jax.random.split)(carry["key"])
        noise = jax.vmap(lambda key: jax.random.normal(key, (6,)))(pairs[:, 0])
        logits = noise.reshape(len(bias), -1, 6) + bias[:, None]
        read = carry["read"] + tokens.astype(jnp.float32)
        return logits.reshape(-1, 6) + 0.3 * jnp.sin(read)[:, None] * jnp.arange(6.0), {
            "key": pairs[:, 1],
            "read": read,
        }

    carry = {"key": jax.random.split(jax.random.key(1), rows), "read": jnp.zeros(rows)}
    starts = jnp.zeros(rows, jnp.int32)
    result = search(bias, carry, starts, step=noisy_step, beam_size=beam_size, max_length=3)
    for row in range(rows):
        for k, symbols in enumerate(hypotheses(result, row)):
            key, read, last, total = carry["key"][row], 0, 0, 0.0
            for symbol in symbols:
                now, key = jax.random.split(key)
                read += last
                logits = jax.random.normal(now, (6,)) + bias[row]
                logits = np.float64(logits) + 0.3 * np.sin(read) * np.arange(6)
                total += logits[symbol] - np.log(np.exp(logits).sum())
                last = symbol
            assert result.log_probability[row, k] == pytest.approx(total, abs=1e-5)


def test_bfloat16_logits_are_normalised_in_float32():
    params, carry, starts = network(seed=7)

    def low_step(params, hidden, tokens):
        logits, hidden = step(params, hidden, tokens)
        return logits.astype(jnp.bfloat16), hidden

    result = search(params, carry, starts, step=low_step, beam_size=3**3, max_length=3)
    for row in range(len(starts)):
        total = np.exp(np.float64(result.log_probability[row])).sum()
        assert total == pytest.approx(1, abs=1e-5)  # One bfloat16 rounding would cost 1e-2.
    assert result.scores.dtype == result.log_probability.dtype == np.float32


def constant_step(logits, carry, tokens):
    return jnp.broadcast_to(logits, (len(tokens), len(logits))), carry


def constant_search(logits, *, rows=1, **options):
    starts = jnp.zeros(rows, jnp.int32)
    return search(jnp.asarray(logits), (), starts, step=constant_step, **options)


def test_of_equals_the_better_placed_and_then_the_smaller_go_first():
    result = constant_search(jnp.zeros(4), rows=2, beam_size=3, max_length=2, stop=3)
    assert hypotheses(result, 0) == hypotheses(result, 1) == [(0, 0), (0, 1), (0, 2)]
    # With the stop among the first it keeps its place, and all have the same mean.
    result = constant_search(jnp.zeros(4), beam_size=3, max_length=2, stop=1)
    assert hypotheses(result, 0) == [(1,), (0, 0), (0, 1)]


def test_what_is_finished_is_never_lost():
    """A short one that all later ones beat keeps its place, and is ranked by its score."""
    result = constant_search(np.log([0.5, 0.3, 0.2]), beam_size=2, max_length=9, stop=1)
    assert hypotheses(result, 0) == [(0,) * 9, (1,)]
    np.testing.assert_allclose(result.scores[0], np.log([0.5, 0.3]), atol=1e-6)
    result = constant_search(
        np.log([0.5, 0.3, 0.2]), beam_size=2, max_length=9, stop=1, length_penalty=0
    )
    assert hypotheses(result, 0) == [(1,), (0,) * 9]


def test_impossible_symbols_never_appear():
    result = constant_search([0.0, -np.inf, 0.0], beam_size=20, max_length=3, stop=2)
    assert hypotheses(result, 0) == [(2,), (0, 2), (0, 0, 0), (0, 0, 2)]
    np.testing.assert_allclose(np.exp(result.log_probability[0, :4]), [1 / 2, 1 / 4, 1 / 8, 1 / 8])
    assert (result.log_probability[0, 4:] == -np.inf).all()


def test_a_dead_end_leaves_an_empty_place():
    """After symbol 0 nothing may follow; 1 goes on to the stop."""
    table = jnp.array([[-np.inf] * 3, [-np.inf, -np.inf, 0.0], [0.0] * 3])

    def table_step(table, carry, tokens):
        return table[tokens], carry

    starts = jnp.full(1, 2)
    result = search(table, (), starts, step=table_step, beam_size=5, max_length=4, stop=2)
    assert hypotheses(result, 0) == [(1, 2), (2,)]
    alone = search(table, (), starts, step=table_step, beam_size=1, max_length=4, stop=2)
    assert hypotheses(alone, 0) == []
    assert alone.scores[0] == alone.log_probability[0] == -np.inf


def test_the_search_ends_with_the_last_that_goes_on():
    steps = []

    def counted_step(logits, carry, tokens):
        jax.debug.callback(lambda: steps.append(1))
        age = carry + 1
        logits = jnp.where(age[:, None] >= 3, jnp.array([-50.0, -50.0, 50.0]), logits)
        return logits, age

    ages, starts = jnp.array([0, 1]), jnp.zeros(2, jnp.int32)
    logits = jnp.array([0.5, 0.3, -1.0])
    found = {}
    for max_length in (5, 40):
        steps.clear()
        found[max_length] = search(
            logits, ages, starts, step=counted_step, beam_size=3, max_length=max_length
        )
        jax.effects_barrier()
        assert len(steps) == 3
    assert hypotheses(found[5], 0) == hypotheses(found[40], 0)
    np.testing.assert_array_equal(found[5].scores, found[40].scores)
    assert (found[40].lengths <= 3).all()


def test_compiled_once_for_all_batches_of_a_shape():
    traces = []

    def traced_step(params, hidden, tokens):
        traces.append(1)
        return step(params, hidden, tokens)

    for seed in range(3):
        params, carry, starts = network(seed, rows=2)
        search(params, carry, starts, step=traced_step, beam_size=2, max_length=3,
               length_penalty=seed / 2)  # fmt: skip
        if seed == 0:
            first = len(traces)
    assert len(traces) == first


@pytest.mark.parametrize(
    "wrong", [{"beam_size": 0}, {"beam_size": 100_000}, {"max_length": 0}, {"stop": -1},
              {"stop": V}, {"length_penalty": -0.1}, {"length_penalty": np.nan},
              {"length_penalty": np.inf}, {"diversity": -1.0}, {"num_groups": 0},
              {"num_groups": 3}],
)  # fmt: skip
def test_numbers_out_of_range(wrong):
    ((name, value),) = wrong.items()
    params, carry, starts = network(seed=0)
    with pytest.raises(UserError, match=f"{name}.*{value}"):
        search(params, carry, starts, **{"beam_size": 2, "max_length": 3} | wrong)


def test_shapes_that_do_not_fit():
    params, carry, starts = network(seed=0)
    options = {"beam_size": 2, "max_length": 3}
    with pytest.raises(UserError, match=r"start_tokens.*\[1, 4\]"):
        search(params, carry, starts[None], **options)
    with pytest.raises(UserError, match=r"start_tokens.*float32"):
        search(params, carry, starts.astype(np.float32), **options)
    with pytest.raises(UserError, match=r"4 start_tokens; carry\['clock'\] has shape \[\]"):
        search(params, {"hidden": carry, "clock": jnp.zeros(())}, starts, **options)


def test_bytes_may_start_what_needs_wider_numbers():
    def step(params, carry, tokens):
        return jnp.zeros((len(tokens), 300)).at[:, 299].set(5), carry

    found = search((), jnp.zeros(1), np.zeros(1, np.uint8), step=step, beam_size=1, max_length=2)
    assert found.tokens.tolist() == [[[299, 299]]]
