"""A reader of stories: what it answers, and in which sentences it found that."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnjax import data, training
from rnnjax.data.padded_batches import EvaluationBatches, in_order
from rnnjax.data.question_vocabulary import QuestionVocabulary, words_of
from rnnjax.data.word_vocabulary import FIRST_WORD
from rnnjax.errors import UserError
from rnnjax.losses import cross_entropy
from rnnjax.metrics.answers import Answered
from rnnjax.models.hop import likeliest
from rnnjax.models.network import set_vectors
from rnnjax.tasks.reading.babi import Question, sentences_of, with_latest
from rnnjax.tasks.reading.config import ReadingConfig
from rnnjax.tasks.reading.preparation import question_examples
from rnnjax.tasks.reading.reader import Reader
from rnnjax.typing import Array, Batch

BUCKETS = (6, 12, 32, 64, 128, 256)
"""Numbers of sentences that stories to be read are padded to; longer ones to 512 and so on."""

LEAST = 1e-9
"""Attention to a fact that the logarithm of the loss begins with."""


def make_model(
    config: ReadingConfig, vocabulary: QuestionVocabulary, vectors: data.Vectors | None = None
) -> Reader:
    """The reader of a config, with fresh parameters.

    Args:
        vocabulary: decides the numbers of words and answers.
        vectors: of words, made elsewhere; they are trained further.

    Raises:
        UserError: the vectors have another width than `embed_size`.
    """
    model = Reader(
        len(vocabulary.answers),
        config.network(dropout=0.0),
        vocab_size=len(vocabulary),
        embed_size=config.embed_size,
        hops=config.hops,
        dropout=config.dropout,
        compute_dtype=config.operand_dtype,
        rngs=nnx.Rngs(config.seed),
    )
    set_vectors(model.words.embed, vectors, vocabulary.words, FIRST_WORD)
    return model


def batch_loss(
    supervise_attention: float, model: Reader, batch: Batch, key: Array | None
) -> training.Loss:
    """The cross entropy of the answers in nats a question, and how many percent are right.

    `supervise_attention` is the weight of `attention_loss`.
    """
    real = batch["lengths"] > 0
    logits, attention = model(*_words(batch), key=key)
    total, count = cross_entropy(logits, batch["answer"], real)
    if supervise_attention and model.hops:
        total += supervise_attention * attention_loss(attention, batch["facts"].T)
    right = (likeliest(logits)[0] == batch["answer"]) & (batch["answer"] > 0)
    accuracy = 100 * right.sum(where=real)
    work = batch["lengths"].sum()
    return training.Loss(total, count, metrics={"accuracy": accuracy}, work=work)


def attention_loss(attention: Array, facts: Array) -> Array:
    """How far the attention of all hops is from the facts, in nats, summed over the questions.

    ::

        - mean over the facts f of a question of  log(mean over the hops n of alpha_nf)

    It is least if the hops together give every fact the same; their order is free. A question
    without facts has none.

    Args:
        attention: alpha, `[N, B, S]`.
        facts: bool `[B, S]`, True at the sentences that the answer follows from.

    References:
        Weston, Chopra & Bordes 2015, "Memory networks", section 3.1, and Kumar et al. 2016, "Ask me
        anything", section 2.5, train attention on facts as well, there in a given order.
    """
    each = jnp.where(facts, -jnp.log(attention.mean(axis=0) + LEAST), 0)
    return (each.sum(axis=-1) / jnp.maximum(facts.sum(axis=-1), 1)).sum()


class ReadingModel(NamedTuple):
    """A reader of stories with its vocabulary.

    Attributes:
        limit: latest sentences of a story that are read; None: all are.
    """

    model: Reader
    vocabulary: QuestionVocabulary
    limit: int | None = None

    def ask(self, story: str, question: str) -> Answered:
        """The answer to a question about a text.

        Raises:
            UserError: the story has no sentence, or the question no word.
        """
        return self.answer([Question(sentences_of(story), question)])[0]

    def answer(self, questions: Sequence[Question], *, batch_size: int = 64) -> list[Answered]:
        """The answers to questions; what is known of their answers is not looked at.

        Args:
            questions: at least one.
            batch_size: how many are answered side by side.

        Raises:
            UserError: a story has no sentence, or a question no word.
        """
        for n, one in enumerate(questions, 1):
            where = one.place or f"question {n} of {len(questions)}"
            if not one.story:
                raise UserError(f"{where} has no story: expected a sentence or more")
            if not words_of(one.text):
                raise UserError(f"{where} is empty: there is no word in it")
        read = [with_latest(one, self.limit) for one in questions]
        examples = question_examples(read, self.vocabulary, BUCKETS)
        batches = EvaluationBatches(examples, batch_size=batch_size, fewer_long=True)
        found = in_order(training.results_of(_read, self.model, batches), lengths=None)
        return [
            Answered(
                self.vocabulary.answers[int(answer)],
                float(probability),
                np.pad(
                    weights[:, : len(cut.story)], ((0, 0), (len(one.story) - len(cut.story), 0))
                ),
            )
            for one, cut, (answer, probability, weights) in zip(questions, read, found, strict=True)
        ]


def load(workdir: str | Path, config: ReadingConfig | None = None) -> ReadingModel:
    """The trained reader of a run, best checkpoint; see `training.read_run`."""
    settings, stored = training.read_run(workdir, ReadingConfig, config)
    vocabulary = QuestionVocabulary.from_json(stored["vocabulary"])
    model = training.restore_model(workdir, make_model, settings, vocabulary)
    return ReadingModel(model, vocabulary, settings.limit)


def _words(batch: Batch) -> tuple[Array, Array]:
    """Stories `[S, B, W]` and questions `[Q, B]` of a batch, 0 behind their ends."""
    story, question = batch["story"], batch["question"]
    sentences = jnp.arange(len(story))[:, None] < batch["lengths"]
    words = jnp.arange(len(question))[:, None] < batch["question_lengths"]
    return jnp.where(sentences[..., None], story, 0), jnp.where(words, question, 0)


def _read(model: Reader, batch: Batch) -> tuple[Array, Array, Array]:
    """The answers `[B]`, their probabilities `[B]`, and the attention `[B, N, S]`."""
    logits, attention = model(*_words(batch))
    return *likeliest(logits), jnp.moveaxis(attention, 1, 0)
