"""Sentences of many lengths side by side, against the same model on each of them alone."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from rnnjax.data.padded_batches import EvaluationBatches
from rnnjax.data.prepared import Prepared
from rnnjax.errors import UserError
from rnnjax.tasks.tagging.config import TaggerConfig, TaggingConfig
from rnnjax.tasks.tagging.entity_scores import entity_scores
from rnnjax.tasks.tagging.preparation import tagged_examples
from rnnjax.tasks.tagging.schemes import spans_of
from rnnjax.tasks.tagging.sentences import Sentence
from rnnjax.tasks.tagging.tagger import best_tags, make_tagger, tag, tagging_loss
from rnnjax.tasks.tagging.text_tagger import (
    BUCKETS,
    TextTagger,
    batch_loss,
    validation_scores,
)
from rnnjax.tasks.tagging.vocabulary import TaggingVocabulary

WORDS = ("Ada", "Bonn", "left", "the", "old", "town", "of", "Cologne", "with", "Emmy", "and", "12")
LENGTHS = [12, 3, BUCKETS[-1] + 2, 3, 12, 3]


def make_sentences(lengths=LENGTHS, seed=0):
    rng = np.random.default_rng(seed)
    made = []
    for n, length in enumerate(lengths):
        tokens = tuple(rng.choice(WORDS, length).tolist())
        tags = tuple(rng.choice(["O", "B-PER", "B-LOC"], length).tolist())
        made.append(Sentence(tokens, tags, f"made:{n}", f"text {n}", ((n, n + 1),) * length))
    return made


@functools.cache
def make_text_tagger(use_crf=True):
    """With scores so far apart that tags of all types are found."""
    known = [Sentence(WORDS, ("B-PER", "B-LOC", *["O"] * 10), "known:1")]
    vocabulary = TaggingVocabulary.of(known, scheme="BIOES")
    config = TaggerConfig(
        hidden_size=4, embed_size=4, character_embed_size=3, character_size=3, case_size=2,
        dropout=0.0, crf=use_crf,
    )  # fmt: skip
    model = make_tagger(config, vocabulary, seed=5)
    model.head.kernel[...] = 9 * model.head.kernel[...]
    return TextTagger(model, vocabulary)


@functools.partial(jax.jit, static_argnums=(0, 1))
def run(function, graph, params, batch):
    return function(nnx.merge(graph, params), batch)


def alone(tagger, sentence, function):
    """What a function of models makes of one sentence without any padding."""
    encoded = tagger.vocabulary.encode(sentence)._asdict()
    batch = {name: jnp.asarray(values)[:, None] for name, values in encoded.items()}
    batch["lengths"] = jnp.asarray([len(sentence.tokens)])
    return run(function, *nnx.split(tagger.model), batch)


def loss_and_tags(model, batch):
    return tagging_loss(model, batch)[0], best_tags(model, batch)


def bio(tagger, ids):
    """Names of tags, by their prefixes alone: E- and S- of BIOES are I- and B- of BIO."""
    names = [tagger.vocabulary.tags[n] for n in ids]
    return tuple(
        {"E": "I", "S": "B"}.get(name[0], name[0]) + name[1:] if name != "O" else name
        for name in names
    )


@pytest.fixture(scope="module")
def sentences():
    return make_sentences()


@pytest.fixture(scope="module")
def expected(sentences):
    """Tags and probabilities of each sentence alone."""
    tagger = make_text_tagger()
    answers = [alone(tagger, sentence, tag) for sentence in sentences]
    return [(bio(tagger, tags[:, 0].tolist()), np.asarray(p[:, 0])) for tags, p in answers]


@pytest.fixture(scope="module")
def tagged(sentences):
    return make_text_tagger().tag(sentences, batch_size=2)


def test_tags_are_those_of_each_sentence_alone(sentences, expected, tagged):
    assert [one.tokens for one in tagged] == [sentence.tokens for sentence in sentences]
    assert [one.tags for one in tagged] == [tags for tags, _ in expected]
    assert [one.gold for one in tagged] == [sentence.tags for sentence in sentences]
    assert [(one.source, one.text, one.offsets) for one in tagged] == [
        (sentence.source, sentence.text, sentence.offsets) for sentence in sentences
    ]
    found = {tag for one in tagged for tag in one.tags}
    assert {"O", "B-PER", "B-LOC"} < found  # Otherwise equality says little.


def test_best_tags_are_the_same_tags(sentences, expected):
    found = make_text_tagger().best_tags(sentences, batch_size=2)
    assert found == [tags for tags, _ in expected]


def test_the_score_of_an_entity_is_its_least_marginal(expected, tagged):
    several = 0
    for one, (tags, probability) in zip(tagged, expected, strict=True):
        spans = spans_of(tags)
        least = [min(probability[start:end].tolist()) for start, end, _ in spans]
        several += sum(probability[s.start] > p + 1e-3 for s, p in zip(spans, least, strict=True))
        # Batches of other widths round otherwise; another tag would be off by 1e-3 and more.
        np.testing.assert_allclose(one.scores, least, atol=5e-5)
        assert all(type(score) is float and 0 <= score <= 1 for score in one.scores)
    assert several  # Entities whose first tag is not the least sure one.


def test_sentences_without_tags_have_no_gold_ones(sentences, tagged):
    plain = [dataclasses.replace(sentence, tags=()) for sentence in sentences]
    again = make_text_tagger().tag(plain, batch_size=2)
    assert [one.gold for one in again] == [None] * len(plain)
    assert [one.tags for one in again] == [one.tags for one in tagged]


def test_the_long_sentence_is_named_aloud(sentences, caplog):
    make_text_tagger().best_tags(sentences, batch_size=2)
    assert f"are longer than {BUCKETS[-1]} tokens" in caplog.text
    assert f"made:2, has {BUCKETS[-1] + 2}" in caplog.text


def test_nothing_to_tag():
    with pytest.raises(UserError, match="there are no sentences"):
        make_text_tagger().tag([])


def test_the_loss_counts_sentences_and_the_speed_tokens():
    tagger = make_text_tagger()
    sentences = make_sentences([5, 1, 3], seed=2)
    examples = tagged_examples(sentences, tagger.vocabulary, (8,))
    (batch,) = EvaluationBatches(examples, batch_size=4)
    loss = nnx.jit(batch_loss)(tagger.model, batch, None)
    assert (int(loss.count), int(loss.work)) == (3, 9)
    answers = [alone(tagger, sentence, loss_and_tags) for sentence in sentences]
    assert float(loss.total) == pytest.approx(sum(float(loss) for loss, _ in answers), rel=1e-5)


def test_evaluation_scores_each_sentence_once():
    tagger = make_text_tagger()
    sentences = make_sentences([5, 1, 1, 5, 5, 1, 5], seed=2)
    batches = EvaluationBatches(tagged_examples(sentences, tagger.vocabulary, (8,)), batch_size=4)
    prepared = Prepared(None, batches, "", {"validation": sentences}, "", tagger.vocabulary)
    found = validation_scores(TaggingConfig(), prepared, tagger.model)
    answers = [alone(tagger, sentence, loss_and_tags) for sentence in sentences]
    assert found["loss"] == pytest.approx(np.mean([loss for loss, _ in answers]), rel=1e-5)
    tags = [bio(tagger, ids[:, 0].tolist()) for _, ids in answers]
    micro = entity_scores([sentence.tags for sentence in sentences], tags).micro
    assert 0 < micro.f1 < 1
    assert {name: found[name] for name in ("f1", "precision", "recall")} == pytest.approx(
        {"f1": 100 * micro.f1, "precision": 100 * micro.precision, "recall": 100 * micro.recall}
    )
