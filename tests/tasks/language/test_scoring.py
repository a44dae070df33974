import dataclasses

import jax
import numpy as np
import pytest
from flax import nnx

import rnnjax
from rnnjax import data
from rnnjax.models import LanguageModel, language_model
from rnnjax.models.language_model import score_texts as score
from rnnjax.tasks.language.inspection import inspect
from rnnjax.tasks.language.text_model import TextModel

V = 6
VOCABULARY = data.Vocabulary.of_text("abcde")


@pytest.fixture(scope="module")
def model():
    return LanguageModel(V, rnnjax.gru(8), embed_size=4, rngs=nnx.Rngs(3))


def by_hand(model, text, prompt):
    """Symbol by symbol, one text at a time."""
    carry, log_probability, logits = model.initial_carry(1), [], None
    for n, symbol in enumerate([*prompt, *text]):
        if n >= len(prompt):
            scored = np.nan if logits is None else jax.nn.log_softmax(logits)[0, symbol]
            log_probability.append(scored)
        logits, carry = model.step(np.array([symbol]), carry)
    return log_probability


@pytest.mark.parametrize("prompt", [[], [2], [1, 5, 0]])
def test_scores_are_those_of_reading_symbol_by_symbol(model, monkeypatch, prompt):
    monkeypatch.setattr(language_model, "MAX_ROWS", 3)
    monkeypatch.setattr(language_model, "MAX_STEPS", 4)
    draw = np.random.default_rng(0)
    texts = [draw.integers(V, size=n) for n in (5, 9, 1, 8, 2, 4, 3)]
    found = score(model, texts, np.array(prompt, int))
    for text, log_probability in zip(texts, found, strict=True):
        np.testing.assert_allclose(log_probability, by_hand(model, text, prompt), atol=1e-5)


def test_probabilities_of_all_texts_of_a_length_sum_to_one(model):
    texts = [np.array([a, b]) for a in range(V) for b in range(V)]
    found = score(model, texts, np.array([1]))
    total = sum(np.exp(log_probability.sum()) for log_probability in found)
    np.testing.assert_allclose(total, 1, rtol=1e-5)


def test_a_character_of_several_bytes_has_no_score_where_its_first_byte_has_none():
    vocabulary = data.Vocabulary.of_bytes()
    by_bytes = LanguageModel(len(vocabulary), rnnjax.gru(4), embed_size=2, rngs=nnx.Rngs(0))
    for text, scored in (("é", 0), ("éaé", 2)):
        (found,) = TextModel(by_bytes, vocabulary).score([text])
        assert np.isnan(found.log_probability[0])
        assert found.num_scored == scored


def written(model, prompt, **options):
    """What a model writes after a prompt, in numbers."""
    texts = TextModel(model, VOCABULARY).write(prompt, **options)
    assert all(text.startswith(prompt) for text in texts)
    return [VOCABULARY.encode(text.removeprefix(prompt)) for text in texts]


def test_coldest_samples_are_the_likeliest_steps(model):
    (text,) = written(model, "ac", length=12, temperature=0)
    (found,) = score(model, [text], VOCABULARY.encode("ac"))
    for n in range(len(text)):
        others = [np.append(text[:n], symbol) for symbol in range(V)]
        chances = [of[n] for of in score(model, others, VOCABULARY.encode("ac"))]
        assert found[n] == pytest.approx(max(chances), abs=1e-5)


def test_a_sample_ends_with_its_stop(model):
    options = {"length": 40, "num_samples": 8, "temperature": 1.0, "seed": 1}
    texts, free = written(model, "a", stop="b", **options), written(model, "a", **options)
    stop = VOCABULARY.encode("b")[0]
    assert any(len(text) < 40 for text in texts)
    for text, whole in zip(texts, free, strict=True):
        assert stop not in text[:-1]
        assert len(text) == 40 or text[-1] == stop
        np.testing.assert_array_equal(text, whole[: len(text)])


def test_inspection_follows_the_model(model):
    ids = np.random.default_rng(1).integers(V, size=30)
    activations, saturation, _, norms = inspect(model, ids, max_distance=5)
    carry, states = model.initial_carry(1), []
    for symbol in ids:
        _, carry = model.step(np.array([symbol]), carry)
        states.append(carry[0])
    np.testing.assert_allclose(activations[0], states, atol=1e-6)
    assert list(saturation[0]) == ["r", "z"]

    def last_loss(carry, start=20):
        for n in range(start, 26):
            logits, carry = model.step(ids[None, n], carry)
        return -jax.nn.log_softmax(logits)[0, ids[26]]

    gradient = jax.grad(last_loss)(np.asarray(states[19])[None])
    place = 25 - 5
    np.testing.assert_allclose(norms[place, 5], np.linalg.norm(gradient), rtol=1e-4)


@pytest.mark.parametrize(
    "read",
    [
        lambda model, ids: TextModel(model, VOCABULARY).write(VOCABULARY.decode(ids), length=3),
        lambda model, ids: score(model, [ids], ids),
        lambda model, ids: inspect(model, ids, max_distance=2),
    ],
)
def test_a_second_text_of_that_length_compiles_nothing(read):
    cell, traced = rnnjax.gru(8), []

    def project(*args, **options):
        traced.append(args)
        return cell.project(*args, **options)

    counting = dataclasses.replace(cell, project=project, spec=None)
    model = LanguageModel(V, counting, embed_size=4, rngs=nnx.Rngs(3))
    read(model, np.arange(6) % 5 + 1)
    first = len(traced)
    assert first > 0
    read(model, np.arange(6)[::-1] % 5 + 1)
    assert len(traced) == first
