"""Diverse beam search against a float64 loop over lists."""

import numpy as np
import pytest

from tests.decode.small_network import STOP, hypotheses, network, reference_step, search


def diverse_search_over_lists(params, hidden, start, sizes, max_length, diversity, stop=STOP):
    """Groups of beams over lists, for one row, ranked by log-probability."""
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
    return sorted(everything, key=lambda found: -found[1])


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
        expected = diverse_search_over_lists(
            params, carry[row], starts[row], [size] * num_groups, 5, 0.8
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
