"""Stacked attention against a loop in float64, with its gradients; batches of questions."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnnjax import training
from rnnjax.data.padded_batches import EvaluationBatches
from rnnjax.data.question_vocabulary import OTHER, QuestionVocabulary
from rnnjax.errors import UserError
from rnnjax.metrics.answers import Answered
from rnnjax.tasks.vqa.config import VqaConfig
from rnnjax.tasks.vqa.preparation import asked_examples
from rnnjax.tasks.vqa.questions import AskedImage, Question
from rnnjax.tasks.vqa.reports import Pair, scores_by_kind
from rnnjax.tasks.vqa.vqa_model import VqaModel, batch_loss, make_model

VOCABULARY = QuestionVocabulary(
    "word", ("<end>", "<start>", "<unknown>", "blue", "is", "it", "what"), answers=(OTHER, "a", "b")
)
CONFIG = VqaConfig(
    data="none", image_size=8, questions=3, batch_size=2, embed_size=3, hidden_size=4,
    feature_size=5, attention_size=6, hops=2,
)  # fmt: skip


def images(*counts):
    """Images with so many questions each, of several lengths."""
    rng, texts = np.random.default_rng(0), ("what", "is it blue", "is it", "what is it")
    return [
        AskedImage(
            f"image {n}",
            rng.integers(0, 256, (8, 8, 3), np.uint8),
            tuple(Question(texts[(n + k) % 4], "ab"[k % 2], f"kind {k % 2}") for k in range(count)),
        )
        for n, count in enumerate(counts)
    ]


def answer_scores(p, features, query):
    """Logits and attention of one question about one image; without a layer, Yang et al. 2016."""
    v = [np.tanh(f @ p["project"]["kernel"] + p["project"]["bias"]) for f in features]
    u, looks = query, []
    for n in range(len(p["hops"])):
        a = p["hops"][n]["attention"]
        scores = [a.w_score @ np.tanh(a.w_location.T @ one + a.w_query.T @ u + a.b) for one in v]
        alpha = np.exp(np.array(scores) - max(scores))
        alpha /= alpha.sum()
        read = sum(weight * one for weight, one in zip(alpha, v, strict=True))
        layer = p["hops"][n].get("update")
        both = np.concatenate([read, u])
        u = read + u if layer is None else np.tanh(both @ layer["kernel"] + layer["bias"])
        looks.append(alpha)
    return u @ p["head"]["kernel"] + p["head"]["bias"], np.array(looks)


@pytest.mark.parametrize("update", ["sum", "layer"])
def test_it_is_a_loop_over_locations_and_hops_and_so_are_its_gradients(update):
    model = make_model(dataclasses.replace(CONFIG, update=update), VOCABULARY)
    batch = EvaluationBatches(asked_examples(images(3, 2), VOCABULARY, 3), batch_size=2)[0]
    words = jnp.asarray(batch["words"]).reshape(len(batch["words"]), -1)
    graph, params = nnx.split(model, nnx.Param)
    direction = np.random.default_rng(1).normal(size=(2, 3, 3))

    @jax.jit
    @jax.grad
    def backward(params):
        return jnp.sum(nnx.merge(graph, params)(batch["image"], batch["words"])[0] * direction)

    @jax.jit
    def forward(params):
        model = nnx.merge(graph, params)
        queries = model.words.last(model.words(words, words != 0), words != 0)
        return queries, model.cnn(batch["image"]), model(batch["image"], batch["words"])

    queries, features, (found, attention) = forward(params)
    queries, features = np.asarray(queries, np.float64), np.asarray(features, np.float64)
    exact = jax.tree.map(lambda x: np.asarray(x, np.float64), nnx.to_pure_dict(params))
    largest = {}
    for b in range(2):
        for k in range(3):
            logits, looks = answer_scores(exact, features[b], queries[3 * b + k])
            np.testing.assert_allclose(found[b, k], logits, atol=2e-6)
            np.testing.assert_allclose(attention[b, k], looks, atol=2e-6)

    def total(p):
        rows = [answer_scores(p, features[b], queries[3 * b + k])[0] for b in range(2)
                for k in range(3)]  # fmt: skip
        return np.sum(np.reshape(rows, direction.shape) * direction)

    gradient = nnx.to_pure_dict(backward(params))
    for name, of in (
        ("W_I", lambda p: p["project"]["kernel"]),
        ("W_Q of hop 1", lambda p: p["hops"][0]["attention"].w_query),
        ("W_P of hop 2", lambda p: p["hops"][1]["attention"].w_score),
    ):
        array = of(exact)
        for index in list(np.ndindex(array.shape))[::5]:
            kept, both = array[index], []
            for step in (1e-6, -1e-6):
                array[index] = kept + step
                both.append(total(exact))
            array[index] = kept
            slope = (both[0] - both[1]) / 2e-6
            assert of(gradient)[index] == pytest.approx(slope, abs=5e-6), (name, index)
            largest[name] = max(abs(slope), largest.get(name, 0))
    assert min(largest.values()) > 3e-4


def test_questions_that_are_asked_together_are_answered_as_those_asked_alone():
    model = VqaModel(make_model(CONFIG, VOCABULARY), VOCABULARY, CONFIG)
    several = images(7, 1, 3)
    together = model.answer(several)
    alone = [model.ask(one.image, q.text)[0] for one in several for q in one.questions]
    assert len(together) == 11
    for one, other in zip(together, alone, strict=True):
        assert one.answer == other.answer
        assert one.probability == pytest.approx(other.probability, rel=1e-5)
        np.testing.assert_allclose(one.attention, other.attention, rtol=1e-5)
        assert one.attention.shape == (2, 2, 2)
        np.testing.assert_allclose(one.attention.sum(axis=(1, 2)), 1, rtol=1e-5)


def test_the_loss_counts_each_question_once_and_no_padding():
    several = images(7, 1, 3)
    graph, params = nnx.split(make_model(CONFIG, VOCABULARY), nnx.Param)
    loss = jax.jit(training.loss_of_params(graph, batch_loss))
    batches = EvaluationBatches(asked_examples(several, VOCABULARY, 3), batch_size=2)
    sums = [loss(params, None, batch, None) for batch in batches]
    nats, right = 0.0, 0
    score = jax.jit(lambda image, words: nnx.merge(graph, params)(image, words)[0])
    for one in several:
        for question in one.questions:
            words = np.zeros((3, 1, 1), np.int32)
            ids = VOCABULARY.encode(question.text)
            words[: len(ids), 0, 0] = ids
            logits = np.asarray(score(one.image[None], words)[0, 0], np.float64)
            nats += np.log(np.exp(logits).sum()) - logits[" ab".index(question.answer)]
            right += int("ab"[logits[1:].argmax()] == question.answer)
    assert sum(int(one.count) for one in sums) == 11
    assert float(sum(one.total for one in sums)) == pytest.approx(nats, rel=1e-5)
    assert float(sum(one.metrics["accuracy"] for one in sums)) == pytest.approx(100 * right)


def test_without_hops_the_image_has_no_influence():
    config = dataclasses.replace(CONFIG, hops=0)
    model = VqaModel(make_model(config, VOCABULARY), VOCABULARY, config)
    one, other = images(1, 1)
    assert not hasattr(model.model, "cnn")
    first, second = (model.ask(some.image, "what is it")[0] for some in (one, other))
    assert first[:2] == second[:2]
    assert len(first.attention) == 0


def test_scores_count_by_kind():
    one = images(4)[0]
    said = [Answered(answer, 1.0, np.zeros((0, 0, 0))) for answer in "aabb"]
    pairs = [Pair(one, *pair) for pair in zip(one.questions, said, strict=True)]
    scores = scores_by_kind(pairs, {"kind 0": "a", "kind 1": "a"})
    assert [(name, *score.values()) for name, score in scores.items()] == [
        ("kind 0", 2, 50.0, 100.0), ("kind 1", 2, 50.0, 0.0), ("all", 4, 50.0, 50.0),
    ]  # fmt: skip


def test_images_and_questions_that_cannot_be_asked_are_named():
    model = VqaModel(make_model(CONFIG, VOCABULARY), VOCABULARY, CONFIG)
    with pytest.raises(UserError, match=r"uint8 \[4, 4, 3\]: expected uint8 \[8, 8, 3\]"):
        model.ask(np.zeros((4, 4, 3), np.uint8), "what")
    with pytest.raises(UserError, match=r"the question '\?' has no word"):
        model.ask(np.zeros((8, 8, 3), np.uint8), "?")
    with pytest.raises(UserError, match="the image has no question"):
        model.ask(np.zeros((8, 8, 3), np.uint8))
