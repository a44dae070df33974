"""BLEU and CIDEr-D of single sequences against sacrebleu and the metric checked against COCO's."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sacrebleu.metrics import BLEU

from rnnjax.tasks.captioning import caption_scores, rewards

each_bleu = jax.jit(jax.vmap(rewards.sentence_bleu, in_axes=(1, 0, 1, 0)))
each_cider = jax.jit(jax.vmap(rewards.cider_d, in_axes=(None, 1, 0, 1, 0)))


def sampled(T, U, N, V, shortest):
    """Few symbols, so that n-grams come again; some references missing."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, U + 1, (N, 3))
    lengths[::3, 1] = 0
    return {
        "words": rng.integers(0, V, (T, N)),
        "lengths": rng.integers(shortest, T + 1, N),
        "references": rng.integers(0, V, (U, N, 3)),
        "reference_lengths": lengths,
    }


def cut(words, lengths):
    return [words[:length, n] for n, length in enumerate(lengths) if length]


def by_sacrebleu(words, references):
    scorer = BLEU(tokenize="none", smooth_method="add-k", smooth_value=1, max_ngram_order=4)
    text = [" ".join(map(str, some)) for some in (words, *references)]
    return scorer.sentence_score(text[0], text[1:]).score / 100


def test_bleu_is_that_of_sacrebleu():
    some = sampled(T=9, U=11, N=60, V=4, shortest=1)
    found = np.asarray(each_bleu(*some.values()))
    expected = [
        by_sacrebleu(
            some["words"][:length, n],
            cut(some["references"][:, n], some["reference_lengths"][n]),
        )
        for n, length in enumerate(some["lengths"])
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert len(set(np.round(expected, 3))) > 30
    assert 0.1 < np.mean(expected) < 0.9


def test_bleu_at_its_ends():
    words = jnp.asarray([[1, 1, 5], [2, 2, 5], [3, 3, 5], [0, 0, 5]])
    references = jnp.asarray([[[1, 7]], [[2, 7]], [[3, 7]], [[0, 7]]]).repeat(3, axis=1)
    found = each_bleu(words, jnp.asarray([4, 0, 4]), references, jnp.full((3, 2), 4))
    np.testing.assert_array_equal(found, [1, 0, 0])


@pytest.fixture(scope="module")
def some():
    return sampled(T=8, U=10, N=24, V=5, shortest=0)


def test_cider_is_the_metric(some):
    texts = [cut(some["references"][:, n], some["reference_lengths"][n]) for n in range(24)]
    rarity = rewards.rarity(texts)
    found = np.asarray(each_cider(rarity, *some.values()))
    named = [[[str(w) for w in text] for text in image] for image in texts]
    for n, length in enumerate(some["lengths"]):
        alone = [[] for _ in range(24)]
        alone[n] = [str(w) for w in some["words"][:length, n]]
        assert found[n] == pytest.approx(
            24 * caption_scores.cider_d(alone, named), rel=1e-4, abs=1e-5
        )
    assert (found[some["lengths"] == 0] == 0).all()
    assert 0.3 < found.mean() < 5
    assert len(set(np.round(found, 4))) > 12


def test_a_reference_itself_has_the_highest_reward(some):
    texts = [cut(some["references"][:, n], some["reference_lengths"][n])[:1] for n in range(24)]
    own = jnp.asarray(some["references"][..., 0])
    lengths = jnp.asarray(some["reference_lengths"][:, 0])
    args = own, lengths, own[..., None], lengths[:, None]
    found = np.asarray(each_cider(rewards.rarity(texts), *args))
    np.testing.assert_allclose(found, 10 * np.minimum(lengths, 4) / 4, rtol=1e-5)


def test_the_n_grams_of_one_image_weigh_most():
    texts = [[np.array([1, 2]), np.array([1])], [np.array([1, 3])], [np.array([3])]]
    codes, weights, most = rewards.rarity(texts)
    assert codes.dtype == np.uint32
    assert (np.diff(codes.astype(np.int64)) > 0).all()
    np.testing.assert_allclose(weights, [*[np.log(3 / 2)] * 2, np.log(3)], rtol=1e-6)
    assert most == np.float32(np.log(3))


def test_n_grams_have_different_codes():
    """Those of some random words, but for the few collisions that chance makes."""
    rng = np.random.default_rng(1)
    text = rng.integers(0, 3000, 100_000).astype(np.int32)
    codes = rewards._codes(text)
    seen = {
        tuple(text[t : t + n].tolist()): int(codes[n - 1][t])
        for n in (1, 2, 3, 4)
        for t in range(0, len(text) - n, 5)
    }
    expected = len(seen) ** 2 / 2**33
    collisions = len(seen) - len(set(seen.values()))
    assert collisions < expected + 6 * np.sqrt(expected)
    assert len(seen) > 60_000
