"""The neural cache against a loop over steps in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import rnnjax
from rnnjax import models
from rnnjax.data import Stream
from rnnjax.tasks.word_language.config import WordConfig
from rnnjax.tasks.word_language.neural_cache import Cache, Past, cached_log_probability, cached_loss
from rnnjax.tasks.word_language.word_model import loss_of_split

T, B, H, V = 23, 2, 3, 5


def by_loop(gains, hidden, words, mask, cache):
    """Grave et al. 2017, equations 3 and 4, a step and a row at a time."""
    found = np.array(gains, np.float64)
    for row in range(gains.shape[1]):
        for t in range(len(gains)):
            past = [i for i in range(max(0, t - cache.size), t) if mask[i, row]]
            if not past:
                continue
            weights = np.exp([cache.flatness * (hidden[t, row] @ hidden[i, row]) for i in past])
            same = [words[i, row] == words[t, row] for i in past]
            share = weights[same].sum() / weights.sum()
            p = (1 - cache.weight) * np.exp(gains[t, row]) + cache.weight * share
            found[t, row] = np.log(p)
    return found


@pytest.mark.parametrize(
    ("cache", "window"),
    [
        *((Cache(4, 0.7, 0.3), n) for n in (23, 5, 2)),
        (Cache(50, 0.0, 0.2), 5),
        (Cache(3, 2.0, 0), 2),
    ],
)
def test_the_cache_is_that_of_the_loop_however_the_text_is_cut(cache, window):
    rng = np.random.default_rng(1)
    gains = np.log(rng.uniform(0.01, 1, (T, B)))
    hidden, words = rng.standard_normal((T, B, H)), rng.integers(0, V, (T, B))
    mask = rng.random((T, B)) < 0.8
    past = Past(jnp.zeros((cache.size, B, H)), jnp.zeros((cache.size, B), jnp.int32),
                jnp.zeros((cache.size, B), bool))  # fmt: skip
    mix, found = jax.jit(cached_log_probability, static_argnums=5), []
    for at in range(0, T, window):
        part = slice(at, at + window)
        given = [jnp.asarray(x[part], d) for x, d in ((gains, "float32"), (hidden, "float32"),
                                                      (words, "int32"), (mask, bool))]  # fmt: skip
        mixed, past = mix(*given, past, cache)
        found.append(mixed)
    expected = by_loop(gains, hidden, words, mask, cache)
    np.testing.assert_allclose(np.concatenate(found)[mask], expected[mask], rtol=2e-5, atol=1e-5)


def test_a_split_that_repeats_itself_gets_likelier_and_none_is_the_plain_loss():
    config = WordConfig(batch_size=1, window=7)
    model = models.LanguageModel(9, rnnjax.gru(8), embed_size=8, tied=True, rngs=nnx.Rngs(0))
    ids = np.tile(np.random.default_rng(0).permutation(9), 6).astype(np.int32)
    stream = Stream(ids, np.array([0, 20]))
    plain = loss_of_split(config, model, stream)
    assert cached_loss(model, stream, Cache(), window=7) == pytest.approx(plain, rel=1e-5)
    loss, count = cached_loss(model, stream, Cache(30, 20.0, 0.5), window=7)
    assert count == plain[1] == len(ids) - 2
    assert loss < plain[0] - 0.1
