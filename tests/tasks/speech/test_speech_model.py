"""What a network writes: alone, with language models, and what of a batch counts in its loss."""

import itertools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import rnnjax
from rnnjax import UserError, data
from rnnjax.data.padded_batches import EvaluationBatches
from rnnjax.data.word_vocabulary import WordVocabulary
from rnnjax.models import LanguageModel
from rnnjax.tasks.speech.config import SpeechConfig
from rnnjax.tasks.speech.network import batch_loss
from rnnjax.tasks.speech.preparation import SpeechVocabulary, recording_examples
from rnnjax.tasks.speech.recordings import Recording
from rnnjax.tasks.speech.reports import GREEDY, error_rates
from rnnjax.tasks.speech.speech_model import Search, SpeechModel
from rnnjax.tasks.speech.speller import make_model
from rnnjax.tasks.word_language.word_model import WordModel

CONFIG = SpeechConfig(num_bands=6, hidden_size=3, num_layers=2, subsampling="2,2", batch_size=3,
                      num_buckets=1, time_masks=0, band_masks=0, dropout=0)  # fmt: skip
VOCABULARY = SpeechVocabulary((" ", "a", "b"), 8000)


def recordings(texts=("a", "ab", ""), samples=(2000, 3000, 1200)):
    rng = np.random.default_rng(0)
    return [
        Recording((3000 * rng.normal(size=count)).astype(np.int16), text, f"r{n}")
        for n, (count, text) in enumerate(zip(samples, texts, strict=True))
    ]


@pytest.fixture(scope="module")
def model():
    network = make_model(CONFIG, 3)
    network.head.kernel[...] *= 8  # far from uniform
    return SpeechModel(network, VOCABULARY, CONFIG)


class Characters(NamedTuple):
    """What `rnnjax.load` gives for a language model of characters."""

    model: Any
    vocabulary: Any
    opening: str = "\n"


def test_what_a_recording_is_heard_as_does_not_depend_on_those_beside_it(model):
    its = recordings()
    together = model.posteriors(its)
    for one, (probabilities, features) in zip(its, together, strict=True):
        frames = 1 + (len(one.samples) - 200) // 80
        assert features.shape == (frames, 6)
        assert probabilities.shape == ((frames + 3) // 4, 4)
        ((alone, _),) = model.posteriors([one])
        np.testing.assert_allclose(alone, probabilities, atol=1e-5)
        np.testing.assert_allclose(probabilities.sum(axis=1), 1, atol=1e-5)


def test_greedy_texts_are_the_likeliest_symbols_without_repeats_and_blanks(model):
    its = recordings()
    for one, (probabilities, _) in zip(model.transcribe(its, GREEDY), model.posteriors(its),
                                       strict=True):  # fmt: skip
        path = [symbol for symbol, _ in itertools.groupby(probabilities.argmax(axis=1).tolist())]
        assert one.text == "".join("_ ab"[symbol] for symbol in path if symbol).strip()
        assert one.score == pytest.approx(np.log(probabilities.max(axis=1)).sum(), rel=1e-4)


def test_a_language_model_of_characters_takes_part_in_the_search(model):
    model = model._replace(vocabulary=SpeechVocabulary(("c", "a", "b"), 8000))
    vocabulary = data.Vocabulary.of_text(["abc\n"])
    network = LanguageModel(len(vocabulary), rnnjax.gru(4), embed_size=3, rngs=nnx.Rngs(1))
    network.head.kernel[...] *= 5
    helper = Characters(network, vocabulary)
    found = model.transcribe(recordings(), Search(8, helper, weight=0.7, bonus=0.2))
    alone = model.transcribe(recordings(), Search(8))
    assert [one.text for one in found] != [one.text for one in alone]
    for one in found:
        ids = vocabulary.encode("\n" + one.text)
        logits, _ = network(jnp.asarray(ids[:, None]), network.initial_carry(1))
        logs = jax.nn.log_softmax(logits)[np.arange(len(one.text)), 0, ids[1:]].sum()
        expected = one.log_probability + 0.7 * float(logs) + 0.2 * len(one.text)
        assert one.score == pytest.approx(expected, rel=1e-4)
    assert any(len(one.text) > 2 for one in found)


def test_a_language_model_of_words_ranks_the_texts_of_the_beam(model):
    vocabulary = WordVocabulary.of_counts({"a": 4, "b": 3, "ab": 2, "ba": 1})
    network = LanguageModel(len(vocabulary), rnnjax.gru(4), embed_size=3, rngs=nnx.Rngs(1))
    words = WordModel(network, vocabulary)
    (found,) = model.transcribe(recordings()[:1], Search(8, words, weight=20, bonus=1))
    score = words.score([found.text])[0]
    expected = found.log_probability + 20 * score.total + len(score.words)
    assert found.score == pytest.approx(expected, rel=1e-4)
    (alone,) = model.transcribe(recordings()[:1], Search(8))
    assert found.log_probability < alone.log_probability


def test_other_models_are_refused(model):
    with pytest.raises(UserError, match=r"that of a run of char_lm with --config.level=char, or"):
        model.transcribe(recordings(), Search(8, model))
    with pytest.raises(UserError, match="a language model needs a beam"):
        model.transcribe(recordings(), Search(0, model))


def loss_of(config, its):
    examples = recording_examples(its, config, VOCABULARY)
    (batch,) = EvaluationBatches(examples, batch_size=4)  # with filler rows
    return nnx.jit(batch_loss, static_argnums=0)(config, make_model(config, 3), batch, None)


def test_each_recording_counts_by_its_symbols_and_filler_rows_do_not():
    its = recordings()
    whole = loss_of(CONFIG, its)
    parts = [loss_of(CONFIG, [one]) for one in its]
    assert float(whole.total) == pytest.approx(sum(float(its.total) for its in parts), rel=1e-4)
    assert int(whole.count) == 1 + 2 + 1  # an empty text counts as one
    assert [float(its) for its in whole.metrics["unaligned"]] == [0, 3]


def test_a_text_that_cannot_be_aligned_is_counted_and_has_no_loss():
    its = recordings(("ababababab", "ab", "b"), (1000, 3000, 2000))  # 11 frames, 3 steps
    whole, rest = loss_of(CONFIG, its), loss_of(CONFIG, its[1:])
    assert float(whole.total) == pytest.approx(float(rest.total), rel=1e-4)
    assert int(whole.count) == int(rest.count) == 3
    assert [float(its) for its in whole.metrics["unaligned"]] == [100, 3]


def test_error_rates_count_edits_of_all_texts_together():
    """Edits: 1 of 3 characters, 2 of 5; words 1 of 1, 1 of 2. The empty one is right."""
    rates = error_rates(["axc", "de", ""], ["abc", "de fg", ""])
    assert rates["cer"] == pytest.approx(100 * (1 + 3) / 8)
    assert rates["wer"] == pytest.approx(100 * 2 / 3)
    assert rates["exact"] == pytest.approx(100 / 3)


def test_recordings_that_cannot_be_read(model):
    with pytest.raises(UserError, match=r"recording 1 holds no sound: expected samples \[N\]"):
        model.transcribe([np.zeros(0)])
    with pytest.raises(UserError, match="recording 1 has 100 samples: expected a window of 200"):
        model.transcribe([np.ones(100)])
    with pytest.raises(UserError, match=r"gone.wav does not exist"):
        model.transcribe(["gone.wav"])
