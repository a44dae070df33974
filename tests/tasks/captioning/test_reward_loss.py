"""Captions that are drawn, and how their reward is learned from, against float64 numpy."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx
from sacrebleu.metrics import BLEU
from scipy import stats

from rnnjax.models.hard_attention import HardTraining
from rnnjax.tasks.captioning import reward_loss as losses
from rnnjax.tasks.captioning.reward_loss import reward_loss
from rnnjax.tasks.captioning.rewards import sentence_bleu
from tests.tasks.captioning import captioner_oracle as oracle
from tests.tasks.captioning.tiny_captioner import DECODERS, B, V, make, make_batch

K, MAX_LENGTH, R = 4, 6, 3
NEVER = (1, 3)
GRADIENTS = [*((decoder, "gumbel") for decoder in DECODERS), ("hard", "reinforce")]


def with_references():
    rng = np.random.default_rng(8)
    lengths = rng.integers(2, MAX_LENGTH, (B, R))
    lengths[1, 2] = 0
    words = rng.integers(2, V, (MAX_LENGTH, B, R))
    words[np.arange(MAX_LENGTH)[:, None, None] >= lengths - 1] = 0
    return {
        "features": make_batch()["features"],
        "words": jnp.asarray(words, jnp.int32),
        "lengths": jnp.asarray(lengths, jnp.int32),
    }


@functools.partial(jax.jit, static_argnums=0, static_argnames=("num_captions", "gradient"))
def draw(graph, params, batch, key, num_captions=K, **hard):
    return losses.draw(
        nnx.merge(graph, params), batch, key, num_captions=num_captions, max_length=MAX_LENGTH,
        never=NEVER, hard=HardTraining(**hard),
    )  # fmt: skip


@functools.partial(jax.jit, static_argnums=0, static_argnames="gradient")
def loss(graph, params, batch, key, **hard):
    """The loss, and its gradient."""

    def total(params):
        found = reward_loss(
            nnx.merge(graph, params), batch, key, sentence_bleu, num_captions=K,
            max_length=MAX_LENGTH, never=NEVER, hard=HardTraining(**hard),
        )  # fmt: skip
        return found.total, found

    gradient, found = jax.grad(total, has_aux=True)(params)
    return found, gradient


def told(decoder, exact, batch, drawn, row):
    """What numpy makes of a caption that was drawn, K of each image."""
    weights = drawn.glances.weights
    return spoken(
        decoder,
        exact,
        np.asarray(batch["features"][row // K], np.float64),
        np.asarray(drawn.words)[:, row].tolist(),
        None if weights is None else np.asarray(weights)[:, row].argmax(axis=-1),
    )


def spoken(*args):
    """As `oracle.told`, where some words are never written."""
    found = oracle.told(*args)
    found.logits[:, NEVER] = -80.0
    return found


@pytest.mark.parametrize("decoder", DECODERS)
def test_captions_drawn_are_scored_by_the_equations(decoder):
    model, batch = make(decoder), make_batch()
    drawn = draw(*model, batch, jax.random.key(0))
    words, exact = np.asarray(drawn.words), oracle.parameters(model.whole)
    ended = np.cumsum(words == 0, axis=0) - (words == 0) > 0
    np.testing.assert_array_equal(drawn.mask, ~ended)
    assert ended.any()
    assert not ended[-1].all()
    assert set(np.unique(words)) == set(range(V)) - set(NEVER)
    assert (words[ended] == 0).all()
    for row in range(B * K):
        by_hand = told(decoder, exact, batch, drawn, row)
        gains = np.where(ended[:, row], 0, oracle.log_likelihoods(by_hand.logits, words[:, row]))
        np.testing.assert_allclose(drawn.gains[:, row], gains, rtol=1e-4, atol=1e-5)
        if by_hand.weights is not None:
            np.testing.assert_allclose(
                drawn.glances.weights[:, row], by_hand.weights, rtol=1e-5, atol=1e-5
            )


@pytest.mark.parametrize("decoder", ["every_step", "hard"])
def test_captions_are_drawn_as_often_as_they_are_likely(decoder):
    """The first two words of one image: chances of all pairs, over all locations if need be."""
    model, batch, times = make(decoder), make_batch(), 4000
    batch = {"features": batch["features"][:1]}
    drawn = draw(*model, batch, jax.random.key(1), num_captions=times)
    exact, features = oracle.parameters(model.whole), np.float64(batch["features"][0])
    places = list(np.ndindex(6, 6)) if decoder == "hard" else [None]
    chances, counts = [], []
    for first, second in itertools.product(range(V), repeat=2):
        if first == 0 and second != 0:
            continue
        chance = 0.0
        for locations in places:
            one = spoken(decoder, exact, features, [first, second], locations)
            likely = np.exp(oracle.log_likelihoods(one.logits, [first, second]))
            looked = 1.0
            if locations is not None:
                looked = one.chances[0, locations[0]] * one.chances[1, locations[1]]
            chance += looked * (likely[0] if first == 0 else likely.prod())
        chances.append(chance)
        counts.append(int(((drawn.words[0] == first) & (drawn.words[1] == second)).sum()))
    assert sum(chances) == pytest.approx(1)
    assert sum(counts) == times
    expected = times * np.array(chances)
    often = expected > 5
    assert often.sum() > 10
    distance = np.sum((np.array(counts) - expected)[often] ** 2 / expected[often])
    assert stats.chi2.sf(distance, often.sum() - 1) > 1e-3


@pytest.mark.parametrize(("decoder", "gradient"), GRADIENTS)
def test_what_was_better_than_the_others_becomes_likelier(decoder, gradient):
    """The loss, and its slope along random directions with draws and rewards held fast."""
    model, batch, key = make(decoder), with_references(), jax.random.key(2)
    hard = {"gradient": gradient, "reward_weight": 0.7, "entropy_weight": 0.3}
    drawn = draw(*model, batch, key, **hard)
    found, slopes = loss(*model, batch, key, **hard)
    scorer = BLEU(tokenize="none", smooth_method="add-k", smooth_value=1, max_ngram_order=4)
    rewards = np.zeros((B, K))
    lengths = np.asarray(drawn.mask).sum(axis=0)
    for row in range(B * K):
        n = row // K
        texts = [np.asarray(drawn.words)[: lengths[row], row]] + [
            np.asarray(batch["words"])[:length, n, r]
            for r, length in enumerate(batch["lengths"][n])
            if length
        ]
        candidate, *references = (" ".join(map(str, text)) for text in texts)
        rewards[n, row % K] = scorer.sentence_score(candidate, references).score / 100
    others = (rewards.sum(axis=1, keepdims=True) - rewards) / (K - 1)
    advantage = (rewards - others).ravel()
    assert float(found.total) == pytest.approx(-rewards.sum(), rel=1e-5)
    assert found.count == B * K
    assert found.work == lengths.sum()
    assert np.abs(advantage).max() > 0.05
    by_reinforce = decoder == "hard" and gradient == "reinforce"

    def total(exact):
        value = 0.0
        for row in range(B * K):
            by_hand = told(decoder, exact, batch, drawn, row)
            there = slice(lengths[row])
            words = np.asarray(drawn.words)[:, row]
            value -= advantage[row] * oracle.log_likelihoods(by_hand.logits, words)[there].sum()
            if by_reinforce:
                chances = by_hand.chances[there]
                chosen = np.log((chances * by_hand.weights[there]).sum(axis=-1)).sum()
                value -= 0.7 * advantage[row] * chosen
                value += 0.3 * (chances * np.log(chances)).sum()
        return value

    exact = oracle.parameters(model.whole)
    if (decoder, gradient) == ("hard", "gumbel"):
        assert np.abs(slopes["attention"].get_value().w_score).max() > 1e-4
        return
    given = jax.tree.map(lambda x: np.asarray(x, np.float64), nnx.to_pure_dict(slopes))
    rng = np.random.default_rng(3)
    for _ in range(3):
        change = jax.tree.map(lambda x: rng.normal(size=x.shape), exact)
        there, back = (
            total(jax.tree.map(lambda x, d, size=size: x + size * d, exact, change))
            for size in (1e-5, -1e-5)
        )
        slope = sum(map(np.vdot, jax.tree.leaves(given), jax.tree.leaves(change)))
        assert slope == pytest.approx((there - back) / 2e-5, rel=1e-3, abs=1e-3)


def test_one_caption_of_each_image_may_be_all_that_is_known():
    model, batch, key = make("soft"), make_batch(), jax.random.key(2)
    alone = {name: batch[name] for name in ("features", "words", "lengths")}
    among = {**alone, "words": alone["words"][..., None], "lengths": alone["lengths"][:, None]}
    found, right = (loss(*model, given, key) for given in (alone, among))
    for got, expected in zip(jax.tree.leaves(found), jax.tree.leaves(right), strict=True):
        np.testing.assert_array_equal(got, expected)
