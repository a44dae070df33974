"""The 5-gram model against counts made by hand, and its probabilities."""

import itertools

import numpy as np
import pytest

from rnnjax.tasks.naming.ngram import BEGIN, WittenBell


def test_probabilities_are_those_of_hand_counts():
    # Sequences 0 1 2 and 0 0 2; the end is 2, V = 3, bigrams.
    model = WittenBell([[0, 1, 2], [0, 0, 2]], vocab_size=3, order=2)
    # Without a history: 0 three times, 1 once, 2 twice; three kinds.
    p0 = (3 + 3 / 3) / (6 + 3)
    p1 = (1 + 3 / 3) / (6 + 3)
    p2 = (2 + 3 / 3) / (6 + 3)
    assert model.probability((), 1) == pytest.approx(p1)
    # After 0: 0, 1 and 2 once each.
    assert model.probability((0,), 1) == pytest.approx((1 + 3 * p1) / 6)
    # After the beginning: 0 twice, one kind.
    assert model.probability((BEGIN,), 0) == pytest.approx((2 + p0) / 3)
    assert model.probability((BEGIN,), 2) == pytest.approx(p2 / 3)
    # After 2, which nothing follows: as without a history.
    assert model.probability((2,), 1) == pytest.approx(p1)
    expected = np.log([(2 + p0) / 3, (1 + 3 * p1) / 6, (1 + p2) / 2])
    np.testing.assert_allclose(model.log_probabilities([0, 1, 2]), expected)


def test_only_so_many_symbols_are_looked_back_at():
    sequences = [[0, 1, 1, 0, 2], [1, 1, 1, 1, 2]]
    model = WittenBell(sequences, vocab_size=3, order=3)
    scores = model.log_probabilities([0, 1, 1, 1, 2])
    assert np.exp(scores[4]) == pytest.approx(model.probability((1, 1), 2))
    # c(1 1 2) = 1 of 4, kinds 0, 1 and 2; c(1 2) = 1 of 6, kinds 0, 1 and 2; c(2) = 2 of 10.
    p2 = (2 + 3 / 3) / (10 + 3)
    p12 = (1 + 3 * p2) / (6 + 3)
    assert np.exp(scores[4]) == pytest.approx((1 + 3 * p12) / (4 + 3))


def test_probabilities_sum_to_one_after_every_history():
    rng = np.random.default_rng(0)
    sequences = [[*rng.integers(0, 4, rng.integers(1, 9)), 4] for _ in range(40)]
    model = WittenBell(sequences, vocab_size=6)
    histories = [h for n in range(5) for h in itertools.product(range(6), repeat=n)]
    for history in [*histories, (BEGIN,), (BEGIN, 1), (BEGIN, 1, 5, 2)]:
        total = sum(model.probability(history, symbol) for symbol in range(6))
        assert total == pytest.approx(1, abs=1e-12), history
