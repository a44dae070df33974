"""The randomness of the captioner's training: dropout, drawn captions, hard attention."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from jax.experimental import io_callback
from scipy import stats

from rnnjax.cells.pointwise import drop
from rnnjax.heads import attention
from rnnjax.models import decoder as decoders
from tests.tasks.captioning import captioner_oracle as oracle
from tests.tasks.captioning.small_losses import (
    ALWAYS_DRAWN,
    loss,
    loss_gradient,
    loss_of,
    nats_by_hand,
    read,
    read_both_ways,
)
from tests.tasks.captioning.tiny_captioner import (
    B,
    T,
    make,
    make_batch,
)


def test_dropout_needs_a_key():
    whole, dropped = make("soft"), make("soft", dropout=0.5)
    batch = make_batch()
    right = read_both_ways(*whole, batch)[0].logits
    np.testing.assert_allclose(read(*dropped, batch).logits, right, rtol=1e-5, atol=1e-6)
    keys = jax.random.split(jax.random.key(0))
    one, again, other = (
        read(*dropped, batch, key).logits for key in (keys[0], keys[0], keys[1])
    )  # fmt: skip
    np.testing.assert_array_equal(one, again)
    assert not np.allclose(one, other)
    np.testing.assert_allclose(read(*whole, batch, keys[0]).logits, right, rtol=1e-5, atol=1e-6)


def test_dropout_has_one_mask_a_caption_on_words_and_is_right_on_average(monkeypatch):
    """Words of ones, of which each mask leaves ones and zeros, divided by the rate that is kept."""
    model, batch = make("initial", dropout=0.4), make_batch()
    seen = []
    monkeypatch.setattr(decoders, "drop", lambda *given: seen.append(drop(*given)) or seen[-1])
    params = jax.tree.map(lambda x: x, model.params)
    params["embed"]["embedding"] = jax.tree.map(np.ones_like, params["embed"]["embedding"])

    def dropped(key):
        seen.clear()
        nnx.merge(model.graph, params).read(batch, key)
        return seen[0]

    words = np.asarray(jax.jit(jax.vmap(dropped))(jax.random.split(jax.random.key(1), 200)))
    assert words.shape == (200, T, B, 4)
    assert set(np.unique(words)) == {0, np.float32(1 / 0.6)}
    np.testing.assert_array_equal(words, words[:, :1].repeat(T, axis=1))
    draws = words[:, 0]
    assert draws.mean() == pytest.approx(1, abs=4 * draws.std() / np.sqrt(draws.size))
    assert len(np.unique(draws.reshape(-1, 4), axis=0)) == 16


TIMES = 200


def many():
    """The three captions again and again."""
    batch = make_batch()
    return {
        "words": jnp.tile(batch["words"], (1, TIMES)),
        "lengths": jnp.tile(batch["lengths"], TIMES),
        "features": jnp.tile(batch["features"], (TIMES, 1, 1)),
    }


def test_the_share_of_captions_read_with_soft_attention():
    model, batch, key = make("hard"), many(), jax.random.key(0)
    reading = read(*model, batch, key, soft_rate=0.3)
    assert float(reading.drawn.mean()) == pytest.approx(0.7, abs=4 * np.sqrt(0.21 / 3 / TIMES))
    weights, drawn = np.asarray(reading.glances.weights), np.asarray(reading.drawn)
    assert (np.sort(weights[:, drawn], axis=-1) == np.eye(6)[5]).all()
    soft = oracle.softmax(np.asarray(reading.glances.scores))[:, ~drawn]
    np.testing.assert_allclose(weights[:, ~drawn], soft, atol=1e-6)
    chances = oracle.softmax(np.asarray(reading.glances.scores[0, 0], np.float64))
    counts = weights[0, ::B][drawn[::B]].sum(axis=0)
    assert stats.chisquare(counts, chances * counts.sum()).pvalue > 1e-3
    always_soft = loss(*model, batch, key, soft_rate=1.0, entropy_weight=1.0)
    assert always_soft.total == always_soft.metrics["nats"]
    nats = TIMES * nats_by_hand("soft", model, make_batch())
    assert float(always_soft.metrics["nats"]) == pytest.approx(nats, rel=1e-4)


def test_the_entropy_of_drawn_captions_is_rewarded():
    model, batch, key = make("hard"), many(), jax.random.key(3)
    reading = read(*model, batch, key, soft_rate=0.5)
    chances = oracle.softmax(np.asarray(reading.glances.scores, np.float64))
    entropies = -(chances * np.log(chances)).sum(axis=-1)
    counted = (np.arange(T)[:, None] < np.asarray(batch["lengths"])) & np.asarray(reading.drawn)
    plain, found = (
        loss(*model, batch, key, soft_rate=0.5, entropy_weight=weight) for weight in (0.0, 5.0)
    )
    rewarded = 5 * entropies[counted].sum()
    assert float(plain.total - found.total) == pytest.approx(rewarded, rel=1e-4)
    assert found.metrics["nats"] == plain.metrics["nats"]


def direction(params, rng):
    """A random change of every number, as large as these are."""
    return jax.tree.map(lambda x: rng.normal(size=x.shape), params)


def nudged(params, change, size):
    return jax.tree.map(lambda x, d: x + size * d, params, change)


def test_reinforce_is_right_on_average_over_all_that_can_be_drawn(monkeypatch):
    """The sum over all locations of a caption of two words, and one of padding after them.

    The mean of the gradients, weighted by the probability of what is drawn, is the gradient of
    the mean loss: that of numpy, by differences along random directions.
    """
    model = make("hard", "rnn")
    words, num_words, num_locations = [4, 0, 0], 2, 3
    features = np.random.default_rng(4).normal(size=(1, num_locations, 5)).astype(np.float32)
    batch = {
        "words": jnp.asarray(words)[:, None], "lengths": jnp.asarray([num_words]),
        "features": jnp.asarray(features),
    }  # fmt: skip
    exact = oracle.parameters(model.whole)
    drawn = list(np.ndindex(num_locations, num_locations))

    def outcomes(p):
        """For each pair of locations how likely it is, and its loss."""
        for pair in drawn:
            told = oracle.told("hard", p, np.float64(features[0]), words, [*pair, 0])
            chance = np.prod([told.chances[t, s] for t, s in enumerate(pair)])
            yield chance, -oracle.log_likelihoods(told.logits, words)[:num_words].sum()

    def mean_loss(p):
        return sum(chance * nats for chance, nats in outcomes(p))

    queue = []

    def dictated(scores, key=None):
        place = io_callback(  # it depends on the scores, or would be made once before the scan
            lambda scores: np.int32([queue.pop(0)]),
            jax.ShapeDtypeStruct((1,), jnp.int32),
            jax.lax.stop_gradient(scores),
            ordered=True,
        )
        return jax.nn.one_hot(place, num_locations, dtype=scores.dtype)

    monkeypatch.setattr(attention, "chosen", dictated)

    @jax.jit
    @jax.grad
    def gradient_of(params, baseline):
        key = jax.random.key(0)
        return loss_of(params, model.graph, batch, key, baseline=baseline, **ALWAYS_DRAWN).total

    def gradient(pair, baseline):
        queue[:] = [*pair, 0]
        found = jax.block_until_ready(gradient_of(model.params, baseline))
        assert not queue
        return jax.tree.map(lambda x: np.asarray(x, np.float64), nnx.to_pure_dict(found))

    chances = [chance for chance, _ in outcomes(exact)]
    assert sum(chances) == pytest.approx(1)
    assert 1e-3 < min(chances) < max(chances) < 0.8
    rng = np.random.default_rng(5)
    changes = [direction(exact, rng) for _ in range(4)]
    slopes = [
        (mean_loss(nudged(exact, c, 1e-5)) - mean_loss(nudged(exact, c, -1e-5))) / 2e-5
        for c in changes
    ]
    spread = {}
    for baseline in (0.0, -2.0):
        gradients = [gradient(pair, baseline) for pair in drawn]
        along = np.array([
            [sum(map(np.vdot, jax.tree.leaves(g), jax.tree.leaves(c))) for c in changes]
            for g in gradients
        ])  # fmt: skip
        np.testing.assert_allclose(np.array(chances) @ along, slopes, rtol=1e-4, atol=1e-4)
        spread[baseline] = np.array(chances) @ (along - slopes) ** 2
    assert (spread[0.0] > 1e-2).all()
    assert spread[-2.0].sum() < spread[0.0].sum()


def test_how_hard_attention_learns_where_to_look():
    """By reward, by entropy or through a straight choice, and by nothing else."""
    model, batch, key = make("hard"), make_batch(), jax.random.key(6)

    def gradient(**hard):
        found = loss_gradient(*model, batch, key, **{**ALWAYS_DRAWN, **hard})
        return np.asarray(found["attention"].get_value().w_score)

    np.testing.assert_array_equal(gradient(reward_weight=0.0), 0)
    once, twice = gradient(reward_weight=1.0), gradient(reward_weight=2.0)
    assert np.abs(once).max() > 1e-3
    np.testing.assert_allclose(twice, 2 * once, rtol=1e-4, atol=1e-6)
    straight = {**ALWAYS_DRAWN, "gradient": "gumbel", "temperature": 1.0}
    weights = np.asarray(read(*model, batch, key, **straight).glances.weights)
    np.testing.assert_allclose(np.sort(weights, axis=-1)[..., :-1], 0, atol=1e-6)
    np.testing.assert_allclose(weights.sum(axis=-1), 1, atol=1e-6)
    assert np.abs(gradient(**straight)).max() > 1e-3
