"""The words of texts and of their summaries: one vocabulary, and what a text adds to it."""

import re
from collections.abc import Sequence
from typing import ClassVar, NamedTuple

import numpy as np

from rnnjax.data.tokens import tokenize
from rnnjax.data.word_vocabulary import END, UNKNOWN_WORD, WordVocabulary

_NO_SPACE = re.compile(r" (?=[.,:;!?)\]}%]( |$))|(?<=[(\[{]) | (?='s( |$))")


class Encoded(NamedTuple):
    """A text in numbers.

    Attributes:
        ids: int32 `[S]`, END at the end.
        symbols: int32 `[S]`, the same, but an unknown word has a number of its own from V on.
        unknown: the unknown words, in the order of their numbers.
    """

    ids: np.ndarray
    symbols: np.ndarray
    unknown: tuple[str, ...]


class SummaryVocabulary(WordVocabulary):
    """Words in lower case, or parts of them."""

    texts_are: ClassVar[str] = "texts"

    @classmethod
    def words_of(cls, text: str) -> Sequence[str]:
        """The words and punctuation marks of a text."""
        return [token.text.lower() for token in tokenize(text)]

    def read(self, text: str, limit: int | None = None) -> Encoded:
        """A text in numbers, cut after `limit` symbols, its end included."""
        ids = self.encode(text)
        if limit is not None and len(ids) > limit:
            ids = np.append(ids[: limit - 1], np.int32(END))
        symbols = ids.copy()
        unknown: dict[str, int] = {}
        if self.level == "word":
            words = self.words_of(text)
            for n in np.flatnonzero(ids == UNKNOWN_WORD).tolist():
                symbols[n] = unknown.setdefault(words[n], len(self) + len(unknown))
        return Encoded(ids, symbols, tuple(unknown))

    def encode_summary(self, text: str, unknown: Sequence[str] = ()) -> np.ndarray:
        """The symbols of a summary, where words that are unknown may be those of its text."""
        ids = self.encode(text)
        if self.level == "word" and unknown:
            number_of = {word: len(self) + n for n, word in enumerate(unknown)}
            words = self.words_of(text)
            for n in np.flatnonzero(ids == UNKNOWN_WORD).tolist():
                ids[n] = number_of.get(words[n], UNKNOWN_WORD)
        return ids

    def symbols_of(self, ids: Sequence[int], unknown: Sequence[str] = ()) -> tuple[str, ...]:
        """The symbols of ids up to the first END, unknown words of the text among them."""
        ends = [*ids, END].index(END)
        symbols = (*self.symbols, *unknown)
        return tuple(symbols[n] for n in ids[:ends])

    def text(self, symbols: Sequence[str]) -> str:
        """The text that symbols make, punctuation marks without a space before them."""
        return _NO_SPACE.sub("", super().text(symbols))
