"""Losses and scores against loops over single examples in NumPy."""

import jax
import numpy as np
import pytest

import rnnjax
from rnnjax.data.padded_batches import EvaluationBatches
from rnnjax.tasks.long_range import memory_model, preparation
from rnnjax.tasks.long_range.config import LongRangeConfig


def small(problem, **fields):
    fields = {"length": 4, "hidden_size": 5, "embed_size": 3, "cell": "rnn", **fields}
    return LongRangeConfig(problem=problem, **fields)


def by_hand(model, example, problem):
    """The outputs after every step: the Elman equation in a loop."""
    p = jax.tree.map(np.asarray, model.encoder.recurrent.params.get_value()[0])
    kernel, bias = np.asarray(model.head.kernel), np.asarray(model.head.bias)
    xs = example["inputs"]
    if problem != "adding":
        xs = np.asarray(model.encoder.embed.embedding)[xs]
    h, outputs = np.zeros(5), []
    for x in xs:
        h = np.tanh(x @ p.w_ih + h @ p.w_hh + p.b)
        outputs.append(h @ kernel + bias)
    return np.array(outputs)


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(-1, keepdims=True))


@pytest.mark.parametrize("problem", ["adding", "copy", "agreement"])
def test_the_loss_of_a_padded_batch_is_that_of_single_examples(problem):
    config = small(problem)
    model = memory_model.make_model(config)
    model.head.bias[...] = np.linspace(-0.3, 0.4, config.task.outputs) + (problem == "adding")
    examples = preparation.split_examples(config, "test")._replace(size=7)
    ragged = examples.ragged["lengths"]
    ragged = ragged._replace(lengths=ragged.lengths[:7], buckets=None)
    examples = examples._replace(ragged={"lengths": ragged})
    (batch,) = EvaluationBatches(examples, batch_size=9)
    loss = memory_model.batch_loss(problem, model, batch, None)
    total = right = asked = count = 0
    for n in range(7):
        example = examples.get(n)
        outputs = by_hand(model, example, problem)
        if problem == "adding":
            error = outputs[-1, 0] - example["targets"]
            total, right = total + error**2, right + (abs(error) < 0.04)
            asked, count = asked + 1, count + 1
        elif problem == "agreement":
            total -= log_softmax(outputs[-1])[example["targets"]]
            right += outputs[-1].argmax() == example["targets"]
            asked, count = asked + 1, count + 1
        else:
            chosen = np.arange(len(outputs)), example["targets"]
            total -= log_softmax(outputs)[chosen].sum()
            right += (outputs.argmax(-1) == example["targets"])[-10:].sum()
            asked, count = asked + 10, count + len(outputs)
        curve = config.task.curve(outputs, example)
        assert curve.shape == (len(outputs),)
    np.testing.assert_allclose(loss.total, total, rtol=1e-5)  # float32 and float64
    assert int(loss.count) == count
    np.testing.assert_allclose(loss.metrics["accuracy"], (100 * right, asked), rtol=1e-6)
    np.testing.assert_allclose(
        memory_model.MemoryModel(model, config).outputs(example["inputs"]), outputs, atol=1e-5
    )


def test_the_score_at_a_distance_is_the_mean_over_examples_of_it():
    config = small("adding")
    model = memory_model.MemoryModel(memory_model.make_model(config), config)
    found = model.scores_at(6)
    examples = preparation.examples_at(config, 6)
    errors = []
    for n in range(examples.size):
        example = examples.get(n)
        assert len(example["inputs"]) == 6
        errors.append(by_hand(model.model, example, "adding")[-1, 0] - example["targets"])
    assert found["loss"] == pytest.approx(np.mean(np.square(errors)), rel=1e-5)
    assert found["accuracy"] == pytest.approx(100 * np.mean(np.abs(errors) < 0.04))
    with pytest.raises(rnnjax.UserError, match="a distance of adding is 2 or more; got 1"):
        model.scores_at(1)


def test_an_answer_is_told_in_words():
    config = small("agreement")
    model = memory_model.make_model(config)
    model.head.kernel[...] = 0
    model.head.bias[...] = np.log([0.2, 0.8])
    assert memory_model.MemoryModel(model, config).answer("the cats near the dog") == "are (80.0%)"
