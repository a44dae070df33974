"""The language model of words: its loss, sentences that it writes, and which it finds likely."""

import functools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnjax import data, decode, training
from rnnjax.data.word_vocabulary import END, FIRST_WORD, START, UNKNOWN_WORD, WordVocabulary
from rnnjax.errors import UserError
from rnnjax.models import LanguageModel, score_texts, window_loss
from rnnjax.models.network import set_vectors
from rnnjax.tasks.word_language.config import WordConfig
from rnnjax.typing import Array, Batch, Carry, PRNGKey

NEVER_WRITTEN = [START, UNKNOWN_WORD]


class SentenceScore(NamedTuple):
    """How likely a sentence is.

    Attributes:
        text: as it was given.
        words: N of them, as the vocabulary splits them, then the end of the sentence.
        log_probability: of each word after those before it, and of the end, nats `[N + 1]`.
        num_unknown: words that the vocabulary lacks; each has the probability of `<unknown>`.
    """

    text: str
    words: tuple[str, ...]
    log_probability: np.ndarray
    num_unknown: int

    @property
    def total(self) -> float:
        """``log P(sentence)`` in nats."""
        return float(self.log_probability.sum())

    @property
    def perplexity(self) -> float:
        """``exp(-total / (N + 1))``."""
        return math.exp(-self.total / len(self.log_probability))


class WordModel(NamedTuple):
    """A language model that writes and scores sentences."""

    model: LanguageModel
    vocabulary: WordVocabulary

    def write(
        self,
        prompt: str = "",
        *,
        num_samples: int = 1,
        max_length: int = 60,
        seed: int | Sequence[int] = 0,
        temperature: float = 0.8,
        **filters: Any,
    ) -> list[str]:
        """Writes sentences that begin with a prompt; unknown words are never written.

        Args:
            prompt: words to go on from; empty: none.
            max_length: words to add at most; a sentence ends before where the model ends it.
            seed: decides all draws; or a seed for each sentence, which alone decides it.
            temperature, filters: see `rnnjax.decode.filter_logits`.

        Raises:
            UserError: a word of the prompt is unknown, or a number out of range.
        """
        ids = self.vocabulary.encode(prompt)[:-1]
        if (ids == UNKNOWN_WORD).any():
            words = self.vocabulary.words_of(prompt)
            unknown = [w for w, n in zip(words, ids, strict=True) if n == UNKNOWN_WORD]
            raise UserError(f"the prompt has words that the training text lacks: {unknown}")
        key = decode.keys_of_seeds(seed, num_samples)
        graph, params = nnx.split(self.model)
        drawn, valid = jax.device_get(
            _draw(
                graph,
                params,
                np.tile(np.append(END, ids)[:, None], (1, num_samples)),
                key,
                length=max_length,
                stop=END,
                temperature=temperature,
                **filters,
            )
        )
        begun = [self.vocabulary.symbols[n] for n in ids]
        return [
            self.vocabulary.text([*begun, *self.vocabulary.decode(row[kept])])
            for row, kept in zip(drawn.T, valid.T, strict=True)
        ]

    def score(self, texts: Sequence[str]) -> list[SentenceScore]:
        """How likely sentences are, each by itself as the first of a text, in their order.

        Raises:
            UserError: a text has no word.
        """
        scores = self.score_ids([self.vocabulary.encode(text) for text in texts])
        return [
            score._replace(text=text, words=tuple(self.vocabulary.words_of(text)))
            for score, text in zip(scores, texts, strict=True)
        ]

    def score_ids(self, ids: Sequence[np.ndarray]) -> list[SentenceScore]:
        """As `score`, of sentences in numbers, END the last of each."""
        if empty := [n for n, row in enumerate(ids, 1) if len(row) < 2]:
            raise UserError(f"sentence {empty[0]} of {len(ids)} has no word")
        scores = []
        found = score_texts(self.model, ids, np.array([END]))
        for row, log_probability in zip(ids, found, strict=True):
            words, unknown = self.vocabulary.decode(row.tolist()), (row == UNKNOWN_WORD).sum()
            text = self.vocabulary.text(words)
            scores.append(SentenceScore(text, words, log_probability, int(unknown)))
        return scores

    def neighbours(self, word: str, count: int = 5) -> list[str]:
        """The words whose vectors have the largest cosine with that of a word.

        Raises:
            UserError: the vocabulary lacks the word.
        """
        if word not in self.vocabulary.symbols:
            raise UserError(f"the training text lacks the word {word!r}")
        vectors = np.asarray(self.model.embed.embedding.get_value())
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        at = self.vocabulary.symbols.index(word)
        nearest = np.argsort(-(vectors @ vectors[at]), kind="stable")
        return [self.vocabulary.symbols[n] for n in nearest if n != at][:count]


def make_model(
    config: WordConfig, vocabulary: WordVocabulary, vectors: data.Vectors | None = None
) -> LanguageModel:
    """The language model of a config, with fresh parameters.

    Args:
        vectors: of words, made elsewhere; they are trained further.

    Raises:
        UserError: the vectors have another width than `embed_size`.
    """
    model = LanguageModel(
        len(vocabulary),
        config.layers(),
        embed_size=config.embed_size,
        tied=config.tied,
        embed_dropout=config.embed_dropout,
        output_dropout=config.last_dropout,
        compute_dtype=config.operand_dtype,
        rngs=nnx.Rngs(config.seed),
    )
    set_vectors(model.embed, vectors, vocabulary.words, FIRST_WORD)
    return model


def batch_loss(
    config: WordConfig, model: LanguageModel, batch: Batch, key: Array | None, carry: Any
) -> training.Loss:
    """The loss of one window in nats a word."""
    loss = training.Loss(*window_loss(model, carry, batch, key, ar=config.ar, tar=config.tar))
    if "lengths" in batch:
        loss = loss._replace(rate_scale=batch["lengths"].max() / config.window)
    return loss


def load(workdir: str | Path, config: WordConfig | None = None) -> WordModel:
    """The trained language model of a run, best checkpoint; see `training.read_run`."""
    settings, stored = training.read_run(workdir, WordConfig, config)
    vocabulary = WordVocabulary.from_json(stored["vocabulary"])
    model = training.restore_model(workdir, make_model, settings, vocabulary)
    return WordModel(model, vocabulary)


def loss_of_split(
    config: WordConfig, model: LanguageModel, stream: data.Stream
) -> tuple[float, int]:
    """The mean loss in nats a word over a whole split, and how many words count."""
    graph, params = nnx.split(model, nnx.Param)
    rows = config.batch_size
    windows = data.EvaluationWindows(stream, batch_size=rows, window=config.window)
    loss_fn = training.loss_of_params(graph, functools.partial(batch_loss, config))
    step = training.make_eval_step(loss_fn)
    result = training.evaluate(step, params, model.initial_carry(rows), windows)
    return result["loss"], int(result["count"])


@functools.partial(jax.jit, static_argnums=0, static_argnames=("length", "stop", *decode.FILTERS))
def _draw(
    graph: nnx.GraphDef, params: Any, prompts: Array, key: PRNGKey, **options: Any
) -> tuple[Array, Array]:
    def step(params: Any, carry: Carry, tokens: Array) -> tuple[Array, Carry]:
        logits, carry = nnx.merge(graph, params).step(tokens, carry)
        return logits.at[:, NEVER_WRITTEN].set(-jnp.inf), carry

    carry = nnx.merge(graph, params).initial_carry(prompts.shape[1])
    return decode.sample(step, params, carry, prompts, key=key, **options)
