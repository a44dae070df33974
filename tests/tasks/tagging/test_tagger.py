"""The tagger: its rule, its loss and its answers, against enumeration and plain loops."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import nnx

import rnnjax
from rnnjax.cells.named import deep
from rnnjax.tasks.tagging import schemes, tagger
from rnnjax.tasks.tagging.tagger import Tagger
from rnnjax.tasks.tagging.word_features import CharacterCNN, WordFeatures

TAGS = ("O", "B-A", "I-A", "E-A", "S-A")
LENGTHS = [4, 2, 0]

# A program each, where every operation would be compiled alone.
scores_of = nnx.jit(lambda model, batch: model(batch))
best_tags, tag, tagging_loss = map(nnx.jit, (tagger.best_tags, tagger.tag, tagger.tagging_loss))
reference = jax.jit(rnnjax.unroll_reference, static_argnums=0)


def make(use_crf=True, seed=0, dropout=0.0):
    rngs = nnx.Rngs(seed)
    characters = CharacterCNN(6, embed_size=2, output_size=3, rngs=rngs)
    features = WordFeatures(
        9, embed_size=4, first_singleton=9, characters=characters, case_size=2,
        dropout=dropout, rngs=rngs,
    )  # fmt: skip
    cell = deep("lstm", 3, num_layers=1, both_directions=True, dropout=dropout)
    model = Tagger(features, cell, TAGS, "BIOES", use_crf=use_crf, rngs=rngs)
    model.head.kernel[...] = 5 * model.head.kernel[...]
    return model


def make_batch(length=4, seed=0):
    rng = np.random.default_rng(seed)
    batch = {
        "words": rng.integers(1, 9, (length, 3)),
        "characters": rng.integers(1, 6, (length, 3, 5)),
        "case": rng.integers(3, size=(length, 3)),
        "tags": np.zeros((length, 3), int),
    }
    batch["tags"][:4, 0] = [1, 3, 0, 4]
    batch["tags"][:2, 1] = [4, 0]
    return {name: jnp.asarray(a, jnp.int32) for name, a in batch.items()} | {
        "lengths": jnp.asarray(LENGTHS)
    }


def row(batch, n):
    """One sentence alone, without its padding."""
    length = LENGTHS[n]
    alone = {name: a[:length, n : n + 1] for name, a in batch.items() if name != "lengths"}
    return alone | {"lengths": jnp.asarray([length])}


def distribution(model, alone):
    """Every legal sequence of tags of one sentence with its probability, in float64."""
    scores = np.asarray(scores_of(model, alone), np.float64)[:, 0]
    params = jax.tree.map(lambda a: np.asarray(a, np.float64), model.crf.get_value())
    weights = {}
    for sequence in itertools.product(range(len(TAGS)), repeat=len(scores)):
        if schemes.faults([TAGS[k] for k in sequence], "BIOES"):
            continue
        total = params.start[sequence[0]] + params.end[sequence[-1]]
        total += sum(scores[t, k] for t, k in enumerate(sequence))
        total += sum(params.transitions[a, b] for a, b in itertools.pairwise(sequence))
        weights[sequence] = np.exp(total)
    norm = sum(weights.values())
    return {sequence: weight / norm for sequence, weight in weights.items()}


def test_scores_follow_the_many_to_many_rule():
    model, batch = make(), make_batch()
    params = model.recurrent.params.get_value()[0]
    cell = rnnjax.lstm(3)
    for n in (0, 1):
        alone = row(batch, n)
        xs = model.features(alone)[:, 0]
        _, forward = reference(cell, params.forward, xs)
        _, backward = reference(cell, params.backward, xs[::-1])
        both = np.concatenate([forward, backward[::-1]], axis=-1)
        expected = both @ np.asarray(model.head.kernel[...]) + np.asarray(model.head.bias[...])
        np.testing.assert_allclose(scores_of(model, batch)[: LENGTHS[n], n], expected, atol=1e-5)


def test_loss_is_that_of_the_legal_sequences():
    model, batch = make(), make_batch()
    total, count = tagging_loss(model, batch)
    golds = [(1, 3, 0, 4), (4, 0)]
    expected = -sum(
        np.log(distribution(model, row(batch, n))[gold]) for n, gold in enumerate(golds)
    )
    assert float(total) == pytest.approx(expected, rel=1e-5)
    assert count == 2


def test_answers_are_the_likeliest_sequences_and_their_marginals():
    model, batch = make(seed=2), make_batch(seed=2)
    tags, probability = tag(model, batch)
    np.testing.assert_array_equal(tags, best_tags(model, batch))
    unlike = 0  # words whose tag in the likeliest sequence is not their own likeliest one
    for n in (0, 1):
        length = LENGTHS[n]
        chances = distribution(model, row(batch, n))
        best = max(chances, key=chances.get)
        assert tuple(np.asarray(tags)[:length, n].tolist()) == best
        marginals = np.zeros((length, len(TAGS)))
        for sequence, chance in chances.items():
            marginals[range(length), sequence] += chance
        unlike += (marginals.argmax(axis=1) != best).sum()
        np.testing.assert_allclose(
            probability[:length, n], marginals[range(length), best], rtol=1e-4
        )
        np.testing.assert_array_equal(tags[length:, n], 0)
        np.testing.assert_array_equal(probability[length:, n], 0)
    assert unlike


def test_without_a_crf_each_word_is_by_itself():
    model, batch = make(use_crf=False), make_batch()
    scores = scores_of(model, batch)
    losses = np.asarray(optax.softmax_cross_entropy_with_integer_labels(scores, batch["tags"]))
    expected = losses[:4, 0].sum() + losses[:2, 1].sum()
    total, count = tagging_loss(model, batch)
    assert float(total) == pytest.approx(float(expected), rel=1e-5)
    assert count == 2
    tags, probability = tag(model, batch)
    np.testing.assert_array_equal(tags[:4, 0], np.argmax(scores[:4, 0], axis=-1))
    np.testing.assert_allclose(
        probability[:2, 1], np.exp(-optax.softmax_cross_entropy_with_integer_labels(
            scores[:2, 1], tags[:2, 1])), rtol=1e-5,
    )  # fmt: skip
    np.testing.assert_array_equal(tags[2:, 1], 0)


def test_padding_changes_nothing():
    model, short = make(), make_batch()
    longer = make_batch(7)
    longer = {
        name: a if name == "lengths" else a.at[:4].set(short[name]) for name, a in longer.items()
    }
    losses = [float(tagging_loss(model, batch)[0]) for batch in (short, longer)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    np.testing.assert_array_equal(best_tags(model, short), best_tags(model, longer)[:4])


@pytest.mark.parametrize("use_crf", [True, False])
def test_every_part_learns(use_crf):
    model, batch = make(use_crf, dropout=0.2), make_batch()
    graph, params = nnx.split(model, nnx.Param)

    @jax.jit
    @jax.grad
    def gradient(params):
        return tagger.tagging_loss(nnx.merge(graph, params), batch, jax.random.key(0))[0]

    grads = gradient(params)
    for path, grad in jax.tree.leaves_with_path(grads):
        assert np.isfinite(grad).all(), path
        assert np.abs(grad).max() > 0, path
