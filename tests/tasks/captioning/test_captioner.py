"""The four decoders, word by word, against float64 numpy; their loss and its randomness."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import special, stats

import rnnjax
from rnnjax.cells.lstm import LSTMCarry
from rnnjax.cells.pointwise import drop
from rnnjax.heads import attention
from rnnjax.models import decoder as decoders
from rnnjax.models.hard_attention import HardTraining
from rnnjax.models.memory import Glance
from rnnjax.tasks.captioning import captioner
from rnnjax.tasks.captioning.captioner import Captioner, Locations
from rnnjax.tasks.captioning.likelihood_loss import caption_loss
from rnnjax.tasks.captioning.small_cnn import SmallCNN
from tests.tasks.captioning import captioner_oracle as oracle
from tests.tasks.captioning.tiny_captioner import (
    DECODERS,
    LENGTHS,
    B,
    T,
    V,
    filled,
    make,
    make_batch,
)

ALWAYS_DRAWN = {"soft_rate": 0.0, "entropy_weight": 0.0}


@functools.partial(jax.jit, static_argnums=0, static_argnames="gradient")
def read(graph, params, batch, key=None, **hard):
    return nnx.merge(graph, params).read(batch, key, HardTraining(**hard))


@functools.partial(jax.jit, static_argnums=0)
def read_both_ways(graph, params, batch):
    """The reading of captions; the logits and glances of its steps, one by one."""
    model = nnx.merge(graph, params)
    memory = model.look(batch)

    def advance(carry, words):
        logits, glance, carry = model.step(memory, carry, words)
        return carry, (logits, glance)

    words = batch["words"]
    before = jnp.concatenate([jnp.ones_like(words[:1]), words[:-1]])
    _, stepwise = jax.lax.scan(advance, model.initial_carry(memory), before)
    return model.read(batch), stepwise


@functools.partial(jax.jit, static_argnums=0)
def one_step(graph, params, batch, carry, words):
    model = nnx.merge(graph, params)
    return model.step(model.look(batch), carry, words)


def loss_of(
    params, graph, batch, key, label_smoothing=0.0, spread_weight=0.0, detection_weight=0.0,
    baseline=0.0, **hard,
):  # fmt: skip
    return caption_loss(
        nnx.merge(graph, params), batch, key, label_smoothing=label_smoothing,
        spread_weight=spread_weight, detection_weight=detection_weight,
        hard=HardTraining(**hard), baseline=baseline,
    )  # fmt: skip


STATIC = ("label_smoothing", "spread_weight", "detection_weight", "gradient")


@functools.partial(jax.jit, static_argnums=0, static_argnames=STATIC)
def loss(graph, params, batch, key=None, **options):
    return loss_of(params, graph, batch, key, **options)


@functools.partial(jax.jit, static_argnums=0, static_argnames="gradient")
def loss_gradient(graph, params, batch, key, **options):
    return jax.grad(lambda p: loss_of(p, graph, batch, key, **options).total)(params)


def by_hand(decoder, model, batch, row, locations=None):
    return oracle.told(
        decoder,
        oracle.parameters(model.whole),
        np.asarray(batch["features"][row], np.float64),
        np.asarray(batch["words"])[:, row].tolist(),
        locations,
    )


def nats_by_hand(decoder, model, batch):
    total = 0.0
    for row, length in enumerate(LENGTHS):
        logits = by_hand(decoder, model, batch, row).logits
        total -= oracle.log_likelihoods(logits, batch["words"][:, row])[:length].sum()
    return total


@pytest.mark.parametrize(
    ("decoder", "cell", "projected_size", "num_counts"),
    [*((decoder, "lstm", None, 2) for decoder in DECODERS), ("soft", "rnn", None, 0),
     ("soft", "gru", None, 0), ("soft", "deep", None, 2), ("initial", "deep", 3, 0),
     ("soft", "lstm", 3, 0)],
)  # fmt: skip
def test_words_are_scored_by_the_equations_read_at_once_or_one_by_one(
    decoder, cell, projected_size, num_counts
):
    model = make(decoder, cell, projected_size=projected_size, num_counts=num_counts)
    batch = make_batch()
    reading, (logits, glances) = read_both_ways(*model, batch)
    for row in range(B):
        told = by_hand(decoder, model, batch, row)
        np.testing.assert_allclose(reading.logits[:, row], told.logits, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(logits[:, row], told.logits, rtol=1e-4, atol=1e-5)
        for found in (reading.glances, glances):
            if told.weights is None:
                assert found == Glance(None, None, None)
            else:
                np.testing.assert_allclose(found.weights[:, row], told.weights, atol=1e-5)
                np.testing.assert_allclose(found.gate[:, row], told.gates, atol=1e-5)
                chances = oracle.softmax(np.asarray(found.scores[:, row]))
                np.testing.assert_allclose(chances, told.chances, atol=1e-5)
    assert not reading.drawn.any()


@pytest.mark.parametrize("decoder", DECODERS)
def test_several_captions_of_an_image_are_as_if_each_had_its_own(decoder):
    model, batch = make(decoder), make_batch()
    rng = np.random.default_rng(2)
    words = jnp.asarray(rng.integers(2, V, 2 * B))
    carry = LSTMCarry(*rng.normal(size=(2, 2 * B, 4)).astype(np.float32))
    found = one_step(*model, {"features": batch["features"]}, carry, words)
    repeated = {"features": jnp.repeat(batch["features"], 2, axis=0)}
    right = one_step(*model, repeated, carry, words)
    for got, expected in zip(jax.tree.leaves(found), jax.tree.leaves(right), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("decoder", DECODERS)
def test_padding_and_other_rows_change_nothing(decoder):
    model, batch = make(decoder), make_batch()
    other = make_batch(seed=5)
    inside = np.arange(T) < LENGTHS[1]
    mixed = {
        "words": other["words"].at[:, 1].set(jnp.where(inside, batch["words"][:, 1], 4)),
        "features": other["features"].at[1].set(batch["features"][1]),
        "lengths": batch["lengths"],
    }
    found, right = (read_both_ways(*model, b)[0] for b in (mixed, batch))
    for got, expected in zip(jax.tree.leaves(found), jax.tree.leaves(right), strict=True):
        if got.ndim > 1:
            np.testing.assert_allclose(got[inside, 1], expected[inside, 1], rtol=1e-5, atol=1e-6)
    assert not np.allclose(found.logits[:, 0], right.logits[:, 0])
    plain = {"spread_weight": 2.0, "entropy_weight": 3.0, "baseline": -1.5}
    cut = {**batch, "words": batch["words"].at[LENGTHS[1] :, 1].set(3)}
    nats = float(loss(*model, batch, **plain).nats)
    assert float(loss(*model, cut, **plain).nats) == pytest.approx(nats, rel=1e-6)
    absent = {**batch, "lengths": jnp.asarray([5, 0, 1], jnp.int32)}
    assert loss(*model, absent, **plain).num_words == 6


@pytest.mark.parametrize("decoder", DECODERS)
def test_without_a_key_the_loss_is_the_likelihood_alone(decoder):
    model, batch = make(decoder), make_batch()
    found = loss(*model, batch, spread_weight=2.0, entropy_weight=3.0, baseline=-1.5)
    assert found.total == found.nats
    assert float(found.nats) == pytest.approx(nats_by_hand(decoder, model, batch), rel=1e-5)
    assert found.num_words == sum(LENGTHS)
    moved = 0.9 * -1.5 + 0.1 * float(-found.nats) / sum(LENGTHS)
    assert float(found.baseline) == pytest.approx(moved, rel=1e-6)


def test_the_attention_that_each_location_gets_is_drawn_to_one():
    model, batch = make("soft"), make_batch()
    found = loss(*model, batch, jax.random.key(0), spread_weight=0.7)
    expected = 0.0
    for row, length in enumerate(LENGTHS):
        received = by_hand("soft", model, batch, row).weights[:length].sum(axis=0)
        expected += 0.7 * ((1 - received) ** 2).sum()
    assert float(found.total - found.nats) == pytest.approx(expected, rel=1e-4)
    assert float(found.nats) == pytest.approx(nats_by_hand("soft", model, batch), rel=1e-5)


@pytest.mark.parametrize("decoder", ["initial", "soft"])
@pytest.mark.parametrize("projected_size", [None, 3])
def test_words_are_to_be_found_in_their_images(decoder, projected_size):
    model = make(decoder, projected_size=projected_size, detects=True)
    batch = make_batch()
    batch["lengths"] = jnp.asarray([5, 3, 0], jnp.int32)
    found = loss(*model, batch, jax.random.key(0), detection_weight=0.7)
    whole, words = model.whole, np.asarray(batch["words"])
    features = np.asarray(batch["features"], np.float64)
    if projected_size:
        features = np.maximum(
            features @ np.asarray(whole.project.kernel[...]) + whole.project.bias[...], 0
        )
    scores = features @ np.asarray(whole.detection_head.kernel[...]) + np.asarray(
        whole.detection_head.bias[...]
    )
    nowhere = np.prod(1 / (1 + np.exp(scores)), axis=1)
    expected = 0.0
    for row, length in [(0, 5), (1, 3)]:
        present = np.isin(np.arange(V), words[: length - 1, row])
        expected -= np.log(np.where(present, 1 - nowhere[row], nowhere[row])).sum()
    assert float(found.total - found.nats) == pytest.approx(0.7 * expected, rel=1e-4)


def test_smoothed_labels_give_every_word_its_share():
    model, batch = make("soft"), make_batch()
    found = loss(*model, batch, jax.random.key(0), label_smoothing=0.2)
    expected = 0.0
    for row, length in enumerate(LENGTHS):
        logits = by_hand("soft", model, batch, row).logits[:length]
        targets = np.full(logits.shape, 0.2 / logits.shape[-1])
        targets[range(length), batch["words"][:length, row]] += 0.8
        expected -= (targets * special.log_softmax(logits, axis=-1)).sum()
    assert float(found.total) == pytest.approx(expected, rel=1e-5)
    assert float(found.nats) == pytest.approx(nats_by_hand("soft", model, batch), rel=1e-5)


def test_swapped_words_are_those_of_another_caption_at_the_same_place():
    plain, swapped = make("soft"), make("soft", swap_rate=1.0)
    batch = make_batch()
    whole = read(*swapped, batch, jax.random.key(0)).logits
    moved = [{**batch, "words": jnp.roll(batch["words"], n, axis=1)} for n in range(B)]
    same = [np.allclose(whole, read(*plain, other).logits, atol=1e-5) for other in moved]
    assert not same[0]
    assert sum(same) == 1
    np.testing.assert_array_equal(read(*swapped, batch).logits, read(*plain, batch).logits)


def test_words_are_swapped_at_the_rate_that_was_asked_for():
    words = jnp.arange(4000).reshape(40, 100)
    found = np.asarray(captioner._swapped(words, 0.3, jax.random.key(3)))
    assert np.mean(found != words) == pytest.approx(0.3, abs=0.03)
    np.testing.assert_array_equal(found // 100, words // 100)


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
    assert always_soft.total == always_soft.nats
    nats = TIMES * nats_by_hand("soft", model, make_batch())
    assert float(always_soft.nats) == pytest.approx(nats, rel=1e-4)


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
    assert found.nats == plain.nats


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
        return jax.nn.one_hot(jnp.asarray([queue.pop(0)]), num_locations, dtype=scores.dtype)

    monkeypatch.setattr(attention, "chosen", dictated)

    def gradient(pair, baseline):
        def total(params):
            queue[:] = [*pair, 0]
            key = jax.random.key(0)
            return loss_of(params, model.graph, batch, key, baseline=baseline, **ALWAYS_DRAWN).total

        with jax.disable_jit():
            found = jax.grad(total)(model.params)
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


def test_images_are_seen_through_the_encoder_and_every_part_learns():
    encoder = SmallCNN(12, channels=(4, 4), output_size=240, rngs=nnx.Rngs(3))
    locations = Locations(*encoder.grid, 240)
    seeing, blind = (
        filled(
            nnx.eval_shape(
                lambda given=given: Captioner(
                    V, rnnjax.gru(4), decoder="soft", encoder=given, locations=locations,
                    embed_size=4, attention_size=6, rngs=nnx.Rngs(0),
                )
            )
        )
        for given in (encoder, None)
    )  # fmt: skip
    seeing.params["encoder"] = nnx.split(encoder, nnx.Param)[1]
    for name in blind.params:
        seeing.params[name] = blind.params[name]
    images = np.random.default_rng(7).integers(0, 256, (B, 12, 12, 3)).astype(np.uint8)
    batch = {**make_batch(), "image": jnp.asarray(images)}
    given = {**batch, "features": jax.jit(encoder)(images)}
    found, right = read(*seeing, batch).logits, read(*blind, given).logits
    np.testing.assert_allclose(found, right, rtol=1e-4, atol=1e-5)
    gradient = loss_gradient(*seeing, batch, jax.random.key(0))
    for path, leaf in jax.tree.leaves_with_path(gradient):
        assert np.isfinite(leaf).all(), path
        assert np.abs(leaf).max() > 0, path


def test_narrow_operands_of_the_output_layer_give_wide_logits():
    wide, narrow = make("soft"), make("soft", compute_dtype=jnp.bfloat16)
    batch = make_batch()
    found, right = (read_both_ways(*model, batch)[0].logits for model in (narrow, wide))
    assert found.dtype == np.float32
    assert 0 < np.abs(found - right).max() < 0.03 * np.abs(right).max()
