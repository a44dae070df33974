"""Copying against a float64 loop over symbols and positions; its gradient against differences."""

import jax
import numpy as np
import pytest

from rnnjax.heads import copying

V, S, N = 5, 4, 3
SYMBOLS = np.array([[2, 5, 2, 6], [1, 5, 5, 0], [6, 3, 4, 4]])
"""Of three sources: known symbols, and two of their own, 5 and 6; some stand there twice."""

log_probabilities = jax.jit(copying.log_probabilities)
copied = jax.jit(copying.copied_log_probability)


pytestmark = pytest.mark.usefixtures("float64")


def problem(seed=0, rows=N):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 2, (rows, V)), rng.normal(0, 2, rows), rng.normal(0, 2, (rows, S))


def by_hand(logits, generate, scores, symbols):
    """P(w) of one row, as the paper writes it."""
    p_gen = 1 / (1 + np.exp(-generate))
    p_vocab = np.exp(logits) / np.exp(logits).sum()
    attention = np.exp(scores) / np.exp(scores).sum()
    p = np.zeros(V + S)
    for w in range(V + S):
        if w < V:
            p[w] += p_gen * p_vocab[w]
        for i, symbol in enumerate(symbols):
            if symbol == w:
                p[w] += (1 - p_gen) * attention[i]
    return p


@pytest.mark.parametrize("beam", [1, 2])
def test_the_mixture_is_that_of_the_paper_and_sums_to_one(beam):
    given = problem(rows=N * beam)
    found = np.exp(log_probabilities(*given, SYMBOLS))
    for row in range(N * beam):
        expected = by_hand(*(part[row] for part in given), SYMBOLS[row // beam])
        np.testing.assert_allclose(found[row], expected, rtol=1e-12)
        assert (found[row] == 0).tolist() == [
            w >= V and w not in SYMBOLS[row // beam] for w in range(V + S)
        ]
    np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=1e-12)


def test_the_probability_of_a_target_is_its_part_of_the_mixture():
    """Of known symbols, in the source or not, and of those that can only be copied."""
    logits, generate, scores = (np.stack([part, part[::-1]]) for part in problem(1))
    targets = np.array([[2, 5, 6], [0, 0, 4]])
    found = copied(logits, generate, scores, SYMBOLS, targets)
    for t in range(2):
        for row in range(N):
            p = by_hand(logits[t, row], generate[t, row], scores[t, row], SYMBOLS[row])
            assert float(found[t, row]) == pytest.approx(np.log(p[targets[t, row]]), rel=1e-12)


@pytest.mark.parametrize("generate", [-800.0, 800.0])
def test_what_is_certain_stays_finite_where_it_is_trained(generate):
    """Attention that never falls on the target, too."""
    scores = np.array([[[0.0, -2000.0, 0.0, 0.0]] * N])
    targets = np.array([[5, 5, 3]])

    def summed(logits, generate, scores):
        return copying.copied_log_probability(logits, generate, scores, SYMBOLS, targets).sum()

    value, gradients = jax.jit(jax.value_and_grad(summed, argnums=(0, 1, 2)))(
        np.zeros((1, N, V)), np.full((1, N), generate), scores
    )
    assert -1e5 < float(value) < 0
    assert all(np.isfinite(part).all() for part in gradients)


def test_targets_may_be_narrower_than_the_vocabulary():
    logits, targets = np.random.default_rng(0).normal(size=(1, N, 300)), np.array([[2, 5, 100]])
    _, generate, scores = (part[None] for part in problem())
    found = [
        copied(logits, generate, scores, SYMBOLS.astype(d), targets.astype(d))
        for d in (np.int8, int)
    ]
    np.testing.assert_array_equal(*found)


def test_the_gradient_is_that_of_the_loop():
    given = tuple(part[None] for part in problem(2))
    targets = np.array([[2, 5, 1]])

    def total(*given):
        return sum(
            np.log(by_hand(*(part[0, row] for part in given), SYMBOLS[row])[targets[0, row]])
            for row in range(N)
        )

    def summed(*given):
        return copying.copied_log_probability(*given, SYMBOLS, targets).sum()

    found = jax.jit(jax.grad(summed, argnums=(0, 1, 2)))(*given)
    for n, part in enumerate(given):
        for place in np.ndindex(part.shape):
            ends = []
            for h in (1e-6, -1e-6):
                moved = [other.copy() for other in given]
                moved[n][place] += h
                ends.append(total(*moved))
            slope = (ends[0] - ends[1]) / 2e-6
            assert float(found[n][place]) == pytest.approx(slope, abs=1e-8)
