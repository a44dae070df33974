"""Summarising texts with a trained model."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from flax import nnx

from rnnjax import data, training
from rnnjax.data.padded_batches import EvaluationBatches
from rnnjax.data.pair_batches import Lengths, source_examples
from rnnjax.data.word_vocabulary import END, FIRST_WORD, START, UNKNOWN_WORD
from rnnjax.errors import UserError
from rnnjax.models import Seq2Seq
from rnnjax.models.decoding import Rated, Search, Written, rate, write
from rnnjax.models.network import set_vectors
from rnnjax.models.seq2seq import pair_loss
from rnnjax.models.sequence_encoder import SequenceEncoder
from rnnjax.tasks.summarisation.config import SummarisationConfig
from rnnjax.tasks.summarisation.preparation import fields_of
from rnnjax.tasks.summarisation.vocabulary import Encoded, SummaryVocabulary
from rnnjax.typing import Array, Batch

BATCH_SIZE = 64


class Summary(NamedTuple):
    """The summary that a model wrote of a text.

    Attributes:
        text: the summary, in lower case.
        rated: it and others, the best first.
        symbols: the T symbols of the summary.
        source: the S symbols of the text as it was read, the last of them its end.
        attention: `[T, S]`, of each symbol of the summary over those of the text.
        copied: `[T]`, the probability that a symbol is copied, 1 - p_gen; None of a model that does
            not copy.
    """

    text: str
    rated: tuple[Rated, ...]
    symbols: tuple[str, ...]
    source: tuple[str, ...]
    attention: np.ndarray
    copied: np.ndarray | None


class Summarizer(NamedTuple):
    """A model with its vocabulary: summarises texts.

    Attributes:
        lengths: that texts are padded to, and how long summaries become.
        limit: symbols that texts are cut to; None: they are not.
    """

    model: Seq2Seq
    vocabulary: SummaryVocabulary
    lengths: Lengths
    limit: int | None
    search: Search = Search()

    def summarize(self, texts: Sequence[str], *, batch_size: int = BATCH_SIZE) -> list[Summary]:
        """Summarises each text.

        Args:
            texts: one or more, each with a word at least.
            batch_size: how many are summarised side by side.

        Raises:
            UserError: a text has no word. Texts are numbered from 1.
        """
        if empty := [n for n, text in enumerate(texts, 1) if not text.strip()]:
            raise UserError(f"text {empty[0]} of {len(texts)} is empty: nothing to summarise")
        read = [self.vocabulary.read(text, self.limit) for text in texts]
        copies = self.model.copied_as is not None
        sources = [fields_of(one, copies) for one in read]
        examples = source_examples(sources, self.lengths.source)
        written = write(
            self.model,
            training.with_progress(
                EvaluationBatches(examples, batch_size=batch_size, fewer_long=True),
                len(read),
                "summarising",
            ),
            self.search,
            lambda length: self.lengths.target[-1],
            start=START,
            stop=END,
            never=(START, UNKNOWN_WORD),
        )
        return [self._summary(*both) for both in zip(read, written, strict=True)]

    def _summary(self, read: Encoded, written: Written) -> Summary:
        assert written.weights is not None
        found = [
            self.vocabulary.symbols_of(tokens, read.unknown) for tokens in written.tokens.tolist()
        ]
        symbols, texts = found[0], [self.vocabulary.text(one) for one in found]
        source = (*self.vocabulary.symbols, *read.unknown)
        size = len(symbols)
        return Summary(
            texts[0],
            rate(texts, written.scores, written.log_probability),
            symbols,
            tuple(source[n] for n in read.symbols.tolist()),
            written.weights[0, :size],
            None if written.generate is None else 1 - written.generate[0, :size],
        )


def make_summarizer(
    config: SummarisationConfig, vocabulary: SummaryVocabulary, vectors: data.Vectors | None = None
) -> Seq2Seq:
    """The model of a config, with fresh parameters; text and summary share the words' vectors.

    Args:
        vocabulary: decides the number of symbols.
        vectors: of words, made elsewhere; they are trained further.

    Raises:
        UserError: the vectors have another width than `embed_size`.
    """
    rngs = nnx.Rngs(config.seed)
    encoder = SequenceEncoder(
        config.network(both_directions=True),
        input_size=config.embed_size,
        vocab_size=len(vocabulary),
        dropout=config.dropout,
        rngs=rngs,
    )
    model = Seq2Seq(
        [encoder],
        len(vocabulary),
        config.network(dropout=0.0),
        context="soft",
        scorer="coverage" if config.coverage else "additive",
        embed_size=config.embed_size,
        attention_size=config.attention_size,
        dropout=config.dropout,
        compute_dtype=config.operand_dtype,
        copied_as=UNKNOWN_WORD if config.copy else None,
        rngs=rngs,
    )
    encoder.embed = model.embed
    set_vectors(model.embed, vectors, vocabulary.words, FIRST_WORD)
    return model


def batch_loss(
    config: SummarisationConfig, model: Seq2Seq, batch: Batch, key: Array | None
) -> training.Loss:
    """The loss in nats a symbol of the summary, its end included; in training with coverage."""
    total, count = pair_loss(model, batch, key, start=START, coverage=config.coverage)
    return training.Loss(total, count)


def load(workdir: str | Path, config: SummarisationConfig | None = None) -> Summarizer:
    """The trained summarizer of a run, best checkpoint; see `training.read_run`."""
    settings, stored = training.read_run(workdir, SummarisationConfig, config)
    vocabulary = SummaryVocabulary.from_json(stored["vocabulary"])
    model = training.restore_model(workdir, make_summarizer, settings, vocabulary)
    lengths = Lengths(*map(tuple, json.loads(stored["lengths"])))
    return Summarizer(model, vocabulary, lengths, settings.limit)
