"""A classifier of texts: their classes, and the words that decide."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnjax import data, training
from rnnjax.data.padded_batches import EvaluationBatches, in_order
from rnnjax.data.word_vocabulary import FIRST_WORD
from rnnjax.errors import UserError, did_you_mean
from rnnjax.heads import pooling
from rnnjax.models import SequenceClassifier, classification_loss
from rnnjax.models.network import set_vectors
from rnnjax.models.sequence_classifier import Classified
from rnnjax.tasks.sentiment.config import SentimentConfig
from rnnjax.tasks.sentiment.preparation import SentimentVocabulary, text_examples
from rnnjax.typing import Array, Batch

BUCKETS = (16, 32, 64, 128)
"""Lengths that texts to be classified are padded to; longer ones get buckets of their own."""


def make_model(
    config: SentimentConfig, vocabulary: SentimentVocabulary, vectors: data.Vectors | None = None
) -> SequenceClassifier:
    """The classifier of a config, with fresh parameters.

    Args:
        vocabulary: decides the numbers of words and classes.
        vectors: of words, made elsewhere; they are trained further.

    Raises:
        UserError: the vectors have another width than `embed_size`.
    """
    model = SequenceClassifier(
        len(vocabulary.labels),
        config.network(both_directions=config.bidirectional, dropout=0.0),
        input_size=config.embed_size,
        vocab_size=len(vocabulary),
        pooling=config.pooling,
        dropout=config.dropout,
        compute_dtype=config.operand_dtype,
        rngs=nnx.Rngs(config.seed),
    )
    set_vectors(model.encoder.embed, vectors, vocabulary.words, FIRST_WORD)
    return model


def batch_loss(model: SequenceClassifier, batch: Batch, key: Array | None) -> training.Loss:
    """The cross entropy of the labels in nats a text, and how many percent are right."""
    out = model(batch["words"], mask_of(batch), key=key)
    total, count, right = classification_loss(out, batch["label"], batch["lengths"] > 0)
    return training.Loss(
        total, count, metrics={"accuracy": 100 * right}, work=batch["lengths"].sum()
    )


def mask_of(batch: Batch) -> Array:
    """True at the words of each text, bool `[T, B]`."""
    return jnp.arange(len(batch["words"]))[:, None] < batch["lengths"]


def probabilities(model: SequenceClassifier, batch: Batch) -> Array:
    """The probability of each class, `[B, K]`."""
    return jax.nn.softmax(model(batch["words"], mask_of(batch)))


def attention_weights(model: SequenceClassifier, batch: Batch) -> Array:
    """The weight of each word in the vector of its text, `[T, B]`; 0 at padding.

    See `rnnjax.heads.pooling.attention`; the weights of a text add up to 1.
    """
    ys = model.encoder(batch["words"], mask_of(batch))
    return pooling.attention(model.attention.get_value(), ys, mask_of(batch))[1]


def gradient_times_input(model: SequenceClassifier, batch: Batch) -> Array:
    """How much each word speaks for the predicted class, `[T, B]`; below 0: against it.

    ::

        s = z_k - mean_j z_j,    k = argmax_j z_j, z the logits
        r_t = x_t . ds/dx_t,     x_t the vector of word t

    References:
        Li et al. 2016, "Visualizing and understanding neural models in NLP"; times the input
        as in Denil et al. 2014, "Extraction of salient sentences from labelled documents".
    """
    embed, of_vectors = model.encoder.embed, nnx.clone(model)
    assert embed is not None
    of_vectors.encoder.embed = None  # It then reads vectors instead of words.
    mask = mask_of(batch)

    def score(xs: Array) -> Array:
        logits = of_vectors(xs, mask)
        return (logits.max(axis=-1) - logits.mean(axis=-1)).sum()

    xs = embed(batch["words"])
    return jnp.where(mask, (xs * jax.grad(score)(xs)).sum(axis=-1), 0)


RELEVANCE: dict[str, Callable[[SequenceClassifier, Batch], Array]] = {
    "attention": attention_weights,
    "gradient": gradient_times_input,
}
"""The ways to colour words, by name."""


class SentimentModel(NamedTuple):
    """A classifier of texts with its vocabulary.

    Attributes:
        limit: words that a text is cut to; None: it is read whole.
    """

    model: SequenceClassifier
    vocabulary: SentimentVocabulary
    limit: int | None = None

    def classify(self, texts: Sequence[str], *, batch_size: int = 64) -> list[Classified]:
        """The likeliest class of each text, and the probabilities of all.

        Args:
            texts: at least one, each with a word or more.
            batch_size: how many are classified side by side.

        Raises:
            UserError: a text has no word.
        """
        rows = in_order(self._run(probabilities, texts, batch_size), lengths=None)
        return [Classified.of(self.vocabulary.labels, row) for row in rows]

    def relevance(
        self, texts: Sequence[str], by: str | None = None, *, batch_size: int = 64
    ) -> list[np.ndarray]:
        """A number for each word of each text: what it does for the class; 0 where a text is cut.

        Args:
            texts: as for `classify`; their words are those of `data.tokenize`.
            by: attention (see `attention_weights`) or gradient (see `gradient_times_input`); None:
                attention where the model pools by it.
            batch_size: as for `classify`.

        Raises:
            UserError: a text has no word, or the model has no attention.
        """
        by = self.relevance_by(by)
        found = in_order(self._run(RELEVANCE[by], texts, batch_size))
        return [
            np.pad(its, (0, len(self.vocabulary.words_of(text)) - len(its)))
            for text, its in zip(texts, found, strict=True)
        ]

    def relevance_by(self, by: str | None = None) -> str:
        """The way to colour words: `by`, or the default; UserError if the model cannot."""
        pooled = self.model.pooling
        by = by or ("attention" if pooled == "attention" else "gradient")
        if by not in RELEVANCE:
            raise UserError(f"unknown --colour_by={by}; {did_you_mean(by, RELEVANCE)}")
        if by == "attention" and pooled != by:
            raise UserError(
                f"--colour_by=attention takes a model that pools by it, not by {pooled}"
            )
        return by

    def _run(
        self, function: Any, texts: Sequence[str], batch_size: int
    ) -> Iterator[tuple[data.Batch, np.ndarray]]:
        for n, text in enumerate(texts, 1):
            if not text.split():
                raise UserError(f"text {n} of {len(texts)} is empty: there is no word in it")
        examples = text_examples(texts, self.vocabulary, BUCKETS, limit=self.limit)
        batches = EvaluationBatches(examples, batch_size=batch_size, fewer_long=True)
        return training.results_of(function, self.model, batches)


def load(workdir: str | Path, config: SentimentConfig | None = None) -> SentimentModel:
    """The trained classifier of a run, best checkpoint; see `training.read_run`."""
    settings, stored = training.read_run(workdir, SentimentConfig, config)
    vocabulary = SentimentVocabulary.from_json(stored["vocabulary"])
    model = training.restore_model(workdir, make_model, settings, vocabulary)
    return SentimentModel(model, vocabulary, settings.limit)
