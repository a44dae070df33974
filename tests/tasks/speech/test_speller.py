"""A network that spells: its loss, its texts, and what it attends to."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnnjax import UserError
from rnnjax.data.padded_batches import EvaluationBatches
from rnnjax.tasks.speech.network import batch_loss, features_of
from rnnjax.tasks.speech.preparation import recording_examples
from rnnjax.tasks.speech.reports import GREEDY, draw_recording
from rnnjax.tasks.speech.speech_model import Search, SpeechModel
from rnnjax.tasks.speech.speller import END, make_model
from tests.tasks.speech.test_speech_model import CONFIG, VOCABULARY, recordings

SPELLS = dataclasses.replace(CONFIG, output="attention")


@pytest.fixture(scope="module")
def model():
    network = make_model(SPELLS, 3)
    network.head.kernel[...] *= 8  # far from uniform
    network.head.bias[...] += np.array([3.0, 0, 0, 0])  # texts end
    return SpeechModel(network, VOCABULARY, SPELLS)


def batch_of(its, rows):
    (batch,) = EvaluationBatches(recording_examples(its, SPELLS, VOCABULARY), batch_size=rows)
    return batch


def loss_of(model, its, rows):
    loss = nnx.jit(functools.partial(batch_loss, SPELLS))
    return loss(model.model, batch_of(its, rows), None)


def test_the_loss_is_that_of_each_text_and_its_end_symbol_by_symbol(model):
    its, expected = recordings(), 0.0
    graph, params = nnx.split(model.model, nnx.Param)

    @jax.jit
    def start(params, batch):
        network = nnx.merge(graph, params)
        memory = network.memory(*features_of(SPELLS, batch))
        return memory, network.initial_carry(memory)

    @jax.jit
    def step(params, memory, carry, before):
        return nnx.merge(graph, params).step(memory, carry, before)

    for one in its:
        (memory, carry), before = start(params, batch_of([one], 1)), jnp.array([END])
        for symbol in [*VOCABULARY.encode(one.text, ""), END]:
            logits, _, carry = step(params, memory, carry, before)
            logits = np.asarray(logits[0], np.float64)
            expected += np.log(np.exp(logits).sum()) - logits[symbol]
            before = jnp.array([symbol])
    found = loss_of(model, its, 4)  # with a filler row
    assert float(found.total) == pytest.approx(expected, rel=1e-4)
    assert (int(found.count), int(found.work)) == (1 + 2 + 3, 3)


@pytest.mark.parametrize("search", [GREEDY, Search(3)])
def test_the_probability_of_a_text_is_that_of_the_loss(model, search):
    its = recordings()
    for one, found in zip(its, model.transcribe(its, search), strict=True):
        (alone,) = model.transcribe([one], search)
        assert (alone.text, alone.score) == (found.text, pytest.approx(found.score, rel=1e-4))
        loss = loss_of(model, [one._replace(text=found.text)], 1)
        assert found.log_probability == pytest.approx(-float(loss.total), rel=1e-4)


def test_attention_at_each_symbol_is_over_the_steps_of_its_recording(model):
    for one, (attention, features) in zip(
        recordings(), model.posteriors(recordings()), strict=True
    ):
        frames = 1 + (len(one.samples) - 200) // 80
        assert (len(features), len(attention)) == (frames, (frames + 3) // 4)
        np.testing.assert_allclose(attention.sum(axis=0), 1, rtol=1e-5)
    assert draw_recording(model, recordings()[1]).startswith(b"\x89PNG")


def test_a_language_model_of_characters_is_for_ctc(model):
    with pytest.raises(UserError, match=r"output=attention the language model is that of a run of"):
        model.transcribe(recordings(), Search(8, model))
