"""The four decoders, word by word, against float64 numpy; their loss and its randomness."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from scipy import special

import rnnjax
from rnnjax.cells.lstm import LSTMCarry
from rnnjax.models.memory import Glance
from rnnjax.models.small_cnn import SmallCNN
from rnnjax.tasks.captioning import captioner
from rnnjax.tasks.captioning.captioner import Captioner, Locations
from tests.tasks.captioning import captioner_oracle as oracle
from tests.tasks.captioning.small_losses import (
    by_hand,
    loss,
    loss_gradient,
    nats_by_hand,
    one_step,
    read,
    read_both_ways,
)
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


@pytest.mark.parametrize(
    ("decoder", "cell", "projected_size", "num_counts"),
    [*((decoder, "lstm", None, 2) for decoder in DECODERS), ("soft", "deep", 3, 0)],
)
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
    nats = float(loss(*model, batch, **plain).metrics["nats"])
    assert float(loss(*model, cut, **plain).metrics["nats"]) == pytest.approx(nats, rel=1e-6)
    absent = {**batch, "lengths": jnp.asarray([5, 0, 1], jnp.int32)}
    assert loss(*model, absent, **plain).count == 6


@pytest.mark.parametrize("decoder", DECODERS)
def test_without_a_key_the_loss_is_the_likelihood_alone(decoder):
    model, batch = make(decoder), make_batch()
    found = loss(*model, batch, spread_weight=2.0, entropy_weight=3.0, baseline=-1.5)
    assert found.total == found.metrics["nats"]
    assert float(found.metrics["nats"]) == pytest.approx(
        nats_by_hand(decoder, model, batch), rel=1e-5
    )
    assert found.count == sum(LENGTHS)
    moved = 0.9 * -1.5 + 0.1 * float(-found.metrics["nats"]) / sum(LENGTHS)
    assert float(found.carry) == pytest.approx(moved, rel=1e-6)


def test_the_attention_that_each_location_gets_is_drawn_to_one():
    model, batch = make("soft"), make_batch()
    found = loss(*model, batch, jax.random.key(0), spread_weight=0.7)
    expected = 0.0
    for row, length in enumerate(LENGTHS):
        received = by_hand("soft", model, batch, row).weights[:length].sum(axis=0)
        expected += 0.7 * ((1 - received) ** 2).sum()
    assert float(found.total - found.metrics["nats"]) == pytest.approx(expected, rel=1e-4)
    assert float(found.metrics["nats"]) == pytest.approx(
        nats_by_hand("soft", model, batch), rel=1e-5
    )


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
    assert float(found.total - found.metrics["nats"]) == pytest.approx(0.7 * expected, rel=1e-4)


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
    assert float(found.metrics["nats"]) == pytest.approx(
        nats_by_hand("soft", model, batch), rel=1e-5
    )


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


def test_images_are_seen_through_the_encoder_and_every_part_learns():
    encoder = SmallCNN(12, channels=(4, 4), output_size=240, rngs=nnx.Rngs(3))
    locations = Locations(*encoder.grid, 240)
    seeing, blind = (
        filled(
            nnx.eval_shape(
                lambda given=given: Captioner(
                    V, rnnjax.gru(4), context="soft", encoder=given, locations=locations,
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
