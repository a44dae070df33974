"""CIDEr-D as a reward against the metric, which is checked against the scorer of COCO."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rnnjax.tasks.captioning import cider, rewards
from rnnjax.tasks.captioning.rewards.cider import _codes

T, U, N, R, V = 8, 10, 24, 3, 5


@pytest.fixture(scope="module")
def drawn():
    """Few symbols, so that runs of them come again; some references missing."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(1, U + 1, (N, R))
    lengths[::3, 1] = 0
    return {
        "words": rng.integers(0, V, (T, N)),
        "lengths": rng.integers(0, T + 1, N),
        "references": rng.integers(0, V, (U, N, R)),
        "reference_lengths": lengths,
    }


cider_d = jax.jit(jax.vmap(rewards.cider_d, in_axes=(None, 1, 0, 1, 0)))


def cut(words, lengths):
    return [words[:length, n] for n, length in enumerate(lengths) if length]


def test_the_reward_is_the_metric(drawn):
    texts = [cut(drawn["references"][:, n], drawn["reference_lengths"][n]) for n in range(N)]
    rarity = rewards.rarity(texts)
    found = np.asarray(cider_d(rarity, *drawn.values()))
    named = [[[str(w) for w in text] for text in some] for some in texts]
    for n, length in enumerate(drawn["lengths"]):
        alone = [[] for _ in range(N)]
        alone[n] = [str(w) for w in drawn["words"][:length, n]]
        assert found[n] == pytest.approx(N * cider.cider_d(alone, named), rel=1e-4, abs=1e-5)
    assert (found[drawn["lengths"] == 0] == 0).all()
    assert 0.3 < found.mean() < 5
    assert len(set(np.round(found, 4))) > N / 2


def test_a_reference_itself_has_the_highest_reward(drawn):
    texts = [cut(drawn["references"][:, n], drawn["reference_lengths"][n])[:1] for n in range(N)]
    own = jnp.asarray(drawn["references"][..., 0])
    lengths = jnp.asarray(drawn["reference_lengths"][:, 0])
    args = own, lengths, own[..., None], lengths[:, None]
    found = np.asarray(cider_d(rewards.rarity(texts), *args))
    np.testing.assert_allclose(found, 10 * np.minimum(lengths, 4) / 4, rtol=1e-5)


def test_what_only_one_image_has_weighs_most():
    texts = [[np.array([1, 2]), np.array([1])], [np.array([1, 3])], [np.array([3])]]
    codes, weights, most = rewards.rarity(texts)
    assert codes.dtype == np.uint32
    assert (np.diff(codes.astype(np.int64)) > 0).all()
    np.testing.assert_allclose(weights, [*[np.log(3 / 2)] * 2, np.log(3)], rtol=1e-6)
    assert most == np.float32(np.log(3))


def test_runs_of_words_have_numbers_of_their_own():
    """Those of some random words, but for the few collisions that chance makes."""
    rng = np.random.default_rng(1)
    text = rng.integers(0, 3000, 100_000).astype(np.int32)
    codes = _codes(text)
    seen = {
        tuple(text[t : t + n].tolist()): int(codes[n - 1][t])
        for n in (1, 2, 3, 4)
        for t in range(0, len(text) - n, 5)
    }
    expected = len(seen) ** 2 / 2**33
    collisions = len(seen) - len(set(seen.values()))
    assert collisions < expected + 6 * np.sqrt(expected)
    assert len(seen) > 60_000
