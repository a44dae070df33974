"""Decoding of CTC against all alignments, written out."""

import functools
import itertools

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import log_softmax, logsumexp

from rnnjax import UserError
from rnnjax.decode import ctc_beam_search, ctc_greedy

T, V = 4, 3


def collapsed(path):
    return tuple(symbol for symbol, _ in itertools.groupby(path) if symbol)


def texts(logits):
    """{text: log-probability} over all alignments of one row, `[t, V]`, in float64."""
    logs = log_softmax(np.asarray(logits, np.float64), axis=-1)
    found = {}
    for path in itertools.product(range(logs.shape[1]), repeat=len(logs)):
        score = sum(logs[t, symbol] for t, symbol in enumerate(path))
        found.setdefault(collapsed(path), []).append(score)
    return {text: logsumexp(scores) for text, scores in found.items()}


def logits_of(seed, scale=1.5, steps=T):
    rng = np.random.default_rng(seed)
    return jnp.asarray(rng.normal(scale=scale, size=(steps, 3, V)), jnp.float32)


def read(result, row, place):
    return tuple(np.asarray(result.tokens[row, place, : result.lengths[row, place]]).tolist())


STEPS = jnp.array([T, 2, 3])


def bigrams(params, carry, tokens):
    """A language model: the next symbol depends on the last two, so the carry matters."""
    return params[carry, tokens], tokens


def language_model(seed):
    table = log_softmax(np.random.default_rng(seed).normal(scale=2, size=(V, V, V)), axis=-1)
    return jnp.asarray(table, jnp.float32)


def told(table, text):
    before = (0, 0, *text)
    return sum(float(table[a, b, c]) for a, b, c in zip(before, before[1:], text, strict=False))


@pytest.mark.parametrize("weight", [0.0, 0.8])
@pytest.mark.parametrize("seed", [0, 1])
def test_a_wide_beam_finds_every_text_with_its_probability(seed, weight):
    logits, table, bonus = logits_of(seed), language_model(seed), 0.3
    options = {"language_model": bigrams, "params": table, "carry": jnp.zeros(3, jnp.int32)}
    found = ctc_beam_search(
        logits, STEPS, beam_size=32, weight=weight, bonus=bonus, **(options if weight else {})
    )
    for row, steps in enumerate(STEPS.tolist()):
        expected = texts(logits[:steps, row])
        said = [read(found, row, n) for n in range(len(expected))]
        assert sorted(said) == sorted(expected)
        assert np.isneginf(found.scores[row, len(expected) :]).all()
        logs = np.array([expected[text] for text in said])
        np.testing.assert_allclose(found.log_probability[row, : len(said)], logs, rtol=1e-5)
        scores = logs + [weight * told(table, text) + bonus * len(text) for text in said]
        np.testing.assert_allclose(found.scores[row, : len(said)], scores, rtol=1e-5, atol=1e-6)
        assert (np.diff(scores) <= 1e-6).all()


@pytest.mark.parametrize("weight", [0.0, 0.8])
def test_a_language_model_may_forbid_a_symbol_and_say_anything_of_the_blank(weight):
    def forbids_1(params, carry, tokens):
        told, carry = bigrams(params, carry, tokens)
        return told.at[:, 0].set(jnp.nan).at[:, 1].set(-jnp.inf), carry

    logits, options = logits_of(0), {"params": language_model(0), "carry": jnp.zeros(3, jnp.int32)}
    search = functools.partial(ctc_beam_search, logits, STEPS, beam_size=32, weight=weight)
    found, free = search(language_model=forbids_1, **options), search()
    assert not np.isnan(found.scores).any()
    if weight == 0:
        np.testing.assert_array_equal(found.scores, free.scores)
    else:
        assert not (np.isfinite(found.scores) & (found.tokens == 1).any(axis=-1)).any()
        assert np.isfinite(found.scores).any(axis=1).all()


def narrow(logits, size):
    """Prefix beam search of one row, prefix by prefix, in float64."""
    logs, beam = log_softmax(np.asarray(logits, np.float64), axis=-1), {(): (0.0, -np.inf)}
    for q in logs:
        new = {}
        for text, (blank, symbol) in beam.items():
            both = np.logaddexp(blank, symbol)
            b, n = new.get(text, (-np.inf, -np.inf))
            runs = q[text[-1]] + symbol if text else -np.inf
            new[text] = np.logaddexp(b, q[0] + both), np.logaddexp(n, runs)
            for c in range(1, V):
                b, n = new.get((*text, c), (-np.inf, -np.inf))
                n = np.logaddexp(n, q[c] + (blank if text[-1:] == (c,) else both))
                new[*text, c] = b, n
        best = sorted(new, key=lambda text: -np.logaddexp(*new[text]))[:size]
        beam = {text: new[text] for text in best}
    return [(text, np.logaddexp(*pair)) for text, pair in beam.items()]


@pytest.mark.parametrize("size", [1, 3])
def test_a_narrow_beam_keeps_what_a_dictionary_of_prefixes_keeps(size):
    logits = logits_of(4, steps=12)
    steps = jnp.array([12, 7, 1])
    found = ctc_beam_search(logits, steps, beam_size=size)
    for row, last in enumerate(steps.tolist()):
        expected = narrow(logits[:last, row], size)
        assert [read(found, row, n) for n in range(len(expected))] == [t for t, _ in expected]
        np.testing.assert_allclose(
            found.log_probability[row, : len(expected)], [p for _, p in expected], rtol=1e-5
        )


def test_greedy_is_the_best_path_and_not_the_best_text():
    logits = logits_of(2)
    found = ctc_greedy(logits, STEPS)
    for row, steps in enumerate(STEPS.tolist()):
        logs = log_softmax(np.asarray(logits[:steps, row], np.float64), axis=-1)
        assert read(found, row, 0) == collapsed(logs.argmax(axis=-1).tolist())
        assert found.scores[row, 0] == pytest.approx(logs.max(axis=-1).sum(), rel=1e-5)
    # Graves et al. 2006, figure 3: blanks are likeliest at both steps, the text "1" is likelier.
    two = jnp.log(jnp.array([[[0.6, 0.4]], [[0.6, 0.4]]]))
    assert read(ctc_greedy(two, jnp.array([2])), 0, 0) == ()
    best = ctc_beam_search(two, jnp.array([2]), beam_size=2)
    assert read(best, 0, 0) == (1,)
    assert np.exp(best.log_probability[0]) == pytest.approx([0.64, 0.36], rel=1e-5)


def test_numbers_out_of_range_are_refused():
    search = functools.partial(ctc_beam_search, logits_of(0), STEPS)
    with pytest.raises(UserError, match=r"beam_size is 1 \.\. 1000; got 0"):
        search(beam_size=0)
    with pytest.raises(UserError, match="weight is 0 or more; got -1"):
        search(beam_size=1, weight=-1)
    with pytest.raises(UserError, match="bonus is a number; got nan"):
        search(beam_size=1, bonus=float("nan"))
