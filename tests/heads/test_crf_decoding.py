"""Viterbi and k-best decoding against ranking every sequence of tags; nothing illegal, ever."""

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.heads import crf
from tests.heads import enumeration

PROBLEMS = enumeration.PROBLEMS

viterbi = jax.jit(crf.viterbi)
k_best = jax.jit(crf.k_best, static_argnames="k")


@pytest.mark.parametrize("name", PROBLEMS)
def test_the_best_sequences_and_their_scores(name):
    """Asks for more than there are of the shorter sequences, and fewer than of the longer."""
    problem, k = PROBLEMS[name], 7
    with jax.enable_x64(True):
        best, best_score = viterbi(*problem[:3], allowed=problem.allowed)
        tags, scores = k_best(*problem[:3], k=k, allowed=problem.allowed)
    assert tags.dtype == best.dtype == np.int32
    for row, length in enumerate(problem.lengths):
        ranking = enumeration.ranking(problem, row)[:k]
        expected = np.full(k, -np.inf)
        expected_tags = np.zeros(tags[:, row].shape, int)
        for n, (score, sequence) in enumerate(ranking):
            expected[n], expected_tags[:length, n] = score, sequence
        np.testing.assert_allclose(scores[row], expected, rtol=1e-13, atol=1e-13)
        np.testing.assert_array_equal(tags[:, row], expected_tags)
        np.testing.assert_allclose(best_score[row], expected[0], rtol=1e-13, atol=1e-13)
        np.testing.assert_array_equal(best[:, row], expected_tags[:, 0])


def test_every_legal_sequence_comes_once():
    problem = PROBLEMS["BIO"]
    with jax.enable_x64(True):
        tags, scores = k_best(*problem[:3], k=700, allowed=problem.allowed)
    for row, length in enumerate(problem.lengths):
        found = [tuple(s) for s in np.asarray(tags)[:length, row, np.isfinite(scores[row])].T]
        assert found == [sequence for _, sequence in enumeration.ranking(problem, row)]


def test_ties_still_give_different_sequences():
    problem = enumeration.draw(T=3, lengths=(3,), tags=("O", "B-X", "I-X"), scale=0.0)
    tags, scores = k_best(*problem[:3], k=20, allowed=problem.allowed)
    assert len({tuple(s) for s in np.asarray(tags)[:, 0, np.isfinite(scores[0])].T}) == 13


def test_padding_changes_nothing():
    problem = enumeration.draw(7, T=6, lengths=(4, 0, 2), tags=("O", "B-X", "I-X"))
    clean = viterbi(*problem[:3], allowed=problem.allowed)
    clean_best = k_best(*problem[:3], k=3, allowed=problem.allowed)
    for garbage in (np.nan, np.inf, 1e6):
        scores = problem.scores.copy()
        scores[np.arange(6)[:, None] >= problem.lengths] = garbage
        found = viterbi(problem.params, scores, problem.lengths, allowed=problem.allowed)
        jax.tree.map(np.testing.assert_array_equal, found, clean)
        found = k_best(problem.params, scores, problem.lengths, k=3, allowed=problem.allowed)
        jax.tree.map(np.testing.assert_array_equal, found, clean_best)


TAGS = {
    "BIO": ("I-Y", "B-X", "O", "I-X", "B-Y"),
    "IOB1": ("B-Y", "I-X", "O", "I-Y", "B-X"),
    "BIOES": ("I-X", "B-X", "E-X", "S-X", "O", "E-Y"),  # a span of Y cannot begin
}
LENGTHS = np.array([6, 1, 0, 2, 5], np.int32)
NUMBERS = (0.0, 1.0, -1.0, 1e6, -1e6, 3e38, -3e38, np.inf, -np.inf, np.nan)


@pytest.mark.parametrize("scheme", TAGS)
@hypothesis.given(st.data())
@hypothesis.settings(max_examples=60)
def test_an_illegal_sequence_is_never_decoded(scheme, data):
    names = TAGS[scheme]
    K, T, B = len(names), LENGTHS.max(), len(LENGTHS)
    random = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    values = np.array(data.draw(st.lists(st.sampled_from(NUMBERS), min_size=1)), np.float32)
    params = crf.CRFParams(*(random.choice(values, shape) for shape in ((K, K), K, K)))
    scores = random.choice(values, (T, B, K))
    allowed = enumeration.constraints(names, scheme)
    best, best_score = viterbi(params, scores, LENGTHS, allowed=allowed)
    tags, tag_scores = k_best(params, scores, LENGTHS, k=4, allowed=allowed)
    assert np.isfinite(best_score).all()
    assert np.isfinite(tag_scores[:, 0]).all()
    for row, length in enumerate(LENGTHS):
        sequences = np.asarray(tags)[:length, row, np.isfinite(tag_scores[row])].T
        for sequence in (np.asarray(best)[:length, row], *sequences):
            assert enumeration.is_legal(allowed, sequence)
        assert len({tuple(sequence) for sequence in sequences}) == len(sequences)


@pytest.mark.parametrize("scheme", TAGS)
def test_scores_that_want_the_illegal_do_not_get_it(scheme):
    """Every forbidden step of the parameters is worth 1e6, every legal one costs as much."""
    names = TAGS[scheme]
    allowed = enumeration.constraints(names, scheme)
    params = crf.CRFParams(*(np.where(legal, -1e6, 1e6).astype(np.float32) for legal in allowed))
    scores = np.zeros((6, len(LENGTHS), len(names)), np.float32)
    tags, tag_scores = k_best(params, scores, LENGTHS, k=3, allowed=allowed)
    best, best_score = viterbi(params, scores, LENGTHS, allowed=allowed)
    np.testing.assert_allclose(best_score, np.where(LENGTHS, -1e6 * (LENGTHS + 1), 0), rtol=1e-6)
    for row, length in enumerate(LENGTHS):
        sequences = np.asarray(tags)[:length, row, np.isfinite(tag_scores[row])].T
        for sequence in (np.asarray(best)[:length, row], *sequences):
            assert enumeration.is_legal(allowed, sequence)


def test_where_nothing_is_legal_nothing_is_decoded():
    problem = enumeration.draw(T=3, lengths=(3, 1, 0))
    no_step = crf.Constraints(np.zeros((3, 3), bool), np.ones(3, bool), np.ones(3, bool))
    no_end = crf.Constraints(np.ones((3, 3), bool), np.ones(3, bool), np.zeros(3, bool))
    for allowed, counts in ((no_step, [0, 3, 1]), (no_end, [0, 0, 1])):
        best, best_score = viterbi(*problem[:3], allowed=allowed)
        tags, scores = k_best(*problem[:3], k=4, allowed=allowed)
        np.testing.assert_array_equal(np.isfinite(best_score), np.array(counts) > 0)
        np.testing.assert_array_equal(np.isfinite(scores).sum(axis=1), counts)
        assert not best[:, np.array(counts) == 0].any()
        assert not np.moveaxis(tags, 0, -1)[~np.isfinite(scores)].any()


def test_of_equals_the_last_tag_that_is_lowest_decides():
    params = crf.CRFParams(jnp.zeros((3, 3)), jnp.zeros(3), jnp.zeros(3))
    tags, _ = viterbi(params, jnp.zeros((4, 1, 3)), jnp.array([4]))
    np.testing.assert_array_equal(tags[:, 0], [0, 0, 0, 0])
    # 0 1 and 1 0 have the same score, and no other sequence has one as high.
    cross = params._replace(transitions=jnp.array([[0, 1, 0], [1, 0, 0], [0, 0, 0]], float))
    tags, _ = viterbi(cross, jnp.zeros((2, 1, 3)), jnp.array([2]))
    np.testing.assert_array_equal(tags[:, 0], [1, 0])
