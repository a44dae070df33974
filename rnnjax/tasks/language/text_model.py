"""Writing and scoring text with a language model over characters or bytes."""

import functools
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx

from rnnjax import data, decode, models, training
from rnnjax.data.prepared import Prepared
from rnnjax.errors import UserError, check_at_least
from rnnjax.tasks.language.assembly import make_model, perplexity
from rnnjax.tasks.language.config import LanguageConfig
from rnnjax.typing import Array, PRNGKey

PIECE = 50
"""Symbols drawn at a time."""


class TextScore(NamedTuple):
    """How likely a text is to a language model.

    Attributes:
        text: the text.
        log_probability: of each character after all before it, nats `[len(text)]`; nan where
            nothing was before it.
    """

    text: str
    log_probability: np.ndarray

    @property
    def num_scored(self) -> int:
        """Characters that have a score."""
        return int(np.isfinite(self.log_probability).sum())

    @property
    def total(self) -> float:
        """Log-probability of the text in nats: the sum over its characters."""
        return float(np.nansum(self.log_probability))

    @property
    def bits_per_character(self) -> float:
        """``-total / (num_scored log 2)``; nan for a text without scores."""
        return -self.total / math.log(2) / self.num_scored if self.num_scored else math.nan

    @property
    def perplexity(self) -> float:
        """``exp(-total / num_scored)``, per character; nan for a text without scores."""
        return perplexity(-self.total / self.num_scored) if self.num_scored else math.nan


class TextModel(NamedTuple):
    """A language model that reads and writes text.

    Attributes:
        opening: a prompt that suits its training text; see `opening_of`.
    """

    model: models.LanguageModel
    vocabulary: data.Vocabulary
    opening: str = "\n"

    def encode(self, text: str, what: str = "the text") -> np.ndarray:
        """Text as ids.

        Args:
            what: how a message calls it.

        Raises:
            UserError: the vocabulary lacks a character of it.
        """
        if unknown := self.vocabulary.unknown_in(text):
            raise UserError(
                f"{what} has characters that the training text does not: {unknown!r}. "
                "A model trained with --config.level=byte takes any text."
            )
        return self.vocabulary.encode(text)

    def write(self, prompt: str | None = None, **options: Any) -> list[str]:
        """Writes texts that begin with a prompt; arguments and errors as for `stream`."""
        return list(map("".join, zip(*self.stream(prompt, **options), strict=True)))

    def stream(
        self,
        prompt: str | None = None,
        *,
        length: int,
        num_samples: int = 1,
        stop: str | Sequence[str] = (),
        seed: int | Sequence[int] = 0,
        temperature: float = 0.8,
        **filters: Any,
    ) -> Iterator[list[str]]:
        """Writes texts that begin with a prompt, piece by piece.

        Args:
            prompt: at least one character; None: `opening`.
            length: symbols to add.
            stop: strings that end a text.
            seed: decides all draws; or a seed for each text, which alone decides it.
            temperature, filters: see `rnnjax.decode.filter_logits`.

        Yields:
            The prompts, then the next piece of each text, empty where it has ended.

        Raises:
            UserError: the prompt is empty, a character is outside of the vocabulary, or a number
                out of range.
        """
        prompt = self.opening if prompt is None else prompt
        if not prompt:
            raise UserError("the prompt is empty: give at least one character to go on from")
        stops = [stop] if isinstance(stop, str) else stop
        runs = tuple(tuple(self.encode(text, "--stop").tolist()) for text in stops)
        check_at_least(1, length=length)
        key = decode.keys_of_seeds(seed, num_samples)
        graph, params = nnx.split(self.model)
        prompts = np.tile(self.encode(prompt, "--prompt")[:, None], (1, num_samples))
        state = _begin(graph, params, prompts, stop=runs)
        yield [prompt] * num_samples
        ids, shown = [np.empty(0, np.int32)] * num_samples, [0] * num_samples
        for done in range(0, length, PIECE):
            state, drawn = _continue(
                graph, params, state, key, length=PIECE, temperature=temperature, **filters
            )
            tokens, valid = (x[: length - done].T for x in jax.device_get(drawn))
            ended = done + PIECE >= length or not valid[:, -1].any()
            new = (row[kept] for row, kept in zip(tokens, valid, strict=True))
            ids = list(map(np.append, ids, new))
            texts = [self.vocabulary.decode(row) for row in ids]
            if not ended:  # the last bytes may begin a character
                texts = [text.rstrip(data.UNKNOWN) for text in texts]
            yield [text[n:] for text, n in zip(texts, shown, strict=True)]
            shown = list(map(len, texts))
            if ended:
                return

    def score(
        self, texts: Sequence[str], prompt: str = "", *, unknown: bool = False
    ) -> list[TextScore]:
        """How likely texts are, each by itself, in their order.

        Args:
            texts: of at least one character each.
            prompt: read before each text. Without one the first symbol of a text has no score.
            unknown: a character outside of the vocabulary is scored as the unknown symbol.

        Raises:
            UserError: a character is outside of the vocabulary.
        """
        encode = self.vocabulary.encode if unknown else self.encode
        ids = [encode(text) for text in texts]
        scores = []
        found = models.score_texts(self.model, ids, self.encode(prompt, "--prompt"))
        for text, of_symbols in zip(texts, found, strict=True):
            lengths = [len(self.vocabulary.encode(character)) for character in text[:-1]]
            of_characters = np.add.reduceat(of_symbols, np.cumsum([0, *lengths]))
            scores.append(TextScore(text, of_characters))
        return scores


def load(workdir: str | Path, config: LanguageConfig | None = None) -> TextModel:
    """The trained language model of a run, best checkpoint; see `training.read_run`."""
    settings, stored = training.read_run(workdir, LanguageConfig, config)
    vocabulary = data.Vocabulary.from_json(stored["vocabulary"])
    model = training.restore_model(workdir, make_model, settings, len(vocabulary))
    return TextModel(model, vocabulary, stored.get("opening", "\n"))


def opening_of(corpus: data.Corpus | Prepared) -> str:
    """The default prompt: a line end, or the first character of a training text without any."""
    ids, vocabulary = corpus.splits["train"].ids[:100_000], corpus.vocabulary
    line_end = vocabulary.encode("\n")[0]
    known = not vocabulary.unknown_in("\n") and (ids == line_end).any()
    return "\n" if known else vocabulary.decode(ids[:4])[0]


def longest_document(stream: data.Stream) -> np.ndarray:
    """The ids of the longest document of a split."""
    lengths = np.diff(stream.document_starts, append=len(stream.ids))
    start = stream.document_starts[np.argmax(lengths)]
    return stream.ids[start : start + lengths.max()]


def _step(graph: nnx.GraphDef) -> decode.Step:
    return lambda params, carry, tokens: nnx.merge(graph, params).step(tokens, carry)


@functools.partial(jax.jit, static_argnums=0, static_argnames="stop")
def _begin(
    graph: nnx.GraphDef, params: Any, prompts: Array, stop: tuple[tuple[int, ...], ...]
) -> decode.Sampling:
    carry = nnx.merge(graph, params).initial_carry(prompts.shape[1])
    return decode.begin_sampling(_step(graph), params, carry, prompts, stop=stop)


@functools.partial(jax.jit, static_argnums=0, static_argnames=("length", *decode.FILTERS))
def _continue(
    graph: nnx.GraphDef, params: Any, state: decode.Sampling, key: PRNGKey, **options: Any
) -> tuple[decode.Sampling, tuple[Array, Array]]:
    return decode.continue_sampling(_step(graph), params, state, key=key, **options)
