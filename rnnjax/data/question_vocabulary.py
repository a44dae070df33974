"""Vocabularies of questions: their words, and their answers."""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np

from rnnjax.data.tokens import tokenize
from rnnjax.data.word_vocabulary import WordVocabulary, by_frequency
from rnnjax.errors import UserError, did_you_mean

OTHER = "<other>"
"""The answer with id 0: any that no training question has."""


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, without punctuation marks."""
    tokens = (token.text.lower() for token in tokenize(text))
    return [token for token in tokens if any(map(str.isalnum, token))]


@dataclasses.dataclass(frozen=True)
class QuestionVocabulary(WordVocabulary):
    """Words in lower case, and answers.

    Attributes:
        answers: in the order of their ids, OTHER first.
    """

    answers: tuple[str, ...] = ()

    @classmethod
    def words_of(cls, text: str) -> Sequence[str]:
        """The words of a text, without punctuation marks."""
        return words_of(text)

    @classmethod
    def of_questions(
        cls, texts: Iterable[str], answers: Iterable[str], more_words: Iterable[str] = ()
    ) -> Self:
        """The vocabulary of a training split.

        Args:
            answers: those of all questions; the most frequent one gets the first id.

        Raises:
            UserError: there are no words.
        """
        made = cls.of(sorted(texts))
        extra = sorted({word.lower() for word in more_words} - {*made.symbols})
        counts = Counter(answers)
        return dataclasses.replace(
            made, symbols=(*made.symbols, *extra), answers=(OTHER, *by_frequency(counts, counts))
        )

    def encode(self, text: str) -> np.ndarray:
        """The ids of a text's words, int32; `UNKNOWN_WORD` for those that are not known."""
        return super().encode(text)[:-1]

    def unknown_in(self, texts: Iterable[str]) -> list[str]:
        """The distinct words of some texts that are not known, by code point."""
        return sorted({word for text in texts for word in self.words_of(text)} - {*self.symbols})

    def note_unknown(self, texts: Iterable[str]) -> list[str]:
        """A line that names the words of some texts that are not known, if there are."""
        unknown = ", ".join(self.unknown_in(texts))
        return [f"Words that the model does not know: {unknown:.200}."] if unknown else []

    def check_answer(self, answer: str, place: str) -> None:
        """Raises UserError unless an answer, which stands at a place, is known."""
        if answer not in self.answers:
            raise UserError(
                f"{place} has the answer {answer!r}, which the restored model does not "
                f"know: {did_you_mean(answer, self.answers[1:])}"
            )

    def notes(self, split: str, texts: Iterable[str], answers: Iterable[str]) -> list[str]:
        """Lines that name the words and the answers of a split that are not known."""
        lines = []
        if unknown := self.unknown_in(texts):
            lines.append(f"{len(unknown):,} words of {split} are unknown: {', '.join(unknown):.80}")
        if others := sorted({*answers} - {*self.answers}):
            lines.append(
                f"{len(others):,} answers of {split} are those of no training question and count "
                f"as wrong: {', '.join(others):.80}"
            )
        return lines
