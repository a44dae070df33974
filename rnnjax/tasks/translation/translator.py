"""Translating texts with a trained model."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from rnnjax import training
from rnnjax.data.padded_batches import EvaluationBatches
from rnnjax.data.pair_batches import Lengths, source_examples
from rnnjax.data.vectors import Vectors
from rnnjax.data.word_vocabulary import FIRST_WORD
from rnnjax.errors import UserError
from rnnjax.models import Seq2Seq
from rnnjax.models.decoding import Rated, Search, Written, rate, write
from rnnjax.models.network import set_vectors
from rnnjax.models.seq2seq import pair_loss
from rnnjax.models.sequence_encoder import SequenceEncoder
from rnnjax.tasks.translation.config import TranslationConfig
from rnnjax.tasks.translation.preparation import encoded_sources, reversed_source
from rnnjax.tasks.translation.vocabulary import END, START, UNKNOWN_WORD, VocabularyPair
from rnnjax.typing import Array, Batch

BATCH_SIZE = 64


class Translation(NamedTuple):
    """The translation that a model wrote of a text.

    Attributes:
        rated: it and others, the best first.
        attention: `[T, S]`, of each of the T symbols of the translation, over the S symbols of the
            source and its end; None without attention.
        symbols: the T symbols as they are shown.
        source: the S symbols of the source, the last of them its end.
    """

    text: str
    rated: tuple[Rated, ...]
    attention: np.ndarray | None
    symbols: tuple[str, ...]
    source: tuple[str, ...]


class Translator(NamedTuple):
    """A model with its vocabularies: translates texts.

    Attributes:
        lengths: that sources are padded to, and how long translations become.
    """

    model: Seq2Seq
    vocabulary: VocabularyPair
    lengths: Lengths
    config: TranslationConfig
    search: Search = Search()

    def translate(self, texts: Sequence[str], *, batch_size: int = BATCH_SIZE) -> list[Translation]:
        """Translates each text.

        Where the model of level word writes an unknown word, the word of the source that it attends
        to most stands in its place (Luong et al. 2015, "Addressing the rare word problem in neural
        machine translation").

        Args:
            texts: one or more, each with a word at least.
            batch_size: how many are translated side by side.

        Raises:
            UserError: a text has no word. Texts are numbered from 1.
        """
        if empty := [n for n, text in enumerate(texts, 1) if not text.strip()]:
            raise UserError(f"text {empty[0]} of {len(texts)} is empty: nothing to translate")
        sources = encoded_sources(texts, self.vocabulary.source, self.config.reverse_source)
        examples = source_examples(sources, self.lengths.source)
        written = write(
            self.model,
            training.with_progress(
                EvaluationBatches(examples, batch_size=batch_size, fewer_long=True),
                len(texts),
                "translating",
            ),
            self.search,
            self.lengths.longest_target,
            start=START,
            stop=END,
            never=self.never,
        )
        return [self._translation(*both) for both in zip(texts, written, strict=True)]

    @property
    def never(self) -> tuple[int, ...]:
        """Symbols that are not written: the unknown one only where it can be replaced."""
        replaced = self.model.attends and self.vocabulary.level == "word"
        return (START,) if replaced else (START, UNKNOWN_WORD)

    def is_unknown(self, text: str) -> bool:
        """Whether no symbol of a text is known."""
        return set(self.vocabulary.source.encode(text)[:-1].tolist()) <= {UNKNOWN_WORD}

    def _translation(self, text: str, written: Written) -> Translation:
        source, target = self.vocabulary
        found = [target.decode(tokens) for tokens in written.tokens.tolist()]
        maps = written.weights
        if self.vocabulary.level == "word":
            words: Sequence[str] = source.words_of(text)
        else:
            words = source.decode(source.encode(text).tolist())
        if maps is not None:
            maps = reversed_source(maps.T).T if self.config.reverse_source else maps
            if self.vocabulary.level == "word":
                unknown = target.symbols[UNKNOWN_WORD]
                found = [
                    replace_unknown(one, unknown, words, its)
                    for one, its in zip(found, maps, strict=True)
                ]
        texts = [target.text(one) for one in found]
        return Translation(
            texts[0],
            rate(texts, written.scores, written.log_probability),
            None if maps is None else maps[0, : len(found[0])],
            target.labels(found[0]),
            (*source.labels(words), source.symbols[END]),
        )


def make_translator(
    config: TranslationConfig,
    vocabulary: VocabularyPair,
    vectors: Sequence[Vectors | None] = (None, None),
) -> Seq2Seq:
    """The model of a config, with fresh parameters.

    Args:
        vectors: of the words of source and target, made elsewhere; they are trained further.

    Raises:
        UserError: the vectors have another width than `embed_size`.
    """
    rngs = nnx.Rngs(config.seed)
    encoder = SequenceEncoder(
        config.network(both_directions=config.bidirectional),
        input_size=config.embed_size,
        vocab_size=len(vocabulary.source),
        dropout=config.dropout,
        rngs=rngs,
    )
    model = Seq2Seq(
        [encoder],
        len(vocabulary.target),
        config.network(dropout=0.0),
        context=config.context,
        scorer=config.scorer,
        embed_size=config.embed_size,
        attention_size=config.attention_size,
        dropout=config.dropout,
        input_feeding=config.input_feeding,
        compute_dtype=config.operand_dtype,
        rngs=rngs,
    )
    for embed, its, found in zip((encoder.embed, model.embed), vocabulary, vectors, strict=True):
        set_vectors(embed, found, its.plain_words, FIRST_WORD)
    return model


def first_carry(config: TranslationConfig) -> jax.Array | None:
    """What `batch_loss` counts updates by, float `[B]`; None without scheduled sampling."""
    return jnp.zeros(config.batch_size) if config.scheduled_sampling else None


def batch_loss(
    config: TranslationConfig, model: Seq2Seq, batch: Batch, key: Array | None, carry: Any = None
) -> training.Loss:
    """The loss in nats a symbol of the target, its end included; the carry: see `first_carry`."""
    options = {"start": START, "label_smoothing": config.label_smoothing}
    rate = None
    if carry is not None and key is not None:  # in training
        rate, carry = config.scheduled_sampling * carry[0] / config.num_steps, carry + 1
    total, count = pair_loss(model, batch, key, own_symbols=rate, **options)
    return training.Loss(total, count, carry)


def load(workdir: str | Path, config: TranslationConfig | None = None) -> Translator:
    """The trained translator of a run, best checkpoint; see `training.read_run`."""
    settings, stored = training.read_run(workdir, TranslationConfig, config)
    vocabulary = VocabularyPair.from_json(stored["vocabulary"])
    model = training.restore_model(workdir, make_translator, settings, vocabulary)
    lengths = Lengths(*map(tuple, json.loads(stored["lengths"])))
    return Translator(model, vocabulary, lengths, settings)


def replace_unknown(
    symbols: Sequence[str], unknown: str, words: Sequence[str], attention: np.ndarray
) -> tuple[str, ...]:
    """Puts the most attended word of the source in the place of each unknown one.

    Args:
        symbols: T of a translation.
        words: of the source, without its end.
        attention: `[T, S]`, S one more than there are words; T may be larger.
    """
    most = attention[: len(symbols), : len(words)].argmax(axis=-1)
    return tuple(
        words[n] if symbol == unknown else symbol for symbol, n in zip(symbols, most, strict=True)
    )
