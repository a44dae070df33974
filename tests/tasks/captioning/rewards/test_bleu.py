"""BLEU of single sequences against the scorer that papers use."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sacrebleu.metrics import BLEU

from rnnjax.tasks.captioning.rewards import sentence_bleu

T, U, N, R, V = 9, 11, 60, 3, 4

each_bleu = jax.jit(jax.vmap(sentence_bleu, in_axes=(1, 0, 1, 0)))


def by_sacrebleu(words, references):
    scorer = BLEU(tokenize="none", smooth_method="add-k", smooth_value=1, max_ngram_order=4)
    text = [" ".join(map(str, some)) for some in (words, *references)]
    return scorer.sentence_score(text[0], text[1:]).score / 100


@pytest.fixture(scope="module")
def drawn():
    """Few symbols, so that runs of them come again; END at the end of some; references missing."""
    rng = np.random.default_rng(0)
    return {
        "words": rng.integers(0, V, (T, N)),
        "lengths": rng.integers(1, T + 1, N),
        "references": rng.integers(0, V, (U, N, R)),
        "reference_lengths": rng.integers(0, 2, (N, R)) * rng.integers(1, U + 1, (N, R)),
    }


def test_bleu_is_that_of_sacrebleu(drawn):
    drawn["reference_lengths"][:, 1] = np.arange(N) % U + 1
    found = np.asarray(each_bleu(*drawn.values()))
    expected = []
    for n in range(N):
        references = [
            drawn["references"][:length, n, r]
            for r, length in enumerate(drawn["reference_lengths"][n])
            if length
        ]
        expected.append(by_sacrebleu(drawn["words"][: drawn["lengths"][n], n], references))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert len(set(np.round(expected, 3))) > N / 2
    assert 0.1 < np.mean(expected) < 0.9


def test_bleu_at_its_ends():
    words = jnp.asarray([[1, 1, 5], [2, 2, 5], [3, 3, 5], [0, 0, 5]])
    references = jnp.asarray([[[1, 7]], [[2, 7]], [[3, 7]], [[0, 7]]]).repeat(3, axis=1)
    found = each_bleu(words, jnp.asarray([4, 0, 4]), references, jnp.full((3, 2), 4))
    np.testing.assert_array_equal(found, [1, 0, 0])
