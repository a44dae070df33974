"""The symbols of two languages."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import ClassVar, NamedTuple, Self

from rnnjax.data.tokens import tokenize
from rnnjax.data.word_vocabulary import END, START, UNKNOWN_WORD, WordVocabulary
from rnnjax.errors import UserError

__all__ = ["END", "JOINER", "START", "UNKNOWN_WORD", "TextVocabulary", "VocabularyPair"]

JOINER = "\N{HALFWIDTH BLACK SQUARE}"
"""Begins a word that follows the one before it without white space, as in OpenNMT."""

_PARTS = re.compile(r"\d|\D+")


class TextVocabulary(WordVocabulary):
    """A vocabulary of one language whose texts can be written again from their symbols.

    Words are those of `tokenize`, with each digit a word of its own. A word that follows the one
    before it immediately begins with JOINER, so only the width of white space is lost.
    """

    texts_are: ClassVar[str] = "texts"

    @classmethod
    def words_of(cls, text: str) -> Sequence[str]:
        """The words: `in 1984.` is `in`, `1`, and `9`, `8`, `4`, `.` behind a JOINER each."""
        words, end = [], -1
        for token in tokenize(text):
            for part in _PARTS.finditer(token.text):
                joined = token.start + part.start() == end
                words.append(JOINER * joined + part.group())
                end = token.start + part.end()
        return words

    @property
    def plain_words(self) -> tuple[str, ...]:
        """The words without JOINER, in the order of their ids."""
        return tuple(word.removeprefix(JOINER) for word in self.words)

    def text(self, symbols: Sequence[str]) -> str:
        """The text that symbols make, as it is written: the inverse of `words_of`."""
        return f" {super().text(symbols)}".replace(f" {JOINER}", "").strip()

    def labels(self, symbols: Sequence[str]) -> tuple[str, ...]:
        """The label of each symbol in a picture."""
        return tuple(self.text((symbol,)) or "·" for symbol in symbols)


class VocabularyPair(NamedTuple):
    """The vocabularies of the source and of the target."""

    source: TextVocabulary
    target: TextVocabulary

    @property
    def level(self) -> str:
        """Of the symbols of both."""
        return self.target.level

    @classmethod
    def of(cls, sources: Iterable[str], targets: Iterable[str], **options) -> Self:
        """The vocabularies of a training split; `options` are those of `WordVocabulary.of`."""
        return cls(TextVocabulary.of(sources, **options), TextVocabulary.of(targets, **options))

    def to_json(self) -> str:
        """As JSON text, to be saved beside a checkpoint."""
        return json.dumps([one.to_json() for one in self])

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`.

        Raises:
            UserError: the text is not such a pair.
        """
        try:
            source, target = json.loads(text)
            return cls(TextVocabulary.from_json(source), TextVocabulary.from_json(target))
        except (TypeError, ValueError) as error:
            raise UserError(f"this is no saved pair of vocabularies: {error}") from error
