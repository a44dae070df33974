"""Translating texts with a trained model."""

import functools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from tqdm import tqdm

from rnnjax import decode, training
from rnnjax.data.padded_batches import EvaluationBatches
from rnnjax.errors import UserError
from rnnjax.models import Seq2Seq
from rnnjax.models.decoder import decoding_step
from rnnjax.models.seq2seq import Source, seq2seq_loss
from rnnjax.models.sequence_encoder import SequenceEncoder
from rnnjax.tasks.translation.config import TranslationConfig
from rnnjax.tasks.translation.preparation import (
    SOURCE_LENGTHS,
    Lengths,
    reversed_source,
    source_examples,
)
from rnnjax.tasks.translation.vocabulary import END, START, UNKNOWN_WORD, VocabularyPair
from rnnjax.typing import Array, Carry

BATCH_SIZE = 64


class Search(NamedTuple):
    """Settings of the beam search; see `decode.beam_search`."""

    beam_size: int = 5
    length_penalty: float = 0.6


class Translation(NamedTuple):
    """The translation that a model wrote of a text.

    Attributes:
        text: the translation.
        log_probability: of it and its end, in nats.
        attention: `[T, S]`, of each of the T symbols of the translation, over the S symbols of the
            source and its end; None without attention.
        symbols: the T symbols as they are shown.
        source: the S symbols of the source, the last of them its end.
    """

    text: str
    log_probability: float
    attention: np.ndarray | None
    symbols: tuple[str, ...]
    source: tuple[str, ...]


class Translator(NamedTuple):
    """A model with its vocabularies: translates texts.

    Attributes:
        model: encoder and decoder.
        vocabulary: of source and target.
        lengths: that sources are padded to, and how long translations become.
        reverse_source: sources are read backwards.
        search: settings of the beam search.
    """

    model: Seq2Seq
    vocabulary: VocabularyPair
    lengths: Lengths
    reverse_source: bool = False
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
        graph, params = nnx.split(self.model, nnx.Param)
        found: dict[int, Translation] = {}
        for batch in self._batches(texts, batch_size):
            longest = self.lengths.longest_translation(len(batch["source"]))
            sources = {name: batch[name] for name in ("source", SOURCE_LENGTHS)}
            result = _search(graph, self.never, self.search, longest, params, sources)
            tokens, log_probability, weights = jax.device_get(result)
            for row, n in enumerate(batch["indices"].tolist()):
                if n >= 0:
                    maps = (
                        None if weights is None else weights[row][:, : batch[SOURCE_LENGTHS][row]]
                    )
                    one = self._translation(texts[n], tokens[row].tolist(), maps)
                    found[n] = one._replace(log_probability=float(log_probability[row]))
        return [found[n] for n in range(len(texts))]

    @property
    def never(self) -> tuple[int, ...]:
        """Symbols that are not written: the unknown one only where it can be replaced."""
        replaced = self.model.attends and self.vocabulary.level == "word"
        return (START,) if replaced else (START, UNKNOWN_WORD)

    def is_unknown(self, text: str) -> bool:
        """Whether no symbol of a text is known."""
        return set(self.vocabulary.source.encode(text)[:-1].tolist()) <= {UNKNOWN_WORD}

    def _batches(self, texts: Sequence[str], batch_size: int) -> Iterator[dict[str, np.ndarray]]:
        examples = source_examples(
            texts, self.vocabulary.source, self.lengths.source, reverse=self.reverse_source
        )
        bar = tqdm(total=len(texts), desc="translating", disable=None, leave=False, delay=2)
        with bar:
            for batch in EvaluationBatches(examples, batch_size=batch_size):
                yield batch
                bar.update(int((batch["indices"] >= 0).sum()))

    def _translation(self, text: str, ids: list[int], maps: np.ndarray | None) -> Translation:
        source, target = self.vocabulary
        symbols = target.decode(ids)
        if self.vocabulary.level == "word":
            words: Sequence[str] = source.words_of(text)
        else:
            words = source.decode(source.encode(text).tolist())
        if maps is not None:
            maps = maps[: len(symbols)]
            maps = reversed_source(maps.T).T if self.reverse_source else maps
            if self.vocabulary.level == "word":
                symbols = replace_unknown(symbols, target.symbols[UNKNOWN_WORD], words, maps)
        return Translation(
            target.text(symbols),
            0.0,
            maps,
            target.labels(symbols),
            (*source.labels(words), source.symbols[END]),
        )


def make_translator(config: TranslationConfig, vocabulary: VocabularyPair) -> Seq2Seq:
    """The model of a config, with fresh parameters."""
    rngs = nnx.Rngs(config.seed)
    encoder = SequenceEncoder(
        config.network(both_directions=config.bidirectional),
        input_size=config.embed_size,
        vocab_size=len(vocabulary.source),
        dropout=config.dropout,
        rngs=rngs,
    )
    return Seq2Seq(
        [encoder],
        len(vocabulary.target),
        config.network(dropout=0.0),
        context=config.context,
        scorer=config.scorer,
        embed_size=config.embed_size,
        attention_size=config.attention_size,
        dropout=config.dropout,
        compute_dtype=config.operand_dtype,
        rngs=rngs,
    )


def make_loss(graph: nnx.GraphDef) -> training.LossFn:
    """Makes the loss of a batch, in nats a symbol of the target, its end included.

    Args:
        graph: of the model.
    """

    def loss_fn(params, carry, batch, key):
        target = batch["target"]
        mask = _up_to(batch["lengths"], target)
        total, count = seq2seq_loss(
            nnx.merge(graph, params), [_source_of(batch)], target, mask, key, start=START
        )
        return training.Loss(total, count, carry)

    return loss_fn


def load(workdir: str | Path, config: TranslationConfig | None = None) -> Translator:
    """The trained translator of a run, best checkpoint.

    Args:
        workdir: of the run.
        config: of the run, where it is known.

    Raises:
        UserError: there is no intact checkpoint.
    """
    stored_config, stored = training.read_run(workdir, TranslationConfig)
    config = config or stored_config
    vocabulary = VocabularyPair.from_json(stored["vocabulary"])
    model = training.restore_model(workdir, make_translator, config, vocabulary)
    lengths = Lengths(*map(tuple, json.loads(stored["lengths"])))
    return Translator(model, vocabulary, lengths, config.reverse_source)


def replace_unknown(
    symbols: Sequence[str], unknown: str, words: Sequence[str], attention: np.ndarray
) -> tuple[str, ...]:
    """Puts the most attended word of the source in the place of each unknown one.

    Args:
        symbols: T of a translation.
        unknown: the symbol to be replaced.
        words: of the source, without its end.
        attention: `[T, S]`, S one more than there are words.
    """
    most = attention[:, : len(words)].argmax(axis=-1)
    return tuple(
        words[n] if symbol == unknown else symbol for symbol, n in zip(symbols, most, strict=True)
    )


def _up_to(lengths: Array, steps: Array) -> Array:
    """True at the first steps of each row, bool `[T, B]`."""
    return jnp.arange(len(steps))[:, None] < lengths


def _source_of(batch: dict[str, Array]) -> Source:
    return Source(batch["source"], _up_to(batch[SOURCE_LENGTHS], batch["source"]))


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _search(
    graph: nnx.GraphDef,
    never: tuple[int, ...],
    search: Search,
    max_length: int,
    params: Any,
    batch: dict[str, Array],
) -> tuple[Array, Array, Array | None]:
    """The best hypotheses `[B, L]`, their log-probabilities and the attention `[B, L, S]`."""
    model = nnx.merge(graph, params)
    memory = model.memory([_source_of(batch)])
    carry = model.initial_carry(memory)
    start = jnp.full(len(batch[SOURCE_LENGTHS]), START)

    def weights_of(params_and_memory: Any, carry: Carry, tokens: Array) -> tuple[Any, Carry]:
        params, memory = params_and_memory
        _, glance, carry = nnx.merge(graph, params).step(memory, carry, tokens)
        return glance.weights, carry

    found = decode.beam_search(
        decoding_step(graph, never),
        (params, memory),
        carry,
        start,
        beam_size=search.beam_size,
        max_length=max_length,
        stop=END,
        length_penalty=search.length_penalty,
    )
    best = found.tokens[:, 0]
    weights = None
    if model.attends:
        weights = decode.replay(weights_of, (params, memory), carry, start, best)
    return best, found.log_probability[:, 0], weights
